"""Other projects' files: readers give a `RawScan` each, `assemble` brings it into this project's frame, writers go out."""

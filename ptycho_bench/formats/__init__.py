"""Files of other projects: a reader gives a `RawScan`, `assemble` brings it into our frame, writers lead out again."""

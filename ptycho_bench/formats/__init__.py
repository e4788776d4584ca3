"""Import and export of other projects' files: a reader returns a `RawScan`, which `assemble` makes a `PtychoScan`."""

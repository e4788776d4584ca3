"""Everything a run leaves behind: its folder, lock, environment record, console output and pictures."""

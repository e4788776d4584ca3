"""What a run leaves behind: record, tables, pictures."""

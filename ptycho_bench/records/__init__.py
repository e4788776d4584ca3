"""What a run leaves behind: its folder, its lock, its environment, its console output and its pictures."""

"""A table of runs: its definition, the plan of its runs, the workers that run them, and the collected results."""

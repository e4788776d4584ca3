"""Names of what ptycho-evaluate can score, in a module of its own that imports nothing."""

REFERENCES = ("training_mean", "nearest_pattern")  # predictors without weights, see `runs.references`
PREDICTORS = ("network", *REFERENCES)

"""A scan to one complex object: by a network, by a solver, or by a solver that starts where a network ended."""

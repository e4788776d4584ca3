"""Reconstruct the complex object of a scan by a network, by a solver, or by a solver that starts from a network."""

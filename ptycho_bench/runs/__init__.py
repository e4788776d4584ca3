"""One function for each thing that a command does: train, evaluate, import, reconstruct, export, profile."""

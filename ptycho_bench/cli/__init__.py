"""The commands: each composes a configuration with Hydra and calls a function of `runs`, `benchmark` or `report`."""

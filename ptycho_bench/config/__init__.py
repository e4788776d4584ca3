"""From a Hydra configuration to plain values and back: the only package below `runs` that imports Hydra."""

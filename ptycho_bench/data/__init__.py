"""From physics to a network's batches: simulate, store, split, scale, load."""

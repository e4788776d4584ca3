"""Everything a checkpoint rebuilds: input transform, model, amplitude and phase representations, and their scaling."""

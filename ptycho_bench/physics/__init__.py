"""Forward model of far-field ptychography. Torch only, batched, on any device."""

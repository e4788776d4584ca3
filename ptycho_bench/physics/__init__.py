"""Forward model of far-field ptychography in PyTorch: batched, and on any device."""

"""Pure functions on tensors that stitch patches to an object and measure it, the same for networks and solvers."""

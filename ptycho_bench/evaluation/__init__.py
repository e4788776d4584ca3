"""Pure functions on tensors: patches to object to metrics, the same for networks and solvers."""

"""Training with Lightning: one module for every model, loss and phase representation."""

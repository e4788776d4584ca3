"""Lightning: one module for any model, loss and phase representation."""

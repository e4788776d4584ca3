"""Losses, one call shape: forward(pred, target) -> named terms, of which the module steps on "total"."""

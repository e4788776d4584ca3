"""Losses with one interface: forward(pred, target) returns named terms, and training minimises "total"."""

"""Simulated specimens: complex transmission functions."""

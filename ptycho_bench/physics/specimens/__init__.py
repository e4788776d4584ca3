"""Simulated specimens, as complex transmission functions."""

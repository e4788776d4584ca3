"""Iterative solvers (ePIE, rPIE and PIE) and the search for the orientation of the scan positions."""

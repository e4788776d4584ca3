"""Iterative solvers (ePIE, rPIE, PIE) and the search for the orientation of the positions."""

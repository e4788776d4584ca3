"""ptycho_bench: ptychography networks and solvers, trained and judged on the same data by the same rules."""

__version__ = "0.1.0"

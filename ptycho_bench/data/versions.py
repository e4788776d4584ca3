"""Versions that files and identities contain, in a module of their own that imports nothing."""

FORMAT_VERSION = 2  # of the HDF5 file of a scan
SIMULATION_VERSION = 1  # raise it if the same settings give other patterns
PROTOCOL_VERSION = 2  # raise it if training or scoring gives results that differ by more than rounding

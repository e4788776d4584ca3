"""Versions that enter hashes; here alone, so that they are read without importing torch."""

FORMAT_VERSION = 2  # of the HDF5 file
SIMULATION_VERSION = 1  # raise it when the same settings give other numbers
TRAINING_VERSION = 1  # raise it when a network, loss or step changes and the same settings train another way
PROTOCOL_VERSION = 1  # raise it when a metric changes its meaning: tables never mix versions

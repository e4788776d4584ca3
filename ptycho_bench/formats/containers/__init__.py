"""Containers of arrays (HDF5, npz, text tables) and what all readers need from them."""

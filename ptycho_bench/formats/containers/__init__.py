"""File containers (HDF5, .npz, TIFF layouts, text tables) and the helpers that all readers share."""

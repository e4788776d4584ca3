"""Networks, one architecture a file; each a plain nn.Module."""

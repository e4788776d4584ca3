"""Networks: one architecture per file, each a plain nn.Module."""

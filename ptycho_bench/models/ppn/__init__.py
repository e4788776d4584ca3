"""PPN (Yue et al., IEEE TCI 2025): network of the paper's equations, of its released code and of its earlier draft."""

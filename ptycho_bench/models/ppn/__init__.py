"""PPN (Yue et al., IEEE TCI 2025): the paper's equations, its released code, its draft, and its polar attention."""

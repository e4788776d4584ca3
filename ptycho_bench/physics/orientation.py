"""How a scan's axes relate to the detector's: the eight flips and swaps of the positions."""

import numpy as np

EIGHT = {  # swap rows and columns first, then turn the row's, the column's sign
    "as_is": (False, 1, 1),
    "flip_rows": (False, -1, 1),
    "flip_columns": (False, 1, -1),
    "flip_both": (False, -1, -1),
    "swap": (True, 1, 1),
    "swap_flip_rows": (True, -1, 1),
    "swap_flip_columns": (True, 1, -1),
    "swap_flip_both": (True, -1, -1),
}


def orient(positions: np.ndarray, name: str) -> np.ndarray:
    """Positions (N, 2) as (row, column) of any unit, flipped and swapped by name, beginning at 0.

    >>> orient(np.array([[0.0, 0.0], [2.0, 5.0]]), "swap_flip_rows")
    array([[5., 0.],
           [0., 2.]])

    Raises:
        ValueError: an unknown name.
    """
    if name not in EIGHT:
        raise ValueError(f"orientation must be one of {', '.join(EIGHT)}, got {name!r}")
    swap, row, column = EIGHT[name]
    turned = (positions[:, ::-1] if swap else positions) * np.array([row, column])
    return turned - turned.min(axis=0)

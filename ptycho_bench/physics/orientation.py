"""The eight orientations (flips and a swap of the axes) that relate scan positions to the detector."""

import numpy as np

ORIENTATIONS = {  # swap rows and columns (first), sign of the row, sign of the column
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
    """Flip and swap positions (N, 2) as (row, column), in any unit, and shift their minimum to 0.

    >>> orient(np.array([[0.0, 0.0], [2.0, 5.0]]), "swap_flip_rows")
    array([[5., 0.],
           [0., 2.]])

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in ORIENTATIONS:
        raise ValueError(f"orientation must be one of {', '.join(ORIENTATIONS)}, got {name!r}")
    swap, row, column = ORIENTATIONS[name]
    oriented = (positions[:, ::-1] if swap else positions) * np.array([row, column])
    return oriented - oriented.min(axis=0)

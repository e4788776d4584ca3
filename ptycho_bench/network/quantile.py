"""Exact quantile of values that need not fit into memory."""

from collections.abc import Callable, Iterable

import numpy as np

DIGIT_BITS = 16  # resolved in one pass over the values


def quantile(blocks: Callable[[], Iterable[np.ndarray]], count: int, fraction: float) -> float:
    """Return what `np.quantile` returns for all values, in constant memory and two passes for types of up to 32 bits.

    >>> quantile(lambda: [np.array([4.0, 1.0]), np.array([3.0, 2.0])], 4, 0.5)
    2.5

    Args:
        blocks: returns a new iterator at each call; the arrays have one type and no negative or NaN values.
        count: number of all values.
        fraction: position of the quantile, [0, 1].
    """
    place = (count - 1) * fraction
    low = int(place)
    around = order_statistics(blocks, [low, min(low + 1, count - 1)])
    return float(np.quantile(around, place - low))  # interpolates between two values as numpy does


def order_statistics(blocks: Callable[[], Iterable[np.ndarray]], ranks: list[int]) -> np.ndarray:
    """Return the values at these places of the sorted values, (len(ranks),), determined digit by digit."""
    dtype = next(iter(blocks())).dtype.newbyteorder("=")
    bits = 8 * dtype.itemsize
    found, left = [0] * len(ranks), list(ranks)  # leading digits, and the place among the values that share them
    for shift in range(max(bits - DIGIT_BITS, 0), -1, -DIGIT_BITS):
        counts = {start: np.zeros(2**DIGIT_BITS, np.int64) for start in found}
        for block in blocks():
            numbers = sortable(block)
            for start in counts:
                counts[start] += digit_counts(numbers, start, shift)
        for number, start in enumerate(found):
            up_to = counts[start].cumsum()
            digit = int(np.searchsorted(up_to, left[number], side="right"))
            left[number] -= int(up_to[digit] - counts[start][digit])
            found[number] = (start << DIGIT_BITS) | digit
    return np.array(found, f"u{dtype.itemsize}").view(dtype)


def sortable(values: np.ndarray) -> np.ndarray:
    """Return non-negative values as flat unsigned integers that sort in the same order; of floats, the bits."""
    flat = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).ravel()
    if flat.dtype.kind == "f":
        flat = flat + flat.dtype.type(0)  # turns -0 into 0
    return flat.view(f"u{flat.dtype.itemsize}")


def digit_counts(numbers: np.ndarray, start: int, shift: int) -> np.ndarray:
    """Count how often each digit at bit `shift` follows the leading digits `start`, int64 (2**DIGIT_BITS,)."""
    leading = numbers >> numbers.dtype.type(shift)
    if shift + DIGIT_BITS < 8 * numbers.dtype.itemsize:  # otherwise there are no leading digits
        leading = leading[(leading >> leading.dtype.type(DIGIT_BITS)) == start]
        leading = leading & leading.dtype.type(2**DIGIT_BITS - 1)
    return np.bincount(leading.astype(np.int64), minlength=2**DIGIT_BITS)

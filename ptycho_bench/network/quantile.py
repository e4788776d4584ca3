"""The exact quantile of values that need not fit into memory."""

from collections.abc import Callable, Iterable

import numpy as np

DIGIT_BITS = 16  # sorted out in one pass over the values


def quantile(blocks: Callable[[], Iterable[np.ndarray]], count: int, fraction: float) -> float:
    """What `np.quantile` gives of all values at once, in two passes for types of up to 32 bits and constant memory.

    >>> quantile(lambda: [np.array([4.0, 1.0]), np.array([3.0, 2.0])], 4, 0.5)
    2.5

    Args:
        blocks: starts anew at each call; arrays of one type, no value negative or NaN.
        count: of all values.
        fraction: [0, 1].
    """
    place = (count - 1) * fraction
    low = int(place)
    around = order_statistics(blocks, [low, min(low + 1, count - 1)])
    return float(np.quantile(around, place - low))  # numpy's own way to lie between two values


def order_statistics(blocks: Callable[[], Iterable[np.ndarray]], ranks: list[int]) -> np.ndarray:
    """The values that would stand at these places, (len(ranks),), were all sorted; digit by digit, highest first."""
    dtype = next(iter(blocks())).dtype.newbyteorder("=")
    bits = 8 * dtype.itemsize
    found, left = [0] * len(ranks), list(ranks)  # leading digits, and the place among the values that have them
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
    """Values that are not negative as unsigned whole numbers of the same order, flat; of floats their bits."""
    flat = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).ravel()
    return (flat + flat.dtype.type(0) if flat.dtype.kind == "f" else flat).view(f"u{flat.dtype.itemsize}")  # -0 is 0


def digit_counts(numbers: np.ndarray, start: int, shift: int) -> np.ndarray:
    """How often each digit at bit `shift` follows the leading digits `start`, int64 (2**DIGIT_BITS,)."""
    leading = numbers >> numbers.dtype.type(shift)
    if shift + DIGIT_BITS < 8 * numbers.dtype.itemsize:  # else there are no digits before
        leading = leading[(leading >> leading.dtype.type(DIGIT_BITS)) == start]
        leading = leading & leading.dtype.type(2**DIGIT_BITS - 1)
    return np.bincount(leading.astype(np.int64), minlength=2**DIGIT_BITS)

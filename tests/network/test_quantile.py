"""Quantiles in constant memory agree with numpy to the last bit."""

import numpy as np
import pytest

from ptycho_bench.network.quantile import quantile


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i8", "f4", "f8", ">f4"])
@pytest.mark.parametrize("count", [1, 2, 1001])
def test_it_is_the_quantile_of_all_values_at_once(dtype, count):
    values = np.random.default_rng(count).gamma(0.5, 40, count).clip(0, 250).astype(dtype)
    values[::5] = 0
    for fraction in (0.0, 0.3, 0.995, 1.0):
        found = quantile(lambda: np.array_split(values, 3)[: min(3, count)], count, fraction)
        assert found == float(np.quantile(values, fraction))


def test_negative_zero_counts_as_zero():
    values = np.array([-0.0, 0.0, 1.0, 2.0], np.float32)
    assert quantile(lambda: [values], 4, 0.5) == 0.5

"""Statistics against published examples and independent code."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from ptycho_bench.benchmark.statistics import Anova, compare, pairs, rank_correlation, summary


def table(rows=4, seeds=10, spread=0.5, seed=0):
    rng = np.random.default_rng(seed)
    subjects = rng.normal(0, 1, seeds)
    return {
        f"row {k}": {s: float(subjects[s] + 0.3 * k + spread * rng.normal()) for s in range(seeds)} for k in range(rows)
    }


def test_a_summary_is_mean_sample_deviation_and_students_interval():
    values = [3.1, 2.9, 3.6, 3.3, 2.7]
    found = summary(values)
    assert found.mean == pytest.approx(np.mean(values)) and found.std == pytest.approx(np.std(values, ddof=1))
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert summary([]) is None
    one = summary([2.0])
    assert (one.mean, one.std, one.low, one.count) == (2.0, None, None, 1)


def test_rank_correlation_looks_at_the_order_alone():
    assert rank_correlation([1, 2, 3, 4], [10, 20, 25, 1000]) == pytest.approx(1)
    assert rank_correlation([4, 3, 2, 1], [10, 20, 25, 1000]) == pytest.approx(-1)
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None


def test_anova_agrees_with_statsmodels():
    import pandas

    values = table()
    found = compare(values)
    frame = pandas.DataFrame([{"row": r, "seed": s, "value": v} for r, n in values.items() for s, v in n.items()])
    expected = AnovaRM(frame, "value", "seed", within=["row"]).fit().anova_table.iloc[0]
    assert found.f == pytest.approx(expected["F Value"]) and found.p == pytest.approx(expected["Pr > F"])
    assert found.p < found.p_corrected < 1 and 1 / 3 <= found.epsilon <= 1
    assert found.seeds == 10 and len(found.pairs) == 6


def test_the_sphericity_correction_is_that_of_the_covariance():
    values = table(rows=3, seeds=8, seed=4)
    matrix = np.array([list(numbers.values()) for numbers in values.values()])
    covariance = np.cov(matrix)
    centred = covariance - covariance.mean(0) - covariance.mean(1)[:, None] + covariance.mean()
    epsilon = np.trace(centred) ** 2 / (2 * np.square(centred).sum())
    found = compare(values)
    assert found.epsilon == pytest.approx(epsilon)
    assert found.p_corrected == pytest.approx(stats.f.sf(found.f, 2 * epsilon, 14 * epsilon))


def test_pairs_are_paired_t_tests_times_their_number():
    values = table(rows=3)
    seeds = list(range(10))
    found = {(pair.first, pair.second): pair for pair in pairs(values, seeds)}
    assert len(found) == 3
    for (first, second), pair in found.items():
        one, other = (np.array([values[row][s] for s in seeds]) for row in (first, second))
        expected = stats.ttest_rel(one, other)
        assert pair.p == pytest.approx(min(1, 3 * expected.pvalue))
        interval = expected.confidence_interval(0.95)
        assert (pair.low, pair.high) == pytest.approx((interval.low, interval.high))
        assert pair.effect == pytest.approx((one - other).mean() / (one - other).std(ddof=1))


def test_two_rows_need_no_sphericity():
    found = compare(table(rows=2))
    assert (isinstance(found, Anova) and found.p_corrected is None) or found.p_corrected == pytest.approx(found.p)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"a": {0: 1.0}}, "there is one row"),
        ({"a": {0: 1.0, 1: 2.0, 2: 2.5}, "b": {0: 1.0, 2: 3.0}}, r"not balanced \(b lacks 1\)"),
        ({"a": {0: 1.0}, "b": {0: 2.0}}, "1 seed; a test wants 3"),
        ({"a": {0: 1.0, 1: 2.0}, "b": {0: 2.0, 1: 2.0}}, "2 seeds; a test wants 3"),
        ({"a": {0: 1.0, 1: 2.0, 2: 5.0}, "b": {0: 1.0, 1: 2.0, 2: 5.0}}, "equal seed by seed"),
        ({k: dict.fromkeys(range(3), v) for k, v in (("a", 12.3), ("b", 21.4), ("c", 3.21))}, "do not vary from seed"),
        ({"a": dict.fromkeys(range(3), 1.0), "b": dict.fromkeys(range(3), 2.0)}, "do not vary from seed to seed"),
    ],
)
def test_what_cannot_be_tested_is_said(values, why):
    import re

    found = compare(values)
    assert isinstance(found, str) and re.search(why, found), found

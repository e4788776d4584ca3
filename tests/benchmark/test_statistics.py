"""Statistics against published examples and independent code."""

import re

import numpy as np
import pandas
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from ptycho_bench.benchmark.statistics import Anova, compare, pairs, rank_correlation, summarise


def table(rows=4, seeds=10, spread=0.5, seed=0):
    """Return numbers of rows that differ, one line per seed."""
    rng = np.random.default_rng(seed)
    subjects = rng.normal(0, 1, seeds)
    return pandas.DataFrame(
        {f"row {k}": [float(subjects[s] + 0.3 * k + spread * rng.normal()) for s in range(seeds)] for k in range(rows)}
    )


def summary(values):
    """Return the summary of one group of numbers."""
    return summarise(pandas.Series(values, dtype=float).groupby([0] * len(values))).iloc[0]


def test_a_summary_has_mean_sample_deviation_and_students_interval():
    values = [3.1, 2.9, 3.6, 3.3, 2.7]
    found = summary(values)
    assert found["ours"] == pytest.approx(np.mean(values)) and found["std"] == pytest.approx(np.std(values, ddof=1))
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found["low"], found["high"]) == pytest.approx(expected)
    assert found["seeds"] == 5


def test_a_missing_number_is_left_out_and_one_number_has_no_spread():
    one = summary([2.0, np.nan])
    assert (one["ours"], one["seeds"]) == (2.0, 1) and np.isnan(one[["std", "low", "high"]]).all()
    none = summary([np.nan])
    assert none["seeds"] == 0 and np.isnan(none[["ours", "std", "low", "high"]]).all()


def test_equal_numbers_have_a_spread_of_exactly_zero():
    found = summary([0.1] * 3)
    assert found["std"] == 0 and found["low"] == found["high"] == found["ours"] == pytest.approx(0.1)


def test_rank_correlation_looks_at_the_order_alone():
    assert rank_correlation([1, 2, 3, 4], [10, 20, 25, 1000]) == pytest.approx(1)
    assert rank_correlation([4, 3, 2, 1], [10, 20, 25, 1000]) == pytest.approx(-1)
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None


def test_anova_agrees_with_statsmodels():
    values = table()
    found = compare(values)
    frame = pandas.DataFrame([{"row": r, "seed": s, "value": v} for r, n in values.items() for s, v in n.items()])
    expected = AnovaRM(frame, "value", "seed", within=["row"]).fit().anova_table.iloc[0]
    assert found.f == pytest.approx(expected["F Value"]) and found.p == pytest.approx(expected["Pr > F"])
    assert found.p < found.p_corrected < 1 and 1 / 3 <= found.epsilon <= 1
    assert found.seeds == 10 and len(found.pairs) == 6


def test_the_sphericity_correction_is_that_of_the_covariance():
    values = table(rows=3, seeds=8, seed=4)
    covariance = np.cov(values.to_numpy().T)
    centred = covariance - covariance.mean(0) - covariance.mean(1)[:, None] + covariance.mean()
    epsilon = np.trace(centred) ** 2 / (2 * np.square(centred).sum())
    found = compare(values)
    assert found.epsilon == pytest.approx(epsilon)
    assert found.p_corrected == pytest.approx(stats.f.sf(found.f, 2 * epsilon, 14 * epsilon))


def test_pairs_are_paired_t_tests_times_their_number():
    values = table(rows=3)
    found = pairs(values)
    assert list(zip(found["first"], found["second"], strict=True)) == [
        ("row 0", "row 1"), ("row 0", "row 2"), ("row 1", "row 2")
    ]  # fmt: skip
    for pair in found.itertuples():
        one, other = values[pair.first].to_numpy(), values[pair.second].to_numpy()
        differences = one - other
        mean, error = differences.mean(), stats.sem(differences)
        assert pair.difference == pytest.approx(mean)
        assert pair.p == pytest.approx(min(1, 3 * 2 * stats.t.sf(abs(mean / error), 9)))
        assert (pair.low, pair.high) == pytest.approx(stats.t.interval(0.95, 9, mean, error))
        assert pair.effect == pytest.approx(mean / differences.std(ddof=1))


def test_rows_that_differ_by_a_constant_have_an_interval_without_width():
    found = pairs(pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.5, 2.5, 3.5], "c": [1.0, 2.0, 3.0]}))
    assert found["difference"].tolist() == [-0.5, 0, 0.5] and found["low"].equals(found["high"])
    assert found["p"].tolist() == [0, 1, 0] and found["effect"].tolist() == [-np.inf, 0, np.inf]


def test_rows_are_separated_if_their_corrected_p_is_small():
    found = compare(table(rows=3, spread=0.2))
    by_pair = {frozenset((pair.first, pair.second)): pair.p for pair in found.pairs.itertuples()}
    assert found.rows == {"row 0", "row 1", "row 2"} and min(by_pair.values()) < 0.05
    for first, second in by_pair:
        assert found.separates(first, second) == found.separates(second, first)
        assert found.separates(first, second) == (by_pair[frozenset((first, second))] < 0.05)
    assert not found.separates("row 0", "row 0")


def test_two_rows_need_no_sphericity():
    found = compare(table(rows=2))
    assert (isinstance(found, Anova) and found.p_corrected is None) or found.p_corrected == pytest.approx(found.p)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"a": {0: 1.0}}, "there is only one network"),
        ({"a": {0: 1.0, 1: 2.0, 2: 2.5}, "b": {0: 1.0, 2: 3.0}}, r"not balanced \(b has no seed 1\)"),
        ({"a": {0: 1.0}, "b": {0: 2.0}}, "there is 1 seed; a test needs at least 3"),
        ({"a": {0: 1.0, 1: 2.0}, "b": {0: 2.0, 1: 2.0}}, "there are 2 seeds; a test needs at least 3"),
        ({"a": {0: 1.0, 1: 2.0, 2: 5.0}, "b": {0: 1.0, 1: 2.0, 2: 5.0}}, "equal for every seed"),
        ({k: dict.fromkeys(range(3), v) for k, v in (("a", 12.3), ("b", 21.4), ("c", 3.21))}, "do not vary from seed"),
        ({"a": dict.fromkeys(range(3), 1.0), "b": dict.fromkeys(range(3), 2.0)}, "do not vary from seed to seed"),
        ({"a": {0: 1.0, 1: 2.0}, "b": {0: np.nan, 1: np.nan}}, "some rows have no run yet"),
        ({"a": {0: np.nan}, "b": {0: np.nan}}, "some rows have no run yet"),
    ],
)
def test_a_test_that_cannot_be_made_has_a_reason(values, reason):
    found = compare(pandas.DataFrame(values))
    assert isinstance(found, str) and re.search(reason, found), found


def test_a_seed_that_no_row_has_yet_is_ignored():
    values = table(seeds=4)
    values.loc[4] = np.nan
    assert compare(values).seeds == 4

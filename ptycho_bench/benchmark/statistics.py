"""Statistics over seeds: mean and spread, rank correlation with the paper, repeated-measures ANOVA with all pairs."""

import functools
import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas
from scipy.stats import spearmanr, t, ttest_rel

CONFIDENCE = 0.95
SIGNIFICANT = 0.05  # corrected p below which rows count as different
FEWEST = 3  # seeds that a test needs, and pairs that a rank correlation needs


def summarise(numbers: pandas.api.typing.SeriesGroupBy) -> pandas.DataFrame:
    """Return mean and spread of each group of numbers; missing numbers are left out.

    Args:
        numbers: numbers of each group, one per seed.

    Returns:
        One line for each group: ours (the mean), std (sample standard deviation), low and high (95 % confidence
        interval of the mean by Student's t) and seeds (how many numbers there are). std, low and high of one number
        are NaN.
    """
    found = numbers.agg(["mean", "std", "min", "max", "count"])
    equal = (found["count"] > 1) & (found["min"] == found["max"])
    std = found["std"].mask(equal, 0.0)  # rounding of the mean leaves a tiny spread of equal numbers
    half = t.ppf((1 + CONFIDENCE) / 2, found["count"] - 1) * std / np.sqrt(found["count"])
    mean, count = found["mean"], found["count"]
    return pandas.DataFrame({"ours": mean, "std": std, "low": mean - half, "high": mean + half, "seeds": count})


def rank_correlation(ours: Sequence[float], papers: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, or None for fewer than three pairs or if one side does not vary."""
    if len(ours) < FEWEST or len(set(ours)) == 1 or len(set(papers)) == 1:
        return None
    return float(spearmanr(ours, papers).statistic)


@dataclass(frozen=True, kw_only=True)
class Anova:
    """Repeated-measures ANOVA of whether rows differ, with seeds as subjects.

    Args:
        f: the statistic.
        p: its probability without correction.
        p_corrected: probability with Greenhouse and Geisser's correction for sphericity; None for two rows.
        epsilon: factor of that correction.
        effect: generalised eta squared.
        seeds: number of seeds.
        pairs: comparisons of every two rows (see `pairs`).
    """

    f: float
    p: float
    p_corrected: float | None
    epsilon: float
    effect: float
    seeds: int
    pairs: pandas.DataFrame

    @functools.cached_property
    def rows(self) -> set[str]:
        """Labels of the rows that were tested."""
        return set(self.pairs["first"]) | set(self.pairs["second"])

    def separates(self, first: str, second: str) -> bool:
        """Return whether two rows differ significantly after Bonferroni's correction."""
        return frozenset((first, second)) in self.separated

    @functools.cached_property
    def separated(self) -> set[frozenset[str]]:
        """Pairs of rows that differ significantly."""
        differing = self.pairs[self.pairs["p"] < SIGNIFICANT]
        return {frozenset(pair) for pair in zip(differing["first"], differing["second"], strict=True)}


def compare(numbers: pandas.DataFrame) -> Anova | str:
    """Test whether rows differ.

    Args:
        numbers: one line per seed and one column per row of the table; NaN where there is no number.

    Returns:
        The test, or the reason why it cannot be made.
    """
    numbers = numbers.dropna(how="all")
    return untestable(numbers) or anova(numbers)


def untestable(numbers: pandas.DataFrame) -> str | None:
    """Return the reason why numbers cannot be tested, or None if they can (see `compare`)."""
    missing = {row: list(numbers.index[column.isna()]) for row, column in numbers.items() if column.isna().any()}
    seeds = "; ".join(f"{row} has no seed {', '.join(map(str, without))}" for row, without in missing.items())
    count = "there is 1 seed" if len(numbers) == 1 else f"there are {len(numbers)} seeds"
    reasons = {
        "some rows have no run yet, so no test is made": numbers.isna().all().any(),
        "there is only one network, so there is nothing to compare": len(numbers.columns) < 2,
        f"seeds are not balanced ({seeds}), so no test is made": missing,
        f"{count}; a test needs at least {FEWEST}": len(numbers) < FEWEST,
        "the numbers do not vary from seed to seed": (numbers.nunique() == 1).all(),
        "the rows are equal for every seed": (numbers.nunique(axis=1) == 1).all(),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def anova(numbers: pandas.DataFrame) -> Anova | str:
    """Test balanced numbers (see `compare`)."""
    import pingouin

    lines = numbers.rename_axis(index="seed").melt(var_name="row", value_name="value", ignore_index=False).reset_index()
    lines["seed"] = lines["seed"].astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about vanishing spreads; the result is checked below
        table = pingouin.rm_anova(lines, dv="value", within="row", subject="seed", correction=True, detailed=True)
    found = table.iloc[0]
    if not math.isfinite(found["F"]):
        return "the numbers do not vary from seed to seed"
    corrected = found.get("p_GG_corr")
    return Anova(
        f=float(found["F"]),
        p=float(found["p_unc"]),
        p_corrected=None if corrected is None or not math.isfinite(corrected) else float(corrected),
        epsilon=float(found["eps"]),
        effect=float(found["ng2"]),
        seeds=len(numbers),
        pairs=pairs(numbers),
    )


def pairs(numbers: pandas.DataFrame) -> pandas.DataFrame:
    """Return a paired t-test of every two rows.

    Args:
        numbers: one line per seed and one column per row of the table, without NaN.

    Returns:
        One line for each pair: first and second (labels), difference (mean of first minus second), low and high (its
        95 % confidence interval by Student's t), p (of the test, multiplied by the number of pairs after Bonferroni, at
        most 1) and effect (Cohen's d: mean of the paired differences divided by their standard deviation).
    """
    every = list(itertools.combinations(numbers, 2))
    lines = []
    for first, second in every:
        differences = numbers[first] - numbers[second]
        line = {"first": first, "second": second, "difference": differences.mean()}
        if differences.min() == differences.max():
            low = high = line["difference"]
            p, effect = (1.0, 0.0) if low == 0 else (0.0, math.copysign(math.inf, low))
        else:
            test = ttest_rel(numbers[first], numbers[second])
            low, high = test.confidence_interval(CONFIDENCE)
            p, effect = test.pvalue, line["difference"] / differences.std()
        lines.append({**line, "low": low, "high": high, "p": min(1.0, p * len(every)), "effect": effect})
    return pandas.DataFrame(lines)

"""Numbers over seeds: mean and spread, order against the paper's, repeated-measures ANOVA with corrected pairs."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

CONFIDENCE = 0.95
FEWEST = 3  # seeds, below which no test is made


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Of a cell's numbers.

    Args:
        mean: over seeds.
        std: sample standard deviation; None of one seed.
        low: end of the 95 % confidence interval of the mean (Student); None of one seed.
        high: likewise.
        count: of seeds.
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    count: int


def summary(values: Sequence[float]) -> Summary | None:
    """Mean and spread of one number a seed; None of no number."""
    if not values:
        return None
    mean, count = fmean(values), len(values)
    if count < 2:
        return Summary(mean=mean, std=None, low=None, high=None, count=count)
    from scipy.stats import t

    std = stdev(values)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * std / math.sqrt(count)
    return Summary(mean=mean, std=std, low=mean - half, high=mean + half, count=count)


def rank_correlation(ours: Sequence[float], papers: Sequence[float]) -> float | None:
    """Spearman's of two lists of one order; None of fewer than three pairs, or where a list is one number."""
    if len(ours) < FEWEST or len(set(ours)) == 1 or len(set(papers)) == 1:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(ours, papers).statistic)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two rows compared, seed by seed.

    Args:
        first: label.
        second: label.
        difference: mean of first minus second.
        low: end of the 95 % confidence interval of that mean (Student).
        high: likewise.
        p: of the paired t-test, multiplied by the number of pairs (Bonferroni), at most 1.
        effect: Cohen's d of the paired differences: their mean by their standard deviation.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    effect: float


@dataclass(frozen=True, kw_only=True)
class Anova:
    """Repeated-measures ANOVA: do rows differ, seeds being the subjects?

    Args:
        f: the statistic.
        p: not corrected.
        p_corrected: for sphericity (Greenhouse and Geisser); None of two rows, which need none.
        epsilon: of that correction.
        effect: generalised eta squared.
        seeds: how many.
        pairs: every two rows.
    """

    f: float
    p: float
    p_corrected: float | None
    epsilon: float
    effect: float
    seeds: int
    pairs: Sequence[Pair]


def compare(values: Mapping[str, Mapping[int, float]]) -> Anova | str:
    """Whether rows differ; or why that cannot be said.

    Args:
        values: of each row, its number by seed.

    Returns:
        The test, or a sentence: unbalanced seeds, too few, no spread.
    """
    if len(values) < 2:
        return "there is one row and nothing to compare it with"
    every = sorted(set().union(*values.values()))
    lacking = {row: [seed for seed in every if seed not in numbers] for row, numbers in values.items()}
    if any(lacking.values()):
        rows = "; ".join(f"{row} lacks {', '.join(map(str, seeds))}" for row, seeds in lacking.items() if seeds)
        return f"seeds are not balanced ({rows}), so no test is made"
    if len(every) < FEWEST:
        return f"{len(every)} seed{'s' if len(every) != 1 else ''}; a test wants {FEWEST} or more"
    if all(len(set(numbers.values())) == 1 for numbers in values.values()):
        return "numbers do not vary from seed to seed"
    if all(len(set(column)) == 1 for column in zip(*([n[s] for s in every] for n in values.values()), strict=True)):
        return "rows are equal seed by seed"
    return anova(values, every)


def anova(values: Mapping[str, Mapping[int, float]], seeds: Sequence[int]) -> Anova | str:
    """The test, on balanced numbers."""
    import pandas
    import pingouin

    frame = pandas.DataFrame(
        [{"row": row, "seed": seed, "value": numbers[seed]} for row, numbers in values.items() for seed in seeds]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of spreads that vanish; what comes of them is looked at below
        table = pingouin.rm_anova(frame, dv="value", within="row", subject="seed", correction=True, detailed=True)
    found = table.iloc[0]
    if not math.isfinite(found["F"]):
        return "numbers do not vary from seed to seed"
    corrected = found.get("p_GG_corr")
    return Anova(
        f=float(found["F"]),
        p=float(found["p_unc"]),
        p_corrected=None if corrected is None or not math.isfinite(corrected) else float(corrected),
        epsilon=float(found["eps"]),
        effect=float(found["ng2"]),
        seeds=len(seeds),
        pairs=pairs(values, seeds),
    )


def pairs(values: Mapping[str, Mapping[int, float]], seeds: Sequence[int]) -> list[Pair]:
    """Paired t-tests of every two rows, Bonferroni-corrected."""
    from scipy.stats import t

    every = list(itertools.combinations(values, 2))
    found = []
    for first, second in every:
        differences = [values[first][seed] - values[second][seed] for seed in seeds]
        about = summary(differences)
        if about.std == 0:
            p, effect = (1.0, 0.0) if about.mean == 0 else (0.0, math.copysign(math.inf, about.mean))
        else:
            statistic = about.mean / (about.std / math.sqrt(about.count))
            p, effect = 2 * float(t.sf(abs(statistic), about.count - 1)), about.mean / about.std
        found.append(
            Pair(first=first, second=second, difference=about.mean, low=about.low, high=about.high,
                 p=min(1.0, p * len(every)), effect=effect)
        )  # fmt: skip
    return found

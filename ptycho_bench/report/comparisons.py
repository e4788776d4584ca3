"""The order of a block's rows and the tests between them as text."""

from ptycho_bench.benchmark.statistics import SIGNIFICANT, Anova
from ptycho_bench.benchmark.tables import Block
from ptycho_bench.report.numbers import format_number, label_of

MOST_PAIRS = 10  # up to this number, all comparisons of two rows are listed


def comparison_lines(block: Block) -> list[str]:
    """Return the order of the rows and the tests as the lines of a Markdown list."""
    return [*order_lines(block), *significance_lines(block)]


def order_lines(block: Block) -> list[str]:
    """Return the order of the rows from best to worst, and its rank correlation with the paper's order."""
    lines = []
    for metric in block.directions:
        order = block.ranked(metric)
        if len(order) < 2:
            continue
        text = f"- {label_of(metric)}: {' > '.join(ranked_name(block, row, metric) for row in order)}"
        correlation = block.correlation[metric]
        if correlation is not None:
            text += f"; Spearman's rank correlation with the paper's order {correlation:.2f}"
        lines.append(text)
    return lines


def ranked_name(block: Block, row: str, metric: str) -> str:
    """Return the label of a row, and in how many of its runs it did not learn the metric's quantity."""
    cell = block.places[row, metric]
    if not cell.not_learned:
        return row
    runs = "" if cell.not_learned == cell.seeds else f" in {cell.not_learned} of {cell.seeds} runs"
    return f"{row} (did not learn{runs})"


def significance_lines(block: Block) -> list[str]:
    """Return the tests metric by metric, or one line if no metric can be tested for the same reason."""
    reasons = set(block.tests.values()) if all(isinstance(test, str) for test in block.tests.values()) else ()
    if len(reasons) == 1:
        return [f"- Tests: {reasons.pop()}."]
    lines = []
    for metric, test in block.tests.items():
        if isinstance(test, str):
            lines.append(f"- {label_of(metric)}: {test}.")
            continue
        lines += [f"- {label_of(metric)}: {anova_text(test)}", *pair_lines(metric, test)]
    return lines


def pair_lines(metric: str, test: Anova) -> list[str]:
    """Return the comparisons of two rows: all if they are few, otherwise those that differ significantly."""
    shown = test.pairs if len(test.pairs) <= MOST_PAIRS else test.pairs[test.pairs["p"] < SIGNIFICANT]
    lines = [
        f"  - {pair.first} minus {pair.second}: {signed(metric, pair.difference)} "
        f"(95 % interval {signed(metric, pair.low)} to {signed(metric, pair.high)}), {p_text(pair.p)} (Bonferroni), "
        f"d = {pair.effect:.2f}"
        for pair in shown.itertuples()
    ]
    if len(test.pairs) > MOST_PAIRS:
        lines.append(f"  - {len(shown)} of {len(test.pairs)} pairs differ significantly; pairs.csv lists all")
    return lines


def anova_text(test: Anova) -> str:
    """Return a test in one line."""
    corrected = (
        ""
        if test.p_corrected is None
        else f", Greenhouse-Geisser {p_text(test.p_corrected)} (epsilon {test.epsilon:.2f})"
    )
    return (
        f"repeated-measures ANOVA over {test.seeds} seeds F = {test.f:.2f}, {p_text(test.p)}{corrected}, generalised "
        f"eta squared {test.effect:.3f}"
    )


def p_text(p: float) -> str:
    """Return a probability as it is usually printed."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def signed(metric: str, value: float) -> str:
    """Return a difference with its sign."""
    return f"{'+' if value >= 0 else '-'}{format_number(metric, abs(value))}"

"""A table's cells, statistics and runs in words, the same in Markdown and on the page."""

from collections.abc import Sequence

from ptycho_bench.benchmark.collect import Entry
from ptycho_bench.benchmark.statistics import Anova, Pair
from ptycho_bench.benchmark.tables import Block, Line, Table, TableCell, better_first, label_of, number

PM = "±"
MOST_PAIRS, SIGNIFICANT = 10, 0.05  # of comparisons that are all said; of a corrected p, below which rows differ
CHOICES = ("data", "noise", "split", "input", "amplitude", "phase", "loss", "model", "recipe", "metrics")  # of a run


def ours_text(metric: str, cell: TableCell) -> str:
    """Ours, with its spread over seeds; a dash for none, and the count of runs where some lack."""
    if cell.ours is None:
        return "-"
    spread = "" if cell.ours.std is None else f" {PM} {number(metric, cell.ours.std)}"
    count = "" if cell.done == cell.planned else f" (n={cell.done})"
    return f"{number(metric, cell.ours.mean)}{spread}{count}"


def paper_text(metric: str, cell: TableCell) -> str:
    """The paper's, and ours less it; nothing where none is printed."""
    if cell.paper is None:
        return ""
    printed = number(metric, cell.paper.mean)
    return printed if cell.difference is None else f"{printed}, {signed(metric, cell.difference)}"


def cell_text(metric: str, cell: TableCell) -> str:
    """Ours, and the paper's and the difference in brackets."""
    paper = paper_text(metric, cell)
    return ours_text(metric, cell) + (f" [{paper}]" if paper else "")


def signed(metric: str, value: float) -> str:
    """A difference with its sign."""
    return f"{'+' if value >= 0 else '-'}{number(metric, abs(value))}"


def first_column(table: Table) -> list[str]:
    """Heads of what names a line."""
    vary = table.benchmark.vary
    return ["", *([] if vary is None else [vary.label])]


def names_of(line: Line, table: Table) -> list[str]:
    """What names a line."""
    return [line.place.row, *([] if table.benchmark.vary is None else [str(line.place.value)])]


def about(table: Table) -> str:
    """How to read the table."""
    benchmark = table.benchmark
    source = "" if benchmark.source is None else f" Paper: {benchmark.source}"
    if any(row.paper for row in benchmark.rows):
        source += "; its numbers follow ours, and ours less them"
    source += "." if source else ""
    part = {"stitched": "the stitched test field", "patch_mean": "the mean over test patches"}[benchmark.part]
    base = ", ".join(f"{key}={value}" for key, value in benchmark.base.items())
    shortened = "" if table.epochs is None else f" **Shortened: {table.epochs} epochs instead of the recipe's.**"
    note = "" if benchmark.note is None else f" {benchmark.note}"
    return (
        f"Ours: mean {PM} sample standard deviation over seeds, of {part}.{source}{shortened}{note} "
        f"All rows: {base}; seeds planned: {', '.join(map(str, benchmark.seeds))}."
    )


def order_lines(table: Table, block: Block) -> list[str]:
    """Best to worst by ours, and the rank correlation with the paper's order."""
    lines = []
    for metric, direction in table.benchmark.metrics.items():
        order = better_first(block.lines, metric, direction)
        if len(order) < 2:
            continue
        text = f"- {label_of(metric)}: {' > '.join(line.place.row for line in order)}"
        correlation = block.correlation[metric]
        if correlation is not None:
            text += f"; Spearman's rank correlation with the paper's order {correlation:.2f}"
        lines.append(text)
    return lines


def test_lines(block: Block) -> list[str]:
    """Tests, metric by metric; one line where none can be made for the same reason."""
    reasons = {found for found in block.tests.values() if isinstance(found, str)}
    if len(reasons) == 1 and all(isinstance(found, str) for found in block.tests.values()):
        return [f"- Tests: {reasons.pop()}."]
    lines = []
    for metric, found in block.tests.items():
        if isinstance(found, str):
            lines.append(f"- {label_of(metric)}: {found}.")
            continue
        lines.append(f"- {label_of(metric)}: {anova_text(found)}")
        lines += [
            f"  - {pair.first} less {pair.second}: {signed(metric, pair.difference)} "
            f"(95 % {signed(metric, pair.low)} to {signed(metric, pair.high)}), {p_text(pair.p)} (Bonferroni), "
            f"d {pair.effect:.2f}"
            for pair in shown_pairs(found)
        ]
        if len(found.pairs) > MOST_PAIRS:
            lines.append(f"  - {len(shown_pairs(found))} of {len(found.pairs)} pairs differ; all are in pairs.csv")
    return lines


def shown_pairs(found: Anova) -> Sequence[Pair]:
    """All pairs where they are few, else those that differ."""
    return found.pairs if len(found.pairs) <= MOST_PAIRS else [pair for pair in found.pairs if pair.p < SIGNIFICANT]


def anova_text(found: Anova) -> str:
    """A test in a line."""
    corrected = (
        ""
        if found.p_corrected is None
        else f", Greenhouse-Geisser {p_text(found.p_corrected)} (epsilon {found.epsilon:.2f})"
    )
    return (
        f"repeated-measures ANOVA over {found.seeds} seeds F {found.f:.2f}, {p_text(found.p)}{corrected}, generalised "
        f"eta squared {found.effect:.3f}"
    )


def p_text(p: float) -> str:
    """A probability as one prints it."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def runs_of(table: Table) -> list[Entry]:
    """Every run once, in the table's order."""
    return list({entry.folder: entry for line in table.lines for entry in line.entries}.values())


def run_facts(entry: Entry) -> dict[str, str]:
    """What tells a run: configuration's hash, seed, commit, data, machine."""
    record, training = entry.record, entry.training
    environment = record.get("environment") or training.get("environment") or {}
    git = environment.get("git") or {}
    gpus = environment.get("gpus") or []
    device = training.get("training", {}).get("device", record.get("device", ""))
    on = gpus[0] if gpus and str(device).startswith("cuda") else environment.get("processor", "")
    choices = training.get("choices", {})
    commit = str(git.get("commit", ""))[:10] + (" (modified)" if git.get("modified") else "")
    return {
        "run": entry.folder,
        "status": entry.status + (f": {entry.reason}" if entry.reason else ""),
        "choices": " ".join(f"{group}={choices[group]}" for group in CHOICES if group in choices),
        "seed": "" if entry.seed is None else str(entry.seed),
        "epochs": str(training.get("training", {}).get("epochs", "")),
        "commit": commit,
        "data": str(record.get("data", {}).get("content_hash", ""))[:10],
        "machine": on,
        "seconds": f"{training.get('training', record).get('seconds', 0):.0f}",
    }

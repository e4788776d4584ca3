"""docs/performance.md from the CSV files that the benchmarks of scripts/ left in docs/performance/.

python scripts/performance_page.py
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
Row = Mapping[str, str]


@dataclass(frozen=True)
class Section:
    """A table of the page.

    Args:
        title: its head.
        text: what is compared, and with what.
        command: what measured it.
        file: CSV in docs/performance/.
        columns: head to what makes a cell of a row.
    """

    title: str
    text: str
    command: str
    file: str
    columns: Mapping[str, Callable[[Row], str]]


def value(name: str, form: str = "s", factor: float = 1.0) -> Callable[[Row], str]:
    """A column as it stands, or as a number."""
    return lambda row: row[name] if form == "s" else format(factor * float(row[name]), form)


def ratio(row: Row) -> str:
    """Times faster, with the range over rounds."""
    return f"{float(row['times_faster']):.2f} ({float(row['low']):.2f} to {float(row['high']):.2f})"


def worst_error(row: Row) -> str:
    """Largest of the relative errors."""
    return format(max(float(number) for name, number in row.items() if name.startswith("error_")), ".1e")


def device(row: Row) -> str:
    """Where, and on how many threads of a CPU."""
    return row["device"] if row["device"] == "cuda" else f"cpu, {row['threads']} thread{'s' * (row['threads'] != '1')}"


def lost(row: Row) -> str:
    """Share of the patterns that came and found no room."""
    return format(100 * int(row["lost"]) / int(row["offered"]), ".1f")


SECTIONS = (
    Section(
        title="Polar attention of PPN, forward and backward",
        text="Two heads, 16 wide. Error: the largest relative one of output and of the gradients to query, key, value "
        "and centre, single against double precision. Memory: the peak of a step beyond its inputs.",
        command="scripts/benchmark_poca.py",
        file="poca.csv",
        columns={
            "pattern": value("size_px"), "batch": value("batch"), "form": value("form"),
            "ms": value("median_s", ".0f", 1e3), "times as fast as plain": ratio,
            "memory (MB)": value("memory_mb", ",.0f"), "error": worst_error, "on": device,
        },
    ),
    Section(
        title="Whole epochs of training",
        text="`bare`: the same steps and validation in a plain loop, without trainer, metrics or checkpoints. "
        "`published`: PtychoNN's loop, single precision, through a DataLoader. Lines below `ptycho-train` are "
        "options of `conf/trainer`.",
        command="scripts/benchmark_training.py",
        file="training.csv",
        columns={
            "model": value("model"), "pattern": value("size_px"), "batch": value("batch"), "loop": value("variant"),
            "patterns/s": value("patterns_per_s", ",.0f"), "times as fast as the first": ratio, "on": device,
        },
    ),
    Section(
        title="Sets that do not fit in memory",
        text="The same file of 64 px patterns, batches of 32, kept in memory (resident) and streamed. Waiting: "
        "share of the time a step waits for its batch once the first has come. Model none: the loader alone.",
        command="scripts/benchmark_loader.py",
        file="loader.csv",
        columns={
            "file (GB)": value("gb"), "model": value("model"), "kept": value("kept"),
            "patterns/s": value("patterns_per_second", ",.0f"),
            "waiting (%)": value("wait_share_after_first", ".2f", 100),
            "first batch (s)": value("first_batch_s", ".2f"), "peak memory (MB)": value("peak_memory_mb", ",.0f"),
            "on": device,
        },
    ),
    Section(
        title="From a whole scan to its object",
        text="`ltem`, 61 x 61 patterns of 32 px, patterns in memory, stitching included.",
        command="scripts/benchmark_inference.py",
        file="inference.csv",
        columns={
            "by": value("by"), "seconds": value("seconds", ".2f"), "patterns/s": value("patterns_per_s", ",.0f"),
            "times as fast as ePIE": ratio, "on": device,
        },
    ),
    Section(
        title="A detector's stream through an exported network",
        text="ONNX Runtime, batches of 8; latency from arrival to result. Rate 0: as fast as it takes them.",
        command="scripts/benchmark_stream.py",
        file="stream.csv",
        columns={
            "network": value("model"), "pattern": value("size_px"), "offered/s": value("asked_rate"),
            "done/s": value("sustained_rate", ",.0f"), "lost (%)": lost,
            "latency, 50th (ms)": value("latency_p50_ms", ",.0f"), "99th (ms)": value("latency_p99_ms", ",.0f"),
            "on": device,
        },
    ),
)  # fmt: skip


def table(section: Section, rows: Sequence[Row]) -> list[str]:
    """Markdown of a section's rows."""
    lines = [f"| {' | '.join(section.columns)} |", f"|{'---|' * len(section.columns)}"]
    lines += [f"| {' | '.join(cell(row) for cell in section.columns.values())} |" for row in rows]
    return lines


def written(section: Section) -> list[str]:
    """Markdown of a section; what was not measured is said."""
    path = DOCS / "performance" / section.file
    lines = [f"## {section.title}", "", f"{section.text} By `{section.command}`.", ""]
    if not path.is_file():
        return [*lines, "Not measured yet.", ""]
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    machines = sorted({row["machine"] for row in rows})
    lines += [*table(section, rows), "", f"Machine: {'; '.join(machines)}."]
    if not any(row["device"].startswith("cuda") for row in rows):
        lines[-1] += " Not measured on a GPU."
    return [*lines, ""]


HEAD = """# Performance

Ratios are taken round by round within one run, medians with their range; the machines are shared, so seconds are not
to be compared between runs. Made by `python scripts/performance_page.py`.
"""


def main() -> None:
    """Write the page."""
    lines = [*HEAD.splitlines(), ""]
    for section in SECTIONS:
        lines += written(section)
    (DOCS / "performance.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()

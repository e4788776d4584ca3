"""Regenerate the tables of docs/performance.md from the CSV files of the benchmarks in docs/performance/.

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
    """One section of the page with its table.

    Args:
        title: heading of the section.
        text: explanation of the measurement.
        command: script that measured it.
        file: name of the CSV file in docs/performance/.
        columns: heading of each column and the function that formats its cell.
    """

    title: str
    text: str
    command: str
    file: str
    columns: Mapping[str, Callable[[Row], str]]


def value(name: str, form: str = "s", factor: float = 1.0) -> Callable[[Row], str]:
    """Return a function that formats a column as text or, scaled by a factor, as a number."""
    return lambda row: row[name] if form == "s" else format(factor * float(row[name]), form)


def ratio(row: Row) -> str:
    """Format the median speed-up with its range over rounds."""
    return f"{float(row['times_faster']):.2f} ({float(row['low']):.2f} to {float(row['high']):.2f})"


def worst_error(row: Row) -> str:
    """Format the largest of the relative errors."""
    return format(max(float(number) for name, number in row.items() if name.startswith("error_")), ".1e")


def device(row: Row) -> str:
    """Format the device, with the number of threads of a CPU."""
    return row["device"] if row["device"] == "cuda" else f"cpu, {row['threads']} thread{'s' * (row['threads'] != '1')}"


def lost(row: Row) -> str:
    """Format the percentage of patterns that found the queue full."""
    return format(100 * int(row["lost"]) / int(row["offered"]), ".1f")


SECTIONS = (
    Section(
        title="Polar attention of PPN, forward and backward",
        text="Two heads of width 16. The error is the largest relative error of the output and of the gradients with "
        "respect to query, key, value and centre in single precision, compared with double precision. The memory is "
        "the peak during a step without its inputs.",
        command="scripts/benchmark_poca.py",
        file="poca.csv",
        columns={
            "pattern (px)": value("size_px"), "batch": value("batch"), "implementation": value("form"),
            "ms": value("median_s", ".0f", 1e3), "speed-up over reference": ratio,
            "memory (MB)": value("memory_mb", ",.0f"), "error": worst_error, "device": device,
        },
    ),
    Section(
        title="Whole epochs of training",
        text="`bare` runs the same steps and validation in a plain loop, without trainer, metrics or checkpoints. "
        "`published` is PtychoNN's loop in single precision with a DataLoader. Rows below `ptycho-train` set options "
        "of `conf/trainer`.",
        command="scripts/benchmark_training.py",
        file="training.csv",
        columns={
            "model": value("model"), "pattern (px)": value("size_px"), "batch": value("batch"),
            "loop": value("variant"), "patterns/s": value("patterns_per_s", ",.0f"),
            "speed-up over first row": ratio, "device": device,
        },
    ),
    Section(
        title="Data sets that do not fit in memory",
        text="The same file of 64 px patterns is kept in memory (resident) or streamed, with batches of 32. Waiting is "
        "the share of time in which training waits for a batch, after the first one. The model `none` measures the "
        "loader alone.",
        command="scripts/benchmark_loader.py",
        file="loader.csv",
        columns={
            "file (GB)": value("gb"), "model": value("model"), "kept": value("kept"),
            "patterns/s": value("patterns_per_second", ",.0f"),
            "waiting (%)": value("wait_share_after_first", ".2f", 100),
            "first batch (s)": value("first_batch_s", ".2f"), "peak memory (MB)": value("peak_memory_mb", ",.0f"),
            "device": device,
        },
    ),
    Section(
        title="Reconstruction of a whole scan",
        text="The scan is `ltem` with 61 x 61 patterns of 32 px, held in memory. The time includes stitching.",
        command="scripts/benchmark_inference.py",
        file="inference.csv",
        columns={
            "method": value("by"), "seconds": value("seconds", ".2f"), "patterns/s": value("patterns_per_s", ",.0f"),
            "speed-up over ePIE": ratio, "device": device,
        },
    ),
    Section(
        title="Streaming through an exported network",
        text="The network runs in ONNX Runtime with batches of 8. The latency is the time from arrival to result. At "
        "rate 0, patterns arrive as fast as the network accepts them.",
        command="scripts/benchmark_stream.py",
        file="stream.csv",
        columns={
            "network": value("model"), "pattern (px)": value("size_px"), "offered/s": value("asked_rate"),
            "processed/s": value("sustained_rate", ",.0f"), "lost (%)": lost,
            "latency, 50th (ms)": value("latency_p50_ms", ",.0f"), "99th (ms)": value("latency_p99_ms", ",.0f"),
            "device": device,
        },
    ),
)  # fmt: skip


def table(section: Section, rows: Sequence[Row]) -> list[str]:
    """Return the rows of a section as a Markdown table."""
    lines = [f"| {' | '.join(section.columns)} |", f"|{'---|' * len(section.columns)}"]
    lines += [f"| {' | '.join(cell(row) for cell in section.columns.values())} |" for row in rows]
    return lines


def section_lines(section: Section) -> list[str]:
    """Return a section as Markdown, with a note if nothing was measured or no GPU was used."""
    path = DOCS / "performance" / section.file
    lines = [f"## {section.title}", "", f"{section.text} Measured with `{section.command}`.", ""]
    if not path.is_file():
        return [*lines, "Not measured yet.", ""]
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    machines = sorted({row["machine"] for row in rows})
    lines += [*table(section, rows), "", f"Machine: {'; '.join(machines)}."]
    if not any(row["device"].startswith("cuda") for row in rows):
        lines[-1] += " Not measured on a GPU."
    return [*lines, ""]


PAGE = DOCS / "performance.md"
MARKER = "<!-- generated by scripts/performance_page.py from here on -->"


def page_text() -> str:
    """Return the page with its measurements regenerated; the text above the marker stays."""
    above = PAGE.read_text().partition(MARKER)[0]
    lines = [line for section in SECTIONS for line in section_lines(section)]
    return f"{above}{MARKER}\n\n" + "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(page_text())


if __name__ == "__main__":
    main()

"""One run's folder: rows appended while it trains, results.json written last by a rename."""

import contextlib
import csv
import io
import json
import math
import shutil
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ptycho_bench.data.atomic import write_bytes
from ptycho_bench.records.lock import RunLock

RESULTS, ERROR = "results.json", "error.txt"


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of a text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Plain data as JSON; a number that is not finite becomes null."""
    write_text(path, json.dumps(finite(value), indent=2) + "\n")


def finite(value: object) -> object:
    """The value with NaN and infinities replaced by None, which JSON can hold."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def append_rows(path: Path, rows: Sequence[Mapping]) -> None:
    """Rows at the end of a CSV file, in the order of the names it begins with."""
    names = list(rows[0])
    new = not path.is_file()
    if not new:
        with path.open(newline="") as handle:
            names = next(csv.reader(handle))
    with path.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=names)
        if new:
            writer.writeheader()
        writer.writerows(rows)


def write_table(path: Path, columns: Mapping[str, Iterable]) -> None:
    """Columns of equal length, numbers or texts, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(value if isinstance(value, str) else format(value, ".8g") for value in row)
    write_text(path, text.getvalue())


class RunFolder:
    """What one run leaves behind; see outputs/README.md for its files.

    Args:
        path: the folder; made by `open`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = False

    def results(self) -> dict | None:
        """A finished run's results, or None where the run is not finished.

        Raises:
            ValueError: results.json is there but cannot be read.
        """
        file = self.path / RESULTS
        if not file.is_file():
            return None
        try:
            return json.loads(file.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f"{file} is no JSON ({error}); delete it, or set overwrite=true") from error

    def state(self) -> str:
        """done, running (by a living process), failed, cut (it goes on from its last epoch) or missing."""
        if (self.path / RESULTS).is_file():
            return "done"
        if RunLock(self.path).owner() is not None:
            return "running"
        if (self.path / ERROR).is_file():
            return "failed"
        return "cut" if (self.path / "last.ckpt").is_file() else "missing"

    def clear(self) -> None:
        """Remove the folder and all in it.

        Raises:
            ValueError: it holds files, but no run made it.
        """
        ours = any((self.path / name).is_file() for name in ("config.yaml", "env.json"))
        if self.path.is_dir() and any(self.path.iterdir()) and not ours:
            raise ValueError(f"{self.path} is no run's folder and would be emptied; name one that is not there")
        shutil.rmtree(self.path, ignore_errors=True)

    def open(self, config: str, environment: Mapping) -> None:
        """Make the folder and say in it what will run, and where."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.opened = True
        (self.path / ERROR).unlink(missing_ok=True)
        write_text(self.path / "config.yaml", config)
        write_json(self.path / "env.json", environment)

    def append_row(self, row: Mapping[str, float]) -> None:
        """One epoch's numbers to metrics.csv. A run killed between this and its checkpoint repeats the epoch on
        resuming: the later row counts (`rows`)."""
        file = self.path / "metrics.csv"
        new = not file.exists()
        cut = not new and not file.read_bytes().endswith(b"\n")
        with file.open("a", newline="") as handle:
            if cut:  # a full disk cut the row before
                handle.write("\r\n")
            writer = csv.DictWriter(handle, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow({key: format(value, ".8g") for key, value in row.items()})

    def rows(self) -> list[dict[str, float]]:
        """Complete rows of metrics.csv by epoch; of an epoch written twice, the later."""
        with (self.path / "metrics.csv").open(newline="") as handle:
            whole = (row for row in csv.DictReader(handle) if all(row.values()))
            read = [{key: float(value) for key, value in row.items()} for row in whole]
        return [row for _, row in sorted({row["epoch"]: row for row in read}.items())]

    def fail(self, error: BaseException) -> None:
        """Leave error.txt, where this process opened the folder and it can be written."""
        if not self.opened:
            return
        with contextlib.suppress(OSError):  # the failure may be that nothing can be written
            write_text(self.path / ERROR, "".join(traceback.format_exception(error)))

    def finish(self, results: Mapping) -> None:
        """Write results.json: from now on the run is finished."""
        write_json(self.path / RESULTS, results)

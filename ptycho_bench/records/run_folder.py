"""The folder of one run: metrics are appended during training, and results.json is written last, atomically."""

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
    """Write a text file atomically (see `write_bytes`)."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write plain data as JSON, with null for numbers that are not finite."""
    write_text(path, json.dumps(replace_nonfinite(value), indent=2) + "\n")


def replace_nonfinite(value: object) -> object:
    """Return the value with NaN and infinities replaced by None, because JSON cannot represent them."""
    if isinstance(value, Mapping):
        return {key: replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_nonfinite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def append_rows(path: Path, rows: Sequence[Mapping]) -> None:
    """Append rows to a CSV file in the column order of its header; create the file if it does not exist."""
    columns = list(rows[0])
    new = not path.is_file()
    if not new:
        with path.open(newline="") as handle:
            columns = next(csv.reader(handle))
    with path.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=columns)
        if new:
            writer.writeheader()
        writer.writerows(rows)


def write_table(path: Path, columns: Mapping[str, Iterable]) -> None:
    """Write columns of numbers or strings as CSV.

    Raises:
        ValueError: If the columns differ in length.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(value if isinstance(value, str) else format(value, ".8g") for value in row)
    write_text(path, text.getvalue())


class RunFolder:
    """The folder of one run; outputs/README.md lists its files.

    Args:
        path: path of the folder, which `open` creates.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened_here = False

    def results(self) -> dict | None:
        """Return the results of a finished run, or None if the run is not finished.

        Raises:
            ValueError: If results.json exists but is not valid JSON.
        """
        file = self.path / RESULTS
        if not file.is_file():
            return None
        try:
            return json.loads(file.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f"{file} is not valid JSON ({error}); delete it or set overwrite=true") from error

    def state(self) -> str:
        """Return the state of the run: done, running, failed, cut (interrupted, but resumable) or missing."""
        if (self.path / RESULTS).is_file():
            return "done"
        if RunLock(self.path).owner() is not None:
            return "running"
        if (self.path / ERROR).is_file():
            return "failed"
        return "cut" if (self.path / "last.ckpt").is_file() else "missing"

    def clear(self) -> None:
        """Delete the folder and everything in it, including files that no run has written.

        The only safeguard is that a folder with content must hold a config.yaml or an env.json. Files that cannot be
        deleted are skipped silently.

        Raises:
            ValueError: If the folder is not empty and contains neither file.
        """
        ours = any((self.path / name).is_file() for name in ("config.yaml", "env.json"))
        if self.path.is_dir() and any(self.path.iterdir()) and not ours:
            raise ValueError(f"{self.path} is not a run's folder and would be deleted; choose one that does not exist")
        shutil.rmtree(self.path, ignore_errors=True)

    def open(self, config: str, environment: Mapping) -> None:
        """Create the folder and write config.yaml and env.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.opened_here = True
        (self.path / ERROR).unlink(missing_ok=True)
        write_text(self.path / "config.yaml", config)
        write_json(self.path / "env.json", environment)

    def append_row(self, row: Mapping[str, float]) -> None:
        """Append the values of one epoch to metrics.csv.

        A run that is killed between this call and its checkpoint repeats the epoch when it resumes; `rows` then
        returns only the later row.
        """
        file = self.path / "metrics.csv"
        new = not file.exists()
        truncated = not new and not file.read_bytes().endswith(b"\n")
        with file.open("a", newline="") as handle:
            if truncated:  # the previous row is incomplete, for example because the disk was full
                handle.write("\r\n")
            writer = csv.DictWriter(handle, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow({key: format(value, ".8g") for key, value in row.items()})

    def rows(self) -> list[dict[str, float]]:
        """Return the complete rows of metrics.csv sorted by epoch, and the later row of an epoch that occurs twice."""
        with (self.path / "metrics.csv").open(newline="") as handle:
            complete = (row for row in csv.DictReader(handle) if all(row.values()))
            rows = [{key: float(value) for key, value in row.items()} for row in complete]
        return [row for _, row in sorted({row["epoch"]: row for row in rows}.items())]

    def fail(self, error: BaseException) -> None:
        """Write the traceback to error.txt if this process has opened the folder; ignore a write that fails."""
        if not self.opened_here:
            return
        with contextlib.suppress(OSError):  # for example, the disk is full and that is why the run failed
            write_text(self.path / ERROR, "".join(traceback.format_exception(error)))

    def finish(self, results: Mapping) -> None:
        """Write results.json, which marks the run as finished."""
        write_json(self.path / RESULTS, results)

"""The folder of one run: metrics are appended during training, and results.json is written last, atomically."""

import contextlib
import csv
import io
import json
import math
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ptycho_bench.data.atomic import regular_file_exists, write_bytes
from ptycho_bench.records.contents import CONFIG, ENVIRONMENT, ERROR, RESULTS, result_files
from ptycho_bench.records.lock import RunLock
from ptycho_bench.records.owned import PICTURES, check_owner, clear, delete, temporary_files


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

    Only files that the command writes are ever replaced or deleted; other files in the folder stay, and symbolic links
    are not followed.

    Args:
        path: path of the folder, which `open` creates.
        command: the command that writes the folder.
    """

    def __init__(self, path: Path, command: str = "ptycho-train") -> None:
        self.path = path
        self.command = command
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
        """Delete the files that the command writes (see `owned.clear`)."""
        clear(self.path, self.command)

    def open(self, config: str, environment: Mapping, request: str | None = None) -> None:
        """Create the folder and write env.json and config.yaml.

        Args:
            config: the whole configuration as YAML.
            environment: versions and hardware.
            request: hash of what determines the result.

        Raises:
            ValueError: If the folder contains anything else than a record of this command.
        """
        check_owner(self.path, self.command)
        self.path.mkdir(parents=True, exist_ok=True)
        self.opened_here = True
        delete(self.path, [ERROR, *temporary_files(self.path, self.command)])
        write_json(self.path / ENVIRONMENT, {"command": self.command, "request": request, **environment})
        write_text(self.path / CONFIG, config)

    def append_row(self, row: Mapping[str, float]) -> None:
        """Append the values of one epoch to metrics.csv.

        A run that is killed between this call and its checkpoint repeats the epoch when it resumes; `rows` then
        returns only the later row.
        """
        file = self.path / "metrics.csv"
        new = not regular_file_exists(file)
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
        """Delete an incomplete result and, unless the error is an interruption, write the traceback to error.txt.

        Nothing happens if this process has not opened the folder, if the result is complete, or if another process has
        taken over the folder. Files that cannot be written or deleted are ignored.
        """
        if not self.opened_here or (self.path / RESULTS).exists() or RunLock(self.path).is_of_another_process():
            return
        with contextlib.suppress(OSError, ValueError):
            delete(self.path, result_files(self.path, self.command))
            (self.path / PICTURES).rmdir()
        if isinstance(error, Exception):
            with contextlib.suppress(OSError, ValueError):  # for example, the disk is full, which is why the run failed
                write_text(self.path / ERROR, "".join(traceback.format_exception(error)))

    def finish(self, results: Mapping) -> None:
        """Write results.json, which marks the run as finished."""
        write_json(self.path / RESULTS, results)

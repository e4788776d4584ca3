"""A job of a benchmark: one folder that one or more of this project's commands fill."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ptycho_bench.records.run_folder import RunFolder

MODULES = {
    "ptycho-train": "ptycho_bench.cli.train",
    "ptycho-evaluate": "ptycho_bench.cli.evaluate",
    "ptycho-simulate": "ptycho_bench.cli.simulate",
    "ptycho-reconstruct": "ptycho_bench.cli.reconstruct",
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """Commands that fill one folder.

    Args:
        name: path of the folder relative to outputs_dir; no two jobs share one.
        folder: the folder itself.
        commands: command lines that run one after the other.
        after: name of the job whose checkpoint this one needs, or None.
        epochs: epochs of a training; 0 for any other job.
        kind: model, data and split of a training; trainings of one kind take equally long. Empty for any other job.
    """

    name: str
    folder: Path
    commands: tuple[tuple[str, ...], ...]
    after: str | None
    epochs: int
    kind: tuple[str, ...]

    def state(self) -> str:
        """Return the state of the folder (see `RunFolder.state`)."""
        return RunFolder(self.folder).state()


def process_arguments(command: Sequence[str]) -> list[str]:
    """Return the arguments that start a command as a process; a command of this project runs under this Python."""
    program, *words = command
    return [sys.executable, "-m", MODULES[program], *words] if program in MODULES else [program, *words]


def last_error(output: str) -> str | None:
    """Return the last line in which a command of this project reports an error, or None."""
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    return lines[-1].removeprefix("error: ") if lines else None

"""A job of a benchmark: one folder that one or more of this project's commands fill."""

import shlex
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
    "ptycho-profile": "ptycho_bench.cli.profile",
}
NO_DATA = "no data"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Commands that fill one folder.

    Args:
        name: path of the folder relative to outputs_dir; no two jobs share one.
        folder: the folder itself.
        commands: command lines that run one after the other.
        after: name of the job whose checkpoint this one needs, or None.
        epochs: epochs of a training; 0 for any other job.
        kind: model, data, split and recipe of a training, on which its duration depends; empty for any other job.
        alone: whether no other job may run at the same time, because this one measures how long a network takes.
        problem: why the job cannot run, in one line, if its data are missing; the name of its folder, which depends on
            the data, is then provisional.
    """

    name: str
    folder: Path
    commands: tuple[tuple[str, ...], ...]
    after: str | None
    epochs: int
    kind: tuple[str, ...]
    alone: bool = False
    problem: str | None = None

    def state(self) -> str:
        """Return the state of the folder (see `RunFolder.state`), or "no data"."""
        return RunFolder(self.folder).state() if self.problem is None else NO_DATA

    def line(self, *, without: tuple[str, ...] = ()) -> str:
        """Return the commands as one line for a shell.

        Args:
            without: keys whose overrides are left out.
        """
        return " && ".join(
            shlex.join(word for word in command if word.partition("=")[0] not in without) for command in self.commands
        )


def process_arguments(command: Sequence[str]) -> list[str]:
    """Return the arguments that start a command as a process; a command of this project runs under this Python."""
    program, *words = command
    return [sys.executable, "-m", MODULES[program], *words] if program in MODULES else [program, *words]


def last_error(output: str) -> str | None:
    """Return the last line in which a command of this project reports an error, or None."""
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    return lines[-1].removeprefix("error: ") if lines else None

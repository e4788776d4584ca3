"""The checkout under test: its commands as forks of a server, or as real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from tests.campaign.case import Outcome
from tests.campaign.processes import MARK
from tests.campaign.real import FILE, MEMORY, Process, filled, output_file
from tests.campaign.sandbox import sandbox_of

SERVER = Path(__file__).with_name("server.py")
TOOLS = ("git", "sh")  # programs that the commands may call
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Target:
    """An installed checkout.

    Args:
        place: folder of its commands, or its Python interpreter.
        scratch: folder for a few links to programs.
    """

    def __init__(self, place: Path, scratch: Path) -> None:
        self.bin = place if place.is_dir() else place.parent
        self.python = self.bin / "python" if place.is_dir() else place
        self.tools = scratch / "tools"
        self.tools.mkdir(parents=True, exist_ok=True)
        for name in TOOLS:
            if (found := which(name)) and not (self.tools / name).exists():
                (self.tools / name).symlink_to(found)
        self.server: subprocess.Popen | None = None

    def environment(self, work: Path) -> dict[str, str]:
        """Return the environment of a user who has set no variable of this project, with one thread and no GPU."""
        home, temporary = work / "home", work / "tmp"
        return {
            "PATH": f"{self.bin}:{self.tools}",
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONDONTWRITEBYTECODE": "1",
            MARK: str(sandbox_of(work)),
            **dict.fromkeys(THREADS, "1"),
        }

    def run(self, command: str, words: Sequence[str], work: Path, limit_s: float) -> Outcome:
        """Run a command in a fork of the server."""
        return self.run_together(command, [words], work, limit_s)[0]

    def run_together(self, command: str, lines: Sequence[Sequence[str]], work: Path, limit_s: float) -> list[Outcome]:
        """Run several command lines at the same time, each in a fork of the server."""
        printed = [[output_file(work, f"{place}.{name}") for name in ("out", "err")] for place in range(len(lines))]
        jobs = [
            {
                "command": command, "words": filled(words, work), "folder": str(work), "out": str(out), "err": str(err),
                "environment": self.environment(work), "limit": limit_s, "memory": MEMORY, "file": FILE,
            }
            for words, (out, err) in zip(lines, printed, strict=True)
        ]  # fmt: skip
        ended = self.ask(jobs)
        return [
            Outcome(one["code"], one["seconds"], *(path.read_text(errors="replace") for path in paths), one["late"])
            for one, paths in zip(ended, printed, strict=True)
        ]

    def sign(self, source: Path, target: Path) -> None:
        """Write a checkpoint as a training of the target does.

        Raises:
            RuntimeError: If it cannot be read or written.
        """
        if found := self.ask({"source": str(source), "target": str(target)}):
            raise RuntimeError(f"{source} cannot be signed: {found[0]['error']}")

    def ask(self, request: object) -> list:
        """Send a request to the server, which is started if necessary, and return its answer."""
        if self.server is None or self.server.poll() is not None:
            self.server = subprocess.Popen(
                [str(self.python), "-P", str(SERVER)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.tools,
                env={**os.environ, **dict.fromkeys(THREADS, "1"), "CUDA_VISIBLE_DEVICES": ""},
            )  # fmt: skip
            self.server.stdout.readline()
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())

    def start(self, command: str, words: Sequence[str], work: Path, name: str = "real", **changes) -> Process:
        """Start an installed command as a process of its own.

        Args:
            command: the command without `ptycho-`.
            words: its command line.
            work: folder in which it runs.
            name: of the files for what it prints.
            changes: environment variables.
        """
        line = [str(self.bin / f"ptycho-{command}"), *filled(words, work)]
        return Process(line, work, {**self.environment(work), **changes}, name)

    def close(self) -> None:
        """End the server."""
        if self.server is not None:
            self.server.stdin.close()
            self.server.wait()


def this_python() -> Path:
    """Return the interpreter that runs the campaign, which is also the default target."""
    return Path(sys.executable)

"""What a node of a cluster runs."""

import os
import signal
import subprocess
from collections import deque

from ptycho_bench.benchmark.jobs import last_error, process_arguments
from ptycho_bench.training.processes import ends_with_this_process

KEPT_LINES = 200  # last lines of a command's output, in which the reason for its failure is looked for
HINTS = {
    "SIGKILL": "; if it ran out of memory, ask for more by mem_gb",
    "SIGUSR2": ", which submitit lets Slurm send before the time limit; repeat the command, or raise timeout_min",
}


def run_commands(commands: tuple[tuple[str, ...], ...]) -> None:
    """Run commands one after the other, each in its own process, and print what they print as soon as it comes.

    Raises:
        RuntimeError: If a command fails; the message is the reason.
    """
    for command in commands:
        process = subprocess.Popen(
            process_arguments(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ends_with_this_process()},
            text=True,
            errors="replace",
        )
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        if code := process.wait():
            raise RuntimeError(exit_reason(command[0], code, "".join(lines)))


def exit_reason(program: str, code: int, output: str) -> str:
    """Return why a command has ended with an exit code other than 0, from what it has printed."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"ended by {name}{HINTS.get(name, '')}"
    interruptions = [line for line in output.splitlines() if line.startswith("interrupted")]
    return last_error(output) or (interruptions or [f"{program} ended with code {code}"])[-1]

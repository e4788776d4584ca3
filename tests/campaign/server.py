"""Run commands in forks of one process that has imported the package, which takes a tenth of the time of a new process.

This script runs in the interpreter of the checkout under test and imports nothing of the campaign. It reads one JSON
list of commands per line, runs them at the same time, and answers with one JSON list of how each ended.
"""

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
import traceback

OPTIONAL = ("onnx", "onnxruntime", "onnxscript", "torch.onnx", "matplotlib.pyplot", "pingouin", "jinja2", "tifffile")
MODULES = {"import": "importing", "inspect": "inspecting"}
POLL_S = 0.01


def preload() -> None:
    """Import the package and what its commands import later; nothing is computed, since threads cannot be forked."""
    import ptycho_bench

    for module in pkgutil.walk_packages(ptycho_bench.__path__, "ptycho_bench."):
        with contextlib.suppress(ImportError):
            importlib.import_module(module.name)
    for name in OPTIONAL:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import torch

    torch.set_num_threads(1)


def started(job: dict) -> int:
    """Start a command in a fork and return the number of its process."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        isolate(job)
        code = exit_code(job)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def isolate(job: dict) -> None:
    """Give this process its folder, environment, output files and limits."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for kind, most in ((resource.RLIMIT_AS, job["memory"]), (resource.RLIMIT_FSIZE, job["file"])):
        resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, job["out"], None), (2, job["err"], None)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC if flags is None else flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        for number, mode, errors in ((0, "r", "strict"), (1, "w", "surrogateescape"), (2, "w", "backslashreplace"))
    )


def exit_code(job: dict) -> int:
    """Run the command as the installed script does and return the exit code of its process."""
    command = job["command"]
    sys.argv = [f"ptycho-{command}", *job["words"]]
    module = importlib.import_module(f"ptycho_bench.cli.{MODULES.get(command, command)}")
    try:
        module.main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def sign(job: dict) -> None:
    """Write a checkpoint as a training does, with whatever marks it as whole."""
    import torch

    from ptycho_bench.training.fit import AtomicCheckpointIO

    AtomicCheckpointIO().save_checkpoint(torch.load(job["source"], weights_only=True), job["target"])


def answers(jobs: list[dict]) -> list[dict]:
    """Run commands at the same time; kill the groups of those that take too long."""
    running = {started(job): (place, job, time.monotonic()) for place, job in enumerate(jobs)}
    ended: list[dict] = [{} for _ in jobs]
    while running:
        for pid, (place, job, since) in list(running.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            seconds = time.monotonic() - since
            if found:
                late = ended[place].get("late", False)
                ended[place] = {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "late": late}
                del running[pid]
            elif seconds > job["limit"] and not ended[place]:
                ended[place] = {"late": True}
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        time.sleep(POLL_S)
    return ended


def main() -> None:
    """Answer until the input ends."""
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an import prints is no answer
    preload()
    print("[]", file=answer_to, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, dict):
            found = []
            try:
                sign(request)
            except Exception as error:
                found = [{"error": f"{type(error).__name__}: {error}"}]
        else:
            found = answers(request)
        print(json.dumps(found), file=answer_to, flush=True)


if __name__ == "__main__":
    main()

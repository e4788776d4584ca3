"""Processes that share a run or are started by another one; available before torch is imported."""

import os

PARENT_VARIABLE = "PTYCHO_BENCH_PARENT"  # number of the process with which a process that it starts shall end


def shares_work() -> bool:
    """Return True in a process that Lightning, torchrun or srun started with a rank above 0."""
    return any(int(os.environ.get(name, "0")) > 0 for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))


def ends_with_this_process() -> dict[str, str]:
    """Return the environment variable with which a command that this process starts ends when this process does."""
    return {PARENT_VARIABLE: str(os.getpid())}

"""Rank of this process among those that share a run; available before torch is imported."""

import os


def shares_work() -> bool:
    """Return True in a process that Lightning, torchrun or srun started with a rank above 0."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return int(next((rank for rank in ranks if rank is not None), "0")) > 0

"""Which of the processes that share a run this one is; read before torch is imported."""

import os


def shares_work() -> bool:
    """True in a process that another one leads: started by Lightning, torchrun or srun as a rank above 0."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return int(next((rank for rank in ranks if rank is not None), "0")) > 0

"""Who starts the processes of a training within a Slurm job."""

import os

from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)


def slurm_environment(devices: int | str | list[int]) -> list[ClusterEnvironment]:
    """Return who starts the processes of a training in a Slurm job: srun if it has started several, else Lightning.

    Lightning by itself would expect srun in every Slurm job, and wait for processes that nobody starts.

    Args:
        devices: number of devices, or their indices.

    Returns:
        One environment; none outside of Slurm and under torchrun, which Lightning recognises.

    Raises:
        ValueError: If srun has started another number of processes than there are devices, or has used several nodes.
    """
    if "SLURM_JOB_ID" not in os.environ or TorchElasticEnvironment.detect():
        return []
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "0"))  # 0 without srun, as in a batch script
    if tasks <= 1:
        return [LightningEnvironment()]
    nodes = int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
    if tasks != (len(devices) if isinstance(devices, list) else devices) or nodes > 1:
        raise ValueError(
            f"srun has started {tasks} processes on {nodes} {'node' if nodes == 1 else 'nodes'} for trainer.devices="
            f"{devices}; use srun --nodes=1 --ntasks=N with trainer=ddp trainer.devices=N, or no srun"
        )
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(tasks))  # Lightning does not start without it
    return [SLURMEnvironment(auto_requeue=False)]

"""Loggers that mirror a run's record in other services; the run folder remains the reference."""

import os

from lightning.pytorch.loggers import WandbLogger

from ptycho_bench.physics.bounds import Name


def wandb_logger(*, project: Name, run_name: str, folder: str, config: dict) -> WandbLogger:
    """Build a Weights & Biases logger under the run's own name; a resumed run continues the same record.

    It is offline unless an account is known (WANDB_API_KEY or a stored login); WANDB_MODE overrides this.

    Args:
        project: project that lists the run.
        run_name: name and id of the run.
        folder: folder of wandb's own files.
        config: composed configuration of the run.
    """
    import wandb

    os.environ.setdefault("WANDB_SILENT", "true")
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
    return WandbLogger(
        project=project, name=run_name, id=run_name, save_dir=folder, config=config, resume="allow", mode=mode
    )

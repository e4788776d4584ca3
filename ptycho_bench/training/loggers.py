"""Mirrors of a run's record elsewhere; the run folder stays the truth."""

import os

from lightning.pytorch.loggers import WandbLogger


def wandb_logger(*, project: str, run_name: str, folder: str, config: dict) -> WandbLogger:
    """Weights & Biases under the run's own name; a resumed run goes on in its own.

    Offline unless an account is known (WANDB_API_KEY or a stored login); WANDB_MODE decides where it is set.

    Args:
        project: where it is listed.
        run_name: name and identity.
        folder: where wandb keeps its files.
        config: the composed configuration.
    """
    import wandb

    os.environ.setdefault("WANDB_SILENT", "true")
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
    return WandbLogger(
        project=project, name=run_name, id=run_name, save_dir=folder, config=config, resume="allow", mode=mode
    )

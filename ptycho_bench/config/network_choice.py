"""Which trained network ptycho-reconstruct uses. Imports neither torch nor Hydra."""

from pathlib import Path


def network_path(checkpoint: str | None, warm_start: str | None, *, solved: bool) -> str | None:
    """Return the file of the trained network that is used, alone or to start a solver.

    Args:
        checkpoint: file of the network that is used alone; or None.
        warm_start: file of the network that starts a solver; or None.
        solved: whether a solver is named.

    Raises:
        ValueError: If checkpoint, solver and warm start do not fit together, or the file is missing.
    """
    if solved and checkpoint is not None:
        raise ValueError(
            f"both a checkpoint and a solver are named: warm_start={checkpoint} starts the solver from the object "
            "of the network, solver=none uses the network alone"
        )
    if not solved and checkpoint is None:
        raise ValueError("neither a checkpoint nor a solver is named; add CHECKPOINT.ckpt or solver=epie")
    if not solved and warm_start is not None:
        raise ValueError("warm_start= needs a solver; add solver=epie, or name the checkpoint alone")
    named = checkpoint if warm_start is None else warm_start
    if named is not None:
        check_network(named)
    return named


def check_network(path: str) -> None:
    """Check that the file of a trained network exists.

    Raises:
        ValueError: If it does not.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"no trained network {path}; a finished run has one at outputs/runs/STUDY/RUN/best.ckpt, and "
            "ptycho-export writes ONNX files"
        )

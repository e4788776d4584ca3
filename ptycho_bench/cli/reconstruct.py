"""ptycho-reconstruct: one scan to one complex object, by a network, a solver, or both."""

import sys
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import run_command
from ptycho_bench.config.overrides import NETWORK_FILES, files_to_override, quoted

if TYPE_CHECKING:
    from omegaconf import DictConfig

USAGE = """
ptycho-reconstruct FILE turns one scan into one complex object.

  ptycho-reconstruct scan.h5 CHECKPOINT.ckpt                       by a trained network
  ptycho-reconstruct scan.h5 NETWORK.onnx                          by one that ptycho-export wrote, in ONNX Runtime
  ptycho-reconstruct scan.h5 solver=epie                           by a solver, with the file's probe
  ptycho-reconstruct scan.h5 solver=rpie solver.modes=2            probe refined
  ptycho-reconstruct scan.h5 solver=epie warm_start=CHECKPOINT     the solver starts where the network ends
  ptycho-reconstruct scan.cxi solver=rpie triplets=true            any importable file; writes what one can train on

It writes object.h5 (a ptychodus product), object.cxi, pictures and results.json under outputs/reconstructions/.

Choices, as group=default and what else there is:
"""


def task(cfg: "DictConfig") -> None:
    """Reconstruct the named scan and record it."""
    from ptycho_bench.runs.reconstruct import Request, reconstruct

    solved, learned = "_target_" in cfg.solver, cfg.checkpoint is not None
    if solved and learned:
        raise ValueError(f"a checkpoint and a solver: warm_start={cfg.checkpoint} starts the solver from its object, "
                         "solver=none takes the network alone")  # fmt: skip
    if not solved and not learned:
        raise ValueError("neither a checkpoint nor a solver is named; add CHECKPOINT.ckpt or solver=epie")
    if cfg.warm_start is not None and not solved:
        raise ValueError("warm_start= is for a solver; add solver=epie, or name the checkpoint alone")
    reconstruct(Request.of(cfg))


def main() -> None:
    """Entry point."""
    words = sys.argv[1:]
    checkpoints = [word for word in words if word.endswith(NETWORK_FILES) and "=" not in word]
    sys.argv[1:] = [word for word in words if word not in checkpoints]
    files_to_override("files")
    sys.argv[1:] += [f"checkpoint={quoted(path)}" for path in checkpoints]
    run_command(task, "reconstruct", USAGE)


if __name__ == "__main__":
    main()

"""ptycho-reconstruct: turn one scan into one complex object, by a network, a solver, or both."""

from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import networks_to_override

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "reconstruct"

USAGE = """
ptycho-reconstruct FILE turns one scan into one complex object.

  ptycho-reconstruct scan.h5 CHECKPOINT.ckpt                       by a trained network
  ptycho-reconstruct scan.h5 NETWORK.onnx                          by a network that ptycho-export wrote
  ptycho-reconstruct scan.h5 solver=epie                           by a solver, with the file's probe
  ptycho-reconstruct scan.h5 solver=rpie solver.modes=2            with a refined probe
  ptycho-reconstruct scan.h5 solver=epie warm_start=CHECKPOINT     the solver starts from the network's object
  ptycho-reconstruct scan.cxi solver=rpie triplets=true            any importable file; also writes a set to train on

It writes object.h5 (a ptychodus product), object.cxi, pictures and results.json under outputs/reconstructions/.

Choices, each as group=default with its options:
"""


def task(cfg: "DictConfig") -> None:
    """Reconstruct the named scan and record the result."""
    from hydra.core.hydra_config import HydraConfig

    from ptycho_bench.config.reconstruction import reconstruction_spec
    from ptycho_bench.runs.reconstruct import reconstruct

    reconstruct(reconstruction_spec(cfg, list(HydraConfig.get().overrides.task)))


def main() -> None:
    """Run the command."""
    rewrite_words(networks_to_override, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()

"""ptycho-reconstruct: reconstruct the complex object of one scan with a network, a solver, or both."""

from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import networks_to_override

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "reconstruct"

USAGE = """
ptycho-reconstruct FILE reconstructs the complex object of one scan.

  ptycho-reconstruct scan.h5 CHECKPOINT.ckpt                       with a trained network
  ptycho-reconstruct scan.h5 NETWORK.onnx                          with a network that ptycho-export wrote
  ptycho-reconstruct scan.h5 solver=epie                           with a solver and the probe of the file
  ptycho-reconstruct scan.h5 solver=rpie solver.modes=2            with a solver that refines the probe
  ptycho-reconstruct scan.h5 solver=epie warm_start=CHECKPOINT     with a solver that starts from the network's object
  ptycho-reconstruct scan.cxi solver=rpie triplets=true            any importable file; also writes data to train on

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

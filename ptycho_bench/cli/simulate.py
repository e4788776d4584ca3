"""ptycho-simulate: write one data set."""

from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import scans_to_overrides

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "simulate"

USAGE = """
ptycho-simulate writes one data set as HDF5.

  ptycho-simulate data=ltem                             into the cache ptycho-train looks in
  ptycho-simulate data=ltem noise=ppn out=noisy.h5      into a file; train on it with data=file data.file_path=noisy.h5
  ptycho-simulate data=ltem data.overlap_ratio=0.5 data.photons=1e5

Choices, as group=default and what else there is:
"""


def task(cfg: "DictConfig") -> None:
    """Simulate the named data set into `out`, or into the cache ptycho-train looks in."""
    from ptycho_bench.config.datasets import cached_path, describe, make
    from ptycho_bench.config.scans import names_file, only_scan
    from ptycho_bench.data.store import read_scan

    if names_file(only_scan(cfg).cfg):
        raise ValueError("data=file names a file that exists; to simulate, choose another data set")
    path = cfg.out or cached_path(cfg)
    for note in make(cfg, path):
        print(note)
    print(f"{path}: {describe(read_scan(path))}")


def main() -> None:
    """Entry point."""
    rewrite_words(scans_to_overrides, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()

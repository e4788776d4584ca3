"""ptycho-simulate: write one data set."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import scans_to_overrides

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "simulate"

USAGE = """
ptycho-simulate writes one data set as HDF5.

  ptycho-simulate data=ltem                             to the cache that ptycho-train uses
  ptycho-simulate data=ltem noise=ppn out=noisy.h5      to a file; train on it with data=file data.file_path=noisy.h5
  ptycho-simulate data=ltem data.overlap_ratio=0.5 data.photons=1e5
  ptycho-simulate data=ltem out=ltem.h5 overwrite=true  replaces an existing file

Choices, each as group=default with its options:
"""


def task(cfg: "DictConfig") -> None:
    """Simulate the named data set and write it to `out`, or to the cache that ptycho-train uses."""
    from ptycho_bench.config.data_choice import data_set
    from ptycho_bench.config.datasets import ScanFile
    from ptycho_bench.data.atomic import check_output
    from ptycho_bench.data.store import read_scan
    from ptycho_bench.data.summary import scan_summary

    out = None if cfg.out is None else Path(cfg.out)
    if out is not None:
        check_output(out, overwrite=cfg.overwrite)
    scan = data_set(cfg).only()
    if isinstance(scan, ScanFile):
        raise ValueError("data=file names a file that exists; to simulate, choose another data set")
    path = out or scan.path
    for note in scan.write(path):
        print(f"  {note}")
    print(f"{path}: {scan_summary(read_scan(path))}")


def main() -> None:
    """Run the command."""
    rewrite_words(scans_to_overrides, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()

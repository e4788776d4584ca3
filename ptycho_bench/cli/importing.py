"""ptycho-import: convert a scan from another program's files to this project's HDF5."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import files_to_override

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "import"

USAGE = """
ptycho-import FILE [FILE ...] converts one scan to this project's HDF5; name all files of the scan in one command.

  ptycho-import scan.cxi                                  recognises the format; out=FILE.h5 chooses the output file
  ptycho-import product.h5 diffraction.h5                 a ptychodus pair, joined by index
  ptycho-import scan.npz positions.csv format=keys format.diffraction=reciprocal \\
      geometry.energy_ev=8800 geometry.distance_m=2.2 geometry.detector_pixel_m=75e-6
  ptycho-import scan.npz patterns.crop_px=64 positions.orientation=swap

ptycho-inspect FILE shows what a file contains and what is missing.

Choices, each as group=default with its options:
"""


def task(cfg: "DictConfig") -> None:
    """Import the named files; print the decisions made on the way and what to do next."""
    from ptycho_bench.config.importing import import_spec
    from ptycho_bench.data.atomic import check_output
    from ptycho_bench.data.store import open_scan
    from ptycho_bench.data.summary import scan_summary
    from ptycho_bench.runs.import_scan import import_scan, name_of_files
    from ptycho_bench.runs.next_step import next_command

    spec = import_spec(cfg)
    default = Path(cfg.outputs_dir) / "imported" / f"{name_of_files(spec.files[0])}.h5"
    path = default if cfg.out is None else Path(cfg.out)
    check_output(path, overwrite=cfg.overwrite)
    for note in import_scan(spec, path):
        print(f"  {note}")
    scan = open_scan(path)
    print(f"{path}: {scan_summary(scan)}")
    if scan.amplitude is None:
        print("it has no amplitude and phase yet")
    print(f"next: {next_command([str(path)], [], scan, own=True)}")


def main() -> None:
    """Run the command."""
    rewrite_words(partial(files_to_override, key="files"), CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()

"""ptycho-import: read a scan of others' files into this project's HDF5."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import run_command
from ptycho_bench.config.overrides import files_to_override

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ptycho_bench.formats.raw_scan import RawScan, Reader

USAGE = """
ptycho-import FILE [FILE ...] reads one scan into this project's HDF5; files that belong together are named together.

  ptycho-import scan.cxi                                  format found by itself; out=FILE.h5 says where to
  ptycho-import product.h5 diffraction.h5                 a ptychodus pair, joined by index
  ptycho-import scan.npz positions.csv format=keys format.diffraction=reciprocal \\
      geometry.energy_ev=8800 geometry.distance_m=2.2 geometry.detector_pixel_m=75e-6
  ptycho-import scan.npz patterns.crop_px=64 positions.orientation=swap

ptycho-inspect FILE says what a file holds and what it lacks.

Choices, as group=default and what else there is:
"""


def task(cfg: "DictConfig") -> None:
    """Import the named files; prints what was decided and what to do next."""
    from ptycho_bench.config.datasets import describe
    from ptycho_bench.data.store import open_scan
    from ptycho_bench.runs.next_step import next_command

    path = Path(cfg.out or Path(cfg.outputs_dir) / "imported" / f"{stem(cfg.files[0])}.h5")
    if path.exists() and not cfg.overwrite:
        raise ValueError(f"{path} exists; overwrite=true replaces it, out=FILE.h5 names another")
    for note in import_files(cfg, path):
        print(f"  {note}")
    scan = open_scan(path)
    print(f"{path}: {describe(scan)}")
    if scan.amplitude is None:
        print("it has no amplitude and phase yet")
    print(f"next: {next_command([str(path)], [], scan, own=True)}")


def stem(file: str) -> str:
    """A file's name without its endings."""
    return Path(file).name.partition(".")[0]


def import_files(cfg: "DictConfig", path: Path) -> list[str]:
    """Read `cfg.files` and write them as one scan; what was decided on the way, a line each."""
    from ptycho_bench.config.build import build
    from ptycho_bench.data.store import write_scan
    from ptycho_bench.formats.assemble import assemble
    from ptycho_bench.formats.scan_frames import survey
    from ptycho_bench.records.progress import progress

    options = {name: build(cfg[name]) for name in ("geometry", "patterns", "positions")}
    raw = read_raw(cfg)
    with progress("looking at frames", len(raw.frames)) as done:
        scan, notes = assemble(raw, **options, look=lambda frames, masked: survey(frames, masked, done))
    with progress("writing", len(scan)) as write:
        write_scan(path, scan, on_frames=write)
    return [f"read as {raw.format}", *notes]


def read_raw(cfg: "DictConfig") -> "RawScan":
    """The scan in `cfg.files`, by the named format or the first that knows them."""
    from ptycho_bench.config.build import build
    from ptycho_bench.formats.containers.paths import expand
    from ptycho_bench.formats.registry import recognise

    files = expand([str(file) for file in cfg.files])
    if "_target_" in cfg.format:
        return build(cfg.format).read(files)
    return recognise(files, readers())[1].read(files)


def refuse_import_options(file: str, overrides: Sequence[str]) -> None:
    """Raise ValueError where options of an import are given for this project's own file, which has been imported."""
    groups = ("format", "geometry", "patterns", "positions", "frame")
    given = [word for word in overrides if word.lstrip("+~").partition("=")[0].partition(".")[0] in groups]
    if given:
        raise ValueError(
            f"{file} is this project's own file; {', '.join(given)} is for importing: run ptycho-import on the original"
        )


def readers() -> dict[str, "Reader"]:
    """Every format of conf/format that can be built without being told more, by name."""
    from importlib.resources import files

    from omegaconf import OmegaConf

    from ptycho_bench.config.build import build

    nodes = {file.name.removesuffix(".yaml"): OmegaConf.create(file.read_text())
             for file in sorted((files("ptycho_bench.conf") / "format").iterdir(), key=lambda file: file.name)
             if file.name.endswith(".yaml")}  # fmt: skip
    whole = {name: node for name, node in nodes.items() if "_target_" in node and not OmegaConf.missing_keys(node)}
    return {name: build(node) for name, node in whole.items()}


def main() -> None:
    """Entry point."""
    files_to_override("files")
    run_command(task, "import", USAGE)


if __name__ == "__main__":
    main()

"""ptycho-inspect: what a file holds, what it lacks, and what to do next."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import report
from ptycho_bench.cli.errors import FULL_ERROR

if TYPE_CHECKING:
    import numpy as np

    from ptycho_bench.data.scan import PtychoScan
    from ptycho_bench.formats.scan_frames import Survey

LOOK_AT = 512


def main() -> None:
    """Entry point; plain arguments, so that a file is looked at in a second."""
    parser = argparse.ArgumentParser(prog="ptycho-inspect", description=main_description())
    parser.add_argument("files", nargs="+", help="files of one scan")
    parser.add_argument("--picture", action="store_true", help="draw patterns, mean pattern and positions")
    parser.add_argument("--out", metavar="PNG", help="the picture's file; default: named as the first file")
    parser.add_argument("--all", action="store_true", help=f"look at every pattern, not at the first {LOOK_AT}")
    parser.add_argument("--orientation", action="store_true", help="try the eight flips and swaps of the positions")
    words = sys.argv[1:]
    overrides = [word for word in words if "=" in word and not word.startswith("-") and not Path(word).exists()]
    arguments = parser.parse_args([word for word in words if word not in overrides])
    try:
        inspect(arguments, overrides)
        sys.stdout.flush()
    except Exception as error:
        report(error, os.environ.get(FULL_ERROR) == "1", "import")
        sys.exit(1)


def main_description() -> str:
    """What --help begins with."""
    return (
        "What files of a scan hold, what they lack, and what to do next. Options of ptycho-import, as "
        "geometry.energy_ev=8800 or patterns.crop_px=64, are taken too."
    )


def inspect(arguments: argparse.Namespace, overrides: list[str]) -> None:
    """Print the files' trees, then what they are as one scan."""
    from ptycho_bench.data.errors import DataError
    from ptycho_bench.formats.containers.paths import expand
    from ptycho_bench.formats.inspection import describe_scan, what_is_missing
    from ptycho_bench.formats.tree import tree
    from ptycho_bench.runs.next_step import next_command

    files = expand(arguments.files)
    picture = picture_path(arguments)
    for file in files:
        print(file)
        for line in tree(file):
            print(f"  {line}")
    try:
        scan, seen, notes, own = scan_of(files, overrides, None if arguments.all else LOOK_AT)
    except DataError as error:
        print(f"\nas a scan: {error}")
        sys.exit(1)
    print("\nas a scan")
    for line in [*notes, *describe_scan(scan, seen)]:
        print(f"  {line}")
    for line in what_is_missing(scan):
        print(f"missing {line}")
    if arguments.orientation:
        print_orientations(scan)
    if picture is not None:
        from ptycho_bench.records.pictures import draw_scan

        draw_scan(picture, first_patterns(scan), seen.mean, scan.positions_px, Path(files[0]).name)
        print(f"picture: {picture}")
    print(f"next: {next_command(files, overrides, scan, own=own)}")


def picture_path(arguments: argparse.Namespace) -> Path | None:
    """Where the picture goes; None where none is asked for.

    Raises:
        ValueError: a file that is no PNG, which may be somebody's data.
    """
    if not arguments.picture and arguments.out is None:
        return None
    path = Path(arguments.out or f"{Path(arguments.files[0]).name.partition('.')[0]}.png")
    if path.suffix.lower() != ".png":
        raise ValueError(f"--out must end in .png, got {path}")
    return path


def scan_of(files: list[str], overrides: list[str], first: int | None) -> "tuple[PtychoScan, Survey, list[str], bool]":
    """The scan, a look at its first patterns, what was decided on the way, whether the file is this project's."""
    import hydra
    import numpy as np

    from ptycho_bench.cli.importing import read_raw, refuse_import_options
    from ptycho_bench.config.build import build
    from ptycho_bench.config.overrides import quoted
    from ptycho_bench.data.store import is_own, open_scan
    from ptycho_bench.formats.assemble import assemble
    from ptycho_bench.formats.scan_frames import survey

    if len(files) == 1 and is_own(files[0]):
        refuse_import_options(files[0], overrides)
        scan = open_scan(files[0])
        masked = np.zeros((scan.patch_px,) * 2, bool) if scan.mask is None else scan.mask > 0
        return scan, survey(scan.diffraction.first(first), masked), ["read as this project's own file"], True
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("import", [f"files=[{','.join(map(quoted, files))}]", *overrides])
    raw = read_raw(cfg)
    options = {name: build(cfg[name]) for name in ("geometry", "patterns", "positions")}
    scan, notes = assemble(raw, **options, look=lambda frames, masked: survey(frames.first(first), masked))
    return scan, survey(scan.diffraction.first(first), scan.mask > 0), [f"read as {raw.format}", *notes], False


def first_patterns(scan: "PtychoScan", count: int = 4) -> "np.ndarray":
    """The first patterns, (n, H, W)."""
    return next(iter(scan.diffraction.first(count).blocks()))


def print_orientations(scan: "PtychoScan") -> None:
    """Misfit of each of the eight orientations on a few points, and the best."""
    from ptycho_bench.reconstruction.orientation import best_orientations, try_orientations

    misfits = try_orientations(scan)
    print("orientation of the positions: misfit of a short reconstruction")
    for name, misfit in sorted(misfits.items(), key=lambda pair: pair[1]):
        print(f"  {name:18s} {misfit:.4f}")
    names = best_orientations(misfits)
    if len(names) == 1:
        print(f"  best: positions.orientation={names[0]}")
    elif len(names) == len(misfits):
        print("  these patterns cannot tell them apart")
    else:
        print(f"  best: {' or '.join(names)}, which these patterns cannot tell apart")


if __name__ == "__main__":
    main()

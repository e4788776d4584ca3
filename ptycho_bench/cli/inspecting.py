"""ptycho-inspect: what a file holds, what it lacks, and what to do next."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ptycho_bench.data.sample import PtychoScan
    from ptycho_bench.formats.survey import Survey

LOOK_AT = 512


def main() -> None:
    """Entry point; plain arguments, so that a file is looked at in a second."""
    parser = argparse.ArgumentParser(prog="ptycho-inspect", description=main_description())
    parser.add_argument("files", nargs="+", help="files of one scan")
    parser.add_argument("--picture", nargs="?", const="", metavar="PNG", help="draw patterns, mean pattern, positions")
    parser.add_argument("--all", action="store_true", help=f"look at every pattern, not at the first {LOOK_AT}")
    parser.add_argument("--orientation", action="store_true", help="try the eight flips and swaps of the positions")
    parser.add_argument("options", nargs="*", help=argparse.SUPPRESS)
    words = sys.argv[1:]
    overrides = [word for word in words if "=" in word and not word.startswith("-") and not Path(word).exists()]
    arguments = parser.parse_args([word for word in words if word not in overrides])
    try:
        inspect(arguments, overrides)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
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
    from ptycho_bench.formats.inspection import describe_scan, what_is_missing
    from ptycho_bench.formats.tree import tree

    for file in arguments.files:
        print(file)
        for line in tree(file):
            print(f"  {line}")
    try:
        scan, seen, notes = scan_of(arguments, overrides)
    except DataError as error:
        print(f"\nas a scan: {error}")
        print(f"next: {next_command(arguments.files, None)}")
        sys.exit(1)
    print("\nas a scan")
    for line in [*notes, *describe_scan(scan, seen)]:
        print(f"  {line}")
    for line in what_is_missing(scan):
        print(f"missing {line}")
    if arguments.orientation:
        print_orientations(scan)
    if arguments.picture is not None:
        from ptycho_bench.report.pictures import draw_scan

        path = Path(arguments.picture or f"{Path(arguments.files[0]).name.partition('.')[0]}.png")
        draw_scan(path, first_patterns(scan), seen.mean, scan.positions_px, Path(arguments.files[0]).name)
        print(f"picture: {path}")
    print(f"next: {next_command(arguments.files, scan)}")


def scan_of(arguments: argparse.Namespace, overrides: list[str]) -> "tuple[PtychoScan, Survey, list[str]]":
    """The scan in the files, a look at its patterns, and what was decided on the way."""
    import hydra

    from ptycho_bench.cli.build import build
    from ptycho_bench.cli.importing import read_raw
    from ptycho_bench.cli.words import quoted
    from ptycho_bench.data.frames import stream_array
    from ptycho_bench.data.store import is_own, open_scan
    from ptycho_bench.formats.assemble import assemble
    from ptycho_bench.formats.survey import survey

    first = None if arguments.all else LOOK_AT
    if len(arguments.files) == 1 and is_own(arguments.files[0]):
        scan = open_scan(arguments.files[0])
        return scan, survey(stream_array(scan.diffraction[:first])), ["read as this project's own file"]
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("import", [f"files=[{','.join(map(quoted, arguments.files))}]", *overrides])
    raw = read_raw(cfg)
    options = {name: build(cfg[name]) for name in ("geometry", "patterns", "positions")}
    scan, notes = assemble(raw, **options, look=lambda frames: survey(frames.first(first)))
    return scan, survey(scan.diffraction.first(first)), [f"read as {raw.format}", *notes]


def first_patterns(scan: "PtychoScan", count: int = 4) -> "np.ndarray":
    """The first patterns, (n, H, W)."""
    from ptycho_bench.data.frames import blocks_of

    if hasattr(scan.diffraction, "first"):
        return next(iter(blocks_of(scan.diffraction.first(count))))
    return scan.diffraction[:count]


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
    else:
        print(f"  best: {' or '.join(names)}, which these patterns cannot tell apart")


def next_command(files: list[str], scan: "PtychoScan | None") -> str:
    """What to run next."""
    from ptycho_bench.data.store import is_own

    named = " ".join(files)
    if scan is None:
        return f"ptycho-import {named} format=keys format.diffraction=KEY ..., or mend what the line above says"
    if len(files) > 1 or not is_own(files[0]):
        return f"ptycho-import {named}"
    if scan.amplitude is None:
        return f"ptycho-reconstruct {named} solver=rpie triplets=true"
    return f"ptycho-train data=file data.file_path={named}"


if __name__ == "__main__":
    main()

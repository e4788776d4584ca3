"""ptycho-inspect: show what the files of a scan contain, what is missing, and what to do next."""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path

from ptycho_bench.cli.entry import process_of, report
from ptycho_bench.cli.errors import FULL_ERROR
from ptycho_bench.cli.signals import interruption_behind

LOOK_AT = 512
DESCRIPTION = (
    "Show what the files of a scan contain, what is missing, and what to do next. Options of ptycho-import, for "
    "example geometry.energy_ev=8800 or patterns.crop_px=64, are accepted too."
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as those of the other commands."""

    def error(self, message: str) -> None:
        """Raise ValueError with argparse's message."""
        raise ValueError(f"{message}; see --help")


def main() -> None:
    """Run the command. It uses argparse and not Hydra, so that it starts in a second."""
    parser = Parser(prog="ptycho-inspect", description=DESCRIPTION)
    parser.add_argument("files", nargs="+", help="files of one scan")
    parser.add_argument("--picture", action="store_true", help="draw patterns, mean pattern and positions")
    parser.add_argument("--out", metavar="PNG", help="file of the picture; default: named after the first file")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file by the picture")
    parser.add_argument("--all", action="store_true", help=f"examine every pattern, not only the first {LOOK_AT}")
    parser.add_argument("--orientation", action="store_true", help="try the eight flips and swaps of the positions")
    parser.add_argument("--version", action="version", version=f"ptycho-bench {version('ptycho-bench')}")
    words = sys.argv[1:]
    overrides = [word for word in words if "=" in word and not word.startswith("-") and not Path(word).exists()]
    with process_of("import"):
        try:
            inspect(parser.parse_args([word for word in words if word not in overrides]), overrides)
        except Exception as error:
            if (interruption := interruption_behind(error)) is not None:
                raise interruption from error
            report(error, os.environ.get(FULL_ERROR) == "1", "import")
            sys.exit(1)


def inspect(arguments: argparse.Namespace, overrides: list[str]) -> None:
    """Print the contents of the files, then describe them as one scan."""
    from ptycho_bench.config.precheck import check_import_options
    from ptycho_bench.data.errors import DataError
    from ptycho_bench.formats.containers.paths import expand, require_file

    files, picture = [str(require_file(file)) for file in expand(arguments.files)], picture_path(arguments)
    check_import_options(overrides)  # before torch is imported
    from ptycho_bench.formats.tree import tree
    from ptycho_bench.runs.inspect import inspect_files, orientation_lines
    from ptycho_bench.runs.next_step import next_command

    for file in files:
        print_list(file, tree(file))
    try:
        inspected = inspect_files(files, overrides, None if arguments.all else LOOK_AT)
    except DataError as error:
        print(f"\nas a scan: {error}")
        sys.exit(1)
    print_list("\nas a scan", inspected.lines())
    for line in inspected.missing():
        print(f"missing {line}")
    if arguments.orientation:
        print_list("orientation of the positions: misfit of a short reconstruction", orientation_lines(inspected.scan))
    if picture is not None:
        inspected.draw(picture, Path(files[0]).name)
        print(f"picture: {picture}")
    print(f"next: {next_command(files, overrides, inspected.scan, own=inspected.own)}")


def print_list(heading: str, lines: list[str]) -> None:
    """Print a heading with indented lines below it."""
    print("\n".join([heading, *(f"  {line}" for line in lines)]))


def picture_path(arguments: argparse.Namespace) -> Path | None:
    """Return the file of the picture; None if none is asked for.

    Raises:
        ValueError: If the name does not end in .png, because another file could be data, or the file exists and is not
            to be replaced.
    """
    from ptycho_bench.data.atomic import check_output

    if not arguments.picture and arguments.out is None:
        return None
    path = Path(arguments.out or f"{Path(arguments.files[0]).name.partition('.')[0]}.png")
    if path.suffix.lower() != ".png":
        raise ValueError(f"--out must end in .png, got {path}")
    check_output(path, overwrite=arguments.overwrite, way_out="--overwrite replaces it, --out PNG names another file")
    return path


if __name__ == "__main__":
    main()

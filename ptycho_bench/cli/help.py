"""Print --help from the files of conf/; Hydra's own help is slow with many choices."""

import re
import signal
import sys
from importlib.metadata import version
from importlib.resources import files

APPENDED = {"config": [("sweep", "")]}  # groups outside the defaults list, chosen as +group=option


def print_help(usage: str, config_name: str) -> None:
    """Print what a command does, then every option with the first comment of its file; for --version, the release.

    Args:
        usage: description of the command, with examples.
        config_name: root file in conf/.
    """
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `--help | head` ends quietly
    if "--version" in sys.argv[1:]:
        return print(f"ptycho-bench {version('ptycho-bench')}")
    conf = files("ptycho_bench.conf")
    print(usage.strip())
    choices = default_choices((conf / f"{config_name}.yaml").read_text())
    for group, default in [*choices, *APPENDED.get(config_name, [])]:
        print(f"\n{'' if default else '+'}{group}={default}")
        files_there = [file for file in (conf / group).iterdir() if file.name.endswith(".yaml")]
        options = {file.name.removesuffix(".yaml"): file for file in files_there}
        width = max(map(len, options))
        for name, file in sorted(options.items()):
            print(f"  {name:<{width}}  {first_comment(file.read_text())}")
    print("\nA failure gives exit code 1 and one line; HYDRA_FULL_ERROR=1 adds the traceback.")


def default_choices(root: str) -> list[tuple[str, str]]:
    """Return the (group, option) pairs of a root file's defaults list."""
    return re.findall(r"^  - (\w+): (\w+|\?\?\?)", root, flags=re.MULTILINE)


def first_comment(text: str) -> str:
    """Return the first comment of a YAML file."""
    comments = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    return next((line for line in comments if not line.startswith(("@package", "^"))), "")

"""What every command shares: help, composing the configuration, running the task, reporting a failure."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from ptycho_bench.cli.errors import FULL_ERROR, explain
from ptycho_bench.cli.help import print_help

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG_PATH = "pkg://ptycho_bench.conf"


def run_command(task: Callable[["DictConfig"], object], config_name: str, usage: str) -> None:
    """Answer --help, or run a task under Hydra; a failure is exit code 1 and one line, HYDRA_FULL_ERROR=1 adds where.

    A failing job of a sweep does not stop the others.

    Args:
        task: takes the composed configuration.
        config_name: root file in conf/.
        usage: what --help begins with.
    """
    if asks_for_help():
        return print_help(usage, config_name)
    import hydra

    asked = os.environ.get(FULL_ERROR, "0") == "1"
    os.environ[FULL_ERROR] = "1"  # Hydra then hands its own errors on, and they get the same one line
    failures = []

    def reported(cfg: "DictConfig") -> object:
        os.environ[FULL_ERROR] = "1" if asked else "0"  # processes started from here ask for no more than the user
        try:
            return task(cfg)
        except Exception as error:
            failures.append(error)
            report(error, asked, config_name)
            return None
        finally:
            os.environ[FULL_ERROR] = "1"

    try:
        hydra.main(version_base="1.3", config_path=CONFIG_PATH, config_name=config_name)(reported)()
        sys.stdout.flush()  # here a reader that has gone can be met without a traceback
    except KeyboardInterrupt:
        goes_on = "goes on from the last whole epoch" if config_name == "config" else "starts again"
        print(f"interrupted; the same command {goes_on}", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        failures.append(error)
        report(error, asked, config_name)
    finally:
        os.environ[FULL_ERROR] = "1" if asked else "0"
    if failures:
        sys.exit(1)


def rewrite_words(change: Callable[[list[str]], list[str]], config_name: str) -> None:
    """Change the command line before Hydra reads it, except where it asks for help; a refusal ends the command.

    Args:
        change: takes its words and gives those to be read instead; ValueError refuses them.
        config_name: root file in conf/.
    """
    if asks_for_help():
        return
    try:
        sys.argv[1:] = change(sys.argv[1:])
    except ValueError as error:
        report(error, os.environ.get(FULL_ERROR) == "1", config_name)
        sys.exit(1)


def asks_for_help() -> bool:
    """True where the command line has -h or --help."""
    return bool({"-h", "--help"} & set(sys.argv[1:]))


def report(error: Exception, with_traceback: bool, config_name: str) -> None:
    """Print a failure: its traceback where asked for, then one line; nothing where a reader, as `head`, had enough."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed
        return
    if with_traceback:
        traceback.print_exception(error)
    print(f"error: {explain(error, config_name)}", file=sys.stderr)

"""Code that all commands share: print the help, compose the configuration, run the task, report a failure."""

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
TRUST = "--trust"


def run_command(task: Callable[["DictConfig"], object], config_name: str, usage: str) -> None:
    """Print the help, or run a task under Hydra; a failure ends with exit code 1 and one line.

    A failing job of a multirun does not stop the others. HYDRA_FULL_ERROR=1 adds the traceback.

    Args:
        task: function that takes the composed configuration.
        config_name: root file in conf/.
        usage: text at the beginning of the help.
    """
    if asks_for_help():
        return print_help(usage, config_name)
    rewrite_words(trusting, config_name)
    import hydra

    asked = os.environ.get(FULL_ERROR, "0") == "1"
    os.environ[FULL_ERROR] = "1"  # Hydra then raises its own errors, which are reported in one line too
    failures = []

    def reported(cfg: "DictConfig") -> object:
        os.environ[FULL_ERROR] = "1" if asked else "0"  # child processes do what the user asked for
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
        sys.stdout.flush()  # a closed pipe is noticed here, without a traceback
    except KeyboardInterrupt:
        goes_on = "continues from the last whole epoch" if config_name == "config" else "starts again"
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
    """Change the command line before Hydra reads it, unless it asks for help; a ValueError ends the command.

    Args:
        change: function that takes the words of the command line and returns the words that replace them.
        config_name: root file in conf/.
    """
    if asks_for_help():
        return
    try:
        sys.argv[1:] = change(trusting(sys.argv[1:]))  # a change may read a checkpoint
    except ValueError as error:
        report(error, os.environ.get(FULL_ERROR) == "1", config_name)
        sys.exit(1)


def trusting(words: list[str]) -> list[str]:
    """Return the command line without `--trust PACKAGE`; trust these packages in this process and its children.

    Raises:
        ValueError: If no package is named.
    """
    from ptycho_bench.config.registry import TRUST_VARIABLE

    rest, packages, words = [], [], list(words)
    while words:
        word = words.pop(0)
        if word == TRUST and (not words or not words[0].isidentifier()):
            raise ValueError(f"{TRUST} needs the name of a package whose classes may be used; write {TRUST} mypackage")
        if word == TRUST:
            packages.append(words.pop(0))
        elif word.startswith(f"{TRUST}="):
            packages.append(word.partition("=")[2])
        else:
            rest.append(word)
    if packages:
        os.environ[TRUST_VARIABLE] = ",".join(filter(None, [os.environ.get(TRUST_VARIABLE), *packages]))
    return rest


def asks_for_help() -> bool:
    """Return True if the command line has -h or --help."""
    return bool({"-h", "--help"} & set(sys.argv[1:]))


def report(error: Exception, with_traceback: bool, config_name: str) -> None:
    """Print a failure as one line, after its traceback if asked for; print nothing if the output is a closed pipe."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # receives what is still to be flushed
        return
    if with_traceback:
        traceback.print_exception(error)
    print(f"error: {explain(error, config_name)}", file=sys.stderr)

"""Code that all commands share: print the help, compose the configuration, run the task, report a failure."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ptycho_bench.cli.errors import FULL_ERROR, explain
from ptycho_bench.cli.help import print_help
from ptycho_bench.cli.signals import ended_by_signals, handle_signals, interruption_behind, watch_parent
from ptycho_bench.cli.streams import secure_streams

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG_PATH = "pkg://ptycho_bench.conf"
TRUST = "--trust"


@contextmanager
def process_of(config_name: str) -> Iterator[None]:
    """Prepare this process for a command, whose signals and closed output are handled inside the block.

    Args:
        config_name: root file in conf/.
    """
    secure_streams()
    watch_parent()
    with ended_by_signals(config_name):
        yield


def run_command(task: Callable[["DictConfig"], object], config_name: str, usage: str) -> None:
    """Print the help, or run a task under Hydra; a failure ends with exit code 1 and one line.

    A failing job of a multirun does not stop the others. HYDRA_FULL_ERROR=1 adds the traceback. A signal ends with
    exit code 128 plus its number and one line, see `cli.signals`.

    Args:
        task: function that takes the composed configuration.
        config_name: root file in conf/.
        usage: text at the beginning of the help.
    """
    with process_of(config_name):
        if asks_for_help():
            return print_help(usage, config_name)
        from ptycho_bench.config.precheck import checked_words

        rewrite_words(partial(checked_words, root=config_name), config_name)
        if failures_under_hydra(task, config_name):
            sys.exit(1)


def failures_under_hydra(task: Callable[["DictConfig"], object], config_name: str) -> list[Exception]:
    """Compose the configuration, run the task, and return the failures, which have been reported; see `run_command`."""
    import hydra

    from ptycho_bench.config.options import checked

    asked = os.environ.get(FULL_ERROR, "0") == "1"
    os.environ[FULL_ERROR] = "1"  # Hydra then raises its own errors, which are reported in one line too
    failures = []
    main_process = os.getpid()

    def fail(error: Exception) -> None:
        if (interruption := interruption_behind(error)) is not None:
            raise interruption from error
        failures.append(error)
        report(error, asked, config_name)

    def reported(cfg: "DictConfig") -> object:
        if os.getpid() != main_process:  # a launcher has started this process
            watch_parent(os.getppid())
            handle_signals()
        os.environ[FULL_ERROR] = "1" if asked else "0"  # child processes do what the user asked for
        try:
            return task(checked(cfg, config_name))
        except Exception as error:
            return fail(error)
        finally:
            os.environ[FULL_ERROR] = "1"

    try:
        hydra.main(version_base="1.3", config_path=CONFIG_PATH, config_name=config_name)(reported)()
    except Exception as error:
        fail(error)
    finally:
        os.environ[FULL_ERROR] = "1" if asked else "0"
    return failures


def rewrite_words(change: Callable[[list[str]], list[str]], config_name: str) -> None:
    """Change the command line before Hydra reads it, unless it asks for help; an error ends the command.

    Args:
        change: function that takes the words of the command line and returns the words that replace them.
        config_name: root file in conf/.
    """
    if asks_for_help():
        return
    with process_of(config_name):  # a change may read a checkpoint
        try:
            sys.argv[1:] = change(trusting(sys.argv[1:]))
        except Exception as error:
            if (interruption := interruption_behind(error)) is not None:
                raise interruption from error
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
    """Return True if the command line has -h, --help or --version."""
    return bool({"-h", "--help", "--version"} & set(sys.argv[1:]))


def report(error: Exception, with_traceback: bool, config_name: str) -> None:
    """Print a failure as one line, after its traceback if asked for."""
    if with_traceback:
        traceback.print_exception(error)
    print(f"error: {explain(error, config_name)}", file=sys.stderr)

"""What every command shares: compose the configuration, run the task, and turn any failure into one line."""

import difflib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable

import hydra
from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

CONFIG_PATH = "pkg://ptycho_bench.conf"
FULL_ERROR = "HYDRA_FULL_ERROR"


def run_command(task: Callable[[DictConfig], object], config_name: str) -> None:
    """Run a task under Hydra; exit code 1 and one line on failure, a traceback where HYDRA_FULL_ERROR=1 asks for it.

    A failing job of a sweep does not stop the others.
    """
    asked = os.environ.get(FULL_ERROR, "0") == "1"
    os.environ[FULL_ERROR] = "1"  # Hydra then hands its own errors on, and they get the same one line
    failures = []

    def reported(cfg: DictConfig) -> object:
        try:
            return task(cfg)
        except Exception as error:
            failures.append(error)
            report(error, asked, config_name)
            return None

    try:
        hydra.main(version_base="1.3", config_path=CONFIG_PATH, config_name=config_name)(reported)()
    except Exception as error:
        failures.append(error)
        report(error, asked, config_name)
    if failures:
        sys.exit(1)


def report(error: Exception, with_traceback: bool, config_name: str) -> None:
    """Print a failure: its traceback where asked for, then one line."""
    if with_traceback:
        traceback.print_exception(error)
    print(f"error: {explain(error, config_name)}", file=sys.stderr)


def explain(error: BaseException, config_name: str) -> str:
    """One line: what, which bound, the way out."""
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        return f"no {group} named {choice!r}{nearest(choice, error.options)}; there are {', '.join(error.options)}"
    if isinstance(error, MissingMandatoryValue):
        key = getattr(error, "full_key", None) or error
        return f"{key} has no value; give it on the command line as {key}=VALUE"
    if isinstance(error, OverrideParseException):
        return f"cannot read the override {error.override!r}: write key=value, and quote values with spaces or commas"
    if isinstance(error, ConfigCompositionException):
        key = re.search(r"Could not override '([^'@]+)", str(error))
        if key:
            return f"no key {key[1]!r}{nearest(key[1], known_keys(config_name))}; see --help, or add one with +{key[1]}="
        return one_line(error)
    cause = error.__cause__
    if type(error).__name__ == "InstantiationException" and cause is not None:
        return explain(cause, config_name)
    if isinstance(error, (ValueError, OSError)):
        return one_line(error)
    if type(error).__name__ == "OutOfMemoryError":
        return f"out of device memory: {one_line(error)}; lower recipe.batch_size or use trainer=cpu"
    return f"{type(error).__name__}: {one_line(error)}; {FULL_ERROR}=1 shows where"


def one_line(error: BaseException) -> str:
    """The message without line breaks; the type's name where there is none."""
    if isinstance(error, OSError) and error.strerror:
        place = f" {error.filename}" if error.filename else ""
        return f"{error.strerror}:{place}; set outputs_dir=FOLDER to a place that can be written"
    return " ".join(str(error).split()) or type(error).__name__


def nearest(word: str, known: Iterable[str]) -> str:
    """`, did you mean X?`, or nothing where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


def known_keys(config_name: str) -> list[str]:
    """Every key that can be overridden, of the configuration with the command line's own choices of groups."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins

    GlobalHydra.instance().clear()
    Plugins.instance()
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        try:
            groups = [word for word in sys.argv[1:] if re.fullmatch(r"\w+=\w+", word)]
            cfg = hydra.compose(config_name, overrides=groups)
        except Exception:  # the command line itself is what is wrong: fall back to the defaults' keys
            cfg = hydra.compose(config_name)
    return flat_keys(OmegaConf.to_container(cfg, resolve=False))


def flat_keys(node: dict, prefix: str = "") -> list[str]:
    """Dotted keys of a nested dict, groups included."""
    keys = []
    for name, value in node.items():
        keys.append(prefix + str(name))
        if isinstance(value, dict):
            keys += flat_keys(value, f"{prefix}{name}.")
    return keys

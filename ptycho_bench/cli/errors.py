"""Explain any failure in one line: what is wrong, which bound is violated, and what to do."""

import contextlib
import difflib
import re
import sys

from ptycho_bench.config.suggestions import did_you_mean

FULL_ERROR = "HYDRA_FULL_ERROR"
LESS_MEMORY = {
    "config": "lower recipe.batch_size or use trainer=cpu",
    "reconstruct": "lower batch_size or solver.batch_size, or use device=cpu",
}


def explain(error: BaseException, config_name: str) -> str:
    """Return the line for an error; for an error that Hydra wrapped, the line for its cause.

    Args:
        error: the exception.
        config_name: root file in conf/, whose keys are suggested if one is misspelt.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return explain_configuration(error, config_name)
    if isinstance(error, (ValueError, OSError)) or type(error).__name__ == "MisconfigurationException":
        return message_of(error)
    if type(error).__name__ == "OutOfMemoryError":
        return f"out of device memory: {message_of(error)}; {LESS_MEMORY.get(config_name, 'use device=cpu')}"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return f"out of memory: {message_of(error)}; take smaller data, a smaller batch or a smaller network"
    return f"{type(error).__name__}: {message_of(error)}; {FULL_ERROR}=1 shows where"


def explain_configuration(error: BaseException, config_name: str) -> str:
    """Return the line for a configuration that cannot be composed or built, with the closest choice or key."""
    from hydra.errors import InstantiationException, MissingConfigException, OverrideParseException
    from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

    unknown_key = re.search(r"Could not (?:override|delete from config\.) '([^'@]+)", str(error))
    several = re.search(r"Ambiguous value for argument '(.+)'|Sweep parameters '(.+)' requires", str(error))
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        names = ", ".join(error.options)
        line = f"no {group} named {choice!r}{did_you_mean(choice, error.options)}; options are {names}"
    elif isinstance(error, MissingMandatoryValue):
        line = f"{error.full_key} has no value; give it on the command line as {error.full_key}=VALUE"
    elif isinstance(error, OverrideParseException):
        line = f"cannot read the override {error.override!r}; write key=value, and quote values with spaces or commas"
    elif isinstance(error, InstantiationException) and error.__cause__ is not None:
        line = explain(error.__cause__, config_name)
    elif unknown_key:
        line = unknown_key_line(unknown_key[1], config_name)
    elif several:
        line = (
            f"{several[1] or several[2]} gives several values; add -m to run one after another, or write a list [A,B]"
        )
    elif isinstance(error, InterpolationResolutionError):
        line = f"{error.full_key}: {str(error).splitlines()[0].split(': ')[-1]}; write the value itself"
    else:
        line = message_of(error)
    return line


def message_of(error: BaseException) -> str:
    """Return the message without line breaks, or the name of the error's type if there is none."""
    if isinstance(error, OSError) and error.strerror:
        place = f" {error.filename}" if error.filename else ""
        return f"{error.strerror}:{place}; free some space or set outputs_dir=FOLDER to a folder that can be written"
    return " ".join(str(error).split()) or type(error).__name__


def unknown_key_line(key: str, config_name: str) -> str:
    """Return the line for a key that does not exist, with a similar key, or the others in its group."""
    known = [one for one in known_keys(config_name) if "._" not in one]
    parent, _, name = key.rpartition(".")
    inside = [one for one in known if parent and one.startswith(f"{key.partition('.')[0]}.")]
    if same := [one for one in inside if one.rpartition(".")[2] == name]:
        return f"no key {key!r}, did you mean {same[0]!r}?"
    beside = [one.rpartition(".")[2] for one in known if one.rpartition(".")[0] == parent and one != key]
    near = difflib.get_close_matches(name, beside, n=1, cutoff=0.6)
    if near:
        return f"no key {key!r}, did you mean {'.'.join(filter(None, (parent, near[0])))!r}?"
    if parent and beside:
        return f"no key {key!r}; {parent} has {', '.join(beside)}"
    return f"no key {key!r}; see --help"


def known_keys(config_name: str) -> list[str]:
    """Return every key that can be overridden, given the groups that are chosen on the command line."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        groups = [word for word in sys.argv[1:] if re.fullmatch(r"\w+=\w+", word)]
        for overrides in (groups, []):  # the keys of the defaults if the command line is wrong
            with contextlib.suppress(Exception):
                cfg = hydra.compose(config_name, overrides=overrides)
                break
        else:  # the root does not compose without choices: no key can be suggested
            return []
    return flat_keys(OmegaConf.to_container(cfg, resolve=False))


def flat_keys(node: dict, prefix: str = "") -> list[str]:
    """Return the dotted keys of a nested dict, including those of groups."""
    keys = []
    for name, value in node.items():
        keys.append(prefix + str(name))
        if isinstance(value, dict):
            keys += flat_keys(value, f"{prefix}{name}.")
    return keys

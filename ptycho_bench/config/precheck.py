"""Check a command line before Hydra runs its first job: all jobs of a multirun, and what needs no checkpoint."""

from collections.abc import Collection, Iterator, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path

from omegaconf import OmegaConf

from ptycho_bench.config.command_line import hydra_words
from ptycho_bench.config.options import MISSING, check_options
from ptycho_bench.config.overrides import is_file_word, scans_to_overrides

GROUPS = ("data", "noise", "metrics", "stitch")  # whose options come from a checkpoint if they are not named
MULTIRUN = {"-m", "--multirun"}
CONFIG_DIR = {"-cd", "--config-dir"}
MOST_VALUES = 30  # of a multirun that are checked before it starts


def checked_words(words: list[str], root: str) -> list[str]:
    """Return a command line as Hydra reads it; in a multirun, check each value before the first job starts.

    Args:
        words: overrides and flags.
        root: name of the root file in conf/.

    Raises:
        ValueError: If a flag, key or value is impossible.
        HydraException: If a key or option does not exist.
    """
    prepared = hydra_words(words)
    if MULTIRUN & set(prepared) and not CONFIG_DIR & set(prepared):
        for job in islice(jobs_of([word for word in prepared if is_override(word)]), MOST_VALUES):
            check_composed(job, root, later={"checkpoint"})
    return prepared


def jobs_of(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Yield the overrides of jobs of a multirun, so that each value occurs in one of them."""
    parsed = parse(overrides)
    if any("glob(" in one.input_line for one in parsed):  # which only Hydra resolves
        return
    first = {one.key_or_group: first_value(one) for one in parsed}
    for one in parsed:
        for value in one.sweep_string_iterator() if one.is_sweep_override() else ():
            yield [*first.values(), f"{one.key_or_group}={value}"]


def first_value(override) -> str:
    """Return an override with the first of its values."""
    if not override.is_sweep_override():
        return override.input_line
    return f"{override.key_or_group}={next(iter(override.sweep_string_iterator()))}"


def check_before_checkpoint(words: Sequence[str]) -> None:
    """Check a command line of ptycho-evaluate as far as that is possible without its checkpoint, which needs torch.

    A value of a group that is not named, such as data.photons, must fit one of the group's options; it is checked
    again once the checkpoint has named the option.

    Args:
        words: overrides, flags, and the name of the checkpoint.

    Raises:
        ValueError: If a flag, key or value is impossible, or the checkpoint is missing.
        HydraException: If a key or option does not exist.
    """
    check_checkpoint_words(words)
    prepared = hydra_words(scans_to_overrides([word for word in words if not is_file_word(word)]))
    if not CONFIG_DIR & set(prepared):  # options of the user's own are known to Hydra alone
        check_overrides([word for word in prepared if is_override(word)])


def check_import_options(overrides: Sequence[str]) -> None:
    """Check import options on the command line of ptycho-inspect, which does not run under Hydra.

    Raises:
        ValueError: If a key or value is impossible.
        HydraException: If a key or option does not exist.
    """
    if overrides:
        check_composed(hydra_words(list(overrides)), "import", later={"files", "format"})


def check_checkpoint_words(words: Sequence[str]) -> None:
    """Check the words that name files: there must be one, the checkpoint.

    Raises:
        ValueError: If not.
    """
    named = [word for word in words if is_file_word(word)]
    for path in named:
        if not path.endswith(".ckpt"):
            raise ValueError(f"cannot read {path!r}; name a checkpoint, whose name ends in .ckpt, or write key=value")
        if not Path(path).is_file():
            raise ValueError(f"no checkpoint {path}; a finished run has one at outputs/runs/STUDY/RUN/best.ckpt")
    if len(named) > 1:
        raise ValueError(f"this command takes 1 checkpoint, got {len(named)}: {', '.join(named)}; name one")
    if not named and not any(word.startswith("checkpoint=") for word in words):
        raise ValueError(MISSING["checkpoint"])


def check_overrides(overrides: Sequence[str]) -> None:
    """Check the overrides of ptycho-evaluate; see `check_before_checkpoint`."""
    parsed = parse(overrides)
    named = {one.key_or_group for one in parsed}
    closed, open_words = [], {}
    for one in parsed:
        group, dot, _ = one.key_or_group.partition(".")
        if dot and group in GROUPS and group not in named:
            open_words.setdefault(group, []).append(first_value(one))
        else:
            closed.append(first_value(one))
    later = {"checkpoint", *GROUPS} - named
    check_composed(closed, "evaluate", later=later)
    for group, words in open_words.items():
        check_any_option(group, words, later)


def check_any_option(group: str, words: Sequence[str], later: Collection[str]) -> None:
    """Check values of a group against its options; if they fit none, raise what the closest option raises."""
    options = sorted(file.name.removesuffix(".yaml") for file in (files("ptycho_bench.conf") / group).iterdir())
    failures = []
    for choice in ((), *((f"{group}={option}",) for option in options)):
        try:
            return check_composed([*choice, *words], "evaluate", later=later)
        except Exception as error:
            failures.append(error)
    raise next((error for error in failures if isinstance(error, ValueError)), failures[0])


def check_composed(words: Sequence[str], root: str, *, later: Collection[str]) -> None:
    """Compose the configuration of a command and check it; see `config.options.check_options`."""
    import hydra

    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose(root, [word for word in words if not word.startswith("hydra")], return_hydra_config=True)
    choices = cfg.hydra.runtime.choices
    own = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])
    check_options(own, root, choices, later=later)


def is_override(word: str) -> bool:
    """Return True for an override among the words that Hydra reads."""
    return not word.startswith("-") and ("=" in word or word.startswith("~"))


def parse(overrides: Sequence[str]) -> list:
    """Return Hydra's objects for overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_overrides(list(overrides))

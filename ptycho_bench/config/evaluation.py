"""Build an `EvaluationSpec` from the configuration of ptycho-evaluate and the checkpoint that it names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.build import build, check_batch_size, check_type
from ptycho_bench.config.checkpoint import KEY, read_checkpoint
from ptycho_bench.config.data_choice import data_set
from ptycho_bench.config.datasets import ScanFile, Simulated
from ptycho_bench.config.description import KIND, PARTIAL, Plain, describe
from ptycho_bench.config.device import device_named
from ptycho_bench.config.identity import file_hash
from ptycho_bench.config.overrides import is_file_word, quoted, scans_to_overrides
from ptycho_bench.config.predictors import PREDICTORS
from ptycho_bench.config.region import region_named
from ptycho_bench.config.registry import name_of
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import Stitching

TYPES = {"pictures": bool, "overwrite": bool, "outputs_dir": str, "inherit": list[str]}  # of values of the root
INHERITABLE = ("data", "noise", "metrics", "stitch")  # groups that an evaluation takes from the run


@dataclass(frozen=True, kw_only=True)
class EvaluationSpec:
    """The settings of an evaluation.

    Args:
        checkpoint: the file's content, see `config.checkpoint.read_checkpoint`.
        checkpoint_path: the file, for the record.
        scan: the scan that the network is scored on.
        as_trained: whether the settings of the scan are those that the network was trained on.
        predictor: `network`, or a predictor without weights, see `runs.references`.
        training_scan: the scan of the training, for such a predictor; None for `network`, and if the checkpoint does
            not describe it completely.
        protocol: how metrics are computed.
        stitching: how patches are stitched.
        region: `all`, `test`, or [top, bottom, left, right] in object pixels.
        batch_size: patterns predicted at once.
        device: `cpu` or `cuda`.
        pictures: whether to draw PNG files.
        outputs_dir: where evaluations are recorded.
        folder: where this one is recorded; None: a folder below `outputs_dir`, whose name identifies the result.
        overwrite: whether the result of another request in `folder` is replaced.
        identity: plain values that determine the result, apart from the scan.
        text: the whole configuration as YAML, for the record.
    """

    checkpoint: Mapping
    checkpoint_path: str
    scan: Simulated | ScanFile
    as_trained: bool
    predictor: str
    training_scan: Simulated | None
    protocol: MetricProtocol
    stitching: Stitching
    region: str | list[float]
    batch_size: int
    device: str
    pictures: bool
    outputs_dir: Path
    folder: Path | None
    overwrite: bool
    identity: Plain
    text: str


def evaluation_spec(cfg: DictConfig, overrides: Sequence[str]) -> EvaluationSpec:
    """Build the settings and check everything that can be checked before data are read or simulated.

    Args:
        cfg: composed configuration of ptycho-evaluate.
        overrides: the words of the command line.

    Raises:
        ValueError: If a value is impossible, or the patterns have another size than those of the training.
    """
    region = check_values(cfg)
    checkpoint = read_checkpoint(cfg.checkpoint)
    description = checkpoint[KEY]
    for group in cfg.inherit:
        inherit(cfg, group, description[group], overrides)
    scan = data_set(cfg).only()
    side, size_px = scan.patch_px(), description["size_px"]
    if side != size_px:
        raise ValueError(
            f"{scan.words} has patterns of {side} px, the network was trained on {size_px} px; "
            "crop them or choose another checkpoint"
        )
    protocol: MetricProtocol = build(cfg.metrics)
    stitching: Stitching = build(cfg.stitch)
    for part in (protocol, stitching):
        part.check(description["size_px"])
    changed = any(key.startswith(("data.", "noise.")) for key, _ in values_of(overrides))
    return EvaluationSpec(
        checkpoint=checkpoint,
        checkpoint_path=str(cfg.checkpoint),
        scan=scan,
        as_trained={"data", "noise"} <= set(cfg.inherit) and not changed,
        predictor=cfg.predictor,
        training_scan=None if cfg.predictor == "network" else training_scan(cfg, description),
        protocol=protocol,
        stitching=stitching,
        region=region,
        batch_size=cfg.batch_size,
        device=device_named(cfg.device),
        pictures=cfg.pictures,
        outputs_dir=Path(cfg.outputs_dir),
        folder=None if cfg.folder is None else Path(cfg.folder),
        overwrite=cfg.overwrite,
        identity=[file_hash(cfg.checkpoint), cfg.predictor, region, describe(cfg.metrics), describe(cfg.stitch)],
        text=OmegaConf.to_yaml(cfg, resolve=True),
    )


def check_values(cfg: DictConfig) -> str | list[float]:
    """Check the values of the root, for which the checkpoint is not needed, and return the region.

    Raises:
        ValueError: If one is impossible, or no checkpoint is named.
    """
    for key, annotation in TYPES.items():
        check_type(key, cfg[key], annotation)
    check_batch_size(cfg.batch_size)
    if cfg.predictor not in PREDICTORS:
        raise ValueError(f"predictor must be {', '.join(PREDICTORS[:-1])} or {PREDICTORS[-1]}, got {cfg.predictor!r}")
    if OmegaConf.is_missing(cfg, "checkpoint"):
        raise ValueError("no checkpoint is named; a finished run has one: outputs/runs/STUDY/RUN/best.ckpt")
    return region_named(cfg.region)


def training_scan(cfg: DictConfig, description: Mapping) -> Simulated | None:
    """Return the scan that a network was trained on, to be simulated again or read from the cache.

    Args:
        cfg: composed configuration of ptycho-evaluate.
        description: the checkpoint's description.

    Returns:
        The scan; None if the checkpoint does not describe it, which is so if it was a file or one of several scans, or
        was made from files that conf/ does not name.
    """
    import hydra

    if description["data"] is None:
        return None
    groups = ("data", "noise")
    folders = [f"{key}={quoted(str(cfg[key]))}" for key in ("data_root", "outputs_dir")]
    trained = hydra.compose("evaluate", [*(f"{group}={description['choices'][group]}" for group in groups), *folders])
    for group in groups:
        inherit(trained, group, description[group], [])
    return None if OmegaConf.missing_keys(trained.data) else data_set(trained).only()


def inherit(cfg: DictConfig, group: str, stored: Mapping, overrides: Sequence[str]) -> None:
    """Give a group the values of the training run, except those that the command line names.

    The group's classes and files come from conf/; the checkpoint only contributes plain values.

    Args:
        cfg: composed configuration, with the option of the training run in `group`.
        group: `data`, `noise`, `metrics` or `stitch`.
        stored: description of the group in the checkpoint.
        overrides: the words of the command line.

    Raises:
        ValueError: If the stored description does not fit the option of conf/.
    """
    named = [(key, value) for key, value in values_of(overrides) if key.startswith(f"{group}.")]
    take_values(cfg[group], stored, group, keep_interpolations=bool(named))
    for key, value in named:
        OmegaConf.update(cfg, key, value)


def take_values(node: DictConfig, stored: Mapping, where: str, *, keep_interpolations: bool) -> None:
    """Set the values of a node to those that a checkpoint stores; see `inherit`."""
    if KIND in stored and name_of(node.get("_target_", "")) != stored[KIND]:
        raise ValueError(
            f"the checkpoint was trained with {where} of class {stored[KIND]}, but conf/ now names another class; "
            f"choose {where.partition('.')[0]}=NAME on the command line"
        )
    for key, value in stored.items():
        if key in (KIND, PARTIAL, "name"):
            continue
        if key not in node:
            raise ValueError(f"the checkpoint has the value {where}.{key}, which this release does not know")
        if isinstance(value, Mapping):
            if not OmegaConf.is_dict(node[key]):
                raise ValueError(f"{where}.{key} has several values, got {node[key]!r}; write {where}.{key}.NAME=VALUE")
            take_values(node[key], value, f"{where}.{key}", keep_interpolations=keep_interpolations)
        elif not (keep_interpolations and OmegaConf.is_interpolation(node, key)) and node[key] != value:
            node[key] = value


def values_of(overrides: Sequence[str]) -> list[tuple[str, object]]:
    """Return the keys and values of the overrides on a command line."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [(override.key_or_group, override.value()) for override in parsed]


def with_checkpoint(words: list[str]) -> list[str]:
    """Return a command line that names the checkpoint by an override, before the choices of its run and the user's.

    Args:
        words: the command line; the word that ends in .ckpt is the checkpoint.

    Raises:
        ValueError: If there are several, or as `choices_of_run` does.
    """
    words = scans_to_overrides(words)
    paths = [word for word in words if word.endswith(".ckpt") and is_file_word(word)]
    if not paths:
        return words
    if len(paths) > 1:
        raise ValueError(f"this command takes 1 checkpoint, got {len(paths)}: {', '.join(paths)}; name one")
    (path,) = paths
    flags = [word for word in words if word in ("-m", "--multirun")]  # argparse accepts none among the overrides
    words = [word for word in words if word not in (path, *flags)]
    return flags + choices_of_run(path, words) + words


def choices_of_run(path: str, words: Sequence[str]) -> list[str]:
    """Return overrides that name the checkpoint, and the options of its run for the groups that the user has not named.

    Args:
        path: the checkpoint.
        words: the rest of the command line.

    Raises:
        ValueError: If the file is not a checkpoint, or its run trained on files or several scans and the user names no
            data.
    """
    description = read_checkpoint(path)[KEY]
    choices, tested = description["choices"], description["test"]
    chosen = {word.partition("=")[0] for word in words}
    if description["data"] is None and "data" not in chosen:
        raise ValueError(
            f"{path} was trained on files or on several scans, which a checkpoint does not choose; add the one to be "
            f"scored: {' or '.join(one['words'] for one in tested)}"
        )
    inherited = [group for group in INHERITABLE if group not in chosen and description[group] is not None]
    named = [f"{group}={choices[group]}" for group in inherited]
    return [f"checkpoint={quoted(path)}", f"inherit=[{','.join(inherited)}]", *named]

"""Data, name and identity of a run of ptycho-train. Torch is imported only for large files, so that this is quick."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from ptycho_bench.config.data_choice import data_set
from ptycho_bench.config.datasets import DataSet, ScanFile
from ptycho_bench.config.description import Plain, describe
from ptycho_bench.config.identity import GROUPS, run_identity, run_name

MOST_CHANNELS = 32  # of input, targets and counts together; a set that fits with so many needs no exact count


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of ptycho-train.

    Args:
        name: of its folder.
        identity: hash of what determines its result.
        data: the scans that it trains on.
        groups: description of each choice that changes results, see `config.identity.GROUPS`.
        streamed: whether samples are read from the file in each epoch, instead of kept in memory.
        folder: where it is recorded.
    """

    name: str
    identity: str
    data: DataSet
    groups: Mapping[str, Plain]
    streamed: bool
    folder: Path


def run_of(cfg: DictConfig, choices: Mapping[str, str]) -> Run:
    """Return the run that a configuration describes.

    Args:
        cfg: composed configuration of ptycho-train.
        choices: name of the file taken from each group of conf/.

    Raises:
        ValueError: If a class is unknown, a scan is named twice, or `cache_mb` is not a size.
        DataError: If a file is missing or cannot be read.
    """
    data, groups = data_set(cfg), {group: describe(cfg[group]) for group in GROUPS}
    streamed = is_streamed(data, groups, cfg.cache_mb)
    values = {
        "seed": cfg.seed,
        "scaling": cfg.scaling if len(data.scans) > 1 else "joint",
        "ranges": cfg.ranges,
        "precision": cfg.trainer.precision,
        "streamed": streamed,
    }
    identity = run_identity(groups, values, data.identity())
    name = run_name(choices["model"], choices["loss"], cfg.seed, identity)
    folder = Path(cfg.outputs_dir) / "runs" / str(cfg.study) / name
    return Run(name=name, identity=identity, data=data, groups=groups, streamed=streamed, folder=folder)


def is_streamed(data: DataSet, groups: Mapping[str, Plain], cache_mb: float | None) -> bool:
    """Return True if the data set's files take more than `cache_mb` once they are prepared.

    Simulated scans are made in memory and are not counted: their size is unknown before they are simulated, and the
    identity of a run depends on the answer.

    Args:
        data: the data set.
        groups: description of `input`, `amplitude`, `phase` and `loss`.
        cache_mb: limit in MB; None keeps every set in memory.

    Raises:
        ValueError: If `cache_mb` is not a size.
        DataError: If a file has no patterns.
    """
    if cache_mb is None:
        return False
    if isinstance(cache_mb, (bool, str)) or cache_mb < 0:
        raise ValueError(f"cache_mb must be a number of MB, 0 or more, or null to keep every set, got {cache_mb!r}")
    pixels = sum(scan.pixels() for scan in data.scans if isinstance(scan, ScanFile))
    limit = cache_mb * 1e6
    return pixels * 4 * MOST_CHANNELS > limit and pixels * bytes_per_pixel(groups) > limit


def bytes_per_pixel(groups: Mapping[str, Plain]) -> int:
    """Return the bytes per pixel of a prepared sample: input channels, encoded targets and counts, as float32."""
    from ptycho_bench.config.build import build
    from ptycho_bench.config.network import build_loss
    from ptycho_bench.network.scaling import NEUTRAL

    amplitude = 1
    phase = build(groups["phase"], scaling=NEUTRAL).channels
    measured = int(build_loss(groups["loss"], groups["amplitude"], groups["phase"]).needs_measurement)
    return 4 * (build(groups["input"], scaling=NEUTRAL).channels + amplitude + phase + measured)

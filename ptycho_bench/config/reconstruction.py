"""Build a `ReconstructionSpec` from the configuration of ptycho-reconstruct."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.build import build, check_batch_size, check_type
from ptycho_bench.config.description import KIND, Plain, describe
from ptycho_bench.config.identity import file_hash
from ptycho_bench.config.importing import ImportSpec, import_overrides, import_spec
from ptycho_bench.config.network_choice import network_path
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import Stitching
from ptycho_bench.solvers.pie import PIESolver

FLAGS = ("frc", "triplets", "pictures", "overwrite")
RESULT = ("frc", "triplets", "triplets_bin", "triplets_trim_px")  # values that determine the result


@dataclass(frozen=True, kw_only=True)
class ReconstructionSpec:
    """The settings of a reconstruction.

    Args:
        files: the scan's files, and how files of other projects are read.
        import_words: the words of the command line that are import options.
        network_path: trained network that reconstructs, or that the solver starts from; None if there is none.
        solver: iterative solver; None if the network reconstructs alone.
        protocol: how metrics are computed if the truth is known.
        stitching: how a network's patches are stitched.
        region: `all`, `test`, or [top, bottom, left, right] in object pixels.
        region_of: checkpoint whose test region `test` refers to; None: that of the network.
        probe_path: file of the probe; None: the probe of the scan.
        probe_key: its data set, if the file is HDF5.
        frc: whether to correlate reconstructions of two halves of the data.
        triplets: whether to write the scan with amplitude and phase cut from the object.
        triplets_bin: side of the squares of detector pixels that are summed for this scan.
        triplets_trim_px: margin of the field whose points are left out of this scan.
        batch_size: patterns that a network predicts at once.
        cache_mb: patterns are kept in memory up to this size.
        device: `auto`, `cpu` or `cuda`.
        pictures: whether to draw PNG files.
        outputs_dir: where reconstructions are recorded.
        folder: where this one is recorded; None: a folder below `outputs_dir`, whose name identifies the result.
        overwrite: whether the result of another request in `folder` is replaced.
        identity: plain values that determine the result, apart from the scan.
        text: the whole configuration as YAML, for the record.
    """

    files: ImportSpec
    import_words: list[str]
    network_path: str | None
    solver: PIESolver | None
    protocol: MetricProtocol
    stitching: Stitching
    region: str | list[float]
    region_of: str | None
    probe_path: str | None
    probe_key: str | None
    frc: bool
    triplets: bool
    triplets_bin: int
    triplets_trim_px: int
    batch_size: int
    cache_mb: float
    device: str
    pictures: bool
    outputs_dir: Path
    folder: Path | None
    overwrite: bool
    identity: Plain
    text: str


def reconstruction_spec(cfg: DictConfig, overrides: Sequence[str]) -> ReconstructionSpec:
    """Build the settings and check everything that can be checked before a file is read.

    Args:
        cfg: composed configuration of ptycho-reconstruct.
        overrides: the words of the command line.

    Raises:
        ValueError: If a value is impossible, or neither a network nor a solver is named.
    """
    for name in FLAGS:
        check_type(name, cfg[name], bool)
    check_batch_size(cfg.batch_size)
    solver = describe(cfg.solver)
    path = network_path(cfg.checkpoint, cfg.warm_start, solved=KIND in solver)
    metrics, stitch = describe(cfg.metrics), describe(cfg.stitch)
    return ReconstructionSpec(
        files=import_spec(cfg),
        import_words=import_overrides(overrides),
        network_path=path,
        solver=build(solver) if KIND in solver else None,
        protocol=build(metrics),
        stitching=stitching_of(stitch),
        region=cfg.region if isinstance(cfg.region, str) else list(cfg.region),
        region_of=cfg.region_of,
        probe_path=cfg.probe_path,
        probe_key=cfg.probe_key,
        frc=cfg.frc,
        triplets=cfg.triplets,
        triplets_bin=cfg.triplets_bin,
        triplets_trim_px=cfg.triplets_trim_px,
        batch_size=cfg.batch_size,
        cache_mb=cfg.cache_mb,
        device=cfg.device,
        pictures=cfg.pictures,
        outputs_dir=Path(cfg.outputs_dir),
        folder=None if cfg.folder is None else Path(cfg.folder),
        overwrite=cfg.overwrite,
        identity=[path and file_hash(path), solver, metrics, stitch, *(cfg[name] for name in RESULT)],
        text=OmegaConf.to_yaml(cfg, resolve=True),
    )


def stitching_of(described: Plain) -> Stitching:
    """Build the stitching from its description.

    Raises:
        ValueError: If it places patches elsewhere than at their true positions.
    """
    stitching: Stitching = build(described)
    if stitching.step_px is not None:
        raise ValueError(
            f"stitch.step_px={stitching.step_px} moves patches, but an object needs true positions; set it to null"
        )
    return stitching

"""The data set a configuration names: read where it exists, simulated where it does not."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
from omegaconf import DictConfig

from ptycho_bench.config.build import build
from ptycho_bench.config.identity import scan_hash
from ptycho_bench.config.scans import ScanChoice, names_file
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import blocks_of
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import read_scan, write_scan


def cached_path(cfg: DictConfig) -> Path:
    """Where the data set lies or will lie: the given file, or the cache under the hash of what makes it."""
    if names_file(cfg):
        return Path(cfg.data.file_path)
    return Path(cfg.outputs_dir) / "data" / f"{cfg.data.name}-{scan_hash(cfg)[:10]}.h5"


def pattern_px(cfg: DictConfig) -> int:
    """Side of the patterns, without making or reading them: so that a network that cannot take them fails first."""
    if "size_px" in cfg.data:
        return cfg.data.size_px
    if not names_file(cfg):
        return build(cfg.data.probe).shape[-1]
    try:
        with h5py.File(cfg.data.file_path, "r") as handle:
            return handle["diffraction"].shape[-1]
    except (OSError, KeyError) as error:
        raise DataError(f"{cfg.data.file_path} cannot be read as a data set ({error}); is it complete?") from error


def common_pattern_px(choices: Sequence[ScanChoice]) -> int:
    """Side of the patterns of all scans.

    Raises:
        ValueError: they differ.
    """
    sides = {choice.words: pattern_px(choice.cfg) for choice in choices}
    (first, side), *others = sides.items()
    for words, other in others:
        if other != side:
            raise ValueError(
                f"{first} has patterns of {side} px, {words} of {other} px; scans that train together need 1 side: "
                "import or simulate them alike"
            )
    return side


def simulate(cfg: DictConfig) -> PtychoScan:
    """The data set a configuration describes, not yet written."""
    return build(cfg.data, noise=build(cfg.noise), simulation_hash=scan_hash(cfg))


def make(cfg: DictConfig, path: Path) -> list[str]:
    """Write the data set a configuration describes; what was decided on the way, a line each."""
    scan = simulate(cfg)
    write_scan(path, scan)
    return [f"  {note}" for note in scan.notes]


def load_scan(cfg: DictConfig, *, say: bool, read: Callable[[Path], PtychoScan] = read_scan) -> PtychoScan:
    """Read the data set, after making it where it is missing (a given file must exist).

    Args:
        cfg: names the data set.
        say: print a line where it was made.
        read: `read_scan`, or `stream_scan`, which leaves frames in the file.
    """
    path = cached_path(cfg)
    if names_file(cfg) or path.is_file():
        return read(path)
    notes = make(cfg, path)
    scan = read(path)
    if say:
        print("\n".join([*notes, f"made {path}: {describe(scan)}"]), flush=True)
    return scan


def describe(scan: PtychoScan) -> str:
    """One line about a scan."""
    info = scan.info
    places = "" if info.step_px is None else f"step {info.step_px:.3g} px, "
    if info.overlap_ratio is not None:
        places = f"overlap {info.overlap_ratio:.0%}, jitter {info.jitter_px} px, "
    return (
        f"{len(scan)} patterns of {scan.patch_px} x {scan.patch_px} px, {places}{mean_photons(scan):.0f} counts per "
        f"pattern, hash {scan.content_hash[:10]}"
    )


def mean_photons(scan: PtychoScan) -> float:
    """Mean of the patterns' sums, photons."""
    return sum(float(block.sum(dtype=np.float64)) for block in blocks_of(scan.diffraction)) / len(scan)


def data_record(name: str, scan: PtychoScan) -> dict:
    """What results.json says of the data."""
    return {
        "name": name,
        "content_hash": scan.content_hash,
        "patterns": len(scan),
        "pattern_px": scan.patch_px,
        **dataclasses.asdict(scan.info),
    }

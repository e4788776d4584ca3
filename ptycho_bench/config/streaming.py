"""Whether a run keeps its samples in memory or streams them. Imports torch only for large files: a skip is quick."""

from pathlib import Path

from omegaconf import DictConfig

from ptycho_bench.config.scans import names_file, scan_choices
from ptycho_bench.data.errors import DataError

MOST_CHANNELS = 32  # of input, targets and counts together: files below the limit even so need no closer look


def streams(cfg: DictConfig) -> bool:
    """True where the given files, prepared, take more than cache_mb.

    A data set made by its name is made in memory and counts for nothing; and it must not: before it is made, nothing
    knows its size, and a run's identity depends on the answer.

    Args:
        cfg: composed configuration of ptycho-train.

    Raises:
        ValueError: cache_mb is no size.
        DataError: a file without patterns.
    """
    limit = cfg.cache_mb
    if limit is None:
        return False
    if isinstance(limit, (bool, str)) or limit < 0:
        raise ValueError(f"cache_mb must be a number of MB, 0 or more, or null to keep every set, got {limit!r}")
    files = [choice.cfg.data.file_path for choice in scan_choices(cfg) if names_file(choice.cfg)]
    if not files:
        return False
    count = sum(map(pixels, files))
    return count * 4 * MOST_CHANNELS > limit * 1e6 and count * bytes_per_pixel(cfg) > limit * 1e6


def pixels(path: str) -> int:
    """Pixels of all patterns of a file.

    Raises:
        DataError: it cannot be read, or has none.
    """
    import h5py

    if not Path(path).is_file():
        raise DataError(f"no file {path}; mend the path, or set data_root=FOLDER (or PTYCHO_DATA), where data sets lie")
    try:
        with h5py.File(path, "r") as handle:
            return handle["diffraction"].size
    except (OSError, KeyError, AttributeError) as error:
        raise DataError(f"{path} cannot be read as a data set ({error}); is it complete?") from error


def bytes_per_pixel(cfg: DictConfig) -> int:
    """What a pixel of a prepared sample takes: input channels, encoded targets and measured photons, as float32."""
    from ptycho_bench.config.build import build, build_loss
    from ptycho_bench.network.scaling import NEUTRAL

    amplitude = 1
    measured = int(build_loss(cfg.loss, cfg.amplitude, cfg.phase).needs_measurement)
    seen = build(cfg.input, scaling=NEUTRAL).channels
    return 4 * (seen + amplitude + build(cfg.phase, scaling=NEUTRAL).channels + measured)

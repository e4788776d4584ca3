"""Find the data set that a configuration names: one scan, a file, a folder, or a list of scans."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.datasets import DataSet, ScanFile, Simulated
from ptycho_bench.config.description import describe
from ptycho_bench.config.overrides import quoted
from ptycho_bench.data.errors import DataError

SUFFIXES = (".h5", ".hdf5")
MOST_SCANS = 1000


def data_set(cfg: DictConfig) -> DataSet:
    """Return the data set that a configuration names.

    Args:
        cfg: has `data`, `noise` and `outputs_dir`.

    Raises:
        ValueError: If data.scans is not a list of data sets.
        DataError: If a folder is missing or contains no data set.
        HydraException: If conf/data has no file of that name.
    """
    keys = list(cfg.data)
    if "folder_path" in keys:
        named = [str(path) for path in files_in_folder(Path(cfg.data.folder_path))]
    elif "scans" in keys:
        if not OmegaConf.is_list(cfg.data.scans) or not 0 < len(cfg.data.scans) <= MOST_SCANS:
            raise ValueError(
                f"data.scans must be a list of 1 to {MOST_SCANS} scans, got {cfg.data.scans!r}; write "
                "data=[ltem,scan.h5]"
            )
        named = [str(scan) for scan in cfg.data.scans]
    elif "file_path" in keys:
        return DataSet(name=cfg.data.name, scans=(ScanFile(name=cfg.data.name, path=Path(cfg.data.file_path)),))
    else:
        return DataSet(name=cfg.data.name, scans=(simulated(cfg, cfg.data),))
    scans = (named_scan(cfg, scan, name) for scan, name in zip(named, unique_names(named), strict=True))
    return DataSet(name=cfg.data.name, scans=tuple(scans))


def simulated(cfg: DictConfig, data: DictConfig) -> Simulated:
    """Return a scan that is simulated with the noise of the run."""
    described = describe(data)
    return Simulated(
        name=str(described["name"]),
        words=f"data={described['name']}",
        data=described,
        noise=describe(cfg.noise),
        cache=Path(cfg.outputs_dir) / "data",
    )


def named_scan(cfg: DictConfig, scan: str, name: str) -> Simulated | ScanFile:
    """Return one of several scans: a file, or a choice of conf/data with the noise of the run.

    Args:
        cfg: the whole configuration.
        scan: path of an HDF5 file, or name of a file of conf/data.
        name: name that the scan has in records.

    Raises:
        ValueError: If it is neither, or a choice that needs further values.
    """
    import hydra

    if is_data_file(scan):
        return ScanFile(name=name, path=Path(scan))
    if not scan.isidentifier():
        raise ValueError(f"{scan!r} is neither a name in conf/data nor an HDF5 file (.h5); ptycho-import makes those")
    words = f"data={scan}"
    chosen = hydra.compose("simulate", [words, f"data_root={quoted(str(cfg.data_root))}"])
    if "_target_" not in chosen.data:
        raise ValueError(f"{words} names no single scan; name HDF5 files by their paths, as data=[ltem,scan.h5]")
    if missing := ", ".join(sorted(OmegaConf.missing_keys(chosen.data))):
        raise ValueError(
            f"{words} has no value for {missing}; write it with ptycho-simulate {words} ... out=FILE.h5 and name that "
            "file, as data=[ltem,FILE.h5]"
        )
    return simulated(cfg, chosen.data)


def is_data_file(scan: str) -> bool:
    """Return True for the name of an HDF5 file."""
    return scan.lower().endswith(SUFFIXES)


def unique_names(scans: Sequence[str]) -> Iterator[str]:
    """Return short names of scans: those of conf/data, and files without folder and suffix; repeated ones are numbered.

    >>> list(unique_names(["ltem", "a/scan.h5", "b/scan.h5"]))
    ['ltem', 'scan', 'scan-2']
    """
    used = set()
    for scan in scans:
        name = stem = Path(scan).stem if is_data_file(scan) else scan
        number = 1
        while name in used:
            number += 1
            name = f"{stem}-{number}"
        used.add(name)
        yield name


def files_in_folder(folder: Path) -> list[Path]:
    """Return this project's .h5 files in a folder, sorted by name; other files are ignored.

    Raises:
        DataError: If there is no such folder, it contains no data set, or a file cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"no folder {folder}; check data.folder_path")
    files = sorted(path for path in folder.iterdir() if path.suffix == ".h5")
    own = [path for path in files if is_data_set(path)]
    if not own:
        raise DataError(
            f"no data set in {folder}: none of its {len(files)} .h5 files was written by this project; ptycho-import "
            "makes them"
        )
    return own


def is_data_set(path: Path) -> bool:
    """Return True for an HDF5 file of this project, of any version.

    Raises:
        DataError: If the file cannot be read.
    """
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            return "format_version" in handle.attrs
    except OSError as error:
        raise DataError(f"{path} cannot be read as HDF5 ({error}); repair it, or remove it from the folder") from error

"""The scans a configuration names: one, or several that train as one set. Imports no torch: a skip must be quick."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import hydra
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.data.errors import DataError

SUFFIXES = (".h5", ".hdf5")


@dataclass(frozen=True, kw_only=True)
class ScanChoice:
    """One scan of a configuration.

    Args:
        name: in records and file names; no two of a configuration are alike.
        words: what names it alone on a command line.
        cfg: `data`, `noise`, `outputs_dir` and `data_root`, as where it is named alone.
    """

    name: str
    words: str
    cfg: DictConfig


def names_file(cfg: DictConfig) -> bool:
    """True where the data set is a given file, False where it is simulated."""
    return "file_path" in list(cfg.data)  # `in` the node itself is False while the value is missing


def scan_choices(cfg: DictConfig) -> list[ScanChoice]:
    """Every scan a configuration names, in order.

    Raises:
        ValueError: data.scans is no list of data sets, or a folder has none.
        HydraException: a name that conf/data does not have.
    """
    if "folder_path" in list(cfg.data):
        named = data_files(Path(cfg.data.folder_path))
    elif "scans" in list(cfg.data):
        named = cfg.data.scans
        if not OmegaConf.is_list(named) or not named:
            raise ValueError(f"data.scans must be a list of at least 1 scan, got {named!r}; write data=[ltem,scan.h5]")
    else:
        words = f"data=file data.file_path={cfg.data.file_path}" if names_file(cfg) else f"data={cfg.data.name}"
        return [ScanChoice(name=cfg.data.name, words=words, cfg=cfg)]
    named = [str(scan) for scan in named]
    return [chosen(cfg, scan, name) for scan, name in zip(named, unique_names(named), strict=True)]


def only_scan(cfg: DictConfig) -> ScanChoice:
    """The scan of a configuration, for a command that takes one.

    Raises:
        ValueError: it names several.
    """
    choices = scan_choices(cfg)
    if len(choices) > 1:
        names = ", ".join(choice.name for choice in choices)
        raise ValueError(
            f"this command takes 1 scan, data={cfg.data.name} names {len(choices)} ({names}); name one, as "
            f"{choices[0].words}"
        )
    return choices[0]


def chosen(cfg: DictConfig, scan: str, name: str) -> ScanChoice:
    """One of several scans: a file, or a choice of conf/data with the noise of the run.

    Args:
        cfg: the whole configuration.
        scan: path of an HDF5 file, or name of a file of conf/data.
        name: that it goes by.

    Raises:
        ValueError: neither of them, or a choice that asks for values of its own.
    """
    if is_hdf5(scan):
        data, words = OmegaConf.create({"name": name, "file_path": scan}), f"data=file data.file_path={scan}"
    elif not scan.isidentifier():
        raise ValueError(f"{scan!r} is neither a name in conf/data nor an HDF5 file (.h5); ptycho-import makes those")
    else:
        data, words = hydra.compose("simulate", [f"data={scan}"]).data, f"data={scan}"
        if "_target_" not in data:
            raise ValueError(f"{words} is no scan of its own; name HDF5 files by their path, as data=[ltem,scan.h5]")
        missing = ", ".join(sorted(OmegaConf.missing_keys(data)))
        if missing:
            raise ValueError(
                f"{words} has no value for {missing}; write it with ptycho-simulate {words} ... out=FILE.h5 and name "
                "that file, as data=[ltem,FILE.h5]"
            )
    own = {"data": data} | {key: cfg[key] for key in ("noise", "outputs_dir", "data_root")}
    return ScanChoice(name=name, words=words, cfg=OmegaConf.create(own))


def is_hdf5(scan: str) -> bool:
    """True for the name of an HDF5 file."""
    return scan.lower().endswith(SUFFIXES)


def unique_names(scans: Sequence[str]) -> Iterator[str]:
    """Short names of scans: those of conf/data, files without folder and ending; one used before gets a number.

    >>> list(unique_names(["ltem", "a/scan.h5", "b/scan.h5"]))
    ['ltem', 'scan', 'scan-2']
    """
    used = set()
    for scan in scans:
        name = stem = Path(scan).stem if is_hdf5(scan) else scan
        number = 1
        while name in used:
            number += 1
            name = f"{stem}-{number}"
        used.add(name)
        yield name


def data_files(folder: Path) -> list[Path]:
    """This project's .h5 files in a folder, sorted by name; those of others are passed over.

    Raises:
        DataError: no such folder, none in it, or one that cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"no folder {folder}; mend data.folder_path")
    files = sorted(path for path in folder.iterdir() if path.suffix == ".h5")
    own = [path for path in files if is_data_set(path)]
    if not own:
        raise DataError(
            f"no data set in {folder}: of {len(files)} .h5 files none is this project's own; ptycho-import makes them"
        )
    return own


def is_data_set(path: Path) -> bool:
    """True for an HDF5 file of this project, also of another version."""
    try:
        with h5py.File(path, "r") as handle:
            return "format_version" in handle.attrs
    except OSError as error:
        raise DataError(f"{path} cannot be read as HDF5 ({error}); mend it, or take it out of the folder") from error

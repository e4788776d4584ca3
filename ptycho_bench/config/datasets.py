"""Data sets that a configuration names: simulated, a file, a folder, or several scans. Only simulating loads torch."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.description import describe
from ptycho_bench.config.identity import joint_identity, refuse_repeated, simulation_identity, stored_hash
from ptycho_bench.config.overrides import quoted
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.versions import FORMAT_VERSION

if TYPE_CHECKING:
    from ptycho_bench.data.scan import PtychoScan

SUFFIXES = (".h5", ".hdf5")
NAME = re.compile(r"[A-Za-z0-9_][\w.+ -]*")
MOST_SCANS = 1000
Read = Callable[[Path], "PtychoScan"]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A scan that is made by its name and cached under its identity; also a measured one that is converted on demand.

    Args:
        name: of the data set.
        words: the words of a command line that name it.
        data: description of object, probe and scan.
        noise: description of the detector's noise.
        cache: folder of simulated scans.
    """

    name: str
    words: str
    data: Mapping
    noise: Mapping
    cache: Path
    is_file: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def path(self) -> Path:
        """File in the cache."""
        return self.cache / f"{self.name}-{self.identity()[:10]}-v{FORMAT_VERSION}.h5"

    @property
    def held_out(self) -> bool:
        """Whether the scan is for testing only."""
        return bool(self.data.get("held_out", False))

    def identity(self) -> str:
        """Return the hash of what the scan is made from."""
        return simulation_identity(self.data, self.noise)

    def patch_px(self) -> int:
        """Return the side of a pattern in pixels."""
        from ptycho_bench.config.build import build

        return self.data["size_px"] if "size_px" in self.data else build(self.data["probe"]).shape[-1]

    def simulate(self) -> "PtychoScan":
        """Return the scan without writing it."""
        from ptycho_bench.config.build import build

        return build(self.data, noise=build(self.noise), simulation_hash=self.identity())

    def write(self, path: Path) -> Sequence[str]:
        """Simulate the scan and write it to a file; return the decisions made on the way, one line each."""
        from ptycho_bench.data.store import write_scan

        scan = self.simulate()
        write_scan(path, scan)
        return scan.notes

    def load(self, read: Read, report: Callable[[str], None]) -> "PtychoScan":
        """Read the scan from the cache, after simulating it if it is not there.

        Args:
            read: reads a file, for example `data.store.read_scan`.
            report: receives what was simulated and what was decided on the way, line by line.
        """
        from ptycho_bench.data.summary import scan_summary

        if self.path.is_file():
            return read(self.path)
        for note in self.write(self.path):
            report(f"  {note}")
        scan = read(self.path)
        report(f"simulated {self.path}: {scan_summary(scan)}")
        return scan


@dataclass(frozen=True, kw_only=True)
class ScanFile:
    """A scan in this project's HDF5 format.

    Args:
        name: short name of the file.
        path: the file.
    """

    name: str
    path: Path
    is_file: ClassVar[bool] = True
    held_out: ClassVar[bool] = False  # the file says so; see `ScanInfo.held_out`

    @property
    def words(self) -> str:
        """The words of a command line that name the file."""
        return f"data=file data.file_path={self.path}"

    def identity(self) -> str:
        """Return the content hash that the file carries."""
        return stored_hash(self.path)

    def patch_px(self) -> int:
        """Return the side of a pattern in pixels.

        Raises:
            DataError: If the file cannot be read.
        """
        return self.shape()[-1]

    def pixels(self) -> int:
        """Return the number of pixels of all patterns.

        Raises:
            DataError: If the file cannot be read.
        """
        count, height, width = self.shape()
        return count * height * width

    def shape(self) -> tuple[int, int, int]:
        """Return (N, H, W) of the patterns.

        Raises:
            DataError: If the file is missing or has no patterns.
        """
        import h5py

        if not self.path.is_file():
            raise DataError(
                f"no file {self.path}; check the path, or set data_root=FOLDER (or PTYCHO_DATA) to the folder of data "
                "sets"
            )
        try:
            with h5py.File(self.path, "r") as handle:
                count, height, width = handle["diffraction"].shape
        except (OSError, KeyError, AttributeError, ValueError) as error:
            raise DataError(f"{self.path} cannot be read as a data set ({error}); is it complete?") from error
        return count, height, width

    def load(self, read: Read, report: Callable[[str], None]) -> "PtychoScan":
        """Read the file."""
        return read(self.path)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One scan, or several that train as one set.

    Args:
        name: of the choice in conf/data.
        scans: its scans, each with a name of its own.
    """

    name: str
    scans: tuple[Simulated | ScanFile, ...]

    def identity(self) -> str:
        """Return the hash of what is trained on.

        Raises:
            ValueError: If the same scan is named twice.
        """
        named = [(scan.words, scan.identity()) for scan in self.scans]
        refuse_repeated(named)
        return joint_identity([identity for _, identity in named])

    def patch_px(self) -> int:
        """Return the side of the patterns of all scans, in pixels.

        Raises:
            ValueError: If they differ.
        """
        sides = {scan.words: scan.patch_px() for scan in self.scans}
        (first, side), *others = sides.items()
        for words, other in others:
            if other != side:
                raise ValueError(
                    f"{first} has patterns of {side} px, {words} of {other} px; scans that train together need one "
                    "size: import or simulate them with the same"
                )
        return side

    def only(self) -> Simulated | ScanFile:
        """Return the one scan, for a command that takes one.

        Raises:
            ValueError: If there are several.
        """
        if len(self.scans) > 1:
            names = ", ".join(scan.name for scan in self.scans)
            raise ValueError(
                f"this command takes 1 scan, data={self.name} names {len(self.scans)} ({names}); name one, for example "
                f"{self.scans[0].words}"
            )
        return self.scans[0]


def data_set(cfg: DictConfig) -> DataSet:
    """Return the data set that a configuration names.

    Args:
        cfg: has `data`, `noise` and `outputs_dir`.

    Raises:
        ValueError: If data.scans is not a list of data sets, or a folder has none.
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
        ValueError: If it is neither, or a choice that needs values of its own.
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


def check_name(name: str) -> None:
    """Check that a data set's name can be part of a file name.

    Raises:
        ValueError: If it cannot.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"data.name must consist of letters, digits, '.', '_', '+' and '-', got {name!r}")


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
    """Return True for an HDF5 file of this project, of whatever version.

    Raises:
        DataError: If the file cannot be read.
    """
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            return "format_version" in handle.attrs
    except OSError as error:
        raise DataError(f"{path} cannot be read as HDF5 ({error}); repair it, or remove it from the folder") from error

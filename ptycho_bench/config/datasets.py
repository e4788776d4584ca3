"""Classes of data sets: simulated scans, files, and sets of them. Torch is imported only to simulate a scan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ptycho_bench.config.identity import joint_identity, refuse_repeated, simulation_identity, stored_hash
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.versions import FORMAT_VERSION
from ptycho_bench.physics.bounds import Plain

if TYPE_CHECKING:
    from ptycho_bench.data.scan import PtychoScan

Read = Callable[[Path], "PtychoScan"]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A scan that is simulated, or converted from measured files, when it is first needed, and then cached.

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
        """Return the hash of the settings that determine the scan."""
        return self.settings_hash

    @cached_property
    def settings_hash(self) -> str:
        """Hash of the settings, computed once because the files that they name may be large."""
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
            report: receives the decisions made on the way and a summary of the scan, line by line.
        """
        from ptycho_bench.data.summary import scan_summary

        if self.path.is_file():
            return read(self.path)
        for note in self.write(self.path):
            report(f"  {note}")
        scan = read(self.path)
        report(f"wrote {self.path}: {scan_summary(scan)}")
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
    held_out: ClassVar[bool] = False  # known only after the file is read; see `ScanInfo.held_out`

    @property
    def words(self) -> str:
        """The words of a command line that name the file."""
        return f"data=file data.file_path={self.path}"

    def identity(self) -> str:
        """Return the content hash that the file contains."""
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

        from ptycho_bench.data.storage import uncompressed

        if not self.path.is_file():
            raise DataError(
                f"no file {self.path}; check the path, or set data_root=FOLDER (or PTYCHO_DATA) to the folder of data "
                "sets"
            )
        try:
            with h5py.File(self.path, "r") as handle:
                if "diffraction" not in list(handle):
                    raise DataError(f"{self.path} has no diffraction; it is no data set of this project")
                count, height, width = uncompressed(handle, "diffraction").shape
        except DataError:
            raise
        except (OSError, KeyError, AttributeError, ValueError, RuntimeError) as error:
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
        scans: its scans, whose names differ.
    """

    name: str
    scans: tuple[Simulated | ScanFile, ...]

    def identity(self) -> str:
        """Return the identity of all scans together.

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


def check_name(name: str) -> None:
    """Check that the name of a data set can be part of a file name.

    Raises:
        ValueError: If it cannot.
    """
    Plain().check("data.name", name)

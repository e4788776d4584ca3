"""Read and check what a reconstruction needs: the scan, the network and the points."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ptycho_bench.config.device import device_named
from ptycho_bench.config.identity import file_hash, sha256, with_file_hashes
from ptycho_bench.config.reconstruction import ReconstructionSpec
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.files import probe_from_file
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import is_own, stream_scan
from ptycho_bench.formats.containers.paths import expand
from ptycho_bench.formats.dependencies import files_read
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.reconstruction.by_network import PatchPredictor, object_by_network
from ptycho_bench.reconstruction.by_solver import object_by_solver
from ptycho_bench.reconstruction.result import Reconstruction
from ptycho_bench.reconstruction.training_set import check_bin
from ptycho_bench.records.progress import progress
from ptycho_bench.runs.import_scan import import_scan, name_of_files
from ptycho_bench.runs.inspect import refuse_import_options
from ptycho_bench.runs.region import common_rectangle, points_of
from ptycho_bench.runs.score import training_ranges
from ptycho_bench.runs.trained import read_trained


@dataclass(frozen=True, kw_only=True)
class Request:
    """A scan that is ready to be reconstructed; everything has been read and checked.

    Args:
        spec: settings of the reconstruction.
        scan: the scan, with the probe that the command line names.
        points: int64 (n,), indices of the scan points in the region.
        rectangle: rectangle of object pixels that is scored, see `common_rectangle`; None for the whole scan.
        network: trained network; None if there is none.
        scaling: ranges of the training, if the scan was part of it, by which metrics are scaled; None: the ranges of
            the truth.
        device: device of the solver, or of the network if there is no solver.
        name: name of the scan's file.
        what: name of the method, for records.
    """

    spec: ReconstructionSpec
    scan: PtychoScan
    points: np.ndarray
    rectangle: Sequence[int] | None
    network: PatchPredictor | None
    scaling: Scaling | None
    device: str
    name: str
    what: str

    @classmethod
    def of(cls, spec: ReconstructionSpec) -> Self:
        """Read what a reconstruction needs; a scan of another format is imported on the way.

        Raises:
            ValueError: If the network, the region or the metrics do not fit the scan.
            DataError: If the scan or its probe cannot be read.
        """
        device = None if spec.solver is None else device_named(spec.device)  # ONNX Runtime chooses its own
        trained = None if spec.network_path is None else read_trained(spec.network_path, spec.device)
        scan = with_probe(read_or_import(spec), spec)
        tested = trained if spec.region_of is None else read_trained(spec.region_of, spec.device)
        parts = None if tested is None else tested.description["test"]
        points, rectangle = (choose(scan, spec.region, parts) for choose in (points_of, common_rectangle))
        network, what = None, None if spec.solver is None else spec.solver.rule
        if trained is not None:
            check_size(scan, trained.description["size_px"])
            network = trained.network(scan.content_hash)
            device = device or trained.device
            run = trained.description["run"]
            what = run if spec.solver is None else f"{spec.solver.rule}-from-{run}"
        for part in (spec.protocol, spec.stitching):
            part.check(scan.patch_px)
        if spec.triplets:
            check_bin(scan.patch_px, spec.triplets_bin)
        return cls(
            spec=spec,
            scan=scan,
            points=points,
            rectangle=rectangle,
            network=network,
            scaling=None if tested is None else training_ranges(tested.description, scan, spec.protocol),
            device=device,
            name=name_of_files(spec.files.files[0]),
            what=what,
        )

    def run(self, points: np.ndarray, label: str) -> Reconstruction:
        """Reconstruct some of the scan's points."""
        found, spec = None, self.spec
        if self.network is not None:
            with progress(f"{label}, network", len(points)) as done:
                found = self.by_network(points, on_patterns=done)
        if spec.solver is None:
            return found
        with progress(f"{label}, {spec.solver.rule}", spec.solver.iterations) as done:
            return object_by_solver(
                spec.solver, self.scan, points, start=found, cache_mb=spec.cache_mb, device=self.device,
                on_iteration=lambda iteration, misfit, obj: done(iteration),
            )  # fmt: skip

    def by_network(self, points: np.ndarray, **options: Callable) -> Reconstruction:
        """Reconstruct some of the scan's points by the network alone; see `object_by_network`."""
        spec = self.spec
        return object_by_network(
            self.network, self.scan, points, batch_size=spec.batch_size, stitching=spec.stitching, **options
        )

    def identity(self) -> str:
        """Return the hash of what determines the result."""
        probe = None if self.scan.probe is None else hashlib.sha256(self.scan.probe.tobytes()).hexdigest()
        return sha256([self.spec.identity, self.scan.content_hash, probe, self.points.tolist()])


def check_size(scan: PtychoScan, size_px: int) -> None:
    """Check that a network was trained on patterns of the scan's size.

    Raises:
        ValueError: If it was not.
    """
    if size_px != scan.patch_px:
        raise ValueError(
            f"patterns are {scan.patch_px} px, the network was trained on {size_px} px; import them with "
            f"patterns.crop_px={size_px} or choose another checkpoint"
        )


def read_or_import(spec: ReconstructionSpec) -> PtychoScan:
    """Return the named scan, after a check of its content hash; files of other formats are imported first.

    Raises:
        DataError: If a file is missing, has no known format, or has changed since this project wrote it.
    """
    files = expand(list(spec.files.files))
    path = Path(files[0])
    if not path.is_file():
        raise DataError(f"no file {path}; check the path")
    if len(files) == 1 and is_own(path):
        refuse_import_options(str(path), spec.import_words)
        return stream_scan(path)
    hashes = [file_hash(file) for file in files_read(files)]
    identity = sha256([hashes, *(with_file_hashes(part) for part in spec.files.described)])[:10]
    imported = spec.outputs_dir / "imported" / f"{name_of_files(path)}-{identity}.h5"
    if not imported.is_file():
        for note in import_scan(spec.files, imported):
            print(f"  {note}")
        print(f"imported as {imported}", flush=True)
    return stream_scan(imported)


def with_probe(scan: PtychoScan, spec: ReconstructionSpec) -> PtychoScan:
    """Return the scan, with the probe of the command line if there is one.

    Raises:
        DataError: If the probe has another size.
    """
    if spec.probe_path is None:
        return scan
    probe = probe_from_file(probe_path=spec.probe_path, probe_key=spec.probe_key, block=1, source=None)
    probe = probe.reshape(-1, *probe.shape[-2:]).numpy()
    if probe.shape[1:] != (scan.patch_px, scan.patch_px):
        raise DataError(f"{spec.probe_path}: the probe is {probe.shape[1:]}, patterns {scan.patch_px} px; resample it")
    return dataclasses.replace(scan, probe=probe)

"""One reconstruction: read or import the scan, build network and solver, run them, measure, write."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.cli.evaluate import device_named
from ptycho_bench.cli.importing import import_files, refuse_import_options, stem
from ptycho_bench.config.build import build, plain, scaling_of
from ptycho_bench.config.identity import file_hash, sha256, with_file_hashes
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.files import probe_from_file
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import is_own, open_scan, write_scan
from ptycho_bench.data.versions import PROTOCOL_VERSION
from ptycho_bench.evaluation.evaluate import MetricProtocol
from ptycho_bench.evaluation.frc import RingCorrelation
from ptycho_bench.formats.containers.paths import expand
from ptycho_bench.formats.dependencies import files_read
from ptycho_bench.formats.write import Product, write_cxi, write_ptychodus
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.reconstruction.by_network import PatchPredictor, object_by_network
from ptycho_bench.reconstruction.by_solver import object_by_solver, pattern_source, probe_from_patterns
from ptycho_bench.reconstruction.quality import (
    against_truth,
    half_against_half,
    halves,
    own_misfit,
    truth_scaling,
)
from ptycho_bench.reconstruction.result import Reconstruction, corners_of, truth_field
from ptycho_bench.reconstruction.training_set import check_bin, training_set
from ptycho_bench.records.environment import environment
from ptycho_bench.records.lock import claimed
from ptycho_bench.records.progress import progress
from ptycho_bench.records.run_folder import RunFolder, write_table
from ptycho_bench.runs.next_step import next_command
from ptycho_bench.runs.region import points_of
from ptycho_bench.runs.trained import read_trained
from ptycho_bench.solvers.pie import PIESolver


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be reconstructed, and by what; everything built and checked."""

    cfg: DictConfig
    scan: PtychoScan
    points: np.ndarray
    network: PatchPredictor | None
    scaling: Scaling | None
    solver: PIESolver | None
    protocol: MetricProtocol
    device: str
    name: str
    what: str

    @classmethod
    def of(cls, cfg: DictConfig) -> Self:
        """From the composed configuration, checked; a scan of another format is imported on the way."""
        solver = build(cfg.solver) if "_target_" in cfg.solver else None
        protocol: MetricProtocol = build(cfg.metrics)
        device = None if solver is None else device_named(cfg.device)  # an exported network's runtime has its own say
        path = cfg.checkpoint if cfg.warm_start is None else cfg.warm_start
        trained = None if path is None else read_trained(path, cfg.device)
        scan = with_probe(opened(cfg), cfg)
        region = cfg.region if isinstance(cfg.region, str) else list(cfg.region)
        fielded = trained if cfg.region_of is None else read_trained(cfg.region_of, cfg.device)
        tested = None if fielded is None else fielded.description["test"]
        points = points_of(scan, region, tested)
        scaling = None if fielded is None else scaling_of(fielded.description, scan.content_hash)
        network, what = None, None if solver is None else solver.rule
        if trained is not None:
            description = trained.description
            if description["size_px"] != scan.patch_px:
                raise ValueError(
                    f"patterns are {scan.patch_px} px, the network was trained on {description['size_px']} px; "
                    f"import them with patterns.crop_px={description['size_px']} or choose another checkpoint"
                )
            network = trained.network(scan.content_hash)
            device = device or trained.device
            what = description["run"] if solver is None else f"{solver.rule}-from-{description['run']}"
        protocol.check(scan.patch_px)
        if cfg.triplets:
            check_bin(scan.patch_px, cfg.triplets_bin)
        return cls(
            cfg=cfg, scan=scan, points=points, network=network, scaling=scaling, solver=solver,
            protocol=protocol, device=device, name=stem(cfg.files[0]), what=what,
        )  # fmt: skip

    def run(self, points: np.ndarray, label: str) -> Reconstruction:
        """Reconstruct some of the scan's points."""
        found = None
        if self.network is not None:
            with progress(f"{label}, network", len(points)) as done:
                found = object_by_network(
                    self.network, self.scan, points, batch_size=self.cfg.batch_size,
                    weight=self.protocol.weight(self.scan.patch_px), on_patterns=done,
                )  # fmt: skip
        if self.solver is None:
            return found
        with progress(f"{label}, {self.solver.rule}", self.solver.iterations) as done:
            return object_by_solver(
                self.solver, self.scan, points, start=found, cache_mb=self.cfg.cache_mb, device=self.device,
                on_iteration=lambda iteration, error, obj: done(iteration),
            )  # fmt: skip

    def identity(self) -> str:
        """Hash of what determines the result."""
        path = self.cfg.checkpoint or self.cfg.warm_start
        parts = [plain(self.cfg[name]) for name in ("solver", "metrics")]
        parts += [self.cfg[name] for name in ("frc", "triplets", "triplets_bin", "triplets_trim_px")]
        probe = None if self.scan.probe is None else hashlib.sha256(self.scan.probe.tobytes()).hexdigest()
        return sha256([path and file_hash(path), self.scan.content_hash, probe, self.points.tolist(), *parts])


def opened(cfg: DictConfig) -> PtychoScan:
    """The named scan: this project's file, or one of another format, imported first.

    Raises:
        DataError: no file, or none of a known format.
    """
    files = expand([str(file) for file in cfg.files])
    path = Path(files[0])
    if not path.is_file():
        raise DataError(f"no file {path}; mend the path")
    if len(files) == 1 and is_own(path):
        refuse_import_options(str(path), HydraConfig.get().overrides.task)
        return open_scan(path)
    options = [with_file_hashes(plain(cfg[name])) for name in ("format", "geometry", "patterns", "positions")]
    identity = sha256([[file_hash(file) for file in files_read(files)], *options])[:10]
    imported = Path(cfg.outputs_dir) / "imported" / f"{stem(path)}-{identity}.h5"
    if not imported.is_file():
        for note in import_files(cfg, imported):
            print(f"  {note}")
        print(f"imported as {imported}", flush=True)
    return open_scan(imported)


def with_probe(scan: PtychoScan, cfg: DictConfig) -> PtychoScan:
    """The scan, with the probe the command names in place of its own.

    Raises:
        DataError: a probe of another size.
    """
    if cfg.probe_path is None:
        return scan
    probe = probe_from_file(probe_path=cfg.probe_path, probe_key=cfg.probe_key, block=1, source=None)
    probe = probe.reshape(-1, *probe.shape[-2:]).numpy()
    if probe.shape[1:] != (scan.patch_px, scan.patch_px):
        raise DataError(f"{cfg.probe_path}: the probe is {probe.shape[1:]}, patterns {scan.patch_px} px; resample it")
    return dataclasses.replace(scan, probe=probe)


def reconstruct(request: Request) -> None:
    """Run a request, measure it, write and print what came of it; leave it where another process is at it."""
    cfg = request.cfg
    named = Path(cfg.outputs_dir) / "reconstructions" / request.name / f"{request.what}-{request.identity()[:10]}"
    folder = RunFolder(named if cfg.folder is None else Path(cfg.folder))
    with claimed(folder.path) as owner:
        if owner is None:
            reconstruct_into(folder, request)
        else:
            print(f"skip: {folder.path} is being written by {owner}")


def reconstruct_into(folder: RunFolder, request: Request) -> None:
    """Fill a folder; see `reconstruct`."""
    cfg, scan = request.cfg, request.scan
    folder.clear()
    folder.open(OmegaConf.to_yaml(cfg, resolve=True), environment())
    try:
        result = request.run(request.points, request.name)
        write_files(request, result, folder.path)
        measured, rings = measure(request, result), None
        if cfg.frc:
            measured["frc"], rings = resolution(request)
        if cfg.pictures:
            draw(request, result, rings, folder.path / "pictures")
    except Exception as error:
        folder.fail(error)
        raise
    folder.finish(
        {
            "what": request.what,
            "files": [str(file) for file in cfg.files],
            "data": {"content_hash": scan.content_hash, "patterns": len(request.points), "pattern_px": scan.patch_px,
                     **dataclasses.asdict(scan.info)},
            "device": request.device,
            "seconds": result.seconds,
            "iterations": len(result.errors),
            "stopped": result.stopped,
            **measured,
        }
    )  # fmt: skip
    print(summary(request, result, measured))
    print(f"-> {folder.path}")
    if cfg.triplets:
        path = folder.path / "triplets.h5"
        print(f"next: {next_command([str(path)], [], open_scan(path), own=True)}")


def measure(request: Request, result: Reconstruction) -> dict:
    """Misfit and, where the truth is known, metrics."""
    scan, points = request.scan, request.points
    misfit = own_misfit(scan, points, result, corners_of(scan, points))
    measured = {"misfit": None if misfit is None else misfit._asdict()}
    truth = truth_field(scan, points, request.protocol.weight(scan.patch_px))
    if truth is not None:
        scaling = truth_scaling(truth) if request.scaling is None else request.scaling
        measured["truth"] = scan.info.origin
        measured["protocol_version"] = PROTOCOL_VERSION
        measured["metrics"] = against_truth(
            result, truth, patch_px=scan.patch_px, scaling=scaling, protocol=request.protocol
        )
    return measured


def resolution(request: Request) -> tuple[dict, RingCorrelation | None]:
    """Where two halves of the data stop to agree, for results.json, and their correlation; or why there is none."""
    scan = request.scan
    try:
        parts = halves(scan.scan_index, request.points)
        both = [request.run(part, f"half {number} of 2") for number, part in enumerate(parts, 1)]
        corners = tuple(torch.from_numpy(scan.positions_px[part]) for part in parts)
        rings = half_against_half(*both, corners, patch_px=scan.patch_px, pixel_size_m=scan.info.pixel_size_m)
    except ValueError as error:
        return {"failed": str(error)}, None
    crossings = {"half_bit": rings.half_bit_crossing, "one_seventh": rings.one_seventh_crossing}
    return {name: crossing._asdict() for name, crossing in crossings.items()}, rings


def write_files(request: Request, result: Reconstruction, folder: Path) -> None:
    """The object for other programs, the solver's misfits, and, where asked for, the scan to train on."""
    cfg, scan, points = request.cfg, request.scan, request.points
    corners = corners_of(scan, points).numpy()
    probe = scan.probe if result.probe is None else result.probe.numpy()
    comments = [f"{request.what}, by ptycho_bench"]
    if probe is None:  # the format asks for one
        patterns = pattern_source(scan, points, cache_mb=cfg.cache_mb)
        probe = probe_from_patterns(patterns, len(points), scan.valid_pixels()).numpy()
        comments.append("the probe is a guess from the mean pattern")
    known = scan.info.pixel_size_m is not None
    if not known:
        comments.append("pixel size not known: lengths are pixels")
    product = Product(
        name=request.name,
        comments="; ".join(comments),
        obj=result.obj.numpy(),
        probe=probe,
        corners_px=corners,
        point_index=points,
        pixel_size_m=scan.info.pixel_size_m if known else 1.0,
        energy_ev=scan.info.energy_ev,
        distance_m=scan.info.distance_m,
        detector_pixel_m=scan.info.detector_pixel_m,
        errors=result.errors,
    )
    write_ptychodus(folder / "object.h5", product)
    write_cxi(folder / "object.cxi", product)
    if result.errors:
        write_table(folder / "errors.csv", {"iteration": range(1, len(result.errors) + 1), "misfit": result.errors})
    if cfg.triplets:
        scan = training_set(
            scan, points, result, bin_px=cfg.triplets_bin, trim_px=cfg.triplets_trim_px, solved_by=request.what
        )
        write_scan(folder / "triplets.h5", scan)


def draw(request: Request, result: Reconstruction, rings: RingCorrelation | None, folder: Path) -> None:
    """Object, correlation and misfit as PNG."""
    from ptycho_bench.records.pictures import draw_correlation, draw_errors, draw_object

    probe = None if result.probe is None else result.probe.numpy()
    title = f"{request.name}: {request.what}"
    draw_object(folder / "object.png", result.obj.numpy(), result.covered.numpy(), probe, title)
    if rings is not None:
        draw_correlation(folder / "frc.png", rings.frequency.numpy(), rings.correlation.numpy(), rings.half_bit.numpy())
    if result.errors:
        draw_errors(folder / "errors.png", {request.what: result.errors})


def summary(request: Request, result: Reconstruction, measured: dict) -> str:
    """What came of it, in a few lines."""
    rows, columns = result.obj.shape
    lines = [f"{request.what}: {len(request.points)} patterns to {rows} x {columns} px in {result.seconds:.1f} s"]
    if result.errors:
        lines.append(f"  {len(result.errors)} iterations{', then no gain' if result.stopped else ''}")
    if measured["misfit"] is not None:
        lines.append("  diffraction misfit {mean:.4f} (mean), {rms:.4f} (rms)".format(**measured["misfit"]))
    if "failed" in measured.get("frc", {}):
        lines.append(f"  no resolution: {measured['frc']['failed']}")
    elif "frc" in measured:
        half_bit = measured["frc"]["half_bit"]
        metres = half_bit["resolution_m"]
        size = f"{half_bit['resolution_px']:.1f} px" + ("" if metres is None else f" = {metres * 1e9:.1f} nm")
        lines.append(f"  resolution {size} (half bit{'' if half_bit['crossed'] else ', never crossed'})")
    if "metrics" in measured:
        found = measured["metrics"]
        lines.append(
            f"  against the truth ({measured['truth']}): amplitude {found['amplitude_psnr_db']:.2f} dB, SSIM "
            f"{100 * found['amplitude_ssim']:.2f} %; phase, aligned, {found['phase_aligned_psnr_db']:.2f} dB, SSIM "
            f"{100 * found['phase_aligned_ssim']:.2f} %"
        )
    return "\n".join(lines)

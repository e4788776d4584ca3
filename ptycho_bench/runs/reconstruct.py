"""Reconstruct a scan: run network and solver, measure, write and draw the object."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch

from ptycho_bench.config.reconstruction import ReconstructionSpec
from ptycho_bench.data.store import open_scan, write_scan
from ptycho_bench.evaluation.frc import RingCorrelation
from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.evaluation.stitch import scored_window
from ptycho_bench.formats.write import Product, write_cxi, write_ptychodus
from ptycho_bench.reconstruction.by_solver import pattern_source, probe_from_patterns
from ptycho_bench.reconstruction.quality import (
    checkerboard_halves,
    constant_guess,
    correlate_halves,
    reconstruction_misfit,
    score_against_truth,
)
from ptycho_bench.reconstruction.result import Reconstruction, patch_corners, truth_field
from ptycho_bench.reconstruction.training_set import training_set
from ptycho_bench.records.console import not_learned_lines
from ptycho_bench.records.owned import check_owner
from ptycho_bench.records.pictures import draw_correlation, draw_misfit, draw_object
from ptycho_bench.records.recording import recording
from ptycho_bench.records.run_folder import RunFolder, write_table
from ptycho_bench.runs.next_step import next_command
from ptycho_bench.runs.reconstruction_request import Request
from ptycho_bench.runs.score import metrics_record
from ptycho_bench.runs.timing import timing_record

COMMAND = "ptycho-reconstruct"


def reconstruct(spec: ReconstructionSpec) -> None:
    """Reconstruct a scan, measure the object, write and print the result.

    Nothing is done if another process is already writing this reconstruction.

    Args:
        spec: settings of the reconstruction.

    Raises:
        ValueError: If network, solver, region or metrics do not fit the scan, or the folder contains anything else than
            this reconstruction.
        DataError: If the scan cannot be read.
    """
    if spec.folder is not None:
        check_owner(spec.folder, COMMAND)
    request = Request.of(spec)
    identity = request.identity()[:10]
    named = spec.outputs_dir / "reconstructions" / request.name / f"{request.what}-{identity}"
    folder = RunFolder(spec.folder or named, COMMAND)
    with recording(folder, spec.text, request=identity, overwrite=spec.overwrite or spec.folder is None) as machine:
        if machine is None:
            return
        result, measured = reconstruct_into(folder, request)
    print(summary(request, result, measured))
    print(f"-> {folder.path}")
    if spec.triplets:
        path = folder.path / "triplets.h5"
        print(f"next: {next_command([str(path)], [], open_scan(path), own=True)}")


def reconstruct_into(folder: RunFolder, request: Request) -> tuple[Reconstruction, dict]:
    """Reconstruct and record everything in a folder; return the reconstruction and what was measured."""
    spec, scan = request.spec, request.scan
    result = request.run(request.points, request.name)
    write_files(request, result, folder.path)
    measured, rings = measure(request, result), None
    if spec.frc:
        measured["frc"], rings = resolution(request)
    if spec.pictures:
        draw(request, result, rings, folder.path / "pictures")
    folder.finish(
        {
            "what": request.what,
            "files": list(spec.files.files),
            "data": {"content_hash": scan.content_hash, "patterns": len(request.points), "pattern_px": scan.patch_px,
                     **dataclasses.asdict(scan.info)},
            "device": request.device,
            **seconds_of(request, result),
            "iterations": len(result.misfits),
            "stopped": result.stopped,
            **measured,
        }
    )  # fmt: skip
    return result, measured


def seconds_of(request: Request, result: Reconstruction) -> dict:
    """Return the run time for results.json; a network alone is timed again while it is warm."""
    if request.spec.solver is not None:
        return {"seconds": result.seconds}
    return timing_record(result.seconds, lambda: request.by_network(request.points).seconds)


def measure(request: Request, result: Reconstruction) -> dict:
    """Return the misfit and, if the truth is known, the metrics."""
    spec, scan, points = request.spec, request.scan, request.points
    corners = patch_corners(scan, points)
    misfit = reconstruction_misfit(scan, points, result, corners)
    measured = {"misfit": None if misfit is None else misfit._asdict()}
    truth = truth_field(scan, points, spec.stitching.patch_weight(scan.patch_px))
    if truth is None:
        return measured
    window = scored_window(torch.from_numpy(scan.positions_px[points]), scan.patch_px, GAUSSIAN_SIDE, request.rectangle)
    score = score_against_truth(
        result, truth, window, patch_px=scan.patch_px, scaling=request.scaling, protocol=spec.protocol
    )
    guess = reconstruction_misfit(scan, points, constant_guess(result, truth, window), corners)
    if guess is not None:
        score = score.with_values("diffraction_misfit", misfit.mean, guess.mean)
    metrics = metrics_record(spec.protocol, spec.stitching, score.record())
    return {**measured, "truth": scan.info.origin, "metrics": metrics}


def resolution(request: Request) -> tuple[dict, RingCorrelation | None]:
    """Return the resolution at which two halves of the data no longer agree, for results.json, and their correlation.

    If the halves cannot be compared, the reason is returned and no correlation.
    """
    scan = request.scan
    try:
        parts = checkerboard_halves(scan.scan_index, request.points)
        both = [request.run(part, f"half {number} of 2") for number, part in enumerate(parts, 1)]
        corners = tuple(torch.from_numpy(scan.positions_px[part]) for part in parts)
        rings = correlate_halves(*both, corners, patch_px=scan.patch_px, pixel_size_m=scan.info.pixel_size_m)
    except ValueError as error:
        return {"failed": str(error)}, None
    crossings = {"half_bit": rings.half_bit_crossing, "one_seventh": rings.one_seventh_crossing}
    return {name: crossing._asdict() for name, crossing in crossings.items()}, rings


def write_files(request: Request, result: Reconstruction, folder: Path) -> None:
    """Write the object for other programs, the solver's misfits and, if asked for, the scan to train on."""
    spec, scan, points = request.spec, request.scan, request.points
    corners = patch_corners(scan, points).numpy()
    probe = scan.probe if result.probe is None else result.probe.numpy()
    comments = [f"{request.what}, by ptycho_bench"]
    if probe is None:  # the format requires one
        patterns = pattern_source(scan, points, cache_mb=spec.cache_mb)
        probe = probe_from_patterns(patterns, len(points), scan.valid_pixels()).numpy()
        comments.append("the probe is a guess from the mean pattern")
    known = scan.info.pixel_size_m is not None
    if not known:
        comments.append("pixel size unknown: lengths are pixels")
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
        misfits=result.misfits,
    )
    write_ptychodus(folder / "object.h5", product)
    write_cxi(folder / "object.cxi", product)
    if result.misfits:
        write_table(folder / "errors.csv", {"iteration": range(1, len(result.misfits) + 1), "misfit": result.misfits})
    if spec.triplets:
        scan = training_set(
            scan, points, result, bin_px=spec.triplets_bin, trim_px=spec.triplets_trim_px, solved_by=request.what
        )
        write_scan(folder / "triplets.h5", scan)


def draw(request: Request, result: Reconstruction, rings: RingCorrelation | None, folder: Path) -> None:
    """Draw the object, the ring correlation and the misfit as PNG."""
    probe = None if result.probe is None else result.probe.numpy()
    title = f"{request.name}: {request.what}"
    draw_object(folder / "object.png", result.obj.numpy(), result.covered.numpy(), probe, title)
    if rings is not None:
        draw_correlation(folder / "frc.png", rings.frequency.numpy(), rings.correlation.numpy(), rings.half_bit.numpy())
    if result.misfits:
        draw_misfit(folder / "errors.png", {request.what: result.misfits})


def summary(request: Request, result: Reconstruction, measured: dict) -> str:
    """Return a summary of the result, in a few lines."""
    rows, columns = result.obj.shape
    lines = [f"{request.what}: {len(request.points)} patterns to {rows} x {columns} px in {result.seconds:.1f} s"]
    if result.misfits:
        lines.append(f"  {len(result.misfits)} iterations{'; the misfit stopped falling' if result.stopped else ''}")
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
        lines += against_truth(measured["truth"], measured["metrics"])
    return "\n".join(lines)


def against_truth(truth: str, metrics: Mapping) -> list[str]:
    """Return the metrics of a reconstruction in a few lines, each beside that of a constant guess.

    Args:
        truth: where the truth comes from.
        metrics: `metrics` of results.json.
    """
    found, constant = metrics["stitched"], metrics["constant"]["stitched"]
    lines = [f"  against the truth ({truth}); a constant guess in parentheses:"]
    for prefix, label in (("amplitude", "amplitude"), ("phase_aligned", "phase, aligned")):
        psnr, ssim = (f"{prefix}_{name}" for name in ("psnr_db", "ssim"))
        lines.append(
            f"    {label} {found[psnr]:.2f} dB ({constant[psnr]:.2f}), SSIM {100 * found[ssim]:.2f} % "
            f"({100 * constant[ssim]:.2f})"
        )
    return [*lines, *(f"  {line}" for line in not_learned_lines(metrics["not_learned"]))]

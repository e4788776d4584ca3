"""Simulate a scan: raster an object with a probe and record diffraction patterns. No files are read or written."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.physics.bounds import Jitter, Metres, Name, Overlap, Photons, Pixels, Positive, Seed, bounded
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.memory import check_scan_memory
from ptycho_bench.physics.noise import blend_with_mean
from ptycho_bench.physics.probe import scale_to_photons
from ptycho_bench.physics.raster import overlap_from_step
from ptycho_bench.physics.scan import cut_patches, raster_scan

CHUNK = 1024


@bounded
def simulate_scan(
    *,
    name: Name,
    obj: Tensor,
    probe: Tensor,
    photons: Photons,
    overlap_ratio: Overlap | None,
    step_px: Pixels | None,
    jitter_px: Jitter,
    noise: Callable[[Tensor, Generator], Tensor],
    seed: Seed,
    pixel_size_m: Metres | None,
    held_out: bool,
    simulation_hash: str | None = None,
) -> PtychoScan:
    """Scan the object on a raster and record a diffraction pattern at each point.

    Args:
        name: name of the data set, for the record.
        obj: complex (rows, columns) transmission function.
        probe: complex (H, H) or (modes, H, H); it is scaled to `photons`.
        photons: sum |P|^2.
        overlap_ratio: 1 - step / probe width, see `physics.scan.raster_scan`; or None.
        step_px: raster step, see `physics.scan.raster_scan`; or None.
        jitter_px: largest shift of a scan point from its raster position, px.
        noise: see `physics.noise`; it also determines the pixels to mask and the data type of the patterns.
        seed: seed of jitter and noise.
        pixel_size_m: side of an object pixel; or None.
        held_out: the scan is for testing only; ptycho-train refuses it.
        simulation_hash: hash of the settings of the simulation; or None.

    Raises:
        ValueError: If a setting is out of bounds, or the probe is not square.
    """
    side = probe.shape[-1]
    if probe.shape[-2] != side:
        raise ValueError(f"probe must be square, got {tuple(probe.shape[-2:])} px; crop it")
    generator = Generator().manual_seed(seed)
    scan = raster_scan(
        tuple(obj.shape), side, overlap_ratio=overlap_ratio, step_px=step_px, jitter_px=jitter_px, generator=generator
    )
    check_scan_memory(len(scan.positions_px), side)
    probe = scale_to_photons(probe, photons)
    dead, hot = noise.bad_pixels((side, side))
    diffraction, amplitude, phase = (
        np.empty((len(scan.positions_px), side, side), dtype) for dtype in (noise.stored_as, "float32", "float32")
    )
    for first in range(0, len(diffraction), CHUNK):
        part = slice(first, first + CHUNK)
        patches = cut_patches(obj, scan.positions_px[part], (side, side))
        diffraction[part] = noise(diffraction_intensity(probe, blend_with_mean(patches, noise.coherence)), generator)
        amplitude[part], phase[part] = patches.abs(), patches.angle()
    return PtychoScan(
        diffraction=diffraction,
        amplitude=amplitude,
        phase=phase,
        positions_px=scan.positions_px.numpy(),
        scan_index=scan.scan_index.numpy(),
        probe=probe.reshape(-1, side, side).to(torch.complex64).numpy(),
        obj=obj.to(torch.complex64).numpy(),
        mask=(dead | hot).numpy().astype(np.uint8),
        info=ScanInfo(
            origin=f"simulated from {name}",
            photons=float(photons),
            overlap_ratio=overlap_from_step(scan.step_px, side),
            step_px=float(scan.step_px),
            jitter_px=jitter_px,
            pixel_size_m=pixel_size_m,
            seed=seed,
            noise=json.dumps({"name": type(noise).__name__, **dataclasses.asdict(noise)}),
            simulation_hash=simulation_hash,
            held_out=held_out,
        ),
    )


@bounded
def simulate_xray_scan(
    *,
    energy_ev: Positive,
    name: Name,
    obj: Tensor,
    probe: Tensor,
    photons: Photons,
    overlap_ratio: Overlap | None,
    step_px: Pixels | None,
    jitter_px: Jitter,
    noise: Callable[[Tensor, Generator], Tensor],
    seed: Seed,
    pixel_size_m: Metres | None,
    held_out: bool,
    simulation_hash: str | None = None,
) -> PtychoScan:
    """Call `simulate_scan` with all other arguments, and record the photon energy `energy_ev`."""
    scan = simulate_scan(
        name=name,
        obj=obj,
        probe=probe,
        photons=photons,
        overlap_ratio=overlap_ratio,
        step_px=step_px,
        jitter_px=jitter_px,
        noise=noise,
        seed=seed,
        pixel_size_m=pixel_size_m,
        held_out=held_out,
        simulation_hash=simulation_hash,
    )
    return dataclasses.replace(scan, info=dataclasses.replace(scan.info, energy_ev=energy_ev))

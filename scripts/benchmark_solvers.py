"""Compare the time per iteration of this package's solvers with cdtools and PtyLab on one simulated scan.

cdtools and PtyLab are installed in a separate environment. PYTHONPATH makes this package's modules available there;
those that the script imports need only torch:

python3 -m venv ../solvers_env
../solvers_env/bin/pip install -c constraints.txt torch cdtools-py==0.3.2 ptylab==0.3.7
PYTHONPATH=. OMP_NUM_THREADS=1 ../solvers_env/bin/python scripts/benchmark_solvers.py --csv solvers.csv
"""

import argparse
import contextlib
import csv
import itertools
import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import torch
from cdtools.datasets import Ptycho2DDataset
from cdtools.models import FancyPtycho, SimplePtycho
from cdtools.reconstructors import AdamReconstructor
from PtyLab import Engines, ExperimentalData, Params, Reconstruction
from PtyLab.Monitor.Monitor import DummyMonitor
from torch import Generator, Tensor

from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.probe import defocused_aperture, scale_to_photons
from ptycho_bench.physics.scan import cut_patches, raster_scan
from ptycho_bench.physics.specimens.film import Film
from ptycho_bench.physics.specimens.ltem_chart import ltem_chart
from ptycho_bench.records.environment import processor
from ptycho_bench.solvers.pie import PIESolver

WAVELENGTH_M, DISTANCE_M, PIXEL_M = 1e-9, 1.0, 1e-8  # arbitrary: every solver works in pixels
# Continues the reconstruction of the previous call; returns object, probe, and top-left corners of the patches (N, 2).
Run = Callable[[], tuple[Tensor, Tensor, Tensor]]


class Scan(NamedTuple):
    """Input of every solver: patterns (N, H, W), whole-pixel positions (N, 2) and the probe (H, W)."""

    patterns: Tensor
    positions_px: Tensor
    probe: Tensor


def simulate(probe_px: int, side: int) -> Scan:
    """Simulate a noise-free scan of a chart with side x side points and 75 % overlap."""
    step_px = probe_px // 4
    film = Film(
        pixel_size_m=4e-9,
        thickness_m=14.7e-9,
        inner_potential_v=26.0,
        induction_t=1.0,
        voltage_v=300e3,
        amplitude=0.5,
        phase_offset_rad=0.0,
        scaling="published",
    )
    obj = ltem_chart(size_px=probe_px + (side - 1) * step_px, film=film)
    probe = defocused_aperture(size_px=probe_px, aperture_radius=0.5, stop_radius=0.3, defocus_waves=1.5)
    probe = scale_to_photons(probe, 1e5)
    generator = Generator().manual_seed(0)
    points = raster_scan(
        tuple(obj.shape), probe_px, overlap_ratio=None, step_px=step_px, jitter_px=2, generator=generator
    )
    patches = cut_patches(obj, points.positions_px, tuple(probe.shape))
    return Scan(diffraction_intensity(probe, patches), points.positions_px, probe)


def misfit(scan: Scan, obj: Tensor, probe: Tensor, corners: Tensor) -> float:
    """Return sum |sqrt(I) - |F(P O)|| / sum sqrt(I), which shows whether a solver has converged."""
    model = diffraction_intensity(probe, cut_patches(obj, corners.double(), tuple(probe.shape[-2:]))).sqrt()
    return ((scan.patterns.sqrt() - model).abs().sum() / scan.patterns.sqrt().sum()).item()


def ours(scan: Scan, *, iterations: int, rule: str, batch_size: int, shift_px: float) -> Run:
    """Set up this package's solver with probe refinement.

    A `shift_px` that is not a whole number moves the positions between pixels, so that the solver shifts the probe.
    """
    solver = PIESolver(
        rule=rule,
        object_step=0.5,
        probe_step=0.5,
        alpha=None if rule == "epie" else 0.1,
        iterations=iterations,
        batch_size=batch_size,
        modes=1,
        refine_probe=True,
        probe_start=0,
        stop_tolerance=None,
        stop_patience=None,
        subpixel=True,
        seed=0,
    )
    corners = scan.positions_px - scan.positions_px.amin(dim=0)
    found = {"probe": scan.probe, "obj": None}

    def patterns(index: Tensor) -> Tensor:
        return scan.patterns.index_select(0, index)

    def run() -> tuple[Tensor, Tensor, Tensor]:
        solution = solver.solve(patterns, corners + shift_px, **found)
        found.update(probe=solution.probe, obj=solution.obj)
        return solution.obj, solution.probe, corners

    return run


def ptylab(scan: Scan, *, iterations: int) -> Run:
    """Set up PtyLab's ePIE without FFT shifts and monitor, its fastest setting on a CPU."""
    data = ExperimentalData("test:nodata")
    data.ptychogram = scan.patterns.numpy().copy()
    data.wavelength, data.zo = WAVELENGTH_M, DISTANCE_M
    data.dxd = WAVELENGTH_M * DISTANCE_M / (PIXEL_M * scan.patterns.shape[-1])
    centred = scan.positions_px - scan.positions_px.mean(dim=0).round()
    data.encoder = centred.numpy() * PIXEL_M
    data._setData()
    params = Params()
    params.gpuSwitch, params.fftshiftSwitch, params.saveMemory = False, True, False
    reconstruction = Reconstruction(data, params)
    reconstruction.initializeObjectProbe()
    reconstruction.probe[...] = scan.probe.numpy()
    engine = Engines.ePIE(reconstruction, data, params, DummyMonitor())
    engine.betaObject = engine.betaProbe = 0.5
    engine.numIterations = iterations

    def run() -> tuple[Tensor, Tensor, Tensor]:
        engine.reconstruct()
        found = (np.ascontiguousarray(array.squeeze()) for array in (reconstruction.object, reconstruction.probe))
        return *(torch.from_numpy(array) for array in found), torch.from_numpy(reconstruction.positions)

    return run


def cdtools(scan: Scan, *, iterations: int, batch_size: int, subpixel: bool) -> Run:
    """Set up cdtools' Adam with its simple model (whole pixels) or with its full model, which shifts the probe."""
    basis = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]) * PIXEL_M
    corners = scan.positions_px - scan.positions_px.amin(dim=0)
    positions_m = torch.cat((corners.flip(1), torch.zeros(len(corners), 1)), dim=1).float() * PIXEL_M
    side_px = scan.patterns.shape[-1]
    pitch_m = WAVELENGTH_M * DISTANCE_M / (PIXEL_M * side_px)
    detector = {"distance": DISTANCE_M, "basis": basis / PIXEL_M * pitch_m, "corner": None}
    dataset = Ptycho2DDataset(positions_m, scan.patterns, wavelength=WAVELENGTH_M, detector_geometry=detector)
    shape = (corners.amax(dim=0).long() + side_px).tolist()
    start = {"probe_guess": scan.probe, "obj_guess": torch.ones(shape, dtype=torch.complex64)}
    if subpixel:
        start["probe_guess"] = scan.probe[None]
        start |= {
            "background": 1e-6 * torch.ones(side_px, side_px),
            "translation_offsets": torch.zeros(len(corners), 2),
        }
        model = FancyPtycho(WAVELENGTH_M, detector, basis, **start)
        model.translation_offsets.requires_grad = False
    else:
        model = SimplePtycho(WAVELENGTH_M, basis, min_translation=[0.0, 0.0], **start)
    solver = AdamReconstructor(model, dataset)

    def run() -> tuple[Tensor, Tensor, Tensor]:
        for _ in solver.optimize(
            iterations, batch_size=batch_size, lr=0.01, thread=False, calculation_width=batch_size
        ):
            pass
        return model.obj.detach(), (model.probe * model.probe_norm).detach(), corners

    return run


def seconds(run: Run) -> float:
    """Return the seconds of one run and discard its output."""
    with open(os.devnull, "w") as silent, contextlib.redirect_stdout(silent):
        started = time.perf_counter()
        run()
        return time.perf_counter() - started


def compare(title: str, scan: Scan, runs: dict[str, Run], *, iterations: int, repeats: int) -> list[dict]:
    """Time the solvers in turn, so that other load on the machine affects all of them.

    The first one is the reference of the ratios.
    """
    for run in runs.values():
        seconds(run)
    taken = {name: [] for name in runs}
    for _, name in itertools.product(range(repeats), runs):
        taken[name].append(seconds(runs[name]) / iterations)
    first = next(iter(runs))
    rows = []
    for name, values in taken.items():
        ratios = [value / reference for reference, value in zip(taken[first], values, strict=True)]
        with open(os.devnull, "w") as silent, contextlib.redirect_stdout(silent):
            found = misfit(scan, *runs[name]())
        row = {
            "what": title,
            "solver": name,
            "median_s": statistics.median(values),
            "min_s": min(values),
            "max_s": max(values),
            "times_ours": statistics.median(ratios),
            "times_ours_low": min(ratios),
            "times_ours_high": max(ratios),
            "misfit": found,
        }
        rows.append(row)
        print(
            f"{title:<34} {name:<14} {row['median_s']:.4f} s  x {row['times_ours']:.2f} "
            f"({row['times_ours_low']:.2f}..{row['times_ours_high']:.2f})  misfit {found:.4f}",
            flush=True,
        )
    return rows


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe-px", type=int, default=64)
    parser.add_argument("--side", type=int, default=20, help="scan points per axis")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=5, help="iterations of one timed run")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--csv")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "cdtools-py", "ptylab"))
    print(f"{processor()}, {os.cpu_count()} cores, {options.threads} threads; {packages}")
    scan = simulate(options.probe_px, options.side)
    print(f"{len(scan.patterns)} patterns of {options.probe_px} px; seconds per iteration with probe refinement")
    length = {"iterations": options.iterations}
    batch = {**length, "batch_size": options.batch}
    pairs = {
        "ePIE, pattern by pattern": {
            "ptycho_bench": ours(scan, rule="epie", batch_size=1, shift_px=0.0, **length),
            "ptylab": ptylab(scan, **length),
        },
        f"batches of {options.batch}, whole pixels": {
            "ptycho_bench": ours(scan, rule="rpie", shift_px=0.0, **batch),
            "cdtools": cdtools(scan, subpixel=False, **batch),
        },
        f"batches of {options.batch}, fractions of a pixel": {
            "ptycho_bench": ours(scan, rule="rpie", shift_px=0.25, **batch),
            "cdtools": cdtools(scan, subpixel=True, **batch),
        },
    }
    rows = []
    for title, runs in pairs.items():
        rows += compare(title, scan, runs, iterations=options.iterations, repeats=options.repeats)
    if options.csv:
        with open(options.csv, "w", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()

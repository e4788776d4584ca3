"""A tiny object, probe and scan, and composed configurations, for the tests of several rooms; do not change them."""

import dataclasses
import functools
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from torch import Tensor

from ptycho_bench.config.description import plain_values
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.simulate import simulate_scan
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.noise import NoNoise, PPNNoise, blend_with_mean
from ptycho_bench.physics.probe import defocused_aperture
from ptycho_bench.physics.specimens.film import Film
from ptycho_bench.physics.specimens.ltem_chart import ltem_chart

CONF = Path(__file__).parents[1] / "conf"


def options(group: str) -> list[str]:
    """Return the names of the files of a group of conf/."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@functools.cache
def composed(*words: str) -> dict:
    """Return the configuration of ptycho-train with the given overrides, as plain data; read it only."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return plain_values(hydra.compose("config", list(words)))


@functools.cache
def option(group: str, name: str) -> dict:
    """Return one file of a group as plain data, composed alone; read it only."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return plain_values(hydra.compose(f"{group}/{name}"))[group]


@pytest.fixture(scope="session")
def tiny_object() -> Tensor:
    """Complex64 (96, 96) resolution chart."""
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
    return ltem_chart(size_px=96, film=film)


@pytest.fixture(scope="session")
def tiny_probe() -> Tensor:
    """Complex64 (16, 16), sum |P|^2 = 1."""
    return defocused_aperture(size_px=16, aperture_radius=0.5, stop_radius=0.3, defocus_waves=1.0)


@pytest.fixture(scope="session")
def tiny_scan(tiny_object: Tensor, tiny_probe: Tensor) -> PtychoScan:
    """11 x 11 points, 16 px patches, step 8, jitter up to 2 px, no noise."""
    return simulate_scan(
        name="tiny",
        obj=tiny_object,
        probe=tiny_probe,
        photons=1e4,
        overlap_ratio=0.5,
        step_px=None,
        jitter_px=2,
        noise=NoNoise(),
        seed=0,
        pixel_size_m=4e-9,
        held_out=False,
    )


@pytest.fixture(scope="session")
def other_scan(tiny_object: Tensor) -> PtychoScan:
    """A scan with another object, dose, coherence and step than `tiny_scan`, a probe of two modes, and bad pixels."""
    modes = [
        defocused_aperture(size_px=16, aperture_radius=0.6, stop_radius=0.1, defocus_waves=waves)
        for waves in (0.2, 0.7)
    ]
    scan = simulate_scan(
        name="other",
        obj=0.8 * tiny_object.conj(),
        probe=torch.stack(modes),
        photons=3e3,
        overlap_ratio=None,
        step_px=10,
        jitter_px=1,
        noise=PPNNoise(efficiency=0.7, coherence=0.6, readout_counts=0.0),
        seed=5,
        pixel_size_m=None,
        held_out=False,
    )
    expected = expected_counts(scan)
    expected[:, 0, :3] = 4095  # hot; in a corner, so that SSIM has windows left
    mask = np.zeros((16, 16), np.uint8)
    mask[0, :3] = 1
    return dataclasses.replace(scan, diffraction=expected, mask=mask, content_hash="other")


def expected_counts(scan: PtychoScan) -> np.ndarray:
    """Return the patterns that probe, coherence and true object of a scan predict, without noise."""
    probe, coherence, _ = scan.measurement()
    patches = torch.polar(torch.from_numpy(scan.amplitude), torch.from_numpy(scan.phase))
    return diffraction_intensity(probe, blend_with_mean(patches, coherence)).numpy()

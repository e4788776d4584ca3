"""Checkpoints of networks that were never trained, and what runs an exported file without this package."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_bench.config.build import build_model, build_network
from ptycho_bench.config.identity import SCHEMA
from ptycho_bench.network.scaling import Scaling
from tests.conftest import composed

GEOMETRY = {"pixel_size_m": 4e-9, "energy_ev": 8800.0, "distance_m": None, "detector_pixel_m": 7.5e-5}
SMALL = ("model=ptychonn", "model.width=4")


def scaling(size_px: int, phase_high: float = 0.9) -> dict:
    """Ranges as a training part has them, all different from what does nothing."""
    generator = torch.Generator().manual_seed(1)
    found = Scaling(
        amplitude_low=0.4, amplitude_high=1.1, phase_low=-0.3, phase_high=phase_high, intensity_max=500.0,
        intensity_p995=60.0, log1p_mean=torch.rand(size_px, size_px, generator=generator), log1p_deviation=0.7,
    )  # fmt: skip
    return dataclasses.asdict(found)


def described(*words: str, size_px: int = 16) -> dict:
    """Description of a checkpoint, of the configuration the words compose."""
    cfg = composed(*words)
    test = {"content_hash": "abc", "points": [0, 1], "region_px": [0.0, 32.0, 0.0, 32.0]}
    return {
        **{part: cfg[part] for part in ("model", "input", "amplitude", "phase")},
        "schema": SCHEMA, "run": "small-s0-0123456789", "choices": {"model": cfg["model"]["_target_"]},
        "size_px": size_px, "scaling": scaling(size_px), "test": test, "config": {}, "geometry": GEOMETRY,
    }  # fmt: skip


def checkpoint_of(description: dict, path: Path) -> Path:
    """A checkpoint file; weights by seed, batch norm's statistics away from 0 and 1."""
    torch.manual_seed(0)
    network = build_network(description, build_model(description))
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"ptycho_bench": description, "state_dict": weights}, path)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """saved(*words, size_px=16) -> checkpoint file."""
    return lambda *words, size_px=16: checkpoint_of(described(*words, size_px=size_px), tmp_path / "best.ckpt")


def counts(batch: int, patterns: int, size_px: int) -> torch.Tensor:
    """Poisson counts that fall off from the middle, photons; the last pattern is empty where there are several."""
    generator = torch.Generator().manual_seed(batch)
    row = torch.arange(size_px) - size_px // 2
    rate = 200 * torch.exp(-(row[:, None] ** 2 + row**2) / size_px)
    found = torch.poisson(rate.expand(batch, patterns, -1, -1).contiguous(), generator=generator)
    if batch > 1:
        found[-1] = 0
    return found


def run_onnx(path: Path, diffraction: torch.Tensor) -> torch.Tensor:
    """What ONNX Runtime makes of a file, nothing of this package between."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    (found,) = session.run(["obj_patches"], {"diffraction": diffraction.numpy()})
    assert found.dtype == np.float32
    return torch.from_numpy(found)

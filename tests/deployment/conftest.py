"""Networks that were never trained, their checkpoints, and a way to run exported files without this package."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_bench.config.checkpoint import SCHEMA
from ptycho_bench.config.description import describe
from ptycho_bench.config.network import PARTS, build_model, build_network
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.training.digest import DIGEST, digest_of
from tests.conftest import composed

GEOMETRY = {"pixel_size_m": 4e-9, "energy_ev": 8800.0, "distance_m": None, "detector_pixel_m": 7.5e-5}
SMALL = ("model=ptychonn", "model.width=4")


def scaling(size_px: int, phase_high: float = 0.9) -> dict:
    """Return a scaling in which every range differs from that of the identity."""
    generator = torch.Generator().manual_seed(1)
    ranges = Scaling(
        amplitude_low=0.4, amplitude_high=1.1, phase_low=-0.3, phase_high=phase_high, intensity_max=500.0,
        intensity_p995=60.0, log1p_mean=torch.rand(size_px, size_px, generator=generator), log1p_deviation=0.7,
    )  # fmt: skip
    return dataclasses.asdict(ranges)


def described(*words: str, size_px: int = 16) -> dict:
    """Return the description of a checkpoint of the configuration that the overrides compose."""
    cfg = composed(*words)
    tested = {"name": "small", "words": "data=file data.file_path=/data/small.h5", "content_hash": "ab" * 32,
              "points": [0, 1], "train": [[2, 5]], "region_px": [0.0, 32.0, 0.0, 32.0]}  # fmt: skip
    return {
        "schema": SCHEMA, "run": "small-s0-0123456789", "choices": {"data": "file"}, "size_px": size_px,
        **{part: describe(cfg[part]) for part in PARTS},
        "scaling": scaling(size_px), "test": [tested], "geometry": GEOMETRY,
        "data": None, "noise": None, "metrics": describe(cfg["metrics"]), "stitch": describe(cfg["stitch"]),
    }  # fmt: skip


def network_of(description: dict, model: torch.nn.Module | None = None) -> PtychoNetwork:
    """Return the network of a description, with random weights and with batch statistics that differ from 0 and 1.

    Args:
        description: see `described`.
        model: architecture to use instead of the one described.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(description, build_model(description) if model is None else model)
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 2.0)
    return network.eval().to(memory_format=torch.channels_last)


def checkpoint_of(description: dict, path: Path) -> Path:
    """Write a checkpoint file of the network of a description."""
    weights = {f"network.{name}": value for name, value in network_of(description).state_dict().items()}
    checkpoint = {"ptycho_bench": description, "state_dict": weights}
    torch.save({**checkpoint, DIGEST: digest_of(checkpoint)}, path)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """saved(*words, size_px=16) -> checkpoint file."""
    return lambda *words, size_px=16: checkpoint_of(described(*words, size_px=size_px), tmp_path / "best.ckpt")


def counts(batch: int, patterns: int, size_px: int) -> torch.Tensor:
    """Return Poisson counts that decrease from the centre, photons; the last of several batch members is empty."""
    generator = torch.Generator().manual_seed(batch)
    row = torch.arange(size_px) - size_px // 2
    rate = 200 * torch.exp(-(row[:, None] ** 2 + row**2) / size_px)
    drawn = torch.poisson(rate.expand(batch, patterns, -1, -1).contiguous(), generator=generator)
    if batch > 1:
        drawn[-1] = 0
    return drawn


def run_onnx(path: Path, diffraction: torch.Tensor) -> torch.Tensor:
    """Run a file in ONNX Runtime without this package."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    (output,) = session.run(["obj_patches"], {"diffraction": diffraction.numpy()})
    assert output.dtype == np.float32
    return torch.from_numpy(output)

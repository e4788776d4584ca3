"""Helpers shared by the tests of the readers: readers of conf/format, sample frames, and whole streams."""

import hydra
import numpy as np
from omegaconf import OmegaConf

from tests.conftest import CONF, options

COUNTS = np.random.default_rng(0).poisson(5.0, (6, 8, 8)).astype(np.uint16)


def complex_array(*shape: int, seed: int = 1) -> np.ndarray:
    """Return complex64 noise."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def reader(name: str, **changes):
    """Return the reader of conf/format/NAME.yaml, with some arguments changed."""
    return hydra.utils.instantiate({**OmegaConf.load(CONF / "format" / f"{name}.yaml"), **changes})


def every_reader() -> dict:
    """Return every reader of conf/format by name."""
    return {name: reader(name) for name in options("format") if name != "auto"}


def whole(stream) -> np.ndarray:
    """Return all frames of a stream, after a check of the shape and dtype that the stream states."""
    frames = np.concatenate(list(stream.blocks()))
    assert (frames.shape, frames.dtype) == (stream.shape, stream.dtype)
    return frames

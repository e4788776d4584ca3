"""What the tests of the readers share: readers as conf/format has them, frames, streams read whole."""

import hydra
import numpy as np
from omegaconf import OmegaConf

from tests.conftest import CONF, options

COUNTS = np.random.default_rng(0).poisson(5.0, (6, 8, 8)).astype(np.uint16)


def complex_array(*shape: int, seed: int = 1) -> np.ndarray:
    """Complex64 noise."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def reader(name: str, **changes):
    """The reader of conf/format/NAME.yaml, with changes of its arguments."""
    return hydra.utils.instantiate({**OmegaConf.load(CONF / "format" / f"{name}.yaml"), **changes})


def every_reader() -> dict:
    """Every reader of conf/format by name."""
    return {name: reader(name) for name in options("format") if name != "auto"}


def whole(stream) -> np.ndarray:
    """A stream's frames; its shape and dtype were said beforehand."""
    frames = np.concatenate(list(stream.blocks()))
    assert (frames.shape, frames.dtype) == (stream.shape, stream.dtype)
    return frames

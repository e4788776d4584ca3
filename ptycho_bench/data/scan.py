"""Fields of a scan, with shapes and units."""

import json
import reprlib
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import Frames


@dataclass(frozen=True, kw_only=True)
class ScanInfo:
    """Description of a scan besides its arrays, stored as attributes of the file. None if unknown.

    Args:
        origin: how the data were obtained: simulated, imported or solved, and from or by what.
        photons: sum |P|^2, photons per pattern without an object; or None.
        overlap_ratio: 1 - step / probe width, [0, 1); or None.
        step_px: raster step, or the median distance between nearest neighbours of a measured scan; or None.
        jitter_px: largest shift of a scan point from its raster position.
        pixel_size_m: side of an object pixel; or None.
        energy_ev: beam energy; or None.
        distance_m: distance from specimen to detector; or None.
        detector_pixel_m: side of a detector pixel after binning; or None.
        seed: seed of jitter and noise; or None.
        noise: name and parameters of the noise as a JSON object.
        simulation_hash: hash of the settings of a simulation; or None.
        held_out: the scan is for testing only; ptycho-train refuses it.
    """

    origin: str
    photons: float | None = None
    overlap_ratio: float | None = None
    step_px: float | None = None
    jitter_px: int = 0
    pixel_size_m: float | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | None = None
    seed: int | None = None
    noise: str = "{}"
    simulation_hash: str | None = None
    held_out: bool = False


@dataclass(frozen=True, kw_only=True)
class PtychoScan:
    """One scan in physical units, as stored in the file, with its true amplitude and phase if they are known.

    Args:
        diffraction: (N, H, W) uint16, uint32 or float32, photons (counts), zero frequency at [H // 2, W // 2].
        positions_px: (N, 2) float64, top-left (row, column) of each patch in the object.
        scan_index: (N, 2) int64, (scan row, scan column).
        amplitude: (N, H, W) float32, modulus of the object under each scan point; None if unknown, for example for a
            measured scan that has not been solved.
        phase: (N, H, W) float32, radians; None if the amplitude is None.
        probe: (modes, H, W) complex64, sqrt(photons); or None.
        obj: complex64 (rows, columns), true object on the full field; or None.
        mask: (H, W) uint8, 0 = good pixel; or None.
        info: description of the scan.
        content_hash: sha256 of arrays and attributes; empty until the scan is stored.
        notes: lines about what was assumed, dropped or is uncertain after an import; not stored.
    """

    diffraction: Frames
    positions_px: np.ndarray
    scan_index: np.ndarray
    info: ScanInfo
    amplitude: Frames | None = None
    phase: Frames | None = None
    probe: np.ndarray | None = None
    obj: np.ndarray | None = None
    mask: np.ndarray | None = None
    content_hash: str = field(default="", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def patch_px(self) -> int:
        """Side of a diffraction pattern and of the object patch behind it, px."""
        return self.diffraction.shape[-1]

    def measurement(self) -> "Measurement":
        """Return what is needed to predict this scan's expected counts from an object patch.

        Raises:
            DataError: If the scan has no probe, or its attribute `noise` is not valid.
        """
        if self.probe is None:
            raise DataError("this scan has no probe; solve it with ptycho-reconstruct, which writes one")
        efficiency, coherence = detector_fractions(self.info.noise)
        probe = torch.from_numpy(np.asarray(self.probe, np.complex64)) * efficiency**0.5
        return Measurement(probe, coherence, self.valid_pixels())

    def valid_pixels(self) -> Tensor | None:
        """Return the pixels to compare, bool (H, W); None if all are valid."""
        return None if self.mask is None or not self.mask.any() else torch.from_numpy(self.mask == 0)

    def __len__(self) -> int:
        return len(self.diffraction)

    def patterns(self, points: np.ndarray) -> Tensor:
        """Return the intensity at the given scan points, photons, float32 (n, H, W)."""
        return float_tensor(self.diffraction[points])

    def tensors(self, points: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Return intensity (photons), amplitude and phase (radians) at the given scan points, float32 (n, H, W).

        Raises:
            DataError: If the scan has no amplitude and phase.
        """
        self.require_labels()
        return self.patterns(points), float_tensor(self.amplitude[points]), float_tensor(self.phase[points])

    def require_labels(self) -> None:
        """Raise DataError if amplitude and phase are unknown."""
        if self.amplitude is None or self.phase is None:
            raise DataError(
                "this scan has patterns but neither amplitude nor phase to train on or compare with; solve it first: "
                "ptycho-reconstruct FILE solver=rpie triplets=true writes them"
            )


def float_tensor(array: np.ndarray) -> Tensor:
    """Convert an array to a float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


class Measurement(NamedTuple):
    """Properties of a measurement that losses in reciprocal space need.

    probe: complex64 (modes, H, W), sqrt(detected photons): it includes the detector's efficiency.
    coherence: mu of PPN Eq. 2, see `physics.noise.blend_with_mean`.
    valid_mask: bool (H, W), pixels to compare; None if all are valid.
    """

    probe: Tensor
    coherence: float
    valid_mask: Tensor | None


def detector_fractions(noise: str) -> tuple[float, float]:
    """Return the detector's efficiency and the beam's coherence, 1 for a value that is not recorded.

    Args:
        noise: attribute `noise` of a scan, a JSON object.

    Raises:
        DataError: If it is not a JSON object, or a recorded value is not a number in [0, 1].
    """
    try:
        recorded = json.loads(noise)
    except (TypeError, ValueError, RecursionError):
        recorded = None
    if not isinstance(recorded, dict):
        raise DataError(f"attribute noise must be a JSON object, got {reprlib.repr(noise)}; correct it in the file")
    fractions = recorded.get("efficiency", 1.0), recorded.get("coherence", 1.0)
    for name, value in zip(("efficiency", "coherence"), fractions, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise DataError(
                f"{name} in attribute noise must be a number in [0, 1], got {reprlib.repr(value)}; correct it in "
                "the file"
            )
    return fractions

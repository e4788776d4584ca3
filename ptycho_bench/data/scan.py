"""The one place that names the fields of a scan and of a training sample, with shapes and units."""

import json
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import Frames


@dataclass(frozen=True, kw_only=True)
class ScanInfo:
    """What describes a scan besides its arrays; the attributes of the file. None: not known.

    Args:
        origin: how the data came to be: simulated, imported or solved, and by what.
        photons: sum |P|^2, photons per pattern without object; or None.
        overlap_ratio: 1 - step / probe width, [0, 1); or None.
        step_px: raster step, or of a measured scan the median distance of nearest neighbours; or None.
        jitter_px: largest shift of a scan point from its raster place.
        pixel_size_m: side of an object pixel; or None.
        energy_ev: beam energy; or None.
        seed: of jitter and noise; or None.
        noise: name and parameters of the noise as one JSON text.
        distance_m: from specimen to detector; or None.
        detector_pixel_m: side of a detector pixel, after binning; or None.
        simulation_hash: hash of what a simulation was made from; or None.
        held_out: for testing alone; ptycho-train refuses it.
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
    """One scan, with its truth where that is known, as the file holds it: physical, unscaled.

    Args:
        diffraction: (N, H, W) uint16, uint32 or float32, photons (counts), zero frequency at [H // 2, W // 2].
        positions_px: (N, 2) float64, top-left (row, column) of each patch in the object.
        scan_index: (N, 2) int64, (scan row, scan column).
        amplitude: (N, H, W) float32, modulus of the object under each scan point; None: not known, as of a measured
            scan that no solver has seen.
        phase: (N, H, W) float32, radians; None with the amplitude.
        probe: (modes, H, W) complex64, sqrt(photons); or None.
        obj: complex64 (rows, columns), truth on the full field; or None.
        mask: (H, W) uint8, 0 = good pixel; or None.
        info: what describes the scan.
        content_hash: sha256 of arrays and attributes, empty until stored.
        notes: what was decided, dropped or is in doubt where the scan was imported, a line each; not stored.
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
        """Side of a diffraction pattern and of the object patch behind it."""
        return self.diffraction.shape[-1]

    def measurement(self) -> "Measurement":
        """What predicts this scan's expected counts from an object patch.

        Raises:
            DataError: the scan has no probe.
        """
        if self.probe is None:
            raise DataError("this scan has no probe; solve it with ptycho-reconstruct, which writes one")
        noise = json.loads(self.info.noise)
        probe = torch.from_numpy(np.asarray(self.probe, np.complex64)) * noise.get("efficiency", 1.0) ** 0.5
        return Measurement(probe, noise.get("coherence", 1.0), self.valid_pixels())

    def valid_pixels(self) -> Tensor | None:
        """Bool (H, W), pixels to compare; None: all."""
        return None if self.mask is None or not self.mask.any() else torch.from_numpy(self.mask == 0)

    def __len__(self) -> int:
        return len(self.diffraction)

    def patterns(self, points: np.ndarray) -> Tensor:
        """Intensity of the given scan points, photons, float32 (n, H, W)."""
        return float_tensor(self.diffraction[points])

    def tensors(self, points: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Intensity (photons), amplitude and phase (radians) of the given scan points, float32 (n, H, W).

        Raises:
            DataError: the scan has no amplitude and phase.
        """
        self.require_labels()
        return self.patterns(points), float_tensor(self.amplitude[points]), float_tensor(self.phase[points])

    def require_labels(self) -> None:
        """Raise DataError where amplitude and phase are not known."""
        if self.amplitude is None or self.phase is None:
            raise DataError(
                "this scan has patterns, but neither amplitude nor phase to learn from or compare with; solve it "
                "first: ptycho-reconstruct FILE solver=rpie triplets=true writes them"
            )


def float_tensor(array: np.ndarray) -> Tensor:
    """Float32 tensor of an array."""
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


class Measurement(NamedTuple):
    """How a scan was measured, as losses in reciprocal space need it.

    probe: complex64 (modes, H, W), sqrt(detected photons): the detector's efficiency is in it.
    coherence: mu of PPN Eq. 2, see `physics.noise.blend_with_mean`.
    valid_mask: bool (H, W), pixels to compare; None: all.
    """

    probe: Tensor
    coherence: float
    valid_mask: Tensor | None

"""Stitching of overlapping patches to one field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ptycho_bench.evaluation.canvas import CHUNK_PX, Canvas
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.synchronise import phase_corrections
from ptycho_bench.physics.bounds import Pixels
from ptycho_bench.physics.scan import whole_px

SMALLEST_WEIGHT = 1e-6  # above 0, so that pixels covered only by the corner of a patch count as covered


def radial_weight(side: int) -> Tensor:
    """Return (1 - d / d_max)^2, where d is the distance from the patch centre, (side, side), as in PPN and CPR."""
    offset = torch.arange(side, dtype=torch.float64) - side // 2
    distance = torch.hypot(offset[:, None], offset[None, :])
    return (1 - distance / distance.max()).square().clamp(min=SMALLEST_WEIGHT)


def central_weight(side: int, central_px: int) -> Tensor:
    """Return a weight (side, side) that is 1 on the central square and 0 outside, as PtychoNN weights patches.

    Raises:
        ValueError: If the square is larger than the patch or smaller than 1 px.
    """
    if not 1 <= central_px <= side:
        raise ValueError(f"central_px must lie in [1, {side}], got {central_px}")
    weight = torch.zeros(side, side, dtype=torch.float64)
    first = (side - central_px) // 2
    weight[first : first + central_px, first : first + central_px] = 1.0
    return weight


def stitch(patches: Tensor, positions_px: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the weighted mean of overlapping patches on their bounding box.

    Args:
        patches: real (N, H, W).
        positions_px: (N, 2), top-left (y, x) of each patch, rounded to whole pixels.
        weight: (H, W), weight of each pixel of a patch; not negative.

    Returns:
        field: float32 (rows, columns), with the smallest position at (0, 0); 0 where no patch contributes.
        covered: bool (rows, columns), pixels to which at least one patch contributes.
    """
    canvas = Canvas(positions_px, weight)
    canvas.add(positions_px, values=patches)
    return canvas.field("values").float(), canvas.covered


def stitch_phase(phase: Tensor, positions_px: Tensor, weight: Tensor, *, circular: bool) -> tuple[Tensor, Tensor]:
    """Stitch phases in radians like `stitch`; `circular` averages them as unit vectors."""
    if not circular:
        return stitch(phase, positions_px, weight)
    canvas = Canvas(positions_px, weight)
    step = max(1, CHUNK_PX // weight.numel())  # cosine and sine of all patches would need much memory
    for places, part in zip(positions_px.split(step), phase.split(step), strict=True):
        canvas.add(places, cosine=part.cos(), sine=part.sin())
    return torch.atan2(canvas.field("sine"), canvas.field("cosine")).float(), canvas.covered


class Stitched(NamedTuple):
    """A field that patches were stitched to.

    images: amplitude and phase (radians), float32 (rows, columns), with the smallest position at (0, 0).
    covered: bool (rows, columns), pixels to which at least one patch contributes.
    """

    images: Images
    covered: Tensor

    def crop(self, window: tuple[slice, slice]) -> "Stitched":
        """Return the rows and columns of a rectangle."""
        return Stitched(Images(*(image[window] for image in self.images)), self.covered[window])


@dataclass(frozen=True, kw_only=True)
class Stitching:
    """How overlapping patches are stitched to a field, one of conf/stitch.

    Args:
        weight: `radial` (see `radial_weight`) or `central` (see `central_weight`).
        central_px: side of the central square, px; used only by `central`.
        synchronised: whether the constant phases of the predicted patches are aligned with each other before they are
            averaged (see `synchronising_phases`); phases are then averaged as unit vectors.
        step_px: step of a raster, px, whose points take the place of the true positions of predicted and true patches;
            None uses the true positions.

    Raises:
        ValueError: If a choice is unknown, `central` has no central_px, or the step is below 1 px.
    """

    weight: Literal["radial", "central"]
    central_px: Pixels | None
    synchronised: bool
    step_px: Pixels | None

    def __post_init__(self) -> None:
        if self.weight not in ("radial", "central"):
            raise ValueError(f"stitch.weight must be radial or central, got {self.weight!r}")
        if self.weight == "central" and self.central_px is None:
            raise ValueError("stitch.central_px must be set if stitch.weight is central, got null")
        if self.step_px is not None and self.step_px < 1:
            raise ValueError(f"stitch.step_px must be at least 1 px, got {self.step_px}; null uses the true positions")

    def check(self, side: int) -> None:
        """Check that patches of this side, px, can be stitched; see `patch_weight`."""
        self.patch_weight(side)

    def patch_weight(self, side: int) -> Tensor:
        """Return the weight (side, side) of a patch in the field.

        Raises:
            ValueError: If the central square is larger than the patch.
        """
        return radial_weight(side) if self.weight == "radial" else central_weight(side, self.central_px)

    def places(self, positions_px: Tensor, scan_index: Tensor) -> Tensor:
        """Return the top-left (y, x) at which patches are stitched, (N, 2), px.

        Args:
            positions_px: (N, 2), true top-left (y, x) of each patch.
            scan_index: int (N, 2), (scan row, scan column) of each patch.
        """
        return positions_px if self.step_px is None else (scan_index * self.step_px).double()

    def stitch_prediction(self, images: Images, places_px: Tensor, *, circular: bool) -> Stitched:
        """Stitch predicted patches.

        Args:
            images: amplitude and phase of each patch, (N, H, W).
            places_px: (N, 2), see `places`.
            circular: whether phases are averaged as unit vectors, even if they are not synchronised.

        Raises:
            ValueError: If a patch is not finite.
        """
        check_finite(images)
        if self.synchronised:
            corrections = synchronising_phases(images.transmission(), places_px)
            images = images._replace(phase=images.phase + corrections[:, None, None])
        return self.stitch_truth(images, places_px, circular=circular)

    def stitch_truth(self, images: Images, places_px: Tensor, *, circular: bool) -> Stitched:
        """Stitch true patches in the same way, except that their phases need no alignment."""
        weight = self.patch_weight(images.phase.shape[-1])
        amplitude, covered = stitch(images.amplitude, places_px, weight)
        phase, _ = stitch_phase(images.phase, places_px, weight, circular=circular or self.synchronised)
        return Stitched(Images(amplitude, phase), covered)


def synchronising_phases(patches: Tensor, places_px: Tensor) -> Tensor:
    """Return the constant phase to be added to each complex patch (N, H, W), (N,), radians; see `synchronise`.

    Overlaps are compared with radial weights in any case, because central squares may not overlap enough.
    """
    return phase_corrections(patches, places_px, radial_weight(patches.shape[-1]))


def check_finite(images: Images) -> None:
    """Check predicted patches (N, H, W); the metrics of values that are not finite would look like those of flat ones.

    Raises:
        ValueError: If a patch contains a value that is not finite.
    """
    finite = torch.stack([image.isfinite().flatten(1).all(dim=1) for image in images]).all(dim=0)
    if not finite.all():
        raise ValueError(
            f"{int((~finite).sum())} of {len(finite)} predicted patches contain NaN or infinite values; the "
            "training diverged: lower the learning rate"
        )


def scored_rectangle(shape: tuple[int, int], patch_px: int, smallest_px: int) -> tuple[slice, slice]:
    """Return the rows and columns between the outermost patch centres, where the overlap is complete.

    An axis shorter than a patch plus `smallest_px` is returned whole.
    """
    margins = (patch_px // 2 if side >= patch_px + smallest_px else 0 for side in shape)
    return tuple(slice(m, side - m) for m, side in zip(margins, shape, strict=True))


def scored_window(
    positions_px: Tensor, patch_px: int, smallest_px: int, rectangle: Sequence[int] | None
) -> tuple[slice, slice]:
    """Return the rows and columns of a stitched field that are scored.

    Args:
        positions_px: (N, 2), top-left (y, x) of each patch, px.
        patch_px: side of a patch.
        smallest_px: fewest rows and columns that can be scored.
        rectangle: [first row, end row, first column, end column] in object pixels, of which the part inside the field
            is scored; None: see `scored_rectangle`, also along an axis on which that part is too small.
    """
    corners = whole_px(positions_px)
    origin, end = corners.amin(dim=0).tolist(), (corners.amax(dim=0) + patch_px).tolist()
    shape = tuple(last - first for first, last in zip(origin, end, strict=True))
    window = list(scored_rectangle(shape, patch_px, smallest_px))
    for axis, first in enumerate(origin if rectangle is not None else ()):
        start, stop = (min(max(edge - first, 0), shape[axis]) for edge in rectangle[2 * axis : 2 * axis + 2])
        if stop - start >= smallest_px:
            window[axis] = slice(start, stop)
    return tuple(window)

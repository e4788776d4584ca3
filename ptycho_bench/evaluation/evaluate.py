"""Metrics of predicted patches, one by one and stitched to a field, with those of a constant guess for comparison."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_bench.evaluation.field import FieldScore, pooled_score, score_field
from ptycho_bench.evaluation.flattened import flattened_ssim
from ptycho_bench.evaluation.images import FLAT, Images
from ptycho_bench.evaluation.metrics import target_range
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import Stitched
from ptycho_bench.network.scaling import Scaling


class Evaluation(NamedTuple):
    """Result of an evaluation.

    patches: values of each metric by its name, (N,), one per patch.
    guesses: the same for the constant guess, which equals the mean of each true patch.
    score: scores of the stitched field.
    field: predicted field on the scored rectangle.
    truth: true field, stitched in the same way.
    covered: bool (rows, columns), pixels of the rectangle that at least one patch covers.
    """

    patches: dict[str, Tensor]
    guesses: dict[str, Tensor]
    score: FieldScore
    field: Images
    truth: Images
    covered: Tensor

    @property
    def stitched(self) -> dict[str, float]:
        """Scores of the stitched field by the metric's name."""
        return self.score.stitched

    def aggregate(self) -> dict:
        """Return the scores as results.json has them.

        The keys `patch_mean` and `patch_std` (over the patches that have a value) and `patch_skipped` (how many have
        none) are added to those of `FieldScore.record`.
        """
        record, patches = self.score.record(), {name: with_value(values) for name, values in self.patches.items()}
        guesses = {name: mean(with_value(values)) for name, values in self.guesses.items()}
        return {
            "patch_mean": {name: mean(values) for name, values in patches.items()},
            "patch_std": {
                name: values.std(correction=0).item() if len(values) else math.nan for name, values in patches.items()
            },
            "patch_skipped": {name: len(self.patches[name]) - len(values) for name, values in patches.items()},
            **record,
            "constant": {"patch_mean": guesses, **record["constant"]},
        }


def with_value(values: Tensor) -> Tensor:
    """Return the values that are numbers, float64."""
    return values[~values.isnan()].double()


def mean(values: Tensor) -> float:
    """Return the mean of values (N,); NaN if there are none."""
    return values.mean().item() if len(values) else math.nan


def evaluate(
    pred: Images,
    target: Images,
    stitched: Stitched,
    truth: Stitched,
    window: tuple[slice, slice],
    *,
    scaling: Scaling | None,
    protocol: MetricProtocol,
    misfit: Callable[[Tensor], float] | None = None,
) -> Evaluation:
    """Measure predicted patches one by one, and the field that they were stitched to.

    Args:
        pred: predicted physical amplitude and phase, (N, H, W).
        target: true physical amplitude and phase, (N, H, W).
        stitched: the field of the predicted patches.
        truth: the field of the true patches.
        window: rows and columns of the field that are scored, see `stitch.scored_window`.
        scaling: value ranges that are scaled to [0, 1]; None: those of the truth in the window.
        protocol: conventions by which metrics are computed.
        misfit: takes an object, complex (rows, columns) on the whole field; returns its diffraction misfit.
    """
    side = pred.phase.shape[-1]
    (field, covered), (true_field, _) = stitched.crop(window), truth.crop(window)
    score = score_field(field, true_field, covered, scaling=scaling, protocol=protocol, block_px=side)
    mask = None if covered.all() else covered
    if misfit is not None:
        obj, guess = stitched.images.transmission(), true_field.mean(mask).transmission()
        objects = obj.where(stitched.covered, 1.0), guess.expand(obj.shape)
        score = score.with_values("diffraction_misfit", *map(misfit, objects))
    if protocol.flattened_ssim:
        score = with_flattened_ssim(score, pred, target)
    patches, guesses = (
        without_flat(protocol.measure_all(images, target, score.scaling), target)
        for images in (pred, target.constant())
    )
    return Evaluation(
        patches=patches,
        guesses=guesses,
        score=score,
        field=field,
        truth=true_field,
        covered=covered,
    )


def without_flat(values: Mapping[str, Tensor], target: Images) -> dict[str, Tensor]:
    """Return the metrics of patches without the PSNR of flat ones, whose high values would determine the mean.

    Args:
        values: each metric by its name, (N,).
        target: true physical amplitude and phase, (N, H, W).
    """
    flat = {quantity: target_range(image) <= FLAT for quantity, image in target._asdict().items()}
    return {
        name: one.where(~flat[name.partition("_")[0]], math.nan) if name.endswith("_psnr_db") else one
        for name, one in values.items()
    }


def with_flattened_ssim(score: FieldScore, pred: Images, target: Images) -> FieldScore:
    """Add the SSIM of the flattened patches, for which the constant guess is the mean of all patches."""
    scales = {"amplitude": score.scaling.scale_amplitude, "phase": score.scaling.scale_phase}
    for (quantity, scale), one, true in zip(scales.items(), pred, target, strict=True):
        scaled = scale(true)
        guess = scaled.mean().expand_as(scaled)
        values = flattened_ssim(scale(one), scaled), flattened_ssim(guess, scaled)
        score = score.with_values(f"{quantity}_ssim_flattened", *values)
    return score


def pooled(results: Sequence[Evaluation]) -> Evaluation:
    """Return the metrics of all patches, and the mean over scans of each stitched value; the fields are the first's."""
    first = results[0]
    return first._replace(
        patches={name: torch.cat([result.patches[name] for result in results]) for name in first.patches},
        guesses={name: torch.cat([result.guesses[name] for result in results]) for name in first.guesses},
        score=pooled_score([result.score for result in results]),
    )

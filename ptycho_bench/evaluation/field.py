"""Scores of a stitched or reconstructed field, each beside that of a constant guess, for networks and solvers."""

import dataclasses
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_bench.evaluation import metrics
from ptycho_bench.evaluation.bootstrap import SEED, intervals, resampled_metrics
from ptycho_bench.evaluation.frc import fourier_ring_correlation
from ptycho_bench.evaluation.images import FLAT, Images
from ptycho_bench.evaluation.protocol import MetricProtocol, scaled_pairs
from ptycho_bench.evaluation.spectrum import image_bands
from ptycho_bench.network.scaling import NEUTRAL, Scaling

TRAINING, SCORED_FIELD = "training", "scored field"
LEARNED = 0.99  # largest ratio of the error to that of the constant guess at which a quantity counts as learned
COMPARED = {"amplitude": "amplitude_mse", "phase": "phase_aligned_mse"}  # metric by which a quantity counts as learned


class FieldScore(NamedTuple):
    """Scores of one field, or means over several; each by the metric's name.

    stitched: scores of the prediction.
    constant: scores of the constant guess, which equals the mean of the truth everywhere; band energies have none.
    truth: band energies of the true field.
    resamples: scores of the prediction for each resample of the field's blocks, float64 (resamples,).
    scaled_by: `training` or `scored field`, whichever has the ranges that are scaled to [0, 1].
    scaling: these ranges.
    """

    stitched: dict[str, float]
    constant: dict[str, float]
    truth: dict[str, float]
    resamples: dict[str, Tensor]
    scaled_by: str
    scaling: Scaling

    def with_values(self, name: str, prediction: float, guess: float) -> "FieldScore":
        """Return the scores with another metric's value of the prediction and of the constant guess."""
        return self._replace(stitched={**self.stitched, name: prediction}, constant={**self.constant, name: guess})

    def not_learned(self) -> list[str]:
        """Return the quantities whose MSE is not at least 1 % below that of the constant guess.

        A quantity that is constant in the truth is not counted.
        """
        varied = {quantity: name for quantity, name in COMPARED.items() if self.constant[name] > FLAT**2}
        return [
            quantity for quantity, name in varied.items() if not self.stitched[name] < LEARNED * self.constant[name]
        ]

    def record(self) -> dict:
        """Return the scores as results.json has them."""
        return {
            "stitched": self.stitched,
            "constant": {"stitched": self.constant},
            "interval": {"stitched": intervals(self.resamples)},
            "truth": self.truth,
            "not_learned": self.not_learned(),
            "scaled_by": self.scaled_by,
        }


def score_field(
    pred: Images, truth: Images, covered: Tensor, *, scaling: Scaling | None, protocol: MetricProtocol, block_px: int
) -> FieldScore:
    """Score a predicted field.

    Args:
        pred: predicted amplitude and phase, (rows, columns).
        truth: true amplitude and phase, (rows, columns).
        covered: bool (rows, columns), pixels that count.
        scaling: value ranges that are scaled to [0, 1]; None: those of the truth.
        protocol: conventions by which metrics are computed.
        block_px: side of the blocks from which intervals are computed; that of a patch.
    """
    mask = None if covered.all() else covered
    scaled_by = SCORED_FIELD if scaling is None else TRAINING
    scaling = range_of(truth, mask) if scaling is None else scaling
    aligned = metrics.align_phase(pred.phase, truth.phase, mask=mask)
    pairs = scaled_pairs(pred, truth, aligned, scaling)
    return FieldScore(
        stitched={**image_scores(pred, truth, scaling, protocol, mask), **band_scores(pred, protocol, mask)},
        constant=image_scores(truth.constant(mask), truth, scaling, protocol, mask),
        truth=band_scores(truth, protocol, mask),
        resamples=resampled_metrics(pairs, protocol, block_px, mask),
        scaled_by=scaled_by,
        scaling=scaling,
    )


def range_of(truth: Images, mask: Tensor | None = None) -> Scaling:
    """Return the scaling by the range of a true field; only True pixels of a mask count."""
    amplitude, phase = (image if mask is None else image[mask] for image in truth)
    return dataclasses.replace(
        NEUTRAL,
        amplitude_low=amplitude.min().item(),
        amplitude_high=amplitude.max().item(),
        phase_low=phase.min().item(),
        phase_high=phase.max().item(),
    )


def image_scores(
    pred: Images, truth: Images, scaling: Scaling, protocol: MetricProtocol, mask: Tensor | None
) -> dict[str, float]:
    """Return the metrics of amplitude and phase, and the resolution of the complex field."""
    values = protocol.measure_all(pred, truth, scaling, mask)
    scores = {name: value.item() for name, value in values.items()}
    return {**scores, "frc_resolution_px": frc_resolution(pred, truth, mask)}


def frc_resolution(pred: Images, truth: Images, mask: Tensor | None = None) -> float:
    """Return the period at which the ring correlation with the truth falls below the half-bit threshold, px.

    One constant phase is removed first. A constant field has no correlation; its value is the longest period, which is
    the shorter side of the field.
    """
    fields = [filled(images.transmission(), mask) for images in (pred, truth)]
    if any((field - field.mean()).abs().max() <= FLAT for field in fields):
        return float(min(fields[0].shape))
    overlap = (fields[1] * fields[0].conj()).sum()
    return fourier_ring_correlation(fields[0] * overlap.sgn(), fields[1]).half_bit_crossing.resolution_px


def band_scores(images: Images, protocol: MetricProtocol, mask: Tensor | None) -> dict[str, float]:
    """Return the fractions of the energy in three frequency bands, in [0, 1]; NaN for a constant image."""
    scores = {}
    for quantity, image in images._asdict().items():
        energies = image_bands(filled(image, mask).numpy(), protocol.spectrum)
        scores |= {f"{quantity}_band_{band}": e for band, e in zip(("low", "middle", "high"), energies, strict=True)}
    return scores


def filled(field: Tensor, mask: Tensor | None) -> Tensor:
    """Return a field with the mean of the pixels that count in place of the others."""
    return field if mask is None else field.where(mask, field[mask].mean())


def pooled_score(scores: Sequence[FieldScore]) -> FieldScore:
    """Return the means over several fields; their resamples are independent of each other."""
    first = scores[0]
    means = {part: mean_values([getattr(one, part) for one in scores]) for part in ("stitched", "constant", "truth")}
    names = common_names([one.resamples for one in scores])
    resamples = {name: mean_resamples([one.resamples[name] for one in scores]) for name in names}
    return first._replace(**means, resamples=resamples)


def common_names(values: Sequence[Mapping]) -> list[str]:
    """Return the names that occur in all mappings, in the order of the first."""
    return [name for name in values[0] if all(name in one for one in values)]


def mean_values(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the means of the values that all mappings have."""
    return {name: fmean(one[name] for one in values) for name in common_names(values)}


def mean_resamples(values: Sequence[Tensor]) -> Tensor:
    """Return the mean over fields of their resamples, which are permuted because all fields are drawn by one seed."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.stack([one[torch.randperm(len(one), generator=generator)] for one in values]).mean(dim=0)

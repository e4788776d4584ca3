"""A loss between patterns for samples of several scans."""

import dataclasses
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ptycho_bench.losses.base import Loss
from ptycho_bench.network.sample import Prediction, Target


class LossByScan(Loss):
    """One loss per scan, so that each sample is compared using the probe, mask and coherence of its own scan.

    Every term is the mean over the samples of a batch, as for a single loss.

    Args:
        losses: one loss per scan, attached to its measurement; trained parameters, such as a correction of the probe,
            are not shared.
        decodes: one function per scan that converts predicted channels to physical values, see `Prediction.decode`.
    """

    needs_measurement = True

    def __init__(
        self, losses: Sequence[Loss], decodes: Sequence[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]
    ) -> None:
        super().__init__(channels=losses[0].channels)
        self.of_scan = nn.ModuleList(losses)
        self.decodes = decodes

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        order = target.scan.argsort(stable=True)
        counts = target.scan.bincount(minlength=len(self.of_scan)).tolist()
        target = target.map(lambda part: part[order])
        heads = {name: getattr(pred, name)[order] for name in ("amplitude", "phase", "unprojected")}
        sums: dict[str, Tensor] = {}
        first = 0
        for loss, decode, count in zip(self.of_scan, self.decodes, counts, strict=True):
            # a scan without samples has weight 0 but takes part, so that every process has the same gradients
            samples = slice(first, first + count) if count else slice(0, 1)
            own = dataclasses.replace(pred, decode=decode, **{name: head[samples] for name, head in heads.items()})
            for name, term in loss.terms(own, target.map(lambda part, samples=samples: part[samples])).items():
                sums[name] = sums.get(name, 0.0) + count / len(order) * term
            first += count
        return sums

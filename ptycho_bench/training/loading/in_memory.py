"""Scans that fit: transformed and encoded once, kept on the device."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.network.neighbours import neighbour_table
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Target
from ptycho_bench.training.loading.batches import BatchLoader

Parts = dict[str, tuple[Tensor, Target]]


def prepare(scan: PtychoScan, split: Split, network: PtychoNetwork, *, with_intensity: bool) -> tuple[Tensor, Parts]:
    """One scan's patterns (M, C, H, W), and of `train` and `validation` what each sample sees of them, and its target.

    Args:
        scan: the scan.
        split: its parts; no pattern outside training and validation is seen, not as a neighbour.
        network: whose input transform and representations are applied.
        with_intensity: keep the measured patterns for a loss that compares with them.
    """
    known = np.sort(np.concatenate((split.train, split.validation)))
    transform = network.input_transform
    intensity, amplitude, phase = scan.tensors(known)
    parts = {}
    for name in ("train", "validation"):
        points = getattr(split, name)
        seen = neighbour_table(scan.scan_index, points, transform.neighbours, known)
        own = torch.from_numpy(np.searchsorted(known, points))
        measured = intensity[own] if with_intensity else None
        parts[name] = seen, network.target(amplitude[own], phase[own], measured)
    return transform(intensity), parts


def together(prepared: Sequence[tuple[Tensor, Parts]]) -> tuple[Tensor, Parts]:
    """Several prepared scans as one: a neighbourhood stays inside its scan, and each target knows which that is."""
    first, joined = 0, {"train": [], "validation": []}
    for number, (patterns, parts) in enumerate(prepared):
        for name, (seen, target) in parts.items():
            scan = torch.full((len(seen),), number)
            joined[name].append((torch.where(seen < 0, seen, seen + first), target._replace(scan=scan)))
        first += len(patterns)
    parts = {}
    for name, pieces in joined.items():
        seen, targets = zip(*pieces, strict=True)
        fields = zip(*targets, strict=True)
        parts[name] = torch.cat(seen), Target(*(None if field[0] is None else torch.cat(field) for field in fields))
    return torch.cat([patterns for patterns, _ in prepared]), parts


class ResidentSamples:
    """Training and validation samples in memory, on the device from the first loader on.

    Args:
        scans: one or more, each with its split.
        networks: for each scan the network whose input transform and representations are applied to it.
        with_intensity: keep the measured patterns for a loss that compares with them.
    """

    def __init__(self, scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork], *, with_intensity: bool) -> None:
        prepared = [
            prepare(part.scan, part.split, network, with_intensity=with_intensity)
            for part, network in zip(scans, networks, strict=True)
        ]
        self.patterns, self.parts = prepared[0] if len(prepared) == 1 else together(prepared)

    def loader(self, part: str, device: torch.device, **order: object) -> BatchLoader:
        """Batches of `train` or `validation` on a device; see `BatchLoader` for what orders them."""
        self.patterns = self.patterns.to(device)
        seen, target = self.parts[part]
        self.parts[part] = seen.to(device), target.map(lambda tensor: tensor.to(device))
        return BatchLoader(self.patterns, *self.parts[part], **order)

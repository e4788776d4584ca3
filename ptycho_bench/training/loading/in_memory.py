"""Batches of scans that fit into memory: patterns are transformed and encoded once and kept on the device."""

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

Parts = dict[str, tuple[Tensor, Target]]  # for `train` and `validation`: indices of the patterns seen, targets


def prepare_scan(
    scan: PtychoScan, split: Split, network: PtychoNetwork, *, with_intensity: bool
) -> tuple[Tensor, Parts]:
    """Transform the patterns of a scan and encode its targets.

    Args:
        scan: scan with amplitude and phase.
        split: its parts; patterns outside training and validation are not used, not even as neighbours.
        network: network whose input transform and representations are applied.
        with_intensity: keep the measured patterns, for a loss that compares with them.

    Returns:
        Transformed patterns (M, C, H, W), and for `train` and `validation` the indices of the patterns that each sample
        sees, int64 (N, K), and its target.
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


def concatenate(prepared: Sequence[tuple[Tensor, Parts]]) -> tuple[Tensor, Parts]:
    """Join several prepared scans; neighbourhoods stay within their scan, and `Target.scan` names it."""
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


class InMemorySamples:
    """Training and validation samples in memory; the first loader moves them to its device.

    Args:
        scans: one or more scans with their splits.
        networks: for each scan, the network whose input transform and representations are applied to it.
        with_intensity: keep the measured patterns, for a loss that compares with them.
    """

    def __init__(self, scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork], *, with_intensity: bool) -> None:
        prepared = [
            prepare_scan(part.scan, part.split, network, with_intensity=with_intensity)
            for part, network in zip(scans, networks, strict=True)
        ]
        self.patterns, self.parts = prepared[0] if len(prepared) == 1 else concatenate(prepared)

    def loader(self, part: str, device: torch.device, **order: object) -> BatchLoader:
        """Return batches of `train` or `validation` on a device.

        Args:
            part: `train` or `validation`.
            device: device of the batches.
            order: batch size, order and processes, see `BatchLoader`.
        """
        self.patterns = self.patterns.to(device)
        seen, target = self.parts[part]
        self.parts[part] = seen.to(device), target.map(lambda tensor: tensor.to(device))
        return BatchLoader(self.patterns, *self.parts[part], **order)

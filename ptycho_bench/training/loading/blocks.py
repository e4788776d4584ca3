"""A part of one or several scans as blocks of neighbouring scan points, each read and prepared on request."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan, float_tensor
from ptycho_bench.data.split import SplitScan
from ptycho_bench.network.neighbours import compact_table, gather, neighbour_table
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Target


class Samples(NamedTuple):
    """Prepared samples.

    network_input: (B, C, H, W) patterns after the input transform, with the neighbours that a network sees.
    target: targets of B samples.
    """

    network_input: Tensor
    target: Target

    def map(self, change: Callable[[Tensor], Tensor]) -> "Samples":
        """Apply a function to every tensor that is not None."""
        return Samples(change(self.network_input), self.target.map(change))

    def tensors(self) -> list[Tensor]:
        """All tensors that are not None."""
        return [tensor for tensor in (self.network_input, *self.target) if tensor is not None]


class ScanPart:
    """Training or validation points of one scan.

    Args:
        scan: scan, whose frames may be stored in a file.
        points: int64 (N,), rising: indices of the scan points in this part.
        known: int64 (M,), rising: indices of the scan points whose patterns may be seen, also as neighbours.
        network: network whose input transform and representations are applied, on the CPU.
        with_intensity: keep the measured patterns, for a loss that compares with them.
        number: index of the scan if there are several; or None.
    """

    def __init__(
        self,
        scan: PtychoScan,
        points: np.ndarray,
        known: np.ndarray,
        network: PtychoNetwork,
        *,
        with_intensity: bool,
        number: int | None,
    ) -> None:
        self.scan, self.points, self.known, self.network = scan, points, known, network
        self.with_intensity, self.number = with_intensity, number
        self.seen = neighbour_table(scan.scan_index, points, network.input_transform.neighbours, known)

    def __len__(self) -> int:
        return len(self.points)

    @torch.no_grad()
    def read(self, part: slice) -> Samples:
        """Read and prepare consecutive points; each pattern they see is read once, in the order of the file."""
        points, seen = self.points[part], self.seen[part]
        places, seen = compact_table(seen)
        intensity = self.scan.patterns(self.known[places])
        amplitude, phase = (float_tensor(array[points]) for array in (self.scan.amplitude, self.scan.phase))
        measured = intensity[seen[:, seen.shape[1] // 2]] if self.with_intensity else None
        target = self.network.target(amplitude, phase, measured)
        if self.number is not None:
            target = target._replace(scan=torch.full((len(points),), self.number))
        return Samples(gather(self.network.input_transform(intensity), seen), target)


class PartBlocks:
    """Numbered blocks of one part over all scans.

    Args:
        parts: the part's points in each scan.
        size: number of samples in a block; the last block of a scan may have fewer.
    """

    def __init__(self, parts: Sequence[ScanPart], size: int) -> None:
        self.size = size
        self.samples = sum(map(len, parts))
        self.blocks = [(part, slice(first, first + size)) for part in parts for first in range(0, len(part), size)]

    def __len__(self) -> int:
        return len(self.blocks)

    def read(self, number: int) -> Samples:
        """Read and prepare the samples of a block."""
        part, points = self.blocks[number]
        return part.read(points)


def scan_parts(
    scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork], name: str, *, with_intensity: bool
) -> list[ScanPart]:
    """Return the `train` or `validation` part of each scan.

    Args:
        scans: scans with their splits.
        networks: for each scan, the network whose input transform and representations are applied to it.
        name: `train` or `validation`.
        with_intensity: keep the measured patterns, for a loss that compares with them.
    """
    parts = []
    for index, ((_, scan, split), network) in enumerate(zip(scans, networks, strict=True)):
        known = np.sort(np.concatenate((split.train, split.validation)))
        number = index if len(scans) > 1 else None
        points = getattr(split, name)
        parts.append(ScanPart(scan, points, known, network, with_intensity=with_intensity, number=number))
    return parts

"""A part of one or several scans in blocks of neighbouring scan points, each read and prepared when asked for."""

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

    network_input: (B, C, H, W), after the input transform, with the neighbours a network sees.
    target: of B samples.
    """

    network_input: Tensor
    target: Target

    def map(self, change: Callable[[Tensor], Tensor]) -> "Samples":
        """Every tensor there is, changed."""
        return Samples(change(self.network_input), self.target.map(change))


class ScanPart:
    """Training or validation points of one scan.

    Args:
        scan: the scan; its frames may lie in a file.
        points: int64 (N,), rising: the points of this part.
        known: int64 (M,), rising: the points whose patterns may be seen, as neighbours too.
        network: whose input transform and representations are applied, on the CPU.
        with_intensity: keep the measured patterns for a loss that compares with them.
        number: of the scan, where there are several; or None.
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
        """Some consecutive points; each pattern they see is read once, in the order of the file."""
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
    """Blocks of one part over all scans, by number.

    Args:
        parts: each scan's.
        size: samples of a block; a scan's last may have fewer.
    """

    def __init__(self, parts: Sequence[ScanPart], size: int) -> None:
        self.size = size
        self.samples = sum(map(len, parts))
        self.blocks = [(part, slice(first, first + size)) for part in parts for first in range(0, len(part), size)]

    def __len__(self) -> int:
        return len(self.blocks)

    def read(self, number: int) -> Samples:
        """A block's samples."""
        part, points = self.blocks[number]
        return part.read(points)


def scan_parts(
    scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork], name: str, *, with_intensity: bool
) -> list[ScanPart]:
    """`train` or `validation` of each scan, and for each the network it is prepared for."""
    parts = []
    for number, ((_, scan, split), network) in enumerate(zip(scans, networks, strict=True)):
        known = np.sort(np.concatenate((split.train, split.validation)))
        points = getattr(split, name)
        parts.append(
            ScanPart(
                scan, points, known, network, with_intensity=with_intensity, number=number if len(scans) > 1 else None
            )
        )
    return parts

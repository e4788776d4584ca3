"""A scan and its parts, as one of those that train together."""

from typing import NamedTuple

from ptycho_bench.data.sample import PtychoScan
from ptycho_bench.data.split import Split


class PartedScan(NamedTuple):
    """One of the scans of a run.

    name: in records and file names; no two of a run are alike.
    scan: the scan.
    split: its own training, validation and test points.
    """

    name: str
    scan: PtychoScan
    split: Split

"""Several scans as one set: each sample is the same as if its scan were alone."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from ptycho_bench.config.network import build_network
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.training.loading.in_memory import InMemorySamples
from tests.conftest import composed


@pytest.fixture
def scans(tiny_scan, other_scan) -> list[SplitScan]:
    """Two scans; the last points are for testing, every tenth of the others for validation."""
    scans = []
    for name, scan in (("tiny", tiny_scan), ("other", other_scan)):
        points = np.arange(len(scan) - 20)
        split = Split(points[points % 10 > 0], points[points % 10 == 0], np.arange(len(scan) - 20, len(scan)))
        scans.append(SplitScan(name, scan, split))
    return scans


def network(scaling: Scaling, neighbours: int = 0) -> PtychoNetwork:
    """A network whose input, amplitude and phase all depend on the scaling."""
    description = composed("input=sqrt", f"input.neighbours={neighbours}", "amplitude=scaled", "phase=scaled")
    return build_network({**description, "scaling": dataclasses.asdict(scaling)}, nn.Identity())


def samples(scans: list[SplitScan], networks: list[PtychoNetwork], part: str, **settings) -> list[PtychoSample]:
    """Batches of a part: a single batch in order unless the settings change it."""
    in_memory = InMemorySamples(scans, networks, with_intensity=True)
    return list(in_memory.loader(part, torch.device("cpu"), **{"batch_size": 10_000, **settings}))


def scalings(scans: list[SplitScan], kind: str) -> list[Scaling]:
    if kind == "joint":
        return [Scaling.over([(part.scan, part.split.train) for part in scans])] * len(scans)
    return [Scaling.of(part.scan, part.split.train) for part in scans]


@pytest.mark.parametrize("neighbours", [0, 1])
@pytest.mark.parametrize("kind", ["joint", "own"])
@pytest.mark.parametrize("part", ["train", "validation"])
def test_each_sample_is_the_same_as_if_its_scan_were_alone(scans, part, kind, neighbours):
    networks = [network(scaling, neighbours) for scaling in scalings(scans, kind)]
    (mixed,) = samples(scans, networks, part)
    alone = [samples([one], [its], part)[0] for one, its in zip(scans, networks, strict=True)]
    assert torch.equal(mixed.network_input, torch.cat([batch.network_input for batch in alone]))
    for name in ("amplitude", "phase", "intensity"):
        assert torch.equal(getattr(mixed.target, name), torch.cat([getattr(batch.target, name) for batch in alone]))
    counts = [len(batch.network_input) for batch in alone]
    assert mixed.target.scan.tolist() == [0] * counts[0] + [1] * counts[1]
    assert all(batch.target.scan is None for batch in alone)


def test_batches_mix_scans_and_keep_input_target_and_scan_together(scans):
    networks = [network(scaling) for scaling in scalings(scans, "own")]
    batches = samples(scans, networks, "train", batch_size=16, seed=3)
    assert all(set(batch.target.scan.tolist()) == {0, 1} for batch in batches[:-1])
    for batch in batches:
        for number, its in enumerate(networks):
            mine = batch.target.scan == number
            assert torch.equal(batch.network_input[mine], its.input_transform(batch.target.intensity[mine]))


def test_own_scaling_spans_each_scan_and_joint_scaling_all(scans):
    for kind in ("own", "joint"):
        networks = [network(scaling) for scaling in scalings(scans, kind)]
        (batch,) = samples(scans, networks, "train")
        highest = [batch.target.amplitude[batch.target.scan == number].max().item() for number in (0, 1)]
        brightest = [batch.network_input[batch.target.scan == number].max().item() for number in (0, 1)]
        assert max(highest) == max(brightest) == 1
        assert (min(highest) == min(brightest) == 1) == (kind == "own")


def test_one_range_over_several_scans_is_that_of_all_their_training_values(scans):
    joint = Scaling.over([(part.scan, part.split.train) for part in scans])
    for name, low, high in (("amplitude", "amplitude_low", "amplitude_high"), ("phase", "phase_low", "phase_high")):
        values = np.concatenate([getattr(part.scan, name)[part.split.train].ravel() for part in scans])
        assert (getattr(joint, low), getattr(joint, high)) == (values.min(), values.max())
    counts = np.concatenate([part.scan.diffraction[part.split.train].ravel() for part in scans])
    assert joint.intensity_p995 == np.quantile(counts, 0.995)
    assert joint.intensity_max == counts.max()

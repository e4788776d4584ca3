"""Losses between patterns of several scans: each sample uses the probe, mask and coherence of its own scan."""

import dataclasses

import pytest
import torch
from torch import nn

from ptycho_bench.config.network import build_network
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.losses.base import Loss
from ptycho_bench.losses.by_scan import LossByScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.network.scaling import Scaling
from tests.conftest import option
from tests.losses.conftest import exact, make_loss

MEASURED = {
    "amplitude": ("diffraction", "loss.smoothness=0"),
    "poisson": ("diffraction", "loss.smoothness=0", "loss.misfit=poisson"),
    "intensity": ("diffraction", "loss.smoothness=0", "loss.misfit=intensity"),
    "nssim": ("nssim", "loss.domain=reciprocal"),
    "weighted": ("weighted", "loss.domain=reciprocal"),
}
REFINED = ("diffraction", "loss.refine_probe=true")
POINTS = [3, 30, 41]


@pytest.fixture
def scans(tiny_scan, other_scan) -> list[PtychoScan]:
    return [tiny_scan, other_scan]


def networks_of(scans: list[PtychoScan]) -> list[PtychoNetwork]:
    """Return one network per scan, with its own scaling."""
    names = {"input": "log1p", "amplitude": "scaled", "phase": "scaled"}
    description = {group: option(group, name) for group, name in names.items()}
    scalings = [dataclasses.asdict(Scaling.of(scan, POINTS)) for scan in scans]
    return [build_network({**description, "scaling": scaling}, nn.Identity()) for scaling in scalings]


def losses_of(scans: list[PtychoScan], words: tuple[str, ...]) -> list[Loss]:
    losses = [make_loss(words[0], "scaled", *words[1:]) for _ in scans]
    for loss, scan in zip(losses, scans, strict=True):
        loss.attach(scan.measurement())
    return losses


def by_scan(scans: list[PtychoScan], words: tuple[str, ...]) -> LossByScan:
    return LossByScan(losses_of(scans, words), [network.decode for network in networks_of(scans)])


def truth(scan: PtychoScan, network: PtychoNetwork) -> Target:
    intensity, amplitude, phase = scan.tensors(POINTS)
    return network.target(amplitude, phase, intensity)


def mixed(targets: list[Target]) -> Target:
    """Interleave the samples of the scans: 0, 1, 0, 1, ..."""
    fields = [
        torch.stack(field, dim=1).flatten(0, 1) for field in zip(*(target[:3] for target in targets), strict=True)
    ]
    return Target(*fields, scan=torch.arange(len(targets)).repeat(len(POINTS)))


def guess(target: Target, network: PtychoNetwork) -> Prediction:
    """Return the target plus noise as a prediction with gradients."""
    generator = torch.Generator().manual_seed(2)
    heads = [head + 0.1 * torch.randn(head.shape, generator=generator) for head in target[:2]]
    return exact(network, Target(*(head.clamp(0.01, 0.99).requires_grad_() for head in heads)))


@pytest.mark.parametrize("words", MEASURED.values(), ids=MEASURED)
def test_the_loss_of_the_truth_is_zero_for_scans_that_were_measured_differently(scans, words):
    networks = networks_of(scans)
    targets = [truth(scan, network) for scan, network in zip(scans, networks, strict=True)]
    target = mixed(targets)
    loss = by_scan(scans, words)
    assert loss(exact(networks[0], target), target)["total"].item() == pytest.approx(0, abs=1e-4)
    exchanged = target._replace(scan=1 - target.scan)
    assert loss(exact(networks[0], target), exchanged)["total"] > 1e-2


@pytest.mark.parametrize("words", [*MEASURED.values(), REFINED], ids=[*MEASURED, "refined"])
def test_terms_are_means_over_the_samples_of_all_scans(scans, words):
    networks = networks_of(scans)
    targets = [truth(scan, network) for scan, network in zip(scans, networks, strict=True)]
    counts = (1, 3)  # samples of each scan in a batch of four
    targets = [
        target.map(lambda part, count=count: part[:count]) for target, count in zip(targets, counts, strict=True)
    ]
    separate = [
        loss(guess(target, network), target)
        for loss, target, network in zip(losses_of(scans, words), targets, networks, strict=True)
    ]
    guesses = [guess(target, network) for target, network in zip(targets, networks, strict=True)]
    heads = [torch.cat([getattr(one, name) for one in guesses]) for name in ("amplitude", "phase")]
    order = torch.tensor([2, 0, 3, 1])
    pred = exact(networks[0], Target(*(head[order] for head in heads)))
    target = Target(*(torch.cat(field)[order] for field in zip(*(one[:3] for one in targets), strict=True)))
    terms = by_scan(scans, words)(pred, target._replace(scan=torch.tensor([0, 1, 1, 1])[order]))
    assert set(terms) == set(separate[0])
    for name, value in terms.items():
        torch.testing.assert_close(value, (separate[0][name] + 3 * separate[1][name]) / 4)


def test_each_scan_has_its_own_correction_of_the_probe(scans):
    networks = networks_of(scans)
    targets = [truth(scan, network) for scan, network in zip(scans, networks, strict=True)]
    loss, target = by_scan(scans, REFINED), mixed(targets)
    shapes = {name: tuple(parameter.shape) for name, parameter in loss.named_parameters()}
    assert shapes == {"of_scan.0.correction": (1, 16, 16, 2), "of_scan.1.correction": (2, 16, 16, 2)}
    loss(guess(target, networks[0]), target)["total"].backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in loss.parameters())


def test_the_correction_of_a_scan_without_samples_has_gradient_zero(scans):
    networks = networks_of(scans)
    target = truth(scans[1], networks[1])._replace(scan=torch.ones(len(POINTS), dtype=torch.int64))
    loss, pred = by_scan(scans, REFINED), guess(target, networks[1])
    total = loss(pred, target)["total"]
    torch.testing.assert_close(total, losses_of(scans, REFINED)[1](pred, target)["total"])
    total.backward()
    absent, present = (parameter.grad.abs().max() for parameter in loss.parameters())
    assert absent == 0
    assert present > 0

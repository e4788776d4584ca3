"""Training steps: small networks with every loss and representation by default, all shipped combinations if slow."""

from itertools import cycle, islice

import pytest

from ptycho_bench.config.build import build
from ptycho_bench.network.scaling import NEUTRAL
from tests.conftest import option, options
from tests.models.conftest import MODELS, ONLY_32_PX, class_of, described, train_one_step

LOSSES, PHASES, AMPLITUDES = options("loss"), options("phase"), options("amplitude")
CIRCULAR_ONLY = ("geodesic",)
FAMILIES = {class_of(model): model for model in reversed(MODELS)}  # first file of each class


def losses_for(phase: str) -> list[str]:
    """Return the losses that accept a phase representation."""
    circular = build(option("phase", phase), scaling=NEUTRAL).circular
    return [loss for loss in LOSSES if circular or loss not in CIRCULAR_ONLY]


def covering_combinations() -> list[tuple[str, str, str]]:
    """Return a few combinations in which every loss, phase and amplitude representation occurs."""
    others = [loss for loss in LOSSES if loss not in CIRCULAR_ONLY]
    count = max(len(others), len(PHASES), len(AMPLITUDES))
    pairs = zip(islice(cycle(others), count), cycle(PHASES), cycle(AMPLITUDES), strict=False)
    return [*pairs, *((loss, "circular", "scaled") for loss in CIRCULAR_ONLY)]


def smallest_px(model: str) -> int:
    return 32 if model in ONLY_32_PX else 16


@pytest.mark.parametrize(("loss", "phase", "amplitude"), covering_combinations())
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_step_with_every_loss_and_representation_lowers_the_loss(four_point_scans, family, loss, phase, amplitude):
    model = FAMILIES[family]
    size_px = smallest_px(model)
    description = described(model, size_px=size_px, small=True, phase=phase, amplitude=amplitude)
    train_one_step(four_point_scans[size_px], description, [loss])


@pytest.mark.parametrize("loss", ["nssim", "weighted"])
@pytest.mark.parametrize("model", ["ppn", "ptychonn"])
def test_a_step_with_a_structural_loss_between_patterns_lowers_the_loss(four_point_scans, model, loss):
    description = described(model, size_px=16, small=True)
    train_one_step(four_point_scans[16], description, [loss], domain="reciprocal")


def test_a_step_of_the_released_ppn_on_its_published_input_lowers_the_loss(four_point_scans):
    train_one_step(four_point_scans[32], described("ppn_released", input="intensity"), ["mse"])


@pytest.mark.parametrize("model", MODELS)
def test_a_step_of_every_small_network_lowers_the_loss(four_point_scans, model):
    size_px = smallest_px(model)
    train_one_step(four_point_scans[size_px], described(model, size_px=size_px, small=True), ["mse", "diffraction"])


@pytest.mark.slow
@pytest.mark.parametrize("size_px", [32, 64])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("model", MODELS)
def test_a_step_of_every_shipped_network_with_every_loss_and_phase_lowers_the_loss(
    four_point_scans, model, phase, size_px
):
    if size_px != 32 and model in ONLY_32_PX:
        pytest.skip("accepts only 32 px, as tests/models/test_shipped_models.py checks")
    description = described(model, size_px=size_px, phase=phase)
    train_one_step(four_point_scans[size_px], description, losses_for(phase))

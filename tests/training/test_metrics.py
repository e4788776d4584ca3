"""Validation metrics: the values of `evaluation.metrics` and scikit-image, for any batches and number of processes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from ptycho_bench.evaluation.evaluate import Images, MetricProtocol
from ptycho_bench.losses.base import Channels
from ptycho_bench.losses.pixel import MSELoss
from ptycho_bench.network.amplitude import ScaledAmplitude
from ptycho_bench.network.inputs import Log1pInput
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.phase import CircularPhase, ScaledPhase
from ptycho_bench.network.sample import Prediction, PtychoSample, Target
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.specimens.objects import wrap_phase
from ptycho_bench.training.compute_options import ComputeOptions
from ptycho_bench.training.metrics import LossTermMeans, compare, compare_by_scan, validation_metrics
from ptycho_bench.training.module import PtychoModule

SCALING = Scaling(
    amplitude_low=0.5, amplitude_high=1.0, phase_low=-1.2, phase_high=0.8, intensity_max=1.0, intensity_p995=0.5
)
WIDE = Scaling(
    amplitude_low=0.2, amplitude_high=1.4, phase_low=-3.0, phase_high=2.5, intensity_max=1.0, intensity_p995=0.5
)
NAMES = {
    *(f"{image}_{name}" for image in ("amplitude", "phase") for name in ("mse", "mae", "psnr_db", "ssim")),
    "phase_wrapped_mae_rad",
    "phase_aligned_psnr_db",
    "phase_aligned_wrapped_mae_rad",
}


class TwoHeads(nn.Module):
    """A model whose outputs follow from its input."""

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        return seen, 2 * seen


def network(scaling: Scaling = SCALING, phase: type = ScaledPhase, **options) -> PtychoNetwork:
    """A small network of 16 px patterns."""
    return PtychoNetwork(
        model=TwoHeads(),
        input_transform=Log1pInput(neighbours=0, scaling=scaling),
        amplitude=ScaledAmplitude(scaling=scaling),
        phase=phase(scaling=scaling, **options),
        scaling=scaling,
    )


def images(count: int, seed: int, scaling: Scaling = SCALING) -> Images:
    """Amplitude and phase of (count, 16, 16) px within the training range."""
    amplitude, phase = torch.rand(2, count, 16, 16, generator=torch.Generator().manual_seed(seed))
    return Images(scaling.unscale_amplitude(amplitude), scaling.unscale_phase(phase))


def encoded(network: PtychoNetwork, values: Images, scan: Tensor | None = None) -> tuple[Prediction, Target]:
    """The same images as a prediction and as a target."""
    target = network.target(values.amplitude, values.phase, None)._replace(scan=scan)
    pred = Prediction(amplitude=target.amplitude, phase=target.phase, unprojected=target.phase, decode=network.decode)
    return pred, target


def compared(network: PtychoNetwork, pred: Images, target: Images):
    return compare(network, encoded(network, pred)[0], encoded(network, target)[1])


def measured(*batches, weights=None) -> dict[str, float]:
    """Validation metrics after these batches."""
    collection = validation_metrics("gaussian")
    for number, batch in enumerate(batches):
        collection.update(batch, 1.0 if weights is None else weights[number])
    return {name: value.item() for name, value in collection.compute().items()}


def part_of(values: Images, part: slice) -> Images:
    return Images(values.amplitude[part], values.phase[part])


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
@pytest.mark.parametrize(("phase", "options"), [(ScaledPhase, {}), (CircularPhase, {"projected": True})])
def test_each_metric_is_the_mean_over_images_of_the_evaluation_metric(window, phase, options):
    net, pred, target = network(phase=phase, **options), images(5, 0), images(5, 1)
    protocol = MetricProtocol(
        data_range="unit", ssim_window=window, spectrum="radial", flattened_ssim=False, scaled_by="auto"
    )
    expected = protocol.measure_all(pred, target, SCALING)
    collection = validation_metrics(window)
    collection.update(compared(net, pred, target))
    found = collection.compute()
    assert set(found) == {f"val_{name}" for name in NAMES}
    for name in NAMES:
        torch.testing.assert_close(found[f"val_{name}"], expected[name].mean(), rtol=1e-4, atol=1e-6)


def test_each_metric_agrees_with_scikit_image():
    pred, target = images(4, 2), images(4, 3)
    found = measured(compared(network(), pred, target))
    for name, scale in (("amplitude", SCALING.scale_amplitude), ("phase", SCALING.scale_phase)):
        pairs = list(zip(*(scale(getattr(part, name)).numpy() for part in (target, pred)), strict=True))
        gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "truncate": 3.5}
        expected = {
            "mse": [mean_squared_error(*pair) for pair in pairs],
            "mae": [np.abs(true - guess).mean() for true, guess in pairs],
            "psnr_db": [peak_signal_noise_ratio(*pair, data_range=1.0) for pair in pairs],
            "ssim": [structural_similarity(*pair, data_range=1.0, **gaussian) for pair in pairs],
        }
        for metric, values in expected.items():
            assert found[f"val_{name}_{metric}"] == pytest.approx(np.mean(values), rel=1e-4, abs=1e-5), metric


def test_ssim_agrees_with_torchmetrics_except_that_borders_are_left_out():
    pred, target = images(4, 2), images(4, 3)
    scaled = [SCALING.scale_amplitude(part.amplitude)[:, None] for part in (pred, target)]
    _, similarity = structural_similarity_index_measure(*scaled, data_range=1.0, return_full_image=True)
    expected = similarity[..., 5:-5, 5:-5].mean().item()
    assert measured(compared(network(), pred, target))["val_amplitude_ssim"] == pytest.approx(expected, abs=1e-5)


def test_phase_errors_are_taken_on_the_circle_and_less_one_constant_per_image():
    target = images(3, 4)
    offsets = torch.tensor([0.3, -0.2, 0.1])[:, None, None]
    found = measured(compared(network(), target._replace(phase=target.phase + offsets), target))
    assert found["val_phase_wrapped_mae_rad"] == pytest.approx(0.2, rel=1e-4)
    assert found["val_phase_aligned_wrapped_mae_rad"] == pytest.approx(0, abs=1e-5)
    assert found["val_phase_aligned_psnr_db"] > 90
    turned = target._replace(phase=target.phase + 2 * math.pi)
    assert measured(compared(network(), turned, target))["val_phase_wrapped_mae_rad"] == pytest.approx(0, abs=1e-5)


def test_batches_give_what_one_batch_gives():
    pred, target = images(7, 5), images(7, 6)
    batches = [
        compared(network(), part_of(pred, part), part_of(target, part))
        for part in (slice(0, 3), slice(3, 4), slice(4, 7))
    ]
    assert measured(*batches) == pytest.approx(measured(compared(network(), pred, target)), rel=1e-5)


def test_an_image_of_weight_zero_does_not_count_even_if_its_psnr_is_infinite():
    pred, target = images(3, 7), images(3, 8)
    counted, perfect = compared(network(), pred, target), compared(network(), target, target)
    assert measured(counted, perfect, weights=[1.0, 0.0]) == measured(counted)
    assert measured(counted, perfect)["val_amplitude_psnr_db"] == math.inf


def test_images_count_by_their_weight():
    first, second = (compared(network(), images(2, seed), images(2, seed + 1)) for seed in (10, 20))
    one, other = measured(first), measured(second)
    expected = {name: (3 * one[name] + other[name]) / 4 for name in one}
    assert measured(first, second, weights=[3.0, 1.0]) == pytest.approx(expected, rel=1e-5)


def test_metrics_start_again_after_a_reset():
    first, second = (compared(network(), images(2, seed), images(2, seed + 1)) for seed in (10, 20))
    collection = validation_metrics("gaussian")
    collection.update(first)
    collection.reset()
    collection.update(second)
    assert {name: value.item() for name, value in collection.compute().items()} == measured(second)


@pytest.mark.parametrize("scalings", [(SCALING, SCALING), (SCALING, WIDE)])
def test_samples_of_several_scans_are_compared_with_the_scaling_of_their_own(scalings):
    networks = [network(scaling) for scaling in scalings]
    pairs = [(images(2, seed, scaling), images(2, seed + 1, scaling)) for seed, scaling in enumerate(scalings)]
    scan = torch.tensor([0, 0, 1, 1])
    preds, targets = (
        [encoded(net, pair[place])[place] for net, pair in zip(networks, pairs, strict=True)] for place in (0, 1)
    )
    heads = {name: torch.cat([getattr(pred, name) for pred in preds]) for name in ("amplitude", "phase", "unprojected")}
    target = Target(*(torch.cat(parts) for parts in zip(*(part[:2] for part in targets), strict=True)), scan=scan)
    mixed = compare_by_scan(networks, Prediction(**heads, decode=networks[0].decode), target)
    alone = [compared(net, *pair) for net, pair in zip(networks, pairs, strict=True)]
    assert measured(mixed) == pytest.approx(measured(*alone), rel=1e-5)
    true_phase = torch.cat([wrap_phase(pair[1].phase) for pair in pairs])
    torch.testing.assert_close(mixed.phase_rad.target, true_phase, atol=1e-5, rtol=0)


def test_loss_terms_are_averaged_over_samples():
    means = LossTermMeans()
    for total, samples in ((1.0, 4), (4.0, 2), (100.0, 0)):
        means.update({"total": torch.tensor(total, requires_grad=True), "phase": torch.tensor(2 * total)}, samples)
    found = means.compute()
    assert {name: value.item() for name, value in found.items()} == {"total": 2.0, "phase": 4.0}
    assert not found["total"].requires_grad


def test_a_validation_epoch_yields_every_term_and_metric_under_its_own_name(monkeypatch):
    recipe = SimpleNamespace(optimizer=torch.optim.Adam)
    options = ComputeOptions(channels_last=False, fused=False, compile=None, attention="auto")
    net = network()
    loss = MSELoss(channels=Channels(1.0, 1.0, False))
    module = PtychoModule(
        network=net, networks=[net], loss=loss, recipe=recipe, metrics=validation_metrics("gaussian"), description={},
        options=options,
    )  # fmt: skip
    shown = {}
    monkeypatch.setattr(module, "log_dict", lambda values, **_: shown.update(values))
    seen, target = torch.rand(3, 1, 16, 16), encoded(net, images(3, 1))[1]
    batches = [PtychoSample(seen, target, 1.0), PtychoSample(seen[:1], target.map(lambda part: part[:1]), 0.0)]
    for batch in batches:
        module.training_step(batch, 0)
        module.validation_step(batch, 0)
    module.on_validation_epoch_end()
    names = ("total", "amplitude_mse_loss", "phase_mse_loss")
    terms = {f"{part}_{name}" for part in ("train", "val") for name in names}
    assert set(module.epoch_terms) == terms | {f"val_{name}" for name in NAMES}
    expected = loss(net.predictions(seen), target)
    for name, value in expected.items():
        column = name if name == "total" else f"{name}_loss"
        for part in ("train", "val"):
            assert module.epoch_terms[f"{part}_{column}"] == pytest.approx(value.item(), rel=1e-6)
    assert shown == {name: module.epoch_terms[name] for name in shown}
    assert set(shown) == {"val_total", "val_amplitude_psnr_db", "val_phase_psnr_db"}
    assert not any("metrics" in name or "means" in name for name in module.state_dict())


def in_process(rank: int, folder: str) -> None:
    """Metrics of one of two processes; the first has 3 images, the second 2 and one that does not count."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    pred, target = images(5, 30), images(5, 31)
    part = (slice(0, 3), slice(3, 5))[rank]
    collection, means = validation_metrics("gaussian"), LossTermMeans()
    collection.update(compared(network(), part_of(pred, part), part_of(target, part)))
    means.update({"total": torch.tensor(float(rank)), "phase": torch.tensor(1.0)}, (3, 2)[rank])
    if rank:
        collection.update(compared(network(), part_of(target, slice(0, 1)), part_of(target, slice(0, 1))), 0.0)
    found = {name: value.item() for name, value in (collection.compute() | means.compute()).items()}
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow  # test_installed compares every column of metrics.csv of one process and of two
def test_two_processes_give_what_one_gives(tmp_path):
    torch.multiprocessing.spawn(in_process, (str(tmp_path),), nprocs=2)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    assert found[0] == found[1]
    expected = measured(compared(network(), images(5, 30), images(5, 31))) | {"total": 2 / 5, "phase": 1.0}
    assert found[0] == pytest.approx(expected, rel=1e-5)

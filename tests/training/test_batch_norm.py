"""Batch-norm statistics after few steps, and their re-estimation from the training part."""

import pytest
import torch
from torch import nn

from ptycho_bench.models.layers import DropPath, SharedBatchNorm2d
from ptycho_bench.training.batch_norm import reestimate_batch_norm

PATTERNS = 5.0 + 3.0 * torch.randn(64, 2, 4, 4, generator=torch.Generator().manual_seed(0))
MOMENTUM, STEPS = 0.01, 60


def network() -> nn.Sequential:
    """Two layers of batch norm; the first one sees the patterns themselves."""
    torch.manual_seed(0)
    norms = [SharedBatchNorm2d(channels, momentum=MOMENTUM) for channels in (2, 3)]
    return nn.Sequential(norms[0], nn.Conv2d(2, 3, 3), norms[1], nn.Dropout(0.5))


def statistics(patterns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return patterns.mean(dim=(0, 2, 3)), patterns.var(dim=(0, 2, 3))


def test_after_few_steps_most_of_a_statistic_is_its_initial_value_and_reestimation_removes_it():
    model = network().train()
    for _ in range(STEPS):
        model(PATTERNS)
    mean, variance = statistics(PATTERNS)
    remaining = (1 - MOMENTUM) ** STEPS
    assert remaining == pytest.approx(0.547, abs=1e-3)
    torch.testing.assert_close(model[0].running_mean, (1 - remaining) * mean)
    torch.testing.assert_close(model[0].running_var, (1 - remaining) * variance + remaining)
    assert reestimate_batch_norm(model, PATTERNS.split(16))
    torch.testing.assert_close(model[0].running_mean, mean)
    torch.testing.assert_close(model[0].running_var, variance)


def test_patterns_have_equal_weights_however_they_come_in_batches():
    first, other = network(), network()
    reestimate_batch_norm(first, PATTERNS.split(64))
    reestimate_batch_norm(other, PATTERNS.split([1, 60, 3]))
    torch.testing.assert_close(first[0].running_mean, other[0].running_mean)
    torch.testing.assert_close(first[0].running_var, other[0].running_var)


def test_a_later_layer_sees_what_training_shows_it():
    model = network()
    reestimate_batch_norm(model, [PATTERNS])
    with torch.no_grad():
        seen = model[1](model[0].train()(PATTERNS))
    mean, variance = statistics(seen)
    torch.testing.assert_close(model[2].running_mean, mean)
    torch.testing.assert_close(model[2].running_var, variance)


def test_testing_after_reestimation_equals_training_without_dropout():
    model = network()
    reestimate_batch_norm(model, [PATTERNS])
    tested = model(PATTERNS)
    model.train()[3].eval()
    torch.testing.assert_close(tested, model(PATTERNS), rtol=2e-3, atol=2e-3)  # biased and unbiased variance


def test_the_update_of_torch_gives_the_same_averages_over_equal_batches():
    model, other = network()[:3], network()[:3]
    reestimate_batch_norm(model, PATTERNS.split(32))
    torch.optim.swa_utils.update_bn(PATTERNS.split(32), other)
    torch.testing.assert_close(model[0].running_mean, other[0].running_mean)
    torch.testing.assert_close(model[0].running_var, other[0].running_var, rtol=1e-2, atol=0)
    torch.testing.assert_close(model[2].running_var, other[2].running_var, rtol=1e-2, atol=0)


def test_doing_it_again_changes_nothing_and_weights_stay():
    model = network()
    weights = {name: value.clone() for name, value in model.named_parameters()}
    reestimate_batch_norm(model, PATTERNS.split(16))
    once = {name: value.clone() for name, value in model.state_dict().items()}
    reestimate_batch_norm(model, PATTERNS.split(16))
    assert all(torch.equal(value, once[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters())
    assert not model.training


def test_a_network_without_batch_norm_takes_no_batch():
    def batches():
        raise AssertionError("a batch was taken")
        yield

    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.GroupNorm(1, 3), DropPath(0.5))
    assert not reestimate_batch_norm(model, batches())


def test_one_of_several_processes_does_it_alone(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda value: pytest.fail("it waits for the others"))
    model = network()
    assert reestimate_batch_norm(model, [PATTERNS])
    torch.testing.assert_close(model[0].running_mean, statistics(PATTERNS)[0])

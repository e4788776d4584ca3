"""Recipes: the papers' numbers, schedules and how often they are stepped."""

import dataclasses
import math

import pytest
import torch
from torch.optim.lr_scheduler import CyclicLR, ReduceLROnPlateau

from ptycho_bench.config.build import build
from ptycho_bench.training.recipe import triangular2
from tests.conftest import composed, options


def recipe(name, *words):
    return build(composed(f"recipe={name}", *words)["recipe"])


def optimizer(lr=1e-3):
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)


EXPECTED = {  # epochs, batch size, gradient norm, learning rate, schedule and the number of batches between its steps
    "ppn": (30, 32, None, 1e-3, (ReduceLROnPlateau, 10)),
    "ppn_fixed_steps": (30, 32, None, 1e-3, (ReduceLROnPlateau, 10)),
    "cpr": (25, 64, 1.0, 1e-3, (CyclicLR, 1)),
    "dpi": (100, 16, None, 1e-4, None),
    "ptychoformer": (100, 30, None, 1e-4, None),
    "ptychonn": (60, 64, None, 1e-3, (CyclicLR, 1)),
    "ptynet": (1000, 4, None, 1e-4, (CyclicLR, 1)),
    "wnet": (60, 64, None, 1e-3, None),
}


@pytest.mark.parametrize("name", options("recipe"))
def test_each_recipe_is_that_of_its_paper(name):
    epochs, batch_size, clip_norm, learning_rate, scheduled = EXPECTED[name]
    made = recipe(name)
    assert (made.epochs, made.batch_size, made.clip_norm) == (epochs, batch_size, clip_norm)
    assert made.optimizer([torch.nn.Parameter(torch.zeros(1))]).param_groups[0]["lr"] == pytest.approx(learning_rate)
    schedule = made.schedule(optimizer(), steps_per_epoch=10)
    assert (schedule if schedule is None else (type(schedule[0]), schedule[1])) == scheduled


@pytest.mark.parametrize("name", options("recipe"))
def test_only_the_recipe_for_few_patterns_fixes_steps_and_reestimates_batch_norm(name):
    made = recipe(name)
    if name == "ppn_fixed_steps":
        assert made.epochs * made.steps_per_epoch == 30 * math.ceil(2782 / 32) == 2610
        assert made.reestimate_batch_norm
    else:
        assert made.steps_per_epoch is None and not made.reestimate_batch_norm


@pytest.mark.parametrize("steps", [0, -3])
def test_an_epoch_without_steps_is_refused(steps):
    with pytest.raises(ValueError, match=rf"steps_per_epoch must lie in \[1, 1000000\], got {steps}; null is one pass"):
        recipe("ppn", f"recipe.steps_per_epoch={steps}")


def test_the_triangle_rises_falls_and_halves():
    steps, adam = 10, optimizer()
    schedule = triangular2(adam, steps_per_epoch=steps, lowest_lr=1e-4, half_cycle_epochs=6.0)
    rates = []
    for _ in range(24 * steps + 1):
        rates.append(adam.param_groups[0]["lr"])
        adam.step()
        schedule.step()
    at = {epoch: rates[epoch * steps] for epoch in (0, 3, 6, 12, 18, 24)}
    assert at == pytest.approx({0: 1e-4, 3: 5.5e-4, 6: 1e-3, 12: 1e-4, 18: 5.5e-4, 24: 1e-4})


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("recipe.scheduler.half_cycle_epochs=0", r"half_cycle_epochs must lie in \(0, 1e12\], got 0"),
        ("recipe.scheduler.lowest_lr=1", r"lowest_lr must lie in \(0, 0.001\], the optimiser's rate, got 1"),
        ("recipe.scheduler.lowest_lr=0", r"lowest_lr must lie in \(0, 1e12\], got 0"),
    ],
)
def test_an_impossible_schedule_is_refused(word, message):
    with pytest.raises(ValueError, match=message):
        recipe("cpr", word)


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"epochs": 10**9}, {"batch_size": -1}, {"clip_norm": math.nan}, {"clip_norm": 0.0}]
)
def test_an_impossible_number_is_refused(change):
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=rf"recipe\.{name} must .*, got {value}"):
        dataclasses.replace(recipe("ppn"), **change)

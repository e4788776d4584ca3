"""Batches: every sample once, an order fixed by seed and epoch, the same steps for any number of processes."""

from collections import Counter
from itertools import chain, zip_longest

import pytest
import torch

from ptycho_bench.network.sample import Target
from ptycho_bench.training.loading.batches import BatchLoader


def loader(count=21, **settings):
    numbers = torch.arange(count, dtype=torch.float32)[:, None, None, None]
    seen = torch.arange(count)[:, None]
    target = Target(numbers + 100, numbers + 200, numbers[:, 0] + 300)
    return BatchLoader(numbers, seen, target, **{"batch_size": 4, **settings})


def order(batches):
    return torch.cat([batch.network_input.flatten() for batch in batches]).tolist()


@pytest.mark.parametrize("seed", [None, 0, 5])
def test_every_sample_comes_once_a_pass(seed):
    batches = list(loader(seed=seed))
    assert sorted(order(batches)) == list(range(21))
    assert [len(batch.network_input) for batch in batches] == [4, 4, 4, 4, 4, 1]
    assert len(loader(seed=seed)) == len(batches)


def test_input_and_target_stay_together():
    for batch in loader(seed=0):
        assert torch.equal(batch.target.amplitude, batch.network_input + 100)
        assert torch.equal(batch.target.phase, batch.network_input + 200)
        assert torch.equal(batch.target.intensity, batch.network_input[:, 0] + 300)
        assert batch.weight == 1


def test_without_a_seed_the_order_is_kept():
    assert order(loader(seed=None)) == list(range(21))


def test_seed_and_epoch_alone_decide_the_order():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = order(loader(seed=3, epoch=lambda: 2))
    torch.rand(5)
    assert order(loader(seed=3, epoch=lambda: 2)) == first
    assert order(loader(seed=4, epoch=lambda: 2)) != first
    assert order(loader(seed=3, epoch=lambda: 3)) != first
    torch.set_rng_state(state)


def test_each_pass_reads_the_epoch_when_it_starts():
    epochs = iter((0, 1))
    batches = loader(seed=0, epoch=lambda: next(epochs))
    assert order(batches) != order(batches)


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_ranks_together_take_the_batches_of_one(world_size):
    ranks = [loader(seed=1, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert {len(rank) for rank in ranks} == {len(loader(seed=1))}
    for whole, *shares in zip_longest(loader(seed=1), *ranks):
        together = [share.network_input.flatten().tolist() for share in shares if share.weight]
        assert sorted(chain(*together)) == sorted(whole.network_input.flatten().tolist())


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_weights_make_the_mean_over_ranks_the_mean_over_samples(world_size):
    ranks = [loader(seed=1, rank=rank, world_size=world_size) for rank in range(world_size)]
    for whole, *shares in zip_longest(loader(seed=1), *ranks):
        losses = [share.weight * share.network_input.square().mean() for share in shares]
        torch.testing.assert_close(sum(losses) / world_size, whole.network_input.square().mean())


@pytest.mark.parametrize("steps", [1, 3, 5, 6, 13, 40])
@pytest.mark.parametrize("count", [3, 21, 24])
def test_a_number_of_steps_repeats_the_samples_evenly_or_leaves_early(count, steps):
    batches = list(loader(count, seed=2, steps=steps))
    assert len(loader(count, seed=2, steps=steps)) == len(batches) == steps
    assert {len(batch.network_input) for batch in batches} == {4}
    taken = Counter(order(batches))
    assert max(taken.values()) - min(taken[number] for number in range(count)) <= 1


def test_a_repetition_takes_another_order_and_an_epoch_too():
    passes = torch.tensor(order(loader(24, seed=0, steps=18))).split(24)
    assert [sorted(one.tolist()) for one in passes] == [list(range(24))] * 3
    assert not torch.equal(passes[0], passes[1]) and not torch.equal(passes[1], passes[2])
    assert passes[0].tolist() == order(loader(24, seed=0))  # the first is that of a single pass
    again, other = (order(loader(24, seed=0, steps=18, epoch=lambda e=epoch: e)) for epoch in (0, 1))
    assert again == torch.cat(passes).tolist() != other


@pytest.mark.parametrize("count", [2, 21])
def test_ranks_take_the_same_fixed_steps_as_one(count):
    ranks = [loader(count, seed=1, steps=9, rank=rank, world_size=3) for rank in range(3)]
    for whole, *shares in zip_longest(loader(count, seed=1, steps=9), *ranks):
        assert sorted(order(shares)) == sorted(order([whole]))
        assert [len(share.network_input) for share in shares] == [2, 1, 1]


def test_a_batch_smaller_than_the_number_of_processes_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at least the 8 processes, got 4"):
        loader(world_size=8)

"""Batches from a file: the same samples as in memory, in their own order, within constant memory."""

import dataclasses
from collections import Counter
from itertools import chain, islice, zip_longest

import numpy as np
import pytest
import torch

from ptycho_bench.config.network import build_network
from ptycho_bench.data.frames import FrameShape
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.network.scaling import NEUTRAL
from ptycho_bench.training.loading.blocks import PartBlocks, scan_parts
from ptycho_bench.training.loading.from_file import BATCHES_AHEAD, FileLoader, FileSamples
from ptycho_bench.training.loading.in_memory import InMemorySamples
from tests.conftest import composed
from tests.training.loading.test_prefetch import threads

CPU = torch.device("cpu")
COLUMNS = 20


class NumberedFrames(FrameShape):
    """Frames whose values are their own number plus `offset`; `requested` lists the numbers of all that were read."""

    def __init__(self, count: int, offset: float = 0.0) -> None:
        self.shape, self.dtype, self.offset = (count, 4, 4), np.dtype(np.float32), offset
        self.requested: list[list[int]] = []

    def __getitem__(self, points):
        self.requested.append(points.tolist())
        return np.broadcast_to(points[:, None, None] + np.float32(self.offset), (len(points), 4, 4)).astype(np.float32)


def scan_of(count: int = 400, offset: float = 0.0) -> SplitScan:
    """A scan whose validation part is every tenth point, and whose test part is the last twenty."""
    points = np.arange(count - 20)
    scan = PtychoScan(
        diffraction=NumberedFrames(count, offset),
        amplitude=NumberedFrames(count, offset + 0.25),
        phase=NumberedFrames(count, offset + 0.5),
        positions_px=np.zeros((count, 2)),
        scan_index=np.stack(np.divmod(np.arange(count), COLUMNS), axis=-1),
        info=ScanInfo(origin="invented"),
    )
    split = Split(points[points % 10 > 0], points[points % 10 == 0], np.arange(count - 20, count))
    return SplitScan("invented", scan, split)


def network(neighbours: int = 0):
    words = ("input=counts", f"input.neighbours={neighbours}", "amplitude=linear", "phase=linear")
    description = {**composed(*words), "scaling": dataclasses.asdict(NEUTRAL)}
    return build_network(description, torch.nn.Identity())


def loader(*scans, part="train", block=16, capacity=64, neighbours=0, **settings) -> FileLoader:
    scans = scans or (scan_of(),)
    parts = scan_parts(scans, [network(neighbours)] * len(scans), part, with_intensity=True)
    settings = {"batch_size": 8, "seed": 0, **settings}
    return FileLoader(PartBlocks(parts, block), capacity=capacity, device=CPU, **settings)


def order(batches) -> list[float]:
    return list(chain(*(batch.target.intensity[:, 0, 0].tolist() for batch in batches)))


@pytest.mark.parametrize("seed", [None, 0, 5])
@pytest.mark.parametrize("capacity", [0, 64, 100_000])
def test_every_sample_comes_once_a_pass_in_full_batches(seed, capacity):
    one = scan_of()
    batches = list(loader(one, seed=seed, capacity=capacity))
    assert sorted(order(batches)) == one.split.train.tolist()
    assert [len(batch.network_input) for batch in batches] == [8] * 42 + [6]
    assert len(loader(one)) == len(batches)


def test_input_and_target_stay_together():
    for batch in loader():
        assert torch.equal(batch.network_input[:, 0], batch.target.intensity)
        assert torch.equal(batch.target.amplitude, batch.network_input + 0.25)
        assert batch.target.scan is None
        assert batch.weight == 1


@pytest.mark.parametrize("capacity", [0, 64, 100_000])
@pytest.mark.parametrize(("count", "steps"), [(24, 1), (24, 9), (400, 11), (400, 42), (400, 43), (400, 150)])
def test_a_number_of_steps_repeats_the_file_evenly_or_leaves_early(count, steps, capacity):
    one = scan_of(count)
    batches = list(loader(one, capacity=capacity, steps=steps))
    assert len(loader(one, steps=steps)) == len(batches) == steps
    assert {len(batch.network_input) for batch in batches} == {8}
    taken = Counter(order(batches))
    passes = 8 * steps // len(one.split.train)
    assert all(passes - 1 <= taken[number] <= passes + 2 for number in one.split.train.tolist())
    assert not threads()


def test_steps_take_the_first_batches_of_a_pass_and_seed_and_epoch_decide_all():
    whole = order(loader())
    assert order(loader(steps=20)) == whole[:160]
    long = order(loader(steps=100))
    assert long == order(loader(steps=100)) and long[:336] == whole[:336]
    assert long[336:672] != long[:336]
    assert order(loader(steps=100, epoch=lambda: 1)) != long


def test_ranks_take_the_same_fixed_steps_as_one():
    few = scan_of(24)  # three training points
    ranks = [loader(few, steps=6, rank=rank, world_size=3) for rank in range(3)]
    for whole, *shares in zip_longest(loader(few, steps=6), *ranks):
        assert sorted(order(shares)) == sorted(order([whole]))
        assert [len(share.network_input) for share in shares] == [3, 3, 2]


def test_without_a_seed_the_order_is_kept():
    one = scan_of()
    assert order(loader(one, part="validation", seed=None)) == one.split.validation.tolist()


def test_seed_and_epoch_alone_decide_the_order():
    first = order(loader(seed=3, epoch=lambda: 2))
    assert order(loader(seed=3, epoch=lambda: 2)) == first
    assert order(loader(seed=4, epoch=lambda: 2)) != first
    assert order(loader(seed=3, epoch=lambda: 3)) != first


def test_each_pass_reads_the_epoch_when_it_starts():
    epochs = iter((0, 1))
    batches = loader(epoch=lambda: next(epochs))
    assert order(batches) != order(batches)


def test_batches_mix_blocks_and_a_buffer_for_all_samples_mixes_the_whole_set():
    blocks = [{int(number) // 20 for number in order([batch])} for batch in islice(loader(capacity=100), 5, 30)]
    assert np.mean([len(seen) for seen in blocks]) > 3
    halves = np.array_split(order(loader(capacity=100_000)), 2)
    assert abs(halves[0].mean() - halves[1].mean()) < 40


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_together_take_the_batches_of_one(world_size):
    ranks = [loader(rank=rank, world_size=world_size) for rank in range(world_size)]
    for whole, *shares in zip_longest(loader(), *ranks):
        together = [order([share]) for share in shares if share.weight]
        assert sorted(chain(*together)) == sorted(order([whole]))
        losses = [share.weight * share.network_input.mean() for share in shares]
        torch.testing.assert_close(sum(losses) / world_size, whole.network_input.mean())


def test_a_rank_without_a_sample_takes_part_with_weight_zero():
    *_, last = loader(scan_of(400), batch_size=341, rank=1, world_size=2)
    assert (len(last.network_input), last.weight) == (1, 0)


@pytest.mark.parametrize("count", [400, 4000])
def test_memory_holds_at_most_the_buffer_a_block_and_the_batches_ahead(count):
    one, ahead = scan_of(count), []
    frames = one.scan.diffraction
    for taken, _ in enumerate(loader(one, block=16, capacity=64), start=1):
        ahead.append(sum(map(len, frames.requested)) - 8 * taken)
    assert max(ahead) <= 64 + 16 + 8 * (BATCHES_AHEAD + 1)
    assert max(map(len, frames.requested)) == 16


def test_a_block_is_contiguous_in_the_file_and_only_points_of_the_part_are_read():
    one = scan_of()
    list(loader(one))
    for array in (one.scan.diffraction, one.scan.amplitude, one.scan.phase):
        assert sorted(chain(*array.requested)) == one.split.train.tolist()
        assert all(points == sorted(points) and points[-1] - points[0] < 20 for points in array.requested)
    assert one.scan.diffraction.requested != sorted(one.scan.diffraction.requested)


@pytest.mark.parametrize("neighbours", [0, 1])
@pytest.mark.parametrize("part", ["train", "validation"])
def test_samples_are_those_of_a_set_in_memory(neighbours, part):
    scans = [scan_of(), scan_of(300, offset=1000.0)]
    networks = [network(neighbours)] * 2
    settings = {"batch_size": 16, "seed": None}
    in_memory, from_file = (
        kind(scans, networks, with_intensity=True).loader(part, CPU, **settings)
        for kind in (InMemorySamples, FileSamples)
    )
    assert len(in_memory) == len(from_file)
    for one, other in zip(in_memory, from_file, strict=True):
        assert torch.equal(one.network_input, other.network_input)
        for expected, found in zip(one.target, other.target, strict=True):
            assert torch.equal(expected, found)


def test_a_neighbourhood_stays_with_its_sample_when_mixed():
    for batch in loader(neighbours=1):
        own, right = batch.network_input[:, 4, 0, 0], batch.network_input[:, 5, 0, 0]
        assert torch.equal(own, batch.target.intensity[:, 0, 0])
        assert set((right - own)[right > 0].tolist()) == {1.0}


def test_several_scans_are_mixed_and_each_sample_names_its_own():
    scans = [scan_of(), scan_of(300, offset=1000.0)]
    batches = list(loader(*scans, capacity=200))
    assert sum(set(batch.target.scan.tolist()) == {0, 1} for batch in batches) > len(batches) // 2
    for batch in batches:
        assert torch.equal(batch.target.scan == 1, batch.target.intensity[:, 0, 0] >= 1000)


def test_large_samples_come_in_smaller_blocks_and_the_buffer_keeps_its_size(monkeypatch):
    monkeypatch.setattr("ptycho_bench.training.loading.from_file.BUFFER_BYTES", 80 * 4 * 16 * 4)  # 80 samples
    samples = FileSamples([scan_of()], [network()], with_intensity=True)  # counts
    made = samples.loader("train", CPU, batch_size=8, seed=0)
    assert (made.capacity, made.blocks.size) == (80, 10)


def test_breaking_early_leaves_no_thread():
    for batch in loader():
        assert len(batch.network_input)
        break
    assert not threads()


def test_a_reading_error_reaches_the_caller(monkeypatch):
    one = scan_of()
    read = NumberedFrames.__getitem__

    def broken(self, points):
        if len(self.requested) == 3:
            raise OSError("the disk failed")
        return read(self, points)

    monkeypatch.setattr(NumberedFrames, "__getitem__", broken)
    with pytest.raises(OSError, match="the disk failed"):
        list(loader(one))
    assert not threads()


def test_a_batch_smaller_than_the_number_of_processes_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at least the 9 processes, got 8"):
        loader(world_size=9)

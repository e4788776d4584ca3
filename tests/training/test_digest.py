"""The digest of a checkpoint changes with everything in it, and a damaged file is refused."""

import random
from collections import OrderedDict

import pytest
import torch

from ptycho_bench.training.checkpoints import AtomicCheckpointIO
from ptycho_bench.training.digest import DIGEST, digest_of, read_checked

CONTENT = {
    "epoch": 3,
    "state_dict": OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.tensor(2), c=torch.zeros(0)),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "betas": (0.9, 0.999), "lr": 1e-3}],
    "ptycho_bench": {"run": "small", "null": None, "flag": True, "nan": float("nan")},
}


def changed(**values: object) -> dict:
    return {**CONTENT, **values}


def test_the_digest_of_what_is_read_is_that_of_what_was_written(tmp_path):
    path = tmp_path / "best.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    read = read_checked(path)
    assert read[DIGEST] == digest_of(read) == digest_of(CONTENT)
    AtomicCheckpointIO().save_checkpoint(read, path)  # the digest that it contains is not part of it
    assert read_checked(path)[DIGEST] == digest_of(CONTENT)


@pytest.mark.parametrize(
    "other",
    [
        changed(epoch=4),
        changed(epoch=3.0),
        changed(epoch=True),
        changed(epoch="3"),
        changed(extra=None),
        changed(half=torch.ones(3, dtype=torch.float16)),
        changed(half=torch.ones(3, 1, dtype=torch.bfloat16)),
        changed(optimizer_states=tuple(CONTENT["optimizer_states"])),
        changed(optimizer_states=[[]]),
        changed(ptycho_bench={**CONTENT["ptycho_bench"], "run": "smalm"}),
        changed(state_dict={"a": torch.arange(6.0).reshape(3, 2), "b": torch.tensor(2), "c": torch.zeros(0)}),
        dict(reversed(CONTENT.items())),
    ],
)
def test_every_difference_changes_the_digest(other):
    assert digest_of(other) != digest_of(CONTENT)


@pytest.mark.parametrize("value", [object(), {1, 2}, torch.zeros(1).expand(10**12), torch.zeros(2, 2).to_sparse()])
def test_values_that_no_training_stores_are_refused(value):
    with pytest.raises(ValueError, match="a checkpoint can"):
        digest_of({"value": value})


def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path):
    path, damaged = tmp_path / "best.ckpt", tmp_path / "damaged.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    content, generator = path.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(200):
        place = generator.randrange(len(content))
        flipped = content[place] ^ (1 << generator.randrange(8))
        damaged.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
        try:
            assert digest_of(read_checked(damaged)) == digest_of(CONTENT)  # a bit that no reader looks at
        except ValueError as error:
            refused += 1
            assert str(error).startswith(str(damaged)) and "\n" not in str(error)
    assert refused > 20


@pytest.mark.parametrize("kept", [0, 100, 1000])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = tmp_path / "best.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"best\.ckpt cannot be read as a checkpoint"):
        read_checked(path)


def test_a_file_without_a_digest_or_with_endless_nesting_is_refused(tmp_path):
    path = tmp_path / "best.ckpt"
    torch.save(CONTENT, path)
    with pytest.raises(ValueError, match="contains no digest"):
        read_checked(path)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="damaged"):
        from ptycho_bench.training.digest import check_digest

        check_digest({"deep": deep, DIGEST: "0" * 64}, path)

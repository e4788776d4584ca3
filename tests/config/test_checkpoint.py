"""A checkpoint is data: nothing in it is run, interpolated, or used as a path, and every error is one line."""

import copy
import os
from pathlib import Path

import pytest
import torch

from ptycho_bench.config.checkpoint import KEY, SCHEMA, check_description, load_network, read_checkpoint
from ptycho_bench.config.description import describe
from ptycho_bench.config.network import build_model, build_network
from ptycho_bench.network.scaling import NEUTRAL
from ptycho_bench.training.checkpoints import AtomicCheckpointIO
from ptycho_bench.training.digest import DIGEST
from tests.conftest import composed

HASH = "0" * 64
SMALL = ("model=ptychonn", "input=log1p", "model.width=2", "model.narrowest=4")
ATTACK = {"_target_": "os.mkdir", "path": "PWNED"}
NAMED_ATTACK = {"kind": "os.mkdir", "path": "PWNED"}


def description_of(*words: str) -> dict:
    """The description of a small network, as ptycho-train writes it."""
    cfg = composed(*(words or SMALL))
    scaling = {**vars(NEUTRAL), "log1p_mean": torch.zeros(16, 16)}
    return {
        "schema": SCHEMA,
        "run": "ptychonn-mse-s0-0123456789",
        "choices": {"model": "ptychonn", "experiment": None},
        "size_px": 16,
        **{
            part: describe(cfg[part]) for part in ("model", "input", "amplitude", "phase", "noise", "metrics", "stitch")
        },
        "data": {"kind": "simulate_scan", "name": "ltem", "photons": 1e4},
        "scaling": scaling,
        "test": [
            {
                "name": "ltem",
                "words": "data=ltem",
                "content_hash": HASH,
                "points": [0, 1],
                "train": [[2, 5], [7, 8]],
                "region_px": [0.0, 9.0, 0.0, 9.0],
            }
        ],
        "geometry": {"pixel_size_m": None, "energy_ev": 8800.0},
    }


def saved(folder: Path, description: object) -> Path:
    """A checkpoint file with this description and fitting weights."""
    whole = description_of()
    network = build_network(whole, build_model(whole))
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    path = folder / "best.ckpt"
    AtomicCheckpointIO().save_checkpoint({KEY: description, "state_dict": weights}, path)
    return path


def refusal(path: Path) -> str:
    """Return the line with which a checkpoint is refused."""
    with pytest.raises(ValueError) as caught:
        load_network(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_what_ptycho_train_writes_is_read(tmp_path):
    network = load_network(saved(tmp_path, description_of()))
    amplitude, phase = network.predict(torch.ones(2, 16, 16), batch_size=2)
    assert amplitude.shape == phase.shape == (2, 16, 16)


PLACES = [
    "model", "input", "amplitude", "phase", "noise", "metrics", "stitch", "data", "scaling", "geometry", "test", "run",
    "size_px",
]  # fmt: skip


@pytest.mark.parametrize("attack", [ATTACK, NAMED_ATTACK], ids=["_target_", "kind"])
@pytest.mark.parametrize("place", PLACES)
def test_a_part_that_names_code_is_refused_and_runs_nothing(tmp_path, monkeypatch, place, attack):
    monkeypatch.chdir(tmp_path)
    description = description_of()
    description[place] = [attack] if place == "test" else attack
    if place in ("noise", "metrics", "stitch", "data") and "kind" in attack:
        read_checkpoint(saved(tmp_path, description))  # plain values, from which nothing is built
    else:
        refusal(saved(tmp_path, description))
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("attack", [ATTACK, NAMED_ATTACK], ids=["_target_", "kind"])
@pytest.mark.parametrize("place", ["model", "input", "amplitude", "phase"])
@pytest.mark.parametrize("depth", [1, 3])
def test_code_named_inside_a_part_is_refused_and_runs_nothing(tmp_path, monkeypatch, place, attack, depth):
    monkeypatch.chdir(tmp_path)
    description = description_of()
    inner = attack
    for _ in range(depth - 1):
        inner = {"inner": [inner]}
    description[place] = {**description[place], "width": inner}
    path = saved(tmp_path, description)
    with pytest.raises(ValueError) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "PWNED").exists()


def test_a_part_cannot_name_a_class_of_another_group(tmp_path):
    description = description_of()
    description["model"] = {"kind": "object_from_complex", "object_path": "/etc/hostname", "object_key": None}
    with pytest.raises(ValueError, match="is not a known class of conf/model"):
        load_network(saved(tmp_path, description))


@pytest.mark.parametrize(
    "name", ["../../x", "/tmp/x", "a/b", "..", ".hidden", "${oc.env:HOME}", "", "a\nb", "x" * 300, 3]
)
def test_a_hostile_name_of_a_run_is_refused(tmp_path, name):
    assert "run" in refusal(saved(tmp_path, {**description_of(), "run": name}))


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "a${data_root}", "line\nbreak", "x" * 2000])
@pytest.mark.parametrize("place", ["model", "data", "noise", "metrics", "stitch"])
def test_interpolations_and_odd_texts_are_refused(tmp_path, place, text):
    description = description_of()
    description[place] = {**description[place], "value": text}
    assert place in refusal(saved(tmp_path, description))


@pytest.mark.parametrize(
    ("place", "value"),
    {
        "schema": 3,
        "size_px": 10**9,
        "scaling": {"amplitude_low": "os"},
        "test": [],
        "geometry": {"energy_ev": "much"},
        "choices": {"data": "../x"},
        "own_scaling": {"short": {}},
        "unknown": 1,
    }.items(),
)
def test_values_of_another_kind_are_refused(tmp_path, place, value):
    refusal(saved(tmp_path, {**description_of(), place: value}))


@pytest.mark.parametrize(
    "train", [[], [[0]], [[0, 1, 2]], [[3, 3]], [[5, 4]], [[0, 4], [2, 6]], [[4, 6], [0, 2]], [[-1, 2]], [[0, 10**9]]]
)
def test_training_points_that_are_no_rising_ranges_are_refused(tmp_path, train):
    description = description_of()
    (tested,) = description["test"]
    assert "test.0.train" in refusal(saved(tmp_path, {**description, "test": [{**tested, "train": train}]}))


@pytest.mark.parametrize("stored", [[], ["x"], "text", 3, None, {}, {"schema": SCHEMA}, {"schema": 3}])
def test_a_description_of_another_shape_is_refused(tmp_path, stored):
    refusal(saved(tmp_path, stored))


def test_deeply_nested_values_are_refused(tmp_path):
    deep: dict = {}
    for _ in range(60):
        deep = {"a": deep}
    description = description_of()
    description["model"] = {**description["model"], "width": deep}
    assert "nested" in refusal(saved(tmp_path, description))


def test_a_pickle_is_not_loaded(tmp_path, monkeypatch):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "PWNED"),)

    torch.save({KEY: Attack(), "state_dict": {}}, tmp_path / "best.ckpt")
    refusal(tmp_path / "best.ckpt")
    assert not (tmp_path / "PWNED").exists()


def test_weights_of_another_network_are_refused_in_one_line(tmp_path):
    description = description_of()
    description["model"] = {**description["model"], "width": 4}
    with pytest.raises(ValueError, match="weights do not fit") as caught:
        load_network(saved(tmp_path, description))
    assert "\n" not in str(caught.value)


def test_checking_changes_nothing():
    description = description_of()
    before = copy.deepcopy({k: v for k, v in description.items() if k != "scaling"})
    checked = check_description(description, "file")
    assert {k: v for k, v in checked.items() if k != "scaling"} == before


def test_a_changed_weight_is_noticed(tmp_path):
    path = saved(tmp_path, description_of())
    checkpoint = torch.load(path, weights_only=True)
    next(iter(checkpoint["state_dict"].values())).view(-1)[0] += 1e-3
    torch.save(checkpoint, path)
    assert "is damaged: its content does not match its digest; use a copy or train it again" in refusal(path)


def test_a_checkpoint_without_a_digest_is_refused_and_an_older_one_by_its_schema(tmp_path):
    path = saved(tmp_path, description_of())
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint[DIGEST]
    torch.save(checkpoint, path)
    assert "contains no digest of its content; train it again" in refusal(path)
    checkpoint[KEY]["schema"] = SCHEMA - 1
    torch.save(checkpoint, path)
    assert f"has schema {SCHEMA - 1}, this release reads {SCHEMA}; train it again" in refusal(path)

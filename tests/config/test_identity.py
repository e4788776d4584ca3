"""Identities are stable: they change only if a result changes."""

import copy

import hydra
import pytest

from ptycho_bench.config import identity
from ptycho_bench.config.data_choice import data_set
from ptycho_bench.config.description import describe
from ptycho_bench.config.identity import deviations, run_identity, simulation_identity
from ptycho_bench.config.run import run_of

RUNS = {
    "": "c6bbdf6a777f4cea",
    "model=ptychonn seed=3": "3039b7c332af23fc",
    "model=ppn loss=weighted": "bbad845291ec73a6",
    "preset=cpr": "9411f42a3cb5050e",
    "preset=ptychonn noise=ppn": "1816a46c7f106939",
    "preset=ptychoformer": "7fcbe8128dac0870",
    "model=w3 data.overlap_ratio=0.5": "dfd07b86afe4604d",
    "loss=diffraction amplitude=constrained phase=radians": "b98f7f88b376bf90",
    "data=ltem_wrapped preset=cpr split=ppn": "8bc821fb68319852",
    "data=aps26id_sim preset=wnet split=wnet trainer.precision=bf16-mixed": "96173f5d7114515e",
}
SCANS = {
    "data=ltem": "a8d9dceccd80c9f5",
    "data=aps26id_sim": "c84037ddb69d11ac",
}


def run_for(*words: str):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("config", list(words), return_hydra_config=True)
        choices = dict(cfg.hydra.runtime.choices)
        return run_of(cfg, choices)


@pytest.mark.parametrize("words", RUNS)
def test_ten_runs_keep_their_identity(words):
    assert run_for(*words.split()).identity[:16] == RUNS[words]


@pytest.mark.parametrize("words", SCANS)
def test_two_data_sets_keep_their_identity(words):
    (scan,) = run_for(*words.split()).data.scans
    assert scan.identity()[:16] == SCANS[words]


def test_an_identity_ignores_where_a_run_goes_and_what_it_is_computed_on():
    first = run_for()
    same = ("outputs_dir=/elsewhere", "study=x", "trainer=ddp", "logger=wandb", "pictures=false", "overwrite=true")
    assert run_for(*same).identity == first.identity
    assert run_for("scaling=own").identity == first.identity  # one scan has one scaling
    assert run_for("recipe.clip_norm=null", "loss=mse").identity == first.identity


@pytest.mark.parametrize(
    "word", ["seed=1", "noise=ppn", "trainer.precision=bf16-mixed", "model.width=16", "recipe.epochs=4", "loss=mae",
             "metrics=cpr", "split=ppn", "data.photons=1e4", "input.neighbours=1", "model=ppn_local"],
)  # fmt: skip
def test_an_identity_changes_with_whatever_changes_a_result(word):
    assert run_for(word).identity != run_for().identity


def test_a_preset_is_the_run_that_its_choices_describe():
    words = ("model=circular", "input=dual_gain", "phase=circular", "loss=geodesic", "recipe=cpr", "split=cpr")
    assert run_for("preset=cpr").identity == run_for(*words).identity


def test_a_module_that_moves_renames_no_run(monkeypatch):
    before = run_for("model=ppn").identity
    moved = copy.deepcopy(identity_of_conf())
    target = moved["model"]["PPN"]
    monkeypatch.setattr("ptycho_bench.config.registry.shipped_classes", lambda: moved)
    moved["model"]["PPN"] = "ptycho_bench.elsewhere.PPN"
    node = {"_target_": "ptycho_bench.elsewhere.PPN", "patch": 8}
    assert describe(node) == {"kind": "PPN", "patch": 8}
    moved["model"]["PPN"] = target
    assert run_for("model=ppn").identity == before


def identity_of_conf() -> dict:
    from ptycho_bench.config.registry import shipped_classes

    return shipped_classes()


def test_an_option_that_is_added_later_and_changes_nothing_renames_no_run(monkeypatch):
    described = run_for().groups
    values = {"seed": 0, "scaling": "joint", "precision": "32-true", "streamed": False}
    before = run_identity(described, values, "data")
    added = {**described, "model": {**described["model"], "dropout": 0.0}}
    assert run_identity(added, values, "data") != before
    monkeypatch.setitem(identity.NEUTRAL, "PPN", {"dropout": 0})
    assert run_identity(added, values, "data") == before
    assert run_identity({**added, "model": {**added["model"], "dropout": 0.1}}, values, "data") != before
    monkeypatch.setitem(identity.NEUTRAL, identity.RUN, {**identity.NEUTRAL[identity.RUN], "steps": None})
    assert run_identity(added, {**values, "steps": None}, "data") == before
    assert run_identity(added, {**values, "steps": 100}, "data") != before


def test_an_option_of_a_simulation_that_is_added_later_renames_no_scan(monkeypatch):
    (scan,) = run_for().data.scans
    data = {**scan.data, "drift_px": 0.0, "probe": {**scan.data["probe"], "astigmatism_waves": 0.0}}
    monkeypatch.setitem(identity.NEUTRAL, "simulate_scan", {"drift_px": 0})
    monkeypatch.setitem(identity.NEUTRAL, "defocused_aperture", {"astigmatism_waves": 0})
    assert simulation_identity(data, scan.noise) == scan.identity()
    assert simulation_identity({**data, "drift_px": 1.0}, scan.noise) != scan.identity()


def test_whole_numbers_are_equal_however_they_were_written():
    assert run_for("data.photons=63722").identity == run_for("data.photons=63722.0").identity


def test_the_name_of_a_data_set_is_not_part_of_its_identity():
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        scans = [data_set(hydra.compose("simulate", words)).only() for words in ([], ["data.name=other"])]
    assert scans[0].identity() == scans[1].identity()
    assert scans[1].path.name.startswith("other-")


def test_the_flag_of_a_class_that_is_completed_later_is_not_part_of_an_identity():
    assert deviations({"kind": "PoCA", "partial": True, "heads": 2}) == {"kind": "PoCA", "heads": 2}


def test_the_protocol_version_is_part_of_an_identity(monkeypatch):
    before = run_for().identity
    monkeypatch.setattr(identity, "PROTOCOL_VERSION", identity.PROTOCOL_VERSION + 1)
    assert run_for().identity != before

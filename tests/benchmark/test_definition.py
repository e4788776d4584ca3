"""Benchmarks as data: every file is complete, and a mistake is refused in one line that names its place."""

import functools

import hydra
import pytest
from omegaconf import OmegaConf

from ptycho_bench.benchmark.definition import MOST_CELLS, Benchmark
from ptycho_bench.benchmark.rows import Printed
from tests.conftest import CONF, options

SMALL = {
    "title": "two rows", "source": "here", "base": {"data": "ltem"}, "seeds": [0, 1], "part": "stitched",
    "metrics": {"phase_ssim": "higher"},
    "rows": [{"label": "a", "run": {"model": "w3"}, "paper": {"phase_ssim": [0.7, 0.1]}}, {"label": "b", "run": {}}],
}  # fmt: skip
UNTRAINED = [
    {"label": "ePIE", "solve": {"solver": "epie"}},
    {"label": "mean", "reference": {"predictor": "training_mean"}},
]
GROUPS = {"Noise-free": {"noise": "none"}, "Noisy": {"noise": "ppn"}}


@functools.cache
def shipped(name):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        node = hydra.compose("sweep", [f"benchmark={name}"]).benchmark
    return Benchmark.of(name, OmegaConf.to_container(node, resolve=True))


@pytest.mark.parametrize("name", options("benchmark"))
def test_every_file_is_a_complete_benchmark(name):
    benchmark = shipped(name)
    assert benchmark.seeds == list(range(len(benchmark.seeds)))
    cells = list(benchmark.cells())
    assert len({(c.row.group, c.row.label, c.value, c.seed) for c in cells}) == len(cells)
    assert (CONF / "benchmark" / f"{name}.yaml").read_text().startswith("# ")


@pytest.mark.parametrize("name", options("benchmark"))
def test_every_network_names_its_input_phase_and_loss_because_no_other_file_does(name):
    benchmark = shipped(name)
    for row in benchmark.rows:
        if row.run is not None:
            overrides = set(benchmark.training(row, benchmark.values[-1]))
            chosen = overrides | (
                {"model", "input", "phase", "loss", "recipe", "split"} if "preset" in overrides else set()
            )
            assert {"model", "input", "phase", "loss", "data", "split", "recipe"} <= chosen, row.label


def test_the_papers_numbers_are_within_their_range():
    for name in options("benchmark"):
        for row in shipped(name).rows:
            for metric, value in row.paper.items():
                if metric.endswith("_ssim"):
                    assert 0 < value.mean < 1
                if metric.endswith("_psnr_db"):
                    assert 5 < value.mean < 30


def test_cells_go_row_by_row_and_a_solver_and_a_reference_have_no_seed():
    node = {**SMALL, "vary": {"label": "overlap", "key": "data.overlap_ratio", "values": [0.3, 0.6], "of": "testing"}}
    node["rows"] = [*SMALL["rows"], *UNTRAINED]
    cells = [(cell.row.label, cell.value, cell.seed) for cell in Benchmark.of("x", node).cells()]
    assert cells[:4] == [("a", 0.3, 0), ("a", 0.3, 1), ("a", 0.6, 0), ("a", 0.6, 1)]
    assert cells[-4:] == [("ePIE", 0.3, None), ("ePIE", 0.6, None), ("mean", 0.3, None), ("mean", 0.6, None)]


def test_seeds_that_change_the_data_give_every_row_a_run_for_each_seed():
    benchmark = Benchmark.of("x", {**SMALL, "rows": [*SMALL["rows"], *UNTRAINED], "seeded": ["data.seed"]})
    assert [cell.seed for cell in benchmark.cells()] == [0, 1] * 4


def test_overrides_of_a_row_come_after_the_shared_ones_and_what_varies_comes_last():
    vary = {"label": "alpha", "key": "loss.alpha", "values": [0.5], "of": "training"}
    rows = [{"label": "a", "run": {"data": "curved", "loss.alpha": 0.1}, "test": {"region": "all"}}]
    benchmark = Benchmark.of("x", {**SMALL, "rows": rows, "vary": vary})
    (row,) = benchmark.rows
    assert benchmark.training(row, 0.5) == {"data": "curved", "loss.alpha": 0.5}
    assert benchmark.testing(row, 0.5, 0) == {"region": "all"}


def test_a_printed_number_may_have_a_spread_and_a_missing_one_is_left_out():
    rows = [{"label": "a", "run": {}, "paper": {"phase_ssim": [0.7, 0.1], "phase_mse": 1, "phase_mae": None}}]
    metrics = {"phase_ssim": "higher", "phase_mse": "lower", "phase_mae": "lower"}
    paper = Benchmark.of("x", {**SMALL, "rows": rows, "metrics": metrics}).rows[0].paper
    assert paper == {"phase_ssim": Printed(0.7, 0.1), "phase_mse": Printed(1.0, None)}


def test_groups_multiply_the_rows_that_have_no_group_of_their_own():
    rows = [
        {"label": "a", "run": {"model": "w3"}, "paper": {"Noisy": {"phase_ssim": 0.5}}},
        {"label": "b", "run": {"model": "w1"}, "paper": {"phase_ssim": 0.6}},
        {"label": "c", "group": "other", "run": {"model": "w2"}},
    ]
    benchmark = Benchmark.of("x", {**SMALL, "rows": rows, "groups": GROUPS})
    assert [(row.group, row.label) for row in benchmark.rows] == [
        ("Noise-free", "a"), ("Noise-free", "b"), ("Noisy", "a"), ("Noisy", "b"), ("other", "c")
    ]  # fmt: skip
    assert [row.run.get("noise") for row in benchmark.rows] == ["none", "none", "ppn", "ppn", None]
    papers = [row.paper.get("phase_ssim") for row in benchmark.rows]
    assert papers == [None, Printed(0.6, None), Printed(0.5, None), Printed(0.6, None), None]
    assert benchmark.group_names() == ["Noise-free", "Noisy", "other"]


def test_a_solver_in_a_group_takes_the_groups_values_of_solvers_and_the_network_takes_all():
    groups = {"Noisy": {"noise": "ppn", "data.photons": 1e3, "solver.iterations": 5}}
    rows = [{"label": "a", "run": {"model": "w3"}}, *UNTRAINED]
    network, solver, mean = Benchmark.of("x", {**SMALL, "rows": rows, "groups": groups}).rows
    assert network.run == {"model": "w3", "noise": "ppn", "data.photons": 1e3, "solver.iterations": 5}
    assert solver.solve == {"solver": "epie", "solver.iterations": 5} and solver.test == {}
    assert mean.reference == {"predictor": "training_mean"}


def test_the_first_network_of_the_group_is_the_one_on_whose_field_others_are_scored():
    rows = [*SMALL["rows"], *UNTRAINED, {"label": "c", "group": "other", "run": {}}, {**UNTRAINED[0], "group": "none"}]
    benchmark = Benchmark.of("x", {**SMALL, "rows": rows, "groups": GROUPS})
    by_place = {(row.group, row.label): row for row in benchmark.rows}
    assert benchmark.network_for(by_place["Noisy", "mean"]) is by_place["Noisy", "a"]
    assert benchmark.network_for(by_place["other", "c"]) is by_place["other", "c"]
    with pytest.raises(ValueError, match=r"^group 'none' of benchmark x has no network on whose test field 'ePIE'"):
        benchmark.network_for(by_place["none", "ePIE"])


def test_the_test_of_a_reference_names_its_predictor_and_what_varies():
    vary = {"label": "overlap", "key": "data.overlap_ratio", "values": [0.3], "of": "testing"}
    rows = [SMALL["rows"][0], {**UNTRAINED[1], "test": {"region": "all"}}]
    benchmark = Benchmark.of("x", {**SMALL, "rows": rows, "vary": vary})
    tested = {"predictor": "training_mean", "region": "all", "data.overlap_ratio": 0.3}
    assert [benchmark.testing(row, 0.3, 0) for row in benchmark.rows] == [{"data.overlap_ratio": 0.3}, tested]


@pytest.mark.parametrize(
    "metric",
    [
        "frc_resolution_px", "diffraction_misfit", "amplitude_band_low", "phase_band_middle", "phase_band_high",
        "amplitude_ssim_flattened", "phase_ssim_flattened", "phase_aligned_psnr_db",
    ],
)  # fmt: skip
def test_a_metric_of_the_record_may_be_a_column_with_or_without_a_better_direction(metric):
    for direction in ("higher", "lower", "none"):
        rows = [{"label": "a", "run": {}}]
        assert Benchmark.of("x", {**SMALL, "rows": rows, "metrics": {metric: direction}}).metrics == {metric: direction}


def rows(**changes):
    return {"rows": [{"label": "a", "run": {}, **changes}]}


def vary(**changes):
    return {"vary": {"label": "x", "key": "y", "values": [1], "of": "training", **changes}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": []}, "seeds: List should have at least 1 item"),
        ({"seeds": [1, 1]}, "seeds must differ, got [1, 1]"),
        ({"seeds": ["a"]}, "seeds.0: Input should be a valid integer, got 'a'"),
        ({"seeds": [True]}, "seeds.0: Input should be a valid integer, got True"),
        ({"seeds": [1e9]}, "seeds.0: Input should be a valid integer, got 1000000000.0"),
        ({"seeds": 10**9}, "seeds: Input should be a valid list, got 1000000000"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0, got -1"),
        ({"seeds": list(range(MOST_CELLS + 1))}, f"seeds: List should have at most {MOST_CELLS} items"),
        ({"seeds": list(range(MOST_CELLS // 2 + 1))}, f"at most {MOST_CELLS} cells are allowed, got 10002"),
        ({"part": "whole"}, "part: Input should be 'stitched' or 'patch_mean', got 'whole'"),
        (
            {"metrics": {"phase_ssim": "up"}},
            "metrics.phase_ssim: Input should be 'higher', 'lower' or 'none', got 'up'",
        ),
        ({"metrics": {"phase_aligned_ssim_flattened": "higher"}}, "'phase_aligned_ssim_flattened' is not a metric"),
        ({"seeded": ["a b"]}, "seeded.0: a key consists of letters, digits and _ . @ /, got 'a b'"),
        ({"metrics": {"phase_sim": "higher"}}, "metrics.phase_sim: 'phase_sim' is not a metric; use a name from"),
        ({"metrics": {}}, "metrics: Dictionary should have at least 1 item"),
        ({"colour": 1}, "unknown key colour; known are title, source, note"),
        ({"name": "y"}, "without the key name"),
        ({"title": " "}, "title: must not be empty"),
        ({"rows": []}, "rows: List should have at least 1 item"),
        ({"rows": [{"label": "a", "run": {}}] * 2}, "each label must occur once in its group, but 'a' is repeated"),
        (rows(run=None), "rows.0: 'a' must have one of run, for a network, solve, for a solver, and reference"),
        (rows(solve={}), "for a predictor without weights, got 2"),
        (
            rows(run=None, reference={"region": "all"}),
            "'a': reference must name a predictor, training_mean or nearest_pattern, got None",
        ),
        (rows(run=None, reference={"predictor": "network"}), "'a': reference must name a predictor"),
        (rows(colour=1), "rows.0: unknown key colour; known are label, group, run"),
        (rows(paper={"psnr": 1.0}), "rows.0.paper: 'psnr' is not a metric of this benchmark (phase_ssim)"),
        (rows(paper={"phase_ssim": "x"}), "rows.0.paper.phase_ssim: must be a number or [mean, std], got 'x'"),
        (rows(paper={"phase_ssim": [1, 2, 3]}), "rows.0.paper.phase_ssim: must be a number or [mean, std]"),
        (rows(paper={"Noisy": {"phase_ssim": 1}}), "rows.0.paper: 'Noisy' is not a group of this row (none)"),
        (rows(run={"model._target_": "os.system"}), "rows.0.run.model._target_: must not contain _target_"),
        (rows(run={"model": "${oc.env:HOME}"}), "rows.0.run.model: must not contain ${"),
        (rows(run={"model": ["a", "_target_"]}), "rows.0.run.model: must not contain _target_"),
        (rows(run={"model": {"x": 1}}), "rows.0.run.model: must be a string, a finite number, true, false or null"),
        (rows(run={"model": [[1]]}), "rows.0.run.model: must be a string, a finite number"),
        (rows(run={"loss.alpha": float("nan")}), "rows.0.run.loss.alpha: must be a string, a finite number"),
        (rows(run={"a b": 1}), "a key consists of letters, digits and _ . @ /, got 'a b'"),
        (rows(run={"~model": 1}), "a key consists of letters"),
        (vary(values=[]), "vary.values: List should have at least 1 item"),
        (vary(values=[1, 1.0]), "vary: values must differ and must not be null, got [1, 1.0]"),
        (vary(values=["${x}"]), "vary.values.0: must not contain ${"),
        (vary(key="x _target_"), "vary.key: a key consists of letters"),
        (vary(of="it"), "vary.of: Input should be 'training' or 'testing', got 'it'"),
        ({"base": {"hydra.run.dir": "/tmp/x"}}, "base.hydra.run.dir: hydra.run.dir chooses where files are written"),
        ({"base": {"outputs_dir": "/tmp/x"}}, "base.outputs_dir: outputs_dir chooses where files are written"),
        ({"base": {"study": "../../x"}}, "base.study: study chooses where files are written"),
        ({"base": {"a": "one\ntwo"}}, "base.a: must be one line of at most 1000 letters, got"),
        ({"base": {"a": "x" * 1001}}, "base.a: must be one line of at most 1000 letters, got"),
        ({"base": {"a": [1] * 10_001}}, "base.a: a list has at most 10000 items, got 10001"),
        ({"base": {"a": 10**400}}, "base.a: must be a string, a finite number, true, false or null, got 10"),
        ({"note": "x" * 5001}, "note: must be a printable text of at most 5000 letters, got"),
        ({"title": "a\u202eb"}, "title: must be a printable text of at most 5000 letters, got"),
        ({"seeds": list(range(10_001))}, "seeds: List should have at most 10000 items"),
        ({"seeds": [1.5]}, "seeds.0: Input should be a valid integer"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0"),
        ({"figures": ["../../x"]}, "figures.0: a name consists of letters"),
        ({"rows": [{"label": "a", "run": {}, "paper": {"phase_ssim": 10**400}}]}, "must be a number or [mean, std]"),
        ({"rows": [{"label": "a", "run": {}, "paper": {"phase_ssim": [1, float("nan")]}}]}, "must be a number or"),
        ({"groups": {"g": {"a": "${x}"}}}, "groups.g.a: must not contain ${"),
    ],
)
def test_a_mistake_is_refused_in_one_line_that_names_its_place(change, message):
    with pytest.raises(ValueError, match=r"^benchmark x: .+") as error:
        Benchmark.of("x", {**SMALL, **change})
    assert message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 250


@pytest.mark.parametrize("key", ["title", "source", "base", "seeds", "part", "metrics", "rows"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ValueError, match=f"^benchmark x: {key}: Field required$"):
        Benchmark.of("x", {name: value for name, value in SMALL.items() if name != key})

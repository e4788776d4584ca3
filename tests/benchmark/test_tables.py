"""The table of a benchmark: means, spreads, the paper's numbers, order and tests."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.statistics import Anova
from ptycho_bench.benchmark.tables import make_table
from tests.benchmark.frames import PSNR, lines_of, results_of, solver_lines
from tests.benchmark.samples import BENCHMARK, PLAN, change, finish_third_row, vary


def table(outputs):
    return make_table(collect(outputs / PLAN, outputs))


def test_a_table_has_means_spreads_and_the_papers_numbers(outputs):
    (block,) = table(outputs).blocks
    assert block.rows == ["first", "second & last", "third"] and block.title == ""
    cell = block.places["first", "phase_psnr_db"]
    assert cell.ours == pytest.approx(21.1, abs=0.03) and cell.std == pytest.approx(0.1, abs=0.02)
    assert (cell.paper, cell.paper_std) == (20.0, 0.5) and cell.difference == pytest.approx(cell.ours - 20)
    assert cell.low < cell.ours < cell.high and (cell.seeds, cell.planned) == (3, 3)
    assert np.isnan(block.places["second & last", "phase_ssim"].paper)
    assert block.places["first", "convergence_epochs"].ours == 2  # 0.502 is within 1 % of 0.5


def test_a_row_without_runs_has_no_number_and_its_runs_are_counted(outputs):
    (block,) = table(outputs).blocks
    cell = block.places["third", "phase_psnr_db"]
    assert np.isnan(cell.ours) and (cell.seeds, cell.planned) == (0, 3)
    assert block.unfinished("third") == "2 of 3 runs missing, 1 of 3 runs failed" and not block.unfinished("first")
    assert block.wide("ours").loc["third"].isna().all()


def test_rows_are_ranked_by_the_direction_of_the_metric_and_equal_rows_keep_their_order(outputs):
    (block,) = table(outputs).blocks
    assert block.ranked("phase_psnr_db") == ["first", "second & last"]
    assert block.ranked("convergence_epochs") == ["first", "second & last"]
    reverse = replace(block, directions={"phase_psnr_db": "lower", "convergence_epochs": "higher"})
    assert reverse.ranked("phase_psnr_db") == ["second & last", "first"]
    assert reverse.ranked("convergence_epochs") == ["first", "second & last"]


def test_a_metric_without_a_better_direction_has_no_order_and_no_best():
    lines = [*lines_of("a", [1.0, 1.1, 1.2]), *lines_of("b", [5.1, 5.0, 5.3])]
    (block,) = make_table(results_of(lines)).blocks
    neutral = replace(block, directions={PSNR: "none"})
    assert block.ranked(PSNR) == ["b", "a"] and neutral.ranked(PSNR) == []
    assert block.best == {PSNR: ["b"]} and neutral.best == {PSNR: []}


def test_the_best_are_the_rows_that_no_test_separates_from_the_best_one():
    lines = [
        *lines_of("far", [10.0, 10.1, 10.2, 10.1]),
        *lines_of("near", [20.4, 20.1, 20.6, 20.2]),
        *lines_of("best", [20.5, 20.3, 20.4, 20.6]),
    ]
    (block,) = make_table(results_of(lines)).blocks
    pairs = block.tests[PSNR].pairs.set_index(["first", "second"])["p"]
    assert pairs["near", "best"] >= 0.05 > pairs["far", "best"]
    assert block.best[PSNR] == ["best", "near"]
    (block,) = make_table(results_of(lines, metrics={PSNR: "lower"})).blocks
    assert block.best[PSNR] == ["far"]


@pytest.mark.parametrize(
    "lines",
    [
        [*lines_of("a", [1.0]), *lines_of("b", [2.0])],
        [*lines_of("a", [1.0, 1.2]), *lines_of("b", [2.0, 2.1])],
        [*lines_of("a", [1.0, 1.2, 1.1]), *lines_of("b", [2.0, 2.1, np.nan])],
    ],
)
def test_without_a_test_no_row_is_best(lines):
    (block,) = make_table(results_of(lines)).blocks
    assert block.best == {PSNR: []} and isinstance(block.tests[PSNR], str)


def test_a_solver_and_a_row_that_did_not_learn_are_never_best():
    lines = [
        *lines_of("stuck", [9.0, 9.1, 9.3], not_learned=["", "", "amplitude and phase"]),
        *lines_of("a", [5.0, 5.2, 5.1]),
        *lines_of("b", [2.0, 2.3, 2.1]),
        *solver_lines("ePIE", 30.0),
    ]
    (block,) = make_table(results_of(lines)).blocks
    assert block.ranked(PSNR) == ["ePIE", "stuck", "a", "b"] and block.best[PSNR] == ["a"]


def test_a_solver_that_takes_the_seed_of_the_data_takes_no_part_in_the_tests_either():
    networks = [*lines_of("a", [5.0, 5.2, 5.1]), *lines_of("b", [2.0, 2.3, 2.1])]
    solver = [line for seed in range(3) for line in solver_lines("ePIE", 30.0 + seed, seed=seed)]
    (block,) = make_table(results_of([*networks, *solver])).blocks
    assert block.tests[PSNR].rows == {"a", "b"} and block.best[PSNR] == ["a"]
    assert block.places["ePIE", PSNR].std == 1


def test_what_was_not_learned_is_counted_for_the_metrics_of_that_quantity():
    lines = [
        line
        for metric in ("amplitude_ssim", PSNR, "seconds")
        for line in lines_of("a", [1.0, 1.1, 1.2], metric, not_learned=["amplitude", "", "amplitude and phase"])
    ]
    (block,) = make_table(results_of(lines)).blocks
    counts = {metric: block.places["a", metric].not_learned for metric in ("amplitude_ssim", PSNR, "seconds")}
    assert counts == {"amplitude_ssim": 2, PSNR: 1, "seconds": 0}


def test_the_constant_guess_and_the_interval_over_blocks_are_means_over_seeds():
    lines = [
        *lines_of("a", [1.0, 2.0], constant=[3.0, 4.0], block_low=[0.5, 1.5], block_high=[1.5, np.nan]),
        *lines_of("b", [1.0, 2.0], constant=5.5),
    ]
    (block,) = make_table(results_of(lines)).blocks
    cell = block.places["a", PSNR]
    assert (cell.constant, cell.block_low, cell.block_high) == (3.5, 1.0, 1.5)
    assert block.constant(PSNR) == 4.5 and np.isnan(block.places["b", PSNR].block_low)


def test_the_order_is_compared_with_the_papers_if_three_rows_have_numbers(outputs):
    assert table(outputs).blocks[0].correlation["phase_psnr_db"] is None
    finish_third_row(outputs)
    (block,) = table(outputs).blocks
    assert block.correlation["phase_psnr_db"] == pytest.approx(0.5)
    test = block.tests["phase_psnr_db"]
    assert isinstance(test, Anova) and test.seeds == 3 and len(test.pairs) == 3


def test_missing_seeds_are_reported_and_no_test_is_made(outputs):
    assert table(outputs).blocks[0].tests["phase_psnr_db"] == "some rows have no run yet, so no test is made"
    finish_third_row(outputs)
    (outputs / "runs/benchmark/first-s1/results.json").unlink()
    assert "first has no seed 1" in table(outputs).blocks[0].tests["phase_psnr_db"]


def test_a_solver_has_no_seed_and_does_not_take_part_in_the_tests(outputs):
    finish_third_row(outputs)
    rows = [*BENCHMARK["rows"], {"label": "ePIE", "solve": {"solver": "epie"}}]
    cells = json.loads((outputs / PLAN).read_text())["cells"]
    cell = {"group": "", "row": "ePIE", "value": None, "seed": None, "folder": "solved/benchmark/x"}
    change(outputs / PLAN, benchmark={**BENCHMARK, "rows": rows}, cells=[*cells, cell])
    (outputs / "solved/benchmark/x").mkdir(parents=True)
    metrics = {"protocol_version": 1, "stitched": {"phase_psnr_db": 30.0}}
    solved = {"metrics": metrics, "seconds": 2.0, "device": "cpu"}
    (outputs / "solved/benchmark/x/results.json").write_text(json.dumps(solved))
    (block,) = table(outputs).blocks
    assert block.places["ePIE", "phase_psnr_db"].ours == 30 and block.runs_of("ePIE")["seconds"].tolist() == ["2"]
    assert len(block.tests["phase_psnr_db"].pairs) == 3 and block.ranked("phase_psnr_db")[0] == "ePIE"


def test_a_metric_that_does_not_depend_on_the_seed_has_no_spread(outputs):
    change(outputs / PLAN, benchmark={**BENCHMARK, "metrics": {**BENCHMARK["metrics"], "parameters_mib": "lower"}})
    cell = table(outputs).blocks[0].places["first", "parameters_mib"]
    assert cell.ours == 8 and np.isnan([cell.std, cell.low, cell.high]).all() and cell.seeds == 3


def test_groups_and_values_are_blocks_of_their_own(outputs):
    rows = [{**row, "group": "even" if place == 1 else "odd"} for place, row in enumerate(BENCHMARK["rows"])]
    cells = json.loads((outputs / PLAN).read_text())["cells"]
    groups = {row["label"]: row["group"] for row in rows}
    change(outputs / PLAN, cells=[{**cell, "group": groups[cell["row"]]} for cell in cells])
    vary(outputs, [0.5, 2.0], rows=rows)
    blocks = table(outputs).blocks
    assert [(block.group, block.value, block.rows) for block in blocks] == [
        ("odd", 0.5, ["first", "third"]), ("odd", 2.0, ["first", "third"]),
        ("even", 0.5, ["second & last"]), ("even", 2.0, ["second & last"]),
    ]  # fmt: skip
    assert blocks[1].title == "odd, photons 2.0" and len(blocks[1].runs) == 6


def test_a_shortened_table_has_it_in_its_title(outputs):
    change(outputs / PLAN, epochs=4)
    assert table(outputs).title == "Two networks - shortened to 4 epochs"

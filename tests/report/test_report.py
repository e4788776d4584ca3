"""From run folders to tables: what is there, what lacks, what must not be mixed; all forms of it."""

import csv
import io
import json

import numpy as np
import pytest
from matplotlib.axes import Axes

from ptycho_bench.benchmark.collect import Place, collect, convergence_epochs
from ptycho_bench.benchmark.statistics import Anova
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.figures import make_figures
from ptycho_bench.report.page import page
from ptycho_bench.report.render import comma_separated, latex, markdown, pairs_csv

BENCHMARK = {
    "title": "Two networks", "source": "A paper, Table 1", "base": {"data": "ltem"}, "seeds": [0, 1, 2],
    "part": "stitched", "metrics": {"phase_psnr_db": "higher", "phase_ssim": "higher", "convergence_epochs": "lower"},
    "figures": ["bars", "box", "fields", "sections", "patches", "spectrum_radial", "spectrum_diagonal"],
    "rows": [
        {"label": "first", "run": {"model": "w3"}, "paper": {"phase_psnr_db": [20.0, 0.5], "phase_ssim": 0.7}},
        {"label": "second & last", "run": {"model": "w1"}, "paper": {"phase_psnr_db": 18.0}},
        {"label": "third", "run": {"model": "w2"}, "paper": {"phase_psnr_db": 17.0}},
    ],
}  # fmt: skip


def record(psnr, ssim, *, seed, data="d" * 64, epochs=4, protocol=1):
    return {
        "run": "x", "seed": seed, "choices": {"model": "w3", "input": "log1p", "phase": "scaled"},
        "data": {"content_hash": data, "pattern_px": 32},
        "training": {"epochs": epochs, "seconds": 12.0, "seconds_per_epoch": 3.0, "parameters": 2**20, "device": "cpu"},
        "environment": {"git": {"commit": "c" * 40, "modified": False}, "processor": "a processor", "gpus": []},
        "metrics": {"protocol_version": protocol, "stitched": {"phase_psnr_db": psnr, "phase_ssim": ssim},
                    "patch_mean": {"phase_psnr_db": psnr - 1, "phase_ssim": ssim}},
    }  # fmt: skip


@pytest.fixture
def outputs(tmp_path):
    """A folder of runs as a sweep leaves them: two rows whole, of the third one run of three failed, two not begun."""
    rng = np.random.default_rng(0)
    cells = []
    for row, psnr in (("first", 21.0), ("second & last", 19.0), ("third", 15.0)):
        for seed in range(3):
            folder = f"runs/benchmark/{row.split()[0]}-s{seed}"
            cells.append({"group": "", "row": row, "value": None, "seed": seed, "folder": folder})
            path = tmp_path / folder
            if row == "third":
                if seed == 0:
                    path.mkdir(parents=True)
                    (path / "error.txt").write_text("Traceback\nValueError: training diverged\n")
                continue
            path.mkdir(parents=True)
            found = record(psnr + 0.1 * seed + 0.01 * rng.normal(), 0.8 + 0.01 * seed, seed=seed)
            (path / "results.json").write_text(json.dumps(found))
            losses = "\n".join(f"{k},{loss}" for k, loss in enumerate((1.0, 0.502, 0.5, 0.6)))
            (path / "metrics.csv").write_text(f"epoch,val_total\n{losses}\n")
            images = {name: rng.random((24, 30)) for name in ("amplitude", "phase", "true_amplitude", "true_phase")}
            np.savez(path / "field.npz", **images)
            np.savez(path / "samples.npz", **{name: image[None] for name, image in images.items()})
            rows = "\n".join(f"{k},{k + 15.0},{0.5 + k / 100}" for k in range(9))
            (path / "patches.csv").write_text(f"point,phase_psnr_db,phase_ssim\n{rows}\n")
    folder = tmp_path / "benchmarks" / "two"
    folder.mkdir(parents=True)
    plan = {"name": "two", "epochs": None, "benchmark": BENCHMARK, "cells": cells}
    (folder / "plan.json").write_text(json.dumps(plan))
    return tmp_path


def collected(outputs):
    return collect(outputs / "benchmarks/two/plan.json", outputs)


def change(outputs, run="first-s1", **changes):
    """A run's record, changed."""
    file = outputs / "runs/benchmark" / run / "results.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def change_plan(outputs, **changes):
    file = outputs / "benchmarks/two/plan.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_table_holds_means_spreads_the_papers_numbers_and_what_lacks(outputs):
    table = make_table(collected(outputs))
    first, second, third = table.lines
    cell = first.cells["phase_psnr_db"]
    assert cell.ours.mean == pytest.approx(21.1, abs=0.03) and cell.ours.std == pytest.approx(0.1, abs=0.02)
    assert cell.difference == pytest.approx(cell.ours.mean - 20)
    assert second.cells["phase_ssim"].paper is None
    assert third.cells["phase_psnr_db"].ours is None
    assert third.lacking == "2 of 3 runs missing, 1 of 3 runs failed" and not first.lacking
    assert first.cells["convergence_epochs"].ours.mean == 2  # 0.502 is within 1 % of 0.5


def test_the_order_is_compared_with_the_papers_over_three_rows_or_more(outputs):
    assert make_table(collected(outputs)).blocks[0].correlation["phase_psnr_db"] is None
    for seed in range(3):
        file = outputs / f"runs/benchmark/third-s{seed}/results.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record(20.0 + 0.1 * seed, 0.9, seed=seed)))
    block = make_table(collected(outputs)).blocks[0]
    assert block.correlation["phase_psnr_db"] == pytest.approx(0.5)
    test = block.tests["phase_psnr_db"]
    assert isinstance(test, Anova) and test.seeds == 3 and len(test.pairs) == 3
    rows = list(csv.DictReader(io.StringIO(pairs_csv(make_table(collected(outputs))))))
    assert [(row["first"], row["second"]) for row in rows if row["metric"] == "phase_psnr_db"] == [
        ("first", "second & last"), ("first", "third"), ("second & last", "third")
    ]  # fmt: skip


def test_seeds_that_lack_are_said_and_not_computed_over(outputs):
    assert make_table(collected(outputs)).blocks[0].tests["phase_psnr_db"] == (
        "some rows have no run yet, so no test is made"
    )
    (outputs / "runs/benchmark/first-s1/results.json").unlink()
    file = outputs / "runs/benchmark/third-s0/results.json"
    file.write_text(json.dumps(record(20.0, 0.9, seed=0)))
    table = make_table(collected(outputs))
    assert "first lacks 1" in table.blocks[0].tests["phase_psnr_db"]
    assert "(n=2)" in markdown(table, [])


@pytest.mark.parametrize(
    ("changes", "plan", "message"),
    [
        ({"data": {"content_hash": "e" * 64}}, {}, "differ in their data, dddddddddd and eeeeeeeeee"),
        ({"metrics": {"protocol_version": 2}}, {}, "differ in their protocol version, 1 and 2"),
        ({}, {"epochs": 3}, "has 4 epochs in a table of 3"),
    ],
)
def test_what_was_not_measured_alike_does_not_stand_in_one_table(outputs, changes, plan, message):
    change(outputs, **changes)
    change_plan(outputs, **plan)
    with pytest.raises(ValueError, match=message):
        collected(outputs)


def test_a_missing_plan_and_a_torn_record_are_named(outputs):
    with pytest.raises(ValueError, match=r"no plan .*ptycho-sweep writes it"):
        collect(outputs / "benchmarks/none/plan.json", outputs)
    (outputs / "runs/benchmark/first-s0/results.json").write_text("{")
    with pytest.raises(ValueError, match=r"first-s0/results\.json is not valid JSON"):
        collected(outputs)


def test_markdown_says_everything_once_more_in_words(outputs):
    text = markdown(make_table(collected(outputs)), ["figures/bars.png"])
    assert "| first | 21.10 ± 0.1" in text and "[20.00, +1.1" in text
    assert "| third | - [17.00] | - | - | 2 of 3 runs missing, 1 of 3 runs failed |" in text
    assert "failed: ValueError: training diverged" in text
    assert "phase PSNR (dB): first > second & last" in text
    assert "![bars](figures/bars.png)" in text
    facts = "done | input=log1p phase=scaled model=w3 | 0 | 4 | cccccccccc | dddddddddd | a processor | 12"
    assert f"| runs/benchmark/first-s0 | {facts} |" in text


def test_csv_has_every_number_apart(outputs):
    rows = list(csv.DictReader(io.StringIO(comma_separated(make_table(collected(outputs))))))
    assert [row["row"] for row in rows] == ["first", "second & last", "third"]
    assert float(rows[0]["phase_psnr_db_paper"]) == 20 and float(rows[0]["phase_psnr_db_paper_std"]) == 0.5
    assert rows[2]["phase_psnr_db"] == "" and rows[2]["phase_psnr_db_seeds"] == "0"
    assert float(rows[0]["phase_ssim"]) == pytest.approx(0.81)
    assert rows[0]["runs"].split() == [f"runs/benchmark/first-s{seed}" for seed in range(3)]


def test_latex_is_escaped_and_the_best_is_bold(outputs):
    text = latex(make_table(collected(outputs)))
    assert r"second \& last" in text and r"phase SSIM (\%)" in text
    (first,) = [line for line in text.splitlines() if line.startswith("first")]
    assert first.startswith(r"first & $\mathbf{21.10 \pm 0.1") and text.count(r"\\") == 4


def test_the_page_stands_alone_leads_to_its_runs_and_is_the_same_each_time(outputs):
    found = collected(outputs)
    table = make_table(found)
    figures = make_figures(found, table)
    assert set(figures) == set(BENCHMARK["figures"])
    assert all(png.startswith(b"\x89PNG") for png in figures.values())
    text = page([(table, figures)], "a page")
    assert text.count("data:image/png;base64,") == len(figures)
    assert 'src="http' not in text and "second &amp; last" in text
    assert 'href="#two-run-0"' in text and 'id="two-run-0"' in text
    assert text == page([(table, make_figures(found, table))], "a page")


def test_a_shortened_table_says_so_everywhere(outputs):
    change_plan(outputs, epochs=4)
    table = make_table(collected(outputs))
    for text in (markdown(table, []), page([(table, {})], table.title), latex(table)):
        assert "shortened to 4 epochs" in text


def test_curves_are_drawn_over_what_varies(outputs):
    vary = {"label": "photons", "key": "data.photons", "values": [1e2, 1e6], "of": "training"}
    benchmark = {**BENCHMARK, "vary": vary, "figures": ["curves"]}
    plan = json.loads((outputs / "benchmarks/two/plan.json").read_text())
    cells = [{**cell, "value": value} for cell in plan["cells"] for value in vary["values"]]
    change_plan(outputs, benchmark=benchmark, cells=cells)
    found = collected(outputs)
    assert found.values(Place("", "first", 1e6), "phase_psnr_db").keys() == {0, 1, 2}
    table = make_table(found)
    assert list(make_figures(found, table)) == ["curves"]
    assert "| first | 100.0 |" in markdown(table, [])


def test_an_unknown_figure_is_refused_by_name(outputs):
    change_plan(outputs, benchmark={**BENCHMARK, "figures": ["pie"]})
    found = collected(outputs)
    with pytest.raises(ValueError, match="no figure 'pie'; there are bars"):
        make_figures(found, make_table(found))


def test_a_loss_below_zero_converges_towards_its_best(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,val_total\n0,-0.5\n1,-0.895\n2,-0.9\n1,-0.7\n")
    assert convergence_epochs(tmp_path) == 3
    assert convergence_epochs(tmp_path / "none") is None


def test_a_box_holds_the_test_patches_of_every_seed(outputs, monkeypatch):
    drawn = []
    boxplot = Axes.boxplot
    monkeypatch.setattr(
        Axes, "boxplot", lambda self, values, **looks: drawn.append(values) or boxplot(self, values, **looks)
    )
    found = collected(outputs)
    make_figures(found, make_table(found))
    assert [len(values) for values in drawn[0]] == [27, 27]

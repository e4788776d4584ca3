"""Each figure shows the numbers that it is about."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.charts import (
    bars,
    box,
    curves,
    degradation,
    main_qualities,
    pareto,
    patches_of_row,
    relative_loss,
)
from ptycho_bench.report.drawing import encode_png, line_style, panels, point_style
from ptycho_bench.report.fields import fields, image_grid, patches, sections, spectrum
from ptycho_bench.report.figures import FIGURES, file_name, make_figures
from ptycho_bench.report.wording import FIGURES as FIGURE_TEXTS
from tests.benchmark.frames import lines_of, results_of
from tests.benchmark.samples import BENCHMARK, PLAN, change, finish_third_row, vary


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def made(outputs):
    return make_table(collect(outputs / PLAN, outputs))


def labels(panel):
    return [text.get_text() for text in panel.get_yticklabels()]


def test_bars_show_means_spreads_and_the_papers_numbers(table):
    (block,) = table.blocks
    panel, ssim, epochs = bars(table, block).axes[:3]
    widths = [patch.get_width() for patch in panel.patches]
    assert widths[:2] == pytest.approx([21.1, 19.1], abs=0.05) and np.isnan(widths[2])
    assert [patch.get_width() for patch in ssim.patches][:2] == pytest.approx([81, 81])  # percent
    paper = [line.get_segments()[0][0, 0] for line in panel.collections if isinstance(line, LineCollection)]
    assert {20.0, 18.0, 17.0} <= set(paper)
    assert labels(panel) == ["first", "second & last", "third"] and epochs.get_title() == "epochs to converge"


def test_a_constant_guess_is_a_line_across_bars_and_curves():
    lines = [
        line
        for value, constant in ((1, 5.0), (2, 6.0))
        for line in lines_of("a", [8.0, 8.1], value=value, constant=constant)
    ]
    vary = {"label": "photons", "key": "data.photons", "values": [1, 2], "of": "training"}
    table = make_table(results_of(lines, vary=vary))
    figure = bars(table, table.blocks[1])
    (line,) = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert list(line.get_xdata()) == [6, 6] and "dotted line: constant guess" in figure.get_suptitle()
    (figure,) = curves(table).values()
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines == {"a": pytest.approx([8.05, 8.05]), "constant guess": [5, 6]}


def test_the_aligned_phase_leads():
    assert main_qualities(["phase_ssim", "phase_aligned_ssim", "amplitude_ssim"]) == [
        "phase_aligned_ssim", "amplitude_ssim"
    ]  # fmt: skip
    assert main_qualities(["phase_psnr_db", "amplitude_psnr_db"]) == ["phase_psnr_db", "amplitude_psnr_db"]


def test_degradation_leaves_out_metrics_without_a_better_direction(outputs):
    finish_third_row(outputs)
    (block,) = made(outputs).blocks
    neutral = replace(block, directions={**block.directions, "phase_ssim": "none"})
    assert "phase_ssim" in relative_loss(block) and "phase_ssim" not in relative_loss(neutral)


def test_bars_leave_out_a_metric_without_numbers(outputs):
    change(outputs / PLAN, benchmark={**BENCHMARK, "metrics": {**BENCHMARK["metrics"], "gflops": "lower"}})
    table = made(outputs)
    titles = [panel.get_title() for panel in bars(table, table.blocks[0]).axes]
    assert "GFLOPs" not in titles and "phase PSNR (dB)" in titles


def test_a_box_holds_the_test_patches_of_every_seed(table):
    (block,) = table.blocks
    metrics = ["phase_psnr_db", "phase_ssim"]
    assert [len(patches_of_row(table, block, row, metrics)) for row in ("first", "second & last")] == [27, 27]
    assert patches_of_row(table, block, "third", metrics) is None
    figure = box(table, block)
    assert [panel.get_title() for panel in figure.axes] == ["phase PSNR (dB)", "phase SSIM (%)"]  # not the epochs
    assert len(figure.axes[0].patches) == 2 and labels(figure.axes[0]) == ["first", "second & last"]
    median = figure.axes[0].lines[4].get_xdata()
    assert list(median) == [19.0, 19.0]  # of 15 to 23 dB


def test_patches_without_a_number_are_left_out(outputs, table):
    file = outputs / "runs/benchmark/first-s0/patches.csv"
    file.write_text("point,scan,phase_psnr_db\n0,ltem,inf\n1,ltem,\n2,ltem,x\n3,ltem,16.0\n")
    (block,) = table.blocks
    frame = patches_of_row(table, block, "first", ["phase_psnr_db", "phase_ssim"])
    assert frame["phase_psnr_db"].notna().sum() == 1 + 18 and frame["phase_ssim"].notna().sum() == 18


def test_curves_show_each_row_over_what_varies(outputs):
    vary(outputs, [1e2, 1e6])
    (figure,) = curves(made(outputs)).values()
    panel = figure.axes[0]
    names = ["first", "second & last", "constant guess"]  # the third row has no run
    assert [line.get_label() for line in panel.lines] == names
    assert list(panel.lines[0].get_xdata()) == [1e2, 1e6] and panel.get_xscale() == "log"
    assert panel.lines[0].get_ydata() == pytest.approx([21.1, 21.1], abs=0.05)
    assert panel.get_xlabel() == "photons" and len(panel.collections) == 2


def test_a_narrow_range_has_a_linear_axis_and_a_value_without_number_leaves_a_gap(outputs):
    vary(outputs, [0.25, 0.5])
    plan = json.loads((outputs / PLAN).read_text())
    for cell in plan["cells"]:
        if cell["value"] == 0.5 and cell["row"] == "first":
            cell["folder"] = f"none/{cell['seed']}"
    (outputs / PLAN).write_text(json.dumps(plan))
    (figure,) = curves(made(outputs)).values()
    assert list(figure.axes[0].lines[0].get_xdata()) == [0.25] and figure.axes[0].get_xscale() == "linear"


def test_curves_need_something_that_varies(table):
    with pytest.raises(ValueError, match="nothing varies; remove curves or add vary"):
        curves(table)


def test_degradation_is_relative_to_the_last_row_and_positive_if_worse(outputs):
    finish_third_row(outputs)
    table = made(outputs)
    (block,) = table.blocks
    worse = relative_loss(block)
    assert list(worse.index) == ["first", "second & last"]
    psnr = block.wide("ours")["phase_psnr_db"]
    assert worse.loc["second & last", "phase_psnr_db"] == pytest.approx(
        100 * (1 - psnr["second & last"] / psnr["third"])
    )
    assert worse.loc["second & last", "phase_psnr_db"] > 0 > worse.loc["first", "phase_psnr_db"]
    texts = [text.get_text() for text in degradation(table, block).axes[0].texts]
    assert texts[0] == f"{worse.iloc[0, 0]:+.0f}"
    metrics = {"phase_psnr_db": "lower"}
    rows = [{"label": row["label"], "run": {}} for row in BENCHMARK["rows"]]
    change(outputs / PLAN, benchmark={**BENCHMARK, "metrics": metrics, "rows": rows})
    lower = made(outputs)
    assert relative_loss(lower.blocks[0]).iloc[0, 0] == pytest.approx(-worse.loc["first", "phase_psnr_db"])


def test_quality_against_cost_has_a_point_for_each_row_with_both(outputs):
    change(outputs / PLAN, benchmark={**BENCHMARK, "metrics": {**BENCHMARK["metrics"], "parameters_mib": "lower"}})
    table = made(outputs)
    figure = pareto(table, table.blocks[0])
    (panel,) = figure.axes
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("parameters (MiB)", "phase SSIM (%)")
    points = np.array([dots.get_offsets()[0] for dots in panel.collections])
    assert points == pytest.approx(np.array([[8, 81], [8, 81]]))


def test_figures_without_data_are_not_drawn(outputs, table):
    assert degradation(table, table.blocks[0]) is None  # the last row has no number
    assert pareto(table, table.blocks[0]) is None  # no cost
    for file in outputs.rglob("*.npz"):
        file.unlink()
    for file in outputs.rglob("results.json"):
        file.unlink()
    table = made(outputs)
    every = (bars, box, degradation, pareto, fields, patches, sections, spectrum("radial"))
    assert [draw(table, table.blocks[0]) for draw in every] == [None] * len(every)
    vary(outputs, [1, 2])
    assert curves(made(outputs)) == {}


def test_reconstructions_are_drawn_beside_the_truth(outputs, table):
    (block,) = table.blocks
    first = np.load(outputs / "runs/benchmark/first-s0/field.npz")
    figure = fields(table, block)
    assert [panel.get_title() for panel in figure.axes[:3]] == ["truth", "first", "second & last"]
    images = [panel.images[0].get_array() for panel in figure.axes[:6]]
    np.testing.assert_array_equal(images[0], first["true_amplitude"])
    np.testing.assert_array_equal(images[1], first["amplitude"])
    np.testing.assert_array_equal(images[4], first["phase"])
    section = sections(table, block).axes[0]
    np.testing.assert_array_equal(section.lines[0].get_ydata(), first["true_amplitude"][12])
    np.testing.assert_array_equal(section.lines[1].get_ydata(), first["amplitude"][12])
    energies = [bar.get_height() for bar in spectrum("radial")(table, block).axes[2].patches]
    assert len(energies) == 9 and sum(energies[::3]) == pytest.approx(100)  # three bands of the truth


def test_wide_fields_are_drawn_below_each_other():
    images = np.zeros((4, 40)), np.zeros((4, 40))
    figure = image_grid({"truth": images, "a": images, "b": images}, "title")
    rows = figure.axes[0].get_subplotspec().get_gridspec()
    assert (rows.nrows, rows.ncols) == (3, 2)


def test_panels_stand_four_side_by_side():
    figure, axes = panels(5)
    assert len(axes) == 5 and figure.get_size_inches() == pytest.approx([16.8, 6.8])
    assert sum(panel.axison for panel in figure.axes) == 5


def test_rows_can_be_distinguished():
    assert len({tuple(line_style(place).items()) for place in range(32)}) == 32
    assert len({tuple(point_style(place).items()) for place in range(64)}) == 64


def test_every_figure_is_a_png_with_the_name_of_its_block(outputs, table):
    assert set(BENCHMARK["figures"]) <= set(FIGURES) == set(FIGURE_TEXTS)
    vary(outputs, [1, 2], figures=["patches", "curves"])
    figures = make_figures(made(outputs))
    assert set(figures) == {"patches-photons_1", "patches-photons_2", "curves"}
    assert all(png.startswith(b"\x89PNG") for png in figures.values())


def test_a_group_cannot_move_a_figure_to_another_folder(outputs):
    plan = outputs / PLAN
    plan.write_text(plan.read_text().replace('"group": ""', '"group": "../../x"'))
    rows = [{**row, "group": "../../x"} for row in BENCHMARK["rows"]]
    change(plan, benchmark={**BENCHMARK, "rows": rows, "figures": ["bars"]})
    assert set(make_figures(made(outputs))) == {"bars-.._.._x"}
    assert file_name("Noise-free, overlap 0.3") == "noise-free_overlap_0.3"


@pytest.mark.parametrize(("name", "axes"), [("field", 2), ("samples", 3)])
@pytest.mark.parametrize("change", [lambda a: a[0], lambda a: a[..., :3], lambda a: a * np.nan, lambda a: a + 1j])
def test_damaged_images_are_named(outputs, table, name, axes, change):
    images = {key: change(np.ones((2, 9, 9)[-axes:])) for key in ("amplitude", "phase", "true_amplitude", "true_phase")}
    np.savez(outputs / f"runs/benchmark/first-s0/{name}.npz", **images)
    with pytest.raises(ValueError, match=rf"first-s0/{name}\.npz does not contain images of finite numbers; delete it"):
        make_figures(table)


@pytest.mark.parametrize("text", ["", '"a\n'])
def test_damaged_test_patches_are_named(outputs, table, text):
    (outputs / "runs/benchmark/first-s0/patches.csv").write_text(text)
    with pytest.raises(ValueError, match=r"first-s0/patches\.csv is no table of test patches; delete it"):
        make_figures(table)


def test_a_dollar_in_a_label_begins_no_formula(outputs):
    label = "$x^$ and $\\frac$"
    rows = [{**BENCHMARK["rows"][0], "label": label}, *BENCHMARK["rows"][1:]]
    cells = json.loads((outputs / PLAN).read_text())["cells"]
    cells = [{**cell, "row": label if cell["row"] == "first" else cell["row"]} for cell in cells]
    change(outputs / PLAN, benchmark={**BENCHMARK, "rows": rows, "title": label}, cells=cells)
    assert len(make_figures(make_table(collect(outputs / PLAN, outputs)))) == len(BENCHMARK["figures"])


def test_an_unknown_figure_is_refused_by_name(outputs):
    change(outputs / PLAN, benchmark={**BENCHMARK, "figures": ["pie"]})
    with pytest.raises(ValueError, match="no figure 'pie'; known are bars"):
        make_figures(made(outputs))


def test_the_same_figure_gives_the_same_bytes(table):
    first, second = (encode_png(bars(table, table.blocks[0])) for _ in range(2))
    assert first == second and not plt.get_fignums()

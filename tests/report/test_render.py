"""A table as Markdown and CSV: every number, escaped text, and comparisons in words."""

import csv
import io
import json
import re

import pandas
import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.statistics import Anova, compare
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.comparisons import MOST_PAIRS, order_lines, p_text, pair_lines
from ptycho_bench.report.render import markdown, pairs_csv, seeds_csv, table_csv
from tests.benchmark.frames import PSNR, lines_of, results_of, solver_lines
from tests.benchmark.samples import BENCHMARK, PLAN, change, finish_third_row, vary


def made(outputs):
    return make_table(collect(outputs / PLAN, outputs))


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_markdown_has_the_numbers_the_order_the_figures_and_the_runs(table):
    text = markdown(table, ["figures/bars.png"])
    assert "| first | 21.10 ± 0.1" in text and "[20.00, +1.1" in text
    assert "| third | - [17.00] | - | - | 2 of 3 runs missing, 1 of 3 runs failed |" in text
    assert "failed: ValueError: training diverged" in text
    assert "phase PSNR (dB): first > second & last" in text
    assert "![bars](figures/bars.png)" in text
    facts = "done |  | input=log1p phase=scaled model=w3 | 0 | 4 | cccccccccc | dddddddddd | a processor | 12"
    assert f"| runs/benchmark/first-s0 | {facts} |" in text and "| seconds | command |" in text
    assert "Paper: A paper, Table 1. The paper's numbers follow ours" in text and "\n\n\n" not in text


def test_markdown_says_how_many_seeds_a_mean_has_and_which_are_missing(outputs):
    finish_third_row(outputs)
    (outputs / "runs/benchmark/first-s1/results.json").unlink()
    text = markdown(made(outputs), [])
    assert "(n=2)" in text and "seeds are not balanced (first has no seed 1), so no test is made" in text


def test_markdown_has_a_test_and_every_pair(outputs):
    finish_third_row(outputs)
    text = markdown(made(outputs), [])
    assert "- phase PSNR (dB): repeated-measures ANOVA over 3 seeds F = " in text and "generalised eta squared" in text
    assert "  - first minus second & last: +2.0" in text and "(Bonferroni), d = " in text
    assert "- epochs to converge: some rows have no run yet, so no test is made." in text
    assert "Spearman's rank correlation with the paper's order 0.50" in text


def learned():
    """Return a table with a row far ahead, one that did not learn and a solver, and the scores of a constant guess."""
    facts = {"constant": 5.0, "block_low": 8.0, "block_high": 9.0, "command": "ptycho-train model=a|b"}
    lines = [
        *lines_of("stuck", [5.0, 5.0, 5.1], not_learned=["phase", "phase", ""], **facts),
        *lines_of("a", [8.0, 8.2, 8.1], **facts),
        *solver_lines("ePIE", 30.0, constant=5.0),
    ]
    return make_table(results_of(lines))


def test_bold_is_what_no_test_separates_from_the_best_and_one_sentence_says_so(table):
    text = markdown(learned(), [])
    assert "| a | **8.10 ± 0.10** |" in text and "| ePIE | 30.00 |" in text
    assert text.count("The best mean is bold, and so is every row that a paired test over seeds does not separate") == 1
    assert "**2" not in markdown(table, [])  # two rows have three seeds, the third none: no test, nothing bold


def test_what_did_not_learn_is_marked_and_named_below_the_table_and_in_the_order():
    text = markdown(learned(), [])
    assert "| stuck | 5.03 ± 0.06† | all done |" in text
    assert "† did not learn: no better than a constant guess. phase: stuck (2 of 3 seeds)." in text
    assert order_lines(learned().blocks[0]) == [
        "- phase, aligned, PSNR (dB): ePIE > a > stuck (did not learn in 2 of 3 runs)"
    ]


def test_a_table_in_which_every_row_learned_has_no_mark(table):
    text = markdown(table, [])
    assert "†" not in text and "did not learn: " not in text


def test_a_constant_guess_has_a_line_of_its_own_if_its_score_is_known(table):
    assert "| *constant guess* | *12.00* | *-* | *-* |  |" in markdown(table, [])
    assert "| ePIE | 30.00 | all done |\n| *constant guess* | *5.00* |  |" in markdown(learned(), [])
    assert "constant guess" not in markdown(make_table(results_of(lines_of("a", [1.0]))), [])


def test_the_command_that_repeats_a_run_is_beside_it():
    text = markdown(learned(), [])
    assert text.count("| 12 | `ptycho-train model=a\\|b` |") == 6


def test_leakage_is_given_for_each_split_and_as_a_range_if_it_varies():
    clean = {"leak_patches": 0.0, "leak_field": 0.0, "leak_scored": 0.0}
    seen = {"leak_patches": 1.0, "leak_field": [0.25, 0.5], "leak_scored": 0.125, "choices": "split=cpr model=w3"}
    lines = [*lines_of("a", [1.0, 2.0], **clean), *lines_of("b", [1.0, 2.0], **seen), *solver_lines("ePIE", 3.0)]
    text = markdown(make_table(results_of(lines)), [])
    assert (
        "Leakage with split=disjoint (a): 0 % of test patches share an object pixel with training or validation; 0 % "
        "of the test field and 0 % of the scored rectangle were seen."
    ) in text
    assert "with split=cpr (b): 100 % of test patches" in text
    assert "25 to 50 % of the test field and 12.5 % of the scored rectangle" in text
    alone = markdown(make_table(results_of(lines_of("a", [1.0], **clean))), [])
    assert "Leakage with split=disjoint: 0 % of test patches" in alone
    assert "Leakage" not in markdown(make_table(results_of(lines_of("a", [1.0]))), [])


def test_a_shortened_table_says_that_it_does_not_know_when_training_converges():
    lines = lines_of("a", [float("nan")] * 2, "convergence_epochs")
    text = markdown(make_table(results_of(lines, epochs=2)), [])
    assert "A shortened run cannot say after how many epochs training converges.**" in text and "| a | - |" in text


def test_of_many_pairs_only_those_that_differ_are_listed():
    near = {f"row {k}": [1.0 + 0.001 * k, 2.0, 3.0 - 0.002 * k] for k in range(5)}
    numbers = pandas.DataFrame({**near, "far": [101.0, 102.1, 103.0]})
    test = compare(numbers)
    assert isinstance(test, Anova) and len(test.pairs) == 15 > MOST_PAIRS
    lines = pair_lines("phase_mse", test)
    assert len(lines) == 6 and all(" minus far: -100" in line for line in lines[:-1])
    assert lines[-1] == "  - 5 of 15 pairs differ significantly; pairs.csv lists all"


def test_probabilities_have_four_digits():
    assert [p_text(p) for p in (0.5, 0.00012, 0.00009)] == ["p = 0.5000", "p = 0.0001", "p < 0.0001"]


@pytest.mark.parametrize("key", ["title", "note", "source"])
def test_no_text_of_a_benchmark_acts_as_html_in_markdown(outputs, key):
    hostile = "<script>alert(1)</script> </td> <!-- x --> 3 < 4"
    rows = [{**BENCHMARK["rows"][0], "label": "first"}, *BENCHMARK["rows"][1:]]
    change(outputs / PLAN, benchmark={**BENCHMARK, key: hostile, "rows": rows})
    text = markdown(made(outputs), [])
    assert "<script" not in text and "</" not in text and "<!--" not in text
    assert "&lt;script>alert(1)&lt;/script> &lt;/td> &lt;!-- x --> 3 < 4" in text


def test_no_text_acts_as_a_link_or_an_image_or_ends_a_cell(outputs):
    link = "[here](javascript:alert(1)) ![x](http://x/y.png) [a][b] a\\|b"
    rows = [{**BENCHMARK["rows"][0], "label": link}, *BENCHMARK["rows"][1:]]
    cells = json.loads((outputs / PLAN).read_text())["cells"]
    cells = [{**cell, "row": link if cell["row"] == "first" else cell["row"]} for cell in cells]
    change(outputs / PLAN, benchmark={**BENCHMARK, "rows": rows, "title": link, "note": link}, cells=cells)
    text = markdown(made(outputs), ["figures/a b.png"])
    assert not re.search(r"(?<!\\)\][(\[:]", text.replace("![a b](figures/a%20b.png)", ""))
    assert r"| [here\](javascript:alert(1)) ![x\](http://x/y.png) [a\][b] a\ \|b |" in text


def test_a_message_of_a_failed_run_neither_acts_as_html_nor_breaks_the_table(outputs):
    (outputs / "runs/benchmark/third-s0/error.txt").write_text("ValueError: a | b <img src=x>\n")
    text = markdown(made(outputs), [])
    assert "| failed: ValueError: a \\| b &lt;img src=x> |" in text


def test_the_wide_csv_has_a_column_for_each_number(table):
    rows = read(table_csv(table))
    assert [row["row"] for row in rows] == ["first", "second & last", "third"]
    endings = ["", "_std", "_low", "_high", "_block_low", "_block_high", "_seeds", "_constant", "_not_learned"]
    endings += ["_paper", "_paper_std"]
    assert list(rows[0])[:14] == ["group", "row", *(f"phase_psnr_db{ending}" for ending in endings), "phase_ssim"]
    assert rows[0]["phase_psnr_db_paper"] == "20" and rows[0]["phase_psnr_db_paper_std"] == "0.5"
    assert rows[2]["phase_psnr_db"] == "" and rows[2]["phase_psnr_db_seeds"] == "0"
    assert rows[0]["phase_ssim"] == "0.81" and rows[0]["phase_ssim_std"] == "0.01"
    assert rows[0]["runs"].split() == [f"runs/benchmark/first-s{seed}" for seed in range(3)]
    row = read(table_csv(learned()))[0]
    numbers = [float(row[f"{PSNR}_{name}"]) for name in ("block_low", "block_high", "constant", "not_learned")]
    assert numbers == [8, 9, 5, 2]


def test_the_tidy_csv_has_a_line_for_each_run_and_a_column_for_each_metric(table):
    rows = read(seeds_csv(table))
    assert len(rows) == 9 and list(rows[0])[-4:] == ["command", *BENCHMARK["metrics"]]
    assert (rows[0]["row"], rows[0]["seed"], rows[0]["phase_ssim"]) == ("first", "0", "0.8")
    assert rows[5]["row"] == "second & last" and rows[5]["phase_ssim"] == "0.82"
    assert rows[6]["status"] == "failed" and rows[6]["reason"] == "ValueError: training diverged"
    assert rows[-1]["status"] == "missing" and rows[-1]["phase_ssim"] == "" and rows[-1]["seed"] == "2"
    found = read(seeds_csv(learned()))
    assert [(row["row"], row["seed"], row["not_learned"], row[PSNR]) for row in found[2:4] + found[-1:]] == [
        ("stuck", "2", "", "5.1"), ("a", "0", "", "8"), ("ePIE", "", "", "30")
    ]  # fmt: skip
    assert found[0]["command"] == "ptycho-train model=a|b"


def test_values_of_what_varies_are_columns_as_they_are_written(outputs):
    vary(outputs, [100.0, 1e6])
    table = made(outputs)
    assert [row["data.photons"] for row in read(table_csv(table))] == ["100.0"] * 3 + ["1000000.0"] * 3
    assert "| first | 100.0 |" in markdown(table, []) and "### photons 1000000.0" in markdown(table, [])


def test_pairs_are_listed_if_there_is_a_test(outputs, table):
    assert pairs_csv(table) == "group,value,metric,first,second,difference,low,high,p,effect\n"
    finish_third_row(outputs)
    rows = [row for row in read(pairs_csv(made(outputs))) if row["metric"] == "phase_psnr_db"]
    assert [(row["first"], row["second"]) for row in rows] == [
        ("first", "second & last"), ("first", "third"), ("second & last", "third")
    ]  # fmt: skip
    assert float(rows[0]["difference"]) == pytest.approx(2, abs=0.05) and float(rows[0]["low"]) < 2


def test_a_shortened_table_says_so(outputs):
    change(outputs / PLAN, epochs=4)
    text = markdown(made(outputs), [])
    assert "shortened to 4 epochs" in text and "**Shortened: 4 epochs instead of the recipe's number. A short" in text

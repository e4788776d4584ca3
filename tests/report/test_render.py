"""A table as Markdown, CSV and LaTeX: every number, escaped text, and comparisons in words."""

import csv
import io

import pandas
import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.statistics import Anova, compare
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.render import latex, markdown, pairs_csv, runs_csv, table_csv
from ptycho_bench.report.wording import MOST_PAIRS, p_text, pair_lines
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
    facts = "done | input=log1p phase=scaled model=w3 | 0 | 4 | cccccccccc | dddddddddd | a processor | 12"
    assert f"| runs/benchmark/first-s0 | {facts} |" in text
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


def test_a_message_of_a_failed_run_neither_acts_as_html_nor_breaks_the_table(outputs):
    (outputs / "runs/benchmark/third-s0/error.txt").write_text("ValueError: a | b <img src=x>\n")
    text = markdown(made(outputs), [])
    assert "| failed: ValueError: a \\| b &lt;img src=x> |" in text


def test_the_wide_csv_has_a_column_for_each_number(table):
    rows = read(table_csv(table))
    assert [row["row"] for row in rows] == ["first", "second & last", "third"]
    assert list(rows[0])[:10] == [
        "group", "row", "phase_psnr_db", "phase_psnr_db_std", "phase_psnr_db_low", "phase_psnr_db_high",
        "phase_psnr_db_seeds", "phase_psnr_db_paper", "phase_psnr_db_paper_std", "phase_ssim",
    ]  # fmt: skip
    assert rows[0]["phase_psnr_db_paper"] == "20" and rows[0]["phase_psnr_db_paper_std"] == "0.5"
    assert rows[2]["phase_psnr_db"] == "" and rows[2]["phase_psnr_db_seeds"] == "0"
    assert rows[0]["phase_ssim"] == "0.81" and rows[0]["phase_ssim_std"] == "0.01"
    assert rows[0]["runs"].split() == [f"runs/benchmark/first-s{seed}" for seed in range(3)]


def test_the_tidy_csv_has_a_line_for_each_run_and_metric(table):
    rows = read(runs_csv(table))
    assert len(rows) == 27 and rows[1]["metric"] == "phase_ssim" and rows[1]["number"] == "0.8"
    assert rows[-1]["status"] == "missing" and rows[-1]["number"] == "" and rows[-1]["seed"] == "2"


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


def test_latex_is_escaped_and_the_best_number_is_bold(table):
    text = latex(table)
    assert r"second \& last" in text and r"phase SSIM (\%)" in text
    (first,) = [line for line in text.splitlines() if line.startswith("first")]
    assert first.startswith(r"first & $\mathbf{21.10 \pm 0.1") and text.count(r"\\") == 4
    assert [line for line in text.splitlines() if "rule" in line or "{table}" in line or "tabular" in line] == [
        r"\begin{table}", r"\begin{tabular}{lrrr}", r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}",
        r"\end{table}",
    ]  # fmt: skip


def test_latex_commands_in_a_title_or_label_are_harmless(outputs):
    rows = [{"label": label, "run": {}} for label in ("first", "second & last", "third")]
    change(outputs / PLAN, benchmark={**BENCHMARK, "rows": rows, "title": r"\input{x} 50 % #1 ~ ^ $_"})
    text = latex(made(outputs))
    assert r"\caption{\textbackslash{}input\{x\} 50 \% \#1 \textasciitilde{} \textasciicircum{} \$\_}" in text


def test_latex_separates_blocks_by_a_rule_and_names_their_group_once(outputs):
    vary(outputs, [1, 2], rows=[{**row, "group": "50 %"} for row in BENCHMARK["rows"]])
    plan = outputs / PLAN
    plan.write_text(plan.read_text().replace('"group": ""', '"group": "50 %"'))
    lines = latex(made(outputs)).splitlines()
    assert [line[:25] for line in lines if line.count("&") > 2] == [
        "group &  & photons & phas",
        r"50 \% & first & 1 & $\mat", r" & second \& last & 1 & $", " & third & 1 & -- & -- & ",
        r"\midrule 50 \% & first & ", r" & second \& last & 2 & $", " & third & 2 & -- & -- & ",
    ]  # fmt: skip


def test_a_shortened_table_says_so_in_every_form(outputs):
    change(outputs / PLAN, epochs=4)
    table = made(outputs)
    for text in (markdown(table, []), latex(table)):
        assert "shortened to 4 epochs" in text
    assert "**Shortened: 4 epochs instead of the recipe's number.**" in markdown(table, [])

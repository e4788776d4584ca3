"""A table as LaTeX: escaped text, bold and marks, and tables that fit a page."""

import re

import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.latex import latex, latex_text
from tests.benchmark.frames import PSNR, lines_of, results_of, solver_lines
from tests.benchmark.samples import BENCHMARK, PLAN, change, vary


def made(outputs):
    return make_table(collect(outputs / PLAN, outputs))


def small(**changes):
    """Return a table with a row far ahead, one that did not learn and a solver."""
    lines = [
        *lines_of("stuck", [5.0, 5.0, 5.1], not_learned="phase", constant=5.0),
        *lines_of("a", [8.0, 8.2, 8.1], constant=5.0),
        *solver_lines("ePIE", 30.0, constant=5.0),
    ]
    return make_table(results_of(lines, **changes))


def check_structure(text):
    """Check that braces and environments are closed and that every line of a tabular has as many cells."""
    assert re.sub(r"\\[{}]", "", text).count("{") == re.sub(r"\\[{}]", "", text).count("}")
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        assert kind == "begin" or opened.pop() == name
        opened += [name] if kind == "begin" else []
    assert not opened
    for columns, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        for line in body.splitlines():
            if line.endswith(r"\\") and "multicolumn" not in line:
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1, line


def test_the_environment_is_complete_and_names_part_seeds_and_split():
    text = latex(small())
    check_structure(text)
    assert text.startswith(
        "% \\usepackage{booktabs,graphicx}\n\n\\begin{table}\n\\centering\\small\n\\caption{A table: "
    )
    assert r"the stitched test field, mean $\pm$ sample standard deviation over seeds 0, 1, 2; split disjoint." in text
    assert r"\label{tab:small}" in text and text.endswith("\\bottomrule\n\\end{tabular}\n\\end{table}\n")


def test_the_best_is_bold_and_what_did_not_learn_is_marked_and_explained():
    text = latex(small())
    assert r"a & $\mathbf{8.10 \pm 0.10}$ \\" in text and r"ePIE & $30.00$ \\" in text and text.count("mathbf") == 1
    assert r"stuck & $5.03 \pm 0.06^{\dagger}$ \\" in text
    assert r"$^\dagger$ did not learn: no better than a constant guess" in text
    assert r"\textit{constant guess} & $\mathit{5.00}$ \\" in text


def test_a_table_without_a_test_a_constant_or_a_mark_has_none_of_them():
    text = latex(make_table(results_of(lines_of("a", [1.0, 1.1]))))
    check_structure(text)
    assert "mathbf" not in text and "dagger" not in text and "textit" not in text


def test_labels_and_heads_are_escaped(table):
    text = latex(table)
    assert r"second \& last & $19.1" in text and r"phase SSIM (\%)" in text
    assert r"\shortstack[r]{phase PSNR\\(dB)}" in text and "third & -- & -- & --" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            r"\input{x} 50 % #1 ~ ^ $_",
            r"\textbackslash{}input\{x\} 50 \% \#1 \textasciitilde{} \textasciicircum{} \$\_",
        ),
        ("[h] *x | a < b", r"{[}h{]} {*}x \textbar{} a \textless{} b"),  # \\ would take [h] or * as its argument
    ],
)
def test_latex_commands_in_a_text_are_harmless(outputs, text, expected):
    assert latex_text(text) == expected
    change(outputs / PLAN, benchmark={**BENCHMARK, "title": text})
    found = latex(made(outputs))
    check_structure(found)
    assert rf"\caption{{{expected}: " in found


def test_a_power_of_ten_is_written_out():
    lines = [line for row in ("a", "b") for line in lines_of(row, [1.5e-7], "phase_mse")]
    assert r"a & $1.5 \cdot 10^{-7}$ \\" in latex(make_table(results_of(lines)))


def test_blocks_are_separated_by_a_rule_and_their_group_is_named_once(outputs):
    vary(outputs, [1, 2], rows=[{**row, "group": "50 %"} for row in BENCHMARK["rows"]])
    plan = outputs / PLAN
    plan.write_text(plan.read_text().replace('"group": ""', '"group": "50 %"'))
    text = latex(made(outputs))
    check_structure(text)
    assert text.count(r"\multicolumn{5}{l}{50 \%} \\") == 1 and text.count(r"\midrule") == 2
    assert [line[:16] for line in text.splitlines() if line.count("&") > 2][:3] == [
        " & photons & \\sh", "first & 1 & $21.", "second \\& last &"
    ]  # fmt: skip


def wide(count):
    """Return a table with many metrics."""
    names = [f"{quantity}_{end}" for quantity in ("amplitude", "phase") for end in ("psnr_db", "ssim", "mse", "mae")]
    return make_table(results_of([line for name in names[:count] for line in lines_of("a", [0.5, 0.62], name)]))


def test_a_wide_table_is_scaled_to_the_width_of_the_text_and_a_narrow_one_is_not():
    text = latex(wide(6))
    check_structure(text)
    assert "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}{lrrrrrr}" in text and "\\end{tabular}}\n" in text
    assert "resizebox" not in latex(wide(3))


def test_metrics_that_would_be_too_small_to_read_follow_in_a_table_of_their_own():
    text = latex(wide(8))
    check_structure(text)
    columns = re.findall(r"\\begin\{tabular\}\{l(r+)\}", text)
    assert len(columns) == 2 and sum(map(len, columns)) == 8 and "Part 2 of 2." in text
    assert text.count("\na & ") == 2 and text.count(r"\shortstack[r]{phase PSNR\\(dB)}") == 1


def test_a_long_table_is_distributed_over_pages_by_block():
    lines = [
        line for group in ("x", "y", "z") for row in range(15) for line in lines_of(f"row {row}", [1.0], group=group)
    ]
    text = latex(make_table(results_of(lines)))
    check_structure(text)
    assert text.count(r"\begin{table}") == 2 and "Part 1 of 2." in text and "Part 2 of 2." in text
    assert r"\label{tab:small}" in text and r"\label{tab:small-part-2}" in text
    first, second = text.split(r"\end{table}")[:2]
    assert first.count("row 14 &") == 2 and second.count("row 14 &") == 1 and "{z}" in second


def test_a_shortened_table_says_so():
    text = latex(small(epochs=4))
    assert "A table - shortened to 4 epochs" in text and r"\label{tab:small-4}" in text


def test_the_same_results_give_the_same_bytes():
    assert latex(small()) == latex(small()) and PSNR not in latex(small())

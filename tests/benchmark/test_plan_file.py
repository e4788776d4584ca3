"""The plan of a sweep: nothing in it can name code or a place outside outputs_dir."""

import json

import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.plan_file import plan_folder, read_plan
from tests.benchmark.samples import BENCHMARK, PLAN, change


def change_cell(outputs, **changes):
    cells = json.loads((outputs / PLAN).read_text())["cells"]
    change(outputs / PLAN, cells=[{**cells[0], **changes}, *cells[1:]])


def test_a_plan_has_its_benchmark_and_the_run_of_each_cell(outputs):
    plan = read_plan(outputs / PLAN)
    assert plan.definition.title == "Two networks" and len(plan.cells) == 9
    assert (plan.cells[4].row, plan.cells[4].seed) == ("second & last", 1)
    assert plan.cells[4].command == "ptycho-train seed=1"


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /", "ptycho-train; rm x", "ptycho-train && rm x", "ptycho-train $(rm x)", "ptycho-train `x`",
        "ptycho-train a > b", "ptycho-train | sh", "ptycho-train 'a", 'ptycho-train "$HOME"', "ptycho-train\nrm x",
        "ptycho-train & rm", "ptycho-train ~/x",
    ],
)  # fmt: skip
def test_a_command_that_a_shell_would_not_run_as_this_project_is_refused(outputs, command):
    change_cell(outputs, command=command)
    with pytest.raises(
        ValueError, match=r"cells\.0\.command: must consist of commands ptycho-\.\.\. joined by &&, got"
    ):
        read_plan(outputs / PLAN)


def test_a_command_may_have_several_parts_and_quoted_words(outputs):
    command = "ptycho-train 'data_root=a b' && ptycho-evaluate outputs/x/best.ckpt 'a=[1,2]'"
    change_cell(outputs, command=command)
    assert read_plan(outputs / PLAN).cells[0].command == command


def test_a_shortened_variant_has_a_folder_of_its_own(tmp_path):
    assert plan_folder(tmp_path, "two", None) == tmp_path / "benchmarks/two"
    assert plan_folder(tmp_path, "two", 3) == tmp_path / "benchmarks/two-3-epochs"


@pytest.mark.parametrize(
    "folder",
    ["/etc", "../secret", "runs/../../secret", "runs//x", "", ".", "runs/.hidden", "C:\\x", "runs/a b", "runs/x\n"],
)
def test_a_folder_outside_the_outputs_is_refused(outputs, folder):
    change_cell(outputs, folder=folder)
    with pytest.raises(
        ValueError, match=r"plan\.json: cells\.0\.folder: must be a relative path of plain names"
    ) as error:
        collect(outputs / PLAN, outputs)
    assert "\n" not in str(error.value) and str(error.value).endswith("; run ptycho-sweep again")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"benchmark": {**BENCHMARK, "base": {"model._target_": "os.system"}}}, "must not contain _target_"),
        ({"benchmark": {**BENCHMARK, "base": {"data": "${oc.env:HOME}"}}}, "must not contain ${"),
        ({"benchmark": {**BENCHMARK, "seeds": ["a"]}}, "seeds.0: Input should be a valid integer, got 'a'"),
        ({"benchmark": {**BENCHMARK, "seeds": list(range(10**5))}}, "seeds: List should have at most 10000 items"),
        ({"benchmark": {**BENCHMARK, "seeds": 1e9}}, "seeds: Input should be a valid list"),
        ({"benchmark": []}, "benchmark: Input should be an object, got []"),
        ({"name": "../x"}, "name: a name consists of letters"),
        ({"epochs": "2"}, "epochs: Input should be a valid integer, got '2'"),
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1, got 0"),
        ({"cells": []}, "cells: List should have at least 1 item"),
        (
            {"cells": [{"group": "", "row": "first", "value": None, "seed": 0, "folder": "x"}] * 2},
            "two runs with seed 0",
        ),
        ({"cells": [{"group": "", "row": "first", "value": None, "seed": "a", "folder": "x"}]}, "cells.0.seed: Input"),
        (
            {"cells": [{"group": "", "row": "none", "value": None, "seed": 0, "folder": "x"}]},
            "no row ('', 'none', None)",
        ),
        ({"cells": [{"group": "", "row": "first", "value": 3, "seed": 0, "folder": "x"}]}, "no row ('', 'first', 3)"),
        ({"colour": 1}, "unknown key colour"),
    ],
)
def test_a_hostile_or_damaged_plan_is_refused_in_one_line(outputs, changes, message):
    change(outputs / PLAN, **changes)
    with pytest.raises(ValueError, match=r"^.*plan\.json: ") as error:
        collect(outputs / PLAN, outputs)
    text = str(error.value)
    assert message in text and "\n" not in text and text.endswith("; run ptycho-sweep again") and len(text) < 400


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000, '{"name": "two"}', "\udcff"])
def test_a_file_that_is_no_plan_is_named(outputs, text):
    (outputs / PLAN).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"^.*plan\.json: [^\n]*; run ptycho-sweep again$"):
        read_plan(outputs / PLAN)


def test_a_huge_file_is_refused_unread(outputs):
    with open(outputs / PLAN, "wb") as handle:
        handle.truncate(2**26 + 1)
    with pytest.raises(ValueError, match=r"plan\.json: is larger than 64 MiB, so it is no plan; run ptycho-sweep"):
        read_plan(outputs / PLAN)


def test_a_missing_plan_is_named(outputs):
    with pytest.raises(ValueError, match=r"^no plan .*none/plan\.json; run ptycho-sweep, which writes it$"):
        read_plan(outputs / "benchmarks/none/plan.json")

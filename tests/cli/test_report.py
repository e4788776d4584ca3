"""ptycho-report: from a swept benchmark to its report, and what is refused."""

import csv
import json

import pytest

from tests.cli.conftest import SMALL_RUN
from tests.cli.test_sweep import SMALL, benchmark  # noqa: F401 - a fixture

OF_RUN = [word for word in SMALL_RUN if word.startswith("model.")]
PROFILE = ("model=ptychonn", "size_px=16", "batch_sizes=[1,4]", "repeats=2", "device=cpu")


def test_a_swept_table_is_reported_in_every_form_with_its_cost(command, benchmark, tmp_path):  # noqa: F811
    metrics = {"phase_ssim": "higher", "parameters_mib": "lower", "gflops": "lower", "milliseconds": "lower"}
    words = benchmark(seeds=[0], rows=SMALL["rows"][:1], metrics=metrics, figures=["bars", "pareto", "patches"])
    assert command("sweep", *words)[0] == 0
    assert command("profile", *PROFILE, "input=counts", *OF_RUN, "model.width=6")[0] == 0  # of the name, not the same
    code, out, err = command("report", "benchmark=small")
    assert code == 0, err
    assert "small: 1 of 1 runs done" in out
    folder = tmp_path / "benchmarks/small/report"
    assert {file.name for file in folder.iterdir()} == {
        "figures", "report.json", "report.html", "report.md", "table.csv", "seeds.csv", "table.tex", "pairs.csv"
    }  # fmt: skip
    assert {file.name for file in (folder / "figures").iterdir()} == {"bars.png", "pareto.png", "patches.png"}
    (row,) = csv.DictReader((folder / "table.csv").open())
    profiles = [json.loads(file.read_text()) for file in (tmp_path / "profiles").glob("*/results.json")]
    training = json.loads((tmp_path / row["runs"] / "results.json").read_text())["training"]
    (profile,) = (profile for profile in profiles if profile["parameters"] == training["parameters"])
    assert float(row["gflops"]) == pytest.approx(profile["gflops"])
    assert float(row["milliseconds"]) == pytest.approx(profile["batches"][0]["milliseconds"])
    assert float(row["parameters_mib"]) == pytest.approx(training["stored_numbers"] * 4 / 2**20)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    code, out, _ = command("report", "benchmark=all")
    assert code == 0 and (tmp_path / "benchmarks/index.html").is_file() is False
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def write_plan(outputs, name, folder):
    """Write a plan of one run."""
    place = outputs / "benchmarks" / name
    place.mkdir(parents=True)
    cell = {"group": "", "row": "a", "value": None, "seed": 0, "folder": folder}
    node = {**SMALL, "title": f"Table {name}", "rows": SMALL["rows"][:1]}
    (place / "plan.json").write_text(json.dumps({"name": name, "epochs": None, "benchmark": node, "cells": [cell]}))


def test_several_tables_share_a_page(command, tmp_path):
    for name in ("x", "y"):
        write_plan(tmp_path, name, "runs/benchmark/none")
    code, out, err = command("report", "benchmark=[x,y]", f"out={tmp_path}/reports", "figures=false")
    assert code == 0, err
    assert out.splitlines()[0].startswith("Table x: 0 of 1 runs done -> ")
    assert out.splitlines()[-1] == f"-> {tmp_path}/reports/index.html"
    assert '<a href="y/report.html">Table y</a>' in (tmp_path / "reports/index.html").read_text()


def test_a_hostile_plan_is_refused_in_one_line(command, tmp_path):
    write_plan(tmp_path, "x", "../../etc")
    code, out, err = command("report", "benchmark=x")
    assert code == 1 and err.count("\n") == 1 and not out
    assert "plan.json: cells.0.folder: must be a relative path" in err and "run ptycho-sweep again" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("benchmark=ppn_table2",), "no plan"),
        (("benchmark=all",), "no benchmark was swept in"),
        ((), "no benchmark is named"),
        (("benchmark=all", "figures=no"), "figures must be true or false, got 'no'"),
        (("benchmark=all", "out="), "out must not be empty"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_one_line(command, words, message):
    code, _, err = command("report", *words)
    assert code == 1 and err.count("\n") == 1
    assert message in err

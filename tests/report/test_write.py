"""Reports are written for every plan that can be read, and a page links to all of them."""

import importlib.util
import json

import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.write import plan_files, reports_below, summary_line, write_report, write_reports
from tests.benchmark.frames import lines_of, results_of
from tests.benchmark.samples import PLAN, change

FILES = {"figures", "report.json", "report.html", "report.md", "table.csv", "seeds.csv", "table.tex", "pairs.csv"}


def test_a_report_has_every_form_and_only_its_own_figures(outputs, capsys):
    folder = outputs / "benchmarks/two/report"
    (folder / "figures").mkdir(parents=True)
    for name in ("old", "mine"):
        (folder / f"figures/{name}.png").touch()
    listed = ["figures/old.png", "figures/../../plan.json", "../plan.json"]
    (folder / "report.json").write_text(json.dumps({"command": "ptycho-report", "files": listed}))
    change(outputs / PLAN, benchmark={**json.loads((outputs / PLAN).read_text())["benchmark"], "figures": ["bars"]})
    write_reports([outputs / PLAN], outputs, out=None, figures=True)
    assert {file.name for file in folder.iterdir()} == FILES
    assert {file.name for file in (folder / "figures").iterdir()} == {"bars.png", "mine.png"}
    assert (outputs / PLAN).is_file()
    printed = capsys.readouterr().out
    assert printed == f"Two networks: 6 of 9 runs done -> {folder}/report.html, .md, table.csv, seeds.csv, table.tex\n"


def test_the_console_counts_the_runs_that_did_not_learn(tmp_path):
    lines = lines_of("a", [5.0, 5.1, 5.0], not_learned=["phase", "", "amplitude"])
    line = summary_line(make_table(results_of(lines)), tmp_path)
    assert line.startswith("A table: 3 of 3 runs done, 2 of them did not learn -> ")


def test_several_reports_share_a_page_and_a_damaged_plan_stops_no_other(outputs, tmp_path, capsys):
    (outputs / "benchmarks/broken").mkdir()
    (outputs / "benchmarks/broken/plan.json").write_text("{")
    (outputs / "benchmarks/zwei").mkdir()
    (outputs / "benchmarks/zwei/plan.json").write_bytes((outputs / PLAN).read_bytes())
    plans = plan_files(outputs, ["all"], None)
    assert [plan.parent.name for plan in plans] == ["broken", "two", "zwei"]
    out = tmp_path / "elsewhere"
    with pytest.raises(ValueError, match="1 of 3 tables cannot be made; the others are written"):
        write_reports(plans, outputs, out=out, figures=False)
    assert {file.name for file in (out / "two").iterdir()} == FILES
    text = (out / "index.html").read_text()
    assert text.count("<section") == 2 and '<a href="zwei/report.html">Two networks</a>' in text
    assert "failed: broken: " in capsys.readouterr().out


def test_a_damaged_plan_alone_is_an_error(outputs):
    (outputs / PLAN).write_text("{")
    with pytest.raises(ValueError, match=r"plan\.json: Invalid JSON"):
        write_reports([outputs / PLAN], outputs, out=None, figures=False)
    assert not (outputs / "benchmarks/two/report").exists()


def test_plans_are_found_by_name_and_length(tmp_path):
    assert plan_files(tmp_path, ["a", "b"], 2) == [
        tmp_path / "benchmarks/a-2-epochs/plan.json", tmp_path / "benchmarks/b-2-epochs/plan.json"
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"no benchmark was swept in .*; run ptycho-sweep benchmark=NAME first"):
        plan_files(tmp_path, ["all"], None)


def test_the_page_of_all_tables_knows_every_report_below_it(tmp_path):
    for name, title in {"here/report": "Table <1> & more", "else where": "Table 2"}.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "report.md").write_text(f"# {title.replace('<', '&lt;')}\n\ntext\n")
        (tmp_path / name / "report.html").write_text("page")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/report.html").write_text("page")
    assert reports_below(tmp_path / "index.html") == [
        ("bare/report.html", "bare/report.html"), ("Table 2", "else%20where/report.html"),
        ("Table <1> & more", "here/report/report.html"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["report.md", "figures/bars.png", "report.json"])
def test_a_file_that_is_not_of_a_report_is_neither_replaced_nor_deleted(outputs, tmp_path, name):
    change(outputs / PLAN, benchmark={**json.loads((outputs / PLAN).read_text())["benchmark"], "figures": ["bars"]})
    mine = tmp_path / "elsewhere/two" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("years")
    with pytest.raises(ValueError, match="move it away or set out=FOLDER"):
        write_reports([outputs / PLAN], outputs, out=tmp_path / "elsewhere", figures=True)
    assert [file for file in (tmp_path / "elsewhere").rglob("*") if file.is_file()] == [mine]
    assert mine.read_text() == "years"


def test_reports_of_earlier_releases_are_replaced_in_their_places_and_links_nowhere(outputs):
    published = outputs / "published/two"
    for folder in (outputs / "benchmarks/two/report", published):
        folder.mkdir(parents=True)
        (folder / "report.md").write_text("old")
    for out in (None, outputs / "published", outputs / "published"):
        write_reports([outputs / PLAN], outputs, out=out, figures=False)
    assert (published / "report.md").read_text().startswith("# ")
    (published / "table.csv").rename(outputs / "table.csv")
    (published / "table.csv").symlink_to(outputs / "table.csv")
    with pytest.raises(ValueError, match=r"table.csv is a symbolic link"):
        write_reports([outputs / PLAN], outputs, out=outputs / "published", figures=False)


def test_a_page_of_somebody_else_is_not_replaced(outputs, tmp_path):
    (outputs / "benchmarks/zwei").mkdir()
    (outputs / "benchmarks/zwei/plan.json").write_bytes((outputs / PLAN).read_bytes())
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("years")
    with pytest.raises(ValueError, match=r"index.html exists, and ptycho-report did not write it"):
        write_reports(plan_files(outputs, ["all"], None), outputs, out=tmp_path / "site", figures=False)
    assert (tmp_path / "site/index.html").read_text() == "years"


def test_a_title_with_a_tag_is_harmless_in_the_markdown_report(outputs, tmp_path):
    benchmark = json.loads((outputs / PLAN).read_text())["benchmark"]
    change(outputs / PLAN, benchmark={**benchmark, "title": "<script>alert(1)</script>"})
    write_report(tmp_path / "report", make_table(collect(outputs / PLAN, outputs)), {})
    assert (tmp_path / "report/report.md").read_text().startswith("# &lt;script>alert(1)&lt;/script>\n")


@pytest.mark.parametrize("missing", ["jinja2", "pingouin"])
def test_a_missing_package_is_named_in_one_line(outputs, monkeypatch, missing):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find_spec(name))
    with pytest.raises(ValueError, match=rf'^ptycho-report needs {missing}; pip install -e "\.\[report\]"$'):
        write_reports([outputs / PLAN], outputs, out=None, figures=False)

"""The HTML page needs no other file, links to its runs and is the same each time."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.page import page
from ptycho_bench.report.wording import FIGURES
from tests.benchmark.frames import lines_of, results_of, solver_lines
from tests.benchmark.samples import BENCHMARK, PLAN, change


def test_the_page_needs_no_other_file_and_is_the_same_each_time(outputs, table):
    figures = {"bars": b"\x89PNG", "box": b"\x89PNG 2"}
    text = page([(table, figures)], "a page")
    assert text.count('src="data:image/png;base64,') == text.count("src=") == 2
    assert "<link" not in text and "http" not in text and "second &amp; last" in text
    assert text == page([(make_table(collect(outputs / PLAN, outputs)), figures)], "a page")


def test_numbers_link_to_the_runs_behind_them(table):
    text = page([(table, {})], "a page")
    assert 'href="#two-run-0"' in text and 'id="two-run-0"' in text and 'id="two-run-8"' in text
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r'id="([^"]+)"', text))
    assert re.search(r'<td data-sort="21\.1[^>]* title="3 of 3 runs\nseed 0: 21[^>]*><a href="#two-run-0">21', text)
    assert "2 of 3 runs missing, 1 of 3 runs failed" in text and "failed: ValueError: training diverged" in text
    assert "+1.1" in text and "20.00" in text


def learned():
    """Return a table with a row far ahead, one that did not learn and a solver."""
    facts = {"constant": 5.0, "block_low": 8.0, "block_high": 9.0, "command": "ptycho-train 'model=<a>'"}
    lines = [
        *lines_of("stuck", [5.0, 5.0, 5.1], not_learned=["phase", "phase", ""], **facts),
        *lines_of("a", [8.0, 8.2, 8.1], leak_patches=0.5, leak_field=0.25, leak_scored=0.0, **facts),
        *solver_lines("ePIE", 30.0, constant=5.0),
    ]
    return make_table(results_of(lines))


def test_the_best_is_bold_and_what_did_not_learn_is_marked(table):
    text = page([(learned(), {})], "a page")
    assert re.findall(r'class="best"[^>]*><a[^>]*>([^<]*)', text) == ["8.10 ± 0.10"]
    assert re.search(r'<a href="#small-run-0">5\.03 ± 0\.06†</a>', text)
    assert '<p class="note">† did not learn: no better than a constant guess. phase: stuck (2 of 3 seeds).</p>' in text
    assert '<p class="note">Leakage with split=disjoint: 50 % of test patches' in text
    assert 'class="best"' not in page([(table, {})], "a page")  # a row has no run yet, so there is no test


def test_a_number_has_its_seeds_both_intervals_and_the_constant_guess_beside_it():
    text = page([(learned(), {})], "a page")
    hint = re.search(r'title="(3 of 3 runs\nseed 0: 8\.00[^"]*)"', text)[1].splitlines()
    assert hint[1:4] == ["seed 0: 8.00", "seed 1: 8.20", "seed 2: 8.10"]
    assert hint[4:] == [
        "95 % interval over seeds: 7.85 to 8.35", "95 % interval over blocks of the field: 8.00 to 9.00",
        "constant guess: 5.00",
    ]  # fmt: skip
    line = re.search(r'<tr class="constant">.*?</tr>', text, re.DOTALL)[0]
    assert "constant guess" in line and '<td data-sort="5">5.00</td>' in line


def test_the_command_of_each_run_is_on_the_page():
    text = page([(learned(), {})], "a page")
    command = "ptycho-train &#39;model=&lt;a&gt;&#39;"
    assert text.count(f"<code>{command}</code>") == 6 and f'data-sort="a" title="{command}">a</th>' in text


def test_a_run_links_to_its_configuration_if_there_is_one(outputs, table):
    (outputs / "runs/benchmark/first-s1/config.yaml").write_text("seed: 1\n")
    folder = outputs / "benchmarks/two/report"
    text = page([(table, {})], "a page", folder=folder)
    (address,) = re.findall(r'<a href="([^"#]+)">configuration</a>', text)
    assert address == "../../../runs/benchmark/first-s1/config.yaml"
    folder.mkdir(parents=True)
    assert (folder / address).read_text() == "seed: 1\n"
    assert ">configuration<" not in page([(table, {})], "a page")


def test_every_table_has_a_caption_row_heads_and_every_picture_a_text(table):
    text = page([(table, {name: b"\x89PNG" for name in FIGURES})], "a page")
    assert text.count("<caption>") == text.count("<table") == 2
    assert text.count('<th scope="row"') == 3 + 1 + 9  # rows, constant guess, runs
    for description in FIGURES.values():
        assert f'alt="Two networks: {description}"' in text


def test_the_page_prints_all_columns_and_has_a_dark_style(table):
    text = page([(table, {})], "a page")
    assert "@media print" in text and "size: landscape" in text and ".wide { overflow: visible; }" in text
    assert "prefers-color-scheme: dark" in text and "position: sticky" in text


class Tags(HTMLParser):
    """Checks that every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_tag_is_closed(table):
    tags = Tags()
    tags.feed(page([(table, {"bars": b"\x89PNG"}), (learned(), {})], "a page"))
    assert tags.open == []


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_has_no_syntax_error(table, tmp_path):
    script = re.search(r"<script>(.*)</script>", page([(table, {})], "a page"), re.DOTALL)[1]
    (tmp_path / "page.js").write_text(script)
    subprocess.run(["node", "--check", tmp_path / "page.js"], check=True)


def test_no_text_of_a_benchmark_acts_as_html(outputs):
    rows = [{**BENCHMARK["rows"][0]}, *BENCHMARK["rows"][1:]]
    change(outputs / PLAN, benchmark={**BENCHMARK, "rows": rows, "title": "<script>x", "note": '"><img src=x>'})
    (outputs / "runs/benchmark/third-s0/error.txt").write_text("<b>bold\n")
    table = make_table(collect(outputs / PLAN, outputs))
    text = page([(table, {})], table.title, [("<i>other", "a&b/report.html")])
    assert "<script>x" not in text and "<img src=x" not in text and "<b>bold" not in text and "<i>other" not in text
    assert "&lt;script&gt;x" in text and 'href="a&amp;b/report.html"' in text


def test_a_shortened_table_says_so(outputs):
    change(outputs / PLAN, epochs=4)
    table = make_table(collect(outputs / PLAN, outputs))
    text = page([(table, {})], table.title)
    assert "Two networks - shortened to 4 epochs" in text
    assert '<p class="shortened">Shortened: 4 epochs instead of the recipe&#39;s number. A shortened' in text


def test_a_page_of_several_tables_links_to_each(table):
    text = page([(table, {}), (table, {})], "all", [("Table elsewhere", "elsewhere/report.html")])
    assert text.count('<nav><a href="#two">') == 1 and text.count("<section") == 2
    assert '<a href="elsewhere/report.html">Table elsewhere</a>' in text

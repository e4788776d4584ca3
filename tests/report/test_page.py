"""The HTML page needs no other file, links to its runs and is the same each time."""

import re

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.tables import make_table
from ptycho_bench.report.page import page
from tests.benchmark.samples import BENCHMARK, PLAN, change


def test_the_page_needs_no_other_file_and_is_the_same_each_time(outputs, table):
    figures = {"bars": b"\x89PNG", "box": b"\x89PNG 2"}
    text = page([(table, figures)], "a page")
    assert text.count('src="data:image/png;base64,') == text.count("src=") == 2
    assert "<link" not in text and "http" not in text and "second &amp; last" in text
    assert text == page([(make_table(collect(outputs / PLAN, outputs)), figures)], "a page")


def test_numbers_link_to_the_runs_behind_them_and_the_best_is_marked(table):
    text = page([(table, {})], "a page")
    assert 'href="#two-run-0"' in text and 'id="two-run-0"' in text and 'id="two-run-8"' in text
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r'id="([^"]+)"', text))
    best = re.search(r'<td data-sort="21\.1[^>]*class="best" title="3 of 3 runs: runs/benchmark/first-s0,[^>]*>', text)
    assert best and text.count('class="best"') == 3
    assert "2 of 3 runs missing, 1 of 3 runs failed" in text and "failed: ValueError: training diverged" in text
    assert "+1.1" in text and "20.00" in text


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
    assert '<p class="shortened">Shortened: 4 epochs instead of the recipe&#39;s number.</p>' in text


def test_a_page_of_several_tables_links_to_each(table):
    text = page([(table, {}), (table, {})], "all", [("Table elsewhere", "elsewhere/report.html")])
    assert text.count('<nav><a href="#two">') == 1 and text.count("<section") == 2
    assert '<a href="elsewhere/report.html">Table elsewhere</a>' in text

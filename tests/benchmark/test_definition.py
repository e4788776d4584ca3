"""Benchmarks as data: every file is whole, and what is not is refused by name."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ptycho_bench.benchmark.definition import Benchmark, Printed
from tests.conftest import CONF, options

SMALL = {
    "title": "two rows", "source": "here", "base": {"data": "ltem"}, "seeds": [0, 1], "part": "stitched",
    "metrics": {"phase_ssim": "higher"},
    "rows": [{"label": "a", "run": {"model": "w3"}, "paper": {"phase_ssim": [0.7, 0.1]}}, {"label": "b", "run": {}}],
}  # fmt: skip


def read(name):
    return Benchmark.of(name, OmegaConf.to_container(OmegaConf.load(CONF / "benchmark" / f"{name}.yaml")))


@pytest.mark.parametrize("name", options("benchmark"))
def test_every_file_is_a_whole_benchmark_with_ten_seeds(name):
    benchmark = read(name)
    assert benchmark.seeds == tuple(range(10))
    cells = list(benchmark.cells())
    assert len(set((c.row.group, c.row.label, c.value, c.seed) for c in cells)) == len(cells)
    text = Path(CONF / "benchmark" / f"{name}.yaml").read_text()
    assert text.startswith("# ")


def test_what_the_paper_prints_is_within_its_range():
    for name in options("benchmark"):
        for row in read(name).rows:
            for metric, value in row.paper.items():
                if metric.endswith("_ssim"):
                    assert 0 < value.mean < 1
                if metric.endswith("_psnr_db"):
                    assert 5 < value.mean < 30


def test_cells_go_row_by_row_and_a_solver_has_no_seed():
    node = {**SMALL, "vary": {"label": "overlap", "key": "data.overlap_ratio", "values": [0.3, 0.6], "of": "testing"}}
    node["rows"] = [*SMALL["rows"], {"label": "ePIE", "solve": {"solver": "epie"}}]
    cells = [(cell.row.label, cell.value, cell.seed) for cell in Benchmark.of("x", node).cells()]
    assert cells[:4] == [("a", 0.3, 0), ("a", 0.3, 1), ("a", 0.6, 0), ("a", 0.6, 1)]
    assert cells[-2:] == [("ePIE", 0.3, None), ("ePIE", 0.6, None)]


def test_overrides_of_a_row_come_after_the_common_ones_and_what_varies_last():
    vary = {"label": "alpha", "key": "loss.alpha", "values": [0.5], "of": "training"}
    rows = [{"label": "a", "run": {"data": "curved", "loss.alpha": 0.1}, "test": {"region": "all"}}]
    benchmark = Benchmark.of("x", {**SMALL, "rows": rows, "vary": vary})
    (row,) = benchmark.rows
    assert benchmark.training(row, 0.5) == {"data": "curved", "loss.alpha": 0.5}
    assert benchmark.testing(row, 0.5) == {"region": "all"}
    assert Benchmark.of("x", SMALL).rows[0].paper == {"phase_ssim": Printed(0.7, 0.1)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": []}, "seeds must be one or more numbers, each once"),
        ({"seeds": [1, 1]}, "seeds must be one or more numbers, each once"),
        ({"part": "whole"}, "part must be stitched or patch_mean, got 'whole'"),
        ({"metrics": {"phase_ssim": "up"}}, "phase_ssim must be higher or lower, got 'up'"),
        ({"metrics": {"phase_sim": "higher"}}, "no metric 'phase_sim'; see results.json"),
        ({"colour": 1}, "has no place for colour; it takes"),
        ({"rows": []}, "rows must be one or more"),
        ({"rows": [{"label": "a", "run": {}}] * 2}, "each label once in its group"),
        ({"rows": [{"label": "a"}]}, "row 'a' must have run, a network's overrides, or solve"),
        ({"rows": [{"label": "a", "run": {}, "paper": {"psnr": 1.0}}]}, "the paper's psnr is none of the metrics"),
        ({"vary": {"label": "x", "key": "y", "values": [], "of": "training"}}, "values at least one"),
        ({"vary": {"label": "x", "key": "y", "values": [1], "of": "it"}}, "of must be training or testing"),
    ],
)
def test_what_is_not_whole_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        Benchmark.of("x", {**SMALL, **change})
    with pytest.raises(ValueError, match="has no title"):
        Benchmark.of("x", {key: value for key, value in SMALL.items() if key != "title"})

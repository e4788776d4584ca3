"""The stream script processes every pattern or counts it as lost, and appends one row per run."""

import csv
import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ptycho_bench.config.checkpoint import load_network
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import write_scan
from ptycho_bench.deployment.export import export_network
from ptycho_bench.deployment.metadata import metadata_of
from scripts.benchmark_stream import main, replay
from tests.deployment.conftest import SMALL, checkpoint_of, described

PATTERNS = np.arange(5, dtype=np.float32)[:, None, None, None] * np.ones((5, 1, 4, 4), np.float32)


def test_a_network_that_keeps_up_receives_every_pattern_in_order_in_whole_batches():
    batches = []
    result = replay(batches.append, PATTERNS, rate=400, seconds=0.0525, batch=8, room=64)
    assert (result.offered, result.lost, len(result.latencies_s)) == (21, 0, 21)
    assert [len(batch) for batch in batches] == [8, 8, 5]
    np.testing.assert_array_equal(np.concatenate(batches)[:, 0, 0, 0], np.arange(21) % 5)
    assert min(result.latencies_s) > 0


def test_patterns_that_find_the_queue_full_are_lost_and_counted():
    result = replay(lambda batch: time.sleep(0.05), PATTERNS, rate=2000, seconds=0.2, batch=2, room=4)
    assert result.offered == 400
    assert result.lost > 0
    assert result.lost + len(result.latencies_s) == result.offered
    assert max(result.latencies_s) >= 0.05  # at least the time of one batch


def test_without_a_rate_patterns_arrive_as_they_are_consumed_and_none_is_lost():
    result = replay(lambda batch: time.sleep(0.005), PATTERNS, rate=0, seconds=0.1, batch=4, room=2)
    assert result.lost == 0
    assert result.offered == len(result.latencies_s) > 0


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Path of a small exported network that sees neighbouring patterns."""
    folder = tmp_path_factory.mktemp("model")
    description = described(*SMALL, "input.neighbours=1")
    network = load_network(checkpoint_of(description, folder / "best.ckpt"))
    metadata = metadata_of(description, neighbours=1, circular=False, scaling_of=None)
    export_network(network, folder / "best.onnx", size_px=16, batch=None, metadata=metadata)
    return folder / "best.onnx"


def run(*arguments: object) -> subprocess.CompletedProcess:
    script = Path(__file__).parents[2] / "scripts" / "benchmark_stream.py"
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_each_run_appends_a_row_whose_counts_add_up(model, tiny_scan, tmp_path):
    write_scan(tmp_path / "scan.h5", tiny_scan)
    table = tmp_path / "stream.csv"
    for arguments in (("--rate", 500, "--scan", tmp_path / "scan.h5"), ("--rate", 0)):
        result = run(model, "--seconds", 0.2, "--csv", table, *arguments)
        assert result.returncode == 0, result.stderr
        assert "sustained_rate" in result.stdout and "latency_p99_ms" in result.stdout
    with table.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["asked_rate"]) for row in rows] == [500, 0]
    for row in rows:
        assert int(row["offered"]) == int(row["done"]) + int(row["lost"])
        assert float(row["latency_p50_ms"]) <= float(row["latency_p99_ms"])
        assert row["machine"]
    assert int(rows[0]["offered"]) == 100


def test_invalid_arguments_end_with_a_message(model, tiny_scan, tmp_path, monkeypatch, capsys):
    write_scan(tmp_path / "scan.h5", dataclasses.replace(tiny_scan, **cropped(tiny_scan)))
    for arguments, message in (
        ((tmp_path / "absent.onnx",), "no file"),
        ((model, "--scan", tmp_path / "scan.h5"), "the scan has patterns of 8 px, but the network expects 16 px"),
        ((model, "--batch", 0), "--batch must be at least 1, got 0"),
        ((model, "--rate", -1), "--rate must be at least 0, got -1.0"),
        ((model, "--seconds", 0), "--seconds 0.0 is too short for one pattern"),
    ):
        monkeypatch.setattr(sys, "argv", ["benchmark_stream.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code != 0
        assert message in f"{ended.value.code}{capsys.readouterr().err}"


def cropped(scan: PtychoScan) -> dict[str, np.ndarray]:
    """Return patterns, labels and probe cropped to half the side."""
    arrays = {name: getattr(scan, name)[..., 4:12, 4:12] for name in ("diffraction", "amplitude", "phase", "probe")}
    return {**arrays, "mask": None}

"""Predictors without weights: the mean of the training part, and the patch of its nearest pattern."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ptycho_bench.data.store import open_scan
from ptycho_bench.runs import references
from ptycho_bench.runs.references import NearestPattern, TrainingMean, scan_of_training

TRAIN = np.arange(5, 60, 2)
OPTIONS = {"device": "cpu"}


def test_the_training_mean_is_that_of_all_pixels_of_the_training_patches(tiny_scan):
    amplitude, phase = TrainingMean(tiny_scan, TRAIN, **OPTIONS).predict(torch.rand(3, 16, 16), batch_size=2)
    for predicted, known in ((amplitude, tiny_scan.amplitude), (phase, tiny_scan.phase)):
        expected = torch.full((3, 16, 16), float(known[TRAIN].mean(dtype=np.float64)))
        torch.testing.assert_close(predicted, expected)


def test_the_nearest_pattern_of_a_training_pattern_is_itself(tiny_scan):
    asked = torch.from_numpy(TRAIN[[7, 0, 20, 7]])
    amplitude, phase = NearestPattern(tiny_scan, TRAIN, **OPTIONS).predict(
        tiny_scan.patterns(np.arange(60)), batch_size=3, neighbours=asked[:, None]
    )
    assert torch.equal(amplitude, torch.from_numpy(tiny_scan.amplitude[asked]))
    assert torch.equal(phase, torch.from_numpy(tiny_scan.phase[asked]))


def test_nearness_is_that_of_the_square_roots_of_the_counts(tiny_scan):
    patterns = tiny_scan.patterns(np.arange(60, 121))
    roots = torch.from_numpy(tiny_scan.diffraction[TRAIN]).double().sqrt().flatten(1)
    distances = torch.cdist(patterns.double().sqrt().flatten(1), roots)
    nearest = NearestPattern(tiny_scan, TRAIN, **OPTIONS).nearest(patterns)
    assert len(nearest.unique()) > 5
    assert nearest.tolist() == distances.argmin(dim=1).tolist()


def test_masked_pixels_do_not_count(tiny_scan):
    valid = torch.ones(16, 16, dtype=torch.bool)
    valid[8, 8] = False
    patterns = tiny_scan.patterns(TRAIN)
    patterns[:, 8, 8] = torch.linspace(0, 1e6, len(TRAIN))
    assert NearestPattern(tiny_scan, TRAIN, **OPTIONS, valid=valid).nearest(patterns).tolist() == list(range(28))
    assert NearestPattern(tiny_scan, TRAIN, **OPTIONS).nearest(patterns).tolist() != list(range(28))


def test_patterns_that_are_read_block_by_block_from_a_file_give_the_same(tiny_scan, tiny_file, monkeypatch):
    patterns = tiny_scan.patterns(np.arange(60, 121))
    kept = NearestPattern(tiny_scan, TRAIN, **OPTIONS)
    monkeypatch.setattr(references, "KEPT_BYTES", 0)
    monkeypatch.setattr("ptycho_bench.network.scaling.PATTERNS_AT_ONCE", 5)
    read = NearestPattern(open_scan(tiny_file), TRAIN, **OPTIONS)
    assert read.kept is None
    for one, other in zip(read.predict(patterns, batch_size=9), kept.predict(patterns, batch_size=9), strict=True):
        assert torch.equal(one, other)
    means = [TrainingMean(scan, TRAIN, **OPTIONS).means for scan in (tiny_scan, open_scan(tiny_file))]
    assert means[0] == pytest.approx(means[1], rel=1e-12)


def test_of_several_scans_the_evaluated_one_is_used_and_another_is_refused(tiny_scan):
    stored = [{"content_hash": name, "words": f"data={name}.h5"} for name in ("a", "b")]
    spec = SimpleNamespace(checkpoint={"ptycho_bench": {"test": stored}}, predictor="training_mean", training_scan=None)
    scan = dataclasses.replace(tiny_scan, content_hash="b")
    assert scan_of_training(spec, scan) == (scan, stored[1])
    with pytest.raises(ValueError, match="needs the scan that the network was trained on") as caught:
        scan_of_training(spec, dataclasses.replace(tiny_scan, content_hash="c"))
    assert "score that scan, data=a.h5 or data=b.h5, or use predictor=network" in str(caught.value)

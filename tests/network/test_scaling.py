"""Value ranges of the training part."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ptycho_bench.data.frames import StoredFrames
from ptycho_bench.data.store import open_scan, write_scan
from ptycho_bench.network.scaling import Scaling


def scan(amplitude=(0.5, 0.9), phase=(-2.0, 1.0)):
    """The arrays that ranges are taken from; the second point is not a training point."""
    arrays = {"diffraction": [[[0.0, 900.0]], [[5e3, 5e3]]], "amplitude": [[amplitude], [(9, 9)]]}
    arrays["phase"] = [[phase], [(9, 9)]]
    return SimpleNamespace(**{name: np.array(values, np.float32) for name, values in arrays.items()})


def test_the_training_range_becomes_zero_to_one():
    scaling = Scaling.of(scan(), [0])
    torch.testing.assert_close(scaling.scale_amplitude(torch.tensor([0.5, 0.7, 0.9])), torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(scaling.scale_phase(torch.tensor([-2.0, -0.5, 1.0])), torch.tensor([0.0, 0.5, 1.0]))
    assert scaling.intensity_max == 900
    assert scaling.intensity_p995 == np.quantile([0.0, 900.0], 0.995)


def test_unscaling_inverts_scaling_outside_the_range_too():
    scaling, values = Scaling.of(scan(), [0]), torch.linspace(-4, 4, 9)
    torch.testing.assert_close(scaling.unscale_amplitude(scaling.scale_amplitude(values)), values)
    torch.testing.assert_close(scaling.unscale_phase(scaling.scale_phase(values)), values)


def test_a_constant_object_scales_to_zero_and_back():
    scaling = Scaling.of(scan(amplitude=(1, 1), phase=(1, 1)), [0])
    one = torch.ones(3)
    assert torch.equal(scaling.scale_amplitude(one), torch.zeros(3))
    assert torch.equal(scaling.unscale_phase(scaling.scale_phase(one)), one)


def test_training_patterns_are_standardised_pixel_by_pixel(monkeypatch):
    counts = np.random.default_rng(0).poisson(50, (7, 4, 4)).astype(np.uint16)
    part = SimpleNamespace(diffraction=counts, amplitude=np.ones((7, 4, 4)), phase=np.ones((7, 4, 4)))
    monkeypatch.setattr("ptycho_bench.network.scaling.PATTERNS_AT_ONCE", 2)
    scaling = Scaling.of(part, [0, 1, 2, 4, 6])
    seen = np.log1p(counts[[0, 1, 2, 4, 6]].astype(np.float64))
    np.testing.assert_allclose(scaling.log1p_mean, seen.mean(axis=0), rtol=1e-6)
    assert scaling.log1p_deviation == pytest.approx((seen - seen.mean(axis=0)).std())


def test_equal_patterns_have_the_deviation_one():
    assert Scaling.of(scan(), [0]).log1p_deviation == 1


def test_a_scan_in_a_file_is_read_a_few_patterns_at_a_time_and_gives_the_same_ranges(tmp_path, tiny_scan, monkeypatch):
    monkeypatch.setattr("ptycho_bench.network.scaling.PATTERNS_AT_ONCE", 7)
    write_scan(tmp_path / "scan.h5", tiny_scan)
    points, requested, read = np.arange(3, 101), [], StoredFrames.__getitem__
    monkeypatch.setattr(StoredFrames, "__getitem__", lambda self, at: requested.append(len(at)) or read(self, at))
    stored, whole = (Scaling.of(scan, points) for scan in (open_scan(tmp_path / "scan.h5"), tiny_scan))
    assert max(requested) == 7
    assert stored == whole
    assert torch.equal(stored.log1p_mean, whole.log1p_mean)
    assert whole.intensity_p995 == np.quantile(tiny_scan.diffraction[points], 0.995)
    assert whole.intensity_max == tiny_scan.diffraction[points].max()

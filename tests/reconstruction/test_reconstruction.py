"""A scan to an object: the network's canvas, the solver, halves, the truth, and what one trains on."""

import dataclasses

import numpy as np
import pytest
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.store import open_scan, write_scan
from ptycho_bench.evaluation.evaluate import MetricProtocol
from ptycho_bench.evaluation.stitch import radial_weight
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.reconstruction.by_network import object_by_network
from ptycho_bench.reconstruction.by_solver import object_by_solver, pattern_source, starting_probe
from ptycho_bench.reconstruction.quality import against_truth, half_against_half, halves, own_misfit, truth_scaling
from ptycho_bench.reconstruction.result import Reconstruction, corners_of, truth_field
from ptycho_bench.reconstruction.training_set import training_set
from ptycho_bench.solvers.pie import PIESolver

PROTOCOL = MetricProtocol(data_range="unit", ssim_window="gaussian", stitch_weight="radial", central_px=None)
EPIE = PIESolver(
    rule="epie", object_step=1.0, probe_step=1.0, alpha=None, iterations=40, batch_size=1, modes=1, refine_probe=False,
    probe_start=0, stop_tolerance=None, stop_patience=None, subpixel=False, seed=0,
)  # fmt: skip
ALL = np.arange(121)


class Oracle:
    """Stands for a trained network: it knows the truth behind every pattern, and sees as many as it is told to."""

    def __init__(self, scan, *, circular=False, neighbours=0):
        self.answers = {
            pattern.tobytes(): place for place, pattern in enumerate(np.asarray(scan.diffraction, np.float32))
        }
        self.scan, self.largest = scan, 0
        self.circular, self.neighbours, self.device = circular, neighbours, torch.device("cpu")

    def predict(self, intensity, *, batch_size, neighbours):
        self.largest = max(self.largest, len(intensity))
        middle = neighbours[:, neighbours.shape[1] // 2]
        points = np.array([self.answers[intensity[place].numpy().tobytes()] for place in middle])
        return self.scan.tensors(points)[1:]


@pytest.fixture(scope="module")
def solved(tiny_scan):
    return object_by_solver(EPIE, tiny_scan, ALL, start=None, cache_mb=100, device="cpu")


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("neighbours", [0, 1])
def test_true_patches_become_the_true_object_a_batch_at_a_time(tiny_scan, circular, neighbours):
    oracle, done = Oracle(tiny_scan, circular=circular, neighbours=neighbours), []
    result = object_by_network(oracle, tiny_scan, ALL, batch_size=7, weight=radial_weight(16), on_patterns=done.append)
    assert oracle.largest < len(tiny_scan)
    assert done[-1] == 121
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    torch.testing.assert_close(result.obj[result.covered], truth[result.covered], rtol=1e-4, atol=1e-4)


def test_a_network_that_predicts_nan_is_refused(tiny_scan):
    oracle = Oracle(tiny_scan)
    oracle.predict = lambda intensity, **_: (torch.full((len(intensity), 16, 16), torch.nan),) * 2
    with pytest.raises(ValueError, match="NaN or infinite"):
        object_by_network(oracle, tiny_scan, ALL, batch_size=7, weight=radial_weight(16))


def test_the_solver_finds_the_object(tiny_scan, solved):
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    found = against_truth(solved, truth, patch_px=16, scaling=truth_scaling(truth), protocol=PROTOCOL)
    assert found["amplitude_ssim"] > 0.8
    assert found["phase_ssim"] > 0.8
    assert own_misfit(tiny_scan, ALL, solved, corners_of(tiny_scan, ALL)).mean < solved.errors[0] / 3


def test_starting_from_the_truth_there_is_nothing_left_to_do(tiny_scan, solved):
    start = object_by_network(Oracle(tiny_scan), tiny_scan, ALL, batch_size=50, weight=radial_weight(16))
    warm = object_by_solver(
        dataclasses.replace(EPIE, iterations=2), tiny_scan, ALL, start=start, cache_mb=100, device="cpu"
    )
    assert warm.errors[0] < 1e-3 < solved.errors[0]


def test_patterns_may_stay_in_the_file(tmp_path, tiny_scan, solved):
    write_scan(tmp_path / "scan.h5", tiny_scan)
    stored = open_scan(tmp_path / "scan.h5")
    streamed = object_by_solver(EPIE, stored, ALL, start=None, cache_mb=0, device="cpu")
    torch.testing.assert_close(streamed.obj, solved.obj)
    points = np.array([5, 90, 7])
    for cache_mb in (0, 100):
        patterns = pattern_source(stored, points, cache_mb=cache_mb)(torch.tensor([2, 0]))
        np.testing.assert_array_equal(patterns, tiny_scan.diffraction[[7, 5]])


def test_part_of_a_scan_is_reconstructed_on_its_own_field(tiny_scan):
    points = np.flatnonzero(tiny_scan.scan_index.min(axis=1) >= 5)
    result = object_by_solver(EPIE, tiny_scan, points, start=None, cache_mb=100, device="cpu")
    truth = truth_field(tiny_scan, points, radial_weight(16))
    assert result.obj.shape == truth.shape == result.covered.shape
    found = against_truth(result, truth, patch_px=16, scaling=truth_scaling(truth), protocol=PROTOCOL)
    assert found["amplitude_ssim"] > 0.7


def test_a_scan_without_probe_needs_a_solver_that_refines_it(tiny_scan):
    bare = dataclasses.replace(tiny_scan, probe=None)
    patterns = pattern_source(bare, ALL, cache_mb=100)
    with pytest.raises(DataError, match=r"no probe .*solver\.refine_probe=true"):
        starting_probe(bare, EPIE, patterns, 121)
    guess = starting_probe(bare, dataclasses.replace(EPIE, refine_probe=True), patterns, 121)
    mean = torch.from_numpy(tiny_scan.diffraction).mean(dim=0)
    empty = diffraction_intensity(guess, torch.ones(16, 16, dtype=torch.complex64))
    torch.testing.assert_close(empty, mean, rtol=1e-3, atol=1e-2)


def test_halves_part_the_points_like_a_chessboard(tiny_scan):
    first, second = halves(tiny_scan.scan_index, ALL)
    assert sorted([*first, *second]) == list(ALL)
    assert len(first) == 61
    steps = np.abs(tiny_scan.scan_index[first][:, None] - tiny_scan.scan_index[first][None]).sum(axis=2)
    assert not (steps == 1).any()


def test_two_halves_of_a_noise_free_scan_agree_to_the_nyquist_limit(tiny_scan):
    parts = halves(tiny_scan.scan_index, ALL)
    both = [object_by_network(Oracle(tiny_scan), tiny_scan, part, batch_size=50, weight=radial_weight(16))
            for part in parts]  # fmt: skip
    corners = tuple(torch.from_numpy(tiny_scan.positions_px[part]) for part in parts)
    rings = half_against_half(*both, corners, patch_px=16, pixel_size_m=4e-9)
    assert not rings.half_bit_crossing.crossed
    assert rings.half_bit_crossing.resolution_m == pytest.approx(8e-9)


def test_pixels_nobody_saw_do_not_agree():
    """Noise in a disc, ones around it: two halves have nothing in common."""
    y, x = np.mgrid[:128, :128] - 63.5
    covered = torch.from_numpy(np.hypot(y, x) < 60)
    noise = [torch.randn(128, 128, dtype=torch.complex64, generator=torch.Generator().manual_seed(k)) for k in (0, 1)]
    both = [Reconstruction(obj=field.where(covered, 1.0), covered=covered, probe=None, refined=False, subpixel=False,
                           errors=[], stopped=False, seconds=0.0) for field in noise]  # fmt: skip
    corners = (torch.zeros(1, 2),) * 2
    rings = half_against_half(*both, corners, patch_px=8, pixel_size_m=None)
    assert rings.correlation.abs().mean() < 0.2
    assert rings.half_bit_crossing.crossed and rings.half_bit_crossing.resolution_px > 20


def test_halves_that_cannot_be_made_are_refused(tiny_scan):
    with pytest.raises(ValueError, match="1 points cannot be parted into halves"):
        halves(tiny_scan.scan_index, np.array([3]))


def test_points_between_pixels_lie_alike_in_canvas_solver_and_misfit(tiny_scan):
    """Half pixels round alike wherever the field begins."""
    places = np.stack(np.meshgrid(np.arange(1, 60, 2.5), np.arange(1.5, 60, 4.5), indexing="ij"), -1).reshape(-1, 2)
    whole = np.floor(places + 0.5).astype(int)
    obj, probe = torch.from_numpy(tiny_scan.obj), torch.from_numpy(tiny_scan.probe)
    patches = torch.stack([obj[y : y + 16, x : x + 16] for y, x in whole.tolist()])
    scan = dataclasses.replace(
        tiny_scan, diffraction=diffraction_intensity(probe, patches).numpy(), positions_px=places,
        scan_index=np.stack([np.zeros(len(places), int), np.arange(len(places))], axis=1), amplitude=None, phase=None,
    )  # fmt: skip
    points = np.arange(len(places))
    result = object_by_solver(EPIE, scan, points, start=None, cache_mb=100, device="cpu")
    assert own_misfit(scan, points, result, corners_of(scan, points)).mean < 0.02
    assert result.obj.shape == truth_field(scan, points, radial_weight(16)).shape == result.covered.shape


def test_the_detectors_efficiency_counts_once(tiny_scan, solved):
    noisy = dataclasses.replace(tiny_scan, info=dataclasses.replace(
        tiny_scan.info, noise='{"name": "PPNNoise", "efficiency": 0.5, "coherence": 1.0}'))  # fmt: skip
    scan = training_set(noisy, ALL, solved, bin_px=1, trim_px=0, solved_by="epie")
    assert scan.measurement().probe.abs().square().sum() == pytest.approx(float(np.square(np.abs(scan.probe)).sum()))


def test_a_refined_solution_may_differ_by_phase_scale_and_ramp(tiny_scan, solved):
    y, x = (torch.arange(side, dtype=torch.float32) for side in solved.obj.shape)
    ramp = torch.polar(torch.tensor(1.3), 0.4 + 0.01 * y[:, None] - 0.02 * x)
    turned = dataclasses.replace(solved, obj=solved.obj * ramp, refined=True)
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    options = {"patch_px": 16, "scaling": truth_scaling(truth), "protocol": PROTOCOL}
    plain = against_truth(dataclasses.replace(solved, refined=True), truth, **options)
    again = against_truth(turned, truth, **options)
    assert again["phase_ssim"] == pytest.approx(plain["phase_ssim"], abs=1e-3)
    known = against_truth(dataclasses.replace(turned, refined=False), truth, **options)
    assert known["amplitude_mse"] > 2 * again["amplitude_mse"]


def test_labels_stand_for_the_truth_where_there_is_no_object(tiny_scan, solved):
    stitched = truth_field(dataclasses.replace(tiny_scan, obj=None), ALL, radial_weight(16))
    truth, covered = truth_field(tiny_scan, ALL, radial_weight(16)), solved.covered
    torch.testing.assert_close(stitched[covered], truth[covered], rtol=1e-4, atol=1e-4)
    assert truth_field(dataclasses.replace(tiny_scan, obj=None, amplitude=None), ALL, radial_weight(16)) is None


def test_a_solved_scan_is_one_to_train_on(tmp_path, tiny_scan, solved):
    measured = dataclasses.replace(tiny_scan, amplitude=None, phase=None, obj=None)
    scan = training_set(measured, ALL, solved, bin_px=1, trim_px=0, solved_by="epie")
    write_scan(tmp_path / "triplets.h5", scan)
    back = open_scan(tmp_path / "triplets.h5")
    _, amplitude, phase = back.tensors(np.array([60]))
    y, x = back.positions_px[60].astype(int)
    patch = solved.obj[y : y + 16, x : x + 16]
    torch.testing.assert_close(torch.polar(amplitude[0], phase[0]), patch, rtol=1e-4, atol=1e-5)
    assert back.info.origin == "solved by epie, simulated from tiny"


def test_binned_patterns_go_with_the_middle_of_the_patch(tiny_scan, solved):
    scan = training_set(tiny_scan, ALL, solved, bin_px=2, trim_px=0, solved_by="epie")
    patterns = np.concatenate(list(scan.diffraction.blocks()))
    np.testing.assert_allclose(patterns[3, 1, 2], tiny_scan.diffraction[3, 2:4, 4:6].sum(), rtol=1e-6)
    y, x = scan.positions_px[3].astype(int)
    amplitude = np.concatenate(list(scan.amplitude.blocks()))
    np.testing.assert_allclose(amplitude[3], np.abs(solved.obj.numpy())[y : y + 8, x : x + 8], rtol=1e-6)
    np.testing.assert_array_equal(scan.positions_px - corners_of(tiny_scan, ALL).numpy(), 4)
    assert scan.probe.shape == (1, 8, 8)


def test_points_at_the_rim_can_be_left_out(tiny_scan, solved):
    scan = training_set(tiny_scan, ALL, solved, bin_px=1, trim_px=6, solved_by="epie")
    assert 0 < len(scan) < 121
    assert scan.positions_px.min() >= 6
    with pytest.raises(DataError, match="no patch lies 60 px inside"):
        training_set(tiny_scan, ALL, solved, bin_px=1, trim_px=60, solved_by="epie")
    with pytest.raises(DataError, match="a bin of 3 px does not divide"):
        training_set(tiny_scan, ALL, solved, bin_px=3, trim_px=0, solved_by="epie")

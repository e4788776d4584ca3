"""Test reconstructions: by a network, by a solver, their quality, and training sets made from them."""

import dataclasses

import numpy as np
import pytest
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.store import open_scan, write_scan
from ptycho_bench.evaluation.evaluate import evaluate
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import Stitching, radial_weight, scored_rectangle
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.reconstruction.by_network import object_by_network
from ptycho_bench.reconstruction.by_solver import object_by_solver, pattern_source, starting_probe
from ptycho_bench.reconstruction.quality import (
    checkerboard_halves,
    constant_guess,
    correlate_halves,
    reconstruction_misfit,
    score_against_truth,
)
from ptycho_bench.reconstruction.result import Reconstruction, patch_corners, truth_field
from ptycho_bench.reconstruction.training_set import training_set
from ptycho_bench.solvers.pie import PIESolver

PROTOCOL = MetricProtocol(
    data_range="unit", ssim_window="gaussian", spectrum="diagonal", flattened_ssim=False, scaled_by="auto"
)
STITCHING = Stitching(weight="radial", central_px=None, synchronised=False, step_px=None)
EPIE = PIESolver(
    rule="epie", object_step=1.0, probe_step=1.0, alpha=None, iterations=40, batch_size=1, modes=1, refine_probe=False,
    probe_start=0, stop_tolerance=None, stop_patience=None, subpixel=False, seed=0,
)  # fmt: skip
ALL = np.arange(121)


class Oracle:
    """Stand-in for a trained network that returns the true patch of every pattern, with a random constant phase."""

    def __init__(self, scan, *, circular=False, neighbours=0, constants=0.0):
        patterns = np.asarray(scan.diffraction, np.float32)
        self.point_of = {pattern.tobytes(): point for point, pattern in enumerate(patterns)}
        self.scan, self.largest_batch = scan, 0
        self.circular, self.neighbours, self.device = circular, neighbours, torch.device("cpu")
        self.offsets = constants * torch.rand(len(scan), generator=torch.Generator().manual_seed(0))

    def predict(self, intensity, *, batch_size, neighbours):
        self.largest_batch = max(self.largest_batch, len(intensity))
        centre = neighbours[:, neighbours.shape[1] // 2]
        points = np.array([self.point_of[intensity[index].numpy().tobytes()] for index in centre])
        _, amplitude, phase = self.scan.tensors(points)
        return amplitude, phase + self.offsets[points, None, None]


def scores(result, truth):
    """Return the metrics of a reconstruction between the outermost patch centres, scaled by the range of the truth."""
    window = scored_rectangle(tuple(truth.shape), 16, 11)
    return score_against_truth(result, truth, window, patch_px=16, scaling=None, protocol=PROTOCOL).stitched


@pytest.fixture(scope="module")
def solved(tiny_scan):
    return object_by_solver(EPIE, tiny_scan, ALL, start=None, cache_mb=100, device="cpu")


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("neighbours", [0, 1])
def test_true_patches_are_stitched_to_the_true_object_batch_by_batch(tiny_scan, circular, neighbours):
    oracle, done = Oracle(tiny_scan, circular=circular, neighbours=neighbours), []
    result = object_by_network(oracle, tiny_scan, ALL, batch_size=7, stitching=STITCHING, on_patterns=done.append)
    assert oracle.largest_batch < len(tiny_scan)
    assert done[-1] == 121
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    torch.testing.assert_close(result.obj[result.covered], truth[result.covered], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("circular", [False, True])
def test_patches_with_wrong_constants_are_synchronised(tiny_scan, circular):
    oracle = Oracle(tiny_scan, circular=circular, constants=6.0)
    synchronised = dataclasses.replace(STITCHING, synchronised=True)
    result = object_by_network(oracle, tiny_scan, ALL, batch_size=7, stitching=synchronised)
    truth, covered = truth_field(tiny_scan, ALL, radial_weight(16)), result.covered
    ratio = result.obj[covered] / truth[covered]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-4, atol=1e-4)
    plain = object_by_network(oracle, tiny_scan, ALL, batch_size=7, stitching=STITCHING)
    assert scores(result, truth)["phase_aligned_mse"] < 1e-6 < scores(plain, truth)["phase_aligned_mse"]


def test_the_same_field_has_the_same_score_as_a_reconstruction_and_as_an_evaluation(tiny_scan):
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    labels = Images(*(torch.from_numpy(image) for image in (tiny_scan.amplitude, tiny_scan.phase)))
    positions = torch.from_numpy(tiny_scan.positions_px)
    pred = Images(0.9 * labels.amplitude, 0.8 * labels.phase)
    stitched, true = (STITCHING.stitch_truth(images, positions, circular=False) for images in (pred, labels))
    window = scored_rectangle(tuple(truth.shape), 16, 11)
    evaluated = evaluate(pred, labels, stitched, true, window, scaling=None, protocol=PROTOCOL)
    result = object_by_network(Oracle(tiny_scan), tiny_scan, ALL, batch_size=50, stitching=STITCHING)
    reconstructed = dataclasses.replace(result, obj=stitched.images.transmission())
    assert scores(reconstructed, truth) == pytest.approx(evaluated.stitched, rel=1e-3)


def test_the_constant_guess_is_a_constant_object_with_the_probe_of_the_scan(tiny_scan, solved):
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    window = scored_rectangle(tuple(truth.shape), 16, 11)
    guess = constant_guess(solved, truth, window)
    assert guess.obj.shape == truth.shape and (guess.obj == guess.obj[0, 0]).all()
    assert guess.obj[0, 0].abs().item() == pytest.approx(truth[window].abs().mean().item(), rel=1e-5)
    corners = patch_corners(tiny_scan, ALL)
    misfit = reconstruction_misfit(tiny_scan, ALL, guess, corners).mean
    assert reconstruction_misfit(tiny_scan, ALL, solved, corners).mean < misfit < 2


def test_a_network_that_predicts_nan_is_refused(tiny_scan):
    oracle = Oracle(tiny_scan)
    oracle.predict = lambda intensity, **_: (torch.full((len(intensity), 16, 16), torch.nan),) * 2
    with pytest.raises(ValueError, match="NaN or infinite"):
        object_by_network(oracle, tiny_scan, ALL, batch_size=7, stitching=STITCHING)


def test_the_solver_finds_the_object(tiny_scan, solved):
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    found = scores(solved, truth)
    assert found["amplitude_ssim"] > 0.8
    assert found["phase_ssim"] > 0.8
    assert reconstruction_misfit(tiny_scan, ALL, solved, patch_corners(tiny_scan, ALL)).mean < solved.misfits[0] / 3


def test_starting_from_the_truth_the_misfit_is_zero(tiny_scan, solved):
    start = object_by_network(Oracle(tiny_scan), tiny_scan, ALL, batch_size=50, stitching=STITCHING)
    warm = object_by_solver(
        dataclasses.replace(EPIE, iterations=2), tiny_scan, ALL, start=start, cache_mb=100, device="cpu"
    )
    assert warm.misfits[0] < 1e-3 < solved.misfits[0]


def test_patterns_can_be_read_from_the_file(tmp_path, tiny_scan, solved):
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
    found = scores(result, truth)
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


def test_halves_split_the_points_like_a_checkerboard(tiny_scan):
    first, second = checkerboard_halves(tiny_scan.scan_index, ALL)
    assert sorted([*first, *second]) == list(ALL)
    assert len(first) == 61
    steps = np.abs(tiny_scan.scan_index[first][:, None] - tiny_scan.scan_index[first][None]).sum(axis=2)
    assert not (steps == 1).any()


def test_two_halves_of_a_noise_free_scan_agree_to_the_nyquist_limit(tiny_scan):
    parts = checkerboard_halves(tiny_scan.scan_index, ALL)
    both = [object_by_network(Oracle(tiny_scan), tiny_scan, part, batch_size=50, stitching=STITCHING)
            for part in parts]  # fmt: skip
    corners = tuple(torch.from_numpy(tiny_scan.positions_px[part]) for part in parts)
    rings = correlate_halves(*both, corners, patch_px=16, pixel_size_m=4e-9)
    assert not rings.half_bit_crossing.crossed
    assert rings.half_bit_crossing.resolution_m == pytest.approx(8e-9)


def test_uncovered_pixels_do_not_correlate():
    """Two halves of independent noise in a disc share only the ones around it."""
    y, x = np.mgrid[:128, :128] - 63.5
    covered = torch.from_numpy(np.hypot(y, x) < 60)
    noise = [torch.randn(128, 128, dtype=torch.complex64, generator=torch.Generator().manual_seed(k)) for k in (0, 1)]
    both = [Reconstruction(obj=field.where(covered, 1.0), covered=covered, probe=None, refined=False, subpixel=False,
                           misfits=[], stopped=False, seconds=0.0) for field in noise]  # fmt: skip
    corners = (torch.zeros(1, 2),) * 2
    rings = correlate_halves(*both, corners, patch_px=8, pixel_size_m=None)
    assert rings.correlation.abs().mean() < 0.2
    assert rings.half_bit_crossing.crossed and rings.half_bit_crossing.resolution_px > 20


def test_a_split_with_an_empty_half_is_refused(tiny_scan):
    with pytest.raises(ValueError, match="1 points cannot be split into two halves"):
        checkerboard_halves(tiny_scan.scan_index, np.array([3]))


def test_positions_between_pixels_are_rounded_alike_by_canvas_solver_and_misfit(tiny_scan):
    """Half pixels are rounded alike for any origin of the field."""
    positions = np.stack(np.meshgrid(np.arange(1, 60, 2.5), np.arange(1.5, 60, 4.5), indexing="ij"), -1).reshape(-1, 2)
    whole = np.floor(positions + 0.5).astype(int)
    obj, probe = torch.from_numpy(tiny_scan.obj), torch.from_numpy(tiny_scan.probe)
    patches = torch.stack([obj[y : y + 16, x : x + 16] for y, x in whole.tolist()])
    scan = dataclasses.replace(
        tiny_scan, diffraction=diffraction_intensity(probe, patches).numpy(), positions_px=positions,
        scan_index=np.stack([np.zeros(len(whole), int), np.arange(len(whole))], axis=1), amplitude=None, phase=None,
    )  # fmt: skip
    points = np.arange(len(positions))
    result = object_by_solver(EPIE, scan, points, start=None, cache_mb=100, device="cpu")
    assert reconstruction_misfit(scan, points, result, patch_corners(scan, points)).mean < 0.02
    assert result.obj.shape == truth_field(scan, points, radial_weight(16)).shape == result.covered.shape


def test_the_efficiency_of_the_detector_is_applied_once(tiny_scan, solved):
    noisy = dataclasses.replace(tiny_scan, info=dataclasses.replace(
        tiny_scan.info, noise='{"name": "PPNNoise", "efficiency": 0.5, "coherence": 1.0}'))  # fmt: skip
    scan = training_set(noisy, ALL, solved, bin_px=1, trim_px=0, solved_by="epie")
    assert scan.measurement().probe.abs().square().sum() == pytest.approx(float(np.square(np.abs(scan.probe)).sum()))


def test_phase_scale_and_ramp_of_a_refined_solution_do_not_affect_the_metrics(tiny_scan, solved):
    y, x = (torch.arange(side, dtype=torch.float32) for side in solved.obj.shape)
    ramp = torch.polar(torch.tensor(1.3), 0.4 + 0.01 * y[:, None] - 0.02 * x)
    transformed = dataclasses.replace(solved, obj=solved.obj * ramp, refined=True)
    truth = truth_field(tiny_scan, ALL, radial_weight(16))
    original = scores(dataclasses.replace(solved, refined=True), truth)
    aligned = scores(transformed, truth)
    assert aligned["phase_ssim"] == pytest.approx(original["phase_ssim"], abs=1e-3)
    unaligned = scores(dataclasses.replace(transformed, refined=False), truth)
    assert unaligned["amplitude_mse"] > 2 * aligned["amplitude_mse"]


def test_without_an_object_the_truth_is_stitched_from_the_labels(tiny_scan, solved):
    stitched = truth_field(dataclasses.replace(tiny_scan, obj=None), ALL, radial_weight(16))
    truth, covered = truth_field(tiny_scan, ALL, radial_weight(16)), solved.covered
    torch.testing.assert_close(stitched[covered], truth[covered], rtol=1e-4, atol=1e-4)
    assert truth_field(dataclasses.replace(tiny_scan, obj=None, amplitude=None), ALL, radial_weight(16)) is None


def test_a_solved_scan_is_a_training_set(tmp_path, tiny_scan, solved):
    measured = dataclasses.replace(tiny_scan, amplitude=None, phase=None, obj=None)
    scan = training_set(measured, ALL, solved, bin_px=1, trim_px=0, solved_by="epie")
    write_scan(tmp_path / "triplets.h5", scan)
    stored = open_scan(tmp_path / "triplets.h5")
    _, amplitude, phase = stored.tensors(np.array([60]))
    y, x = stored.positions_px[60].astype(int)
    patch = solved.obj[y : y + 16, x : x + 16]
    torch.testing.assert_close(torch.polar(amplitude[0], phase[0]), patch, rtol=1e-4, atol=1e-5)
    assert stored.info.origin == "solved by epie, simulated from tiny"


def test_binned_patterns_belong_to_the_centre_of_the_patch(tiny_scan, solved):
    scan = training_set(tiny_scan, ALL, solved, bin_px=2, trim_px=0, solved_by="epie")
    patterns = np.concatenate(list(scan.diffraction.blocks()))
    np.testing.assert_allclose(patterns[3, 1, 2], tiny_scan.diffraction[3, 2:4, 4:6].sum(), rtol=1e-6)
    y, x = scan.positions_px[3].astype(int)
    amplitude = np.concatenate(list(scan.amplitude.blocks()))
    np.testing.assert_allclose(amplitude[3], np.abs(solved.obj.numpy())[y : y + 8, x : x + 8], rtol=1e-6)
    np.testing.assert_array_equal(scan.positions_px - patch_corners(tiny_scan, ALL).numpy(), 4)
    assert scan.probe.shape == (1, 8, 8)


def test_points_near_the_edge_can_be_left_out(tiny_scan, solved):
    scan = training_set(tiny_scan, ALL, solved, bin_px=1, trim_px=6, solved_by="epie")
    assert 0 < len(scan) < 121
    assert scan.positions_px.min() >= 6
    with pytest.raises(DataError, match="no patch lies 60 px inside"):
        training_set(tiny_scan, ALL, solved, bin_px=1, trim_px=60, solved_by="epie")
    with pytest.raises(DataError, match="a bin of 3 px does not divide"):
        training_set(tiny_scan, ALL, solved, bin_px=3, trim_px=0, solved_by="epie")

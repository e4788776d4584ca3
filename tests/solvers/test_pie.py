"""Test the PIE family against NumPy loops, its fixed point, what it recovers, and what it refuses."""

import dataclasses
import itertools
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import Generator, Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.metrics import wrapped_mae
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.scan import cut_patches, raster_scan
from ptycho_bench.solvers.pie import PIESolver, Solution

CONF = Path(__file__).parents[2] / "conf" / "solver"
SOLVER = PIESolver(
    rule="rpie",
    object_step=0.8,
    probe_step=0.6,
    alpha=0.2,
    iterations=1,
    batch_size=1,
    modes=1,
    refine_probe=True,
    probe_start=0,
    stop_tolerance=None,
    stop_patience=None,
    subpixel=False,
    seed=3,
)
RULES = {"epie": {"rule": "epie", "alpha": None}, "rpie": {}, "pie": {"rule": "pie"}}


def solver(**changes) -> PIESolver:
    return dataclasses.replace(SOLVER, **changes)


def complex_noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=Generator().manual_seed(seed))


class Problem:
    """A few patterns of a random object, small enough for NumPy loops."""

    def __init__(self, *, modes: int = 1, side: int = 8, count: int = 7) -> None:
        generator = Generator().manual_seed(0)
        self.truth = 1 + 0.3 * complex_noise(20, 23, seed=1)
        self.probe = complex_noise(modes, side, side, seed=2)
        last = torch.tensor(self.truth.shape) - side
        self.positions_px = (torch.rand(count, 2, generator=generator, dtype=torch.float64) * last).round()
        self.intensity = diffraction_intensity(self.probe, cut_patches(self.truth, self.positions_px, (side, side)))
        self.start = 1 + 0.1 * complex_noise(20, 23, seed=4)
        self.valid_mask = torch.rand(side, side, generator=generator) > 0.2

    def solve(self, solver: PIESolver, **changes) -> Solution:
        given = {"obj": self.start, **changes}
        patterns = given.pop("patterns", self.intensity)
        return solver.solve(lambda index: patterns[index], self.positions_px, given.pop("probe", self.probe), **given)


def far_field(wave: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(wave, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))


def object_plane(wave: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(wave, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))


def weight(rule: str, alpha: float, illumination: np.ndarray) -> np.ndarray:
    """Return the factor of conj(P) d as in the papers."""
    peak = illumination.max()
    if rule == "epie":
        return np.ones_like(illumination) / peak
    if rule == "rpie":
        return 1 / ((1 - alpha) * illumination + alpha * peak)
    return np.sqrt(illumination) / (np.sqrt(peak) * (illumination + alpha * peak))


def numpy_sequential(
    problem: Problem, solver: PIESolver, valid_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Run one iteration in double precision, pattern by pattern, and return object, probe and misfit."""
    obj, probe = problem.start.numpy().astype(complex), problem.probe.numpy().astype(complex)
    side, misfit, total = probe.shape[-1], 0.0, 0.0
    for index in torch.randperm(len(problem.positions_px), generator=Generator().manual_seed(solver.seed)).tolist():
        y, x = problem.positions_px[index].long().tolist()
        patch = obj[y : y + side, x : x + side].copy()
        far = far_field(probe * patch)
        model, measured = np.sqrt((abs(far) ** 2).sum(axis=0)), np.sqrt(problem.intensity[index].numpy())
        change = object_plane(far * np.where(valid_mask, measured / model, 1)) - probe * patch
        misfit, total = misfit + abs(measured - model)[valid_mask].sum(), total + measured[valid_mask].sum()
        of_object = (probe.conj() * change).sum(axis=0) * weight(
            solver.rule, solver.alpha, (abs(probe) ** 2).sum(axis=0)
        )
        of_probe = patch.conj() * change * weight(solver.rule, solver.alpha, abs(patch) ** 2)
        obj[y : y + side, x : x + side] += solver.object_step * of_object
        if solver.refine_probe:
            probe = probe + solver.probe_step * of_probe
    return obj, probe, misfit / total


def numpy_batches(problem: Problem, solver: PIESolver) -> tuple[np.ndarray, np.ndarray]:
    """Run one iteration in double precision; changes and illumination of a batch are summed before the division."""
    obj, probe = problem.start.numpy().astype(complex), problem.probe[0].numpy().astype(complex)
    side = probe.shape[-1]
    order = torch.randperm(len(problem.positions_px), generator=Generator().manual_seed(solver.seed)).tolist()
    for first in range(0, len(order), solver.batch_size):
        of_object, of_probe = np.zeros_like(obj), np.zeros_like(probe)
        illumination, transmitted = np.zeros(obj.shape), np.zeros(probe.shape)
        for index in order[first : first + solver.batch_size]:
            y, x = problem.positions_px[index].long().tolist()
            patch = obj[y : y + side, x : x + side]
            far = far_field(probe * patch)
            change = object_plane(far / abs(far) * np.sqrt(problem.intensity[index].numpy())) - probe * patch
            of_object[y : y + side, x : x + side] += probe.conj() * change
            illumination[y : y + side, x : x + side] += abs(probe) ** 2
            of_probe += patch.conj() * change
            transmitted += abs(patch) ** 2
        obj = obj + solver.object_step * of_object * weight(solver.rule, solver.alpha, illumination)
        probe = probe + solver.probe_step * of_probe * weight(solver.rule, solver.alpha, transmitted)
    return obj, probe


def assert_close(found: Tensor, expected: np.ndarray) -> None:
    torch.testing.assert_close(found, torch.from_numpy(expected).to(torch.complex64), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("refine_probe", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("side", [8, 7])
@pytest.mark.parametrize("rule", RULES)
def test_a_batch_of_one_is_the_published_sequential_algorithm(rule, side, masked, refine_probe):
    problem, one = Problem(side=side), solver(refine_probe=refine_probe, **RULES[rule])
    valid_mask = problem.valid_mask if masked else torch.ones_like(problem.valid_mask)
    obj, probe, misfit = numpy_sequential(problem, one, valid_mask.numpy())
    found = problem.solve(one, valid_mask=valid_mask if masked else None)
    assert_close(found.obj, obj)
    assert_close(found.probe, probe)
    assert found.misfits == pytest.approx([misfit], rel=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_two_modes_share_the_measured_modulus(rule):
    problem, two = Problem(modes=2), solver(modes=2, **RULES[rule])
    obj, probe, misfit = numpy_sequential(problem, two, np.ones((8, 8), dtype=bool))
    found = problem.solve(two)
    assert_close(found.obj, obj)
    assert found.misfits == pytest.approx([misfit], rel=1e-5)
    # the modes are returned orthogonalised, so only their mutual intensity can be compared
    found_modes, modes = found.probe.flatten(1).numpy(), probe.reshape(2, -1)
    np.testing.assert_allclose(found_modes.T @ found_modes.conj(), modes.T @ modes.conj(), atol=1e-4)


@pytest.mark.parametrize("batch_size", [3, 7])
@pytest.mark.parametrize("rule", RULES)
def test_a_batch_sums_the_changes_of_its_patterns_and_divides_once(rule, batch_size):
    problem, several = Problem(), solver(batch_size=batch_size, **RULES[rule])
    obj, probe = numpy_batches(problem, several)
    found = problem.solve(several)
    assert_close(found.obj, obj)
    assert_close(found.probe[0], probe)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("rule", RULES)
def test_the_truth_is_a_fixed_point(rule, batch_size):
    problem = Problem(modes=2)
    found = problem.solve(solver(modes=2, batch_size=batch_size, iterations=3, **RULES[rule]), obj=problem.truth)
    assert max(found.misfits) < 1e-6
    torch.testing.assert_close(found.obj, problem.truth, rtol=1e-5, atol=1e-5)


def test_inputs_are_not_modified_and_results_can_be_used_in_training():
    problem = Problem()
    before = [tensor.clone() for tensor in (problem.start, problem.probe, problem.intensity)]
    found = problem.solve(solver(iterations=2))
    assert all(map(torch.equal, before, (problem.start, problem.probe, problem.intensity)))
    assert not found.obj.is_inference()
    assert not found.probe.is_inference()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_values_of_bad_pixels_do_not_matter(batch_size):
    problem, one = Problem(), solver(batch_size=batch_size, iterations=2)
    bad_pixels, damaged = ~problem.valid_mask, problem.intensity.clone()
    damaged[:, bad_pixels] = torch.tensor([-5.0, torch.nan, 1e9]).repeat(100)[: int(bad_pixels.sum())]
    mask = problem.valid_mask
    first, second = (problem.solve(one, valid_mask=mask, patterns=p) for p in (problem.intensity, damaged))
    assert torch.equal(first.obj, second.obj)
    assert first.misfits == second.misfits


def test_only_the_seed_determines_the_order():
    problem, state = Problem(), torch.get_rng_state()
    first, again, other = (problem.solve(solver(seed=seed, iterations=2)).obj for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_each_iteration_reads_each_pattern_once_batch_by_batch():
    problem, batches, calls = Problem(count=7), [], []

    def patterns(index: Tensor) -> Tensor:
        batches.append(index.tolist())
        return problem.intensity[index].to(torch.int32)

    solver(batch_size=3, iterations=2).solve(
        patterns, problem.positions_px, problem.probe, on_iteration=lambda *state: calls.append(state)
    )
    assert [len(batch) for batch in batches] == [3, 3, 1] * 2
    first, second = (sorted(itertools.chain(*part)) for part in (batches[:3], batches[3:]))
    assert first == second == list(range(7))
    assert batches[:3] != batches[3:]
    assert [number for number, *_ in calls] == [1, 2]


def test_without_an_object_it_starts_from_ones_on_the_bounding_box():
    problem = Problem()
    corners = problem.positions_px - problem.positions_px.amin(dim=0)
    shape = (corners.amax(dim=0) + 8).long().tolist()
    given = problem.solve(solver(), obj=None)
    moved = solver().solve(lambda i: problem.intensity[i], corners, problem.probe, obj=torch.ones(shape))
    assert list(given.obj.shape) == shape
    assert torch.equal(given.obj, moved.obj)


def aligned_phase_error(obj: Tensor, truth: Tensor) -> float:
    """Mean absolute phase error in the central field after subtraction of a constant phase, radians."""
    centre = (slice(12, -12),) * 2
    obj, truth = obj[centre], truth[centre]
    constant = torch.vdot(obj.flatten(), truth.flatten()).sgn()
    return wrapped_mae((obj * constant).angle(), truth.angle()).item()


@pytest.fixture(scope="module")
def dense_positions(tiny_object: Tensor) -> Tensor:
    """21 x 21 points, step 4, jitter up to 2 px: 75 % overlap."""
    return raster_scan(
        tuple(tiny_object.shape),
        16,
        overlap_ratio=0.75,
        step_px=None,
        jitter_px=2,
        generator=Generator().manual_seed(0),
    ).positions_px


def start_of(scan: PtychoScan) -> tuple[Tensor, Tensor, Tensor]:
    """Return the patterns, positions and probe of a scan."""
    return torch.from_numpy(scan.diffraction[:]), torch.from_numpy(scan.positions_px), torch.from_numpy(scan.probe)


@pytest.mark.parametrize(("rule", "batch_size"), [("epie", 1), ("rpie", 1), ("pie", 1), ("rpie", 16)])
def test_the_object_is_recovered_with_a_known_probe(tiny_object, tiny_probe, dense_positions, rule, batch_size):
    intensity = 1e4 * diffraction_intensity(tiny_probe, cut_patches(tiny_object, dense_positions, (16, 16)))
    known = solver(iterations=15, batch_size=batch_size, refine_probe=False, object_step=1.0, **RULES[rule])
    found = known.solve(lambda index: intensity[index], dense_positions, 100 * tiny_probe)
    assert found.misfits[-1] < 0.1 * found.misfits[0]
    assert aligned_phase_error(found.obj, tiny_object) < 0.03
    torch.testing.assert_close(found.probe, 100 * tiny_probe[None])


def test_a_wrong_probe_is_refined(tiny_object, tiny_probe, dense_positions):
    intensity = diffraction_intensity(tiny_probe, cut_patches(tiny_object, dense_positions, (16, 16)))
    frequency = torch.fft.fftfreq(16)
    defocus = torch.polar(torch.ones(16, 16), 30 * (frequency[:, None] ** 2 + frequency**2))
    blurred = torch.fft.ifft2(torch.fft.fft2(tiny_probe) * defocus)
    refined, kept = (
        solver(iterations=40, batch_size=8, refine_probe=refine).solve(
            lambda index: intensity[index], dense_positions, blurred
        )
        for refine in (True, False)
    )

    def likeness(guess: Tensor) -> float:
        return (torch.vdot(guess.flatten(), tiny_probe.flatten()).abs() / guess.norm() / tiny_probe.norm()).item()

    assert refined.misfits[-1] < 0.02 * kept.misfits[-1]
    assert likeness(refined.probe) > 0.999 > likeness(blurred) + 0.1


def test_two_modes_fit_a_partly_coherent_beam_better_than_one(tiny_object, tiny_probe, dense_positions):
    second = tiny_probe * torch.linspace(-1, 1, 16)
    modes = torch.stack((tiny_probe, 0.4 * tiny_probe.norm() / second.norm() * second))
    intensity = diffraction_intensity(modes, cut_patches(tiny_object, dense_positions, (16, 16)))
    two, one = (
        solver(iterations=40, batch_size=8, modes=count).solve(
            lambda index: intensity[index], dense_positions, tiny_probe
        )
        for count in (2, 1)
    )
    shares = two.probe.abs().square().sum((-2, -1))
    assert two.misfits[-1] < 0.02 * one.misfits[-1]
    assert shares[1] / shares.sum() == pytest.approx(0.16 / 1.16, abs=0.003)


def shifted(probe: Tensor, fraction_px: Tensor) -> Tensor:
    """Shift the probe by (n, 2) fractions of a pixel with the Fourier shift theorem in NumPy; returns (n, H, W)."""
    f = np.fft.fftfreq(probe.shape[-1])
    moves = [np.exp(-2j * np.pi * (f[:, None] * dy + f[None, :] * dx)) for dy, dx in fraction_px.tolist()]
    return torch.from_numpy(np.stack([np.fft.ifft2(np.fft.fft2(probe.numpy()) * move) for move in moves]))


@pytest.mark.parametrize("batch_size", [1, 8])
def test_positions_between_pixels_are_used_without_rounding(tiny_object, tiny_probe, dense_positions, batch_size):
    draw = torch.rand(dense_positions.shape, generator=Generator().manual_seed(0), dtype=torch.float64)
    fraction = 0.9 * draw - 0.45
    patches = cut_patches(tiny_object, dense_positions, (16, 16))
    probes = shifted(tiny_probe, fraction)
    intensity = torch.stack([diffraction_intensity(*pair) for pair in zip(probes, patches, strict=True)])
    between, rounded = (
        solver(iterations=12, batch_size=batch_size, subpixel=subpixel, refine_probe=False).solve(
            lambda index: intensity[index], dense_positions + fraction, tiny_probe, obj=torch.ones_like(tiny_object)
        )
        for subpixel in (True, False)
    )
    assert between.misfits[-1] < 0.05 * rounded.misfits[-1]
    assert aligned_phase_error(between.obj, tiny_object) < 0.5 * aligned_phase_error(rounded.obj, tiny_object)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_update_of_a_probe_between_pixels_is_moved_back_to_the_whole_pixel(batch_size):
    problem, fraction = Problem(count=1), torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    one = solver(subpixel=True, batch_size=batch_size)
    y, x = problem.positions_px[0].long().tolist()
    obj, patch = problem.start.numpy().copy(), problem.start.numpy()[y : y + 8, x : x + 8]
    probe = shifted(problem.probe[0], fraction)[0].numpy()
    far = far_field(probe * patch)
    change = object_plane(far / abs(far) * np.sqrt(problem.intensity[0].numpy())) - probe * patch
    moved = shifted(torch.from_numpy(patch.conj() * change), -fraction)[0].numpy()
    # the illumination is that of the probe at the whole pixel
    illumination = abs(problem.probe[0].numpy()) ** 2
    obj[y : y + 8, x : x + 8] += one.object_step * probe.conj() * change * weight("rpie", one.alpha, illumination)
    found = one.solve(
        lambda index: problem.intensity[index], problem.positions_px + fraction, problem.probe, obj=problem.start
    )
    assert_close(found.obj, obj)
    assert_close(found.probe - problem.probe, one.probe_step * moved[None] * weight("rpie", one.alpha, abs(patch) ** 2))


def test_whole_pixel_positions_are_not_shifted():
    problem = Problem()
    whole, same = (problem.solve(solver(subpixel=subpixel)) for subpixel in (False, True))
    assert torch.equal(whole.obj, same.obj)


def test_a_batch_whose_patches_all_overlap_stays_stable():
    problem = Problem(count=40)
    found = problem.solve(solver(batch_size=40, iterations=50, object_step=1.0, probe_step=1.0))
    assert found.misfits[-1] < 0.3 * found.misfits[0]
    assert max(found.misfits) == found.misfits[0]


def test_the_probe_is_unchanged_until_probe_start():
    problem = Problem()
    resting, later = (problem.solve(solver(iterations=3, probe_start=start)) for start in (3, 2))
    torch.testing.assert_close(resting.probe, problem.probe)
    assert not torch.allclose(later.probe, problem.probe)


@pytest.mark.parametrize(("refine_probe", "probe_start"), [(False, 0), (True, 6)])
def test_the_solver_stops_when_the_misfit_stagnates_after_probe_start(refine_probe, probe_start):
    problem = Problem()
    ends = solver(
        iterations=40, stop_tolerance=0.5, stop_patience=3, refine_probe=refine_probe, probe_start=probe_start
    )
    found = problem.solve(ends, obj=problem.truth)
    assert found.stopped
    assert found.iterations == len(found.misfits) == probe_start + 4
    never = problem.solve(dataclasses.replace(ends, stop_tolerance=None, stop_patience=None), obj=problem.truth)
    assert (never.stopped, never.iterations) == (False, 40)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "er"}, "rule must be one of epie, rpie, pie, got 'er'"),
        ({"object_step": 0}, r"object_step must lie in \(0, 1000\], got 0"),
        ({"probe_step": -1.0}, r"probe_step must lie in \(0, 1000\], got -1.0"),
        ({"rule": "epie"}, "alpha must be null for epie, got 0.2"),
        ({"alpha": None}, r"alpha must lie in \(0, 1\] for rpie, got null"),
        ({"rule": "pie", "alpha": 1.5}, r"alpha must lie in \(0, 1\], got 1.5"),
        ({"iterations": 0}, r"iterations must lie in \[1, 1000000\], got 0"),
        ({"batch_size": 0}, r"batch_size must lie in \[1, 1000000\], got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, got 2.5"),
        ({"modes": 0}, r"modes must lie in \[1, 100\], got 0"),
        ({"probe_start": -1}, r"probe_start must lie in \[0, 1000000\], got -1"),
        ({"stop_tolerance": 0.1}, "give both stop_tolerance and stop_patience, got 0.1 and None"),
        ({"stop_tolerance": 1.0, "stop_patience": 2}, r"stop_tolerance must lie in \[0, 1\), got 1.0"),
        ({"stop_tolerance": 0.1, "stop_patience": 0}, r"stop_patience must lie in \[1, 1000000\], got 0"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        solver(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions_px": torch.tensor([[0.0, 16.0]])}, r"positions_px span \(0, 16\).*allows \(0, 0\)\.\.\(12, 15\)"),
        ({"positions_px": torch.tensor([[-1.0, 0.0]])}, r"positions_px span \(-1, 0\)"),
        ({"positions_px": torch.zeros(3)}, r"positions_px must be \(N, 2\) as \(y, x\), got \(3,\)"),
        ({"positions_px": torch.zeros(0, 2)}, r"positions_px must be \(N, 2\) as \(y, x\), got \(0, 2\)"),
        ({"positions_px": torch.tensor([[0.0, torch.nan]])}, "positions_px contain NaN"),
        ({"probe": torch.ones(8, 8)}, r"probe must be complex.*got torch.float32 \(8, 8\)"),
        ({"probe": complex_noise(9, 9, seed=0)}, r"patterns are \(1, 8, 8\), but 1 of \(9, 9\) px are needed"),
        ({"probe": complex_noise(3, 8, 8, seed=0)}, "the probe has 3 modes, but modes is 1"),
        ({"obj": torch.ones(2, 20, 23)}, r"obj must be \(rows, columns\), got \(2, 20, 23\)"),
        ({"valid_mask": torch.ones(8, 9, dtype=torch.bool)}, r"valid_mask must be bool of the probe's \(8, 8\) px"),
        ({"valid_mask": torch.ones(8, 8)}, "got torch.float32"),
        ({"intensity": -torch.ones(1, 8, 8)}, "patterns contain NaN or negative values, or no photons"),
        ({"intensity": torch.zeros(1, 8, 8)}, "patterns contain NaN or negative values, or no photons"),
    ],
)
def test_inconsistent_arrays_are_refused(changes, message):
    given = {
        "positions_px": torch.zeros(1, 2),
        "probe": complex_noise(8, 8, seed=0),
        "obj": torch.ones(20, 23),
        "intensity": torch.ones(1, 8, 8),
        **changes,
    }
    intensity = given.pop("intensity")
    with pytest.raises(ValueError, match=message):
        solver().solve(lambda index: intensity[index], **given)


def test_added_modes_of_a_probe_that_is_not_refined_are_refused():
    with pytest.raises(ValueError, match=r"modes is 2, but the known probe has 1; set solver\.modes=null"):
        Problem().solve(solver(modes=2, refine_probe=False))


@pytest.mark.parametrize("batch_size", [1, 7])
def test_divergence_is_reported_in_one_line(batch_size):
    with pytest.raises(ValueError, match=r"diverged.*lower object_step or probe_step"):
        Problem().solve(solver(object_step=1e3, probe_step=1e3, batch_size=batch_size, iterations=30))


@pytest.mark.parametrize("path", sorted(CONF.glob("*pie.yaml")), ids=lambda path: path.stem)
def test_every_solver_configuration_solves_a_tiny_scan(path, tiny_scan):
    intensity, positions, probe = start_of(tiny_scan)
    config = OmegaConf.load(path)
    config.iterations = 10
    found = hydra.utils.instantiate(config).solve(lambda index: intensity[index], positions, probe)
    assert found.misfits[-1] < 0.3 * found.misfits[0]


@pytest.mark.gpu
@pytest.mark.parametrize("subpixel", [False, True])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_cuda_and_the_cpu_give_the_same_result(tiny_scan, batch_size, subpixel):
    intensity, positions, probe = start_of(tiny_scan)
    valid_mask = torch.rand(16, 16, generator=Generator().manual_seed(0)) > 0.1
    several = solver(batch_size=batch_size, iterations=3, modes=2, subpixel=subpixel)
    cpu, cuda = (
        several.solve(lambda index: intensity[index], positions + 0.3, probe, valid_mask=valid_mask, device=device)
        for device in ("cpu", "cuda")
    )
    torch.testing.assert_close(cuda.obj.cpu(), cpu.obj, rtol=1e-3, atol=1e-3)
    assert cuda.misfits == pytest.approx(cpu.misfits, rel=1e-3)

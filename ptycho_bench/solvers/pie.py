"""Ptychographical iterative engines PIE, ePIE and rPIE, sequential or in batches, with incoherent probe modes."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Generator, Tensor

from ptycho_bench.physics.bounds import Count, Index, Interval, Seed, bounded
from ptycho_bench.physics.probe_modes import centring_ramp, initial_modes, orthogonal_modes
from ptycho_bench.solvers.patterns import Patterns, check_inputs, read_modulus
from ptycho_bench.solvers.pie_update import RULES, PIEStep
from ptycho_bench.solvers.pie_windows import BatchWindows, SingleWindow, check_corners, split_positions

DIVERGED = "the solver diverged: values are no longer finite; lower object_step or probe_step"


class Solution(NamedTuple):
    """Result of a solver.

    obj: complex64 (rows, columns).
    probe: complex64 (modes, H, W), sqrt(photons); orthogonal modes, strongest first, if it was refined.
    misfits: sum |sqrt(I) - |F(P O)|| / sum sqrt(I) of each iteration, each batch evaluated before its update.
    iterations: number of iterations.
    stopped: whether the solver stopped early because the misfit stagnated.
    """

    obj: Tensor
    probe: Tensor
    misfits: list[float]
    iterations: int
    stopped: bool


@bounded
@dataclass(frozen=True, kw_only=True)
class PIESolver:
    """Reconstruct object and probe from far-field patterns at known positions.

    Args:
        rule: `epie`, `rpie` or `pie`, which determines the weight of the updates.
        object_step: factor of the object's updates; 1 as published.
        probe_step: factor of the probe's updates; 1 as published.
        alpha: regularisation of rpie and pie, (0, 1]; None for epie, which equals rpie with 1.
        iterations: largest number of passes over all patterns.
        batch_size: number of patterns used at once; 1 is the sequential algorithm.
        modes: number of incoherent modes of the probe; None for as many as the given probe has.
        refine_probe: whether to refine the probe too.
        probe_start: number of iterations before the probe is refined.
        stop_tolerance: stop if the lowest misfit decreases by no more than this fraction within `stop_patience`
            iterations; None never stops early.
        stop_patience: number of iterations within which the misfit must decrease; None never stops early.
        subpixel: whether to shift the probe by the fractions of the positions; if not, positions are rounded.
        seed: seed of the order of the patterns, which is drawn again in each iteration.
    """

    rule: Literal["epie", "rpie", "pie"]
    object_step: Annotated[float, Interval("(0, 1000]", "the published step is 1")]
    probe_step: Annotated[float, Interval("(0, 1000]", "the published step is 1")]
    alpha: Annotated[float, Interval("(0, 1]", "0.1 is usual")] | None
    iterations: Count
    batch_size: Count
    modes: Annotated[int, Interval("[1, 100]", "null keeps the probe's")] | None
    refine_probe: bool
    probe_start: Index
    stop_tolerance: Annotated[float, Interval("[0, 1)", "0.1 % is written 0.001")] | None
    stop_patience: Count | None
    subpixel: bool
    seed: Seed

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}, got {self.rule!r}")
        if self.rule == "epie" and self.alpha is not None:
            raise ValueError(f"alpha must be null for epie, got {self.alpha}; use rule: rpie to set it")
        if self.rule != "epie" and self.alpha is None:
            raise ValueError(f"alpha must lie in (0, 1] for {self.rule}, got null; 0.1 is usual")
        self.check_stopping()

    def check_stopping(self) -> None:
        """Raise ValueError if the stopping criterion is incomplete."""
        if (self.stop_tolerance is None) != (self.stop_patience is None):
            raise ValueError(
                f"give both stop_tolerance and stop_patience, got {self.stop_tolerance} and {self.stop_patience}; "
                "or set both to null"
            )

    def solve(
        self,
        patterns: Patterns,
        positions_px: Tensor,
        probe: Tensor,
        *,
        obj: Tensor | None = None,
        valid_mask: Tensor | None = None,
        on_iteration: Callable[[int, float, Tensor], None] | None = None,
        device: torch.device | str = "cpu",
    ) -> Solution:
        """Run until the misfit stagnates or all iterations are done.

        Args:
            patterns: takes int64 indices (n,), at most batch_size of them, on the CPU; returns their photons, real
                (n, H, W), zero frequency at [H // 2, W // 2].
            positions_px: float64 (N, 2), top-left (y, x) of each patch in the object.
            probe: complex (H, W) or (modes, H, W), sqrt(photons), on the scale of the patterns; it is not modified.
            obj: complex (rows, columns), initial object, which is not modified; None starts from ones on the bounding
                box of the positions, with row 0 and column 0 at the smallest rounded position.
            valid_mask: bool (H, W), True on valid detector pixels, the others keep the modelled modulus; None if all
                are valid.
            on_iteration: called with the number of finished iterations, the misfit of the last one, and the current
                object, which it must not modify.
            device: device of the object, the probe and a batch.

        Raises:
            ValueError: If shapes do not match, a position lies outside the object, patterns have negative or NaN
                values, modes would have to be added to a probe that is not refined, or the solver diverges.
        """
        with torch.inference_mode():
            obj, step = self.initial_state(positions_px, probe, obj=obj, valid_mask=valid_mask, device=device)
            generator, misfits = Generator().manual_seed(self.seed), []
            while len(misfits) < self.iterations and not self.has_stagnated(misfits):
                refine_probe = self.refine_probe and len(misfits) >= self.probe_start
                batches = torch.randperm(len(positions_px), generator=generator).split(self.batch_size)
                misfits.append(run_iteration(step, patterns, batches, refine_probe=refine_probe))
                if on_iteration is not None:
                    on_iteration(len(misfits), misfits[-1], obj)
            modes = self.final_modes(step.probe[0])
        if not (obj.isfinite().all() and modes.isfinite().all()):
            raise ValueError(DIVERGED)
        return Solution(obj.clone(), modes.clone(), misfits, len(misfits), self.has_stagnated(misfits))

    def initial_state(
        self,
        positions_px: Tensor,
        probe: Tensor,
        *,
        obj: Tensor | None,
        valid_mask: Tensor | None,
        device: torch.device | str,
    ) -> tuple[Tensor, PIEStep]:
        """Return the object, which is updated in place, and the step that updates it, both on the device."""
        patch_px = tuple(probe.shape[-2:])
        corners, fraction_px = split_positions(check_inputs(positions_px, probe, obj, valid_mask))
        if obj is None:
            corners = corners - corners.amin(dim=0)
            obj = torch.ones((corners.amax(dim=0) + torch.tensor(patch_px)).tolist())
        check_corners(corners, tuple(obj.shape), patch_px)
        obj = torch.clone(obj.to(device, torch.complex64), memory_format=torch.contiguous_format)
        windows = SingleWindow if self.batch_size == 1 else BatchWindows
        step = PIEStep(
            windows(obj, corners, patch_px),
            # The ramp moves the zero frequency of a plain FFT to where the patterns have it.
            self.expand_modes(probe).to(device, torch.complex64) * centring_ramp(*patch_px).to(device),
            fraction_px=fraction_px.to(device) if self.subpixel and fraction_px.any() else None,
            bad_mask=None if valid_mask is None else valid_mask.logical_not().to(device),
            weight=RULES[self.rule],
            alpha=self.alpha,
            object_step=self.object_step,
            probe_step=self.probe_step,
        )
        return obj, step

    def expand_modes(self, probe: Tensor) -> Tensor:
        """Return the probe's modes and weak copies up to the number of modes, complex (modes, H, W).

        Raises:
            ValueError: If copies would be added to a probe that is not refined.
        """
        given = 1 if probe.ndim == 2 else len(probe)
        modes = given if self.modes is None else self.modes
        if given != modes and not self.refine_probe:
            raise ValueError(
                f"modes is {modes}, but the known probe has {given}; set solver.modes=null or solver.refine_probe=true"
            )
        return initial_modes(probe, modes)

    def final_modes(self, modes: Tensor) -> Tensor:
        """Return the modes without the ramp, and orthogonalised if they were refined."""
        modes = modes * centring_ramp(*modes.shape[-2:]).conj().to(modes.device)
        return orthogonal_modes(modes) if self.refine_probe and len(modes) > 1 else modes

    def has_stagnated(self, misfits: list[float]) -> bool:
        """Return whether the lowest misfit of the last iterations is hardly below the lowest one before them.

        If the probe is refined, iterations before `probe_start` do not count.
        """
        if self.stop_tolerance is None:
            return False
        misfits = misfits[self.probe_start :] if self.refine_probe else misfits
        if len(misfits) <= self.stop_patience:
            return False
        before, after = misfits[: -self.stop_patience], misfits[-self.stop_patience :]
        return min(after) >= (1 - self.stop_tolerance) * min(before)


def run_iteration(step: PIEStep, patterns: Patterns, batches: Iterable[Tensor], *, refine_probe: bool) -> float:
    """Pass once over the patterns and return their misfit, each batch evaluated before its update.

    Raises:
        ValueError: If the patterns contain no photons, or NaN or negative values, or the misfit is not finite.
    """
    misfits, totals = [], []  # summed at the end, so that each pass waits for the device only once
    for batch in batches:
        modulus = read_modulus(patterns, batch, step.probe, step.bad_mask)
        misfits.append(step(batch, modulus, refine_probe=refine_probe).abs().sum())
        totals.append(modulus.sum())
    misfit, total = torch.stack([torch.stack(sums).double().sum() for sums in (misfits, totals)]).tolist()
    if not math.isfinite(total) or total == 0:
        raise ValueError(
            "patterns contain NaN or negative values, or no photons; fix them, or mark such pixels as invalid in "
            "valid_mask"
        )
    if not math.isfinite(misfit):
        raise ValueError(DIVERGED)
    return misfit / total

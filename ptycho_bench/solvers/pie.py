"""The ptychographical iterative engines: PIE, ePIE and rPIE, sequential or in batches, with incoherent probe modes."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ptycho_bench.physics.probe_modes import centring_ramp, orthogonal_modes, start_modes
from ptycho_bench.solvers.patterns import Patterns, check_shapes, read_modulus
from ptycho_bench.solvers.pie_update import RULES, PIEStep
from ptycho_bench.solvers.pie_windows import BatchWindows, SingleWindow, check_corners, split_positions

DIVERGED = "the solver diverged: values are no longer finite; lower object_step or probe_step"


class Solution(NamedTuple):
    """What a solver found.

    `obj` complex64 (rows, columns); `probe` complex64 (modes, H, W), orthogonal modes, strongest first, where it was
    refined; `errors` sum |sqrt(I) - |F(P O)|| / sum sqrt(I) of each iteration, as its batches met the patterns;
    `stopped` whether it ended for stagnation.
    """

    obj: Tensor
    probe: Tensor
    errors: list[float]
    iterations: int
    stopped: bool


@dataclass(frozen=True, kw_only=True)
class PIESolver:
    """Reconstructs object and probe from far-field patterns at known positions.

    Args:
        rule: `epie`, `rpie` or `pie`: what the changes are divided by.
        object_step: factor of the object's changes; 1 as published.
        probe_step: factor of the probe's.
        alpha: regularisation of rpie and pie, (0, 1]; null for epie, which is rpie's at 1.
        iterations: passes over all patterns, at most.
        batch_size: patterns used at once; 1 is the sequential algorithm.
        modes: incoherent modes of the probe; null: as many as the given one has.
        refine_probe: whether the probe changes too.
        probe_start: iterations before it does.
        stop_tolerance: ends when the lowest error falls by no more than this fraction of itself; null never ends early.
        stop_patience: over that many iterations.
        subpixel: whether the probe is moved by the positions' fractions; else they are rounded to whole pixels.
        seed: of the order of the patterns, drawn anew in each iteration.
    """

    rule: str
    object_step: float
    probe_step: float
    alpha: float | None
    iterations: int
    batch_size: int
    modes: int | None
    refine_probe: bool
    probe_start: int
    stop_tolerance: float | None
    stop_patience: int | None
    subpixel: bool
    seed: int

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}, got {self.rule!r}")
        for name in ("object_step", "probe_step"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}; 1 is the published step")
        for name, lowest in (("iterations", 1), ("batch_size", 1), ("probe_start", 0)):
            if getattr(self, name) != int(getattr(self, name)) or getattr(self, name) < lowest:
                raise ValueError(f"{name} must be a whole number of at least {lowest}, got {getattr(self, name)}")
        if self.rule == "epie" and self.alpha is not None:
            raise ValueError(f"alpha must be null for epie, got {self.alpha}; rule: rpie takes one")
        if self.rule != "epie" and (self.alpha is None or not 0 < self.alpha <= 1):
            raise ValueError(f"alpha must lie in (0, 1] for {self.rule}, got {self.alpha}; 0.1 is usual")
        if self.modes is not None and self.modes < 1:
            raise ValueError(f"modes must be a whole number of at least 1, got {self.modes}; null: the probe's own")
        self.check_stop()

    def check_stop(self) -> None:
        """Raise ValueError for a half-given or impossible end."""
        if (self.stop_tolerance is None) != (self.stop_patience is None):
            raise ValueError(
                f"give both stop_tolerance and stop_patience, got {self.stop_tolerance} and {self.stop_patience}; "
                "or set both to null"
            )
        if self.stop_tolerance is not None and not 0 <= self.stop_tolerance < 1:
            raise ValueError(f"stop_tolerance must lie in [0, 1), got {self.stop_tolerance}; 0.1 % is written 0.001")
        if self.stop_patience is not None and self.stop_patience < 1:
            raise ValueError(f"stop_patience must be at least 1, got {self.stop_patience}")

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
        """Run until the error stagnates or the iterations are done.

        Args:
            patterns: takes int64 numbers (n,), at most batch_size of them, on the CPU; returns their photons, real
                (n, H, W), zero frequency at [H // 2, W // 2].
            positions_px: float64 (N, 2), a patch's top-left (y, x) in the object.
            probe: complex (H, W) or (modes, H, W), sqrt(photons), on the scale of the patterns; not written to.
            obj: complex start, not written to; None starts with ones on the positions' bounding box, row 0 and column 0
                at the smallest rounded position.
            valid_mask: bool (H, W), True where the detector can be believed; other pixels keep the model's modulus.
            on_iteration: called with the number of finished iterations, the last one's error, and the object as it
                stands, which is not to be written to.
            device: where the object, the probe and a batch live.

        Raises:
            ValueError: shapes that do not fit, positions outside the object, patterns with negative or NaN values,
                modes to be invented for a probe that is not refined, or divergence.
        """
        with torch.inference_mode():
            obj, step = self.start(positions_px, probe, obj=obj, valid_mask=valid_mask, device=device)
            order, errors = Generator().manual_seed(self.seed), []
            while len(errors) < self.iterations and not self.stagnates(errors):
                refine_probe = self.refine_probe and len(errors) >= self.probe_start
                batches = torch.randperm(len(positions_px), generator=order).split(self.batch_size)
                errors.append(sweep(step, patterns, batches, refine_probe=refine_probe))
                if on_iteration is not None:
                    on_iteration(len(errors), errors[-1], obj)
            modes = self.final_modes(step.probe[0])
        if not (obj.isfinite().all() and modes.isfinite().all()):
            raise ValueError(DIVERGED)
        return Solution(obj.clone(), modes.clone(), errors, len(errors), self.stagnates(errors))

    def start(
        self,
        positions_px: Tensor,
        probe: Tensor,
        *,
        obj: Tensor | None,
        valid_mask: Tensor | None,
        device: torch.device | str,
    ) -> tuple[Tensor, PIEStep]:
        """The object to be changed, and what changes it; everything on the device."""
        patch_px = tuple(probe.shape[-2:])
        corners, fraction_px = split_positions(check_shapes(positions_px, probe, obj, valid_mask))
        if obj is None:
            corners = corners - corners.amin(dim=0)
            obj = torch.ones((corners.amax(dim=0) + torch.tensor(patch_px)).tolist())
        check_corners(corners, tuple(obj.shape), patch_px)
        obj = torch.clone(obj.to(device, torch.complex64), memory_format=torch.contiguous_format)
        windows = SingleWindow if self.batch_size == 1 else BatchWindows
        step = PIEStep(
            windows(obj, corners, patch_px),
            # Times the ramp, so that a plain FFT has its zero frequency where the patterns have theirs.
            self.all_modes(probe).to(device, torch.complex64) * centring_ramp(*patch_px).to(device),
            fraction_px=fraction_px.to(device) if self.subpixel and fraction_px.any() else None,
            bad=None if valid_mask is None else valid_mask.logical_not().to(device),
            weight=RULES[self.rule],
            alpha=self.alpha,
            object_step=self.object_step,
            probe_step=self.probe_step,
        )
        return obj, step

    def all_modes(self, probe: Tensor) -> Tensor:
        """The probe's own modes and, where it is refined, weak copies up to the number asked for.

        Raises:
            ValueError: copies that would stay as they were made up.
        """
        given = 1 if probe.ndim == 2 else len(probe)
        wanted = given if self.modes is None else self.modes
        if given != wanted and not self.refine_probe:
            raise ValueError(
                f"modes is {wanted}, the known probe has {given}; set solver.modes=null or solver.refine_probe=true"
            )
        return start_modes(probe, wanted)

    def final_modes(self, modes: Tensor) -> Tensor:
        """The probe as it is given back: without the ramp, and orthogonal modes where they were refined."""
        modes = modes * centring_ramp(*modes.shape[-2:]).conj().to(modes.device)
        return orthogonal_modes(modes) if self.refine_probe and len(modes) > 1 else modes

    def stagnates(self, errors: list[float]) -> bool:
        """Whether the lowest error of the last iterations is hardly below the lowest before; a probe's start counts
        as a new beginning."""
        if self.stop_tolerance is None:
            return False
        errors = errors[self.probe_start :] if self.refine_probe else errors
        if len(errors) <= self.stop_patience:
            return False
        before, after = errors[: -self.stop_patience], errors[-self.stop_patience :]
        return min(after) >= (1 - self.stop_tolerance) * min(before)


def sweep(step: PIEStep, patterns: Patterns, batches: Iterable[Tensor], *, refine_probe: bool) -> float:
    """One pass over the patterns; the misfit they were met with.

    Raises:
        ValueError: patterns that hold no photons, or a misfit that is not finite.
    """
    misfits, totals = [], []  # added up at the end: one wait for the device in each pass
    for batch in batches:
        modulus = read_modulus(patterns, batch, step.probe, step.bad)
        misfits.append(step(batch, modulus, refine_probe=refine_probe).abs().sum())
        totals.append(modulus.sum())
    misfit, total = torch.stack([torch.stack(sums).double().sum() for sums in (misfits, totals)]).tolist()
    if not math.isfinite(total) or total == 0:
        raise ValueError("patterns hold NaN, negative or no photons at all; mend them, or mark such pixels as invalid in valid_mask")
    if not math.isfinite(misfit):
        raise ValueError(DIVERGED)
    return misfit / total

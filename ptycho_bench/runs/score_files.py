"""Write and draw what `score.evaluate_scan` returns."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ptycho_bench.data.atomic import write_bytes
from ptycho_bench.evaluation.images import Images
from ptycho_bench.records.pictures import draw_field, draw_patches
from ptycho_bench.records.run_folder import write_table
from ptycho_bench.runs.score import Scored


def write_scored(folder: Path, scored: Sequence[Scored]) -> None:
    """Write patches.csv and, for each scan, its stitched field and sample patches as NPZ."""
    columns = {name: [value for one in scored for value in one.columns[name]] for name in scored[0].columns}
    if len(scored) > 1:
        columns = {"scan": [one.name for one in scored for _ in one.columns["point"]], **columns}
    write_table(folder / "patches.csv", columns)
    for one in scored:
        suffix = suffix_of(one, scored)
        field, truth, samples = one.result.field, one.result.truth, one.samples
        write_arrays(
            folder / f"field{suffix}.npz", {**named_images(field, truth), "covered": one.result.covered.numpy()}
        )
        write_arrays(
            folder / f"samples{suffix}.npz",
            {"point": samples.points, **named_images(samples.prediction, samples.truth)},
        )


def draw_scored(folder: Path, scored: Sequence[Scored], title: str) -> None:
    """Draw the stitched field and sample patches of each scan as PNG."""
    for one in scored:
        suffix, samples = suffix_of(one, scored), one.samples
        heading = title if len(scored) == 1 else f"{title}, {one.name}"
        draw_field(folder / f"field{suffix}.png", one.result.truth, one.result.field, heading)
        draw_patches(
            folder / f"patches{suffix}.png", samples.intensity, samples.truth, samples.prediction, samples.labels
        )


def suffix_of(one: Scored, scored: Sequence[Scored]) -> str:
    """Return the ending of the names of a scan's files."""
    return "" if len(scored) == 1 else f"_{one.name}"


def named_images(pred: Images, truth: Images) -> dict[str, np.ndarray]:
    """Return predicted and true images by the names that NPZ files give them."""
    names = {"amplitude": pred.amplitude, "phase": pred.phase}
    names |= {"true_amplitude": truth.amplitude, "true_phase": truth.phase}
    return {name: image.numpy() for name, image in names.items()}


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as NPZ, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())

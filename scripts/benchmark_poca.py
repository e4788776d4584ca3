"""Measure time, memory and error of the implementations of PPN's polar attention, forward and backward.

python scripts/benchmark_poca.py --size-px 32 --batch 32 --csv poca.csv
python scripts/benchmark_poca.py --size-px 64 --batch 4 --csv poca.csv            # attention maps of 4,096 x 4,096
python scripts/benchmark_poca.py --device cuda --form reference --form tiled --form flex --csv poca.csv
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ptycho_bench.models.ppn.poca import FORMS
from ptycho_bench.models.ppn.polar import polar_coordinates
from ptycho_bench.records.environment import device_description
from ptycho_bench.records.run_folder import append_rows
from ptycho_bench.training.callbacks import peak_memory_mb

HEADS, WIDTH = 2, 16  # as in PPN
CENTER_OFFSET_PX = (0.3127, -0.9129)  # no two pixels are equally far from it; the map is not differentiable there
NAMES = ("output", "query", "key", "value", "centre")


def inputs(batch: int, size_px: int, dtype: torch.dtype, device: str) -> list[Tensor]:
    """Return random queries, keys and values (batch * heads, N, width) and the centre (2,) as (y, x), px."""
    generator = torch.Generator().manual_seed(0)
    shape = HEADS * batch, size_px**2, WIDTH
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    tensors.append(torch.tensor([size_px / 2 + offset for offset in CENTER_OFFSET_PX], dtype=torch.float64))
    return [tensor.to(device, dtype).requires_grad_() for tensor in tensors]


def step(form: Callable[..., Tensor], tensors: list[Tensor], size_px: int) -> list[Tensor]:
    """Return the output and the gradients with respect to all inputs."""
    *heads, center = tensors
    out = form(*heads, *polar_coordinates(center, size_px, size_px))
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype, device=out.device).view_as(out)
    return [out.detach(), *torch.autograd.grad((out * weight).sum(), tensors)]


def errors(form: str, size_px: int, device: str) -> dict[str, float]:
    """Return relative errors of output and gradients for one pattern, against the reference in double precision."""
    expected = step(FORMS["reference"], inputs(1, size_px, torch.float64, "cpu"), size_px)
    actual = step(FORMS[form], inputs(1, size_px, torch.float32, device), size_px)
    pairs = zip(NAMES, actual, expected, strict=True)
    return {f"error_{name}": float((a.cpu().double() - b).norm() / b.norm()) for name, a, b in pairs}


def seconds(work: Callable[[], object], device: str) -> float:
    """Return the seconds of one call, including the work of the device."""
    started = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def memory_mb(form: str, options: argparse.Namespace) -> float:
    """Return the peak memory (MB) of a step without its inputs, measured in a new process."""
    arguments = ["--size-px", str(options.size_px), "--batch", str(options.batch), "--device", options.device]
    command = [sys.executable, __file__, "--form", form, *arguments, "--only-memory"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_increase_mb(form: str, options: argparse.Namespace) -> float:
    """Return the increase of this process's peak memory (MB) during a step."""
    tensors = inputs(options.batch, options.size_px, torch.float32, options.device)
    before = peak_memory_mb(torch.device(options.device))
    step(FORMS[form], tensors, options.size_px)
    return peak_memory_mb(torch.device(options.device)) - before


def compare(options: argparse.Namespace) -> list[dict]:
    """Measure the implementations in turn and return one row each; the first one is the reference of the ratios."""
    tensors = inputs(options.batch, options.size_px, torch.float32, options.device)
    work = {form: lambda form=form: step(FORMS[form], tensors, options.size_px) for form in options.form}
    for form in work.values():
        seconds(form, options.device)
    taken = {form: [] for form in work}
    for _, form in itertools.product(range(options.repeats), work):
        taken[form].append(seconds(work[form], options.device))
    rows = []
    for form, values in taken.items():
        ratios = [first / own for first, own in zip(taken[options.form[0]], values, strict=True)]
        row = {"form": form, "size_px": options.size_px, "batch": options.batch, "median_s": statistics.median(values)}
        row |= {"times_faster": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
        row |= {"memory_mb": memory_mb(form, options), **errors(form, options.size_px, options.device)}
        worst = max(value for name, value in row.items() if name.startswith("error_"))
        print("{form:<10} {size_px} px, batch {batch}: {median_s:.4f} s  x {times_faster:.2f} ({low:.2f} to {high:.2f})"
              "  {memory_mb:.0f} MB  error {worst:.1e}".format(**row, worst=worst), flush=True)  # fmt: skip
        rows.append(row)
    return rows


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--form", action="append", choices=FORMS, help="implementation (repeatable); ratios refer to the first one"
    )
    parser.add_argument("--size-px", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--only-memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.form = options.form or ["reference", "tiled"]
    if options.only_memory:
        print(memory_increase_mb(options.form[0], options))
        return
    rows = compare(options)
    if options.csv:
        append_rows(options.csv, [row | device_description(options.device) for row in rows])


if __name__ == "__main__":
    main()

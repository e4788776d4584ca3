"""Measure the cost of a network: parameters, operations, memory and time by batch size, on this machine."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ptycho_bench.config.description import Plain
from ptycho_bench.config.identity import profile_name
from ptycho_bench.config.network import build_model, build_network, build_part, check_forward
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.scaling import NEUTRAL
from ptycho_bench.records.costs import MIB_PER_PARAMETER, profile_key, stored_numbers
from ptycho_bench.records.recording import recording
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.training.callbacks import peak_memory_mb

WARM_UP = 2


@dataclass(frozen=True, kw_only=True)
class ProfileSpec:
    """Settings of a profile.

    Args:
        parts: description of model, input, amplitude and phase.
        choices: name of the file taken from each group of conf/.
        size_px: side of a pattern.
        batch_sizes: numbers of patterns, rising.
        repeats: number of repeats of each measurement.
        device: `cpu` or `cuda`.
        threads: number of CPU threads; None: torch's choice.
        outputs_dir: where profiles are recorded.
        text: the whole configuration as YAML, for the record.
    """

    parts: Mapping[str, Plain]
    choices: Mapping[str, str]
    size_px: int
    batch_sizes: Sequence[int]
    repeats: int
    device: str
    threads: int | None
    outputs_dir: Path
    text: str


def profile(spec: ProfileSpec) -> tuple[dict, Path] | None:
    """Measure a network's cost and record it for the tables of ptycho-report.

    Args:
        spec: settings of the profile.

    Returns:
        The measured values, and the folder that they are recorded in; None if another process is working on it.

    Raises:
        ValueError: If sizes do not fit together, or batch sizes do not rise.
    """
    name = profile_name(spec.parts, spec.choices, spec.size_px, spec.device)
    folder = RunFolder(spec.outputs_dir / "profiles" / name, "ptycho-profile")
    with recording(folder, spec.text, request=name, overwrite=True) as machine:
        if machine is None:
            return None
        measured = {**measure(spec), "environment": machine}
        folder.finish(measured)
    return measured, folder.path


def measure(spec: ProfileSpec) -> dict:
    """Return what a network costs; see `profile`."""
    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    blank = dataclasses.replace(NEUTRAL, log1p_mean=torch.zeros(spec.size_px, spec.size_px))
    description = {**spec.parts, "size_px": spec.size_px, "scaling": vars(blank)}
    check_forward(description)
    channels = build_part(description, "input", scaling=NEUTRAL).in_channels
    with torch.device("meta"):
        work = gflops(build_model(description), channels, spec.size_px)
    network = build_network(description, build_model(description)).to(spec.device)
    stored = stored_numbers(network)
    rows = measure_batches(
        network, size_px=spec.size_px, batch_sizes=spec.batch_sizes, device=spec.device, repeats=spec.repeats
    )
    return {
        "key": profile_key({"choices": spec.choices, "data": {"pattern_px": spec.size_px}}, spec.device),
        "device": spec.device,
        "parameters": sum(p.numel() for p in network.parameters()),
        "stored_numbers": stored,
        "parameters_mib": stored * MIB_PER_PARAMETER,
        "gflops": work,
        "milliseconds": rows[0]["milliseconds"],
        "batches": rows,
    }


def gflops(model: nn.Module, in_channels: int, size_px: int) -> float:
    """Return the GFLOPs of one pattern's forward pass: two for a multiply-add, without Fourier transforms.

    Args:
        model: the architecture, on the meta device, where attention is counted too.
        in_channels: number of its input channels.
        size_px: side of a pattern.
    """
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, in_channels, size_px, size_px, device="meta"))
    return counter.get_total_flops() / 1e9


def measure_batches(
    network: PtychoNetwork, *, size_px: int, batch_sizes: Sequence[int], device: str, repeats: int
) -> list[dict[str, float | None]]:
    """Measure time and memory of prediction and of a training step, for each batch size.

    Args:
        network: the network, on the device.
        size_px: side of a pattern.
        batch_sizes: numbers of patterns, rising, so that the peak of memory of each can be measured.
        device: `cpu` or `cuda`.
        repeats: number of repeats of each measurement, after two to warm up.

    Returns:
        A row for each batch size: `batch_size`; for the prediction of a batch `milliseconds` (median),
        `milliseconds_low`, `milliseconds_high` and `patterns_per_second`; for a training step `step_milliseconds` and
        `step_patterns_per_second`; and `peak_memory_mb` of the device or, on a CPU, of the process, None if an earlier
        batch size had a higher one.

    Raises:
        ValueError: If batch sizes do not rise, or a number is below 1.
    """
    if repeats < 1 or not batch_sizes or list(batch_sizes) != sorted(set(batch_sizes)) or batch_sizes[0] < 1:
        raise ValueError(f"batch_sizes must rise from 1 and repeats be at least 1, got {list(batch_sizes)}, {repeats}")
    rows = []
    for batch_size in batch_sizes:
        counts = torch.poisson(torch.full((batch_size, 1, size_px, size_px), 50.0)).to(device)
        counts = counts.expand(-1, network.input_transform.patterns, -1, -1)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        before = peak_memory_mb(torch.device(device)) if device == "cpu" else 0.0
        network.eval()
        predicted = timed(lambda counts=counts: predict(network, counts), repeats, device)
        network.train()
        stepped = timed(training_step(network, counts), repeats, device)
        peak = peak_memory_mb(torch.device(device))
        rows.append(
            {
                "batch_size": batch_size,
                "milliseconds": 1e3 * statistics.median(predicted),
                "milliseconds_low": 1e3 * min(predicted),
                "milliseconds_high": 1e3 * max(predicted),
                "patterns_per_second": batch_size / statistics.median(predicted),
                "step_milliseconds": 1e3 * statistics.median(stepped),
                "step_patterns_per_second": batch_size / statistics.median(stepped),
                "peak_memory_mb": peak if peak > before else None,
            }
        )
    return rows


@torch.inference_mode()
def predict(network: PtychoNetwork, counts: torch.Tensor) -> None:
    """Turn counts into physical amplitude and phase."""
    network(counts)


def training_step(network: PtychoNetwork, counts: torch.Tensor) -> Callable[[], None]:
    """Return a function that runs one training step (forward, backward, Adam) towards outputs of zero."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-6)
    with torch.no_grad():
        seen = network.input_transform(counts.flatten(0, 1)).unflatten(0, counts.shape[:2]).flatten(1, 2)

    def step() -> None:
        optimizer.zero_grad()
        prediction = network.predictions(seen)
        (prediction.amplitude.square().mean() + prediction.phase.square().mean()).backward()
        optimizer.step()

    return step


def timed(work: Callable[[], None], repeats: int, device: str) -> list[float]:
    """Return the seconds of each repeat, including the work of the device."""
    taken = []
    for _ in range(WARM_UP + repeats):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return taken[WARM_UP:]

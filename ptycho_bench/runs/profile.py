"""What a network costs: parameters, operations, memory, time by batch size, on the machine at hand."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.training.callbacks import peak_memory_mb

WARM_UP = 2


def gflops(model: nn.Module, in_channels: int, size_px: int) -> float:
    """Operations of one pattern's forward pass, two a multiply-add, in 1e9; the Fourier transform counts as nothing.

    Args:
        model: on the meta device, where attention is counted too.
        in_channels: it takes.
        size_px: side of a pattern.
    """
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, in_channels, size_px, size_px, device="meta"))
    return counter.get_total_flops() / 1e9


def profile(
    network: PtychoNetwork, *, size_px: int, batch_sizes: Sequence[int], device: str, repeats: int
) -> list[dict[str, float | None]]:
    """Time and memory of prediction and of a training step, batch size by batch size.

    Args:
        network: on the device.
        size_px: side of a pattern.
        batch_sizes: rising, so that the peak of memory is each one's own.
        device: cpu or cuda.
        repeats: of each, after two that do not count.

    Returns:
        A row a batch size: `batch_size`, `milliseconds` of a batch's prediction (median), `milliseconds_low` and
        `_high`, `patterns_per_second`, the same of a step as `step_milliseconds`, `step_patterns_per_second`, and
        `peak_memory_mb`, the device's or, on a CPU, the process's; None where an earlier one was higher.

    Raises:
        ValueError: batch sizes that do not rise, or a number below 1.
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
    """Counts to physical amplitude and phase."""
    network(counts)


def training_step(network: PtychoNetwork, counts: torch.Tensor) -> Callable[[], None]:
    """Forward, backward and Adam's step, by squared error against zero."""
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
    """Seconds of each repetition, the device's work included."""
    taken = []
    for _ in range(WARM_UP + repeats):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return taken[WARM_UP:]

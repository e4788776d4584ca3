"""Time training steps of networks for each precision and memory layout.

python scripts/benchmark_step.py --model ptychonn --model ppn --repeats 10 --csv steps.csv
"""

import argparse
import csv
import itertools
import statistics
import time
from collections.abc import Callable

import hydra
import torch

from ptycho_bench.config.build import build
from ptycho_bench.config.description import plain_values
from ptycho_bench.config.network import build_model
from ptycho_bench.network.scaling import NEUTRAL


def network_step(
    model: str, precision: str, layout: str, *, batch: int, size_px: int, device: str
) -> Callable[[], None]:
    """Return a function that performs a forward, backward and Adam step on random patterns with a squared loss."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("config", overrides=[f"model={model}"])
    description = {part: plain_values(cfg[part]) for part in ("model", "input", "phase")}
    network = build_model({**description, "size_px": size_px}).to(device)
    channels = build(description["input"], scaling=NEUTRAL).in_channels
    patterns = torch.rand(batch, channels, size_px, size_px, device=device)
    if layout == "channels-last":
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            amplitude, phase = network(patterns)
        (amplitude.float().square().mean() + phase.float().square().mean()).backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], device: str) -> float:
    """Return the seconds of one step, including the work of the device."""
    started = time.perf_counter()
    step()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(title: str, steps: dict[str, Callable[[], None]], *, repeats: int, device: str) -> list[dict]:
    """Time the steps in turn, so that other load on the machine affects all of them.

    The first one is the reference of the ratios.
    """
    for step in steps.values():
        seconds(step, device)
    seconds_by_name = {name: [] for name in steps}
    for _, name in itertools.product(range(repeats), steps):
        seconds_by_name[name].append(seconds(steps[name], device))
    first = next(iter(steps))
    rows = []
    for name, values in seconds_by_name.items():
        ratios = [reference / value for reference, value in zip(seconds_by_name[first], values, strict=True)]
        row = {
            "what": title,
            "variant": name,
            "median_s": statistics.median(values),
            "min_s": min(values),
            "max_s": max(values),
            "times_faster": statistics.median(ratios),
            "times_faster_low": min(ratios),
            "times_faster_high": max(ratios),
        }
        rows.append(row)
        print(
            f"{title:<28} {name:<28} {row['median_s']:.4f} s  x {row['times_faster']:.2f} "
            f"({row['times_faster_low']:.2f}..{row['times_faster_high']:.2f})",
            flush=True,
        )
    return rows


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size-px", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--csv")
    options = parser.parse_args()
    size = {"batch": options.batch, "size_px": options.size_px, "device": options.device}
    timing = {"repeats": options.repeats, "device": options.device}
    rows = []
    variants = list(itertools.product(("32-true", "bf16-mixed"), ("contiguous", "channels-last")))
    for model in options.model:
        steps = {", ".join(variant): network_step(model, *variant, **size) for variant in variants}
        rows += compare(model, steps, **timing)
    if options.csv:
        with open(options.csv, "w", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()

"""Replay a detector's stream through an exported network and measure sustained rate, latency and lost patterns.

python scripts/benchmark_stream.py best.onnx --rate 2000 --seconds 10 --batch 8 --queue 64 --csv stream.csv

A producer thread puts patterns into a bounded queue at the given rate. A pattern that finds the queue full is lost, as
with a detector that does not wait. The consumer waits for a whole batch. The latency of a pattern is the time from the
moment it was due until its patch is available; it therefore includes the wait for the batch and any delay of the
producer. With --rate 0 the producer waits until the queue has room: patterns arrive as fast as they are consumed, and
none is lost.
"""

import argparse
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hydra
import numpy as np
import torch

from ptycho_bench.config.build import build
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import stream_scan
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from ptycho_bench.network.neighbours import neighbour_table, neighbourhoods
from ptycho_bench.records.environment import device_description
from ptycho_bench.records.run_folder import append_rows

WARM_UP_BATCHES = 3
MAX_PATTERNS = 1024  # of a data file; they are replayed repeatedly
END = None  # marks the end of the stream


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Result of a replayed stream.

    Args:
        offered: number of patterns that arrived.
        lost: number of these that found the queue full.
        latencies_s: times from arrival to result of the other patterns.
        offered_s: time from the start to the last arrival.
        seconds: time from the start to the last result.
    """

    offered: int
    lost: int
    latencies_s: list[float]
    offered_s: float
    seconds: float


class Detector(threading.Thread):
    """Thread that puts (pattern number, time it was due) pairs into a queue, followed by `END`.

    Args:
        pending: the queue.
        rate: patterns per second; 0 means as fast as the queue has room.
        seconds: duration of the stream.
    """

    def __init__(self, pending: queue.Queue, *, rate: float, seconds: float) -> None:
        super().__init__(daemon=True)
        self.pending, self.rate, self.seconds = pending, rate, seconds
        self.started_s, self.offered, self.lost, self.offered_s = 0.0, 0, 0, 0.0

    def run(self) -> None:
        self.started_s = time.perf_counter()
        (self.send_at_rate if self.rate else self.send_when_room)()
        self.offered_s = time.perf_counter() - self.started_s
        self.pending.put(END)

    def send_at_rate(self) -> None:
        """Send each pattern when it is due; it is lost if the queue is full."""
        for number in range(int(self.rate * self.seconds)):
            due_s = self.started_s + number / self.rate
            time.sleep(max(0.0, due_s - time.perf_counter()))
            self.offered += 1
            try:
                self.pending.put_nowait((number, due_s))
            except queue.Full:
                self.lost += 1

    def send_when_room(self) -> None:
        """Send the next pattern as soon as the queue has room; that is the time it is due."""
        while time.perf_counter() - self.started_s < self.seconds:
            number, self.offered = self.offered, self.offered + 1
            self.pending.put((number, time.perf_counter()))


def replay(
    run: Callable[[np.ndarray], object], patterns: np.ndarray, *, rate: float, seconds: float, batch: int, room: int
) -> Replay:
    """Send patterns through a network as a detector would.

    Args:
        run: function that turns float32 patterns (batch, K, H, W), photons, into patches.
        patterns: float32 (N, K, H, W), photons; they are sent repeatedly.
        rate: patterns per second; 0 means as fast as they are consumed.
        seconds: duration of the stream.
        batch: number of patterns per call of `run`.
        room: capacity of the queue in patterns.
    """
    pending: queue.Queue = queue.Queue(room)
    detector = Detector(pending, rate=rate, seconds=seconds)
    latencies_s: list[float] = []
    detector.start()
    ended = False
    while not ended:
        arrived = []
        while len(arrived) < batch and not ended:
            item = pending.get()
            ended = item is END
            arrived += [] if ended else [item]
        if arrived:
            run(patterns[[number % len(patterns) for number, _ in arrived]])
            done_s = time.perf_counter()
            latencies_s += [done_s - due_s for _, due_s in arrived]
    finished_s = time.perf_counter()
    detector.join()
    return Replay(
        offered=detector.offered, lost=detector.lost, latencies_s=latencies_s, offered_s=detector.offered_s,
        seconds=finished_s - detector.started_s,
    )  # fmt: skip


def simulated(side_px: int) -> PtychoScan:
    """Simulate 121 patterns of the default test object and probe with detector noise."""
    overrides = ["data=ltem", "noise=ppn", f"data.probe.size_px={side_px}", f"data.obj.size_px={6 * side_px}"]
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("simulate", overrides=[*overrides, "data.overlap_ratio=0.5"])
    return build(cfg.data, noise=build(cfg.noise), simulation_hash=None)


def stream_of(scan: PtychoScan, network: OnnxNetwork) -> np.ndarray:
    """Return each pattern with the neighbours that the network sees, float32 (N, K, H, W), photons.

    Raises:
        ValueError: If the patterns do not have the size that the network expects.
    """
    side_px = network.description["size_px"]
    if scan.patch_px != side_px:
        raise ValueError(
            f"the scan has patterns of {scan.patch_px} px, but the network expects {side_px} px; choose another scan"
        )
    known = np.arange(min(len(scan), MAX_PATTERNS))
    table = neighbour_table(scan.scan_index, known, network.neighbours, known)
    seen = neighbourhoods(scan.patterns(known), table, network.metadata["input"]["patterns"], len(known))
    return torch.cat(list(seen)).numpy()


def table_row(result: Replay, options: argparse.Namespace, network: OnnxNetwork) -> dict[str, object]:
    """Return one row of the table."""
    import onnxruntime

    latencies_ms = 1e3 * np.array(result.latencies_s)
    median, high = np.percentile(latencies_ms, (50, 99))
    return {
        "model": network.metadata["run"],
        "size_px": network.description["size_px"],
        "batch": options.batch,
        "queue": options.queue,
        "asked_rate": options.rate,
        "offered": result.offered,
        "offered_rate": result.offered / result.offered_s,
        "done": len(result.latencies_s),
        "sustained_rate": len(result.latencies_s) / result.seconds,
        "lost": result.lost,
        "latency_p50_ms": median,
        "latency_p99_ms": high,
        **device_description(network.runs_on),
        "onnxruntime": onnxruntime.__version__,
    }


def read_options() -> argparse.Namespace:
    """Parse the command line; exit with an error message if a value is out of range."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="file that ptycho-export has written")
    parser.add_argument("--scan", type=Path, help="data file with the patterns to replay (default: simulated patterns)")
    parser.add_argument(
        "--rate", type=float, default=2000.0, help="patterns per second; 0: as fast as they are consumed"
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--queue", type=int, default=64, help="capacity of the queue in patterns")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    parser.add_argument("--csv", type=Path, help="file to append a row to")
    options = parser.parse_args()
    for name, least in (("rate", 0), ("batch", 1), ("queue", 1)):
        if not getattr(options, name) >= least:
            parser.error(f"--{name} must be at least {least}, got {getattr(options, name)}")
    if not options.seconds > 0 or 0 < options.rate * options.seconds < 1:
        parser.error(f"--seconds {options.seconds} is too short for one pattern at --rate {options.rate}; increase it")
    return options


def main() -> None:
    """Run the benchmark from the command line."""
    options = read_options()
    try:
        network = OnnxNetwork(options.model, device=options.device)
        scan = simulated(network.description["size_px"]) if options.scan is None else stream_scan(options.scan)
        patterns = stream_of(scan, network)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    for _ in range(WARM_UP_BATCHES):
        network.run(patterns[: options.batch])
    result = replay(
        network.run, patterns, rate=options.rate, seconds=options.seconds, batch=options.batch, room=options.queue
    )
    row = table_row(result, options, network)
    for name, value in row.items():
        print(f"{name:<16} {f'{value:.2f}' if isinstance(value, float) else value}")
    if options.csv:
        append_rows(options.csv, [row])


if __name__ == "__main__":
    main()

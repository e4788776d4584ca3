"""Replay a detector's stream through an exported network: rate kept up, latency of a pattern, patterns lost.

python scripts/benchmark_stream.py best.onnx --rate 2000 --seconds 10 --batch 8 --queue 64 --csv stream.csv

A producer thread lays patterns into a bounded queue at the given rate; one that finds it full is lost, as in a detector
that does not wait. The consumer waits for a whole batch. A pattern's latency runs from when it was due to when its
patch is there, so that it holds the wait for the batch, and nothing is lost on a producer that is late itself.
--rate 0: the producer waits for room, so that patterns come as fast as they are taken, and none is lost.
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
from ptycho_bench.data.store import open_scan
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from ptycho_bench.network.neighbours import neighbour_table, neighbourhoods
from ptycho_bench.records.environment import machine
from ptycho_bench.records.run_folder import append_rows

WARM_UP_BATCHES = 3
PATTERNS = 1024  # of a data file that are replayed, over and over
END = None  # of the stream


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What came of a stream.

    Args:
        offered: patterns that arrived.
        lost: of these, found the queue full.
        latencies_s: of the others, from arrival to result.
        offered_s: from the start to the last arrival.
        seconds: from the start to the last result.
    """

    offered: int
    lost: int
    latencies_s: list[float]
    offered_s: float
    seconds: float


class Detector(threading.Thread):
    """Sends numbers of patterns and the times they were due into a queue, then `END`.

    Args:
        waiting: the queue.
        rate: patterns a second; 0: as fast as there is room.
        seconds: how long.
    """

    def __init__(self, waiting: queue.Queue, *, rate: float, seconds: float) -> None:
        super().__init__(daemon=True)
        self.waiting, self.rate, self.seconds = waiting, rate, seconds
        self.started_s, self.offered, self.lost, self.offered_s = 0.0, 0, 0, 0.0

    def run(self) -> None:
        self.started_s = time.perf_counter()
        (self.send_at_rate if self.rate else self.send_where_room)()
        self.offered_s = time.perf_counter() - self.started_s
        self.waiting.put(END)

    def send_at_rate(self) -> None:
        """Each pattern when it is due, whether there is room or not."""
        for number in range(int(self.rate * self.seconds)):
            due_s = self.started_s + number / self.rate
            time.sleep(max(0.0, due_s - time.perf_counter()))
            self.offered += 1
            try:
                self.waiting.put_nowait((number, due_s))
            except queue.Full:
                self.lost += 1

    def send_where_room(self) -> None:
        """The next pattern as soon as there is room; it arrives when it is laid in."""
        while time.perf_counter() - self.started_s < self.seconds:
            number, self.offered = self.offered, self.offered + 1
            self.waiting.put((number, time.perf_counter()))


def replay(
    run: Callable[[np.ndarray], object], patterns: np.ndarray, *, rate: float, seconds: float, batch: int, room: int
) -> Replay:
    """Send patterns through a network as a detector would.

    Args:
        run: takes float32 (batch, K, H, W), photons; gives the patches.
        patterns: float32 (N, K, H, W), sent over and over.
        rate: patterns a second; 0: as fast as they are taken.
        seconds: how long patterns arrive.
        batch: patterns at once.
        room: patterns the queue holds.
    """
    waiting: queue.Queue = queue.Queue(room)
    detector = Detector(waiting, rate=rate, seconds=seconds)
    latencies_s: list[float] = []
    detector.start()
    ended = False
    while not ended:
        arrived = []
        while len(arrived) < batch and not ended:
            item = waiting.get()
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
    """121 patterns of the default test object and probe, with the detector's noise."""
    words = ["data=ltem", "noise=ppn", f"data.probe.size_px={side_px}", f"data.obj.size_px={6 * side_px}"]
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("simulate", overrides=[*words, "data.overlap_ratio=0.5"])
    return build(cfg.data, noise=build(cfg.noise), simulation_hash=None)


def stream_of(scan: PtychoScan, network: OnnxNetwork) -> np.ndarray:
    """Patterns with what the network sees around each, float32 (N, K, H, W), photons.

    Raises:
        ValueError: patterns of another size than the network's.
    """
    side_px = network.description["size_px"]
    if scan.patch_px != side_px:
        raise ValueError(f"the scan has patterns of {scan.patch_px} px, the network takes {side_px} px; name another")
    known = np.arange(min(len(scan), PATTERNS))
    table = neighbour_table(scan.scan_index, known, network.neighbours, known)
    seen = neighbourhoods(scan.patterns(known), table, network.metadata["input"]["patterns"], len(known))
    return torch.cat(list(seen)).numpy()


def row_of(found: Replay, options: argparse.Namespace, network: OnnxNetwork) -> dict[str, object]:
    """One row of the table."""
    import onnxruntime

    latencies_ms = 1e3 * np.array(found.latencies_s)
    median, high = np.percentile(latencies_ms, (50, 99))
    return {
        "model": network.metadata["run"],
        "size_px": network.description["size_px"],
        "batch": options.batch,
        "queue": options.queue,
        "asked_rate": options.rate,
        "offered": found.offered,
        "offered_rate": found.offered / found.offered_s,
        "done": len(found.latencies_s),
        "sustained_rate": len(found.latencies_s) / found.seconds,
        "lost": found.lost,
        "latency_p50_ms": median,
        "latency_p99_ms": high,
        **machine(network.runs_on),
        "onnxruntime": onnxruntime.__version__,
    }


def read_options() -> argparse.Namespace:
    """The command line; ends the program where a number is out of its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="file of ptycho-export")
    parser.add_argument("--scan", type=Path, help="data file whose patterns are replayed; else they are simulated")
    parser.add_argument("--rate", type=float, default=2000.0, help="patterns a second; 0: as fast as they are taken")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--queue", type=int, default=64, help="patterns that may wait")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    parser.add_argument("--csv", type=Path, help="a row is appended")
    options = parser.parse_args()
    for name, least in (("rate", 0), ("batch", 1), ("queue", 1)):
        if not getattr(options, name) >= least:
            parser.error(f"--{name} must be at least {least}, got {getattr(options, name)}")
    if not options.seconds > 0 or 0 < options.rate * options.seconds < 1:
        parser.error(f"--seconds {options.seconds} leaves no time for a pattern at --rate {options.rate}; raise it")
    return options


def main() -> None:
    """Command line."""
    options = read_options()
    try:
        network = OnnxNetwork(options.model, device=options.device)
        scan = simulated(network.description["size_px"]) if options.scan is None else open_scan(options.scan)
        patterns = stream_of(scan, network)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    for _ in range(WARM_UP_BATCHES):
        network.run(patterns[: options.batch])
    found = replay(
        network.run, patterns, rate=options.rate, seconds=options.seconds, batch=options.batch, room=options.queue
    )
    row = row_of(found, options, network)
    for name, value in row.items():
        print(f"{name:<16} {f'{value:.2f}' if isinstance(value, float) else value}")
    if options.csv:
        append_rows(options.csv, [row])


if __name__ == "__main__":
    main()

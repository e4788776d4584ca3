"""Train on a set that streams from its file and on the same set in memory: speed, waiting, memory; ratios in one run.

python scripts/benchmark_loader.py --model none --model ptychonn --gb 0.25 --gb 1 --seconds 20 --csv loader.csv

Files of random frames are made in a temporary folder and deleted. Every case is a process of its own, so that its peak
memory is its own; it reads the file, takes the scaling and steps through the training part for some seconds.
"""

import argparse
import csv
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import numpy as np
import torch

from ptycho_bench.data.frames import FrameStream
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.store import write_scan
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.records.environment import machine
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import Job, prepare
from ptycho_bench.training.callbacks import peak_memory_mb
from ptycho_bench.training.module import PtychoModule

LIMITS = {"resident": "null", "streamed": "0"}
DIFFERENT = 64  # random frames; the file repeats them with growing values


def random_frames(count: int, side: int, seed: int) -> FrameStream:
    """Frames (N, H, W), float32, counts from an exponential distribution; made block by block."""
    some = np.random.default_rng(seed).exponential(20, (DIFFERENT, side, side)).astype(np.float32)

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, count, DIFFERENT):
            yield some[: count - first] * np.float32(1 + first / count)

    return FrameStream((count, side, side), np.dtype(np.float32), blocks)


def write_file(path: Path, gigabytes: float, side: int) -> int:
    """A raster scan of that size on disk; how many patterns it has."""
    columns = 100
    count = max(1, int(gigabytes * 1e9 / (3 * 4 * side**2) / columns)) * columns
    index = np.stack(np.divmod(np.arange(count), columns), axis=-1)
    names = ("diffraction", "amplitude", "phase")
    arrays = {name: random_frames(count, side, seed) for seed, name in enumerate(names)}
    write_scan(
        path, PtychoScan(**arrays, positions_px=index * float(side), scan_index=index, info=ScanInfo(origin="random"))
    )
    return count


def job_of(file: str, model: str, kept: str, batch: int) -> Job:
    """What ptycho-train would train; nine tenths of the field for training and validation."""
    words = [f"model={'ptychonn' if model == 'none' else model}", "data=file", f"data.file_path={file}", "split=region"]
    words += ["split.test_fraction=0.1", "input=log1p", "phase=scaled", "loss=mse", f"recipe.batch_size={batch}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"),
    ):
        cfg = hydra.compose("config", [*words, "trainer=cpu", f"cache_mb={LIMITS[kept]}"])
        return prepare(cfg, {}, RunFolder(Path(folder)), "benchmark")


def stepper(module: PtychoModule, model: str) -> Callable[[PtychoSample], None]:
    """A training step; of `none` nothing."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)

    def step(samples: PtychoSample) -> None:
        optimizer.zero_grad()
        module.training_step(samples, 0).backward()
        optimizer.step()
        if module.device.type == "cuda":
            torch.cuda.synchronize()

    return step if model != "none" else lambda samples: None


def case(file: str, model: str, kept: str, *, batch: int, seconds: float, device: str) -> dict:
    """One case: seconds of a pass over the training part; a longer pass is cut, a shorter one is taken whole."""
    started = time.perf_counter()
    job = job_of(file, model, kept, batch)
    prepared_s = time.perf_counter() - started
    step = stepper(job.module.to(device), model)
    waits, patterns = [], 0
    loader = job.data.samples.loader("train", torch.device(device), batch_size=batch, seed=0)
    started = asked = time.perf_counter()
    for samples in loader:
        waits.append(time.perf_counter() - asked)
        step(samples)
        patterns += len(samples.network_input)
        asked = time.perf_counter()
        if asked - started > seconds:
            break
    taken = time.perf_counter() - started
    return {
        "patterns": patterns,
        "seconds": taken,
        "patterns_per_second": patterns / taken,
        "wait_share": sum(waits) / taken,
        "first_batch_s": waits[0],
        "wait_share_after_first": sum(waits[1:]) / (taken - waits[0]),
        "prepared_s": prepared_s,
        "peak_memory_mb": peak_memory_mb(torch.device("cpu")),
    }


def run_case(file: Path, model: str, kept: str, options: argparse.Namespace) -> dict:
    """`case` in a process of its own."""
    words = [f"--batch={options.batch}", f"--seconds={options.seconds}", f"--device={options.device}"]
    command = [sys.executable, __file__, "--case", str(file), model, kept, *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(options: argparse.Namespace, folder: str) -> Iterator[dict]:
    """Every case in turn, so that a busy machine slows all alike."""
    for gigabytes in options.gb or [0.25, 1.0]:
        free = shutil.disk_usage(folder).free
        if free < 1.1e9 * gigabytes:
            sys.exit(f"{folder} has {free / 1e9:.1f} GB free, {1.1 * gigabytes:.1f} are needed; set --folder")
        file = Path(folder) / "random.h5"
        count = write_file(file, gigabytes, options.size_px)
        cases = itertools.product(range(options.repeats), options.model or ["none", "ptychonn"], options.kept or LIMITS)
        for _, model, kept in cases:
            found = run_case(file, model, kept, options)
            yield {"gb": gigabytes, "points": count, "model": model, "kept": kept, **found}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="none: no step, the loader alone")
    parser.add_argument("--gb", action="append", type=float, default=[], help="size of a file on disk")
    parser.add_argument("--kept", action="append", choices=LIMITS, default=[], help="default: both")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", help="where files are made; default: the system's temporary folder")
    parser.add_argument("--csv")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(case(*options.case, batch=options.batch, seconds=options.seconds, device=options.device)))
        return
    about = machine(options.device)
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for row in measured(options, folder):
            rows.append(row | about)
            print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()

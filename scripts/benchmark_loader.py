"""Compare training on a data set that is streamed from its file with the same data set in memory: speed and memory.

python scripts/benchmark_loader.py --model none --model ptychonn --gb 0.25 --gb 1 --seconds 20 --csv loader.csv

Files of random frames are written to a temporary folder and deleted afterwards. Each case runs in its own process, so
that its peak memory is not affected by the others. It opens the file, fits the scaling and iterates over the training
part for a few seconds.
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
from omegaconf import open_dict

from ptycho_bench.config.run import run_of
from ptycho_bench.config.training import training_spec
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.store import write_scan
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.records.environment import device_description
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import TrainingRun, prepare
from ptycho_bench.training.callbacks import peak_memory_mb
from ptycho_bench.training.module import PtychoModule

CACHE_MB = {"resident": "null", "streamed": "0"}
DISTINCT_FRAMES = 64  # the file repeats these random frames with growing values


def random_frames(count: int, side: int, seed: int) -> FrameStream:
    """Return a stream of float32 frames (N, H, W) of exponentially distributed counts, generated block by block."""
    some = np.random.default_rng(seed).exponential(20, (DISTINCT_FRAMES, side, side)).astype(np.float32)

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, count, DISTINCT_FRAMES):
            yield some[: count - first] * np.float32(1 + first / count)

    return FrameStream((count, side, side), np.dtype(np.float32), blocks)


def write_file(path: Path, gigabytes: float, side: int) -> int:
    """Write a raster scan of about that size and return its number of patterns."""
    columns = 100
    count = max(1, int(gigabytes * 1e9 / (3 * 4 * side**2) / columns)) * columns
    index = np.stack(np.divmod(np.arange(count), columns), axis=-1)
    names = ("diffraction", "amplitude", "phase")
    arrays = {name: random_frames(count, side, seed) for seed, name in enumerate(names)}
    write_scan(
        path, PtychoScan(**arrays, positions_px=index * float(side), scan_index=index, info=ScanInfo(origin="random"))
    )
    return count


def job_of(file: str, model: str, kept: str, batch: int) -> TrainingRun:
    """Prepare what ptycho-train would train, with nine tenths of the field for training and validation."""
    overrides = [f"model={'ptychonn' if model == 'none' else model}", "data=file", f"data.file_path={file}"]
    overrides += ["split=region", "split.test_fraction=0.1"]
    overrides += ["input=log1p", "phase=scaled", "loss=mse", f"recipe.batch_size={batch}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"),
    ):
        words = [*overrides, "trainer=cpu", f"cache_mb={CACHE_MB[kept]}"]
        cfg = hydra.compose("config", words, return_hydra_config=True)
        choices = dict(cfg.hydra.runtime.choices)
        with open_dict(cfg):
            del cfg["hydra"]
        return prepare(training_spec(cfg, choices, run_of(cfg, choices)), RunFolder(Path(folder)))


def stepper(module: PtychoModule, model: str) -> Callable[[PtychoSample], None]:
    """Return a function that performs one training step, or nothing for the model `none`."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)

    def step(samples: PtychoSample) -> None:
        optimizer.zero_grad()
        module.training_step(samples, 0).backward()
        optimizer.step()
        if module.device.type == "cuda":
            torch.cuda.synchronize()

    return step if model != "none" else lambda samples: None


def measure_case(file: str, model: str, kept: str, *, batch: int, seconds: float, device: str) -> dict:
    """Measure one pass over the training part, stopped after `seconds` if it has not ended by then."""
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
    elapsed_s = time.perf_counter() - started
    return {
        "patterns": patterns,
        "seconds": elapsed_s,
        "patterns_per_second": patterns / elapsed_s,
        "wait_share": sum(waits) / elapsed_s,
        "first_batch_s": waits[0],
        "wait_share_after_first": sum(waits[1:]) / (elapsed_s - waits[0]),
        "prepared_s": prepared_s,
        "peak_memory_mb": peak_memory_mb(torch.device("cpu")),
    }


def run_case(file: Path, model: str, kept: str, options: argparse.Namespace) -> dict:
    """Run `measure_case` in its own process."""
    arguments = [f"--batch={options.batch}", f"--seconds={options.seconds}", f"--device={options.device}"]
    command = [sys.executable, __file__, "--case", str(file), model, kept, *arguments]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout.splitlines()[-1])


def measure_all(options: argparse.Namespace, folder: str) -> Iterator[dict]:
    """Measure the cases in turn, so that other load on the machine affects all of them."""
    for gigabytes in options.gb or [0.25, 1.0]:
        free = shutil.disk_usage(folder).free
        if free < 1.1e9 * gigabytes:
            sys.exit(f"{folder} has {free / 1e9:.1f} GB free, needs {1.1 * gigabytes:.1f} GB; set --folder")
        file = Path(folder) / "random.h5"
        count = write_file(file, gigabytes, options.size_px)
        models = options.model or ["none", "ptychonn"]
        cases = itertools.product(range(options.repeats), models, options.kept or CACHE_MB)
        for _, model, kept in cases:
            result = run_case(file, model, kept, options)
            yield {"gb": gigabytes, "points": count, "model": model, "kept": kept, **result}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="a model, or none for the loader alone")
    parser.add_argument("--gb", action="append", type=float, default=[], help="size of the file on disk")
    parser.add_argument("--kept", action="append", choices=CACHE_MB, default=[], help="default: both")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", help="folder for the files (default: the system's temporary folder)")
    parser.add_argument("--csv")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        settings = {"batch": options.batch, "seconds": options.seconds, "device": options.device}
        print(json.dumps(measure_case(*options.case, **settings)))
        return
    measured_on = device_description(options.device)
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for row in measure_all(options, folder):
            rows.append(row | measured_on)
            print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()

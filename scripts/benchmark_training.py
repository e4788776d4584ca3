"""Time whole epochs of this package's trainer, of the same steps in a bare loop, and of PtychoNN's published loop.

The loops run in turn in one process, so that other load on the machine affects all of them. Ratios are computed per
round.

python scripts/benchmark_training.py --model w3 --size-px 32 --batch 32    # overhead of Lightning and logging
python scripts/benchmark_training.py --model ptychonn --size-px 64 --batch 64 --published    # PtychoNN's loop
python scripts/benchmark_training.py --model w3 --with fused=true --with compile=default --with channels_last=false
"""

import argparse
import contextlib
import dataclasses
import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hydra
import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from ptycho_bench.config.build import build
from ptycho_bench.config.description import plain_values
from ptycho_bench.config.network import build_loss, build_model, build_network
from ptycho_bench.config.training import trainer_options
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.records.environment import device_description
from ptycho_bench.records.run_folder import append_rows
from ptycho_bench.training.fit import LAST_CHECKPOINT, fit, make_trainer
from ptycho_bench.training.loading.datamodule import PtychoDataModule
from ptycho_bench.training.metrics import validation_metrics
from ptycho_bench.training.module import PtychoModule

EPOCHS = 2  # per call of the trainer; the first one includes its start-up and is not counted
ARRAYS = ("diffraction", "amplitude", "phase")
Epoch = Callable[[], float]  # trains one epoch and returns its seconds


def random_scan(patterns: int, size_px: int) -> SplitScan:
    """Return a scan of random patterns and labels, whose content does not affect the speed; 5 % are for validation."""
    rng = np.random.default_rng(0)
    shape = patterns, size_px, size_px
    points = np.arange(patterns)
    scan = PtychoScan(
        diffraction=rng.poisson(20.0, shape).astype(np.uint16),
        amplitude=rng.random(shape, np.float32),
        phase=rng.random(shape, np.float32) - 0.5,
        positions_px=np.stack((points, points), axis=1).astype(float),
        scan_index=np.stack((points, points), axis=1),
        info=ScanInfo(origin="noise"),
    )
    last = patterns - patterns // 20
    return SplitScan("noise", scan, Split(points[:last], points[last:], points[:1]))


def configured(options: argparse.Namespace, trainer: str) -> DictConfig:
    """Compose ptycho-train's configuration with trainer options such as `fused=true attention=flex`."""
    overrides = [f"model={options.model}", f"recipe={options.recipe}", f"recipe.batch_size={options.batch}"]
    overrides += [
        f"recipe.epochs={EPOCHS}",
        f"trainer={options.accelerator}",
        *(f"trainer.{option}" for option in trainer.split()),
    ]
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return hydra.compose("config", overrides=overrides)


class Training:
    """One configuration and the loops that can train it, each with a new network.

    Args:
        cfg: configuration of ptycho-train.
        part: scan to train on.
        device: device to train on.
    """

    def __init__(self, cfg: DictConfig, part: SplitScan, device: torch.device) -> None:
        self.cfg, self.part, self.device = cfg, part, device
        self.description = {name: plain_values(cfg[name]) for name in ("model", "input", "amplitude", "phase")}
        scaling = dataclasses.asdict(Scaling.of(part.scan, part.split.train))
        self.description |= {"size_px": part.scan.patch_px, "scaling": scaling}

    def module(self) -> PtychoModule:
        """Build a new network with its loss and recipe."""
        network = build_network(self.description, build_model(self.description))
        return PtychoModule(
            network=network,
            networks=[network],
            loss=build_loss(self.cfg.loss, self.cfg.amplitude, self.cfg.phase),
            recipe=build(self.cfg.recipe),
            metrics=validation_metrics(self.cfg.metrics.ssim_window),
            description=self.description,
            options=trainer_options(self.cfg)[0],
        )

    def data(self, module: PtychoModule) -> PtychoDataModule:
        """Build the data module for a network."""
        return PtychoDataModule(
            scans=[self.part],
            networks=[module.network],
            with_intensity=False,
            batch_size=module.recipe.batch_size,
            steps_per_epoch=module.recipe.steps_per_epoch,
            seed=0,
            streamed=False,
        )

    def by_trainer(self, folder: Path) -> Epoch:
        """Train as ptycho-train does, with validation, metrics and checkpoints."""

        def epoch() -> float:
            rows: list[dict] = []
            module = self.module()
            _, devices = trainer_options(self.cfg)
            trainer = make_trainer(module.recipe, folder=folder, write_row=rows.append, **devices)
            with contextlib.redirect_stdout(io.StringIO()):
                fit(trainer, module, self.data(module))
            (folder / LAST_CHECKPOINT).unlink()
            return rows[-1]["seconds"]

        return epoch

    def bare(self) -> Epoch:
        """Train with the same steps and validation in a plain loop, without checkpoints."""
        module = self.module()
        data = self.data(module)
        order = {"train": 0, "validation": None}
        loaders = {
            name: data.samples.loader(name, self.device, batch_size=data.batch_size, seed=seed)
            for name, seed in order.items()
        }
        network = module.network.to(self.device)
        optimizer = module.make_optimizer(network.parameters())

        def step(batch: PtychoSample) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled="bf16" in self.cfg.trainer.precision):
                pred = network.predictions(batch.network_input)
            return module.loss(pred, batch.target)["total"]

        def epoch() -> float:
            started = time.perf_counter()
            network.train()
            for batch in loaders["train"]:
                optimizer.zero_grad()
                step(batch).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                total = sum(step(batch) * len(batch.network_input) for batch in loaders["validation"])
            total.item()
            return time.perf_counter() - started

        return epoch

    def published(self, workers: int) -> Epoch:
        """Train with PtychoNN's loop: float32 arrays in a DataLoader, MAE of both outputs, losses read every step."""
        network = build_model(self.description).to(self.device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.CyclicLR(
            optimizer, 1e-4, 1e-3, 100, mode="triangular2", cycle_momentum=False
        )
        scan, split = self.part.scan, self.part.split
        loaders = {}
        for name, points in (("train", split.train), ("validation", split.validation)):
            arrays = (torch.as_tensor(getattr(scan, k)[points], dtype=torch.float32)[:, None] for k in ARRAYS)
            batch = self.cfg.recipe.batch_size
            loaders[name] = DataLoader(TensorDataset(*arrays), batch, shuffle=name == "train", num_workers=workers)

        def losses(batch: list[Tensor]) -> tuple[Tensor, Tensor]:
            patterns, amplitude, phase = (part.to(self.device) for part in batch)
            outputs = network(patterns)
            bounded = outputs[0].sigmoid(), math.pi * outputs[1].tanh()
            return F.l1_loss(bounded[0], amplitude), F.l1_loss(bounded[1], phase)

        def epoch() -> float:
            started, total = time.perf_counter(), 0.0
            network.train()
            for batch in loaders["train"]:
                amplitude, phase = losses(batch)
                loss = amplitude + phase
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() + amplitude.item() + phase.item()
                schedule.step()
            network.eval()
            with torch.no_grad():
                for batch in loaders["validation"]:
                    total += sum(part.item() for part in losses(batch))
            return time.perf_counter() - started

        return epoch


def rounds(epochs: dict[str, Epoch], count: int, patterns: int) -> list[dict]:
    """Time one epoch of each loop per round, after a warm-up; the first loop is the reference of the ratios."""
    for epoch in epochs.values():
        epoch()
    seconds_by_name = {name: [] for name in epochs}
    for _ in range(count):
        for name, epoch in epochs.items():
            seconds_by_name[name].append(epoch())
    first = next(iter(seconds_by_name))
    rows = []
    for name, seconds in seconds_by_name.items():
        ratios = [other / own for other, own in zip(seconds_by_name[first], seconds, strict=True)]
        median_s = statistics.median(seconds)
        row = {"variant": name, "seconds": median_s, "patterns_per_s": patterns / median_s}
        row |= {"times_faster": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
        rows.append(row)
        print("{variant:<40} {seconds:8.3f} s  {patterns_per_s:8.1f} patterns/s  x {times_faster:.3f} "
              "({low:.3f} to {high:.3f})".format(**row), flush=True)  # fmt: skip
    return rows


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="w3")
    parser.add_argument("--recipe", default="ptychonn")
    parser.add_argument("--size-px", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--patterns", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accelerator", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument(
        "--with", action="append", default=[], dest="options", help="also time options of conf/trainer (repeatable)"
    )
    parser.add_argument(
        "--published", action="store_true", help="also time PtychoNN's loop, then the reference of the ratios"
    )
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    device = torch.device("cuda" if options.accelerator == "gpu" else "cpu")
    part = random_scan(options.patterns, options.size_px)
    training = Training(configured(options, ""), part, device)
    with tempfile.TemporaryDirectory() as folder:
        epochs: dict[str, Epoch] = {}
        if options.published:
            epochs |= {f"published, {workers} workers": training.published(workers) for workers in (0, 2)}
        epochs |= {"bare": training.bare(), "ptycho-train": training.by_trainer(Path(folder))}
        for trainer in options.options:
            epochs[trainer] = Training(configured(options, trainer), part, device).by_trainer(Path(folder))
        rows = rounds(epochs, options.rounds, options.patterns)
    if options.csv:
        run = {"model": options.model, "size_px": options.size_px, "batch": options.batch}
        append_rows(options.csv, [run | row | device_description(device.type) for row in rows])


if __name__ == "__main__":
    main()

"""Time whole epochs: this package's trainer, the same steps in a bare loop, and PtychoNN's published loop.

All in one run, in turn, so that a busy machine slows all alike; ratios are taken round by round.

python scripts/benchmark_training.py --model w3 --size-px 32 --batch 32                # what Lightning and logging cost
python scripts/benchmark_training.py --model ptychonn --size-px 64 --batch 64 --published  # against PtychoNN's loop
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

from ptycho_bench.config.build import build, build_loss, build_model, build_network, plain
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.records.environment import machine
from ptycho_bench.records.run_folder import append_rows
from ptycho_bench.runs.prepare import trainer_options
from ptycho_bench.training.fit import LAST, fit, make_trainer
from ptycho_bench.training.loading.datamodule import PtychoDataModule
from ptycho_bench.training.module import PtychoModule

EPOCHS = 2  # of a call of the trainer; the first, which starts it, is not counted
ARRAYS = ("diffraction", "amplitude", "phase")
Epoch = Callable[[], float]  # trains; its seconds


def random_scan(patterns: int, size_px: int) -> SplitScan:
    """A scan of noise with labels of noise: what it holds is nothing to its speed; a twentieth is for validation."""
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
    """Configuration of ptycho-train for the model, with options of conf/trainer, as `fused=true attention=flex`."""
    words = [f"model={options.model}", f"recipe={options.recipe}", f"recipe.batch_size={options.batch}"]
    words += [
        f"recipe.epochs={EPOCHS}",
        f"trainer={options.accelerator}",
        *(f"trainer.{word}" for word in trainer.split()),
    ]
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return hydra.compose("config", overrides=words)


class Training:
    """What is timed, fresh for each of its forms.

    Args:
        cfg: configuration of ptycho-train.
        part: what is trained on.
        device: where.
    """

    def __init__(self, cfg: DictConfig, part: SplitScan, device: torch.device) -> None:
        self.cfg, self.part, self.device = cfg, part, device
        self.description = {name: plain(cfg[name]) for name in ("model", "input", "amplitude", "phase")}
        scaling = dataclasses.asdict(Scaling.of(part.scan, part.split.train))
        self.description |= {"size_px": part.scan.patch_px, "scaling": scaling}

    def module(self) -> PtychoModule:
        """A new network with its loss and recipe."""
        return PtychoModule(
            network=build_network(self.description, build_model(self.description)),
            loss=build_loss(self.cfg.loss, self.cfg.amplitude, self.cfg.phase),
            recipe=build(self.cfg.recipe),
            description=self.description,
            speed=trainer_options(self.cfg)[0],
        )

    def data(self, module: PtychoModule) -> PtychoDataModule:
        """Its batches."""
        return PtychoDataModule(
            scans=[self.part],
            networks=[module.network],
            with_intensity=False,
            batch_size=module.recipe.batch_size,
            seed=0,
            streamed=False,
        )

    def by_trainer(self, folder: Path) -> Epoch:
        """Epochs of ptycho-train: steps, validation, metrics, checkpoints."""

        def epoch() -> float:
            rows: list[dict] = []
            module = self.module()
            _, devices = trainer_options(self.cfg)
            trainer = make_trainer(module.recipe, folder=folder, write_row=rows.append, **devices)
            with contextlib.redirect_stdout(io.StringIO()):
                fit(trainer, module, self.data(module))
            (folder / LAST).unlink()
            return rows[-1]["seconds"]

        return epoch

    def bare(self) -> Epoch:
        """The same steps and validation with nothing around them; no checkpoint."""
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
        """PtychoNN's loop: float32 arrays through a DataLoader, MAE of both outputs, losses read every step."""
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
    """Each form's epoch once a round, after one that is not counted; the first is what others are compared to."""
    for epoch in epochs.values():
        epoch()
    taken = {name: [] for name in epochs}
    for _ in range(count):
        for name, epoch in epochs.items():
            taken[name].append(epoch())
    first = next(iter(taken))
    rows = []
    for name, seconds in taken.items():
        ratios = [other / own for other, own in zip(taken[first], seconds, strict=True)]
        middle = statistics.median(seconds)
        row = {"variant": name, "seconds": middle, "patterns_per_s": patterns / middle}
        row |= {"times_faster": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
        rows.append(row)
        print("{variant:<40} {seconds:8.3f} s  {patterns_per_s:8.1f} patterns/s  x {times_faster:.3f} "
              "({low:.3f} to {high:.3f})".format(**row), flush=True)  # fmt: skip
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="w3")
    parser.add_argument("--recipe", default="ptychonn")
    parser.add_argument("--size-px", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--patterns", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accelerator", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--with", action="append", default=[], dest="options", help="also with options of conf/trainer")
    parser.add_argument(
        "--published", action="store_true", help="also PtychoNN's loop, which the others are compared to"
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
        for words in options.options:
            epochs[words] = Training(configured(options, words), part, device).by_trainer(Path(folder))
        rows = rounds(epochs, options.rounds, options.patterns)
    if options.csv:
        about = {"model": options.model, "size_px": options.size_px, "batch": options.batch}
        append_rows(options.csv, [about | row | machine(device.type) for row in rows])


if __name__ == "__main__":
    main()

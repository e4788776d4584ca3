"""What all cases share: the target, files made by its own commands, and the results of undisturbed runs."""

import hashlib
import json
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.campaign import sandbox
from tests.campaign.case import Case
from tests.campaign.processes import left_after
from tests.campaign.real import Process, output_file
from tests.campaign.results import results_of
from tests.campaign.target import Target

SCAN = ("data.obj.size_px=128", "data.probe.size_px=16", "data.overlap_ratio=0.5", "data.jitter_px=1")
TRAINING = (
    "split=ppn", "split.train_rows=[0,10]", "split.test_rows=[10,15]", "split.test_columns=[0,6]", "model=ptychonn",
    "input=counts", "loss=weighted", "model.width=4", "model.narrowest=4", "recipe.epochs=2", "trainer=cpu",
    "pictures=false",
)  # fmt: skip
RUN = (*SCAN, *TRAINING)
CUT = (*RUN, "recipe.epochs=12", "study=cut")  # a training that is killed after half of its epochs
PLAIN = ("frc=false", "pictures=false", "folder=outputs/result")
BENCHMARK = """
title: small
source: null
seeds: [0]
part: stitched
metrics: {phase_ssim: higher}
base:
  {data: ltem, data.obj.size_px: 128, data.probe.size_px: 16, data.overlap_ratio: 0.5, data.jitter_px: 1, split: ppn,
   split.train_rows: [0, 10], split.test_rows: [10, 15], split.test_columns: [0, 6], input: counts, loss: mse,
   model.width: 4, model.narrowest: 4, recipe.epochs: 2}
rows:
  - {label: a, run: {model: ptychonn}}
"""
SWEEP = ("hydra.searchpath=[file://conf]", "benchmark=small", "trainer=cpu")
SAMPLES = {
    "scan": ("scan.h5",),
    "network": ("best.ckpt",),
    "onnx": ("best.onnx",),
    "run": ("outputs/runs/default", "outputs/data"),
    "benchmark": ("conf",),
    "cut": ("outputs/runs/cut", "outputs/data"),
    "swept": ("outputs/runs/benchmark", "outputs/benchmarks", "outputs/data", "conf"),
    "cxi": ("beamline.cxi",),
}
LIMIT_S, POLL_S = 300.0, 0.01
CUT_ROWS = 6


@dataclass
class Bench:
    """The place of a campaign.

    Args:
        target: the checkout under test.
        root: folder of everything that the campaign writes.
    """

    target: Target
    root: Path

    def samples(self) -> Path:
        """Return the folder with the samples; make them if they are not complete."""
        folder = self.root / "samples"
        if not folder.exists():
            make_samples(self.target, sandbox.created(self.root / "sandbox"))  # at the place where they are used
            (self.root / "sandbox").rename(folder)
        return folder / sandbox.WORK

    def sandbox_for(self, case: Case, name: str = "sandbox") -> Path:
        """Return the working folder of a fresh sandbox, at the same place each time, with the samples of a case."""
        samples, work = self.samples(), sandbox.created(self.root / name)
        for path in (path for need in case.needs for path in SAMPLES[need]):
            copy = shutil.copytree if (samples / path).is_dir() else shutil.copy2
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            copy(samples / path, work / path)
        return work

    def reference(self, case: Case) -> dict:
        """Return the results of the command of a case in a sandbox without a disturbance.

        Raises:
            RuntimeError: If the command fails there.
        """
        asked = json.dumps([case.command, case.words, case.needs])
        file = self.root / "references" / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
        if not file.exists():
            work = self.sandbox_for(case)
            ended = self.target.run(case.command, case.words, work, LIMIT_S)
            if ended.code:
                raise RuntimeError(f"ptycho-{case.command} {' '.join(case.words)} failed undisturbed: {ended.err}")
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(results_of(work)))
        return json.loads(file.read_text())

    def moments(self, case: Case) -> tuple[float, float]:
        """Return when a real process of a case writes its first file, and when it ends, in processor seconds."""
        asked = json.dumps([case.command, case.words, case.needs])
        file = self.root / "moments" / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
        if not file.exists():
            work = self.sandbox_for(case, "measured")
            process = self.target.start(case.command, case.words, work)
            first = whole = wait_for_file(process, work, LIMIT_S)
            while process.popen.poll() is None and process.seconds() < LIMIT_S:
                whole = max(whole, process.cpu_s())
                time.sleep(POLL_S)
            process.outcome(LIMIT_S)
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps([first, whole]))
        return tuple(json.loads(file.read_text()))

    def finish(self, work: Path) -> None:
        """Remove a sandbox, what still runs in it, and the files beside it."""
        root = sandbox.sandbox_of(work)
        left_after(root, 0.0)
        sandbox.removed(root)
        for path in root.parent.glob(f"{root.name}.*"):
            path.unlink()


def wait_for_file(process: Process, work: Path, limit_s: float) -> float:
    """Wait until a process has written its first file, ended, or used so much processor time; return that time."""
    before, used = set(sandbox.files_below(work / "outputs")), 0.0
    while process.popen.poll() is None and used < limit_s and process.seconds() < LIMIT_S:
        used = max(used, process.cpu_s())
        if not before.issuperset(sandbox.files_below(work / "outputs")):
            break
        time.sleep(POLL_S)
    return used


def make_samples(target: Target, work: Path) -> None:
    """Make a scan, a trained network, its export and a finished sweep with the commands of the target.

    Raises:
        RuntimeError: If a command fails.
    """
    from tests.campaign.formats import write_beamline

    (work / "conf/benchmark").mkdir(parents=True)
    (work / "conf/benchmark/small.yaml").write_text(BENCHMARK)
    made(target, work, "simulate", *SCAN, "out=scan.h5")
    made(target, work, "train", *RUN)
    (run,) = (work / "outputs/runs/default").iterdir()
    shutil.copy2(run / "best.ckpt", work / "best.ckpt")
    make_cut(target, work)
    made(target, work, "export", "best.ckpt", "out=best.onnx")
    made(target, work, "sweep", *SWEEP)
    write_beamline(work / "beamline.cxi")


def make_cut(target: Target, work: Path) -> None:
    """Kill a training in the middle and remove its lock."""
    process, rows = target.start("train", CUT, work), 0
    while process.popen.poll() is None and rows <= CUT_ROWS:
        time.sleep(POLL_S)
        rows = max((path.read_text().count("\n") for path in work.glob("outputs/runs/cut/*/metrics.csv")), default=0)
    process.send(signal.SIGKILL)
    process.outcome(LIMIT_S)
    for path in (work / "outputs").rglob(".*"):
        path.unlink()


def made(target: Target, work: Path, command: str, *words: str) -> None:
    """Run a command that must succeed.

    Raises:
        RuntimeError: If it fails.
    """
    ended = target.run(command, words, work, LIMIT_S)
    if ended.code:
        raise RuntimeError(f"no sample: ptycho-{command} {' '.join(words)}: {ended.err or ended.out}")
    for name in ("0.out", "0.err"):
        output_file(work, name).unlink()

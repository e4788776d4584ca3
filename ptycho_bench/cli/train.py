"""ptycho-train: compose, build, run, record. What is heavy is imported by `run`, after a finished run was skipped."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import scans_to_overrides

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ptycho_bench.records.run_folder import RunFolder

CONFIG = "config"

USAGE = """
ptycho-train trains one network on one data set, or on several as one, measures it and draws it.

  ptycho-train model=ppn loss=weighted            one run; a finished one is skipped, a killed one resumed
  ptycho-train data=ad_ltem data_root=FOLDER      another data set
  ptycho-train data=[ltem,scan.h5]                several as one set, reported apart and together
  ptycho-train data=folder data.folder_path=DIR   every scan in a folder, likewise
  ptycho-train recipe.epochs=4 seed=1             any value, by its dotted name
  ptycho-train -m seed=0,1,2 model=ppn,ptychonn   every combination
  ptycho-train --cfg job                          the composed configuration with every name

Choices, as group=default and what else there is:
"""


def task(cfg: "DictConfig") -> float | None:
    """Train and evaluate one run unless it is finished; returns its best validation loss."""
    from hydra.core.hydra_config import HydraConfig

    from ptycho_bench.config.identity import run_hash, run_name
    from ptycho_bench.records.lock import claimed
    from ptycho_bench.records.run_folder import RunFolder
    from ptycho_bench.training.processes import shares_work

    hydra = HydraConfig.get()
    choices = dict(hydra.runtime.choices)
    refuse_nested_processes(cfg, multirun=hydra.mode.name == "MULTIRUN")
    identity = run_hash(cfg)
    name = run_name(cfg, choices, identity)
    folder = RunFolder(Path(cfg.outputs_dir) / "runs" / cfg.study / name)
    if shares_work():  # the first process decides
        return train_recorded(cfg, choices, folder, name, identity)
    if not cfg.overwrite and (done := folder.results()) is not None:
        return skipped(folder, done)
    with claimed(folder.path) as owner:
        if owner is not None:
            print(f"skip: {folder.path} is being trained by {owner}")
            return None
        if not cfg.overwrite and (done := folder.results()) is not None:  # by whoever held it a moment ago
            return skipped(folder, done)
        return train_recorded(cfg, choices, folder, name, identity)


def skipped(folder: "RunFolder", done: dict) -> float:
    """Say that a run is finished; its best validation loss."""
    print(f"skip: {folder.path} is finished; overwrite=true trains it again")
    return done["training"]["best_val_total"]


def train_recorded(
    cfg: "DictConfig", choices: dict[str, str], folder: "RunFolder", name: str, identity: str
) -> float | None:
    """`run.train`; a failure is left in the folder too."""
    from ptycho_bench.runs.train import train

    try:
        return train(cfg, choices, folder, name, identity)
    except Exception as error:
        folder.fail(error)
        raise


def refuse_nested_processes(cfg: "DictConfig", *, multirun: bool) -> None:
    """Several processes inside one job of a sweep would each walk the whole sweep and mix its runs."""
    devices = cfg.trainer.devices
    if multirun and str(devices) not in ("1", "[0]"):
        raise ValueError(
            f"trainer.devices={devices} cannot run under --multirun, where the bound is 1 per job: its processes would "
            "repeat the sweep; start the runs one by one"
        )


def main() -> None:
    """Entry point."""
    rewrite_words(scans_to_overrides, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()

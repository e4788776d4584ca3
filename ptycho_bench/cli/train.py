"""ptycho-train: train one network. Heavy modules are imported only if the run is not finished."""

from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import scans_to_overrides

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ptycho_bench.config.run import Run
    from ptycho_bench.records.run_folder import RunFolder

CONFIG = "config"

USAGE = """
ptycho-train trains one network on one data set, or on several as one, then measures and draws the result.

  ptycho-train model=ppn loss=weighted            one run; a finished one is skipped, a killed one is resumed
  ptycho-train preset=cpr                         a network as its authors train it
  ptycho-train data=ad_ltem data_root=FOLDER      another data set
  ptycho-train data=[ltem,scan.h5]                several scans as one set, reported separately and together
  ptycho-train data=folder data.folder_path=DIR   every scan in a folder, in the same way
  ptycho-train recipe.epochs=4 seed=1             any value, by its dotted name
  ptycho-train -m seed=0,1,2 model=ppn,ptychonn   every combination
  ptycho-train --cfg job                          the composed configuration with every value
  ptycho-train --trust PACKAGE ...                also use networks of your own package

Choices, each as group=default with its options:
"""


def task(cfg: "DictConfig") -> float | None:
    """Train and score one run unless it is finished; return its best validation loss."""
    from hydra.core.hydra_config import HydraConfig

    from ptycho_bench.config.run import run_of
    from ptycho_bench.records.lock import claimed
    from ptycho_bench.records.run_folder import RunFolder
    from ptycho_bench.training.processes import shares_work

    hydra = HydraConfig.get()
    choices = dict(hydra.runtime.choices)
    refuse_nested_processes(cfg, multirun=hydra.mode.name == "MULTIRUN")
    run = run_of(cfg, choices)
    folder = RunFolder(run.folder)
    if shares_work():  # the first process decides
        return train_recorded(cfg, choices, run, folder)
    if not cfg.overwrite and (done := folder.results()) is not None:
        return skipped(folder, done)
    with claimed(folder.path) as owner:
        if owner is not None:
            print(f"skip: {folder.path} is being trained by {owner}; this command has done nothing")
            return None
        if not cfg.overwrite and (done := folder.results()) is not None:  # another process may just have finished it
            return skipped(folder, done)
        return train_recorded(cfg, choices, run, folder)


def skipped(folder: "RunFolder", done: dict) -> float:
    """Print that a run is finished; return its best validation loss."""
    print(f"skip: {folder.path} is finished; overwrite=true trains it again")
    return done["training"]["best_val_total"]


def train_recorded(cfg: "DictConfig", choices: dict[str, str], run: "Run", folder: "RunFolder") -> float | None:
    """Train the run; record a failure in its folder."""
    from ptycho_bench.config.training import training_spec
    from ptycho_bench.runs.train import train

    try:
        return train(training_spec(cfg, choices, run), folder)
    except BaseException as error:
        folder.fail(error)
        raise


def refuse_nested_processes(cfg: "DictConfig", *, multirun: bool) -> None:
    """Check that no job of a multirun uses several processes, each of which would repeat the whole multirun.

    Raises:
        ValueError: If it does.
    """
    devices = cfg.trainer.devices
    if multirun and str(devices) not in ("1", "[0]"):
        raise ValueError(
            f"trainer.devices={devices} cannot run under --multirun, where each job has 1 process: several would each "
            "repeat the sweep; start the runs one by one"
        )


def main() -> None:
    """Run the command."""
    rewrite_words(scans_to_overrides, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()

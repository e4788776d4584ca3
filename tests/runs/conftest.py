"""Runs on the small scan of the commands' tests, composed and built without a command."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import hydra
import pytest
from omegaconf import DictConfig, open_dict

from ptycho_bench.config.run import Run, run_of
from ptycho_bench.config.training import TrainingSpec, training_spec
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import write_scan


def hydra_of_conf() -> AbstractContextManager:
    """Return a context in which `hydra.compose` finds conf/."""
    return hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3")


def compose(*words: str) -> tuple[DictConfig, dict[str, str]]:
    """Return the configuration of ptycho-train and its choices, in the context of `hydra_of_conf`."""
    cfg = hydra.compose("config", list(words), return_hydra_config=True)
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices


def composed_run(*words: str) -> Run:
    """Return the run that the words of a command line describe."""
    with hydra_of_conf():
        return run_of(*compose(*words))


def composed_spec(*words: str) -> TrainingSpec:
    """Return everything that the words of a command line tell a training run."""
    with hydra_of_conf():
        cfg, choices = compose(*words)
        return training_spec(cfg, choices, run_of(cfg, choices))


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory, tiny_scan: PtychoScan) -> Path:
    """File of the tiny scan, 121 patterns of 16 px; read it only."""
    path = tmp_path_factory.mktemp("scans") / "a.h5"
    write_scan(path, tiny_scan)
    return path


@pytest.fixture
def tiny_words(tiny_file: Path) -> Callable[..., tuple[str, ...]]:
    """tiny_words(*words) -> words of a small training run on the file of the tiny scan."""
    network = ("model=ptychonn", "model.width=4", "model.narrowest=4")
    run = ("split.train_rows=[0,7]", *network, "trainer=cpu", "pictures=false")
    return lambda *words: ("data=file", f"data.file_path={tiny_file}", *run, *words)

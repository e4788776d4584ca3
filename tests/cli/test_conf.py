"""Every file of conf/ composes and builds, and tells what it is."""

from importlib.resources import files
from pathlib import Path

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from ptycho_bench.cli.help import default_choices, first_comment
from ptycho_bench.cli.identity import run_hash

CONF = Path(str(files("ptycho_bench.conf")))
ROOTS = {"format": "import", "frame": "import", "solver": "reconstruct"}  # of groups ptycho-train does not have
NOT_A_CLASS = ("experiment", "trainer", "logger", "frame")
CHOICES = sorted((path.parent.name, path.stem) for path in CONF.glob("*/*.yaml"))


def compose(root: str, *overrides: str):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return hydra.compose(root, overrides=list(overrides))


def override(group: str, option: str) -> str:
    """Word that chooses a file of a group; frame is laid into the root itself."""
    return f"{group}{'@_global_' if group == 'frame' else ''}={option}"


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_every_choice_composes_and_says_what_it_is(group, option):
    cfg = compose(ROOTS.get(group, "config"), *(["files=[x]"] if group in ROOTS else []), override(group, option))
    if option not in ("file", "folder", "several", "own_object"):  # these ask for a path
        OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert first_comment((CONF / group / f"{option}.yaml").read_text())


@pytest.mark.parametrize("root", ["config", "simulate", "evaluate", "import", "reconstruct"])
def test_every_root_composes_and_its_groups_are_folders(root):
    assert compose(root)
    for group, _ in default_choices((CONF / f"{root}.yaml").read_text()):
        assert (CONF / group).is_dir()


@pytest.mark.parametrize(("group", "option"), [c for c in CHOICES if c[0] not in NOT_A_CLASS])
def test_every_choice_lists_each_argument_of_its_class_and_nothing_else(group, option):
    import inspect

    node = OmegaConf.to_container(compose(ROOTS.get(group, "config"), f"{group}={option}")[group])
    if "_target_" not in node:  # data that exist, or no logger
        assert option in ("file", "folder", "several", "none", "auto")
        return
    given = {"size_px", "in_channels", "phase_channels", "scaling", "scan", "noise", "recipe_hash"}
    given |= {"channels"}
    takes = inspect.signature(hydra.utils.get_object(node["_target_"])).parameters
    listed = set(node) - {"_target_"}
    assert set(takes) - given <= listed <= set(takes)


def test_the_hash_of_a_run_ignores_where_it_goes():
    assert not HydraConfig.initialized()
    first = run_hash(compose("config"))
    assert run_hash(compose("config", "outputs_dir=/elsewhere", "study=x", "trainer=ddp", "logger=wandb")) == first
    assert run_hash(compose("config", "trainer.precision=bf16-mixed")) != first
    assert run_hash(compose("config", "noise=ppn")) != first
    assert run_hash(compose("config", "seed=1")) != first

"""Every shipped configuration passes the check of its values, and the tables of types cover every root."""

from importlib.resources import files

import hydra
import pytest
import yaml
from omegaconf import OmegaConf

from ptycho_bench.config.options import check_options
from ptycho_bench.config.roots import COMMON, PLAIN_GROUPS, ROOTS
from ptycho_bench.models.ppn.poca import FORMS
from ptycho_bench.training.compute_options import MODES
from tests.conftest import options

CONF = files("ptycho_bench.conf")
SPECIAL = {"data": ("file", "folder", "several", "own_object", "ad_ltem", "aps26id", "siemens")}  # need files


def checked(root: str, *words: str) -> None:
    """Compose a configuration and check it; values without a default may stay without one."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose(root, list(words), return_hydra_config=True)
    own = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])
    check_options(own, root, cfg.hydra.runtime.choices, later={"checkpoint", "files", "tables", "format"})


@pytest.mark.parametrize("root", ROOTS)
def test_the_table_of_a_root_names_its_values(root):
    text = yaml.safe_load((CONF / f"{root}.yaml").read_text())
    assert set(ROOTS[root]) == set(text) - {"defaults", "hydra"}


def test_the_table_of_what_all_roots_share_names_its_values():
    assert set(COMMON) == set(yaml.safe_load((CONF / "command.yaml").read_text())) - {"hydra"}


def test_the_table_of_the_trainer_names_its_values():
    trainer = PLAIN_GROUPS["trainer"]
    assert set(trainer) == set(yaml.safe_load((CONF / "trainer" / "auto.yaml").read_text()))
    assert set(FORMS) == set(trainer["attention"].__args__)
    assert set(MODES) == set(trainer["compile"].__args__[0].__args__)


@pytest.mark.parametrize("group", ["split", "input", "amplitude", "phase", "recipe", "model", "metrics", "stitch"])
def test_every_option_passes(group):
    for name in options(group):
        checked("config", f"{group}={name}")


@pytest.mark.parametrize("root", ["simulate", "evaluate"])
def test_every_simulated_data_set_passes(root):
    for name in options("data"):
        if name not in SPECIAL["data"]:
            checked(root, f"data={name}")


def test_every_preset_loss_noise_format_and_solver_passes():
    for name in options("preset"):
        checked("config", f"preset={name}")
    for name in options("loss"):
        checked("config", f"loss={name}", "phase=circular")
    for name in options("noise"):
        checked("simulate", f"noise={name}")
    for name in options("format"):
        checked("import", f"format={name}")
    for name in options("trainer"):
        if name != "gpu":
            checked("config", f"trainer={name}")

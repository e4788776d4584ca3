"""Impossible values are refused before data is read or simulated, in one line that names the value and the bound."""

import copy
import re

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from ptycho_bench.config.run import run_of
from ptycho_bench.config.training import TrainingSpec, training_spec
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import prepare
from tests.cli.conftest import SMALL_RUN
from tests.runs.conftest import compose, composed_spec, hydra_of_conf


@pytest.fixture(scope="module")
def small():
    """Configuration and choices of the small run; copy them before you change them."""
    with hydra_of_conf():
        return compose(*SMALL_RUN)


def changed(small: tuple, word: str) -> TrainingSpec:
    """Return the spec of the small run with one value changed."""
    cfg, choices = copy.deepcopy(small)
    (override,) = OverridesParser.create().parse_overrides([word])
    OmegaConf.update(cfg, override.key_or_group, override.value())
    return training_spec(cfg, choices, run_of(cfg, choices))


@pytest.mark.parametrize(
    ("word", "message"),
    {
        "model.width=[4]": "width must be a whole number, got [4]",
        "model.width=wide": "width must be a whole number, got 'wide'",
        "data.probe.size_px=20": "PtychoNN needs patterns whose side is divisible by 8, got 20 px",
        "recipe.epochs=0": "epochs must lie in [1, 1000000], got 0",
        "recipe.epochs=2.5": "epochs must be a whole number, got 2.5",
        "loss.alpha=1.5": "alpha must lie in [0, 1], got 1.5",
        "input.neighbours=-1": "neighbours must lie in [0, 5], got -1; 1 is a 3 x 3 neighbourhood",
        "metrics.ssim_window=round": "ssim_window must be gaussian or uniform, got 'round'",
        "metrics.spectrum=square": "spectrum must be diagonal or radial, got 'square'",
        "stitch.weight=central": "stitch.central_px must be set",
        "stitch.step_px=0": "step_px must lie in [1, 16384], got 0",
        "trainer.compile=fast": "trainer.compile must be",
        "scaling=each": "scaling must be joint or own, got 'each'",
        "ranges=test": "ranges must be training or all, got 'test'; all includes the test part",
        "recipe.steps_per_epoch=0": "steps_per_epoch must lie in [1, 1000000], got 0",
        "recipe.steps_per_epoch=1.5": "steps_per_epoch must be a whole number or null, got 1.5",
        "recipe.reestimate_batch_norm=1": "reestimate_batch_norm must be true or false, got 1",
        "seed=1.5": "seed must be a whole number, got 1.5",
        "pictures=1": "pictures must be true or false, got 1",
        "overwrite='yes'": "overwrite must be true or false, got 'yes'",
        "data.name=../up": "data.name must consist of letters, digits",
        "cache_mb=-1": "cache_mb must be a number of MB, 0 or more, or null to keep every set, got -1",
        "cache_mb=all": "cache_mb must be a number of MB, 0 or more, or null to keep every set, got 'all'",
        "cache_mb=true": "cache_mb must be a number of MB, 0 or more, or null to keep every set, got True",
    }.items(),
)
def test_an_impossible_value_is_refused(small, word, message):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        changed(small, word)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("word", "message"),
    {
        "recipe.optimizer.lr=-1": "recipe.optimizer or recipe.scheduler: Invalid learning rate: -1",
        "recipe.scheduler.factor=2": "recipe.optimizer or recipe.scheduler: Factor should be < 1.0",
        "split.train_rows=5": "train_rows must be a list such as [first,second], got 5",
        "split.train_rows=[0,x]": "train_rows must be a whole number, got 'x'",
        "data.obj.size_px=big": "size_px must be a whole number, got 'big'",
        "data.step_px=4": "give one of overlap_ratio and step_px, got 0.5 and 4",
        "data.overlap_ratio=-0.1": "overlap_ratio must lie in [0, 1), got -0.1",
    }.items(),
)
def test_a_value_of_the_recipe_the_split_or_the_data_is_refused_when_it_is_used(small, tmp_path, word, message):
    cfg, choices = copy.deepcopy(small)
    cfg.outputs_dir = str(tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        prepare(changed((cfg, choices), word), RunFolder(tmp_path / "run"))
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_spec_summarises_its_choices_in_one_line():
    line = composed_spec("preset=cpr", "noise=ppn", "loss=mse").summary()
    network = "model=circular input=dual_gain amplitude=scaled phase=circular"
    assert line == f"data=ltem split=cpr noise=ppn {network} loss=mse recipe=cpr"


def test_a_spec_stores_neither_paths_nor_the_choices_of_hydra_itself(tmp_path):
    for folder in ("ad_ltem", "ptynet"):
        (tmp_path / folder).mkdir()
    for name in ("design_amp.tiff", "design_tphi.tiff"):
        (tmp_path / "ad_ltem" / name).write_text("only its hash is needed")
    np.save(tmp_path / "ptynet" / "pxy_probe1000.npy", np.ones((128, 128), np.complex64))
    stored = composed_spec("data=ad_ltem", f"data_root={tmp_path}").stored()
    assert str(tmp_path) not in str(stored)
    assert stored["data"]["kind"] == "simulate_scan"
    assert stored["data"]["probe"] == {"kind": "probe_from_file", "probe_key": None, "block": 4}
    assert stored["choices"]["data"] == "ad_ltem"
    assert not [group for group in stored["choices"] if "/" in group]


def test_a_run_on_files_stores_neither_data_nor_noise(tiny_words):
    stored = composed_spec(*tiny_words("noise=ppn")).stored()
    assert stored["data"] is None and stored["noise"] is None

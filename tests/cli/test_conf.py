"""Every file of conf/ composes and builds, and tells what it is."""

from importlib.resources import files
from pathlib import Path

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.plan import as_words
from ptycho_bench.cli.help import default_choices, first_comment
from ptycho_bench.config.identity import run_hash

CONF = Path(str(files("ptycho_bench.conf")))
ROOTS = {"format": "import", "frame": "import", "solver": "reconstruct", "benchmark": "sweep"}  # not ptycho-train's
NEEDS = {"import": ["files=[x]"], "reconstruct": ["files=[x]"], "sweep": []}
NOT_A_CLASS = ("experiment", "trainer", "logger", "frame", "benchmark", "sweep")
CHOICES = sorted((path.parent.name, path.stem) for path in CONF.glob("*/*.yaml"))


def compose(root: str, *overrides: str):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return hydra.compose(root, overrides=list(overrides))


def override(group: str, option: str) -> str:
    """Word that chooses a file of a group; frame is laid into the root itself."""
    return f"{'+' if group == 'sweep' else ''}{group}{'@_global_' if group == 'frame' else ''}={option}"


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_every_choice_composes_and_says_what_it_is(group, option):
    cfg = compose(ROOTS.get(group, "config"), *NEEDS.get(ROOTS.get(group), []), override(group, option))
    if option not in ("file", "folder", "several", "own_object"):  # these ask for a path
        OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert first_comment((CONF / group / f"{option}.yaml").read_text())


@pytest.mark.parametrize("root", ["config", "simulate", "evaluate", "import", "reconstruct", "export", "report"])
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
    given = {"size_px", "in_channels", "phase_channels", "scaling", "scan", "noise", "simulation_hash"}
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


@pytest.mark.parametrize("option", [option for group, option in CHOICES if group == "sweep"])
def test_every_combination_of_a_sweep_composes(option):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        whole = hydra.compose("config", [f"+sweep={option}"], return_hydra_config=True)
        for key, values in whole.hydra.sweeper.params.items():
            (parsed,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
            every = list(parsed.sweep_string_iterator())
            assert len(every) > 1
            for value in every:
                hydra.compose("config", [f"+sweep={option}", f"{key}={value}"])


@pytest.mark.parametrize("option", [option for group, option in CHOICES if group == "benchmark"])
def test_every_row_of_a_benchmark_composes(option):
    node = OmegaConf.to_container(compose("sweep", f"benchmark={option}").benchmark, resolve=True)
    benchmark = Benchmark.of(option, node)
    for row in benchmark.rows:
        value = None if benchmark.vary is None else benchmark.vary.values[-1]
        if row.run is not None:
            compose("config", *as_words(benchmark.training(row, value)))
        if row.test:
            compose("evaluate", *as_words({k: v for k, v in row.test.items()}))
        if row.solve:
            compose("reconstruct", "files=[x]", *as_words(row.solve))

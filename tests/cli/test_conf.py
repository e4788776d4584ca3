"""Every file of conf/ composes and builds, and says what it is."""

import functools
import inspect
from importlib.resources import files
from pathlib import Path

import hydra
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.words import as_words
from ptycho_bench.cli.help import default_choices, first_comment
from ptycho_bench.config.options import check_groups, check_root
from tests.cli.conftest import error_line
from tests.conftest import options
from tests.runs.conftest import composed_spec

CONF = Path(str(files("ptycho_bench.conf")))
GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and not path.name.startswith("_"))
WHOLE = ("preset", "experiment", "sweep", "benchmark")  # their files fit into a root only
NOT_A_CLASS = (*WHOLE, "trainer", "logger", "import_options")
PRESET_SETS = {"model", "input", "amplitude", "phase", "loss", "recipe", "split"}
ADDED_BY_THE_PROGRAM = {
    "size_px", "in_channels", "phase_channels", "scaling", "scan", "noise", "simulation_hash", "channels"
}  # fmt: skip


def compose(root: str, *overrides: str) -> DictConfig:
    """Return a composed configuration."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return hydra.compose(root, overrides=list(overrides))


@functools.cache
def files_of(group: str) -> dict[str, DictConfig]:
    """Return the content of each file of a group, composed with the values that all commands share."""
    if group == "data":  # its files refer to values by their place and may choose a noise
        return {name: compose("simulate", f"data={name}").data for name in options("data")}
    cfg = compose("command", *(f"+{group}@{group}_files.{name}={name}" for name in options(group)))
    return dict(cfg[f"{group}_files"].items())


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in WHOLE])
def test_every_file_of_a_group_composes(group):
    found = files_of(group)
    assert list(found) == options(group)
    for name, node in found.items():
        if name not in ("file", "folder", "several", "own_object") and (group, name) != ("format", "keys"):
            OmegaConf.to_container(node, resolve=True, throw_on_missing=True)  # the others ask for a path or a key


@pytest.mark.parametrize("group", GROUPS)
def test_every_file_says_what_it_is(group):
    for name in options(group):
        assert first_comment((CONF / group / f"{name}.yaml").read_text()), name


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in NOT_A_CLASS])
def test_every_file_lists_each_argument_of_its_class_and_nothing_else(group):
    for name, node in files_of(group).items():
        if "_target_" not in node:  # existing data, or none of the classes
            assert name in ("file", "folder", "several", "none", "auto")
            continue
        takes = set(inspect.signature(hydra.utils.get_object(node["_target_"])).parameters)
        listed = set(node) - {"_target_"}
        assert takes - ADDED_BY_THE_PROGRAM <= listed <= takes, name


@pytest.mark.parametrize("root", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_root_composes_and_its_groups_are_folders(root):
    needed = {"sweep": ["benchmark=ppn_table2"]}
    assert compose(root, *needed.get(root, []))
    for group, _ in default_choices((CONF / f"{root}.yaml").read_text()):
        assert (CONF / group).is_dir()


def test_no_file_chooses_the_mode_of_hydra():
    """Tests of commands rely on this, see `conftest.run_command`."""
    assert not [
        path for path in CONF.rglob("*.yaml") if "mode" in (yaml.safe_load(path.read_text()) or {}).get("hydra", {})
    ]


def test_every_group_belongs_to_a_root():
    texts = [(CONF / f"{root}.yaml").read_text() for root in ("config", "import", "reconstruct", "sweep")]
    for group in set(GROUPS) - {"sweep"}:  # its files are added, as +sweep=NAME
        assert any(f"  - {group}: " in text or f"  - {group}@_here_: " in text for text in texts), group


@pytest.mark.parametrize("group", ["model", "recipe", "loss", "input", "amplitude", "phase"])
def test_a_choice_sets_nothing_outside_its_own_group(group):
    for name in options(group):
        text = (CONF / group / f"{name}.yaml").read_text()
        assert "@package" not in text, name
        defaults = (yaml.safe_load(text) or {}).get("defaults", [])
        assert all(isinstance(entry, str) and "/" not in entry for entry in defaults), name  # of the same group


@pytest.mark.parametrize("name", options("preset"))
def test_every_preset_sets_a_whole_network_which_builds_on_simulated_data(name):
    defaults = yaml.safe_load((CONF / "preset" / f"{name}.yaml").read_text())["defaults"]
    chosen = {group.removeprefix("override /"): option for entry in defaults for group, option in entry.items()}
    assert set(chosen) == PRESET_SETS
    spec = composed_spec(f"preset={name}", "data=ltem")  # sends a pattern through the network, on the meta device
    assert {group: spec.choices[group] for group in PRESET_SETS} == chosen
    assert spec.network["size_px"] == 32


@pytest.mark.parametrize("first", [True, False])
def test_a_word_on_the_command_line_takes_precedence_over_a_preset(first):
    words = ["loss=mse", "recipe.epochs=3", "model.widths=[8,16,32]"]
    spec = composed_spec(*(["preset=cpr", *words] if first else [*words, "preset=cpr"]))
    assert spec.choices["loss"] == "mse" and spec.run.groups["loss"]["kind"] == "MSELoss"
    assert spec.run.groups["model"]["widths"] == [8, 16, 32]
    assert spec.recipe.epochs == 3
    assert (spec.choices["input"], spec.choices["recipe"]) == ("dual_gain", "cpr")


def test_without_a_preset_every_network_has_the_same_protocol():
    compared = ("input", "amplitude", "phase", "loss", "recipe", "split", "metrics")
    cfgs = [compose("config", f"model={name}") for name in ("ppn", "ptychonn", "circular")]
    for group in compared:
        assert cfgs[0][group] == cfgs[1][group] == cfgs[2][group]
    assert cfgs[0].loss["_target_"].endswith(".MSELoss")
    assert cfgs[0].input["_target_"].endswith(".Log1pInput")
    assert cfgs[0].split["_target_"].endswith(".disjoint_split")


@pytest.mark.parametrize("name", options("experiment"))
def test_every_experiment_composes(name):
    OmegaConf.to_container(compose("config", f"experiment={name}"), resolve=True, throw_on_missing=True)


@pytest.mark.parametrize("name", options("sweep"))
def test_every_sweep_has_several_values_which_compose(name):
    params = yaml.safe_load((CONF / "sweep" / f"{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
    for key, values in params.items():
        (parsed,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
        every = list(parsed.sweep_string_iterator())
        assert len(every) > 1
        if (CONF / key).is_dir():
            assert set(every) <= set(options(key))
        compose("config", f"+sweep={name}", f"{key}={every[-1]}")


@functools.cache
def benchmark(name: str) -> Benchmark:
    """Return a benchmark of conf/."""
    return Benchmark.of(name, OmegaConf.to_container(compose("sweep", f"benchmark={name}").benchmark, resolve=True))


def commands_of(name: str) -> list[tuple[str, dict]]:
    """Return the root and the overrides of the command that each row of a benchmark needs."""
    commands = []
    for row in benchmark(name).rows:
        if row.run is not None:
            value = None if benchmark(name).vary is None else benchmark(name).vary.values[-1]
            commands.append(("config", benchmark(name).training(row, value)))
        if row.test:
            commands.append(("evaluate", dict(row.test)))
        if row.solve:
            commands.append(("reconstruct", dict(row.solve)))
    return commands


def compose_command(root: str, overrides: dict) -> None:
    """Compose the configuration of a benchmark's command and check its values."""
    cfg = compose(root, *(["files=[x]"] if root == "reconstruct" else []), *as_words(overrides))
    values = OmegaConf.to_container(cfg, resolve=True)
    check_root(values, root)
    check_groups(values)


def test_each_choice_and_each_key_of_a_benchmark_exists():
    """Check a key once for each option of its group; a slow test composes every row."""
    known = set()
    for name in options("benchmark"):
        for root, overrides in commands_of(name):
            groups = {key: option for key, option in overrides.items() if (CONF / key).is_dir()}
            assert all(option in options(group) for group, option in groups.items()), (name, groups)
            keys = {(root, key, groups.get(key.partition(".")[0])) for key in overrides if key not in groups}
            if keys - known:
                compose_command(root, overrides)
                known |= keys


@pytest.mark.slow
@pytest.mark.parametrize("name", options("benchmark"))
def test_every_row_of_a_benchmark_composes(name):
    for root, overrides in commands_of(name):
        compose_command(root, overrides)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "benchmark" / "base").glob("*.yaml")))
def test_a_base_of_benchmarks_is_used_and_is_no_benchmark(name):
    assert name not in options("benchmark")
    texts = [path.read_text() for path in (CONF / "benchmark").rglob("*.yaml")]
    assert any(f"{name}@_here_" in text for text in texts)


def test_a_base_of_benchmarks_cannot_be_swept(command):
    for name, message in {"base": "no benchmark named 'base'", "base/ppn": "title"}.items():
        assert message in error_line(command("sweep", f"benchmark={name}"))

"""From the cells of a benchmark to jobs: each run once, tests after their training, solvers on the network's field."""

from pathlib import Path

import hydra
import pytest
from omegaconf import OmegaConf

from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.plan import make_plan
from ptycho_bench.benchmark.plan_file import PLAN, read_plan
from ptycho_bench.benchmark.planner import SweepOptions
from ptycho_bench.benchmark.sweep import job_lines, missing_commands, save_plan, selected_jobs
from tests.conftest import options

NODE = {
    "title": "Three rows",
    "source": None,
    "base": {"data": "ltem", "split": "disjoint", "recipe": "ppn"},
    "seeds": [0, 1],
    "part": "stitched",
    "metrics": {"phase_psnr_db": "higher"},
    "rows": [{"label": "W3", "run": {"model": "w3"}}, {"label": "PtyNet", "run": {"model": "ptynet"}}],
}


NETWORK = NODE["rows"][:1]
EPIE = {"label": "ePIE", "solve": {"solver": "epie", "solver.iterations": 3}}
MEAN = {"label": "mean", "reference": {"predictor": "training_mean"}}


def options_of(folder: Path, epochs: int | None = None) -> SweepOptions:
    return SweepOptions(outputs_dir=folder, data_root="nowhere", epochs=epochs, trainer="cpu", pictures=False)


def plan_of(folder: Path, epochs: int | None = None, **changes):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return make_plan(Benchmark.of("table", {**NODE, **changes}), options_of(folder, epochs))


def words_of(job, program: str) -> set[str]:
    """Return the words of the only command of a program in a job."""
    ((_, *words),) = (command for command in job.commands if command[0] == program)
    return set(words)


def test_each_cell_has_its_run_and_the_seed_distinguishes_runs(tmp_path):
    plan = plan_of(tmp_path)
    assert len(plan.jobs) == len(plan.cells) == 4
    for (cell, name), job in zip(plan.cells, plan.jobs.values(), strict=True):
        assert job.name == name
        assert f"-s{cell.seed}-" in name and name.startswith("runs/benchmark/")
        assert job.folder == tmp_path / name
        ((command, *words),) = job.commands
        assert command == "ptycho-train" and {f"seed={cell.seed}", "trainer=cpu", "pictures=false"} <= set(words)


def test_a_run_that_two_cells_need_is_planned_once(tmp_path):
    rows = [{"label": "one", "run": {"model": "w3"}}, {"label": "two", "run": {"model": "w3"}}]
    plan = plan_of(tmp_path, rows=rows)
    assert (len(plan.cells), len(plan.jobs)) == (4, 2)


def test_a_shortened_variant_has_its_own_study_and_epochs(tmp_path):
    plan = plan_of(tmp_path, epochs=2)
    assert all(name.startswith("runs/benchmark-2-epochs/") for name in plan.jobs)
    assert {job.epochs for job in plan.jobs.values()} == {2}
    with pytest.raises(ValueError, match="cannot shorten table"):
        vary = {"label": "epochs", "key": "recipe.epochs", "values": [1, 2], "of": "training"}
        plan_of(tmp_path, epochs=2, vary=vary)


def test_a_test_on_other_data_comes_after_its_training(tmp_path):
    vary = {"label": "overlap", "key": "data.overlap_ratio", "values": [0.5, 0.75], "of": "testing"}
    plan = plan_of(tmp_path, vary=vary, seeds=[0])
    tests = [job for job in plan.jobs.values() if job.after is not None]
    assert len(tests) == 4 and len(plan.jobs) == 6
    for job in tests:
        assert job.name.startswith(f"{job.after}/tests/overlap_ratio-")
        assert list(plan.jobs).index(job.after) < list(plan.jobs).index(job.name)


def test_a_solver_solves_the_field_of_the_first_network(tmp_path):
    plan = plan_of(tmp_path, rows=[*NODE["rows"], EPIE])
    *_, solver = plan.jobs.values()
    assert solver.name.startswith("solved/benchmark/ltem-")
    assert solver.after == next(iter(plan.jobs))
    assert [command[0] for command in solver.commands] == ["ptycho-simulate", "ptycho-reconstruct"]
    assert {"region=test", "solver=epie", "solver.iterations=3", "metrics=ppn"} <= words_of(
        solver, "ptycho-reconstruct"
    )


def test_a_solver_solves_the_scan_that_the_network_of_the_same_value_and_group_is_trained_on(tmp_path):
    vary = {"label": "photons", "key": "data.photons", "values": [100.0, 1000.0], "of": "training"}
    groups = {"Noise-free": {"noise": "none"}, "Noisy": {"noise": "ppn"}}
    base = {**NODE["base"], "data.jitter_px": 1, "metrics": "cpr", "stitch": "central"}
    plan = plan_of(tmp_path, rows=[*NETWORK, EPIE], vary=vary, seeds=[0], groups=groups, base=base)
    jobs = {(cell.row.group, cell.row.label, cell.value): plan.jobs[name] for cell, name in plan.cells}
    assert len({job.name for job in jobs.values()}) == 8
    for (group, label, value), job in jobs.items():
        if label == "ePIE":
            assert job.after == jobs[group, "W3", value].name
            scan = {f"data.photons={value}", "data.jitter_px=1", "data=ltem", f"noise={groups[group]['noise']}"}
            assert scan <= words_of(job, "ptycho-simulate")
            assert {"metrics=cpr", "stitch=central"} <= words_of(job, "ptycho-reconstruct")


def test_a_solver_may_solve_another_scan_with_its_own_values(tmp_path):
    test = {"data": "curved", "region": "all"}
    base = {**NODE["base"], "data.photons": 50.0, "noise": "ppn"}
    *_, solver = plan_of(tmp_path, rows=[*NETWORK, {**EPIE, "test": test}], base=base).jobs.values()
    simulated = words_of(solver, "ptycho-simulate")
    assert {"data=curved", "noise=ppn"} <= simulated and "data.photons=50.0" not in simulated
    assert "region=all" in words_of(solver, "ptycho-reconstruct")


def test_references_are_scored_with_the_checkpoint_of_the_first_network_and_do_not_collide(tmp_path):
    nearest = {"label": "nearest", "reference": {"predictor": "nearest_pattern"}}
    other = {**MEAN, "label": "mean elsewhere", "test": {"data": "curved", "region": "all"}}
    plan = plan_of(tmp_path, rows=[*NODE["rows"], MEAN, nearest, other])
    references = [plan.jobs[name] for cell, name in plan.cells if cell.row.reference is not None]
    assert len({job.folder for job in references}) == 3
    training = next(iter(plan.jobs))
    assert "-s0-" in training and {job.after for job in references} == {training}
    for job, predictor in zip(references, ("training_mean", "nearest_pattern", "training_mean"), strict=True):
        assert job.name.startswith(f"{training}/tests/predictor-{predictor}")
        assert {str(tmp_path / training / "best.ckpt"), f"predictor={predictor}"} <= words_of(job, "ptycho-evaluate")


def test_keys_that_take_the_seed_reach_training_solver_and_reference_of_every_seed(tmp_path):
    plan = plan_of(tmp_path, rows=[*NETWORK, EPIE, MEAN], seeded=["data.seed"], seeds=[3, 4])
    jobs = {(cell.row.label, cell.seed): plan.jobs[name] for cell, name in plan.cells}
    assert len({job.folder for job in jobs.values()}) == 6
    for seed in (3, 4):
        training = jobs["W3", seed]
        assert {f"seed={seed}", f"data.seed={seed}"} <= words_of(training, "ptycho-train")
        assert f"data.seed={seed}" in words_of(jobs["ePIE", seed], "ptycho-simulate")
        assert jobs["ePIE", seed].after == jobs["mean", seed].after == training.name
    with pytest.raises(ValueError, match=r"^benchmark table: no key data.none.seed in 'W3', which seeded names$"):
        plan_of(tmp_path, seeded=["data.none.seed"])


def test_a_run_with_seeded_data_differs_from_one_with_the_same_seed_alone(tmp_path):
    names = [set(plan_of(tmp_path, rows=NETWORK, seeds=[1], seeded=seeded).jobs) for seeded in ([], ["data.seed"])]
    assert names[0].isdisjoint(names[1])


def test_columns_of_cost_add_one_measurement_for_each_network(tmp_path):
    rows = [*NODE["rows"], {"label": "wide", "run": {"model": "ptynet", "loss": "mae"}}, MEAN]
    metrics = {"gflops": "lower", "phase_psnr_db": "higher"}
    plan = plan_of(tmp_path, rows=rows, metrics=metrics, base={"data": "ltem", "input": "sqrt"})
    measured = [job for job in plan.jobs.values() if job.alone]
    assert [job.name.rpartition("-")[0] for job in measured] == [
        f"profiles/{model}-sqrt-scaled-32-cpu" for model in ("w3", "ptynet")
    ]
    assert {"model=w3", "input=sqrt", "size_px=32", "device=cpu"} <= words_of(measured[0], "ptycho-profile")
    assert measured[0].folder == tmp_path / measured[0].name
    assert not any(job.alone for job in plan_of(tmp_path, rows=rows).jobs.values())
    assert {name for _, name in plan.cells}.isdisjoint(job.name for job in measured)


def test_a_network_is_measured_with_the_values_of_its_preset(tmp_path):
    rows = [
        {"label": "PtychoFormer", "run": {"preset": "ptychoformer", "split": "disjoint", "model.heads": [1, 2, 4, 8]}}
    ]
    first, *_ = plan_of(tmp_path, rows=rows, metrics={"milliseconds": "lower"}, base={"data": "ltem"}).jobs.values()
    words = words_of(first, "ptycho-profile")
    assert {"model=ptychoformer", "input=counts", "input.neighbours=1", "model.initialisation=kaiming"} <= words


def test_jobs_without_data_are_listed_with_how_to_fetch_them_and_the_others_are_planned(tmp_path):
    rows = [*NETWORK, {"label": "published", "run": {"model": "w3", "data": "ad_ltem"}}, {**EPIE, "group": "p"}]
    rows += [{"label": "p", "group": "p", "run": {"model": "w3", "data": "ad_ltem"}}]
    rows += [{"label": "elsewhere", "run": {"model": "w3"}, "test": {"data": "ad_ltem", "region": "all"}}]
    plan = plan_of(tmp_path, rows=rows, seeds=[0], metrics={"gflops": "lower"})
    states = {(cell.row.group, cell.row.label): plan.jobs[name].state() for cell, name in plan.cells}
    assert {place for place, state in states.items() if state == "no data"} == {
        ("", "published"), ("p", "ePIE"), ("p", "p"), ("", "elsewhere")
    }  # fmt: skip
    assert states["", "W3"] == "missing"
    clones = [f"git clone https://github.com/{name}" for name in ("danielzt12/AD_LTEM", "paidaxinbao/PtyNet")]
    (problem,) = plan.problems()
    assert "no file nowhere/ad_ltem/design_amp.tiff" in problem
    assert f"{clones[0]} nowhere/ad_ltem && {clones[1]} nowhere/ptynet" in problem
    *jobs, lost, _ = job_lines(plan, tmp_path)
    assert sum("no data" in line for line in jobs) == plan.problems()[problem] == 4
    assert lost == f"no data (4 of 6 jobs): {problem}"
    printed = missing_commands(plan)
    assert printed[0] == f"# {lost}" and len(printed) == 3
    assert {line.split()[0] for line in printed[1:]} == {"ptycho-train", "ptycho-profile"}


def test_the_saved_plan_has_the_command_that_repeats_each_cell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [*NETWORK, MEAN]
    plan = plan_of(tmp_path / "out", rows=rows, seeds=[0])
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        save_plan(plan, {**NODE, "rows": rows}, options_of(tmp_path / "out"))
    first, second = (cell.command for cell in read_plan(tmp_path / "out/benchmarks/table" / PLAN).cells)
    assert (
        first.startswith("ptycho-train data=ltem ")
        and "outputs_dir=out " in first
        and "data_root" not in second
        and "seed=0" in first
    )
    assert second.startswith(f"{first} && ptycho-evaluate out/runs/benchmark/w3-mse-s0-")
    assert str(tmp_path) not in second


@pytest.mark.parametrize("name", options("benchmark"))
def test_every_shipped_benchmark_can_be_planned_without_its_data(name, tmp_path):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        node = OmegaConf.to_container(hydra.compose("sweep", [f"benchmark={name}"]).benchmark, resolve=True)
        benchmark = Benchmark.of(name, {**node, "seeds": [0]})
        plan = make_plan(benchmark, options_of(tmp_path))
    assert len(plan.cells) == len(list(benchmark.cells()))
    assert all("nowhere" in problem and "\n" not in problem for problem in plan.problems())


def test_an_index_names_one_job_and_what_it_needs(tmp_path):
    vary = {"label": "overlap", "key": "data.overlap_ratio", "values": [0.5], "of": "testing"}
    plan = plan_of(tmp_path, vary=vary, seeds=[0])
    assert list(selected_jobs(plan, 1)) == list(plan.jobs)[:2]
    assert selected_jobs(plan, None) == plan.jobs
    with pytest.raises(ValueError, match=r"index must lie in \[0, 3\]"):
        selected_jobs(plan, 4)


def test_the_missing_commands_can_be_typed(tmp_path):
    lines = missing_commands(plan_of(tmp_path))
    assert len(lines) == 4 and all(line.startswith("ptycho-train ") for line in lines)

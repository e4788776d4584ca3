"""From the cells of a benchmark to jobs: each run once, tests after their training, solvers on the network's field."""

from pathlib import Path

import hydra
import pytest

from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.plan import SweepOptions, as_words, make_plan, slug
from ptycho_bench.benchmark.sweep import missing_commands, selected_jobs

NODE = {
    "title": "Three rows",
    "source": None,
    "base": {"data": "ltem", "split": "disjoint", "recipe": "ppn"},
    "seeds": [0, 1],
    "part": "stitched",
    "metrics": {"phase_psnr_db": "higher"},
    "rows": [{"label": "W3", "run": {"model": "w3"}}, {"label": "PtyNet", "run": {"model": "ptynet"}}],
}


def plan_of(folder: Path, epochs: int | None = None, **changes):
    options = SweepOptions(outputs_dir=folder, data_root="data", epochs=epochs, trainer="cpu", pictures=False)
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return make_plan(Benchmark.of("table", {**NODE, **changes}), options)


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
    rows = [*NODE["rows"], {"label": "ePIE", "solve": {"solver": "epie", "solver.iterations": 3}}]
    plan = plan_of(tmp_path, rows=rows)
    *_, solver = plan.jobs.values()
    assert solver.name.startswith("solved/benchmark/ltem-")
    assert solver.after == next(iter(plan.jobs))
    assert [command[0] for command in solver.commands] == ["ptycho-simulate", "ptycho-reconstruct"]


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


def test_choices_of_files_come_before_values_inside_them():
    assert as_words({"loss.alpha": 0.5, "loss": "weighted"}) == ["loss=weighted", "loss.alpha=0.5"]
    assert "/" not in slug({"data.obj.scaling": "a/../b"})

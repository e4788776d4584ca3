"""ptycho-sweep: it runs what is missing, in folders that ptycho-report finds, whatever happens on the way."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ptycho_bench.benchmark.jobs import MODULES, process_arguments
from ptycho_bench.records.lock import RunLock
from tests.cli.conftest import SMALL_RUN, error_line, record

OF_THE_ROOT = ("model=", "trainer=", "pictures=")  # words that are not part of the benchmark
BASE = dict(word.split("=", 1) for word in SMALL_RUN if not word.startswith(OF_THE_ROOT))
BASE = OmegaConf.to_container(OmegaConf.create("\n".join(f"{key}: {value}" for key, value in BASE.items())))
SMALL = {
    "title": "small", "source": None, "seeds": [0, 1], "part": "stitched", "metrics": {"phase_ssim": "higher"},
    "base": {"data": "ltem", **BASE, "split.train_rows": [0, 10], "split.test_rows": [10, 15],
             "split.test_columns": [0, 6], "recipe.epochs": 2, "data.obj.size_px": 128, "data.probe.size_px": 16,
             "data.overlap_ratio": 0.5, "data.jitter_px": 1, "loss": "mse"},
    "rows": [{"label": "a", "run": {"model": "ptychonn"}}, {"label": "b", "run": {"model": "ptychonn", "loss": "mae"}}],
}  # fmt: skip
ONE_ROW = SMALL["rows"][:1]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def benchmark(tmp_path):
    """benchmark(name, **changes) -> words that choose the small benchmark with some values changed."""

    def write(name="small", **changes):
        folder = tmp_path / "conf" / "benchmark"
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save({**SMALL, **changes}, folder / f"{name}.yaml")
        return f"hydra.searchpath=[file://{tmp_path}/conf]", f"benchmark={name}", "trainer=cpu"

    return write


def cells(outputs: Path, name: str = "small") -> dict[tuple, Path]:
    """Return the folder of each cell of a saved plan, by row, value and seed."""
    plan = json.loads((outputs / "benchmarks" / name / "plan.json").read_text())
    return {(cell["row"], cell["value"], cell["seed"]): outputs / cell["folder"] for cell in plan["cells"]}


def times_of(folders) -> dict[Path, int]:
    """Return when the results of each folder were written."""
    return {folder: (folder / "results.json").stat().st_mtime_ns for folder in folders}


def test_a_table_is_filled_once_and_a_run_that_two_tables_need_is_trained_once(
    command, benchmark, forked_jobs, tmp_path
):
    code, out, err = command("sweep", *benchmark(), "workers=2")
    assert code == 0, err
    assert "small: 4 done, 0 running, 0 failed, 0 left" in out and "next: ptycho-report benchmark=small" in out
    filled = cells(tmp_path)
    assert set(filled) == {(row, None, seed) for row in "ab" for seed in (0, 1)}
    assert len({record(folder)["metrics"]["stitched"]["phase_ssim"] for folder in filled.values()}) == 4
    before = times_of(filled.values())
    other = benchmark("other", rows=SMALL["rows"][1:])
    for words in (benchmark(), other):
        assert command("sweep", *words)[0] == 0
    assert times_of(filled.values()) == before
    assert cells(tmp_path, "other")["b", None, 1] == filled["b", None, 1]
    code, out, _ = command("sweep", *benchmark(), "--dry-run", "seeds=[0,2]")
    assert [line.split()[1] for line in out.splitlines()[:4]] == ["done", "missing", "done", "missing"]
    assert out.splitlines()[1].split()[-1] == "s"  # estimated from the other runs
    assert command("sweep", *benchmark(), "seeds=[1]")[0] == 0
    assert cells(tmp_path) == filled  # seeds of an earlier sweep stay in the table
    assert "4 jobs for 4 cells" in out


def test_networks_are_tested_on_other_scans_and_others_are_scored_on_the_same_field(
    command, benchmark, forked_jobs, tmp_path
):
    words = benchmark(
        seeds=[0],
        metrics={"phase_ssim": "higher", "seconds": "lower"},
        figures=[],
        rows=[
            *ONE_ROW,
            {"label": "ePIE", "solve": {"solver": "epie", "solver.iterations": 3}},
            {"label": "mean", "reference": {"predictor": "training_mean"}},
        ],
        vary={"label": "overlap", "key": "data.overlap_ratio", "values": [0.25, 0.5], "of": "testing"},
    )  # fmt: skip
    code, _, err = command("sweep", *words)
    assert code == 0, err
    filled = cells(tmp_path)
    networks = [filled["a", overlap, 0] for overlap in (0.25, 0.5)]
    assert networks[0].parent == networks[1].parent  # tests of one trained network
    assert [record(folder)["data"]["overlap_ratio"] for folder in networks] == [0.25, 0.5]
    solved, means = ([record(filled[row, overlap, None]) for overlap in (0.25, 0.5)] for row in ("ePIE", "mean"))
    assert [one["what"] for one in solved] == ["epie"] * 2
    assert solved[0]["data"]["patterns"] < solved[1]["data"]["patterns"]
    stitched = [one["metrics"]["stitched"]["phase_ssim"] for one in (*solved, *means)]
    assert stitched[0] < stitched[1]
    assert [one["data"]["content_hash"] for one in means] == [record(one)["data"]["content_hash"] for one in networks]
    code, _, err = command("report", "benchmark=small")
    assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "benchmarks/small/report/table.csv").open()))
    assert [(row["row"], row["data.overlap_ratio"]) for row in rows] == [
        ("a", "0.25"), ("ePIE", "0.25"), ("mean", "0.25"), ("a", "0.5"), ("ePIE", "0.5"), ("mean", "0.5")
    ]  # fmt: skip
    assert [float(rows[place]["phase_ssim"]) for place in (1, 4, 2, 5)] == pytest.approx(stitched)
    assert all(0 < float(row["seconds"]) < 60 for row in rows)


def test_the_sweep_measures_the_cost_of_each_network_once(command, benchmark, forked_jobs, tmp_path):
    metrics = {"phase_ssim": "higher", "gflops": "lower", "milliseconds": "lower", "parameters_mib": "lower"}
    words = benchmark(metrics=metrics, seeds=[0])
    code, out, err = command("sweep", *words, "workers=2")
    assert code == 0, err
    assert "small: 3 done, 0 running, 0 failed, 0 left" in out
    (profile,) = (tmp_path / "profiles").iterdir()
    measured = record(profile)
    assert [batch["batch_size"] for batch in measured["batches"]] == [1]
    assert command("report", "benchmark=small")[0] == 0
    for row in csv.DictReader((tmp_path / "benchmarks/small/report/table.csv").open()):
        assert float(row["gflops"]) == pytest.approx(measured["gflops"])
        assert float(row["milliseconds"]) == pytest.approx(measured["milliseconds"])
        assert float(row["parameters_mib"]) == pytest.approx(measured["parameters_mib"])
    before = times_of([profile])
    assert command("sweep", *words)[0] == 0
    assert times_of([profile]) == before


def test_rows_without_their_data_fail_with_the_command_that_fetches_them_and_the_others_run(
    command, benchmark, forked_jobs, tmp_path
):
    rows = [*ONE_ROW, {"label": "published", "run": {"model": "ptychonn", "data": "ad_ltem"}}]
    base = {key: value for key, value in SMALL["base"].items() if not key.startswith(("data.obj", "data.probe"))}
    words = (*benchmark(seeds=[0], rows=rows, base=base), f"data_root={tmp_path}/none", "epochs=1")
    clone = f"git clone https://github.com/danielzt12/AD_LTEM {tmp_path}/none/ad_ltem"
    code, out, _ = command("sweep", *words, "--dry-run")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["missing", "no", "data", "jobs"]
    assert clone in out.splitlines()[2]
    code, out, _ = command("sweep", *words, "--print")
    assert code == 0
    comment, training = out.splitlines()
    assert comment.startswith("# no data (1 of 2 jobs): no file ") and training.startswith("ptycho-train ")
    code, out, err = command("sweep", *words)
    assert "1 of 2 jobs failed" in error_line((code, out, err))
    assert "1 done, 0 running, 1 failed, 0 left" in out
    (failed,) = (line for line in out.splitlines() if line.startswith("failed: "))
    assert clone in failed


def test_a_sweep_stops_in_time_and_the_same_command_continues(command, benchmark, forked_jobs, tmp_path):
    words = (*benchmark(seeds=[0]), "epochs=400")
    code, out, err = command("sweep", *words, "minutes=0.05")
    assert code == 0, err
    (name,) = {line.split()[1] for line in out.splitlines() if "-mse-" in line and line.startswith("left: ")}
    assert sum(line.startswith("left: ") for line in out.splitlines()) == 2
    assert "time limit of 0.05 minutes leaves no time for more jobs; to continue, repeat: ptycho-sweep" in out
    folder = tmp_path / name
    assert not (folder / "results.json").exists() and not (folder / "error.txt").exists()
    code, out, _ = command("sweep", *words, "--dry-run")
    assert {line.split()[1] for line in out.splitlines()[:-1]} <= {"cut", "missing"}


def test_a_failing_row_does_not_stop_the_others_and_is_tried_again(command, benchmark, forked_jobs, tmp_path):
    rows = [{"label": "bad", "run": {"model": "ptychonn", "recipe.optimizer.lr": 1000}}, *ONE_ROW]
    words = benchmark(seeds=[0], rows=rows)
    code, out, err = command("sweep", *words)
    assert "1 of 2 jobs failed; the same command tries them again" in error_line((code, out, err))
    assert "training diverged" in out and "1 done, 0 running, 1 failed, 0 left" in out
    folders = cells(tmp_path)
    assert (folders["bad", None, 0] / "error.txt").is_file() and (folders["a", None, 0] / "results.json").is_file()
    code, out, _ = command("sweep", *words, "retry_failed=false")
    assert code == 1 and "failed before; retry_failed=true tries again" in out


@pytest.mark.parametrize("program", MODULES)
def test_a_job_is_started_with_the_python_of_the_sweep(program, tmp_path):
    command = process_arguments([program, "--help"])
    assert command[0] == sys.executable
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith(program)


def test_a_shortened_variant_has_a_folder_of_its_own(command, benchmark, forked_jobs, tmp_path):
    code, _, err = command("sweep", *benchmark(seeds=[0], rows=ONE_ROW), "epochs=1")
    assert code == 0, err
    (folder,) = cells(tmp_path, "small-1-epochs").values()
    assert folder.parent.name == "benchmark-1-epochs"
    assert record(folder)["training"]["epochs"] == 1
    assert json.loads((tmp_path / "benchmarks/small-1-epochs/plan.json").read_text())["epochs"] == 1


def test_a_job_of_an_array_and_the_printed_commands_fill_the_same_folders(command, benchmark, forked_jobs, tmp_path):
    words = benchmark(rows=ONE_ROW)
    code, out, _ = command("sweep", *words, "--print")
    assert code == 0
    commands = [shlex.split(line) for line in out.splitlines()]
    assert len(commands) == 2 and all(one[0] == "ptycho-train" for one in commands)
    assert command("sweep", *words, "--index", "1")[0] == 0
    first, second = (cells(tmp_path)["a", None, seed] for seed in (0, 1))
    assert (second / "results.json").is_file() and not first.exists()
    assert command("train", *commands[0][1:])[0] == 0
    assert (first / "results.json").is_file()
    assert command("sweep", *words, "--print")[1].strip() == ""
    assert "index must lie in [0, 1]" in error_line(command("sweep", *words, "--index", "2"))


@pytest.mark.slow
def test_the_cluster_of_this_machine_fills_the_table(command, benchmark, tmp_path):
    words = benchmark(
        seeds=[0], rows=[*ONE_ROW, {"label": "bad", "run": {"model": "ptychonn", "recipe.batch_size": 0}}]
    )
    options = ("launcher=submitit", "cluster=local", "cluster_options={timeout_min:5}")
    code, out, err = command("sweep", *words, *options)
    assert code == 1, err
    assert "1 done, 0 running, 1 failed, 0 left" in out
    assert "recipe.batch_size" in out
    assert (cells(tmp_path)["a", None, 0] / "results.json").is_file()


@pytest.mark.slow
def test_a_run_of_another_machine_is_waited_for_and_taken_over_if_it_dies(command, benchmark, tmp_path):
    words = benchmark(seeds=[0], rows=ONE_ROW)
    code, out, _ = command("sweep", *words, "--print")
    name = command("sweep", *words, "--dry-run")[1].split()[2]
    lock = RunLock(tmp_path / name).path
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"machine": "another:1", "pid": 1, "token": "x"}))
    os.utime(lock, (time.time() - 50,) * 2)
    code, out, err = command("sweep", *words)
    assert code == 0, err
    assert "1 running (1 elsewhere)" in out and "1 done, 0 running, 0 failed, 0 left" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("workers=0",), "workers must lie in [1, 1024], got 0"),
        (("workers_per_gpu=0",), "workers_per_gpu must lie in [1, 1024], got 0"),
        (("workers=2", "workers_per_gpu=2"), "workers=2 and workers_per_gpu=2 cannot be combined; give one"),
        (("workers_per_gpu=2",), "workers_per_gpu=2 needs runs that use a GPU, found 0 GPUs; use workers=N"),
        (("minutes=0",), "minutes must lie in (0, 1e12], got 0"),
        (("minutes=soon",), "minutes must be a number or null, got 'soon'"),
        (
            ("minutes=5", "launcher=submitit"),
            "minutes and workers_per_gpu are for launcher=processes, got launcher=sub",
        ),
        (("launcher=ship",), "launcher must be processes or submitit, got 'ship'"),
        (("--index", "x"), "--index needs a number, 0 or more; write --index 3"),
        (("dry_run=1",), "dry_run must be true or false, got 1"),
        (("epochs=1", "benchmark=wnet_table3"), "epochs=1 cannot shorten wnet_table3, a table over epochs"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_one_line(command, benchmark, words, message):
    chosen = benchmark() if not any("benchmark=" in word for word in words) else ()
    assert message in error_line(command("sweep", *chosen, *words))


@pytest.mark.slow
def test_a_sweep_that_was_killed_ends_like_an_undisturbed_one(command, benchmark, tmp_path):
    """Send SIGKILL to the sweep and all its jobs, run it again, and run the same jobs elsewhere without a break."""
    words = benchmark(rows=[{"label": "a", "run": {"model": "ptychonn", "recipe.epochs": 12}}])
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HYDRA", "PTYCHO"))}
    line = [str(Path(sys.executable).parent / "ptycho-sweep"), *words, f"outputs_dir={tmp_path}", "workers=2"]
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(
        len(rows.read_text().splitlines()) > 2 for rows in tmp_path.glob("runs/benchmark/*/metrics.csv")
    ):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob("runs/benchmark/*/results.json"))
    assert command("sweep", *words)[0] == 0
    assert command("sweep", *words, f"outputs_dir={tmp_path}/undisturbed")[0] == 0
    for (place, folder), other in zip(cells(tmp_path).items(), cells(tmp_path / "undisturbed").values(), strict=True):
        assert record(folder)["metrics"] == record(other)["metrics"], place


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_sweeps_and_launchers_of_hydra_fill_the_same_folders(command, tmp_path, launcher):
    words = ("-m", f"hydra/launcher={launcher}", "seed=0,1", *SMALL_RUN, "recipe.epochs=1", "pictures=false")
    code, _, err = command("train", *words)
    assert code == 0, err
    names = sorted(path.parent.name for path in tmp_path.glob("runs/default/*/results.json"))
    assert [name.split("-")[2] for name in names] == ["s0", "s1"]
    code, out, _ = command("train", "seed=1", *SMALL_RUN, "recipe.epochs=1", "pictures=false")
    assert code == 0 and out.startswith("skip: ") and names[1] in out

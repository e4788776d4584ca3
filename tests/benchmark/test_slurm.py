"""A table runs as an array on a Slurm cluster of one node, also if jobs are cancelled or run out of memory."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts/slurm_cluster"
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
MISSING = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=SEARCH) is None]
WORDS = ("benchmark=trial", f"hydra.searchpath=[file://{SCRIPTS}/conf]", "trainer=cpu", "seeds=[0]")
LONGEST_S = 600

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}; apt-get install slurm-wlm munge"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Environment variables with which commands find a running cluster."""
    folder = tmp_path_factory.mktemp("slurm") / "cluster"
    settings = {**os.environ, "CPUS": "2", "MEMORY_SAMPLE_S": "1", "PORT": "28817"}
    subprocess.run([SCRIPTS / "start.sh", folder], env=settings, check=True, timeout=120)
    yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "OMP_NUM_THREADS": "1"}
    subprocess.run([SCRIPTS / "stop.sh", folder], check=True, timeout=120)


def start(cluster: dict[str, str], outputs: Path, *words: str) -> subprocess.Popen:
    """Start a sweep."""
    command = [sys.executable, "-m", "ptycho_bench.cli.sweep", *WORDS, f"outputs_dir={outputs}", *words]
    return subprocess.Popen(command, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen) -> tuple[int, str]:
    """Wait for a sweep; return its exit code and output."""
    try:
        return process.wait(LONGEST_S), process.stdout.read()
    finally:
        process.kill()


def cancel_after_some_epochs(cluster: dict[str, str], outputs: Path) -> None:
    """Cancel the first job of the array as soon as its training has recorded five epochs."""
    until = time.monotonic() + LONGEST_S
    while not any(len(file.read_text().splitlines()) > 5 for file in outputs.glob("runs/*/*/metrics.csv")):
        assert time.monotonic() < until
        time.sleep(0.2)
    listed = subprocess.run(["squeue", "--noheader", "--format=%F"], env=cluster, capture_output=True, check=True)
    subprocess.run(["scancel", f"{listed.stdout.split()[0].decode()}_0"], env=cluster, check=True)


def results(outputs: Path) -> dict[str, dict]:
    """Return the metrics of each run by its name."""
    files = outputs.glob("runs/*/*/results.json")
    return {file.parent.name: json.loads(file.read_text())["metrics"] for file in files}


def test_an_array_with_a_cancelled_job_and_one_out_of_memory_ends_like_an_undisturbed_sweep(cluster, tmp_path):
    launcher = "launcher=submitit"
    sweep = start(cluster, tmp_path, launcher, "cluster_options={timeout_min:30,mem_gb:0.75,cpus_per_task:1}")
    cancel_after_some_epochs(cluster, tmp_path)
    code, printed = finish(sweep)
    assert code == 1
    assert "error: 2 of 2 jobs failed; the same command tries them again" in printed.splitlines()
    assert ": interrupted after epoch " in printed and ": it ran out of memory; ask for more by mem_gb" in printed
    assert "WARNING" not in printed and "Traceback" not in printed

    more = "cluster_options={timeout_min:30,mem_gb:2.5,cpus_per_task:1}"
    code, printed = finish(start(cluster, tmp_path, launcher, more))
    assert (code, "2 done, 0 running, 0 failed, 0 left" in printed) == (0, True), printed
    logs = (tmp_path / "benchmarks/trial/logs").glob("*.out")
    assert any("continues from epoch" in log.read_text() for log in logs)

    assert finish(start(cluster, tmp_path / "undisturbed", "workers=2"))[0] == 0
    assert len(results(tmp_path)) == 2 and results(tmp_path) == results(tmp_path / "undisturbed")


def test_what_the_cluster_does_not_accept_is_reported_in_one_line(cluster, tmp_path):
    code, printed = finish(start(cluster, tmp_path, "launcher=submitit", "cluster_options={slurm_partition:none}"))
    assert code == 1
    reason = "invalid partition specified: none; Batch job submission failed: Invalid partition name specified"
    lines = [line for line in printed.splitlines() if not line.startswith("trial: ")]
    assert lines == [f"error: the cluster does not accept the jobs: {reason}; check cluster_options"]

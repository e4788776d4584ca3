"""Within a Slurm job, the processes of a training are those of srun if there are several, else Lightning's own."""

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment

from ptycho_bench.training.processes import shares_work
from ptycho_bench.training.slurm import slurm_environment


@pytest.fixture
def job(monkeypatch):
    """job(**variables): set the variables of a Slurm job, with one node and two tasks, and others."""

    def enter(**variables):
        for name in ("RANK", "LOCAL_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES", "SLURM_NTASKS_PER_NODE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "2", "SLURM_PROCID": "0", **variables}.items():
            monkeypatch.setenv(name, value)

    return enter


def test_nothing_is_chosen_outside_of_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert slurm_environment(2) == []


def test_lightning_starts_the_processes_in_a_batch_script_and_in_a_single_task(job):
    job()
    assert [type(one) for one in slurm_environment(2)] == [LightningEnvironment]
    job(SLURM_STEP_NUM_TASKS="1")
    assert [type(one) for one in slurm_environment(2)] == [LightningEnvironment]


def test_srun_has_started_the_processes_if_there_are_several(job):
    job(SLURM_STEP_NUM_TASKS="2", SLURM_STEP_NUM_NODES="1")
    assert [type(one) for one in slurm_environment(2)] == [SLURMEnvironment]
    assert [type(one) for one in slurm_environment([0, 1])] == [SLURMEnvironment]


@pytest.mark.parametrize(("devices", "nodes", "found"), [(1, "1", "2 processes on 1 node "), (2, "2", "on 2 nodes ")])
def test_processes_that_do_not_fit_the_devices_are_an_error(job, devices, nodes, found):
    job(SLURM_STEP_NUM_TASKS="2", SLURM_STEP_NUM_NODES=nodes)
    with pytest.raises(ValueError, match=f"{found}.*trainer.devices={devices}; use srun --nodes=1 --ntasks=N"):
        slurm_environment(devices)


def test_a_process_that_lightning_starts_in_a_batch_script_is_not_the_first(job):
    job(LOCAL_RANK="1")
    assert shares_work()
    job()
    assert not shares_work()

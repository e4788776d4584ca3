"""Every typing mistake on every command ends with exit code 1 and one plain line, before torch is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import error_line, run_command

ROOT = Path(__file__).parents[2]
INTERNAL = ("HYDRA_FULL_ERROR", "object_type", "Traceback", "NoneType")

# command -> words -> part of the message; x.ckpt and scan.h5 exist, but contain nothing of use
MISTAKES = {
    "train": {
        "modle=ppn": "no key 'modle', did you mean 'model'?",
        "recipe.lr=1": "no key 'recipe.lr', did you mean 'recipe.optimizer.lr'?",
        "split.seed=1": "no key 'split.seed'; split has train_rows, validation_fraction",
        "trainer.precison=x": "did you mean 'trainer.precision'?",
        "+trainer.callbacks=x": "no key 'trainer.callbacks'; trainer has accelerator, devices",
        "+foo=1": "no key 'foo'; see --help",
        "+model.widht=3": "no key 'model.widht', did you mean 'width'?",
        "metrics.foo=1": "no key 'metrics.foo'; metrics has data_range, ssim_window, spectrum",
        "data=${oc.env:HOME}.h5": "no file ${oc.env:HOME}.h5",
        "data=file data.file_path=${oc.env:HOME}.h5": "no file ${oc.env:HOME}.h5",
        "model=pnp": "no model named 'pnp', did you mean 'ppn'?",
        "model=[ppn,w3]": "model takes one option, got [ppn,w3]; for one run after another write -m model=A,B",
        "model=ppn,w3": "model=ppn,w3 gives several values; add -m to run one after another",
        "model=null": "model must be one of the options of conf/model, see --help; got 'null'",
        "~model": "model must be one of the options of conf/model",
        "model=../data/ltem": "model must consist of letters, digits",
        "model.width=0": "model.width must lie in [1, 65536], got 0",
        "model.heads=x": "model.heads must be a whole number, got 'x'",
        "model.decoder_widths=5": "model.decoder_widths must be a list such as [first,second,...], got 5",
        "model.initialisation=zero": "model.initialisation must be framework, glorot, glorot_normal or kaiming",
        "model.decoder=null": "model.decoder must be a group of values, got null; write model.decoder.NAME=VALUE",
        "model._target_=os.system": "'os.system' is none of the classes that conf/ names",
        "data.obj.film._target_=null": "data.obj.film._target_ must be a text, got null",
        "recipe.optimizer._target_=torch.optim.Adma": "torch.optim has no 'Adma'",
        "overwrite=no": "overwrite must be true or false, got 'no'",
        "pictures=0": "pictures must be true or false, got 0",
        "~seed": "seed is missing; remove ~seed from the command line",
        "seed=-1": "seed must lie in [0, 4294967295], got -1",
        "seed=abc": "seed must be a whole number, got 'abc'",
        "study=../../x": "study must consist of letters, digits",
        "study=/tmp/x": "study must consist of letters, digits",
        "data.name=../x": "data.name must consist of letters, digits",
        "outputs_dir=": "outputs_dir must not be empty",
        "cache_mb=nan": "cache_mb must be a finite number, got nan",
        "recipe.epochs=three": "recipe.epochs must be a whole number, got 'three'",
        "recipe.batch_size=0": "recipe.batch_size must lie in [1, 1000000], got 0",
        "recipe.optimizer.lr=0": "recipe.optimizer.lr must lie in (0, 1000], got 0; 1e-3 is usual",
        "recipe.scheduler.factor=nan": "recipe.scheduler.factor must be a finite number, got nan",
        "recipe.scheduler.patience=-1": "recipe.scheduler.patience must lie in [0, 1000000], got -1",
        "trainer=gpu": "needs a CUDA device, but PyTorch is installed for CPUs only; use trainer=cpu",
        "trainer.precision=32": "trainer.precision must be 32-true, bf16-mixed or 16-mixed, got 32",
        "trainer.devices=[]": "trainer.devices must have at least one item",
        "input.neighbours=50": "input.neighbours must lie in [0, 5], got 50; 1 is a 3 x 3 neighbourhood",
        "split=ppn split.test_rows=[5]": "split.test_rows must have 2 items, got [5]; write [first,second]",
        "split=ppn split.seed=-1": "split.seed must lie in [0, 4294967295], got -1",
        "data=many data.obj.phase_span_rad=[1]": "data.obj.phase_span_rad must have 2 items, got [1]",
        "data.pixel_size_m=-1": "data.pixel_size_m must lie in (0, 1000], got -1",
        "data.photons=1e30": "data.photons must lie in (0, 1e12], got 1e+30",
        "data.photons=${nothing}": "data.photons: Interpolation key 'nothing' not found; write the value itself",
        "data.jitter_px=33": "jitter_px must lie in [0, 32], at most the side of the probe, got 33",
        "data.step_px=4": "give one of overlap_ratio and step_px, got 0.75 and 4; set one to null",
        "data.obj.size_px=4096 data.overlap_ratio=0.99": "more than 10,000,000; take a larger step or a smaller",
        "data.jitter_px=1000000": "data.jitter_px must lie in [0, 16384], got 1000000",
        "data.probe.size_px=-32": "data.probe.size_px must lie in [1, 4096], got -32",
        "data.obj.size_px=1000000000": "data.obj.size_px must lie in [64, 4096], got 1000000000",
        "data.obj.film.voltage_v=0": "data.obj.film.voltage_v must lie in (0, 1e9], got 0; 300e3 is usual",
        "data=nowhere.h5": "no file nowhere.h5; check the path",
        "data=folder data.folder_path=/nowhere": "no folder /nowhere; check data.folder_path",
        "data=ad_ltem data_root=nowhere": "no file nowhere/ad_ltem/design_amp.tiff",
        "data=file": "data.file_path has no value; give it on the command line as data.file_path=VALUE",
        "--foo": "no flag '--foo'",
        "--cfg foo": "--cfg must be followed by job, hydra or all, got 'foo'",
        "seed=0 -m model=ppn,w4": "no model named 'w4'",
        "-m seed=0,a": "seed must be a whole number, got 'a'",
        "-m seed=0,1 recipe.epochs=x": "recipe.epochs must be a whole number, got 'x'",
        "foo": "cannot read 'foo'; write key=value, see --help",
    },
    "simulate": {
        "out=5": "out must be a text or null, got 5",
        "overwrite=yes": "overwrite must be true or false, got 'yes'",
        "data=[ltem,many]": "this command takes 1 scan, data=several names 2 (ltem, many); name one",
        "data=file data.file_path=scan.h5": "to simulate, choose another data set",
        "data.photons=-1": "data.photons must lie in (0, 1e12], got -1; give the number per diffraction pattern",
    },
    "evaluate": {
        "batch_size=1": "no checkpoint is named; a finished run has one",
        "nowhere.ckpt": "no checkpoint nowhere.ckpt; a finished run has one",
        "x.ckpt batch_size=0": "batch_size must lie in [1, 1000000], got 0",
        "x.ckpt data.photns=3": "no key 'data.photns', did you mean 'data.photons'?",
        "x.ckpt data.photons=-1": "data.photons must lie in (0, 1e12], got -1",
        "x.ckpt noise.efficiency=2": "noise.efficiency must lie in [0, 1], got 2; 50 % is written 0.5",
        "x.ckpt metrics.spectrum=foo": "metrics.spectrum must be diagonal or radial, got 'foo'",
        "x.ckpt pictures=no": "pictures must be true or false, got 'no'",
        "x.ckpt device=cuda": "device=cuda needs a CUDA device",
        "x.ckpt region=[1,2]": "region must be all, test or [top,bottom,left,right]",
        "x.ckpt data=nowhere.h5": "no file nowhere.h5",
    },
    "export": {
        "batch=8": "no checkpoint is named",
        "nowhere.ckpt": "no trained network nowhere.ckpt",
        "x.ckpt batch=1.5": "batch must be a whole number or null, got 1.5",
        "x.ckpt overwrite=1": "overwrite must be true or false, got 1",
    },
    "import": {
        "out=x.h5": "no file is named",
        "nowhere.cxi": "no file nowhere.cxi; check the path",
        "${oc.env:HOME}.h5": "no file ${oc.env:HOME}.h5; check the path",
        "scan.h5 format=cix": "no format named 'cix', did you mean 'cxi'?",
        "scan.h5 geometry.energy_ev=abc": "geometry.energy_ev must be a number or null, got 'abc'",
        "scan.h5 geometry.pixel_size_m=1e400": "geometry.pixel_size_m must be a finite number, got inf",
        "scan.h5 patterns.background=nan": "patterns.background must be a finite number, got nan",
        "scan.h5 positions.points=[0]": "positions.points must have 2 items, got [0]",
        "scan.h5 geometry=3": "geometry has several values, got 3; write geometry.NAME=VALUE",
    },
    "reconstruct": {
        "solver=epie": "no file is named",
        "scan.h5": "neither a checkpoint nor a solver is named",
        "scan.h5 x.ckpt solver=epie": "both a checkpoint and a solver are named",
        "scan.h5 x.ckpt y.onnx": "this command takes 1 trained network, got 2: x.ckpt, y.onnx; name one",
        "scan.h5 solver=epie warm_start=nowhere.ckpt": "no trained network nowhere.ckpt",
        "scan.h5 solver=epie frc=no": "frc must be true or false, got 'no'",
        "scan.h5 solver=rpie solver.modes=100000": "solver.modes must lie in [1, 100], got 100000; null keeps the",
        "scan.h5 solver=rpie solver.object_step=nan": "solver.object_step must be a finite number, got nan",
        "scan.h5 solver=epie triplets_bin=0": "triplets_bin must lie in [1, 128], got 0",
    },
    "sweep": {
        "seeds=[0]": "You must specify 'benchmark'",
        "benchmark=ppn_table2 seeds=[a]": "each item of seeds must be a whole number, got 'a'",
        "benchmark=ppn_table2 seeds=[-1] dry_run=true": "each item of seeds must lie in [0, 4294967295], got -1",
        "benchmark=ppn_table2 seeds=[]": "seeds must have at least one item",
        "benchmark=ppn_table2 epochs=0 dry_run=true": "epochs must lie in [1, 1000000], got 0",
        "benchmark=ppn_table2 epochs=1.5 dry_run=true": "epochs must be a whole number or null, got 1.5",
        "benchmark=ppn_table2 workers=1.5 dry_run=true": "workers must be a whole number or null, got 1.5",
        "benchmark=ppn_table2 minutes=nan": "minutes must be a finite number, got nan",
        "benchmark=ppn_table2 gpus=[a]": "each item of gpus must be a whole number, got 'a'",
        "benchmark=ppn_table2 retry_failed=no": "retry_failed must be true or false, got 'no'",
        "benchmark=[ppn_table2,ppn_table3]": "benchmark takes one option",
        "benchmark=ppn_table2 --dryrun": "no flag '--dryrun'",
    },
    "report": {
        "figures=true": "no benchmark is named; write benchmark=NAME",
        "benchmark=[]": "benchmark must have at least one item, got []",
        "benchmark=../x": "benchmark must consist of letters, digits",
        "benchmark=ppn_table2 figures=no": "figures must be true or false, got 'no'",
    },
    "profile": {
        "size_px=1.5": "size_px must be a whole number, got 1.5",
        "threads=0": "threads must lie in [1, 1024], got 0",
        "batch_sizes=[]": "batch_sizes must have at least one item",
        "repeats=1e9": "repeats must be a whole number, got 1000000000.0",
        "device=tpu": "device must be auto, cpu or cuda, got 'tpu'",
    },
}
CASES = [(name, words, message) for name, mistakes in MISTAKES.items() for words, message in mistakes.items()]


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[tuple[str, str], tuple[object, str]]:
    """Exit code and error output of each mistake; all run in one process without torch."""
    folder = tmp_path_factory.mktemp("mistakes")
    for name in ("x.ckpt", "scan.h5", "y.onnx"):
        (folder / name).write_text("x")
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy\n"]
    command[-1] += "runpy.run_module('tests.cli.without_torch', run_name='__main__')"
    words = json.dumps([[name, *words.split(" ")] for name, words, _ in CASES])
    found = subprocess.run(command, input=words, capture_output=True, text=True, cwd=folder, check=True)
    assert {file.name for file in folder.iterdir()} == {"x.ckpt", "scan.h5", "y.onnx"}
    return {(name, words): answer for (name, words, _), answer in zip(CASES, json.loads(found.stdout), strict=True)}


@pytest.mark.parametrize(("name", "words", "message"), CASES, ids=[f"{name} {words}" for name, words, _ in CASES])
def test_a_mistake_ends_with_one_plain_line_before_torch_is_imported(answers, name, words, message):
    code, err = answers[name, words]
    if "PyTorch is installed for CPUs only" in message and code == "torch":
        pytest.skip("this PyTorch can use a GPU")
    assert code == 1, err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert message in err
    assert not [word for word in INTERNAL if word in err]


def test_a_multirun_with_a_mistake_runs_no_job(command, tmp_path):
    err = error_line(command("train", "-m", "seed=0,a", "recipe.epochs=1"))
    assert "seed must be a whole number, got 'a'" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["train", "sweep", "evaluate"])
def test_the_version_is_that_of_this_package(command, name):
    code, out, _ = command(name, "--version")
    assert code == 0 and out.startswith("ptycho-bench ")


def test_flags_are_read_at_any_place(command):
    code, out, err = command("simulate", "data=many", "--cfg", "job", "data.photons=5")
    assert code == 0, err
    assert "photons: 5\n" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the following arguments are required: files; see --help"),
        (("--al",), "the following arguments are required: files"),
        (("scan.h5", "--nope"), "unrecognized arguments: --nope; see --help"),
        (("absent.h5",), "no file absent.h5"),
        (("SCAN", "geometry.energy_ev=-1"), "geometry.energy_ev must lie in (0, 1e12], got -1"),
    ],
)
def test_ptycho_inspect_answers_a_mistake_in_one_line(command_of_inspect, words, message):
    assert message in error_line(command_of_inspect(*words))


@pytest.fixture
def command_of_inspect(scan_file):
    """command_of_inspect(*words) -> (exit code, output, error output); SCAN stands for the small scan."""
    return lambda *words: run_command("inspect", *(str(scan_file) if word == "SCAN" else word for word in words))

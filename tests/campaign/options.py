"""Bad options of every command; each has one value that its command must refuse."""

from collections.abc import Iterator, Mapping

from tests.campaign.bench import PLAIN, RUN, SCAN, SWEEP
from tests.campaign.case import Case

KIND = "options"
BOOLEAN = "no off maybe 1 null 'false' [true]"
COUNT = "0 -1 1.5 abc null true [3]"
TYPING = ("no_such_key=1", "seed=[1,", "~no_such_key", "hydra/nope=1", "--nonsense", "outputs_dir=[1]")

TRAIN = {
    "seed": "x -1 1.5 [1] null true nan 4294967296",
    "overwrite": BOOLEAN,
    "pictures": "no 0 null",
    "scaling": "none 3 null",
    "ranges": "test 1 null",
    "study": "null ../x a/b .. '' [x]",
    "cache_mb": "-1 nan abc [1]",
    "recipe.epochs": "0 -1 1.5 abc null true [3]",
    "recipe.batch_size": "0 -3 2.5 x null",
    "recipe.steps_per_epoch": "0 -1 1.5 x",
    "recipe.reestimate_batch_norm": "no 1",
    "recipe.optimizer.lr": "-1 nan inf abc null [1]",
    "recipe.optimizer._target_": "os.system torch.nope builtins.eval",
    "recipe.scheduler.factor": "nan 2 -1 x",
    "recipe.scheduler.patience": "-1 1.5 x",
    "recipe.scheduler.min_lr": "-1 nan",
    "recipe.scheduler.threshold": "nan x",
    "recipe.clip_norm": "-1 nan x",
    "data.obj.size_px": "0 -5 1.5 abc null 1000000000",
    "data.obj.film.voltage_v": "0 -1 nan",
    "data.obj.film.thickness_m": "-1 nan",
    "data.obj.film.scaling": "nope",
    "data.probe.size_px": "0 -32 1.5 abc null 100000",
    "data.probe.aperture_radius": "0 -1 nan x",
    "data.probe.stop_radius": "2 -1 nan",
    "data.probe.defocus_waves": "nan inf x",
    "data.photons": "0 -1 nan inf 1e30 abc",
    "data.overlap_ratio": "1 -0.1 2 nan abc null",
    "data.step_px": "8",
    "data.jitter_px": "-1 1.5 1000000 nan x",
    "data.pixel_size_m": "-1 0 nan inf abc",
    "data.seed": "-1 1.5 x",
    "data.held_out": "maybe 1",
    "data.name": "../x a/b null",
    "split.train_rows": "[0] [5,2] [0,99] x [0,1.5] null [-1,10] 5",
    "split.test_rows": "[5] [9,15] x []",
    "split.test_columns": "[6,0] [0,99]",
    "split.validation_fraction": "1 -1 nan x",
    "split.seed": "-1 x 1.5",
    "model.width": "0 -1 1.5 x null 1000000",
    "model.depth": "-1 99 x 1.5",
    "model.narrowest": "0 -1 x",
    "model.upsampling": "cubic 3",
    "model.initialisation": "zeros",
    "loss.alpha": "3 -1 nan x",
    "input.neighbours": "-1 1.5 x 50",
    "trainer.accelerator": "tpuu 3 null gpu",
    "trainer.devices": "0 -1 1.5 x []",
    "trainer.strategy": "dpp 1",
    "trainer.precision": "foo 8 16-mixed null",
    "trainer.channels_last": "no 1",
    "trainer.fused": "no maybe",
    "trainer.compile": "nope 3",
    "trainer.attention": "nope",
    "metrics.data_range": "nope 2",
    "metrics.ssim_window": "box",
    "metrics.flattened_ssim": "no",
    "metrics.scaled_by": "nope",
    "stitch.weight": "nope",
    "stitch.synchronised": "no",
    "stitch.step_px": "0 -1 nan",
    "model": "pnp [ppn,w3] null",
    "loss": "msee geodesic",
    "data": "nope curved file ad_ltem noisy.h5",
    "phase": "nope",
    "input": "null",
    "preset": "nope",
    "logger": "nope",
    "trainer": "tpu gpu",
    "recipe": "x",
    "modle": "ppn",
    "sead": "1",
    "data.overlap": "0.5",
    "recipe.lr": "1",
    "recipe.epoch": "3",
    "+model.widht": "3",
    "+trainer.callbacks": "x",
}
SIMULATE = {
    "data": "nope file [ltem,ltem]",
    "noise": "ppm",
    "data.photons": "-1 x",
    "data.obj.size_px": "0 1.5",
    "data.jitter_px": "-1",
    "data.probe.size_px": "-32",
    "out": "[1]",
}
NOISE = {
    "noise.efficiency": "2 -1 nan",
    "noise.coherence": "2 -1 nan",
    "noise.readout_counts": "-1 nan x",
}
EVALUATE = {
    "region": "x [1,2] [5,1,0,3] [0,nan,0,9] -1",
    "batch_size": COUNT,
    "device": "tpu null 3 cuda",
    "predictor": "nope null",
    "pictures": BOOLEAN,
    "folder": "[1]",
    "noise": "nope",
    "stitch.weight": "nope",
    "data.photons": "0",
    "checkpoint": "absent.ckpt scan.h5 [1]",
    "inherit": "[nope]",
}
IMPORT = {
    "overwrite": BOOLEAN,
    "format": "nope cxl",
    "geometry.beam": "neutrons",
    "geometry.energy_ev": "0 -1 nan inf x",
    "geometry.distance_m": "0 -1 nan x",
    "geometry.detector_pixel_m": "0 -1 nan",
    "geometry.pixel_size_m": "0 -1 nan 1e400 x",
    "patterns.quantity": "nope",
    "patterns.zero_frequency": "middle",
    "patterns.centre_px": "[1] [99,99] x [nan,1]",
    "patterns.crop_px": "0 -1 99 1.5 x",
    "patterns.bin": "0 -1 1.5 99 x",
    "patterns.background": "nan -inf x",
    "patterns.bad_share": "-1 2 nan x",
    "patterns.mask_path": "absent.tif",
    "positions.orientation": "sideways",
    "positions.points": "[0,99999] [5,2] [1] x",
    "positions.raster": "[0,5] [3,3] x",
    "positions.step_m": "nan -1 x",
}
INSPECT = {
    "geometry.energy_ev": "0 nan x",
    "patterns.crop_px": "0 99 x",
    "patterns.bin": "0 99",
    "positions.points": "[0,99999]",
    "format": "nope",
    "geometry.nope": "1",
    "nope": "1",
}
RECONSTRUCT = {
    "solver": "none epi",
    "solver.iterations": COUNT,
    "solver.batch_size": "0 -1 1.5 x",
    "solver.object_step": "0 -1 nan x",
    "solver.modes": "0 -1 1.5 99999",
    "solver.probe_start": "-1 1.5",
    "solver.rule": "nope",
    "solver.seed": "-1 x",
    "solver.subpixel": "no 1",
    "solver.refine_probe": "maybe",
    "solver.stop_tolerance": "-1 nan",
    "region": "x [1,2] [5,1,0,3]",
    "frc": BOOLEAN,
    "triplets": "no 1",
    "triplets_bin": "0 -1 1.5 99",
    "triplets_trim_px": "-1 9999 x",
    "batch_size": "0 -1 x",
    "cache_mb": "-1 nan x",
    "device": "tpu cuda",
    "pictures": "no",
    "probe_path": "absent.npy",
    "warm_start": "absent.ckpt scan.h5",
}
EXPORT = {
    "batch": "0 -1 1.5 x true 1000000000",
    "scan": "nope",
    "out": "x.txt [1]",
}
SWEEPS = {
    "benchmark": "nope [] [small,small]",
    "seeds": "[a] [-1] [1.5] x [] [0,0] 4294967296",
    "epochs": "0 -1 1.5 abc true",
    "workers": "0 -1 1.5 x",
    "workers_per_gpu": "0",
    "gpus": "[x] [-1] 1.5",
    "minutes": "0 -1 nan soon",
    "retry_failed": "no 1 null",
    "pictures": "no 0",
    "launcher": "ship null",
    "dry_run": "1 no",
    "print": "maybe",
    "trainer": "tpu",
}
STARTED = {"index": "99 -1 x 1.5", "workers_per_gpu": "1"}  # what a sweep finds out when it starts its jobs
REPORT = {
    "benchmark": "nope [] ../x [nope]",
    "tables": "nope",
    "epochs": "0 -1 1.5 abc 7",
    "figures": "no 1 null",
    "out": "[1]",
}
PROFILE = {
    "size_px": "0 -1 1.5 x 100000",
    "batch_sizes": "[] [0] [-1] [1.5] [x] 8",
    "repeats": "0 -1 1.5 x",
    "threads": "0 -1 1.5 x",
    "device": "tpu null cuda",
    "model": "pnp",
    "model.width": "0 -1 x",
    "input.neighbours": "-1 50",
}
EPOCH = (*RUN, "recipe.epochs=1")
SOLVER = ("scan.h5", "solver=epie", "solver.iterations=2", *PLAIN)
SMALL_PROFILE = ("model=ptychonn", "model.width=4", "size_px=16", "batch_sizes=[1]", "repeats=1")
TABLES = (
    ("train", EPOCH, (), TRAIN),
    ("simulate", (*SCAN, "out=outputs/scan.h5"), (), SIMULATE),
    ("simulate", (*SCAN, "noise=ppn", "out=outputs/scan.h5"), (), NOISE),
    ("evaluate", ("best.ckpt", "pictures=false"), ("network", "scan"), EVALUATE),
    ("import", ("beamline.cxi", "out=outputs/scan.h5"), ("cxi",), IMPORT),
    ("inspect", ("beamline.cxi",), ("cxi",), INSPECT),
    ("reconstruct", (*SOLVER, "triplets=true"), ("scan",), RECONSTRUCT),
    ("export", ("best.ckpt", "out=outputs/best.onnx"), ("network",), EXPORT),
    ("sweep", (*SWEEP, "--dry-run"), ("benchmark",), SWEEPS),
    ("sweep", SWEEP, ("benchmark",), STARTED),
    ("report", ("benchmark=small",), ("swept",), REPORT),
    ("profile", SMALL_PROFILE, (), PROFILE),
)
LINES = (  # whole command lines
    ("train", ("nonsense",), ()),
    ("train", ("--trust",), ()),
    ("train", ("-m", *EPOCH, "trainer=ddp", "seed=0,1"), ()),
    ("train", (*EPOCH, "data=[]"), ()),
    ("evaluate", (), ()),
    ("evaluate", ("absent.ckpt",), ()),
    ("evaluate", ("best.ckpt", "best.ckpt"), ("network",)),
    ("evaluate", ("best.ckpt", "data=file", "data.file_path=absent.h5"), ("network",)),
    ("import", (), ()),
    ("import", ("absent.cxi",), ()),
    ("inspect", (), ()),
    ("inspect", ("absent.cxi",), ()),
    ("inspect", ("beamline.cxi", "--out", "beamline.cxi"), ("cxi",)),
    ("reconstruct", (), ()),
    ("reconstruct", ("scan.h5",), ("scan",)),
    ("reconstruct", ("absent.h5", "solver=epie"), ()),
    ("reconstruct", ("scan.h5", "best.ckpt", "best.onnx"), ("scan", "network", "onnx")),
    ("reconstruct", ("scan.h5", "best.ckpt", "solver=epie"), ("scan", "network")),
    ("export", (), ()),
    ("export", ("absent.ckpt",), ()),
    ("export", ("best.ckpt", "best.ckpt"), ("network",)),
    ("sweep", (), ()),
    ("sweep", ("--index",), ()),
    ("report", (), ()),
    ("profile", ("nonsense",), ()),
)


def cases() -> Iterator[Case]:
    """Return the cases: each value of the tables, typing mistakes for each command, and whole lines."""
    for command, base, needs, table in TABLES:
        yield from of_table(command, base, needs, table)
    for command, base, needs in {command: (command, base, needs) for command, base, needs, _ in TABLES}.values():
        for word in TYPING:
            yield Case(KIND, word, command, (*base, word), needs)
    for command, words, needs in LINES:
        yield Case(KIND, f"line: {' '.join(words)[-60:]}", command, words, needs)


def of_table(command: str, base: tuple[str, ...], needs: tuple[str, ...], table: Mapping[str, str]) -> Iterator[Case]:
    """Return a case for each value of a table."""
    for key, values in table.items():
        for value in values.split():
            yield Case(KIND, f"{key}={value}", command, (*base, f"{key}={value}"), needs)

"""Types and bounds of the values that no class takes: those of the roots of conf/ and of groups without `_target_`."""

from typing import Annotated, Any, Literal

from ptycho_bench.config.predictors import PREDICTORS
from ptycho_bench.physics.bounds import Count, Depth, Index, Interval, Name, NonNegative, Pixels, Positive, Seed

Device = Literal["auto", "cpu", "cuda"]
BatchSize = Annotated[int, Interval("[1, 1000000]")]
DeviceCount = Annotated[int, Interval("[1, 1024]")]
Region = object  # checked by `config.region`

COMMON: dict[str, Any] = {"outputs_dir": str, "data_root": str}
ROOTS: dict[str, dict[str, Any]] = {
    "config": {
        "seed": Seed,
        "scaling": Literal["joint", "own"],
        "ranges": Literal["training", "all"],
        "study": Name,
        "cache_mb": NonNegative | None,
        "overwrite": bool,
        "pictures": bool,
    },
    "simulate": {"out": str | None, "overwrite": bool},
    "evaluate": {
        "checkpoint": str,
        "inherit": list[Literal["data", "noise", "metrics", "stitch"]],
        "predictor": Literal[PREDICTORS],
        "region": Region,
        "batch_size": BatchSize,
        "device": Device,
        "pictures": bool,
        "folder": str | None,
        "overwrite": bool,
    },
    "export": {
        "checkpoint": str,
        "out": str | None,
        "batch": BatchSize | None,
        "scan": str | int | None,
        "overwrite": bool,
    },
    "import": {"files": list[str], "out": str | None, "overwrite": bool},
    "reconstruct": {
        "files": list[str],
        "checkpoint": str | None,
        "warm_start": str | None,
        "region": Region,
        "region_of": str | None,
        "probe_path": str | None,
        "probe_key": str | None,
        "frc": bool,
        "triplets": bool,
        "triplets_bin": Depth,
        "triplets_trim_px": Index,
        "batch_size": BatchSize,
        "cache_mb": NonNegative,
        "device": Device,
        "pictures": bool,
        "folder": str | None,
        "overwrite": bool,
    },
    "sweep": {
        "seeds": Seed | list[Seed] | None,
        "epochs": Count | None,
        "workers": DeviceCount | None,
        "workers_per_gpu": DeviceCount | None,
        "gpus": list[Index] | None,
        "minutes": Positive | None,
        "retry_failed": bool,
        "pictures": bool,
        "launcher": Literal["processes", "submitit"],
        "cluster": Literal["slurm", "local"],
        "cluster_options": dict | None,
        "dry_run": bool,
        "print": bool,
        "index": Index | None,
    },
    "report": {"tables": Name | list[Name], "epochs": Count | None, "out": str | None, "figures": bool},
    "profile": {
        "size_px": Pixels,
        "batch_sizes": list[BatchSize],
        "repeats": Annotated[int, Interval("[1, 10000]")],
        "threads": DeviceCount | None,
        "device": Device,
    },
}
PLAIN_GROUPS: dict[str, dict[str, Any]] = {
    "data": {"name": Name, "file_path": str, "folder_path": str, "scans": list[str]},
    "trainer": {
        "accelerator": Literal["auto", "cpu", "gpu", "cuda", "mps"],
        "devices": Literal["auto", -1] | DeviceCount | list[Index],
        "strategy": Literal["auto", "ddp", "ddp_spawn", "ddp_fork", "ddp_notebook"],
        "precision": Literal["32-true", "bf16-mixed", "16-mixed"],
        "channels_last": bool,
        "fused": bool,
        "compile": Literal["default", "reduce-overhead", "max-autotune"] | None,
        "attention": Literal["auto", "reference", "tiled", "flex"],
    },
    "format": {"name": Literal["auto"]},
    "solver": {},
    "logger": {},
}

"""Checks of values that belong together, and of files and devices that a configuration names, without torch."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ptycho_bench.config.description import describe
from ptycho_bench.config.identity import check_files
from ptycho_bench.config.network_choice import check_network, network_path
from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.paths import expand, require_file
from ptycho_bench.physics.memory import check_scan_memory
from ptycho_bench.physics.raster import raster_step

NETWORKS = ("checkpoint", "warm_start", "region_of")  # values of a root that name a file of a trained network


def check_devices(values: Mapping[str, Any]) -> None:
    """Check that a GPU is asked for only if this installation of PyTorch can use one.

    Raises:
        ValueError: If it cannot.
    """
    if str(values.get("checkpoint")).endswith(".onnx"):  # which ONNX Runtime computes, on devices of its own
        return
    named = {"device": values.get("device"), "trainer.accelerator": values.get("trainer", {}).get("accelerator")}
    for key, device in named.items():
        if device in ("gpu", "cuda") and version("torch").endswith("+cpu"):
            use = "trainer=cpu" if key.startswith("trainer") else "device=cpu"
            raise ValueError(f"{key}={device} needs a CUDA device, but PyTorch is installed for CPUs only; use {use}")


def check_named_files(values: Mapping[str, Any]) -> None:
    """Check that the files exist that a configuration names.

    Raises:
        ValueError: If a trained network is missing.
        DataError: If another file is missing.
    """
    for key in NETWORKS:
        if values.get(key) not in (None, "???"):
            check_network(values[key])
    for file in expand(values.get("files", [])):
        require_file(file)
    data = dict(values.get("data", {}))
    folder = data.pop("folder_path", None)
    if folder not in (None, "???") and not Path(folder).is_dir():
        raise DataError(f"no folder {folder}; check data.folder_path")
    check_files(describe({**values, "data": data}))


def check_together(values: Mapping[str, Any], root: str) -> None:
    """Check values that must fit together.

    Raises:
        ValueError: If they do not.
    """
    if root == "reconstruct":
        network_path(values["checkpoint"], values["warm_start"], solved="_target_" in values["solver"])
    data = values.get("data", {})
    if root in ("simulate", "evaluate") and len(data.get("scans") or ()) > 1:
        names = ", ".join(Path(scan).stem for scan in data["scans"])
        raise ValueError(
            f"this command takes 1 scan, data={data['name']} names {len(data['scans'])} ({names}); name one"
        )
    if isinstance(data.get("obj"), Mapping) and isinstance(data.get("probe"), Mapping):
        check_scan(data)
    if root == "simulate" and ("file_path" in data or "folder_path" in data):
        raise ValueError(f"data={data['name']} names files that exist; to simulate, choose another data set")


def check_scan(data: Mapping[str, Any]) -> None:
    """Check that a simulated scan of a chart with a computed probe is possible and fits into memory.

    Raises:
        ValueError: If it is not.
    """
    size, side = data["obj"].get("size_px"), data["probe"].get("size_px")
    if size is None or side is None:  # they come from files
        return
    settings = {key: data[key] for key in ("overlap_ratio", "step_px", "jitter_px")}
    step = raster_step((size, size), side, **settings)
    check_scan_memory(((size - side) // step + 1) ** 2, side)

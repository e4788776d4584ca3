"""Versions, source code and hardware of a run."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

PACKAGES = ("ptycho-bench", "torch", "lightning", "hydra-core", "omegaconf", "numpy", "h5py")


def git_state() -> dict[str, object]:
    """Return the commit of the checkout this package runs from, and whether its code or configuration is modified.

    The dictionary is empty outside a checkout.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {}
    commit, status = (
        subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
        for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "ptycho_bench", "conf"))
    )
    if commit.returncode or status.returncode:
        return {}
    return {"commit": commit.stdout.strip(), "modified": bool(status.stdout.strip())}


def processor() -> str:
    """Return the name of the CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def device_description(device: str) -> dict[str, object]:
    """Return columns that describe the device on which a benchmark was measured.

    Args:
        device: `cpu` or `cuda`.

    Returns:
        The device, the number of CPU threads, and the name of the GPU or CPU (`machine`).
    """
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return {"device": device, "threads": torch.get_num_threads(), "machine": name}


def collect_environment() -> dict[str, object]:
    """Return versions, git state and hardware as plain data that JSON can hold."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "git": git_state(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": gpus,
    }

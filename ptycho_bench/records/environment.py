"""What a run ran on: versions, code, machine."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

PACKAGES = ("ptycho-bench", "torch", "lightning", "hydra-core", "omegaconf", "numpy", "h5py")


def git_state() -> dict[str, object]:
    """Commit of the checkout this package runs from, and whether code or configuration differ from it; empty outside
    a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {}
    commit, status = (
        subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "ptycho_bench", "conf"))
    )
    if commit.returncode or status.returncode:
        return {}
    return {"commit": commit.stdout.strip(), "modified": bool(status.stdout.strip())}


def processor() -> str:
    """Name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine(device: str) -> dict[str, object]:
    """What a benchmark's row says of where it was measured: device (cpu or cuda), threads of a CPU, name."""
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return {"device": device, "threads": torch.get_num_threads(), "machine": name}


def environment() -> dict[str, object]:
    """Everything above as plain data."""
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

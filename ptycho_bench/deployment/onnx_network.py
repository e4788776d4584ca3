"""An exported network run by ONNX Runtime, with the face of `PtychoNetwork` that a reconstruction needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.deployment.metadata import INPUT, OUTPUT, read_metadata
from ptycho_bench.deployment.packages import require_packages
from ptycho_bench.network.neighbours import neighbourhoods

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxNetwork:
    """A file of ptycho-export; `metadata` has its parts by name, `description` is the checkpoint's.

    Args:
        path: the file.
        device: `cpu`, `cuda`, or `auto`: CUDA where ONNX Runtime has it. A CPU works with as many threads as PyTorch.

    Raises:
        ValueError: no file, not an ONNX file of ptycho-export, or ONNX Runtime or its CUDA is not installed.
    """

    def __init__(self, path: str | Path, *, device: str) -> None:
        require_packages("onnxruntime")
        self.session = started(Path(path), device)
        self.runs_on = "cuda" if PROVIDERS["cuda"] in self.session.get_providers() else "cpu"
        if device == "cuda" and self.runs_on != device:  # it only warns
            raise ValueError(f"device=cuda: ONNX Runtime could not start {PROVIDERS['cuda']}; use device=cpu")
        self.metadata = read_metadata(self.session.get_modelmeta().custom_metadata_map, str(path))
        self.description = self.metadata["description"]
        batch = self.session.get_inputs()[0].shape[0]
        self.batch = batch if isinstance(batch, int) else None  # fixed, or None: any

    @property
    def device(self) -> torch.device:
        """Where what it predicts lies."""
        return torch.device("cpu")

    @property
    def neighbours(self) -> int:
        """Scan points on each side that are seen beside the pattern itself."""
        return self.metadata["input"]["neighbours"]

    @property
    def circular(self) -> bool:
        """Whether phases are averaged as unit vectors."""
        return self.metadata["output"]["circular"]

    def run(self, diffraction: np.ndarray) -> np.ndarray:
        """Float32 (B, K, H, W), photons, to (B, 2, H, W), amplitude and phase (radians); a fixed batch is filled up."""
        if self.batch is None:
            return self.session.run([OUTPUT], {INPUT: diffraction})[0]
        parts = [diffraction[first : first + self.batch] for first in range(0, len(diffraction), self.batch)]
        return np.concatenate([self.run_filled(part) for part in parts])

    def run_filled(self, diffraction: np.ndarray) -> np.ndarray:
        """At most one fixed batch, empty patterns added and their results taken away."""
        missing = self.batch - len(diffraction)
        filled = np.pad(diffraction, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else diffraction
        return self.session.run([OUTPUT], {INPUT: filled})[0][: len(diffraction)]

    def predict(self, intensity: Tensor, *, batch_size: int, neighbours: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Patches behind measured patterns, see `PtychoNetwork.predict`."""
        batches = neighbourhoods(intensity, neighbours, self.metadata["input"]["patterns"], batch_size)
        found = torch.cat([torch.from_numpy(self.run(batch.contiguous().numpy())) for batch in batches])
        return found[:, 0], found[:, 1]


def started(path: Path, device: str) -> "InferenceSession":
    """ONNX Runtime with a file loaded; see `OnnxNetwork`."""
    import onnxruntime

    if not path.is_file():
        raise ValueError(f"no file {path}; ptycho-export CHECKPOINT writes one")
    there = onnxruntime.get_available_providers()
    wanted = "cuda" if device == "auto" and PROVIDERS["cuda"] in there else device.replace("auto", "cpu")
    if PROVIDERS[wanted] not in there:
        raise ValueError(
            f"device={device} needs ONNX Runtime with {PROVIDERS[wanted]}, which this one lacks; pip install "
            "onnxruntime-gpu, or use device=cpu"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors: what it warns of is its own optimiser's business
    providers = list(dict.fromkeys((PROVIDERS[wanted], PROVIDERS["cpu"])))
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except Exception as error:
        raise ValueError(f"{path} cannot be read as ONNX ({type(error).__name__}); is it complete?") from error

"""Run an exported network in ONNX Runtime, with the interface of `PtychoNetwork` that a reconstruction needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.deployment.digest import read_sealed
from ptycho_bench.deployment.metadata import INPUT, OUTPUT, check_graph, read_metadata
from ptycho_bench.deployment.packages import require_packages
from ptycho_bench.network.neighbours import neighbourhoods

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxNetwork:
    """A network exported by ptycho-export.

    `metadata` contains the parts of `read_metadata`, and `description` the checkpoint's description.

    Args:
        path: the file.
        device: `cpu`, `cuda`, or `auto` for CUDA if ONNX Runtime supports it. A CPU uses as many threads as PyTorch.

    Raises:
        ValueError: If the file is missing, has changed or is not an ONNX file of ptycho-export, or ONNX Runtime or its
            CUDA provider is not installed.
    """

    def __init__(self, path: str | Path, *, device: str) -> None:
        require_packages("onnxruntime")
        self.session = start_session(Path(path), device)
        self.runs_on = "cuda" if PROVIDERS["cuda"] in self.session.get_providers() else "cpu"
        if device == "cuda" and self.runs_on != device:  # ONNX Runtime only warns
            raise ValueError(f"device=cuda: ONNX Runtime could not start {PROVIDERS['cuda']}; use device=cpu")
        self.metadata = read_metadata(self.session.get_modelmeta().custom_metadata_map, str(path))
        ends = self.session.get_inputs(), self.session.get_outputs()
        inputs, outputs = ({node.name: node.shape for node in nodes} for nodes in ends)
        try:
            check_graph(inputs, outputs, self.metadata)
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}; export the checkpoint again") from error
        self.description = self.metadata["description"]
        batch = self.session.get_inputs()[0].shape[0]
        self.batch = batch if isinstance(batch, int) else None  # fixed batch size; None allows any

    @property
    def device(self) -> torch.device:
        """Device of the predictions."""
        return torch.device("cpu")

    @property
    def neighbours(self) -> int:
        """Number of scan points on each side whose patterns are part of the input."""
        return self.metadata["input"]["neighbours"]

    @property
    def circular(self) -> bool:
        """Whether phases are averaged as unit vectors."""
        return self.metadata["output"]["circular"]

    def run(self, diffraction: np.ndarray) -> np.ndarray:
        """Run the network; a fixed batch is filled up with empty patterns.

        Args:
            diffraction: float32 (B, K, H, W), photons.

        Returns:
            float32 (B, 2, H, W), amplitude and phase, radians.
        """
        if self.batch is None:
            return self.session.run([OUTPUT], {INPUT: diffraction})[0]
        parts = [diffraction[first : first + self.batch] for first in range(0, len(diffraction), self.batch)]
        return np.concatenate([self.run_filled(part) for part in parts])

    def run_filled(self, diffraction: np.ndarray) -> np.ndarray:
        """Run at most one fixed batch: empty patterns are added and their results removed."""
        missing = self.batch - len(diffraction)
        filled = np.pad(diffraction, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else diffraction
        return self.session.run([OUTPUT], {INPUT: filled})[0][: len(diffraction)]

    def predict(self, intensity: Tensor, *, batch_size: int, neighbours: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Predict the patches behind measured patterns, see `PtychoNetwork.predict`."""
        batches = neighbourhoods(intensity, neighbours, self.metadata["input"]["patterns"], batch_size)
        found = torch.cat([torch.from_numpy(self.run(batch.contiguous().numpy())) for batch in batches])
        return found[:, 0], found[:, 1]


def start_session(path: Path, device: str) -> "InferenceSession":
    """Load a file in ONNX Runtime; see `OnnxNetwork`."""
    import onnxruntime

    content = read_sealed(path)
    available = onnxruntime.get_available_providers()
    chosen = "cuda" if device == "auto" and PROVIDERS["cuda"] in available else device.replace("auto", "cpu")
    if PROVIDERS[chosen] not in available:
        raise ValueError(
            f"device={device} needs ONNX Runtime with {PROVIDERS[chosen]}, but it is not installed; pip install "
            "onnxruntime-gpu, or use device=cpu"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only; its warnings concern graph optimisation
    providers = list(dict.fromkeys((PROVIDERS[chosen], PROVIDERS["cpu"])))
    try:
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:
        raise ValueError(f"{path} cannot be read as ONNX ({type(error).__name__}); is it complete?") from error

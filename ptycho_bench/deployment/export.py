"""Export a network to one ONNX file and check that ONNX Runtime computes the same as PyTorch."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ptycho_bench.data.atomic import replacing
from ptycho_bench.deployment.digest import sealed
from ptycho_bench.deployment.metadata import INPUT, OUTPUT
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from ptycho_bench.deployment.packages import require_packages
from ptycho_bench.network.network import PtychoNetwork

OPSET = 20
LIMIT = 1e-4  # largest difference from PyTorch, as a fraction of an output's range
SMALLEST_RANGE = 0.02  # as a fraction of an output's magnitude; LIMIT of a smaller range is below float32 precision
DYNAMIC_BATCHES = (1, 3)  # sizes that are compared if the batch is dynamic
TRACED_BATCH = 2  # a size of 1 would become a constant in the graph


class ObjectPatches(nn.Module):
    """A network whose outputs are stacked in one tensor: patterns (B, K, H, W), photons, to (B, 2, H, W)."""

    def __init__(self, network: PtychoNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, diffraction: Tensor) -> Tensor:
        return torch.stack(self.network(diffraction), dim=1)


def export_network(
    network: PtychoNetwork, path: Path, *, size_px: int, batch: int | None, metadata: Mapping[str, str]
) -> float:
    """Export a network; the file is kept only if ONNX Runtime computes the same as PyTorch.

    Args:
        network: the network, on the CPU and in evaluation mode.
        path: the file to write.
        size_px: side of a pattern.
        batch: fixed batch size; None allows any.
        metadata: metadata of the file, see `metadata_of`.

    Returns:
        Largest difference between ONNX Runtime and PyTorch, as a fraction of the output's range.

    Raises:
        ValueError: If the batch is below 1, packages are missing, ONNX cannot represent the architecture, or the
            difference is above `LIMIT`. No file is left then.
    """
    require_packages("onnx", "onnxscript", "onnxruntime")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}; null allows any batch size")
    patches = ObjectPatches(network).eval()
    with replacing(path) as unchecked:
        write_graph(patches, unchecked, random_counts(network, batch or TRACED_BATCH, size_px), batch, metadata)
        exported = OnnxNetwork(unchecked, device="cpu")
        sizes = DYNAMIC_BATCHES if batch is None else (batch,)
        found = [largest_difference(patches, exported, random_counts(network, size, size_px)) for size in sizes]
        largest = torch.tensor(found).max().item()
        if not largest <= LIMIT:  # NaN is not
            raise ValueError(
                f"ONNX Runtime and PyTorch differ by {largest:.1e} of the output's range, the limit is {LIMIT:.0e}; no "
                "file was written, use the checkpoint itself"
            )
    return largest


def write_graph(
    patches: ObjectPatches, path: Path, counts: Tensor, batch: int | None, metadata: Mapping[str, str]
) -> None:
    """Trace a network, convert it to ONNX and save it as one file that ends with its digest.

    Raises:
        ValueError: If ONNX cannot represent an operation.
    """
    model = type(patches.network.model).__name__
    try:
        with exporter_silenced():
            program = torch.onnx.export(
                patches, (counts,), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=[INPUT], output_names=[OUTPUT],
                dynamic_shapes=({0: "batch"},) if batch is None else None,
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        fault = root_cause(error)
        raise ValueError(f"{model} cannot be written as ONNX: {fault}; use the checkpoint itself") from error
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, which contain paths of this machine
    program.model.metadata_props.update(metadata)
    program.save(path, external_data=False)
    path.write_bytes(sealed(path.read_bytes()))


def root_cause(error: BaseException) -> str:
    """Return the first line of the message of the error that caused an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def exporter_silenced() -> Iterator[None]:
    """Suppress the warnings and log messages of PyTorch's exporter; it reports failures as exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def random_counts(network: PtychoNetwork, batch: int, size_px: int) -> Tensor:
    """Draw Poisson counts up to the maximum in training, most pixels dark; the last of several patterns is empty.

    Returns:
        Real (batch, patterns, size_px, size_px), photons.
    """
    generator = torch.Generator().manual_seed(batch)
    shape = (batch, network.input_transform.patterns, size_px, size_px)
    rate = network.scaling.intensity_max * torch.rand(shape, generator=generator) ** 16
    counts = torch.poisson(rate, generator=generator)
    if batch * network.input_transform.patterns > 1:
        counts[-1, -1] = 0
    return counts


@torch.inference_mode()
def largest_difference(patches: ObjectPatches, exported: OnnxNetwork, counts: Tensor) -> float:
    """Return the largest difference between both for the same counts, as a fraction of each output's range.

    A circular phase is compared as unit vectors. The result is NaN if any output is.
    """
    expected, found = patches(counts), torch.from_numpy(exported.run(counts.numpy()))
    phase = patches.network.phase
    outputs = [(expected[:, channel], found[:, channel]) for channel in range(2)]
    if phase.circular:  # -pi and pi are the same phase
        outputs[1] = tuple(phase.encode(one) for one in outputs[1])
    return torch.stack([relative_difference(*pair) for pair in outputs]).max().item()


def relative_difference(expected: Tensor, found: Tensor) -> Tensor:
    """Return the largest difference as a fraction of the range, or of `SMALLEST_RANGE` of the magnitude if larger."""
    span = torch.maximum(expected.max() - expected.min(), SMALLEST_RANGE * expected.abs().max())
    difference = (expected - found).abs().max()
    return difference / span if span > 0 else difference

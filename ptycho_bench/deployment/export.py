"""A network to one ONNX file, which is there only if ONNX Runtime computes with it what PyTorch does."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ptycho_bench.deployment.metadata import INPUT, OUTPUT
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from ptycho_bench.deployment.packages import require_packages
from ptycho_bench.network.network import PtychoNetwork

OPSET = 20
LIMIT = 1e-4  # largest difference to PyTorch, of an output's range
FLAT = 0.02  # of an output's magnitude; LIMIT of less would ask for more digits than float32 has
DYNAMIC_BATCHES = (1, 3)  # that are compared
TRACED_BATCH = 2  # the size 1 would become a constant of the graph


class ObjectPatches(nn.Module):
    """A network with both outputs as one tensor: patterns (B, K, H, W), photons, to (B, 2, H, W)."""

    def __init__(self, network: PtychoNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, diffraction: Tensor) -> Tensor:
        return torch.stack(self.network(diffraction), dim=1)


def export_network(
    network: PtychoNetwork, path: Path, *, size_px: int, batch: int | None, metadata: Mapping[str, str]
) -> float:
    """Write a network, run the file, and give it its name if it computes the same.

    Args:
        network: on the CPU, in evaluation mode.
        path: the file.
        size_px: side of a pattern.
        batch: patches at once; None: any number.
        metadata: see `metadata_of`.

    Returns:
        Largest difference between ONNX Runtime and PyTorch, as a fraction of the output's range.

    Raises:
        ValueError: a batch below 1, packages that are missing, an architecture that ONNX cannot hold, or a difference
            above `LIMIT`; no file is left then.
    """
    require_packages("onnx", "onnxscript", "onnxruntime")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}; null leaves it open")
    patches = ObjectPatches(network).eval()
    unchecked = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write_graph(patches, unchecked, random_counts(network, batch or TRACED_BATCH, size_px), batch, metadata)
        exported = OnnxNetwork(unchecked, device="cpu")
        sizes = DYNAMIC_BATCHES if batch is None else (batch,)
        found = [largest_difference(patches, exported, random_counts(network, size, size_px)) for size in sizes]
        largest = torch.tensor(found).max().item()
        if not largest <= LIMIT:  # NaN is not
            raise ValueError(
                f"ONNX Runtime computes something else than PyTorch: off by {largest:.1e} of the output's range, the "
                f"bound is {LIMIT:.0e}; no file was left, use the checkpoint itself"
            )
        os.replace(unchecked, path)
    finally:
        unchecked.unlink(missing_ok=True)
    return largest


def write_graph(
    patches: ObjectPatches, path: Path, counts: Tensor, batch: int | None, metadata: Mapping[str, str]
) -> None:
    """Trace, convert and save as one file.

    Raises:
        ValueError: an operation that ONNX does not have.
    """
    model = type(patches.network.model).__name__
    try:
        with quiet():
            program = torch.onnx.export(
                patches, (counts,), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=[INPUT], output_names=[OUTPUT],
                dynamic_shapes=({0: "batch"},) if batch is None else None,
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(f"{model} cannot be written as ONNX: {cause(error)}; use the checkpoint itself") from error
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with this machine's folders
    program.model.metadata_props.update(metadata)
    program.save(path, external_data=False)


def cause(error: BaseException) -> str:
    """First line of what an error comes from in the end."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's remarks on itself: what is wrong, it raises."""
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
    """Poisson counts up to the training maximum, most pixels dark; of several patterns the last is empty."""
    generator = torch.Generator().manual_seed(batch)
    shape = (batch, network.input_transform.patterns, size_px, size_px)
    rate = network.scaling.intensity_max * torch.rand(shape, generator=generator) ** 16
    counts = torch.poisson(rate, generator=generator)
    if batch * network.input_transform.patterns > 1:
        counts[-1, -1] = 0
    return counts


@torch.inference_mode()
def largest_difference(patches: ObjectPatches, exported: OnnxNetwork, counts: Tensor) -> float:
    """Between both on the same counts, as a fraction of each output's range; a circular phase is compared as points."""
    expected, found = patches(counts), torch.from_numpy(exported.run(counts.numpy()))
    phase = patches.network.phase
    outputs = [(expected[:, channel], found[:, channel]) for channel in range(2)]
    if phase.circular:  # -pi and pi are one
        outputs[1] = tuple(phase.encode(one) for one in outputs[1])
    return torch.stack([relative_difference(*pair) for pair in outputs]).max().item()  # NaN where one is


def relative_difference(expected: Tensor, found: Tensor) -> Tensor:
    """Largest difference as a fraction of the range, or of `FLAT` times the magnitude where the range is less."""
    span = torch.maximum(expected.max() - expected.min(), FLAT * expected.abs().max())
    difference = (expected - found).abs().max()
    return difference / span if span > 0 else difference

"""Read a trained network from a checkpoint or an ONNX file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ptycho_bench.config.checkpoint import KEY, check_description, read_checkpoint, restore_network
from ptycho_bench.config.device import device_named
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from ptycho_bench.network.network import PtychoNetwork


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network that has been read from a file.

    Args:
        description: see `config.checkpoint.Description`.
        network: function that returns the network on its device, given the content hash of the scan that it is for.
        device: device of the network, `cpu` or `cuda`.
    """

    description: Mapping
    network: Callable[[str], PtychoNetwork | OnnxNetwork]
    device: str


def read_trained(path: str, device: str) -> Trained:
    """Read a trained network.

    Args:
        path: a checkpoint, or an ONNX file of ptycho-export.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        ValueError: If the file cannot be read, or there is no such device.
    """
    if path.endswith(".onnx"):
        exported = OnnxNetwork(path, device=device)
        return Trained(
            description=check_description(exported.description, path),
            network=partial(exported_for, exported, path),
            device=exported.runs_on,
        )
    checkpoint, named = read_checkpoint(path), device_named(device)
    return Trained(
        description=checkpoint[KEY],
        network=lambda content_hash: restore_network(checkpoint, content_hash).to(named),
        device=named,
    )


def exported_for(exported: OnnxNetwork, path: str, content_hash: str) -> OnnxNetwork:
    """Return the exported network for a scan.

    Raises:
        ValueError: If the network was trained on this scan with the scan's own scaling, and the file contains another.
    """
    held = exported.metadata["scaling_of"]
    if content_hash in exported.description.get("own_scaling", {}) and content_hash != held:
        contained = "the joint scaling" if held is None else f"that of scan {held[:10]}"
        raise ValueError(
            f"{path} contains {contained}, this scan has its own; ptycho-export CHECKPOINT scan={content_hash[:10]}"
        )
    return exported

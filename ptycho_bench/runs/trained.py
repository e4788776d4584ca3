"""A trained network's file, checkpoint or ONNX, as what a reconstruction takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ptycho_bench.cli.evaluate import device_named
from ptycho_bench.config.build import read_checkpoint, restore_network
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from ptycho_bench.network.network import PtychoNetwork


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a file says of a network, and the network.

    Args:
        description: the checkpoint's, see `runs.prepare.prepare`.
        network: takes the content hash of the scan it is for; gives the network, in place.
        device: where it works, cpu or cuda.
    """

    description: Mapping
    network: Callable[[str], PtychoNetwork | OnnxNetwork]
    device: str


def read_trained(path: str, device: str) -> Trained:
    """The network of a file, for a device: auto, cpu or cuda.

    Raises:
        ValueError: a file that cannot be read, or a device there is not.
    """
    if path.endswith(".onnx"):
        exported = OnnxNetwork(path, device=device)
        return Trained(
            description=exported.description, network=partial(fitting, exported, path), device=exported.runs_on
        )
    checkpoint, named = read_checkpoint(path), device_named(device)
    return Trained(
        description=checkpoint["ptycho_bench"],
        network=lambda content_hash: restore_network(checkpoint, content_hash).to(named),
        device=named,
    )


def fitting(exported: OnnxNetwork, path: str, content_hash: str) -> OnnxNetwork:
    """The exported network, for a scan of that hash.

    Raises:
        ValueError: the scan was trained on in a scaling of its own, and another is in the file.
    """
    held = exported.metadata["scaling_of"]
    if content_hash in exported.description.get("own_scaling", {}) and content_hash != held:
        raise ValueError(
            f"{path} holds {'the joint scaling' if held is None else f'that of scan {held[:10]}'}, this scan has its "
            f"own; ptycho-export CHECKPOINT scan={content_hash[:10]}"
        )
    return exported

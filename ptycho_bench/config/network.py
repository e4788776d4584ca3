"""Build networks and losses from plain descriptions."""

from collections.abc import Mapping

import torch

from ptycho_bench.config.build import build
from ptycho_bench.losses.base import Channels, Loss
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.scaling import NEUTRAL, Scaling
from ptycho_bench.physics.memory import check_memory

PARTS = ("model", "input", "amplitude", "phase")  # of a network; each is the group of conf/ that may name its classes


def build_part(description: Mapping, part: str, **extra: object) -> object:
    """Build one part of a network; only classes that conf/ names in the part's own group are allowed."""
    return build(description[part], group=part, **extra)


def build_model(description: Mapping) -> torch.nn.Module:
    """Build the architecture, with the number of channels that input and phase representation need.

    Args:
        description: has `model`, `input`, `phase` and `size_px`.
    """
    return build_part(
        description,
        "model",
        size_px=description["size_px"],
        in_channels=build_part(description, "input", scaling=NEUTRAL).in_channels,
        phase_channels=build_part(description, "phase", scaling=NEUTRAL).channels,
    )


def check_forward(description: Mapping) -> None:
    """Run the architecture once on the meta device, so that mistakes are reported before data are simulated.

    Args:
        description: see `build_model`.

    Raises:
        ValueError: If sizes do not fit together, the outputs have another size than the pattern, or the training of so
            large a network needs more memory than this machine has.
    """
    side, channels = description["size_px"], build_part(description, "input", scaling=NEUTRAL).in_channels
    phase_channels = build_part(description, "phase", scaling=NEUTRAL).channels
    try:
        with torch.device("meta"):
            model = build_model(description).eval()
            outputs = model(torch.zeros(1, channels, side, side))
        shapes = [tuple(output.shape) for output in outputs]
    except (RuntimeError, IndexError, TypeError) as error:
        raise ValueError(f"model: its values do not fit together ({error}); compare them with --cfg job") from error
    parameters = sum(parameter.numel() for parameter in model.parameters())
    check_memory(
        parameters * 4 * 4,  # weights, gradients and both moments of Adam, single precision
        f"the training of a network with {parameters:,} parameters",
        "lower the widths or the number of layers of the model",
    )
    if shapes != [(1, 1, side, side), (1, phase_channels, side, side)]:
        raise ValueError(
            f"model: gives {shapes} for a pattern of {side} px; amplitude (1, 1, {side}, {side}) and phase "
            f"(1, {phase_channels}, {side}, {side}) are needed"
        )


def build_loss(node: Mapping, amplitude: Mapping, phase: Mapping) -> Loss:
    """Build a loss that fits the representations of amplitude and phase.

    Args:
        node: configuration node or description of the loss.
        amplitude: configuration node or description of the amplitude representation.
        phase: configuration node or description of the phase representation.

    Raises:
        ValueError: If the loss cannot be used with these representations.
    """
    represented = build(phase, scaling=NEUTRAL)
    amplitude_range = build(amplitude, scaling=NEUTRAL).data_range
    return build(node, channels=Channels(amplitude_range, represented.data_range, represented.circular))


def build_network(description: Mapping, model: torch.nn.Module, content_hash: str | None = None) -> PtychoNetwork:
    """Build the whole network around an architecture.

    Args:
        description: see `build_model`; also has `amplitude`, `scaling` and, if each scan has its own scaling,
            `own_scaling` by content hash.
        model: the architecture.
        content_hash: of the scan that the network is for; None, or one without a scaling of its own, takes the joint
            scaling.
    """
    scaling = scaling_of(description, content_hash)
    return PtychoNetwork(
        model=model,
        input_transform=build_part(description, "input", scaling=scaling),
        amplitude=build_part(description, "amplitude", scaling=scaling),
        phase=build_part(description, "phase", scaling=scaling),
        scaling=scaling,
    )


def scaling_of(description: Mapping, content_hash: str | None = None) -> Scaling:
    """Return the ranges that a network was trained with; see `build_network`."""
    return Scaling(**description.get("own_scaling", {}).get(content_hash, description["scaling"]))

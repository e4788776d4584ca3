"""From configuration to objects: the one place that calls Hydra's instantiate."""

import inspect
import types
import typing
from collections.abc import Mapping
from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.cli.errors import nearest
from ptycho_bench.config.identity import SCHEMA
from ptycho_bench.losses.base import Channels, Loss
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.scaling import NEUTRAL, Scaling


def build(node: DictConfig | dict, **extra: object) -> object:
    """Call a node's `_target_` with its values and what the command adds.

    Raises:
        ValueError: a key that a target does not take, or a value of another type than it is annotated with.
    """
    node = OmegaConf.create(node) if isinstance(node, dict) else node
    check_node(node)
    # extra objects go past Hydra, which would turn dataclasses into configuration
    return hydra.utils.instantiate(node, _convert_="all", _partial_=True)(**extra)


def check_node(node: DictConfig) -> None:
    """Hold a node's keys and values, and those of nodes in it, against the signature of its `_target_`."""
    takes = inspect.signature(hydra.utils.get_object(node._target_)).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    for key, value in node.items():
        if OmegaConf.is_dict(value) and "_target_" in value:
            check_node(value)
        elif key in takes:
            check_type(f"{node._target_}: {key}", value, takes[key].annotation)
        elif not str(key).startswith("_") and not open_ended:
            raise ValueError(f"{node._target_} takes no {key!r}{nearest(str(key), takes)}; it takes {', '.join(takes)}")


def check_type(name: str, value: object, annotation: object) -> None:
    """Raise ValueError where a value is not of its annotated type; others than scalars, lists and tuples pass.

    A whole number is a float too; of a list or tuple, every item is checked.
    """
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    kinds = typing.get_args(annotation) if union else (annotation,)
    items = [typing.get_args(kind)[0] for kind in kinds if typing.get_origin(kind) in (list, tuple)]
    if items and OmegaConf.is_list(value):
        for item in value:
            check_type(f"each of {name}", item, items[0])
        return
    if len(items) == len(kinds):
        raise ValueError(f"{name} must be a list, got {value!r}; write [first,second]")
    allowed = {kind for kind in kinds if typing.get_origin(kind) not in (list, tuple)}
    if not allowed <= {int, float, bool, str, type(None)}:
        return
    if float in allowed:
        allowed.add(int)
    if type(value) not in allowed:
        wanted = " or ".join(sorted("null" if kind is type(None) else kind.__name__ for kind in allowed))
        raise ValueError(f"{name} must be {wanted}, got {value!r}")


def plain(node: DictConfig) -> dict:
    """A node as dicts, lists, strings and numbers, its interpolations resolved."""
    return OmegaConf.to_container(node, resolve=True)


def build_model(description: Mapping) -> torch.nn.Module:
    """The network's architecture alone, channels and size fitted to input, phase and pattern.

    Args:
        description: `model`, `input`, `phase` as plain nodes, and `size_px`.
    """
    return build(
        description["model"],
        size_px=description["size_px"],
        in_channels=build(description["input"], scaling=NEUTRAL).in_channels,
        phase_channels=build(description["phase"], scaling=NEUTRAL).channels,
    )


def check_forward(description: Mapping) -> None:
    """Send one pattern without values through the architecture, so that what cannot work fails before data is made.

    Raises:
        ValueError: sizes that do not fit together, or outputs of another size than the pattern.
    """
    side, channels = description["size_px"], build(description["input"], scaling=NEUTRAL).in_channels
    phase_channels = build(description["phase"], scaling=NEUTRAL).channels
    try:
        with torch.device("meta"):
            outputs = build_model(description).eval()(torch.zeros(1, channels, side, side))
        shapes = [tuple(output.shape) for output in outputs]
    except (RuntimeError, IndexError, TypeError) as error:
        raise ValueError(f"model: its values do not fit together ({error}); compare them with --cfg job") from error
    if shapes != [(1, 1, side, side), (1, phase_channels, side, side)]:
        raise ValueError(
            f"model: gives {shapes} for a pattern of {side} px; amplitude (1, 1, {side}, {side}) and phase "
            f"(1, {phase_channels}, {side}, {side}) are needed"
        )


def build_loss(node: DictConfig | dict, amplitude: DictConfig | dict, phase: DictConfig | dict) -> Loss:
    """The loss, fitted to amplitude and phase representation.

    Raises:
        ValueError: a loss that makes no sense of this representation.
    """
    represented = build(phase, scaling=NEUTRAL)
    amplitude_range = build(amplitude, scaling=NEUTRAL).data_range
    return build(node, channels=Channels(amplitude_range, represented.data_range, represented.circular))


def build_network(description: Mapping, model: torch.nn.Module, content_hash: str | None = None) -> PtychoNetwork:
    """The whole network from its description.

    Args:
        description: what `build_model` takes, and `scaling`; with `own_scaling`, by content hash, where each scan has
            its own.
        model: the architecture.
        content_hash: of the scan it is for; one without a scaling of its own, or None, takes the joint one.
    """
    scaling = scaling_of(description, content_hash)
    return PtychoNetwork(
        model=model,
        input_transform=build(description["input"], scaling=scaling),
        amplitude=build(description["amplitude"], scaling=scaling),
        phase=build(description["phase"], scaling=scaling),
        scaling=scaling,
    )


def scaling_of(description: Mapping, content_hash: str | None = None) -> Scaling:
    """Ranges a network was trained with; see `build_network`."""
    return Scaling(**description.get("own_scaling", {}).get(content_hash, description["scaling"]))


def read_checkpoint(path: str | Path) -> dict:
    """A checkpoint's plain content: `ptycho_bench` (description), `state_dict` and Lightning's own.

    Raises:
        ValueError: the file is missing, no checkpoint, or not one of this package.
    """
    if not Path(path).is_file():
        raise ValueError(f"no checkpoint {path}; a finished run has one at outputs/runs/STUDY/RUN/best.ckpt")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a checkpoint ({type(error).__name__}); is it complete?") from error
    if not isinstance(checkpoint, dict) or "ptycho_bench" not in checkpoint:
        raise ValueError(f"{path} was not written by ptycho-train: it has no description under 'ptycho_bench'")
    schema = checkpoint["ptycho_bench"].get("schema")
    if schema != SCHEMA:
        raise ValueError(f"{path} has schema {schema}, this release reads {SCHEMA}; train it again")
    return checkpoint


def restore_network(checkpoint: Mapping, content_hash: str | None = None) -> PtychoNetwork:
    """Trained network from what `read_checkpoint` gives; in evaluation mode, on the CPU, channels last.

    Args:
        checkpoint: the file's content.
        content_hash: of the scan it is for, see `build_network`.
    """
    description = checkpoint["ptycho_bench"]
    network = build_network(description, build_model(description), content_hash)
    prefix = "network."
    weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    network.load_state_dict(weights)
    return network.eval().to(memory_format=torch.channels_last)  # PtychoNN predicts 1.5 times as fast, none slower


def load_network(path: str | Path, content_hash: str | None = None) -> PtychoNetwork:
    """Trained network from a checkpoint file, with no other file; see `restore_network`."""
    return restore_network(read_checkpoint(path), content_hash)

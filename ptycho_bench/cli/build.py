"""From configuration to objects: the one place that calls Hydra's instantiate."""

import difflib
import inspect
import typing
from collections.abc import Mapping
from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.data.scaling import Scaling
from ptycho_bench.network import PtychoNetwork


def build(node: DictConfig | dict, **extra: object) -> object:
    """Call a node's `_target_` with its values and what the command adds.

    Raises:
        ValueError: a key that the target does not take.
    """
    node = OmegaConf.create(node) if isinstance(node, dict) else node
    takes = inspect.signature(hydra.utils.get_object(node._target_)).parameters
    for key in node:
        if not str(key).startswith("_") and key not in takes:
            close = difflib.get_close_matches(str(key), list(takes), n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{node._target_} takes no {key!r}{hint}; it takes {', '.join(takes)}")
        if key in takes:
            check_type(f"{node._target_}: {key}", node[key], takes[key].annotation)
    # extra objects go past Hydra, which would turn dataclasses into configuration
    return hydra.utils.instantiate(node, _convert_="all", _partial_=True)(**extra)


def check_type(name: str, value: object, annotation: object) -> None:
    """Raise ValueError where a scalar's type is annotated and the value has another; a whole number is a float too."""
    allowed = set(typing.get_args(annotation) or (annotation,))
    if not allowed <= {int, float, bool, str, type(None)} or OmegaConf.is_config(value):
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
        in_channels=hydra.utils.get_class(description["input"]["_target_"]).channels,
        phase_channels=hydra.utils.get_class(description["phase"]["_target_"]).channels,
    )


def build_network(description: Mapping, model: torch.nn.Module) -> PtychoNetwork:
    """The whole network from its description, which also holds `scaling`."""
    scaling = Scaling(**description["scaling"])
    return PtychoNetwork(
        model=model,
        input_transform=build(description["input"], scaling=scaling),
        phase=build(description["phase"], scaling=scaling),
        scaling=scaling,
    )


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
        raise ValueError(f"{path} was not written by ptycho-train; bound: a description under 'ptycho_bench'")
    return checkpoint


def load_network(path: str | Path) -> PtychoNetwork:
    """Trained network from a checkpoint, with no other file; in evaluation mode, on the CPU."""
    checkpoint = read_checkpoint(path)
    description = checkpoint["ptycho_bench"]
    network = build_network(description, build_model(description))
    prefix = "network."
    weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    network.load_state_dict(weights)
    return network.eval()

"""How the cost of a network is named and counted, in profiles and in tables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

MIB_PER_PARAMETER = 4 / 2**20  # single precision
PROFILED = ("gflops", "milliseconds")  # costs that ptycho-profile measures


def stored_numbers(model: "nn.Module") -> int:
    """Return how many numbers a stored network consists of: parameters and running statistics of batch norm."""
    return sum(value.numel() for value in model.state_dict().values() if value.is_floating_point())


def profile_key(record: Mapping, device: str) -> str:
    """Return the key of a profile: model, input, phase, side of the patterns and kind of device.

    Args:
        record: results.json of a run, or a mapping with its `choices` and `data.pattern_px`.
        device: `cpu` or `cuda`.
    """
    choices = [record.get("choices", {}).get(group) for group in ("model", "input", "phase")]
    return "-".join(map(str, (*choices, record.get("data", {}).get("pattern_px"), device)))

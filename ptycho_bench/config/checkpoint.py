"""Read and check checkpoints and restore networks. Nothing in the file is run, interpolated or used as a path."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from ptycho_bench.config.description import KIND, check_stored
from ptycho_bench.config.network import PARTS, build_model, build_network
from ptycho_bench.config.registry import check_known
from ptycho_bench.config.validation import Strict, validated
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.training.digest import DIGEST, check_digest, read_unchecked

SCHEMA = 6  # raise it if older checkpoints can no longer be read
KEY = "ptycho_bench"  # under which a checkpoint contains the description
WEIGHTS = "network."  # prefix of the name of each weight
MOST_PX = 8192
MOST_POINTS = 10**8

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=200)]
Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Option = Annotated[str, Field(pattern=r"^[\w.+-]+$", max_length=100)]
Point = Annotated[int, Field(ge=0, le=MOST_POINTS)]
Range = Annotated[list[Point], Field(min_length=2, max_length=2)]


class StoredScaling(Strict):
    """See `network.scaling.Scaling`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    amplitude_low: float
    amplitude_high: float
    phase_low: float
    phase_high: float
    intensity_max: float
    intensity_p995: float
    log1p_mean: torch.Tensor | None
    log1p_deviation: float


class TestedScan(Strict):
    """The points of a scan that a run was trained and tested on.

    Args:
        name: of the data set.
        words: the words of a command line that name the scan, for messages only.
        content_hash: of the scan.
        points: indices of the tested scan points.
        train: the training points as rising ranges of indices, each [first, end).
        region_px: [first row, end row, first column, end column] that their patches cover, object pixels.
    """

    __test__ = False  # not for pytest

    name: Text
    words: Text
    content_hash: Hash
    points: list[Point]
    train: Annotated[list[Range], Field(min_length=1)]
    region_px: Annotated[list[float], Field(min_length=4, max_length=4)]

    @field_validator("train")
    @classmethod
    def rise(cls, ranges: list[list[int]]) -> list[list[int]]:
        """Refuse ranges that are empty, overlap, or are not in order."""
        edges = [edge for pair in ranges for edge in pair]
        for earlier, later in pairwise(edges):
            if earlier >= later:
                raise ValueError(f"its ranges [first, end) must rise, got {earlier} before {later}")
        return ranges


class Description(Strict):
    """Description of a network in a checkpoint: everything but the weights.

    Args:
        schema_: version of this layout.
        run: name of the run.
        choices: option taken from each group of conf/.
        size_px: side of a pattern.
        model: description of the architecture, see `config.description.describe`; also `input`, `amplitude`, `phase`.
        scaling: ranges of the training part, joint over all scans.
        own_scaling: ranges of each scan by its content hash, if each has its own.
        test: which points of each scan the run was trained and tested on.
        geometry: metres and electronvolts; None if unknown.
        data: description of the simulated scan without its files; None for files and for several scans.
        noise: description of the simulated noise.
        metrics: description of the metrics.
        stitch: description of the stitching.
    """

    schema_: int = Field(alias="schema")
    run: FileName
    choices: dict[Annotated[str, Field(max_length=100)], Option | None]
    size_px: Annotated[int, Field(ge=1, le=MOST_PX)]
    model: dict[str, Any]
    input: dict[str, Any]
    amplitude: dict[str, Any]
    phase: dict[str, Any]
    scaling: StoredScaling
    own_scaling: dict[Hash, StoredScaling] = Field(default_factory=dict)
    test: Annotated[list[TestedScan], Field(min_length=1)]
    geometry: dict[Option, float | None]
    data: dict[str, Any] | None
    noise: dict[str, Any] | None
    metrics: dict[str, Any]
    stitch: dict[str, Any]

    @field_validator(*PARTS, "data", "noise", "metrics", "stitch")
    @classmethod
    def hold_plain_values(cls, value: dict | None, info: ValidationInfo) -> dict | None:
        """Refuse values that name code or would be interpolated, and parts with classes of other groups."""
        if value is not None:
            check_stored(value, "it")
            if not isinstance(value.get(KIND), str):
                raise ValueError(f"it has no {KIND}")
            if info.field_name in PARTS:
                check_kinds(value, info.field_name)
        return value


def check_kinds(value: object, group: str) -> None:
    """Check that every class a description names belongs to a group of conf/.

    Raises:
        ValueError: If one does not.
    """
    if isinstance(value, dict):
        if KIND in value:
            check_known(str(value[KIND]), group)
        for item in value.values():
            check_kinds(item, group)
    elif isinstance(value, list):
        for item in value:
            check_kinds(item, group)


def check_description(stored: object, where: str) -> dict:
    """Check the description that a file contains.

    Args:
        stored: the description as it was read.
        where: the file, for the message.

    Returns:
        The description as plain values.

    Raises:
        ValueError: If it has another schema, or any of its values is not valid.
    """
    if not isinstance(stored, Mapping):
        raise ValueError(f"{where} contains no description of a network, but a {type(stored).__name__}; train it again")
    if stored.get("schema") != SCHEMA:
        raise ValueError(
            f"{where} has schema {str(stored.get('schema'))[:20]}, this release reads {SCHEMA}; train it again"
        )
    validated(Description, dict(stored), f"{where} cannot be used")
    return dict(stored)


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint's plain content: description under `ptycho_bench`, `state_dict`, and what Lightning adds.

    Raises:
        ValueError: If the file is missing or damaged, is not a checkpoint, or its description is not valid.
    """
    if not Path(path).is_file():
        raise ValueError(f"no checkpoint {path}; a finished run has one at outputs/runs/STUDY/RUN/best.ckpt")
    try:
        checkpoint = read_unchecked(path)
        if DIGEST in checkpoint:
            check_digest(checkpoint, path)
    except ValueError as error:
        raise ValueError(f"{error}; use a copy or train it again, with overwrite=true") from error
    if KEY not in checkpoint:
        raise ValueError(f"{path} was not written by ptycho-train: it has no description under {KEY!r}")
    description = check_description(checkpoint[KEY], str(path))
    if DIGEST not in checkpoint:
        raise ValueError(f"{path} contains no digest of its content; train it again")
    return {**checkpoint, KEY: description}


def restore_network(checkpoint: Mapping, content_hash: str | None = None) -> PtychoNetwork:
    """Build the trained network from what `read_checkpoint` returns.

    Args:
        checkpoint: the file's content.
        content_hash: of the scan that the network is for; see `config.network.build_network`.

    Returns:
        The network in evaluation mode, on the CPU, in channels-last layout.

    Raises:
        ValueError: If the weights do not fit the description.
    """
    description = checkpoint[KEY]
    network = build_network(description, build_model(description), content_hash)
    weights = {k.removeprefix(WEIGHTS): v for k, v in checkpoint["state_dict"].items() if k.startswith(WEIGHTS)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"the checkpoint's weights do not fit its network: {' '.join(str(error).split())[:300]}"
        ) from error
    return network.eval().to(memory_format=torch.channels_last)  # PtychoNN predicts 1.5 times as fast, none slower


def load_network(path: str | Path, content_hash: str | None = None) -> PtychoNetwork:
    """Load a trained network from a checkpoint file, which needs no other file; see `restore_network`."""
    return restore_network(read_checkpoint(path), content_hash)

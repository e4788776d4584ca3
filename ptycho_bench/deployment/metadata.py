"""What an ONNX file of this project says of itself: texts and JSON under `ptycho_bench.*` in its metadata_props."""

import importlib.metadata
import json
from collections.abc import Mapping

FORMAT = "1"  # raise it when a file of before can no longer be run
PREFIX = "ptycho_bench."
INPUT, OUTPUT = "diffraction", "obj_patches"
GEOMETRY = ("pixel_size_m", "energy_ev", "distance_m", "detector_pixel_m")
ORDER = (
    "scan points row by row from the upper left of the neighbourhood; the middle one's patch is predicted, a missing "
    "neighbour is all zeros"
)


def metadata_of(description: Mapping, *, neighbours: int, circular: bool, scaling_of: str | None) -> dict[str, str]:
    """Key to text, for metadata_props.

    Args:
        description: the checkpoint's, see `runs.prepare.prepare`.
        neighbours: scan points on each side that the network sees beside the pattern itself.
        circular: whether its phases are averaged as unit vectors.
        scaling_of: content hash of the one scan whose own scaling is in the graph; None: the joint one.
    """
    side, patterns = description["size_px"], (2 * neighbours + 1) ** 2
    parts = {
        "description": less_mean_patterns(description),
        "scaling_of": scaling_of,
        "input": {
            "name": INPUT,
            "dtype": "float32",
            "axes": ["batch", "patterns", "row", "column"],
            "shape": [None, patterns, side, side],
            "unit": "photons",
            "zero_frequency": [side // 2, side // 2],
            "neighbours": neighbours,
            "patterns": patterns,
            "order": ORDER if neighbours else "the pattern itself",
        },
        "output": {
            "name": OUTPUT,
            "dtype": "float32",
            "axes": ["batch", "channel", "row", "column"],
            "shape": [None, 2, side, side],
            "channels": ["amplitude", "phase"],
            "units": ["1", "rad"],
            "circular": circular,
        },
        "orientation": {
            "row": "y, downwards",
            "column": "x, to the right",
            "object": "transmission = amplitude * exp(+i phase)",
            "far_field": "sum over r of probe(r) transmission(r) exp(-2 pi i k r), row with row, column with column",
        },
        "geometry": {name: description.get("geometry", {}).get(name) for name in GEOMETRY},
    }
    texts = {"format": FORMAT, "version": importlib.metadata.version("ptycho-bench"), "run": description["run"]}
    return {PREFIX + key: text for key, text in (texts | {k: json.dumps(v) for k, v in parts.items()}).items()}


def less_mean_patterns(description: Mapping) -> dict:
    """A description without the scalings' mean patterns, (H, W) numbers that the graph holds where they are used."""

    def shortened(scaling: Mapping) -> dict:
        return {**scaling, "log1p_mean": None}

    own = {name: shortened(scaling) for name, scaling in description.get("own_scaling", {}).items()}
    joint = {**description, "scaling": shortened(description["scaling"])}
    return joint | ({"own_scaling": own} if own else {})


def read_metadata(texts: Mapping[str, str], path: str) -> dict:
    """The parts of `metadata_of`, by their names without prefix.

    Raises:
        ValueError: not a file of ptycho-export, or one of another format.
    """
    found = {key.removeprefix(PREFIX): text for key, text in texts.items() if key.startswith(PREFIX)}
    if "format" not in found:
        raise ValueError(
            f"{path} was not written by ptycho-export: its metadata has no {PREFIX}format; export CHECKPOINT"
        )
    if found["format"] != FORMAT:
        raise ValueError(
            f"{path} has format {found['format']}, this release reads {FORMAT}; export the checkpoint again"
        )
    plain = ("format", "version", "run")
    return {key: text if key in plain else json.loads(text) for key, text in found.items()}

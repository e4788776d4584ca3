"""Metadata of an exported network: texts and JSON under `ptycho_bench.*` in the metadata_props of an ONNX file."""

import importlib.metadata
import json
import re
from collections.abc import Mapping, Sequence

FORMAT = "2"  # raise it if older files can no longer be run
PREFIX = "ptycho_bench."
INPUT, OUTPUT = "diffraction", "obj_patches"
MOST_PX, MOST_BATCH = 8192, 10**6
GEOMETRY = ("pixel_size_m", "energy_ev", "distance_m", "detector_pixel_m")
ORDER = (
    "scan points row by row from the upper left of the neighbourhood; the patch of the central point is predicted, a "
    "missing neighbour is all zeros"
)
TEXTS, OBJECTS = ("format", "version", "run"), ("description", "input", "output", "orientation", "geometry")
FILE_NAME, HASH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"), re.compile(r"[0-9a-f]{64}")
MOST_NEIGHBOURS = 16


def metadata_of(description: Mapping, *, neighbours: int, circular: bool, scaling_of: str | None) -> dict[str, str]:
    """Return the metadata of an exported network as key to text, for metadata_props.

    Args:
        description: the checkpoint's description.
        neighbours: number of scan points on each side whose patterns are part of the input.
        circular: whether the network's phases are averaged as unit vectors.
        scaling_of: content hash of the scan whose own scaling is in the graph; None for the joint scaling.
    """
    side, patterns = description["size_px"], (2 * neighbours + 1) ** 2
    parts = {
        "description": shareable(description),
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


def shareable(description: Mapping) -> dict:
    """Return a description for a file that is passed on: without paths, and without the scalings' mean patterns.

    The words that name a tested scan may contain a path, so they are replaced by the scan's name. If the network uses
    a mean pattern, it is part of the graph.
    """

    def without_mean(scaling: Mapping) -> dict:
        return {**scaling, "log1p_mean": None}

    own = {name: without_mean(scaling) for name, scaling in description.get("own_scaling", {}).items()}
    tested = [{**scan, "words": scan["name"]} for scan in description["test"]]
    found = {**description, "test": tested, "scaling": without_mean(description["scaling"])}
    return found | ({"own_scaling": own} if own else {})


def read_metadata(texts: Mapping[str, str], path: str) -> dict:
    """Return the parts of `metadata_of` by their names without prefix.

    Args:
        texts: metadata of an ONNX file.
        path: the file, for messages.

    Raises:
        ValueError: If ptycho-export did not write the file, or the metadata are damaged or of another format.
    """
    found = {key.removeprefix(PREFIX): text for key, text in texts.items() if key.startswith(PREFIX)}
    if "format" not in found:
        raise ValueError(
            f"{path} was not written by ptycho-export: its metadata has no {PREFIX}format; export CHECKPOINT"
        )
    if found["format"] != FORMAT:
        raise ValueError(
            f"{path} has format {found['format'][:20]!r}, this release reads {FORMAT!r}; export the checkpoint again"
        )
    try:
        metadata = {key: found[key] for key in TEXTS}
        metadata |= {key: parsed(key, found[key]) for key in (*OBJECTS, "scaling_of")}
        check_metadata(metadata)
    except (KeyError, ValueError) as error:
        fault = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} is damaged: {PREFIX}{fault}; export the checkpoint again") from error
    return metadata


def parsed(key: str, text: str) -> object:
    """Parse JSON.

    Raises:
        ValueError: If the text is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{key} is not JSON") from error


def check_metadata(metadata: Mapping) -> None:
    """Check the types and values that the parts of `metadata_of` must have.

    Raises:
        ValueError: If one is wrong; the message begins with its key.
    """
    for key in TEXTS:
        if not isinstance(metadata[key], str) or not metadata[key].isprintable():
            raise ValueError(f"{key} must be a printable text, got {shown(metadata[key])}")
    if not FILE_NAME.fullmatch(metadata["run"]):
        raise ValueError(f"run must consist of letters, digits, '_', '.', '+' and '-', got {shown(metadata['run'])}")
    for key in OBJECTS:
        if not isinstance(metadata[key], dict):
            raise ValueError(f"{key} must be a JSON object, got {shown(metadata[key])}")
    scan, neighbours = metadata["scaling_of"], metadata["input"].get("neighbours")
    if scan is not None and not (isinstance(scan, str) and HASH.fullmatch(scan)):
        raise ValueError(f"scaling_of must be a hash of 64 hexadecimal digits or null, got {shown(scan)}")
    if type(neighbours) is not int or not 0 <= neighbours <= MOST_NEIGHBOURS:
        raise ValueError(f"input.neighbours must be an integer from 0 to {MOST_NEIGHBOURS}, got {shown(neighbours)}")
    patterns, expected = metadata["input"].get("patterns"), (2 * neighbours + 1) ** 2
    if type(patterns) is not int or patterns != expected:
        raise ValueError(f"input.patterns must be {expected} with {neighbours} neighbours, got {shown(patterns)}")
    circular = metadata["output"].get("circular")
    if not isinstance(circular, bool):
        raise ValueError(f"output.circular must be true or false, got {shown(circular)}")


def check_graph(inputs: Mapping[str, Sequence], outputs: Mapping[str, Sequence], metadata: Mapping) -> None:
    """Check that a graph takes patterns and returns patches as its metadata describe them.

    Args:
        inputs: shape of each input of the graph by its name; an axis of any length is not an integer.
        outputs: shape of each output.
        metadata: see `read_metadata`.

    Raises:
        ValueError: If it does not.
    """
    side, patterns = metadata["description"].get("size_px"), metadata["input"]["patterns"]
    if type(side) is not int or not 1 <= side <= MOST_PX:
        raise ValueError(f"description.size_px must be an integer from 1 to {MOST_PX}, got {shown(side)}")
    batch = next(iter(next(iter(inputs.values()), ())), None)
    if isinstance(batch, int) and not 1 <= batch <= MOST_BATCH:
        raise ValueError(f"input.shape has a batch of {batch}, it must lie in [1, {MOST_BATCH}]")
    expected = {INPUT: [batch, patterns, side, side]}, {OUTPUT: [batch, 2, side, side]}
    if (dict(inputs), dict(outputs)) != expected:
        raise ValueError(f"input and output are {dict(inputs)} and {dict(outputs)}, but must be {expected}")


def shown(value: object) -> str:
    """Return a value for a message: shortened, and only the type of a list or an object."""
    return type(value).__name__ if isinstance(value, (list, dict)) else f"{value!r:.40}"

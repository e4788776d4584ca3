"""Export a trained network as one ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptycho_bench.config.checkpoint import KEY, read_checkpoint, restore_network
from ptycho_bench.data.atomic import check_output
from ptycho_bench.deployment.export import export_network
from ptycho_bench.deployment.metadata import metadata_of


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported network.

    Args:
        path: the ONNX file.
        run: name of the run that trained it.
        side_px: side of a pattern.
        patterns: patterns that the network sees for each patch.
        difference: largest difference between ONNX Runtime and PyTorch, as a fraction of the output's range.
    """

    path: Path
    run: str
    side_px: int
    patterns: int
    difference: float


def export(checkpoint_path: str, *, out: Path | None, batch: int | None, scan: str | None, overwrite: bool) -> Exported:
    """Export a checkpoint's network and check the file.

    Args:
        checkpoint_path: the checkpoint.
        out: file to write, which ends in .onnx; None: the checkpoint's name with that suffix.
        batch: patches at once; None: any number.
        scan: name, or beginning of the content hash, of the training scan whose own scaling is used; None: the joint
            scaling.
        overwrite: whether an existing file is replaced.

    Raises:
        ValueError: If a value is impossible, the file exists and is not to be replaced, or the results of ONNX Runtime
            differ from those of PyTorch.
    """
    path = out or Path(checkpoint_path).with_suffix(".onnx")
    if path.suffix != ".onnx":
        raise ValueError(f"out must end in .onnx, by which ptycho-reconstruct recognises it, got {path}")
    checkpoint = read_checkpoint(checkpoint_path)
    check_output(path, overwrite=overwrite)
    description = checkpoint[KEY]
    own = None if scan is None else scan_named(description, scan)
    network = restore_network(checkpoint, own)
    metadata = metadata_of(description, neighbours=network.neighbours, circular=network.circular, scaling_of=own)
    path.parent.mkdir(parents=True, exist_ok=True)
    side = description["size_px"]
    difference = export_network(network, path, size_px=side, batch=batch, metadata=metadata)
    return Exported(
        path=path,
        run=description["run"],
        side_px=side,
        patterns=network.input_transform.patterns,
        difference=difference,
    )


def scan_named(description: Mapping, word: str) -> str:
    """Return the content hash of one of the scans that a network was trained on.

    Args:
        description: description of the network in the checkpoint.
        word: the scan's name, or the beginning of its content hash.

    Raises:
        ValueError: If the network has one scaling for all scans, or the word fits none or several of them.
    """
    if "own_scaling" not in description:
        raise ValueError(f"scan={word} chooses a scan's own scaling, but this network has one for all; leave it out")
    tested = description["test"]
    by_name = [one for one in tested if one["name"] == word]
    found = by_name or [one for one in tested if one["content_hash"].startswith(word)]
    if len(found) != 1:
        there = ", ".join(f"{one['name']} ({one['content_hash'][:10]})" for one in tested)
        raise ValueError(f"scan={word} fits {len(found)} of the {len(tested)} scans of training; there are {there}")
    return found[0]["content_hash"]

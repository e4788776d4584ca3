"""What the results of a command are, so that those of a disturbed run can be compared with those of another."""

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

VOLATILE = ("seconds", "memory", "environment", "milliseconds", "git", "repeats", "command")  # parts of keys
NOT_COMPARED = ("config.yaml", "env.json", "error.txt", "multirun.yaml", "plan.json")


def stable(value: object) -> object:
    """Return plain data without what differs from run to run."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if not any(word in k for word in VOLATILE)}
    return [stable(item) for item in value] if isinstance(value, list) else value


def of_json(path: Path) -> object:
    """Return a record without times."""
    return stable(json.loads(path.read_text()))


def of_csv(path: Path) -> object:
    """Return the rows of a table without times; of an epoch that occurs twice, the later row."""
    with path.open(newline="") as handle:
        rows = [stable(row) for row in csv.DictReader(handle)]
    return list({row.get("epoch", place): row for place, row in enumerate(rows)}.values())


def of_hdf5(path: Path) -> object:
    """Return the hash of each data set of a file."""
    import h5py
    import numpy as np

    found = {}

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = hashlib.sha256(np.ascontiguousarray(item[()])).hexdigest()

    with h5py.File(path) as handle:
        handle.visititems(add)
    return found


def of_npz(path: Path) -> object:
    """Return the checksum of each array of a file."""
    with zipfile.ZipFile(path) as archive:
        return {item.filename: item.CRC for item in archive.infolist()}


def of_checkpoint(path: Path) -> object:
    """Return the hash of each tensor of a checkpoint: weights, and the state of the optimiser."""
    import torch

    found = {}

    def add(name: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = hashlib.sha256(value.contiguous().numpy()).hexdigest()
        for key, item in value.items() if isinstance(value, dict) else enumerate(value if type(value) is list else ()):
            add(f"{name}/{key}", item)

    content = torch.load(path, weights_only=True, map_location="cpu")
    for part in ("state_dict", "optimizer_states"):
        add(part, content.get(part, {}))
    return found


READERS: dict[str, Callable[[Path], object]] = {
    ".json": of_json, ".csv": of_csv, ".h5": of_hdf5, ".cxi": of_hdf5, ".npz": of_npz, ".ckpt": of_checkpoint,
}  # fmt: skip


def results_of(work: Path) -> dict[str, object]:
    """Return the results below `outputs` and in the working folder itself, by their paths."""
    files = [*sorted((work / "outputs").rglob("*")), *sorted(work.glob("made.*"))]
    found = {}
    for path in files:
        if path.is_file() and path.suffix in READERS and path.name not in NOT_COMPARED and path.name[0] != ".":
            found[str(path.relative_to(work))] = json.loads(json.dumps(READERS[path.suffix](path)))
    return found


def difference(found: dict[str, object], expected: dict[str, object]) -> str:
    """Return the first file in which two results differ, or "" if they are equal."""
    for name in sorted({*found, *expected}):
        if name not in found or name not in expected:
            return f"{name} is {'missing' if name in expected else 'new'}"
        if found[name] != expected[name]:
            return f"{name} differs"
    return ""

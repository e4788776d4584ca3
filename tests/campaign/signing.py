"""Make a changed file look whole again, as an attacker would: content hashes and digests have no secret."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py

    from tests.campaign.bench import Bench

ORDER = ("diffraction", "amplitude", "phase", "positions_px", "scan_index", "probe", "object", "mask")
HISTORY = ("origin", "simulation_hash", "held_out")  # attributes that do not identify the data
MARKS = ("format_version", "content_hash", "history_hash")
DIGEST = b"ptycho_bench.digest"  # key of the last entry of an exported network
METADATA = 14  # number of metadata_props in ONNX' ModelProto


def plain(value: object) -> object:
    """Return an attribute as a Python value; an empty one is None."""
    import h5py
    import numpy as np

    if isinstance(value, h5py.Empty):
        return None
    return value.decode() if isinstance(value, bytes) else value.item() if isinstance(value, np.generic) else value


def hashes_of(handle: "h5py.File") -> dict[str, str]:
    """Return the hashes that an open file of this project stores, computed from its attributes and arrays."""
    import numpy as np

    known = {key: plain(value) for key, value in handle.attrs.items()}
    described = sorted((k, v) for k, v in known.items() if k not in (*HISTORY, *MARKS) and v is not None)
    digest = hashlib.sha256(repr(described).encode())
    for name in (name for name in ORDER if name in handle):
        array = np.asarray(handle[name][()])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    history = hashlib.sha256(repr([(name, known.get(name)) for name in HISTORY]).encode()).hexdigest()
    found = {"content_hash": digest.hexdigest(), "history_hash": history}
    return {name: value for name, value in found.items() if name in handle.attrs}


def check_known(path: Path) -> None:
    """Check that this module computes the stored hashes of an unchanged file.

    Raises:
        ValueError: If it does not, because the format has changed.
    """
    import h5py

    with h5py.File(path) as handle:
        if any(plain(handle.attrs[name]) != value for name, value in hashes_of(handle).items()):
            raise ValueError(f"{path} has hashes of another form; update tests/campaign/signing.py")


def change_scan(bench: "Bench", path: Path, change: Callable[["h5py.File"], None]) -> None:
    """Change a file of this project and store the hashes that fit the change."""
    import h5py
    import numpy as np

    check_known(bench.samples() / "scan.h5")
    with h5py.File(path, "r+") as handle:
        change(handle)
        for name, value in hashes_of(handle).items():
            handle.attrs[name] = np.bytes_(value.encode())


def change_checkpoint(bench: "Bench", path: Path, change: Callable[[dict], object]) -> None:
    """Change the content of a checkpoint and write it as a training would; if it cannot, leave it as it is."""
    import torch

    content = torch.load(path, weights_only=True)
    raw = path.with_suffix(".raw")
    torch.save(change(content) or content, raw)
    try:
        bench.target.sign(raw, path)
    except RuntimeError:  # the content is so strange that a training could not write it
        path.write_bytes(raw.read_bytes())
    raw.unlink()


def change_export(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes of an exported network and append the digest that fits them, if the file had one."""
    content = path.read_bytes()
    body = content[: -len(entry(content))] if DIGEST in content[-200:] else content
    changed = change(body)
    path.write_bytes(changed + (entry(changed) if body != content else b""))


def entry(body: bytes) -> bytes:
    """Return the entry of metadata_props with the digest of the bytes before it, as protobuf stores it."""

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(value)) + value

    return field(METADATA, field(1, DIGEST) + field(2, hashlib.sha256(body).hexdigest().encode()))


def varint(number: int) -> bytes:
    """Return a number as protobuf's varint."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])

"""Digests inside checkpoints, which tell a file that has been changed or damaged from the one that was written."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DIGEST = "ptycho_bench_digest"  # key of a checkpoint
PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


def digest_of(checkpoint: Mapping) -> str:
    """Return the SHA-256 of everything in a checkpoint except the digest that it contains.

    Args:
        checkpoint: tensors and plain values in dictionaries, lists and tuples.

    Raises:
        ValueError: If it contains anything else.
    """
    digest = hashlib.sha256()
    feed(digest.update, {key: value for key, value in checkpoint.items() if key != DIGEST})
    return digest.hexdigest()


def feed(update: Callable[[bytes], object], value: object) -> None:
    """Pass a value to a hash function, with its type and size, so that no two values give the same bytes."""
    if isinstance(value, Tensor):
        update(f"tensor {value.dtype} {tuple(value.shape)};".encode())
        update(tensor_bytes(value))
    elif isinstance(value, Mapping):
        update(f"mapping {len(value)};".encode())
        for item in value.items():
            feed(update, item)
    elif isinstance(value, (list, tuple)):
        update(f"{'list' if isinstance(value, list) else 'tuple'} {len(value)};".encode())
        for item in value:
            feed(update, item)
    elif isinstance(value, PLAIN):
        text = repr(value).encode("utf-8", "surrogatepass")
        update(f"{type(value).__name__} {len(text)};".encode() + text)
    else:
        raise ValueError(f"a checkpoint cannot contain a {type(value).__name__}")


def tensor_bytes(tensor: Tensor) -> memoryview:
    """Return the numbers of a tensor in order, as bytes.

    Raises:
        ValueError: If it has more numbers than it stores, for example because it was expanded.
    """
    if tensor.layout is not torch.strided or tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
        raise ValueError("a checkpoint can contain only tensors that store each of their numbers")
    return memoryview(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


def read_checked(path: str | Path, map_location: Any = "cpu") -> dict:
    """Read a checkpoint and check its digest.

    Args:
        path: the file.
        map_location: device of the tensors, see `torch.load`.

    Raises:
        ValueError: If the file cannot be read, is no checkpoint, has no digest, or its content does not match it.
    """
    checkpoint = read_unchecked(path, map_location)
    if DIGEST not in checkpoint:
        raise ValueError(f"{path} contains no digest of its content")
    check_digest(checkpoint, path)
    return checkpoint


def read_unchecked(path: str | Path, map_location: Any = "cpu") -> dict:
    """Read a checkpoint without running anything that it contains; see `read_checked`."""
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a checkpoint; it is damaged, incomplete or of another kind"
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f"{path} is not a checkpoint, but contains a {type(checkpoint).__name__}")
    return checkpoint


def check_digest(checkpoint: Mapping, path: str | Path) -> None:
    """Check a checkpoint against the digest that it contains.

    Raises:
        ValueError: If they do not match.
    """
    try:
        matches = digest_of(checkpoint) == checkpoint[DIGEST]
    except (ValueError, RecursionError):  # nothing that was written has such content
        matches = False
    if not matches:
        raise ValueError(f"{path} is damaged: its content does not match its digest")

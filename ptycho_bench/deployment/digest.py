"""A digest at the end of an ONNX file, which is checked before anything else reads the file.

The fields of a protobuf message may follow each other in any order, and repeated ones anywhere. The digest is therefore
one more entry of the model's `metadata_props` that is appended to the file: other programs read it as a text like any
other, and to check it needs neither the package onnx nor ONNX Runtime.
"""

import hashlib
import re
from pathlib import Path

from ptycho_bench.deployment.metadata import PREFIX

KEY = f"{PREFIX}digest".encode()
LARGEST = 2**31  # bytes of an ONNX file, a bound of protobuf
# The key `location` of a tensor's external data, also if the lengths before it are not written in the shortest way.
EXTERNAL = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")


def entry(digest: bytes) -> bytes:
    """Return an entry of `metadata_props`, field 14 of the model, with a key (field 1) and a digest (field 2)."""
    pair = b"\x0a" + bytes([len(KEY)]) + KEY + b"\x12" + bytes([len(digest)]) + digest
    return b"\x72" + bytes([len(pair)]) + pair


EMPTY = entry(64 * b"0")
START = EMPTY[:-64]  # what comes before the digest itself


def sealed(content: bytes) -> bytes:
    """Return the content of an ONNX file with the SHA-256 of all of it appended."""
    return content + entry(hashlib.sha256(content).hexdigest().encode())


def read_sealed(path: Path) -> bytes:
    """Return the content of a file that ptycho-export wrote.

    Raises:
        ValueError: If the file is missing or too large, was not written by ptycho-export, or has changed since, or if
            its weights are in another file.
    """
    if not path.is_file():
        raise ValueError(f"no file {path}; ptycho-export CHECKPOINT writes one")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST // 2**30} GiB, so it is no ONNX file; name another one")
    content = path.read_bytes()
    body, end = memoryview(content)[: -len(EMPTY)], content[-len(EMPTY) :]
    if not end.startswith(START):
        raise ValueError(
            f"{path} was not written by this release's ptycho-export, or is incomplete: it does not end with a digest; "
            "export the checkpoint again"
        )
    if end != entry(hashlib.sha256(body).hexdigest().encode()):
        raise ValueError(f"{path} has changed since it was written (its digest differs); export the checkpoint again")
    if EXTERNAL.search(content):
        raise ValueError(f"{path} refers to weights in another file, which are never read; export the checkpoint again")
    return content

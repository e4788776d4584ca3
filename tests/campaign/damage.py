"""Damage that any file can suffer: cut off, emptied, or replaced by something else."""

import random
from pathlib import Path

PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_to_few_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:12])


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def replaced_by_page(path: Path) -> None:
    path.write_bytes(PAGE)


def scrambled(path: Path) -> None:
    """Keep the first 64 bytes and replace the rest by noise."""
    content = path.read_bytes()
    path.write_bytes(content[:64] + random.Random(len(content)).randbytes(max(200, len(content) - 64)))


def replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def gone(path: Path) -> None:
    path.unlink()


ANY = {
    "empty": emptied, "12 bytes": cut_to_few_bytes, "half": halved, "zeros": zeroed, "web page": replaced_by_page,
    "noise": scrambled, "folder": replaced_by_folder, "missing": gone,
}  # fmt: skip

"""Files of arrays with pickles, and files that claim to be, or become, far too large."""

import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.campaign.case import Case
from tests.campaign.files import foreign_case

BOMB = (1000, 512, 512)  # bytes of zeros, which take 250 kB


def cases() -> Iterator[Case]:
    """Return the cases."""
    yield foreign_case("import", "npz: pickled array", "npz", lambda path: write_member(path, pickled()))
    yield foreign_case("import", "npz: claim", "npz", lambda path: write_member(path, claim()))
    yield foreign_case("inspect", "npz: claim", "npz", lambda path: write_member(path, claim()))
    yield foreign_case("import", "npz: bomb", "npz", lambda path: write_member(path, header(BOMB), math.prod(BOMB)))
    yield foreign_case("import", "npy: pickled array", "npy", lambda path: path.write_bytes(pickled()))
    yield foreign_case("inspect", "npy: pickled array", "npy", lambda path: path.write_bytes(pickled()))
    yield foreign_case("import", "npy: claim", "npy", lambda path: path.write_bytes(claim()))
    yield foreign_case("import", "tiff: claim", "tiff", claim_pixels)


def header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    """Return the header of an .npy file."""
    import numpy as np

    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, {"descr": kind, "fortran_order": False, "shape": shape})
    return written.getvalue()


def claim() -> bytes:
    """Return an .npy file that claims 1 TB."""
    return header((10**9, 32, 32)) + b"few bytes"


def pickled() -> bytes:
    """Return an .npy file with a pickled object that creates a file when it is read."""
    from tests.campaign.payloads import payload

    return header((25, 16, 16), "|O") + payload()


def write_member(path: Path, content: bytes, zeros: int = 0) -> None:
    """Replace the patterns of an .npz file."""
    with zipfile.ZipFile(path) as archive:
        rest = {name: archive.read(name) for name in archive.namelist() if name != "diff3d.npy"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, old in rest.items():
            archive.writestr(name, old)
        with archive.open("diff3d.npy", "w", force_zip64=True) as member:
            member.write(content)
            for _ in range(zeros // 2**20):
                member.write(bytes(2**20))


def claim_pixels(path: Path) -> None:
    """Claim a width of 10^9 pixels in the first page of a TIFF file."""
    import tifffile

    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(10**9)

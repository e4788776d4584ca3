"""What can be wrong inside an HDF5 file of this project or of CXI, apart from damage."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py

OTHER = "../other.h5"
SECRET = "project/thesis.txt"  # a file that no data set may read
CHUNK = (1500, 256, 256)  # values in one chunk
HUGE = (10**9, 16, 16)


def replaced(handle: "h5py.File", name: str, data: object) -> None:
    """Replace a data set."""
    del handle[name]
    handle[name] = data


def attribute(name: str, value: object):
    """Return a change of one attribute."""

    def change(handle: "h5py.File") -> None:
        handle.attrs[name] = value

    return change


def values(name: str, place: tuple, value: float):
    """Return a change of some values of an array."""

    def change(handle: "h5py.File") -> None:
        handle[name][place] = value

    return change


def converted(name: str, kind: str):
    """Return a change of an array's type."""

    def change(handle: "h5py.File") -> None:
        replaced(handle, name, handle[name][()].astype(kind))

    return change


def shaped(name: str, shape: tuple[int, ...]):
    """Return a change to an array of ones of another shape."""
    import numpy as np

    def change(handle: "h5py.File") -> None:
        replaced(handle, name, np.ones(shape, handle[name].dtype))

    return change


def external_storage(handle: "h5py.File", name: str) -> None:
    """Store an array in another file, which is the user's."""
    shape, kind, size = handle[name].shape, handle[name].dtype, handle[name].nbytes
    del handle[name]
    handle.create_dataset(name, shape, kind, external=[(SECRET, 0, size)])


def external_link(handle: "h5py.File", name: str) -> None:
    """Point to an array in a file outside of the folder."""
    import h5py

    other = Path(handle.filename).parent / OTHER
    with h5py.File(other, "w") as elsewhere:
        handle.copy(name, elsewhere, "here")
    del handle[name]
    handle[name] = h5py.ExternalLink(OTHER, "/here")


def virtual(handle: "h5py.File", name: str) -> None:
    """Make an array a view of one in another file."""
    import h5py

    external_link(handle, name)
    shape, kind = handle[name].shape, handle[name].dtype
    del handle[name]
    layout = h5py.VirtualLayout(shape, kind)
    layout[...] = h5py.VirtualSource(OTHER, "here", shape)
    handle.create_virtual_dataset(name, layout)


def claiming(handle: "h5py.File", name: str) -> None:
    """Claim 2 TB that are not there."""
    kind = handle[name].dtype
    del handle[name]
    handle.create_dataset(name, HUGE, kind, chunks=(1, 16, 16))


def large_chunk(handle: "h5py.File", name: str) -> None:
    """Store the same values in one compressed chunk of 10^8 values."""
    data = handle[name][()]
    del handle[name]
    handle.create_dataset(name, data=data, chunks=CHUNK, maxshape=(None, None, None), compression="gzip")


def loop(handle: "h5py.File", name: str) -> None:
    """Point from a name to itself."""
    import h5py

    del handle[name]
    handle[name] = h5py.SoftLink(f"/{name}")


def group(handle: "h5py.File", name: str) -> None:
    """Put a group in the place of an array."""
    del handle[name]
    handle.create_group(name)


def missing(handle: "h5py.File", name: str) -> None:
    """Remove an array."""
    del handle[name]


def text(handle: "h5py.File", name: str) -> None:
    """Put a text in the place of an array."""
    replaced(handle, name, "text")


STRUCTURES = {
    "external storage": external_storage, "external link": external_link, "virtual set": virtual, "claim": claiming,
    "large chunk": large_chunk, "loop": loop, "group": group, "missing array": missing, "text": text,
}  # fmt: skip
NAN = float("nan")


def own_values() -> dict:
    """Return changes of an own file after which its content hash is computed again."""
    import numpy as np

    return {
        "pixel size -1": attribute("pixel_size_m", -1.0),
        "pixel size nan": attribute("pixel_size_m", NAN),
        "photons -1": attribute("photons", -1.0),
        "overlap 7": attribute("overlap_ratio", 7.0),
        "energy 0": attribute("energy_ev", 0.0),
        "seed text": attribute("seed", np.bytes_(b"seed")),
        "origin of commands": attribute("origin", np.bytes_(b"${oc.env:HOME} $(touch EXECUTED) <script>\n\x1b[2J")),
        "version 999": attribute("format_version", 999),
        "version text": attribute("format_version", np.bytes_(b"two")),
        "version array": attribute("format_version", [2, 2]),
        "positions nan": values("positions_px", (3, 0), NAN),
        "positions inf": values("positions_px", (3, 0), float("inf")),
        "positions 1e300": values("positions_px", (3, 0), 1e300),
        "positions 1e9": values("positions_px", (3, 0), 1e9),
        "patterns nan": values("diffraction", (3, 1, 1), NAN),
        "patterns negative": values("diffraction", (3, 1, 1), -5.0),
        "patterns zero": values("diffraction", (slice(None),), 0.0),
        "patterns complex": converted("diffraction", "complex64"),
        "patterns boolean": converted("diffraction", "bool"),
        "patterns text": converted("diffraction", "S8"),
        "patterns not square": shaped("diffraction", (225, 16, 8)),
        "no patterns": shaped("diffraction", (0, 16, 16)),
        "probe nan": values("probe", (0, 0, 0), NAN),
        "probe real": converted("probe", "float32"),
        "too few positions": shaped("positions_px", (3, 2)),
        "points text": converted("scan_index", "S8"),
    }

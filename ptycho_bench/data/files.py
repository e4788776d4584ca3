"""Read objects and probes from TIFF, NPY and HDF5 files."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.storage import check_claim, contained
from ptycho_bench.physics.probe import block_mean
from ptycho_bench.physics.specimens.objects import rescale, transmission

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

HDF5_SUFFIXES = (".h5", ".hdf5", ".cxi")


def load_array(path: str, *, key: str | None = None, source: str | None = None) -> np.ndarray:
    """Read the array in a .tif, .tiff, .npy, .h5, .hdf5 or .cxi file; pickled objects are never loaded.

    Args:
        path: path of the file.
        key: name of the data set in an HDF5 file.
        source: where the file can be obtained, for the message if it is missing; or None.

    Raises:
        DataError: If the file is missing, of another kind or not readable, if it has no data set of that name, or if
            its values are not finite numbers.
    """
    file = Path(path)
    if not file.is_file():
        hint = f"; it is available from {source}" if source else ""
        raise DataError(f"no file {file}{hint}; set data_root=FOLDER (or PTYCHO_DATA) or the data set's *_path")
    suffix = file.suffix.lower()
    try:
        if suffix in (".tif", ".tiff"):
            with open_tiff(file) as series:
                array = series.asarray()
        elif suffix == ".npy":
            array = np.array(np.lib.format.open_memmap(file, mode="r"))  # which checks the claimed size
        elif suffix in HDF5_SUFFIXES:
            array = load_hdf5(file, key)
        else:
            raise DataError(f"{file}: the file type {suffix!r} is unknown; use .tif, .npy or .h5")
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{file} cannot be read as {suffix}: {error}; check whether it is complete") from error
    if array.dtype.kind not in "biufc" or not array.size:
        raise DataError(f"{file} contains {array.dtype} of shape {array.shape}; an array of numbers is needed")
    if not np.isfinite(array).all():
        raise DataError(f"{file} contains NaN or infinite values; replace them first")
    return array


@contextmanager
def open_tiff(file: Path) -> Iterator["TiffPageSeries"]:
    """Open a TIFF file and return its first series; tifffile's messages about damage are suppressed.

    Raises:
        DataError: If the series claims a size that the file's bytes cannot explain.
    """
    import tifffile

    tifffile.logger().setLevel(logging.CRITICAL)
    with tifffile.TiffFile(file) as tiff:
        series = tiff.series[0]
        check_claim(series.nbytes, file.stat().st_size, str(file))
        yield series


def load_hdf5(file: Path, key: str | None) -> np.ndarray:
    """Read one data set of an HDF5 file; the error message lists the keys that exist."""
    import h5py

    with h5py.File(file, "r") as handle:
        data = None if key is None else contained(handle, key)
        if data is None:
            raise DataError(f"{file} has no data set {key!r}; it has {', '.join(handle)}; set the key")
        return np.asarray(data[()])


def object_from_amplitude_phase(
    *,
    amplitude_path: str,
    phase_path: str,
    amplitude_key: str | None,
    phase_key: str | None,
    scaling: str,
    source: str | None,
) -> Tensor:
    """Return a complex64 object (H, W) from two real images, amplitude and phase in radians.

    Args:
        amplitude_path: TIFF, NPY or HDF5 file of the amplitude.
        phase_path: TIFF, NPY or HDF5 file of the phase.
        amplitude_key: name of the amplitude's data set in an HDF5 file; or None.
        phase_key: name of the phase's data set in an HDF5 file; or None.
        scaling: see `physics.specimens.objects.rescale`.
        source: where the files can be obtained; or None.

    Raises:
        DataError: If a file cannot be used or is not a real 2-D image, or the images differ in shape.
    """
    images = []
    for path, key in ((amplitude_path, amplitude_key), (phase_path, phase_key)):
        image = np.squeeze(load_array(path, key=key, source=source))
        if image.ndim != 2 or np.iscomplexobj(image):
            raise DataError(f"{path} contains {image.dtype} of shape {image.shape}; a real 2-D image is needed")
        images.append(torch.from_numpy(image.astype(np.float32)))
    if images[0].shape != images[1].shape:
        raise DataError(
            f"{amplitude_path} is {tuple(images[0].shape)} px, but {phase_path} is {tuple(images[1].shape)} px; crop "
            "them to the same shape"
        )
    return transmission(*rescale(*images, scaling=scaling))


def object_from_complex(*, object_path: str, object_key: str | None, scaling: str, source: str | None) -> Tensor:
    """Return a complex64 object (H, W) from one complex array.

    Args:
        object_path: TIFF, NPY or HDF5 file of the object.
        object_key: name of the data set in an HDF5 file; or None.
        scaling: see `physics.specimens.objects.rescale`.
        source: where the file can be obtained; or None.

    Raises:
        DataError: If the file cannot be used or is not a complex 2-D array.
    """
    array = np.squeeze(load_array(object_path, key=object_key, source=source))
    if array.ndim != 2 or not np.iscomplexobj(array):
        raise DataError(f"{object_path} contains {array.dtype} of shape {array.shape}; a complex 2-D array is needed")
    obj = torch.from_numpy(array.astype(np.complex64))
    return transmission(*rescale(obj.abs(), obj.angle(), scaling=scaling))


def probe_from_file(*, probe_path: str, probe_key: str | None, block: int, source: str | None) -> Tensor:
    """Return a complex64 probe (H, W) or (modes, H, W) from a file.

    Args:
        probe_path: TIFF, NPY or HDF5 file of the probe.
        probe_key: name of the data set in an HDF5 file; or None.
        block: side of the squares of pixels that are averaged to one pixel.
        source: where the file can be obtained; or None.

    Raises:
        DataError: If the file cannot be used or is not a complex 2-D or 3-D array.
    """
    array = np.squeeze(load_array(probe_path, key=probe_key, source=source))
    if array.ndim not in (2, 3) or not np.iscomplexobj(array):
        raise DataError(f"{probe_path} contains {array.dtype} of shape {array.shape}; a complex (H, W) probe is needed")
    return block_mean(torch.from_numpy(array), block).to(torch.complex64)

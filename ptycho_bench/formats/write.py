"""Export of reconstructions to files that other programs open: ptychodus products and CXI."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.atomic import written_whole
from ptycho_bench.physics.geometry import ELECTRON_C


@dataclass(frozen=True, kw_only=True)
class Product:
    """A reconstruction: the object, and what it was reconstructed from and with.

    Args:
        name: name of the reconstruction.
        comments: how it was made.
        obj: complex64 (rows, columns).
        probe: complex64 (modes, H, W), sqrt(photons).
        corners_px: float64 (N, 2), top-left (row, column) of each patch in the object.
        point_index: int (N,), number of each point in its scan.
        pixel_size_m: side of an object pixel, metres; 1 if it is unknown, in which case `comments` must say so.
        energy_ev: beam energy, electronvolts; None if unknown.
        distance_m: distance from specimen to detector, metres; None if unknown.
        detector_pixel_m: side of a detector pixel, metres; None if unknown.
        misfits: misfit of each iteration.
    """

    name: str
    comments: str
    obj: np.ndarray
    probe: np.ndarray
    corners_px: np.ndarray
    point_index: np.ndarray
    pixel_size_m: float
    energy_ev: float | None
    distance_m: float | None
    detector_pixel_m: float | None
    misfits: list[float]

    @property
    def positions_m(self) -> np.ndarray:
        """Middle of each patch relative to the object's middle, float64 (N, 2) as (row, column), metres."""
        middle = self.corners_px + np.array(self.probe.shape[-2:]) / 2 - np.array(self.obj.shape) / 2
        return middle * self.pixel_size_m


def write_ptychodus(path: Path, product: Product) -> None:
    """Write a ptychodus product: object (layers, H, W), probe (1, modes, H, W), positions about the middle, m.

    Raises:
        OSError: If the file cannot be written.
    """
    with written_whole(path) as handle:
        handle.attrs.update(
            name=product.name,
            comments=product.comments,
            detector_object_distance_m=product.distance_m or 0.0,
            probe_energy_eV=product.energy_ev or 0.0,
            probe_photon_count=float(np.square(np.abs(product.probe)).sum()),
            exposure_time_s=0.0,
            mass_attenuation_m2_kg=0.0,
            tomography_angle_deg=0.0,
        )
        pixel = {"pixel_height_m": product.pixel_size_m, "pixel_width_m": product.pixel_size_m}
        handle.create_dataset("object", data=product.obj[None]).attrs.update(center_x_m=0.0, center_y_m=0.0, **pixel)
        handle.create_dataset("object_layer_spacing_m", data=np.zeros(0))
        handle.create_dataset("probe", data=product.probe[None]).attrs.update(pixel)
        handle.create_dataset("probe_position_indexes", data=product.point_index.astype(np.int64))
        handle.create_dataset("probe_position_y_m", data=product.positions_m[:, 0])
        handle.create_dataset("probe_position_x_m", data=product.positions_m[:, 1])
        handle.create_dataset("loss_epochs", data=np.arange(len(product.misfits)))
        handle.create_dataset("loss_values", data=np.array(product.misfits, np.float64))


def write_cxi(path: Path, product: Product) -> None:
    """Write CXI 1.6: probe in image_1, object in image_2, geometry in instrument_1; lengths in metres, energy in J.

    Raises:
        OSError: If the file cannot be written.
    """
    with written_whole(path) as handle:
        handle["cxi_version"] = 160
        handle["number_of_entries"] = 1
        entry = handle.create_group("entry_1")
        entry["title"] = product.name
        entry["comments"] = product.comments
        pixel = np.array([product.pixel_size_m, product.pixel_size_m, 0.0])
        for number, image in ((1, product.probe), (2, product.obj)):
            group = entry.create_group(f"image_{number}")
            group["data"] = image
            group["data_space"] = "real"
            group["data_type"] = "complex transmission" if number == 2 else "wavefield, sqrt(photons)"
            group["image_size"] = pixel * [*image.shape[:-3:-1], 0]
        instrument = entry.create_group("instrument_1")
        if product.energy_ev is not None:
            instrument["source_1/energy"] = product.energy_ev * ELECTRON_C
        for name, value in (("distance", product.distance_m), ("x_pixel_size", product.detector_pixel_m),
                            ("y_pixel_size", product.detector_pixel_m)):  # fmt: skip
            if value is not None:
                instrument[f"detector_1/{name}"] = value
        y, x = product.positions_m.T
        entry["sample_1/geometry_1/translation"] = np.stack([x, y, np.zeros_like(x)], axis=1)

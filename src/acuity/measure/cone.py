"""Error by distance from the plane of the source, where a circular cone beam tells least."""

from typing import Protocol

import numpy as np
import pandas as pd

from acuity.errors import require


class Slices(Protocol):
    """Slices (y, x) that are read one by one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the whole, (z, y, x)."""

    def __len__(self) -> int:
        """Return the number of slices."""

    def __getitem__(self, z: int) -> np.ndarray:
        """Return a slice."""


def error_by_height(
    volume: Slices,
    truth: Slices,
    *,
    voxel: float,
    source_to_axis: float,
    bands: int = 8,
    mask: np.ndarray | None = None,
    first: float | None = None,
) -> pd.DataFrame:
    """Return the error of a volume in bands of equal height on both sides of the mid plane.

    What FDK gets wrong grows with the angle of the cone. Two scans of one object have different
    angles at the same place, so that what is learned from one to the other holds their difference.

    Parameters
    ----------
    volume, truth : array
        (z, y, x), on one grid and one grey scale, in memory or read slice by slice.
    voxel : float
        Edge of a voxel.
    source_to_axis : float
        Distance of the source from the axis, in the unit of `voxel`.
    bands : int
        Number of bands from the mid plane to the last slice.
    mask : numpy.ndarray, optional
        bool, voxels that count; it broadcasts against the volume.
    first : float, optional
        Height of the first slice's centre above the plane of the source, in the unit of `voxel`; by
        default that plane is the middle of the volume. Bands reach from the least height to the largest.

    Returns
    -------
    pandas.DataFrame
        A row a band: ``height_low height_high`` (in the unit of `voxel`), ``angle_low
        angle_high`` (degrees at the axis), ``rms``, ``bias`` (mean of volume less truth) and
        ``voxels``; NaN where no voxel counts.

    Raises
    ------
    AcuityError
        If the shapes differ or there is no band.
    """
    require(
        volume.shape == truth.shape,
        f"the volume has shape {volume.shape} and the truth {truth.shape}; one grid is needed",
    )
    require(bands >= 1, f"bands is {bands}; 1 or more is needed")
    depth = len(volume)
    middle = (depth - 1) / 2 if first is None else -first / voxel
    height = np.abs(np.arange(depth) - middle)
    least = 0.0 if middle > -0.5 and middle < depth - 0.5 else height.min() - 0.5
    most = height.max() + 0.5
    band = np.clip(((height - least) / (most - least) * bands).astype(int), 0, bands - 1)
    counted = np.broadcast_to(True if mask is None else mask, volume.shape)
    sums = np.zeros((bands, 3))
    for z in range(depth):
        error = (np.asarray(volume[z], np.float64) - truth[z])[counted[z]]
        sums[band[z]] += error.size, error.sum(), (error**2).sum()
    edges = np.linspace(least, most, bands + 1) * voxel
    angles = np.degrees(np.arctan(edges / source_to_axis))
    number = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    return pd.DataFrame(
        {
            "height_low": edges[:-1],
            "height_high": edges[1:],
            "angle_low": angles[:-1],
            "angle_high": angles[1:],
            "rms": np.sqrt(sums[:, 2] / number),
            "bias": sums[:, 1] / number,
            "voxels": sums[:, 0].astype(int),
        }
    )

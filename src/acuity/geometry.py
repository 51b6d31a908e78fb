"""Circular cone-beam geometry, and the axes that projections and volumes share."""

import math
from dataclasses import dataclass, replace

import numpy as np

from acuity.errors import AcuityError


@dataclass(frozen=True)
class ConeBeam:
    """A circular cone-beam scan with a flat detector, all lengths in one unit.

    The axes x, y, z are right-handed and fixed to the sample, with their origin on the rotation
    axis in the plane of the source; z is the rotation axis. The sample turns counter-clockwise
    about z (seen from +z) by the angle t; then a point (x, y, z) of it stands at::

        across = x cos t - y sin t          depth = x sin t + y cos t (towards the source)

    and falls on the detector at::

        u = source_to_detector * across / (source_to_axis - depth)
        v = source_to_detector * z / (source_to_axis - depth)

    Projections are arrays (view, v, u). The centre of the detector lies at u = `offset_u` and
    v = `offset_v`, so the centre of pixel (j, i) lies at ``v = offset_v + (j - (rows - 1) / 2) *
    pixel`` and ``u = offset_u + (i - (columns - 1) / 2) * pixel``. In RTK's terms (x, y, z) here
    is (x, z, y) there.

    Attributes
    ----------
    source_to_axis, source_to_detector : float
        Distances from the source.
    pixel : float
        Side of a square detector pixel.
    rows, columns : int
        Number of detector pixels along v and u.
    offset_v, offset_u : float
        Position of the detector's centre.
    """

    source_to_axis: float
    source_to_detector: float
    pixel: float
    rows: int
    columns: int
    offset_v: float = 0.0
    offset_u: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a geometry that cannot be."""
        for name in ("source_to_axis", "source_to_detector", "pixel"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise AcuityError(
                    f"{name} of the scan is {value}; a finite number above 0 is needed"
                )
        if self.source_to_detector < self.source_to_axis:
            raise AcuityError(
                f"source_to_detector is {self.source_to_detector:g}, less than source_to_axis "
                f"{self.source_to_axis:g}; the detector must lie beyond the axis"
            )
        if self.rows < 1 or self.columns < 1:
            raise AcuityError(
                f"the detector has {self.rows} rows and {self.columns} columns; 1 or more are needed"
            )
        if not (math.isfinite(self.offset_v) and math.isfinite(self.offset_u)):
            raise AcuityError("the detector's offset is not finite")

    @classmethod
    def standard(cls, size: int, cylinder_radius: float = 0.45) -> "ConeBeam":
        """Return the scan that all simulated studies share, in voxels.

        Source to axis 4N, source to detector 8N, detector pixel 2 voxels, N columns. The rows
        are as many as it takes to see every voxel of a cylinder of height N in every view: its
        nearest rim is magnified more than the axis by 1 / (1 - cylinder_radius / 4), so about
        1.13 N rows at a radius of 0.45 N.

        Parameters
        ----------
        size : int
            Side N of the volume, voxels.
        cylinder_radius : float
            Radius of the sample as a fraction of `size`.

        Returns
        -------
        ConeBeam
            The geometry, lengths in voxels.
        """
        rows = 2 * math.ceil((0.5 * size / (1 - cylinder_radius / 4) + 1) - 1e-9)
        return cls(4.0 * size, 8.0 * size, 2.0, rows, size)

    @property
    def magnification(self) -> float:
        """Magnification on the rotation axis."""
        return self.source_to_detector / self.source_to_axis

    @property
    def voxel(self) -> float:
        """Size of a detector pixel scaled to the rotation axis: the natural voxel size."""
        return self.pixel / self.magnification

    def scaled(self, factor: float) -> "ConeBeam":
        """Return the same geometry with all lengths multiplied by `factor`.

        Parameters
        ----------
        factor : float
            Number above 0, such as new units for one old unit.

        Returns
        -------
        ConeBeam
            The scaled geometry.
        """
        lengths = ("source_to_axis", "source_to_detector", "pixel", "offset_v", "offset_u")
        return replace(self, **{name: getattr(self, name) * factor for name in lengths})

    def padded(self, margin: int) -> "ConeBeam":
        """Return the geometry of a detector larger by `margin` pixels on each of its four sides.

        Parameters
        ----------
        margin : int
            Pixels to add on each side.

        Returns
        -------
        ConeBeam
            The geometry of the larger detector.
        """
        return replace(self, rows=self.rows + 2 * margin, columns=self.columns + 2 * margin)

    def cropped(self, first: int, end: int) -> "ConeBeam":
        """Return the geometry of some of the detector's rows.

        Parameters
        ----------
        first, end : int
            First row and end of the rows (exclusive).

        Returns
        -------
        ConeBeam
            The geometry of these rows, each where it was.
        """
        shift = ((first + end - 1) / 2 - (self.rows - 1) / 2) * self.pixel
        return replace(self, rows=end - first, offset_v=self.offset_v + shift)

    def rows_for(self, z_low: float, z_high: float, radius: float) -> tuple[int, int]:
        """Return the detector rows that the voxels of a slab need in any view.

        Parameters
        ----------
        z_low, z_high : float
            Lowest and highest voxel centre of the slab along the rotation axis.
        radius : float
            Largest distance of a voxel centre from the rotation axis.

        Returns
        -------
        tuple of int
            First row and end of the rows (exclusive) that linear interpolation touches. They may
            lie outside the detector, where nothing was measured.
        """
        v = [
            self.source_to_detector * z / (self.source_to_axis - depth)
            for z in (z_low, z_high)
            for depth in (-radius, radius)
        ]
        low, high = (
            (limit - self.offset_v) / self.pixel + (self.rows - 1) / 2 for limit in (min(v), max(v))
        )
        # One row to spare on each side for what rounding does to the extreme voxels.
        return math.floor(low) - 1, math.floor(high) + 3


def full_circle(views: int, *, offset: float = 0.0) -> np.ndarray:
    """Return evenly spaced angles over 360 degrees, the end not repeated.

    Parameters
    ----------
    views : int
        Number of views.
    offset : float
        First angle, degrees.

    Returns
    -------
    numpy.ndarray
        Angles in degrees.
    """
    return offset + np.arange(views) * (360.0 / views)

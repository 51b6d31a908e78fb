"""A high volume on another grid: its one resampling, block by block."""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.ndimage

from acuity.filters import gaussian
from acuity.pair.grids import FieldOfView, apply, fine_matrix
from acuity.volume import Volume, slabs

# A cubic spline depends on voxels this far off by less than 1e-7 of their values: .268^12.
_REACH = 12
_TRUNCATE = 4.0
_TILE = 96  # fine voxels along a side of the blocks that are sampled at once


class Resampler:
    """A volume sampled on the fine grid of a pair, by cubic splines.

    Where its voxels are finer than the grid's, it is blurred before by the variance of binning them,
    (s^2 - 1) / 12 voxels^2 for s voxels of its own to one of the grid.

    Parameters
    ----------
    high : acuity.volume.Volume
        Read part by part.
    matrix : numpy.ndarray
        (3, 4), from low voxels to high ones.
    box : sequence of slice
        Low voxels (z, y, x) under which the grid lies.
    factor : int
        Voxels of the grid along a low one.
    field : FieldOfView
        Where the volume is known.
    warp : object, optional
        Displacement of low voxels before the map: called with points (3, ...).
    """

    def __init__(
        self,
        high: Volume,
        matrix: np.ndarray,
        box: Sequence[slice],
        factor: int,
        field: FieldOfView,
        warp=None,
    ) -> None:
        self.high, self.field, self.factor, self.warp = high, field, factor, warp
        self.shape = tuple((part.stop - part.start) * factor for part in box)
        self.low_matrix, self.box = np.asarray(matrix, np.float64), tuple(box)
        self.matrix = fine_matrix(self.low_matrix, [part.start for part in box], factor)
        # How far a step along each axis of the grid goes, along each axis of the volume.
        steps = np.sqrt((self.matrix[:, :3] ** 2).sum(axis=1))
        finer = np.maximum(steps, 1.0)
        self.blur = np.sqrt((finer**2 - 1) / 12)

    def points(self, part: Sequence[slice]) -> np.ndarray:
        """Return where the voxels of a part of the grid lie in the volume, (3, z, y, x)."""
        raster = np.stack(
            np.meshgrid(
                *(np.arange(p.start, p.stop, dtype=np.float64) for p in part), indexing="ij"
            )
        )
        if self.warp is None:
            return apply(self.matrix, raster)
        first = np.array([p.start for p in self.box], np.float64).reshape(3, 1, 1, 1)
        places = first + (raster - (self.factor - 1) / 2) / self.factor
        return apply(self.low_matrix, places + self.warp(places))

    def slabs(self, depth: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Sample slab by slab.

        Yields
        ------
        z0 : int
            First slice of the grid.
        values : numpy.ndarray
            float32 (z, y, x); 0 where the volume is not known.
        inside : numpy.ndarray
            bool, where it is.
        """
        for z0, z1 in slabs(self.shape[0], depth):
            values = np.zeros((z1 - z0, *self.shape[1:]), np.float32)
            inside = np.zeros(values.shape, bool)
            for y0, y1 in slabs(self.shape[1], _TILE):
                for x0, x1 in slabs(self.shape[2], _TILE):
                    at = np.s_[:, y0:y1, x0:x1]
                    part = (slice(z0, z1), slice(y0, y1), slice(x0, x1))
                    values[at], inside[at] = self._sampled(part)
            yield z0, values, inside

    def _sampled(self, part):
        """Values and known voxels of a part of the grid."""
        points = self.points(part)
        inside = self.field.inside(points)
        if not inside.any():
            return np.zeros(inside.shape, np.float32), inside
        pad = _REACH + np.ceil(_TRUNCATE * self.blur).astype(int)
        spans = []
        for at, count, more in zip(points, self.high.grid.shape, pad, strict=True):
            known = at[inside]
            start = max(0, int(np.floor(known.min())) - more)
            spans.append(slice(start, min(count, int(np.ceil(known.max())) + 1 + more)))
        block = self.high.read(*spans).astype(np.float32)
        if self.blur.any():
            block = gaussian(block, tuple(self.blur), truncate=_TRUNCATE)
        spline = scipy.ndimage.spline_filter(block, 3, output=np.float32, mode="mirror")
        local = points[:, inside] - np.array([span.start for span in spans])[:, None]
        values = np.zeros(inside.shape, np.float32)
        values[inside] = scipy.ndimage.map_coordinates(
            spline, local, order=3, prefilter=False, mode="mirror", output=np.float32
        )
        return values, inside

"""One level of the registration of volumes: the low volume on a grid, the high one to be held against it."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from acuity.register.space import apply_map, inverse_map
from acuity.register.volume_fields import (
    HighSampler,
    Measured,
    band_passed,
    soft_mask,
    without_rings,
)

# Standard deviation of the Gaussian that brings the high volume to the level, voxels of the level.
_BLUR = 0.5


class Band(NamedTuple):
    """What of two volumes is compared.

    Attributes
    ----------
    narrow, wide : float
        Standard deviations of the Gaussians of the band pass, voxels of the level.
    margin : float
        Voxels of the level at the rim of the high field that do not count. There a mean over measured voxels
        alone stands for a place farther in, more so for the sharper of the two volumes, which looks
        like another scale.
    """

    narrow: float
    wide: float
    margin: float = 0.0


@dataclass(frozen=True)
class Compared:
    """Two volumes on the voxels of one box of a level, band-passed.

    Attributes
    ----------
    low, high : numpy.ndarray
        (z, y, x), float32, band-passed.
    mask : numpy.ndarray
        float32, how much of a voxel both have measured.
    axes : tuple of numpy.ndarray
        Coordinates along z, y and x, in low voxels.
    """

    low: np.ndarray
    high: np.ndarray
    mask: np.ndarray
    axes: tuple[np.ndarray, ...]

    @property
    def correlation(self) -> float:
        """Band-passed correlation over the mask; below 0 where the contrast is inverted."""
        sums = [
            float(np.einsum("zyx,zyx,zyx->", a, b, self.mask, dtype=np.float64))
            for a, b in ((self.low, self.high), (self.low, self.low), (self.high, self.high))
        ]
        return sums[0] / math.sqrt(max(sums[1] * sums[2], 1e-30))


class Level:
    """The low volume on blocks of its voxels.

    Parameters
    ----------
    low, high : Measured
        The two volumes.
    step : int
        Low voxels along a side of a block.
    ratio : numpy.ndarray
        (3,), stated low voxel / high voxel.
    """

    def __init__(self, low: Measured, high: Measured, step: int, ratio: np.ndarray):
        self.step, self.low_field = step, low.field
        self.voxel = float(np.prod(ratio) ** (1 / 3)) * step
        shape = [n // step for n in low.values.shape]
        whole = low.values[tuple(slice(0, n * step) for n in shape)]
        if step > 1:
            split = [n for size in shape for n in (size, step)]
            whole = whole.reshape(split).mean(axis=(1, 3, 5), dtype=np.float32)
        self.low = np.ascontiguousarray(whole)
        self.axes = tuple(np.arange(n) * step + (step - 1) / 2 for n in shape)
        self.sampler = HighSampler(high, _BLUR * step * np.asarray(ratio, np.float64))
        self.own = soft_mask(low.field, np.eye(3, 4), self.axes, float(step))[0]

    def box(self, matrix: np.ndarray) -> tuple[slice, ...]:
        """Give the voxels about which the high field may lie, by its corners."""
        corners = apply_map(inverse_map(matrix), self.sampler.field.corners())
        low = np.floor((corners.min(axis=0) - (self.step - 1) / 2) / self.step).astype(int)
        high = np.ceil((corners.max(axis=0) - (self.step - 1) / 2) / self.step).astype(int) + 1
        return tuple(
            slice(min(max(a, 0), n), max(min(b, n), 0))
            for a, b, n in zip(low, high, self.low.shape, strict=True)
        )

    def compared(self, matrix: np.ndarray, band: Band, displace=None) -> Compared | None:
        """Bring the high volume onto the level and band-pass both over their common field.

        Parameters
        ----------
        matrix : numpy.ndarray
            (3, 4), from low voxels to high ones.
        band : Band
            What is compared.
        displace : callable, optional
            Displacement (n, 3) in low voxels at points (n, 3), before the map.

        Returns
        -------
        Compared or None
            None where nothing is common.
        """
        box = self.box(matrix)
        if min(part.stop - part.start for part in box) < 4:
            return None
        axes = tuple(axis[part] for axis, part in zip(self.axes, box, strict=True))
        mask, points = soft_mask(self.sampler.field, matrix, axes, self.voxel)
        if displace is not None:
            grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
            moved = apply_map(matrix, grid + displace(grid.reshape(-1, 3)).reshape(grid.shape))
            points = np.moveaxis(moved, -1, 0).astype(np.float32)
            mask = np.clip(self.sampler.field.depth(points) / np.float32(self.voxel), 0, 1)
        mask *= self.own[box]
        wanted = mask > 0
        if np.count_nonzero(wanted) < 64:
            return None
        drawn = self.sampler.at(points, wanted)
        pair = [self.low[box], drawn]
        if self.sampler.field.radius is not None:
            # What a truncated scan adds depends on the distance from its axis. Taken off one of the two
            # alone, the rings of the object itself would pull the scale.
            away = [points[n] - np.float32(self.sampler.field.centre[n]) for n in (1, 2)]
            ring = (np.hypot(*away) / np.float32(self.voxel)).astype(np.int64)
            pair = [without_rings(image, mask, ring) for image in pair]
        low, high = (band_passed(image, mask, band[:2]) for image in pair)
        if band.margin:
            deep = self.sampler.field.depth(points) / np.float32(self.voxel)
            mask = np.clip(deep - np.float32(band.margin), 0, 1) * self.own[box]
        return Compared(low, high, mask, axes)

"""Volumes made ready for their registration: clipped, with the field in which they were measured."""

from dataclasses import dataclass

import numpy as np

from acuity.errors import require
from acuity.field_of_view import cylinder
from acuity.filters import gaussian
from acuity.register.space import apply_to_axes

# Percentiles to which a volume is clipped. The first keeps what few voxels show (solder balls of a chip), the second
# bears a foreign body of more than a hundredth of the volume.
CLIPS = ((1.0, 99.0), (5.0, 95.0))
# Where most voxels have one grey value.
_WIDEST = (0.1, 99.9)
_SAMPLES = 2_000_000
# Weight below which a mean over measured voxels is not told apart from its rounding.
_FAINT = 1e-3


@dataclass(frozen=True)
class Field:
    """The part of a box of voxels that was measured.

    Attributes
    ----------
    shape : tuple of int
        (z, y, x) of the box.
    radius : float or None
        Of a cylinder along z through its middle, in voxels; None for all of the box.
    """

    shape: tuple[int, int, int]
    radius: float | None = None

    @property
    def centre(self) -> np.ndarray:
        """Index (3,) of the middle."""
        return (np.asarray(self.shape) - 1) / 2

    @property
    def sides(self) -> np.ndarray:
        """Length (3,) of the part along each axis, voxels."""
        sides = np.asarray(self.shape, np.float64)
        if self.radius is not None:
            sides[1:] = np.minimum(sides[1:], 2 * self.radius)
        return sides

    def corners(self) -> np.ndarray:
        """Corners (8, 3) of the box about the part."""
        signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing="ij"), -1).reshape(-1, 3)
        return self.centre + signs * (self.sides - 1)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Tell how deep points (3, ...) lie within it, in voxels; float32, below 0 outside."""
        away = [points[a] - np.float32(self.centre[a]) for a in range(3)]
        depth = self.shape[0] / 2 - np.abs(away[0])
        if self.radius is not None:
            return np.minimum(depth, self.radius - np.hypot(away[1], away[2]))
        for axis in (1, 2):
            depth = np.minimum(depth, self.shape[axis] / 2 - np.abs(away[axis]))
        return depth

    def mask(self) -> np.ndarray:
        """Return which voxels lie in it, (1, y, x), bool."""
        return cylinder(self.shape, self.radius)[None]

    def points(self, count: int = 24) -> np.ndarray:
        """Return points (n, 3) spread evenly over it, about `count` along its longest side."""
        step = max(1.0, max(self.shape) / count)
        lines = [np.arange(-(n - 1) / 2 % step / 2, n - 0.5, step) for n in self.shape]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"))
        return grid[:, self.depth(grid) >= 0.5].T


@dataclass(frozen=True)
class Measured:
    """A volume, float32 from 0 to 1 between its percentiles, its field, and that before a rim was left out."""

    values: np.ndarray
    field: Field
    whole: Field


def measured(
    volume: np.ndarray,
    kind: str,
    called: str,
    *,
    rim: float = 0.0,
    clip: tuple[float, float] = CLIPS[0],
) -> Measured:
    """Check a volume, find its field and clip it to two of its percentiles there.

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x), real numbers.
    kind : {"auto", "box", "cylinder"}
        See `acuity.register.volume_settings.VolumeSettings`.
    called : str
        For errors.
    rim : float
        Voxels at the rim of a cylindrical field that do not count, of a volume that shows the inside of
        a larger object: there truncated projections add most. What they add elsewhere is taken off.
    clip : (float, float)
        Percentiles; wider ones where they are equal.

    Raises
    ------
    AcuityError
        If it has not three axes, is not finite, or constant in its field.
    """
    volume = np.asarray(volume)
    require(
        volume.ndim == 3 and volume.size > 0,
        f"{called} has the shape {volume.shape}; three axes (z, y, x) with voxels are needed.",
    )
    field = whole = _field(volume, kind)
    finite = all(bool(np.isfinite(part).all()) for part in volume)
    require(finite, f"{called} holds values that are not finite; replace them.")
    if rim and field.radius is not None:
        volume, field = _without_rim(volume, field, min(rim, field.radius / 5))
    mask = np.broadcast_to(field.mask(), volume.shape)
    step = max(1, round((volume.size / _SAMPLES) ** (1 / 3)))
    thin = (slice(None, None, step),) * 3
    values = np.asarray(volume[thin][mask[thin]], np.float64)
    for each in (clip, *CLIPS, _WIDEST):
        low, high = np.percentile(values, each)
        if high > low:
            break
    require(
        high > low,
        f"{called} is constant or empty: nearly all voxels of its field have the value {low:g}.",
    )
    out = np.subtract(volume, low, dtype=np.float32)
    out *= np.float32(1 / (high - low))
    np.clip(out, 0, 1, out=out)
    return Measured(out, field, whole)


def _without_rim(volume, field, rim):
    """Take the mean off each ring about the axis; give the volume with the field within its rim.

    An interior scan whose rows were not continued has a bright rim (the ramp filter sees a step),
    which the percentiles of the volume would follow, not the structures. A ring crosses many of these, so
    that its mean has little of them.
    """
    shape = volume.shape
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape[1:])
    ring = (2 * np.hypot(y[:, None], x[None, :])).astype(np.int64)
    mean = np.zeros(shape[1:])
    for part in volume:
        mean += part
    seen = field.mask()[0]
    sums = np.bincount(ring[seen], mean[seen], minlength=int(ring.max()) + 1)
    counts = shape[0] * np.bincount(ring[seen], minlength=int(ring.max()) + 1)
    off = (sums / np.maximum(counts, 1))[ring].astype(np.float32)
    return volume - off, Field(shape, field.radius - rim)


def _field(volume, kind):
    shape = volume.shape
    half = min(shape[1:]) / 2
    if kind == "box" or min(shape[1:]) < 8:
        return Field(shape)
    if kind == "cylinder":
        return Field(shape, half)
    fill = volume[0, 0, 0]
    beyond = ~cylinder(shape, half)
    beyond &= ~cylinder(shape, half + 0.75)
    if not all(bool((part[beyond] == fill).all()) for part in volume):
        return Field(shape)
    # what has another value anywhere along z was measured
    seen = np.zeros(shape[1:], bool)
    for part in volume:
        seen |= part != fill
    if not seen.any():
        return Field(shape)
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape[1:])
    away = np.hypot(y[:, None], x[None, :])
    return Field(shape, min(half, float(away[seen].max()) + 0.5))


class HighSampler:
    """The high volume at the resolution of a coarser grid, sampled anywhere by cubic splines.

    Parameters
    ----------
    high : Measured
        The volume.
    sigma : numpy.ndarray
        (3,), of the Gaussian that is applied before, in its voxels. The mean is taken over
        measured voxels only.
    """

    def __init__(self, high: Measured, sigma: np.ndarray):
        import scipy.ndimage

        self.field = high.field
        mask = np.broadcast_to(high.field.mask(), high.values.shape).astype(np.float32)
        blurred = gaussian(high.values * mask, sigma)
        if high.field.radius is not None:
            weight = gaussian(mask, sigma)
            blurred /= np.maximum(weight, np.float32(_FAINT))
            blurred[weight < _FAINT] = 0.5
        # After a blur of s voxels every s / 1.2-th holds nearly all: below .5 % beyond Nyquist.
        steps = np.maximum(1, np.floor(sigma / 1.2)).astype(int)
        self._first = (np.asarray(high.values.shape) - 1) % steps // 2
        self._steps = steps
        part = tuple(slice(a, None, s) for a, s in zip(self._first, steps, strict=True))
        self._spline = scipy.ndimage.spline_filter(
            np.ascontiguousarray(blurred[part]), 3, output=np.float32, mode="mirror"
        )

    def at(self, points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Sample at points (3, ...), voxels, where `wanted` (...) is true; 0.5 elsewhere."""
        import scipy.ndimage

        places = points[:, wanted]
        for row, first, step in zip(places, self._first, self._steps, strict=True):
            row -= first
            row /= step
        out = np.full(wanted.shape, 0.5, np.float32)
        out[wanted] = scipy.ndimage.map_coordinates(
            self._spline, places, order=3, prefilter=False, mode="mirror", output=np.float32
        )
        return out


def soft_mask(field: Field, matrix: np.ndarray, axes: tuple, voxel: np.ndarray) -> tuple:
    """Tell how much of each voxel of a grid a field covers.

    Parameters
    ----------
    field : Field
        Of the other volume.
    matrix : numpy.ndarray
        (3, 4), from the coordinates of the grid to voxels of the other volume.
    axes : tuple of numpy.ndarray
        Coordinates of the grid along z, y and x.
    voxel : float
        Side of a voxel of the grid in voxels of the other volume.

    Returns
    -------
    mask : numpy.ndarray
        float32, 0 to 1: its depth in the field less half a voxel.
    points : numpy.ndarray
        (3, z, y, x), float32, where the voxels lie in the other volume.
    """
    points = apply_to_axes(matrix, axes)
    mask = field.depth(points)
    mask /= np.float32(voxel)
    return np.clip(mask, 0, 1, out=mask), points


def without_rings(image: np.ndarray, mask: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Take the mean over a mask off each ring of an image.

    Parameters
    ----------
    image, mask : numpy.ndarray
        (z, y, x), float32.
    ring : numpy.ndarray
        (z, y, x), the number of each voxel's ring, from 0 on.

    Returns
    -------
    numpy.ndarray
        float32.
    """
    ring = ring.ravel()
    sums = np.bincount(ring, (image * mask).ravel())
    mean = sums / np.maximum(np.bincount(ring, mask.ravel()), _FAINT)
    return image - mean.astype(np.float32)[ring].reshape(image.shape)


def band_passed(image: np.ndarray, mask: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Difference of two Gaussian means of an image over the voxels of a mask.

    Dividing by the smoothed mask keeps the border of the field out of the result (normalised
    convolution, Knutsson and Westin, CVPR 1993).

    Returns
    -------
    numpy.ndarray
        float32; of no meaning where the mask is 0.
    """
    masked = image * mask
    out = None
    for sigma in band:
        mean = gaussian(masked, sigma, truncate=3.0)
        mean /= np.maximum(gaussian(mask, sigma, truncate=3.0), np.float32(_FAINT))
        out = mean if out is None else out - mean
    return out

"""Displacements of blocks of one image against another, by band-passed correlation."""

from dataclasses import dataclass, replace

import numpy as np

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.register.correlate import Correlator

LEAST_SIDE = 16


@dataclass(frozen=True)
class Shifts:
    """What blocks showed.

    Attributes
    ----------
    centres : numpy.ndarray
        (n, 2): y and x of the middle of each block, in pixels.
    shifts : numpy.ndarray
        (n, 2): displacement (dy, dx) of the moving image, moving(q) = fixed(q - shift); 0 where
        a block has nothing to correlate.
    ncc : numpy.ndarray
        (n,): band-passed correlation at that shift; 0 where there is nothing to correlate or
        contrast is inverted.
    weights : numpy.ndarray
        (n,): as measured, ncc^2 / (1 - ncc^2 + 0.02). The variance of a shift goes with
        (1 - ncc^2) / ncc^2 where two images differ by noise; 0.02 keeps one block in a thousand
        from deciding alone.
    tensors : numpy.ndarray
        (n, 2, 2): mean product of the derivatives of the band-passed fixed image in each block,
        over its mean square (1/pixel^2). What a block says of a direction: along a straight edge
        that is nothing (the aperture problem).
    """

    centres: np.ndarray
    shifts: np.ndarray
    ncc: np.ndarray
    weights: np.ndarray
    tensors: np.ndarray

    def weighed(self, weights):
        """Give the same with other weights."""
        return replace(self, weights=weights)


class Blocks:
    """Square blocks over a region, and the correlator for them.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        First pixel of the blocks along y and x.
    side : int
        Pixels of a block.
    band : tuple of float
        Standard deviations of the Gaussians of the band pass, in pixels.
    most : float, optional
        Largest shift to look for; a quarter of the side by default.
    """

    def __init__(self, rows, columns, side, *, band, most=None):
        self.rows, self.columns, self.side = np.asarray(rows), np.asarray(columns), int(side)
        self.most = side / 4 if most is None else most
        self._band = band
        self._correlator = Correlator(
            (side, side), low=band[0], high=band[1], taper=0.5, drop_streaks=0
        )

    @classmethod
    def spread(cls, region, count=None, *, side=None, step=None, band, most=None):
        """Spread blocks evenly, so that the outer ones touch the borders of a region.

        Parameters
        ----------
        region : tuple of slice
            Rows and columns.
        count : int, optional
            Blocks along the shorter side, each overlapping half of the next, instead of `side`.
        side : int, optional
            Pixels of a block.
        step : float, optional
            Largest distance of neighbours; half of a side by default.

        Raises
        ------
        AcuityError
            If blocks come out below 16 pixels.
        """
        sizes = [part.stop - part.start for part in region]
        if side is None:
            side = max(2 * min(sizes) // (count + 1), LEAST_SIDE)
        side = min(side, *sizes)
        if side < LEAST_SIDE:
            raise AcuityError(
                f"register: a region of {sizes[0]} x {sizes[1]} pixels holds no block of "
                f"{LEAST_SIDE} x {LEAST_SIDE}"
            )
        step = side / 2 if step is None else step
        rows, columns = (
            part.start + spread(size, side, step) for part, size in zip(region, sizes, strict=True)
        )
        return cls(rows, columns, side, band=band, most=most)

    def shifts(self, fixed, moving, origin=(0, 0)):
        """Measure the displacement in each block.

        Parameters
        ----------
        fixed, moving : numpy.ndarray
            (y, x), on the same pixels.
        origin : tuple of int
            Where their first pixel lies.

        Returns
        -------
        Shifts
            Row by row.
        """
        side, correlator = self.side, self._correlator
        found = []
        for y in self.rows - origin[0]:
            for x in self.columns - origin[1]:
                box = slice(y, y + side), slice(x, x + side)
                spectra = (correlator.spectrum(image[box]) for image in (fixed, moving))
                shift = correlator.shift(*spectra, most=self.most)
                good = shift.sign > 0 and max(abs(shift.dy), abs(shift.dx)) <= self.most
                found.append((shift.dy, shift.dx, shift.ncc) if good else (0.0, 0.0, 0.0))
        found = np.asarray(found)
        middle = (side - 1) / 2
        y, x = np.meshgrid(self.rows + middle, self.columns + middle, indexing="ij")
        centres = np.column_stack([y.ravel(), x.ravel()])
        square = found[:, 2] ** 2
        weights = square / (1 - square + 0.02)
        tensors = self._tensors(np.asarray(fixed, np.float32), origin)
        return Shifts(centres, found[:, :2], found[:, 2], weights, tensors)

    def _tensors(self, image, origin):
        low, high = (gaussian(image[None], (0, s, s))[0] for s in self._band)
        passed = low - high
        y, x = np.gradient(passed)
        maps = np.stack([y * y, y * x, x * x, passed * passed]).astype(np.float64)
        window = np.hanning(self.side + 2)[1:-1] ** 2
        # windowed means along y, then along x, as the blocks lie on a raster
        for starts, first in ((self.rows, origin[0]), (self.columns, origin[1])):
            parts = [maps[:, a : a + self.side] for a in starts - first]
            maps = np.stack([np.einsum("cij,i->cj", part, window) for part in parts], axis=1)
            maps = maps.swapaxes(1, 2)
        yy, yx, xx, square = maps.reshape(4, -1)
        tensors = np.array([[yy, yx], [yx, xx]]) / np.maximum(square, 1e-12)
        return np.moveaxis(tensors, 2, 0)


def spread(size, side, step):
    """Give the first pixels of parts that cover a length evenly, the outer ones at its ends.

    Parameters
    ----------
    size, side : int
        Pixels of the whole and of a part.
    step : float
        Largest distance of neighbours.

    Returns
    -------
    numpy.ndarray
        int.
    """
    room = size - side
    count = int(np.ceil(room / step)) + 1 if room > 0 else 1
    return np.rint(np.linspace(0, room, count)).astype(int)

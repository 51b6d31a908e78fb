"""The input of a method: a low-resolution volume, read region by region on the grid it needs."""

import numpy as np

from acuity.errors import AcuityError
from acuity.methods.shared.interpolate import interpolate, support
from acuity.volume import Grid, check_finite


class Source:
    """A volume brought onto a method's input grid while it is read.

    Parameters
    ----------
    volume : acuity.volume.Volume
        The low-resolution volume.
    factors : tuple of int
        Whole factors (z, y, x) between its grid and the method's input grid.
    kernel : {"nearest", "linear", "cubic"}
        Interpolation, where a factor is not 1.
    name : str
        The file, for errors.

    Attributes
    ----------
    shape : tuple of int
        Voxels (z, y, x) of the input grid.
    """

    def __init__(self, volume, factors, kernel, name):
        self.volume = volume
        self.factors = tuple(factors)
        self.kernel = kernel
        self.name = str(name)
        self.shape = tuple(n * f for n, f in zip(volume.grid.shape, self.factors, strict=True))
        if volume.dtype.kind not in "fui" or volume.dtype.itemsize > 4:
            raise AcuityError(
                f"{self.name}: found voxels of {volume.dtype}; a restoration needs real numbers"
            )

    def read(self, box):
        """Read a region of the input grid.

        Parameters
        ----------
        box : sequence of slice
            Region (z, y, x) inside the grid.

        Returns
        -------
        numpy.ndarray
            float32 (z, y, x), contiguous.

        Raises
        ------
        AcuityError
            If a value is not finite, naming the file and the slice.
        """
        counts = self.volume.grid.shape
        spans = [
            support(self.kernel, f, s.start, s.stop, n)
            for f, s, n in zip(self.factors, box, counts, strict=True)
        ]
        low = self.volume.read(*(slice(*span) for span in spans))
        check_finite(low, spans[0][0], self.name)
        low = np.ascontiguousarray(low, np.float32)
        if self.factors == (1, 1, 1):
            return low
        return interpolate(low, [span[0] for span in spans], counts, self.factors, box, self.kernel)


def finer_grid(grid, factors):
    """Grid whose blocks of `factors` voxels are the voxels of a grid."""
    spacing = tuple(size / f for size, f in zip(grid.spacing, factors, strict=True))
    return Grid(
        shape=tuple(n * f for n, f in zip(grid.shape, factors, strict=True)),
        spacing=spacing,
        origin=tuple(
            position - (f - 1) / 2 * size
            for position, f, size in zip(grid.origin, factors, spacing, strict=True)
        ),
        unit=grid.unit,
    )

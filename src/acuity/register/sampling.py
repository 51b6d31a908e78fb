"""Images sampled anywhere by cubic splines, through an affine map and a displacement field."""

import numpy as np
import scipy.ndimage

from acuity.errors import AcuityError, require
from acuity.filters import gaussian
from acuity.register.affine import apply_affine

_LEAST = 32


class Sampler:
    """An image and its cubic spline.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), any real type.
    blur : float or pair of float
        Standard deviation in pixels (y, x) of a Gaussian that is applied before; 0 for none.

    Attributes
    ----------
    shape : tuple of int
        (y, x).
    """

    def __init__(self, image, blur=0.0):
        image = np.asarray(image, np.float32)
        self.shape = image.shape
        blur = np.broadcast_to(blur, 2)
        if np.any(blur > 0):
            image = gaussian(image[None], (0.0, *blur))[0]
        self._spline = scipy.ndimage.spline_filter(image, 3, output=np.float32, mode="mirror")

    def at(self, y, x):
        """Sample at points.

        Parameters
        ----------
        y, x : numpy.ndarray
            Of one shape, in pixels; beyond the outermost pixels the image is mirrored.

        Returns
        -------
        numpy.ndarray
            float32, of their shape.
        """
        return scipy.ndimage.map_coordinates(
            self._spline, (y, x), order=3, prefilter=False, mode="mirror", output=np.float32
        )

    def inside(self, y, x):
        """Tell which points lie between the centres of the outermost pixels."""
        return (y >= 0) & (y <= self.shape[0] - 1) & (x >= 0) & (x <= self.shape[1] - 1)

    def places(self, matrix, y, x, field=None):
        """Map the points of a raster: matrix (q + field(q)).

        Parameters
        ----------
        matrix : numpy.ndarray
            (2, 3), affine map to the pixels of this image.
        y, x : numpy.ndarray
            (ny,) and (nx,), coordinates of the raster.
        field : acuity.register.elastic.Field, optional
            Displacement before the map.

        Returns
        -------
        numpy.ndarray
            (2, ny, nx).
        """
        y, x = np.asarray(y, np.float64)[:, None], np.asarray(x, np.float64)[None, :]
        if field is not None:
            dy, dx = field.on(y[:, 0], x[0])
            y, x = y + dy, x + dx
        return apply_affine(matrix, y, x)

    def warped(self, matrix, region, field=None):
        """Sample on the pixels of a region of another image; see `places`.

        Parameters
        ----------
        region : tuple of slice
            Rows and columns, with both ends.

        Returns
        -------
        numpy.ndarray
            (y, x), float32.
        """
        rows, columns = (np.arange(part.start, part.stop) for part in region)
        return self.at(*self.places(matrix, rows, columns, field))

    def region(self, matrix, shape, field=None):
        """Find a large rectangle of another image that lies inside this one.

        Parameters
        ----------
        matrix, field
            See `places`.
        shape : tuple of int
            (y, x) of the other image.

        Returns
        -------
        tuple of slice
            Rows and columns.

        Raises
        ------
        AcuityError
            If less than 32 pixels along an axis are common to both.
        """
        rows, columns = (np.arange(n) for n in shape)
        return rectangle(self.inside(*self.places(matrix, rows, columns, field)))


def rectangle(mask):
    """Find a large rectangle of true pixels by taking off the worst side again and again.

    Parameters
    ----------
    mask : numpy.ndarray
        (y, x), bool; true on a part that is nearly a rectangle.

    Returns
    -------
    tuple of slice
        Rows and columns.

    Raises
    ------
    AcuityError
        If it has less than 32 pixels along an axis.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    require(len(rows) > 0, "register: the two images have nothing in common")
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    # sums over any rectangle in four look-ups
    total = np.pad(mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))

    def missing(a, b, c, d):
        return 1 - (total[b, d] - total[a, d] - total[b, c] + total[a, c]) / max(
            (b - a) * (d - c), 1
        )

    while y1 > y0 and x1 > x0 and missing(y0, y1, x0, x1) > 0:
        sides = (
            missing(y0, y0 + 1, x0, x1),
            missing(y1 - 1, y1, x0, x1),
            missing(y0, y1, x0, x0 + 1),
            missing(y0, y1, x1 - 1, x1),
        )
        inward = np.zeros(4, np.int64)
        inward[np.argmax(sides)] = 1
        y0, y1, x0, x1 = np.array([y0, y1, x0, x1]) + inward * [1, -1, 1, -1]
    if min(y1 - y0, x1 - x0) < _LEAST:
        raise AcuityError(
            f"register: the two images have {max(y1 - y0, 0)} x {max(x1 - x0, 0)} pixels in "
            f"common; at least {_LEAST} x {_LEAST} are needed"
        )
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))

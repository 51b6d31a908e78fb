"""Masks of the part of a volume that is sample."""

import numpy as np

from acuity.errors import AcuityError


def cylinder(shape, radius):
    """Slice mask of a cylinder along z, centred in the slice.

    Parameters
    ----------
    shape : sequence of int
        (y, x) or (z, y, x) of the volume.
    radius : float or None
        In voxels; None for a mask that is true everywhere.

    Returns
    -------
    numpy.ndarray
        (y, x), bool: voxels whose centre lies within `radius` of the axis. It broadcasts over
        the slices of a volume.

    Raises
    ------
    AcuityError
        If the radius is not above 0.
    """
    ny, nx = shape[-2:]
    if radius is None:
        return np.ones((ny, nx), bool)
    if not radius > 0:
        raise AcuityError(f"mask radius is {radius}; it must be a number of voxels above 0")
    y = np.arange(ny)[:, None] - 0.5 * (ny - 1)
    x = np.arange(nx)[None, :] - 0.5 * (nx - 1)
    return y * y + x * x <= radius * radius


def inscribed_box(shape, radius):
    """Slices of the largest box of a volume whose every voxel is within the cylinder.

    Parameters
    ----------
    shape : sequence of int
        (z, y, x).
    radius : float or None
        As for `cylinder`.

    Returns
    -------
    tuple of slice
        For z (all of it), y and x; the square inside the cylinder's circle.

    Raises
    ------
    AcuityError
        If the circle holds no voxel.
    """
    nz, ny, nx = shape
    if radius is None:
        return slice(0, nz), slice(0, ny), slice(0, nx)
    out = [slice(0, nz)]
    half = radius / np.sqrt(2.0)
    for n in (ny, nx):
        centre = 0.5 * (n - 1)
        lo = max(0, int(np.ceil(centre - half - 1e-9)))
        hi = min(n, int(np.floor(centre + half + 1e-9)) + 1)
        if hi <= lo:
            raise AcuityError(f"mask radius is {radius} voxels; no voxel lies within it")
        out.append(slice(lo, hi))
    return tuple(out)

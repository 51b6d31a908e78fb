"""Power of an image or a volume at each spatial frequency, in units that do not depend on its voxels."""

import numpy as np
import pandas as pd
import scipy.fft

from acuity.measure import shells
from acuity.measure.volumes import Spacing

_FEWEST = 8  # voxels along an axis whose length decides how wide a shell is


def power_spectrum(voxels: np.ndarray, spacing: Spacing, *, along_z: bool = False):
    """Average the power of a windowed volume over shells of spatial frequency.

    P(f) = |sum_r w(r) (u(r) - <u>) exp(-2 pi i f r)|^2 dV / sum_r w(r)^2, with a Hann window w along each
    axis and the window's mean <u>. Two samplings of one structure have the same P wherever both resolve it,
    whatever their voxels.

    Parameters
    ----------
    voxels : numpy.ndarray
        (z, y, x); one slice for an image.
    spacing : tuple of float
        Voxel size along z, y, x.
    along_z : bool
        Only frequencies within 30 degrees of the z axis; by default all directions.

    Returns
    -------
    pandas.DataFrame
        Columns frequency (mean of a shell, in cycles per unit of length) and power (square of the grey value
        times the unit to the power of the axes), up to the Nyquist frequency of the coarsest axis that counts.

    Raises
    ------
    AcuityError
        If the voxels are constant or not finite.
    """
    found, squares = shells.spectrum(voxels, "power spectrum: the volume")
    sides = [n * size for n, size in zip(voxels.shape, spacing, strict=True) if n >= _FEWEST]
    width = 1.0 / (min(sides) if sides else max(np.multiply(voxels.shape, spacing)))
    counted = [0] if along_z else [axis for axis, n in enumerate(voxels.shape) if n > 1]
    most = max(1, int(0.5 / max(spacing[axis] for axis in counted) / width + 0.5 + 1e-9))
    (nz, ny, nx), (dz, dy, dx) = voxels.shape, spacing
    fy, fx = scipy.fft.fftfreq(ny, dy), scipy.fft.rfftfreq(nx, dx)
    plane = (fy * fy)[:, None] + (fx * fx)[None, :]
    weights = np.broadcast_to(shells.half_weights(nx), plane.shape)
    sums = np.zeros((3, most + 2))
    for z, f in enumerate(scipy.fft.fftfreq(nz, dz)):
        size = np.sqrt(plane + f * f)
        shell = np.minimum((size / width + 0.5).astype(np.int64), most + 1)
        if along_z:
            shell[abs(f) < np.cos(np.radians(shells.CONE)) * size] = most + 1
        for row, values in zip(
            sums, (weights, weights * size, weights * shells.power(found[z])), strict=True
        ):
            row += np.bincount(shell.ravel(), values.ravel(), most + 2)
    # Shell 0 is about frequency zero.
    count, frequency, total = sums[:, 1 : most + 1]
    full = count > 0
    scale = (
        float(np.prod([size for n, size in zip(voxels.shape, spacing, strict=True) if n > 1]))
        / squares
    )
    power = scale * total[full] / count[full]
    return pd.DataFrame({"frequency": frequency[full] / count[full], "power": power})

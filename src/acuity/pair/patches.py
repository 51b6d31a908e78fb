"""Patches of a registered pair: what displacement is left in each, and how well they correlate."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from acuity.register.blocks import Blocks, spread


@dataclass(frozen=True)
class Patches:
    """What patches showed, displacements in voxels of the high grid.

    Attributes
    ----------
    corners : numpy.ndarray
        (n, 2), int: y and x of the first voxel of each on the high grid.
    before, after : numpy.ndarray
        (n, 2): displacement of the high image against the low one, with the affine map alone and
        after the resampling.
    ncc : numpy.ndarray
        (n,): band-passed correlation after the resampling.
    """

    corners: np.ndarray
    before: np.ndarray
    after: np.ndarray
    ncc: np.ndarray

    @property
    def length(self):
        """Length of the displacement left; infinite where nothing correlates."""
        return np.where(self.ncc > 0, np.hypot(*self.after.T), np.inf)


def measure_patches(low, high, affine, factor, side, band):
    """Measure the displacement of a registered high image against the low one, patch by patch.

    Parameters
    ----------
    low : numpy.ndarray
        (y, x).
    high : numpy.ndarray
        (factor y, factor x): registered; it is averaged over low pixels to be compared.
    affine : numpy.ndarray
        (y, x): the high image on low pixels with the affine map alone.
    factor : int
        Voxels of the high grid along a low pixel.
    side : int
        Of a patch, in voxels of the high grid, whole low pixels. Patches lie side by side, evenly
        spread over the image and overlapping where it is no multiple of the side.
    band : (float, float)
        Band pass of the correlator, low pixels.

    Returns
    -------
    Patches
    """
    n, m = low.shape
    part = side // factor
    averaged = high.reshape(n, factor, m, factor).mean(axis=(1, 3), dtype=np.float64)
    rows, columns = (spread(size, part, part) for size in (n, m))
    blocks = Blocks(rows, columns, part, band=band)
    before, after = (blocks.shifts(low, image) for image in (affine, averaged))
    corners = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return Patches(corners * factor, before.shifts * factor, after.shifts * factor, after.ncc)


def patch_table(patches, accepted):
    """Return the table of patches; see `acuity.pair.pair.pair`."""
    columns = [*patches.corners.T, *patches.before.T, *patches.after.T, patches.ncc]
    names = ("y", "x", "dy_before", "dx_before", "dy", "dx", "ncc")
    table = pd.DataFrame(dict(zip(names, columns, strict=True)))
    return table.assign(accepted=accepted.astype(int))

"""Affine maps of the plane: fitted to points robustly, taken apart, and found from blocks.

A map is a (2, 3) array M: (y', x') = M[:, :2] (y, x) + M[:, 2].
"""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from acuity.register.blocks import Blocks
from acuity.register.robust import robust_weights

_ROUNDS = 20
_PASSES = 8


def apply_affine(matrix, y, x):
    """Map points.

    Parameters
    ----------
    matrix : numpy.ndarray
        (2, 3).
    y, x : numpy.ndarray
        Of shapes that broadcast.

    Returns
    -------
    numpy.ndarray
        (2, ...): y and x of the images.
    """
    (a, b, c), (d, e, f) = np.asarray(matrix, np.float64)
    return np.stack(np.broadcast_arrays(a * y + b * x + c, d * y + e * x + f))


def compose(first, then):
    """Give the map that applies `first`, after it `then`.

    Returns
    -------
    numpy.ndarray
        (2, 3).
    """
    first, then = np.asarray(first, np.float64), np.asarray(then, np.float64)
    # No BLAS: its last bits depend on the number of threads.
    linear = np.einsum("ij,jk->ik", then[:, :2], first[:, :2])
    return np.column_stack([linear, apply_affine(then, *first[:, 2])])


@dataclass(frozen=True)
class Parts:
    """What an affine map does, as rotation after shear after scaling of either axis.

    Attributes
    ----------
    scale_y, scale_x : float
        Length of the images of a unit step along y and along x.
    rotation : float
        Degrees by which the x axis turns, from x towards y.
    shear : float
        Degrees by which the angle between the images of the axes departs from 90.
    """

    scale_y: float
    scale_x: float
    rotation: float
    shear: float

    @property
    def scale(self):
        """Geometric mean of the two scales."""
        return math.sqrt(self.scale_y * self.scale_x)


def take_apart(matrix):
    """Give scale, rotation and shear of an affine map.

    Returns
    -------
    Parts
    """
    (a, b), (d, e) = np.asarray(matrix, np.float64)[:, :2]
    rotation = math.atan2(b, e)
    # where the y axis goes, seen in the frame turned with the x axis
    along = math.cos(rotation) * d + math.sin(rotation) * a
    across = math.cos(rotation) * a - math.sin(rotation) * d
    return Parts(
        math.hypot(a, d),
        math.hypot(b, e),
        math.degrees(rotation),
        math.degrees(math.atan2(along, across)),
    )


def fit_affine(points, images, weights):
    """Fit an affine map to pairs of points by iteratively reweighted least squares.

    Parameters
    ----------
    points, images : numpy.ndarray
        (n, 2): y and x.
    weights : numpy.ndarray
        (n,), of the measurements before outliers are weighed down, 0 and more.

    Returns
    -------
    matrix : numpy.ndarray
        (2, 3), images = matrix (points).
    weights : numpy.ndarray
        (n,), at the end: those given times Tukey's weight of each residual.
    """
    points, images = (np.asarray(p, np.float64).reshape(-1, 2) for p in (points, images))
    base = np.asarray(weights, np.float64)
    centre = points.mean(axis=0)
    size = max(float(np.abs(points - centre).max()), 1e-9)
    design = np.column_stack([(points - centre) / size, np.ones(len(points))])
    used = base
    for turn in range(_ROUNDS):
        normal = np.einsum("ni,n,nj->ij", design, used, design)
        normal[[0, 1, 2], [0, 1, 2]] += 1e-9 * max(used.sum(), 1e-30)
        right = np.einsum("ni,n,nk->ik", design, used, images)
        solved = np.linalg.solve(normal, right)
        residuals = np.hypot(*(images - np.einsum("ni,ik->nk", design, solved)).T)
        before = used
        used = base * robust_weights(residuals, base, lengths=turn < _ROUNDS // 2)
        if turn > _ROUNDS // 2 and np.abs(used - before).max() < 1e-6:
            break
    linear = solved[:2].T / size
    shift = solved[2] - np.einsum("ij,j->i", linear, centre)
    return np.column_stack([linear, shift]), used


def refine_affine(fixed, moving, matrix, *, bands, counts=(3, 4, 5), least=0.01):
    """Bring an affine map to a fraction of a pixel by shifts of blocks.

    Parameters
    ----------
    fixed : numpy.ndarray
        (y, x), the image on whose grid is measured.
    moving : acuity.register.sampling.Sampler
        The other image.
    matrix : numpy.ndarray
        (2, 3), from pixels of `fixed` to those of `moving`, right to a few pixels.
    bands : tuple of (float, float)
        Band pass of the correlator in pixels, one for each of `counts`.
    counts : tuple of int
        Blocks along the shorter side of the common region, from the first passes to the last.
    least : float
        It ends where a pass moves no corner of the region by more than this, in pixels.

    Returns
    -------
    matrix : numpy.ndarray
        (2, 3).
    region : tuple of slice
        Rectangle of `fixed` on which all of `moving` is known.
    blocks : acuity.register.blocks.Shifts
        Shifts measured in the last pass, before its update.

    Raises
    ------
    AcuityError
        If the images have less than 32 pixels along an axis in common.
    """
    for count, band in zip(counts, bands, strict=True):
        for _ in range(_PASSES):
            region = moving.region(matrix, fixed.shape)
            blocks = Blocks.spread(region, count, band=band)
            warped = moving.warped(matrix, region)
            found = blocks.shifts(fixed[region], warped, (region[0].start, region[1].start))
            # fixed(q) = moving(M q), and the block has moved by d: fixed(q) = warped(q + d).
            update, weights = fit_affine(found.centres, found.centres + found.shifts, found.weights)
            found = found.weighed(weights)
            corners = np.array(list(product(*((part.start, part.stop) for part in region))))
            moved = np.abs(apply_affine(update, *corners.T).T - corners).max()
            matrix = compose(update, matrix)
            if moved < least:
                break
    return matrix, moving.region(matrix, fixed.shape), found

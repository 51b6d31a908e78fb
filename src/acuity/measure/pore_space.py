"""Statistics of the pore space as a whole: local thickness, chord lengths, two-point correlation.

They need no separation of pores. All are computed in the largest box inside the mask: nothing is
known of what lies beyond it.
"""

import edt
import numpy as np
import pandas as pd
import scipy.fft
from numba import get_num_threads, njit, prange

from acuity.errors import AcuityError, require
from acuity.field_of_view import inscribed_box
from acuity.measure.volumes import Radius, Spacing
from acuity.tables import tidy_row

_MOST_VOXELS = 160**3


def chord_lengths(binary: np.ndarray, axis: int):
    """Lengths of the chords of a phase along one axis.

    A chord is a run of voxels of the phase, on a line through voxel centres, between two voxels
    of the other phase; runs cut by the border are left out. (Torquato, Random Heterogeneous
    Materials, 2002, section 2.5.)

    Parameters
    ----------
    binary : numpy.ndarray
        (z, y, x), bool.
    axis : int
        0, 1, 2 for z, y, x.

    Returns
    -------
    numpy.ndarray
        Number of chords of 0, 1, 2, ... voxels.
    """
    lines = np.moveaxis(binary, axis, 2).reshape(-1, binary.shape[axis])
    change = np.diff(lines.astype(np.int8), axis=1)
    line, at = np.nonzero(change)
    # A chord begins with a step up, and ends with the next step, on the same line.
    chord = (change[line, at] > 0)[:-1] & (line[:-1] == line[1:])
    return np.bincount(np.diff(at)[chord], minlength=lines.shape[1] + 1)


def _containing(largest):
    """Squared radius from which on the ball of a neighbour holds all voxels of a ball.

    By kind of neighbour (face, edge, corner), then by squared radius; (3, largest + 1).
    """
    side = np.arange(int(np.sqrt(largest)) + 1)
    z, y, x = np.meshgrid(side, side, side, indexing="ij")
    square = z * z + y * y + x * x
    found = np.zeros((3, largest + 1), np.int64)
    for kind, ahead in enumerate((x, x + y, x + y + z)):
        near = square < largest
        np.maximum.at(found[kind], square[near] + 1, (square + 2 * ahead + kind + 2)[near])
    return np.maximum.accumulate(found, axis=1)


@njit(cache=True, parallel=True)
def _ridge(squared, containing):
    """Voxels whose ball no neighbour's holds (the others cover nothing more)."""
    nz, ny, nx = squared.shape
    kept = np.zeros(squared.shape, np.bool_)
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                own = squared[z, y, x]
                keep = own > 0
                for k in range(27):
                    dz, dy, dx = k // 9 - 1, k // 3 % 3 - 1, k % 3 - 1
                    i, j, m = z + dz, y + dy, x + dx
                    if k != 13 and 0 <= i < nz and 0 <= j < ny and 0 <= m < nx:
                        kind = dz * dz + dy * dy + dx * dx - 1
                        keep &= squared[i, j, m] < containing[kind, own]
                kept[z, y, x] = keep
    return kept


@njit(cache=True, parallel=True)
def _cover(centres, squares, shape):
    """Largest squared radius of the balls that hold a voxel; each plane is one thread's."""
    nz, ny, nx = shape
    covered = np.zeros((nz, ny, nx), np.int32)
    for z in prange(nz):
        for n in range(len(squares)):
            cz, cy, cx = centres[n]
            left = squares[n] - (z - cz) ** 2
            if left <= 0:
                continue
            rise = int(np.ceil(np.sqrt(left))) - 1
            for y in range(max(0, cy - rise), min(ny, cy + rise + 1)):
                reach = int(np.ceil(np.sqrt(left - (y - cy) ** 2))) - 1
                for x in range(max(0, cx - reach), min(nx, cx + reach + 1)):
                    covered[z, y, x] = max(covered[z, y, x], squares[n])
    return covered


def local_thickness(binary: np.ndarray):
    """Diameter of the largest ball of a phase that holds a voxel, at every voxel of it.

    The radius of a ball is the distance from its centre to the nearest voxel of the other phase;
    it holds the voxels nearer than that. Radii are those of the distance transform, not rounded,
    and what lies beyond the border is unknown, not solid. (Hildebrand and Ruegsegger,
    doi:10.1046/j.1365-2818.1997.1340694.x, equation 1.)

    Parameters
    ----------
    binary : numpy.ndarray
        (z, y, x), bool, not all of it True; voxels are cubes.

    Returns
    -------
    numpy.ndarray
        (z, y, x), float32, in voxels; 0 in the other phase.
    """
    squared = edt.edtsq(binary, parallel=get_num_threads()).astype(np.int32)  # whole numbers
    centres = np.argwhere(_ridge(squared, _containing(squared.max())))
    covered = _cover(centres, squared[tuple(centres.T)], binary.shape)
    return 2 * np.sqrt(covered, dtype=np.float32)


def two_point_correlation(binary: np.ndarray, largest: int | None = None):
    """Probability that two points at a distance are both in the phase.

    By Fourier transforms padded with zeros, each shift divided by the number of pairs of voxels
    that it has within the volume, then averaged over shells of one voxel. (Torquato 2002,
    section 2.1.)

    Parameters
    ----------
    binary : numpy.ndarray
        (z, y, x), bool.
    largest : int, optional
        Greatest distance in voxels; by default a third of the shortest side.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        Mean distance of each shell in voxels, from 0, and the probability; (shells,) each.

    Raises
    ------
    AcuityError
        If the volume is a single voxel.
    """
    sides = [n for n in binary.shape if n > 1]
    require(len(sides) > 0, "two_point_correlation: the volume is a single voxel")
    largest = max(1, min(sides) // 3) if largest is None else int(largest)
    pad = [scipy.fft.next_fast_len(n + min(largest + 1, n), real=True) for n in binary.shape]
    workers = get_num_threads()
    spectrum = scipy.fft.rfftn(binary.astype(np.float32), s=pad, workers=workers)
    spectrum = (spectrum * spectrum.conj()).astype(np.complex64)
    pairs = scipy.fft.irfftn(spectrum, s=pad, workers=workers)
    # Shifts along z from 0 up (the others follow by symmetry), along y and x both ways.
    shift = [np.arange(-r, r + 1) for r in (min(largest, n - 1) for n in binary.shape)]
    shift[0] = shift[0][shift[0] >= 0]
    pairs = pairs[np.ix_(*(s % p for s, p in zip(shift, pad, strict=True)))]
    z, y, x = np.meshgrid(*shift, indexing="ij", sparse=True)
    nz, ny, nx = binary.shape
    possible = (nz - np.abs(z)) * (ny - np.abs(y)) * (nx - np.abs(x))
    distance = np.sqrt(z * z + y * y + x * x)
    shell = np.rint(distance).astype(np.int64)
    near = shell <= largest
    # Half of the plane z = 0 repeats the other half.
    weight = np.broadcast_to(np.where(z > 0, 2.0, 1.0), shell.shape)[near]
    shell = shell[near]
    total = np.bincount(shell, weight)
    mean = np.bincount(shell, weight * distance[near]) / total
    value = np.bincount(shell, weight * (pairs / possible)[near]) / total
    return mean, value


def pore_space(
    binary: np.ndarray,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    unit: str = "voxel",
    mask_radius: Radius = None,
    pores: str = "labels",
):
    """Local thickness, chord lengths and two-point correlation of a phase.

    Parameters
    ----------
    binary : numpy.ndarray
        (z, y, x), bool or labels: what is not 0 is pore space. Cropped to the largest box inside
        the mask. For local thickness and two-point correlation every second (third, ...) voxel is
        then taken, so that at most 160^3 remain: at 512^3 they are coarser than a voxel. Chord
        lengths use all.
    spacing : (float, float, float)
        Voxel size along z, y, x in `unit`.
    unit : str
        Unit of length.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.
    pores : {"labels", "background"}
        Which of the two is pore space: what is labelled, or what lies between.

    Returns
    -------
    (list of dict, pandas.DataFrame)
        Rows (metric, subset, value, unit): pore_share, the share of pores in the box, and, unless
        it is all pore or has none, local_thickness_mean, local_thickness_median (diameter
        of the largest sphere of pore space that holds a point); chord_length_mean and
        chord_length_median for subsets "z", "y", "x"; correlation_length, the distance at which
        the two-point correlation has fallen to 1/e of the way to the squared porosity. Then
        the curve: distance (unit), two_point. Where voxels are not cubes, only the chords.

    Raises
    ------
    AcuityError
        If `binary` is no volume, or `pores` none of its two values.
    """
    require(np.ndim(binary) == 3, f"pore_space: the volume has shape {np.shape(binary)}; (z, y, x)")
    if pores not in ("labels", "background"):
        raise AcuityError(f"pore_space: pores is {pores!r}; allowed are 'labels' and 'background'")
    box = binary[inscribed_box(binary.shape, mask_radius)]
    inside = np.ascontiguousarray(box != 0 if pores == "labels" else box == 0)
    share = float(inside.mean())
    rows = [tidy_row("pore_share", share)]
    curve = pd.DataFrame({"distance": [], "two_point": []}, dtype=float)
    if share in (0.0, 1.0):
        return rows, curve
    for axis, name in enumerate("zyx"):
        counts = chord_lengths(inside, axis)
        if counts.sum():
            lengths = np.arange(len(counts)) * spacing[axis]
            mean = (counts * lengths).sum() / counts.sum()
            median = lengths[np.searchsorted(np.cumsum(counts), 0.5 * counts.sum())]
            rows.append(tidy_row("chord_length_mean", mean, unit, name))
            rows.append(tidy_row("chord_length_median", median, unit, name))
    if max(spacing) - min(spacing) > 1e-6 * max(spacing):
        return rows, curve
    step = int(np.ceil(np.cbrt(inside.size / _MOST_VOXELS)))
    coarse = np.ascontiguousarray(inside[::step, ::step, ::step])
    side = step * spacing[0]
    if coarse.any() and not coarse.all():
        thickness = side * local_thickness(coarse)[coarse]
        rows.append(tidy_row("local_thickness_mean", thickness.mean(dtype=np.float64), unit))
        rows.append(tidy_row("local_thickness_median", np.median(thickness), unit))
    distance, value = two_point_correlation(coarse)
    curve = pd.DataFrame({"distance": distance * side, "two_point": value})
    left = (value - share**2) / (value[0] - share**2)
    below = np.flatnonzero(left < np.exp(-1.0))
    if len(below) and below[0] > 0:
        i = below[0]
        t = (left[i - 1] - np.exp(-1.0)) / (left[i - 1] - left[i])
        at = distance[i - 1] + t * (distance[i] - distance[i - 1])
        rows.append(tidy_row("correlation_length", at * side, unit))
    return rows, curve

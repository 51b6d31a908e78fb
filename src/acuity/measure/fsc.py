"""Fourier shell correlation of two independent volumes of one object."""

import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.measure.shells import Shells, spectrum
from acuity.measure.volumes import Spacing, read_on
from acuity.tables import tidy_row
from acuity.units import convert
from acuity.volume import Volume

# Rosenthal and Henderson 2003 (doi:10.1016/j.jmb.2003.07.013): two halves of the data that
# correlate by 0.143 make a whole that correlates by 0.5 with the perfect map.
CRITERION = 0.143
_SAME = 0.999
# Voxels of the spectrum below which a shell's correlation is chance: shells are joined up to it.
_FEWEST = 40


def fsc(
    first: np.ndarray,
    second: np.ndarray,
    *,
    spacing: Spacing,
    unit: str = "nm",
    criterion: float = CRITERION,
):
    """Fourier shell correlation of two volumes, in all directions, along z and in the plane.

    FSC(f) = Re sum F1 F2* / sqrt(sum |F1|^2 sum |F2|^2) over a shell of |f| (Harauz and van Heel
    1986), of the volumes under a Hann window along each axis; the first shells are joined until
    they hold 40 voxels of the spectrum. The volumes must come from two acquisitions with noise of
    their own, registered. Against a truth, or between a volume and its filtered version, it tells
    nothing: it is blind to blur.

    Parameters
    ----------
    first, second : numpy.ndarray
        (z, y, x) of one shape, at least 8 voxels along each axis. Memory: about 24 bytes a voxel.
    spacing : tuple of float
        Voxel size along z, y, x.
    unit : str
        Its unit.
    criterion : float
        Correlation at which the resolution is read.

    Returns
    -------
    (list of dict, pandas.DataFrame)
        Rows ``fsc_resolution`` (nm) for the subsets ``all``, ``z`` (within 30 degrees of the z axis)
        and ``xy`` (within 30 degrees of the plane): one over the frequency where the curve first
        falls below the criterion. Where it never does, the voxels limit and not the noise: the
        value is that of the last shell, and ``fsc_at_limit``, the correlation there, is not below
        the criterion. And the curves: columns subset, frequency (1/nm), fsc, n (voxels of the
        spectrum).

    Raises
    ------
    AcuityError
        If shapes differ or are too small, a volume is constant or not finite, the criterion is not
        between 0 and 1, or the volumes are the same up to brightness and contrast, so that they
        cannot be independent.
    """
    if np.shape(first) != np.shape(second):
        raise AcuityError(
            f"fsc: the volumes have the shapes {np.shape(first)} and {np.shape(second)}; one "
            "(z, y, x) is needed."
        )
    if not 0 < criterion < 1:
        raise AcuityError(f"fsc: criterion is {criterion}, allowed are numbers between 0 and 1.")
    shells = Shells(np.shape(first), [convert(length, unit, "nm") for length in spacing])
    a, _ = spectrum(first, "fsc: the first volume")
    b, _ = spectrum(second, "fsc: the second volume")

    def products(z):
        p, q = a[z].astype(np.complex128), b[z].astype(np.complex128)
        return [(p * q.conj()).real, (p * p.conj()).real, (q * q.conj()).real]

    rows, tables = [], []
    for name, sums in shells.sums(products).items():
        count, frequency, cross, own, other = _joined(sums).T
        power = np.sqrt(own * other)
        curve = pd.DataFrame(
            {
                "subset": name,
                "frequency": frequency / count,
                # A shell without power, of a volume that was filtered, has nothing in common.
                "fsc": np.divide(cross, power, out=np.zeros_like(cross), where=power > 0),
                "n": count.astype(np.int64),
            }
        )
        # Every shell but for the sign: a copy with inverted contrast is a copy.
        if name == "all" and np.abs(curve["fsc"]).min() > _SAME:
            raise AcuityError(
                "fsc: the two volumes correlate by more than "
                f"{_SAME} at every frequency, so they are no independent acquisitions; Fourier "
                "shell correlation needs two."
            )
        rows += [
            tidy_row("fsc_resolution", 1.0 / crossing(curve, criterion), "nm", name),
            tidy_row("fsc_at_limit", curve["fsc"].iloc[-1], subset=name),
        ]
        tables.append(curve)
    return rows, pd.concat(tables, ignore_index=True)


def volume_fsc(first: Volume, second: Volume):
    """Fourier shell correlation of two volumes on one grid.

    Parameters
    ----------
    first, second : acuity.volume.Volume
        Of two independent acquisitions; the part that both cover is taken.

    Returns
    -------
    rows : list of dict
    curves : pandas.DataFrame
        As `fsc` gives.

    Raises
    ------
    AcuityError
        If the grids do not go together or one is a copy of the other.
    """
    grid = first.grid.crop(_shared(first.grid, second.grid))
    return fsc(**read_on(grid, first=first, second=second))


def _shared(grid, other):
    """The box of a grid that another one covers; all of it along an axis where they do not meet."""
    box = []
    each = zip(grid.shape, grid.origin, grid.spacing, other.shape, other.origin, strict=True)
    for count, origin, size, covers, start in each:
        first = round((start - origin) / size)
        span = slice(max(first, 0), min(first + covers, count))
        box.append(span if span.start < span.stop else slice(None))
    return tuple(box)


def _joined(sums):
    """Join shells (rows of sums) from the first on until each holds enough voxels."""
    rows, row = [], np.zeros(sums.shape[1])
    for shell in sums:
        row = row + shell
        if row[0] >= _FEWEST:
            rows.append(row)
            row = np.zeros_like(row)
    return np.array(rows or [row])


def crossing(curve: pd.DataFrame, criterion: float = CRITERION):
    """Frequency at which a curve first falls below a criterion, between shells on a line.

    Parameters
    ----------
    curve : pandas.DataFrame
        Columns frequency and fsc, of one subset.
    criterion : float
        The correlation.

    Returns
    -------
    float
        The frequency; that of the first shell where even this is below, of the last where none is.
    """
    f, value = curve["frequency"].to_numpy(), curve["fsc"].to_numpy()
    below = np.flatnonzero(value < criterion)
    if not len(below):
        return float(f[-1])
    at = below[0]
    if at == 0:
        return float(f[0])
    share = (value[at - 1] - criterion) / (value[at - 1] - value[at])
    return float(f[at - 1] + share * (f[at] - f[at - 1]))

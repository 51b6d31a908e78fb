"""Scattering function of a volume: its radially averaged power, to be held against SAXS."""

import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.measure.shells import SECTORS, Shells, decade_rows, power, spectrum
from acuity.measure.volumes import Spacing
from acuity.units import convert
from acuity.volume import Volume


def scattering(
    volume: np.ndarray, *, spacing: Spacing, unit: str = "nm", threshold: float | None = None
):
    """Scattering function of a volume.

    I(q) = |sum_r w(r) (u(r) - <u>) exp(-i q r)|^2 dV / sum_r w(r)^2, averaged over shells of
    |q|, with a Hann window w along each axis and the window's mean <u>. It is the scattering
    function that Hagita et al. 2018 (doi:10.1038/s41598-018-24330-1) propose to compare with
    small-angle X-ray scattering, per volume of the sample: its integral over d^3q / (2 pi)^3 is
    the variance of u. The scale of a measured curve depends on the contrast of the phases; compare
    shapes.

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x); at least 8 voxels along each axis. Memory: about 12 bytes a voxel besides.
    spacing : tuple of float
        Voxel size along z, y, x.
    unit : str
        Its unit.
    threshold : float, optional
        Take 1 for voxels above this grey value and 0 for others: scattering of two phases with
        a contrast of one.

    Returns
    -------
    pandas.DataFrame
        Columns subset (``all``: every direction; ``z``: within 30 degrees of the z axis; ``xy``:
        within 30 degrees of the plane), q = 2 pi / d (1/nm, mean of the shell), intensity (square
        of the volume's grey value times nm^3) and n (voxels of the spectrum in the shell). Each
        subset ends at the coarsest Nyquist frequency that it holds.

    Raises
    ------
    AcuityError
        If the volume is too small, is constant, or holds voxels that are not finite.
    """
    size = [convert(length, unit, "nm") for length in spacing]
    shells = Shells(np.shape(volume), size)
    if threshold is not None:
        if not np.isfinite(np.sum(volume, dtype=np.float64)):
            raise AcuityError("scattering: the volume holds NaN or infinite voxels.")
        volume = np.asarray(volume) > threshold
    found, squares = spectrum(volume, "scattering: the volume")
    scale = float(np.prod(size)) / squares
    tables = []
    for name, sums in shells.sums(lambda z: [power(found[z])]).items():
        count, frequency, total = sums[sums[:, 0] > 0].T
        q, intensity = 2 * np.pi * frequency / count, scale * total / count
        columns = {"subset": name, "q": q, "intensity": intensity, "n": count.astype(np.int64)}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def volume_scattering(image: Volume, truth: Volume | None = None):
    """Scattering function of a volume and, where there is a truth, how far it is from that one's.

    Parameters
    ----------
    image : acuity.volume.Volume
        The volume.
    truth : acuity.volume.Volume, optional
        The true one, of which the part is taken that `image` covers.

    Returns
    -------
    rows : list of dict
        As `scattering_rows` gives; none without a truth.
    curve : pandas.DataFrame
        As `scattering` gives.

    Raises
    ------
    AcuityError
        If the volumes' grids do not go together.
    """
    grid = image.grid
    curve = scattering(image.read(), spacing=grid.spacing, unit=grid.unit)
    if truth is None:
        return [], curve
    true = truth.within(grid, "truth").read()
    reference = scattering(true, spacing=grid.spacing, unit=grid.unit)
    return scattering_rows(curve, reference), curve


def scattering_rows(curve: pd.DataFrame, truth: pd.DataFrame):
    """How far a scattering function is from the truth's.

    Parameters
    ----------
    curve, truth : pandas.DataFrame
        As `scattering` gives them, of volumes on one grid.

    Returns
    -------
    list of dict
        Rows for each subset: ``scattering_log_rms``, the root mean square over the shells of
        log10(I / I_truth), and ``scattering_log_bias``, its mean (below 0: power is missing), both
        in decades; n is the number of shells.

    Raises
    ------
    AcuityError
        If the curves are not of one grid.
    """
    rows, tiny = [], np.finfo(float).tiny
    for name in SECTORS:
        own, true = (table[table["subset"] == name] for table in (curve, truth))
        if len(own) != len(true) or not np.allclose(own["q"], true["q"], rtol=1e-6):
            raise AcuityError(
                f"scattering: the curves ({len(own)} and {len(true)} shells of {name!r}) are not "
                "of volumes on one grid."
            )
        both = (np.maximum(table["intensity"].to_numpy(), tiny) for table in (own, true))
        rows += decade_rows("scattering", np.subtract(*map(np.log10, both)), name)
    return rows

"""Automatic choice of a threshold."""

import numpy as np

from acuity.errors import AcuityError


def otsu(values, bins=1024):
    """Otsu's threshold of some values (Otsu 1979, doi:10.1109/TSMC.1979.4310076).

    The histogram spans the 0.01st to the 99.99th percentile, so that single outliers do not
    coarsen it.

    Parameters
    ----------
    values : numpy.ndarray
        Any shape, finite.
    bins : int
        Number of histogram bins.

    Returns
    -------
    float
        The value that separates the classes best: lower class <= threshold < upper class.

    Raises
    ------
    AcuityError
        If there is no value, one is not finite, or all are the same.
    """
    values = np.asarray(values).ravel()
    if values.size == 0:
        raise AcuityError("Otsu's threshold: there are no voxels in the mask")
    sample = values[:: max(1, values.size // 1_000_000)]
    low, high = np.percentile(sample, [0.01, 99.99])
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise AcuityError("Otsu's threshold: the volume holds NaN or infinite voxels")
    if not high > low:
        raise AcuityError(
            f"Otsu's threshold: every voxel in the mask is {low:g}; two classes are needed"
        )
    count, edges = np.histogram(values, bins, range=(low, high))
    centre = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(count)
    above = below[-1] - below
    mass = np.cumsum(count * centre)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    between[~np.isfinite(between)] = -1.0
    best = np.flatnonzero(between == between.max())
    # A gap between the classes is a plateau: its middle is the fairest cut.
    return float(0.5 * (edges[best[0] + 1] + edges[best[-1] + 1]))

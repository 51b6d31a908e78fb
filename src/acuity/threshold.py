"""Automatic choice of a threshold."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from acuity.errors import AcuityError
from acuity.field_of_view import cylinder, values_inside

_SAMPLE = 1_000_000
# How many times as far as the bulk of the values is wide a value lies beyond it that is none of it.
FAR = 10.0
_CLEAR = 0.75  # share of the variance that is between two phases; of noise alone it is 2 / pi


def otsu(values: ArrayLike, bins: int = 1024) -> float:
    """Return Otsu's threshold of some values; see `otsu_of_parts`.

    Parameters
    ----------
    values : numpy.ndarray
        Any shape, finite.
    bins : int
        Number of histogram bins.

    Returns
    -------
    float
    """
    values = np.asarray(values).ravel()
    return otsu_of_parts(lambda: [values], values.size, bins)


def otsu_inside(data: Any, mask_radius: float | None = None) -> float:
    """Return Otsu's threshold of the voxels in a cylinder along z, read twice, slab by slab.

    Parameters
    ----------
    data : array
        (z, y, x), in memory or read part by part.
    mask_radius : float or None
        Radius of the cylinder in voxels; None for the whole volume.

    Returns
    -------
    float
    """
    count = int(cylinder(data.shape, mask_radius).sum()) * data.shape[0]
    return otsu_of_parts(lambda: values_inside(data, mask_radius), count)


def sample_of(
    parts: Iterable[np.ndarray], count: int
) -> tuple[list[np.ndarray], float, float, int]:
    """Take every k-th of values that come in parts, a million or two of them.

    Parameters
    ----------
    parts : iterable of numpy.ndarray
        Flat arrays.
    count : int
        Number of values in all of them.

    Returns
    -------
    sample : list of numpy.ndarray
        By part; independent of how the values are cut.
    least, most : float
        Of all values; NaN where there is one.
    seen : int
        Number of values.
    """
    step = max(1, count // _SAMPLE)
    sample, least, most, seen = [], np.inf, -np.inf, 0
    for values in parts:
        if values.size:
            sample.append(values[-seen % step :: step].copy())
            # NaN, where there is one, stays
            least, most = np.minimum(least, values.min()), np.maximum(most, values.max())
            seen += values.size
    return sample, least, most, seen


def otsu_of_parts(parts: Callable[[], Iterable[np.ndarray]], count: int, bins: int = 1024) -> float:
    """Return Otsu's threshold of values that come in parts (Otsu 1979, doi:10.1109/TSMC.1979.4310076).

    The histogram spans the 0.01st to the 99.99th percentile (of every k-th value, a million or two
    of them), so that single outliers do not coarsen it. Its counts add up over the parts: how the
    values are cut does not change the threshold by a bit. Where values lie far out (a hot voxel
    that a filter has spread: more than `FAR` times as far beyond the 1st or 99th percentile as
    these are apart) and the others have two clear phases of their own, the threshold is theirs.

    Parameters
    ----------
    parts : callable
        Called two or three times; gives an iterable of flat arrays, in the same order, of finite values.
    count : int
        Number of values in all of them.
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
    if count == 0:
        raise AcuityError("Otsu's threshold: there are no voxels in the mask")
    sample, least, most, _ = sample_of(parts(), count)
    low, first, last, high = np.percentile(np.concatenate(sample), [0.01, 1, 99, 99.99])
    if not high > low:
        low, high = float(least), float(most)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise AcuityError("Otsu's threshold: the volume holds NaN or infinite voxels")
    if not high > low:
        raise AcuityError(
            f"Otsu's threshold: every voxel in the mask is {low:g}; two classes are needed"
        )
    span = last - first
    if 0 < FAR * span < max(most - last, first - least):
        bulk = first - 0.5 * span, last + 0.5 * span
        cut, share = _cut(parts, bins, *bulk)
        if share > _CLEAR:
            return cut
    return _cut(parts, bins, low, high)[0]


def _cut(parts, bins, low, high):
    """Return Otsu's threshold of the values in a range, and the share of their variance that it explains."""
    counts = np.zeros(bins, np.int64)
    for values in parts():
        part, edges = np.histogram(values, bins, range=(low, high))
        counts += part
    centre = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * centre)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    between[~np.isfinite(between)] = -1.0
    best = np.flatnonzero(between == between.max())
    # A gap between the classes is a plateau: its middle is the fairest cut.
    cut = float(0.5 * (edges[best[0] + 1] + edges[best[-1] + 1]))
    mean = mass[-1] / below[-1]
    spread = (counts * (centre - mean) ** 2).sum() * below[-1]
    return cut, float(between.max() / spread) if spread > 0 else 0.0

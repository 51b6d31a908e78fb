"""What two images must be to make a pair."""

import numpy as np

from acuity.errors import AcuityError, require
from acuity.units import convert
from acuity.volume import check_finite

# The field of the high image may stick out of the low one's by this much.
_LARGER = 1.05
_LEAST = 48
_FINER = 1.5
_STEP = 1.2  # from one scan to the next, of three
# A dark background that is cut off leaves the structures before it as they are.
_BLACK = 0.8


def check_pair(high, low, factor, max_saturated, where):
    """Read two images and refuse what cannot be a pair.

    Parameters
    ----------
    high, low : Volume
        (1, y, x).
    factor : int
        Pixels of the high grid along a side of a low pixel.
    max_saturated : float
        Largest share of pixels at the greatest value of an image.
    where : str
        For errors.

    Returns
    -------
    high, low : numpy.ndarray
        The pixels, (y, x).
    ratios : numpy.ndarray
        (2,): pixel size of the low image over that of the high one, along y and x.

    Raises
    ------
    AcuityError
        See `acuity.pair.pair.pair`.
    """
    if factor != int(factor) or factor < 1:
        raise AcuityError(f"{where}: factor is {factor}, allowed are whole numbers from 1 up.")
    ratios = check_grids(high, low, factor, where)
    images = (
        _checked(volume, _called(volume, which), max_saturated, where)
        for which, volume in (("high", high), ("low", low))
    )
    return *images, ratios


def check_grids(high, low, factor, where):
    """Refuse what cannot be a pair by its shape and pixel size, see `check_pair`; no pixel is read."""
    high_name, low_name = _called(high, "high"), _called(low, "low")
    for volume, name in ((high, high_name), (low, low_name)):
        if volume.grid.shape[0] != 1:
            raise AcuityError(f"{where}: {name} has {volume.grid.shape[0]} slices, allowed is one.")
    fine, coarse = (
        np.array([convert(size, volume.grid.unit, "nm") for size in volume.grid.spacing[1:]])
        for volume in (high, low)
    )
    ratios = coarse / fine
    if ratios.min() <= 1:
        raise AcuityError(
            f"{where}: {low_name} has pixels of {numbers(coarse)} nm and {high_name} of {numbers(fine)} nm; "
            "those of the low one must be larger (are the two swapped?)."
        )
    if factor > _FINER * ratios.max():
        raise AcuityError(
            f"{where}: factor is {factor} and the pixel sizes are {numbers(coarse)} nm and "
            f"{numbers(fine)} nm; allowed is up to {_FINER:g} times their ratio of {ratios.max():.3g}."
        )
    covered = np.asarray(high.grid.shape[1:]) / ratios
    if np.any(covered > _LARGER * np.asarray(low.grid.shape[1:])):
        raise AcuityError(
            f"{where}: the field of {high_name}, {_field(high, fine)}, is larger than that of "
            f"{low_name}, {_field(low, coarse)}; it must lie within it."
        )
    if covered.min() < _LEAST:
        raise AcuityError(
            f"{where}: {high_name} covers {covered[0]:.0f} x {covered[1]:.0f} pixels of "
            f"{low_name}; at least {_LEAST} x {_LEAST} are needed to place it."
        )
    return ratios


def check_volumes(high, low, factor, where):
    """Refuse what cannot be a pair of volumes by its shape and voxel size; no voxel is read.

    Parameters
    ----------
    high, low : Volume
        (z, y, x).
    factor : int
        Voxels of the fine grid along a low one.
    where : str
        For errors.

    Returns
    -------
    numpy.ndarray
        (3,): voxel size of the low volume over that of the high one, along z, y and x.

    Raises
    ------
    AcuityError
        See `acuity.pair.volumes.pair_volumes`.
    """
    high_name, low_name = (_called(v, w, "volume") for v, w in ((high, "high"), (low, "low")))
    fine, coarse = (
        np.array([convert(size, volume.grid.unit, "nm") for size in volume.grid.spacing])
        for volume in (high, low)
    )
    ratios = coarse / fine
    told = f"{where}: {low_name} has voxels of {numbers(coarse)} nm and {high_name} of {numbers(fine)} nm"
    if np.allclose(ratios, 1, atol=0.05):
        raise AcuityError(
            f"{told}, which is one magnification; a pair needs a coarse and a fine scan of one object."
        )
    if ratios.min() <= 1:
        raise AcuityError(f"{told}; those of the low one must be larger (are the two swapped?).")
    nearest = np.rint(ratios)
    if nearest.min() != nearest.max() or factor != nearest[0]:
        wanted = "a whole number" if nearest.min() != nearest.max() else f"the level {nearest[0]:g}"
        raise AcuityError(
            f"{told}, a ratio of {numbers(ratios)}; allowed with it is {wanted}, found the level {factor}."
        )
    return ratios


def check_between(low, middle, high, where):
    """Refuse a scan through which two others cannot be registered, by its voxel size.

    Parameters
    ----------
    low, middle, high : Volume
        (z, y, x), the coarsest first.
    where : str
        For errors.

    Returns
    -------
    list of numpy.ndarray
        Two, (3,) each: voxel of the low volume over that of the middle one, and of this over that of the high one.

    Raises
    ------
    AcuityError
        If its voxels are not between those of the others.
    """
    sizes = [
        np.array([convert(size, volume.grid.unit, "nm") for size in volume.grid.spacing])
        for volume in (low, middle, high)
    ]
    ratios = [sizes[0] / sizes[1], sizes[1] / sizes[2]]
    if min(ratio.min() for ratio in ratios) < _STEP:
        told = " and ".join(f"{numbers(size)} nm" for size in (sizes[0], sizes[2]))
        raise AcuityError(
            f"{where}: {_called(middle, 'middle', 'volume')} has voxels of {numbers(sizes[1])} nm, and the low and the "
            f"high one of {told}; allowed is a scan between, each step {_STEP:g}:1 and more"
        )
    return ratios


def _called(volume, which, what="image"):
    return f"the {which} {what}{f' ({volume.source})' if volume.source else ''}"


def numbers(values):
    """Return numbers (y, x) as an error tells them: one where they are the same."""
    return " x ".join(dict.fromkeys(f"{value:.4g}" for value in values))


def _field(volume, pixel):
    sides = [n * size / 1000 for n, size in zip(volume.grid.shape[1:], pixel, strict=True)]
    return f"{sides[0]:.4g} x {sides[1]:.4g} um"


def _checked(volume, called, max_saturated, where):
    block = volume.read()
    check_finite(block, 0, f"{where}: {called}")
    image = block[0]
    least, greatest = image.min(), image.max()
    require(least != greatest, f"{where}: {called} is blank, all its pixels are {least}.")
    for value, end, most, key in (
        (greatest, "greatest", max_saturated, " (max_saturated)"),
        (least, "least", _BLACK, ""),
    ):
        share = np.count_nonzero(image == value) / image.size
        if share > most:
            raise AcuityError(
                f"{where}: {called} is saturated, {100 * share:.0f} % of its pixels have its {end} "
                f"value, {value}; allowed are {100 * most:g} %{key}."
            )
    return image

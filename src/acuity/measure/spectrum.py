"""Spatial frequencies of an image beside those of its truth, radially averaged."""

import numpy as np
import pandas as pd
import scipy.fft

from acuity.errors import AcuityError
from acuity.filters import half_weights
from acuity.measure import shells
from acuity.measure.subsets import ALIASED, BELOW
from acuity.measure.volumes import Spacing, read_on
from acuity.tables import tidy_row
from acuity.units import convert
from acuity.volume import Volume

# Share of the image's own Nyquist frequency up to which figures are given: beyond it, what an
# interpolation or a camera let through is compared and no structure.
TOP = 0.8
_SMALLEST = 32  # pixels along a side
_RINGS = 64  # up to the image's Nyquist frequency
_STEPS = 4  # frequencies of the spectrum across a ring at least
_FIRST = 1.5  # nearer to frequency 0, what is left of the mean under the window weighs
# A spectrum is flat, and noise, where its logarithm changes by less than this between _FLOOR and
# TOP: cubic resampling takes 0.18 from white noise there, and edges fall by 0.8.
_FLOOR, _FLAT = 0.6, 0.25


def spectrum(
    image: np.ndarray, truth: np.ndarray, *, spacing: Spacing, unit: str = "nm", low_nyquist: float
):
    """Radially averaged spectra of an image and of its truth, and their ratio.

    As figure 4 of de Haan et al. 2019 (doi:10.1038/s41598-019-48444-2): magnitudes of the spatial
    frequencies, averaged over rings. Each slice is windowed (Hann along y and x, the window's mean
    removed) and transformed, and the rings are averaged over slices. The ratio is that of the
    images as they are, whose grey values must be on one scale: contrast that a method lost is part
    of the error and is not scaled away. ``spectrum_contrast`` is the ratio of the standard
    deviations; divide by it to compare shapes alone.

    Parameters
    ----------
    image, truth : numpy.ndarray
        (z, y, x) or (y, x), of one shape; at least 32 pixels along y and x.
    spacing : tuple of float
        Pixel size along the axes.
    unit : str
        Its unit.
    low_nyquist : float
        Nyquist frequency of the low-resolution image in 1/nm, below that of this image.

    Returns
    -------
    rows : list of dict
        For the subsets ``below low Nyquist`` and ``aliased`` (from there to 0.8 of the image's own
        Nyquist frequency): ``spectrum_ratio_error``, the greatest absolute difference of a ring's
        ratio from 1; ``spectrum_ratio_log_rms`` and ``spectrum_ratio_log_bias``, root mean square
        and mean over the rings of log10 of the ratio (below 0: detail is missing); n is the number
        of rings. ``spectrum_contrast``. ``spectrum_signal_limit`` (1/nm), as `signal_limit` gives
        it, where it can be told.
    curve : pandas.DataFrame
        Columns frequency (1/nm, mean of a ring), power and power_truth (square of the grey value
        times nm^2: their integral over d^2f is the variance), magnitude and magnitude_truth (grey
        value times nm), ratio (of the magnitudes) and n (frequencies of the spectrum in a ring),
        up to the Nyquist frequency of the coarser axis. A ring is a 64th of it wide, or four steps
        of the spectrum of a small image, so that the low Nyquist frequency is a limit of rings.

    Raises
    ------
    AcuityError
        If shapes differ or are too small, an image is constant or not finite, or `low_nyquist` is
        not above 0 and below 0.8 of the image's Nyquist frequency.
    """
    a, b = (np.asarray(part) for part in (image, truth))
    if a.ndim == 2:
        a, b, spacing = a[None], b[None] if b.ndim == 2 else b, (spacing[0], *spacing)
    if a.shape != b.shape or a.ndim != 3 or len(spacing) != 3:
        raise AcuityError(
            f"spectrum: the image has the shape {np.shape(image)}, the truth {np.shape(truth)}; one "
            "(z, y, x) or (y, x) is needed."
        )
    if min(a.shape[1:]) < _SMALLEST:
        raise AcuityError(
            f"spectrum: the image has {a.shape[1]} x {a.shape[2]} pixels (y, x); its spectrum "
            f"needs at least {_SMALLEST} along both."
        )
    size = [convert(length, unit, "nm") for length in spacing[1:]]
    nyquist = 0.5 / max(size)
    if not 0 < low_nyquist < TOP * nyquist:
        raise AcuityError(
            f"spectrum: low_nyquist is {low_nyquist:.6g} 1/nm, allowed is a frequency above 0 and "
            f"below {TOP:g} of the image's own Nyquist frequency, {TOP * nyquist:.6g} 1/nm."
        )
    rings = _Rings(a.shape[1:], size, low_nyquist, nyquist)
    full = rings.count > 0
    count = rings.count[full]
    *own, total = rings.sums(a, "image")
    *true, true_total = rings.sums(b, "truth")
    power, magnitude, power_truth, magnitude_truth = (sums[full] / count for sums in (*own, *true))
    ratio = magnitude / magnitude_truth
    curve = pd.DataFrame(
        {
            "frequency": rings.frequency[full] / count,
            "power": power,
            "power_truth": power_truth,
            "ratio": ratio,
            "magnitude": magnitude,
            "magnitude_truth": magnitude_truth,
            "n": count.astype(np.int64),
        }
    )
    low = rings.ends[1:][full] <= low_nyquist * (1 + 1e-9)
    top = rings.ends[1:][full] <= TOP * nyquist * (1 + 1e-9)
    rows = _rows(ratio[low], BELOW) + _rows(ratio[top & ~low], ALIASED)
    rows.append(tidy_row("spectrum_contrast", np.sqrt(total / true_total)))
    limit = signal_limit(curve, nyquist)
    if limit is not None:
        rows.append(tidy_row("spectrum_signal_limit", limit, "1/nm"))
    return rows, curve


class _Rings:
    """Rings of spatial frequency of a slice's spectrum, the low Nyquist frequency at a limit."""

    def __init__(self, shape, size, low_nyquist, nyquist):
        step = 1.0 / min(n * length for n, length in zip(shape, size, strict=True))
        width = low_nyquist / max(1, int(low_nyquist / max(nyquist / _RINGS, _STEPS * step) + 1e-9))
        rings = max(1, int(nyquist / width + 1e-9))
        self.scale = size[0] * size[1]
        self.ends = width * np.arange(rings + 1)
        fy, fx = scipy.fft.fftfreq(shape[0], size[0]), scipy.fft.rfftfreq(shape[1], size[1])
        distance = np.hypot(fy[:, None], fx[None, :])
        self.weights = np.broadcast_to(half_weights(shape[1]), distance.shape)
        # A hair more: a frequency on a limit belongs to the ring below it.
        number = np.ceil(distance / width - 1e-9).astype(np.int64) - 1
        number[(distance < _FIRST * step) | (number >= rings)] = rings
        self.number, self.rings = number.ravel(), rings
        self.count, self.frequency = self._ring(np.ones_like(distance)), self._ring(distance)

    def _ring(self, values):
        sums = np.bincount(self.number, (self.weights * values).ravel(), self.rings + 1)
        return sums[: self.rings]

    def sums(self, image, name):
        """Sums of power and of magnitude over the rings, and the power of all, slices averaged."""
        power, magnitude, total = np.zeros(self.rings), np.zeros(self.rings), 0.0
        for plane in image:
            found, squares = shells.spectrum(plane[None], f"spectrum: the {name}")
            square = shells.power(found[0]) * (self.scale / squares)
            power += self._ring(square)
            magnitude += self._ring(np.sqrt(square))
            total += float((self.weights * square).sum())
        return power / len(image), magnitude / len(image), total / len(image)


def _rows(ratio, subset):
    if not len(ratio):
        return []
    error, decades = np.abs(ratio - 1).max(), np.log10(np.maximum(ratio, np.finfo(float).tiny))
    return [
        tidy_row("spectrum_ratio_error", error, "", subset, n=len(ratio)),
        *shells.decade_rows("spectrum_ratio", decades, subset),
    ]


def signal_limit(curve: pd.DataFrame, nyquist: float):
    """Frequency up to which the truth's signal is at least as strong as its noise.

    Where the truth is noise of its own acquisition (shot noise), no method can match it and the
    ratio says little. White noise ends a spectrum flat: its level is the mean power between 0.6
    and 0.8 of the Nyquist frequency, if a straight line through the logarithm of the power changes
    by less than 0.25 there, so that the level is known within about that share.

    Parameters
    ----------
    curve : pandas.DataFrame
        Columns frequency (1/nm), power_truth and n.
    nyquist : float
        Nyquist frequency in 1/nm.

    Returns
    -------
    float or None
        The end of the rings, from frequency 0 on, whose power is at least twice the noise's, in
        1/nm. None where the spectrum does not end flat, so that signal, or noise that an
        interpolation has filtered, reaches to its end; or where there is no signal at all.
    """
    frequency, power = curve["frequency"].to_numpy(), curve["power_truth"].to_numpy()
    end = (frequency >= _FLOOR * nyquist) & (frequency <= TOP * nyquist)
    if end.sum() < 3:
        return None
    logs = np.log(np.maximum(power[end], np.finfo(float).tiny))
    slope = np.polyfit(frequency[end], logs, 1)[0]
    if abs(slope) * (TOP - _FLOOR) * nyquist > _FLAT:
        return None
    floor = np.average(power[end], weights=curve["n"].to_numpy()[end])
    noise = np.flatnonzero(power < 2 * floor)
    return float(frequency[noise[0] - 1]) if len(noise) and noise[0] else None


def volume_spectrum(image: Volume, truth: Volume, *, factor: float):
    """Spectra of an image and of its truth on one grid.

    Parameters
    ----------
    image, truth : acuity.volume.Volume
        The image, and the true one, of which the part is taken that `image` covers.
    factor : float
        Pixel size of the low-resolution image in pixels of this one, above 1.25.

    Returns
    -------
    rows : list of dict
    curve : pandas.DataFrame
        As `spectrum` gives.

    Raises
    ------
    AcuityError
        If the grids do not go together, or as for `spectrum`.
    """
    grid = image.grid
    coarsest = convert(max(grid.spacing[1:]), grid.unit, "nm")
    low_nyquist = 0.5 / (factor * coarsest)
    return spectrum(**read_on(grid, image=image, truth=truth), low_nyquist=low_nyquist)

"""Sums over shells of spatial frequency, in all directions, along z, and in the plane."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.fft
from numba import get_num_threads

from acuity.errors import AcuityError, require
from acuity.filters import half_weights
from acuity.measure.volumes import Spacing
from acuity.tables import tidy_row

SECTORS = ("all", "z", "xy")
CONE = 30.0  # degrees


class Shells:
    """Shells of spatial frequency of a volume's spectrum.

    Parameters
    ----------
    shape : tuple of int
        Voxels (z, y, x); at least 8 along each axis.
    spacing : tuple of float
        Voxel size along z, y, x.

    Attributes
    ----------
    width : float
        Width of a shell in cycles per unit of length: one over the shortest side, so that every
        axis has a frequency in every shell.
    counts : dict of str to int
        Number of shells of each sector: up to the Nyquist frequency of z for ``z``, of the
        coarser of y and x for ``xy``, and of the coarsest of all three for ``all``.

    Notes
    -----
    The sector ``z`` holds the frequencies within 30 degrees of the z axis, ``xy`` those within 30
    degrees of the plane. Shell 0, about frequency zero, is left out.
    """

    def __init__(self, shape: Sequence[int], spacing: Spacing):
        if len(shape) != 3 or min(shape) < 8:
            raise AcuityError(
                f"the volume has the shape {tuple(shape)}; its spectrum needs at least 8 voxels "
                "along z, y and x."
            )
        self.shape = tuple(shape)
        self.frequencies = [
            scipy.fft.fftfreq(shape[0], spacing[0]),
            scipy.fft.fftfreq(shape[1], spacing[1]),
            scipy.fft.rfftfreq(shape[2], spacing[2]),
        ]
        self.width = 1.0 / min(n * size for n, size in zip(shape, spacing, strict=True))
        ends = {"all": max(spacing), "z": spacing[0], "xy": max(spacing[1:])}
        # A hair more: the Nyquist frequency itself belongs to the last shell.
        self.counts = {
            name: max(1, int(0.5 / size / self.width + 0.5 + 1e-9)) for name, size in ends.items()
        }

    def sums(self, terms: Callable[[int], list[np.ndarray]]):
        """Sum terms over the shells of each sector.

        Parameters
        ----------
        terms : callable
            Gives for a plane z of the spectrum a list of float64 arrays (y, x).

        Returns
        -------
        dict of str to numpy.ndarray
            For each sector (shell, column): number of voxels of the whole spectrum, sum of their
            frequency, and the sums of the terms; shells from 1 on.
        """
        fz, fy, fx = self.frequencies
        plane = (fy * fy)[:, None] + (fx * fx)[None, :]
        weights = np.broadcast_to(half_weights(self.shape[2]), plane.shape)
        most = max(self.counts.values()) + 1
        limit = np.cos(np.radians(CONE)), np.sin(np.radians(CONE))
        found: dict[str, Any] = {}
        for z, f in enumerate(fz):
            size = np.sqrt(plane + f * f)
            shell = np.minimum((size / self.width + 0.5).astype(np.int64), most)
            columns = [weights, weights * size, *(weights * term for term in terms(z))]
            inside = {
                "all": np.ones(plane.shape, bool),
                "z": abs(f) >= limit[0] * size,
                "xy": abs(f) <= limit[1] * size,
            }
            for name, where in inside.items():
                sums = [np.bincount(shell[where], column[where], most + 1) for column in columns]
                found[name] = found.get(name, 0) + np.stack(sums, axis=1)
        return {name: table[1 : self.counts[name] + 1] for name, table in found.items()}


def power(spectrum: np.ndarray):
    """Return the squared magnitude of a spectrum, in float64.

    Parameters
    ----------
    spectrum : numpy.ndarray
        complex64, any shape.

    Returns
    -------
    numpy.ndarray
    """
    real, imaginary = spectrum.real.astype(np.float64), spectrum.imag.astype(np.float64)
    return real * real + imaginary * imaginary


def decade_rows(name: str, decades: np.ndarray, subset: str):
    """Return root mean square and mean of the logarithms of a ratio as rows of a table.

    Parameters
    ----------
    name : str
        Of the ratio: the metrics are ``{name}_log_rms`` and ``{name}_log_bias``.
    decades : numpy.ndarray
        (shells,), log10 of the ratio.
    subset : str
        The subset of the rows.

    Returns
    -------
    list of dict
        As `acuity.tables.tidy_row`, with ``n``, the number of shells.
    """
    figures = (("log_rms", np.sqrt(np.mean(decades**2))), ("log_bias", np.mean(decades)))
    return [
        tidy_row(f"{name}_{key}", value, "decade", subset, n=len(decades)) for key, value in figures
    ]


def spectrum(volume: np.ndarray, name: str):
    """Windowed spectrum of a volume without its mean.

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x).
    name : str
        What it is, for the error.

    Returns
    -------
    spectrum : numpy.ndarray
        complex64 (z, y, x // 2 + 1), not normalised.
    squares : float
        Sum of the squares of the window, a product of Hann windows along z, y and x.

    Raises
    ------
    AcuityError
        If the volume is constant or holds values that are not finite.
    """
    data = np.array(volume, np.float32)
    windows = [
        (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)).astype(np.float32)
        for n in data.shape
    ]
    window = windows[0][:, None, None] * windows[1][:, None]
    # The windowed volume is to have no mean, so the mean is the window's.
    total = sums = 0.0
    for image, height in zip(data, window, strict=True):
        slab = height * windows[2]
        total += float((image * slab).sum(dtype=np.float64))
        sums += float(slab.sum(dtype=np.float64))
    require(bool(np.isfinite(total)), f"{name}: holds NaN or infinite voxels.")
    require(data.min() != data.max(), f"{name}: is constant, so it has no structure to measure.")
    data -= np.float32(total / sums)
    data *= window
    data *= windows[2]
    squares = float(np.prod([np.square(w, dtype=np.float64).sum() for w in windows]))
    return scipy.fft.rfftn(data, overwrite_x=True, workers=get_num_threads()), squares

"""Scans of a scanning electron microscope: where the beam goes, and what the image records."""

import math
from dataclasses import dataclass

import numba
import numpy as np

from acuity.filters import gaussian_kernel, reflected
from acuity.simulate.specimens.base import Scanning

ELECTRON = 1.602176634e-19  # C
_MODES = 6


@dataclass(frozen=True)
class Scan:
    """Where the beam stands for each pixel of one scan.

    Pixel q = (y, x) has its nominal place P = centre + shift + M (q - middle), with M of pixel
    size, magnification error and rotation; the beam stands at P + elastic(P) + drift(y), whose
    last term is what the specimen moves by while rows are scanned.

    Attributes
    ----------
    shape : (int, int)
        Pixels along y, x.
    pixel : float
        Nominal pixel size, nm.
    centre : (float, float)
        Where the middle of the scan would stand without misalignment, nm.
    rotation : float
        Degrees, from x towards y.
    scale : float
        True over nominal pixel size.
    shift : (float, float)
        nm.
    elastic : numpy.ndarray
        (mode, 5): wave numbers along y, x (1/nm), phase, amplitudes along y, x (nm).
    drift : numpy.ndarray
        (mode, 4): periods over the height of the image, phase, amplitudes along y, x (nm).
    """

    shape: tuple
    pixel: float
    centre: tuple
    rotation: float = 0.0
    scale: float = 1.0
    shift: tuple = (0.0, 0.0)
    elastic: np.ndarray = None
    drift: np.ndarray = None

    def _matrix(self):
        angle = math.radians(self.rotation)
        c, s = math.cos(angle), math.sin(angle)
        return self.pixel * self.scale * np.array([[c, s], [-s, c]])

    def places(self, y, x):
        """Specimen positions of pixels.

        Parameters
        ----------
        y, x : array
            Pixel positions, of one shape.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            y, x in nm.
        """
        m = self._matrix()
        dy = np.asarray(y, np.float64) - (self.shape[0] - 1) / 2
        dx = np.asarray(x, np.float64) - (self.shape[1] - 1) / 2
        py = self.centre[0] + self.shift[0] + m[0, 0] * dy + m[0, 1] * dx
        px = self.centre[1] + self.shift[1] + m[1, 0] * dy + m[1, 1] * dx
        ey, ex = np.zeros_like(py), np.zeros_like(px)
        if self.elastic is not None:
            for ky, kx, phase, ay, ax in self.elastic:
                wave = np.cos(ky * (py - self.centre[0]) + kx * (px - self.centre[1]) + phase)
                ey += ay * wave
                ex += ax * wave
        if self.drift is not None:
            for periods, phase, ay, ax in self.drift:
                wave = np.sin(2 * np.pi * periods * np.asarray(y) / self.shape[0] + phase)
                wave = wave - math.sin(phase)
                ey += ay * wave
                ex += ax * wave
        return py + ey, px + ex

    def pixels(self, py, px, steps=12):
        """Find the pixels at which the beam stands at given positions, the inverse of `places`.

        Parameters
        ----------
        py, px : array
            Positions, nm.
        steps : int
            Fixed-point steps; distortions are smooth, and each step leaves a few percent.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            y, x in pixels.
        """
        inverse = np.linalg.inv(self._matrix())
        y = np.full(np.shape(py), (self.shape[0] - 1) / 2)
        x = np.full(np.shape(px), (self.shape[1] - 1) / 2)
        for _ in range(steps):
            qy, qx = self.places(y, x)
            dy, dx = py - qy, px - qx
            y = y + inverse[0, 0] * dy + inverse[0, 1] * dx
            x = x + inverse[1, 0] * dy + inverse[1, 1] * dx
        return y, x


def elastic_modes(random, *, greatest, wavelength, field):
    """Draw a smooth random displacement field.

    Parameters
    ----------
    random : numpy.random.Generator
        Where it is drawn from.
    greatest : float
        Largest displacement in the field, nm.
    wavelength : float
        Shortest wavelength, nm.
    field : (float, float)
        Height and width of the field, nm, about its centre.

    Returns
    -------
    numpy.ndarray or None
        As `Scan.elastic`; None where `greatest` is 0.
    """
    length = wavelength * (1.0 + random.random(_MODES))
    angle = 2 * np.pi * random.random(_MODES)
    phase = 2 * np.pi * random.random(_MODES)
    amplitude = random.standard_normal((_MODES, 2))
    if not greatest:
        return None
    k = 2 * np.pi / length
    modes = np.column_stack([k * np.sin(angle), k * np.cos(angle), phase, amplitude])
    y, x = np.meshgrid(*(np.linspace(-n / 2, n / 2, 33) for n in field), indexing="ij")
    waves = np.cos(modes[:, 0, None, None] * y + modes[:, 1, None, None] * x + phase[:, None, None])
    # The mean is a shift, which is a setting of its own.
    moved = np.einsum("mc,myx->cyx", amplitude, waves)
    modes[:, 3:] *= greatest / np.hypot(*moved).max()
    return modes


def drift_modes(random, *, greatest):
    """Draw the specimen's path during a scan, as `Scan.drift`; None where `greatest` (nm) is 0."""
    periods = 0.3 + 0.9 * random.random(3)
    phase = 2 * np.pi * random.random(3)
    amplitude = random.standard_normal((3, 2))
    if not greatest:
        return None
    t = np.linspace(0, 1, 65)
    waves = np.sin(2 * np.pi * periods[:, None] * t + phase[:, None]) - np.sin(phase)[:, None]
    path = amplitude.T @ waves
    return np.column_stack([periods, phase, amplitude * greatest / np.hypot(*path).max()])


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _cubic(fine, y, x, out):
    """Cubic convolution (Keys 1981, a = -1/2) of a fine grid at points, clamped at its borders."""
    ny, nx = fine.shape
    for n in numba.prange(out.shape[0]):
        for m in range(out.shape[1]):
            fy, fx = math.floor(y[n, m]), math.floor(x[n, m])
            ty, tx = y[n, m] - fy, x[n, m] - fx
            wx0 = ((-0.5 * tx + 1.0) * tx - 0.5) * tx
            wx1 = (1.5 * tx - 2.5) * tx * tx + 1.0
            wx2 = ((-1.5 * tx + 2.0) * tx + 0.5) * tx
            wx3 = (0.5 * tx - 0.5) * tx * tx
            wy = (
                ((-0.5 * ty + 1.0) * ty - 0.5) * ty,
                (1.5 * ty - 2.5) * ty * ty + 1.0,
                ((-1.5 * ty + 2.0) * ty + 0.5) * ty,
                (0.5 * ty - 0.5) * ty * ty,
            )
            i0 = min(max(int(fx) - 1, 0), nx - 1)
            i1 = min(max(int(fx), 0), nx - 1)
            i2 = min(max(int(fx) + 1, 0), nx - 1)
            i3 = min(max(int(fx) + 2, 0), nx - 1)
            total = 0.0
            for k in range(4):
                row = fine[min(max(int(fy) - 1 + k, 0), ny - 1)]
                total += wy[k] * (wx0 * row[i0] + wx1 * row[i1] + wx2 * row[i2] + wx3 * row[i3])
            out[n, m] = total


def sample(fine, y, x):
    """Values of a fine grid at points, by cubic convolution.

    Parameters
    ----------
    fine : numpy.ndarray
        (y, x), float32.
    y, x : numpy.ndarray
        Points of one 2D shape, in pixels of `fine`.

    Returns
    -------
    numpy.ndarray
        float64, shape of the points.
    """
    out = np.empty(y.shape)
    _cubic(fine, y, x, out)
    return out


@numba.njit(cache=True)
def _trails(signal, keep):
    """Running mean of what the beam met before, along each row."""
    out = np.empty_like(signal)
    for j in range(signal.shape[0]):
        held = signal[j].mean()
        for i in range(signal.shape[1]):
            out[j, i] = held
            held = keep * held + (1.0 - keep) * signal[j, i]
    return out


def _smooth_line(random, count, width):
    """Smooth random course along the rows, zero mean and unit greatest value."""
    weights = gaussian_kernel(width, 3.0).astype(np.float64)
    weights = np.concatenate([weights[:0:-1], weights])
    line = random.standard_normal(count)
    line = np.convolve(line[reflected(count, len(weights) // 2)], weights, "valid")
    line -= line.mean()
    return line / max(np.abs(line).max(), 1e-12)


def expose(signal, settings: Scanning, *, random):
    """Record an image: electrons counted at each pixel, with charging and shading.

    Parameters
    ----------
    signal : numpy.ndarray
        (y, x), electrons given off, 1 on flat gold.
    settings : Scanning
        Beam and record; dwell and detected are stated.
    random : numpy.random.Generator
        Where noise and shading are drawn from.

    Returns
    -------
    numpy.ndarray
        Counts, (y, x), float64.
    """
    ny, nx = signal.shape
    angle = 2 * np.pi * random.random()
    y, x = np.linspace(-1, 1, ny)[:, None], np.linspace(-1, 1, nx)[None, :]
    plane = (math.sin(angle) * y + math.cos(angle) * x) / math.sqrt(2)
    bowl = 0.5 - (y * y + x * x) / 2
    slow = 1.0 + settings.shading * (0.7 * plane + 0.3 * bowl)
    slow = slow + settings.charging * _smooth_line(random, ny, max(2.0, ny / 12))[:, None]
    lost = settings.streaks * _trails(signal, math.exp(-1.0 / settings.streak_length))
    electrons = settings.dwell * 1e-6 * settings.current * 1e-9 / ELECTRON * settings.detected
    expected = electrons * np.maximum(signal * slow - lost, 0.0)
    return random.poisson(expected).astype(np.float64) if settings.noise else expected


def automatic_contrast(counts, random, *, dark=(10.0, 30.0), bright=(215.0, 245.0)):
    """Bring an image to 8 bits, as automatic brightness and contrast would.

    The 1st and 99.5th percentile of the counts get grey values that are drawn for each image.

    Parameters
    ----------
    counts : numpy.ndarray
        Any shape.
    random : numpy.random.Generator
        Where the grey values are drawn from.
    dark, bright : (float, float)
        Ranges that they are drawn from.

    Returns
    -------
    (numpy.ndarray, float, float)
        uint8, and gain and offset: grey = gain * counts + offset.
    """
    low, high = np.percentile(counts, [1.0, 99.5])
    to_low, to_high = random.uniform(*dark), random.uniform(*bright)
    gain = (to_high - to_low) / max(high - low, 1e-9)
    offset = to_low - gain * low
    grey = np.clip(np.rint(gain * counts + offset), 0, 255).astype(np.uint8)
    return grey, float(gain), float(offset)

"""Translation between two slices, to a fraction of a pixel, by band-passed correlation.

Both slices are tapered towards their borders and band-passed with a difference of Gaussians, their
correlation is searched for its most significant peak, and the peak is found to a fraction of a
pixel by Newton steps on the correlation itself, which the spectra give at any shift with both its
derivatives. Nothing is fitted to samples around the peak.

Every sum has a fixed order: matrix products of BLAS, whose bytes change with the number of
threads, are avoided.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from acuity.errors import AcuityError
from acuity.filters import half_weights

# Newton steps on the peak converge quadratically: after one of this many pixels, less than 1e-5
# are left.
_CONVERGED = 1e-3
_STEPS = 8
# A shift of more than this part of a side is found again between windows laid over the same part
# of the specimen; at a smaller one the windows pull it by less than a thousandth of a pixel.
_RECENTRE = 1 / 2048
# Most often once; again where that moved it by more pixels than this.
_SETTLED = 0.02
_PASSES = 3


@dataclass(frozen=True)
class Shift:
    """Displacement of a moving slice against a fixed one: moving(y, x) = fixed(y - dy, x - dx).

    Attributes
    ----------
    dy, dx : float
        In pixels; NaN where one of the two slices has nothing to correlate (one grey value).
    ncc : float
        Normalised correlation of the band-passed slices at that shift over their overlap, by
        magnitude, 0 to 1; 0 where a slice has nothing to correlate.
    sign : int
        1; -1 where the most significant peak is negative, which is to say that the contrast of
        one slice is inverted; 0 where a slice has nothing to correlate.
    """

    dy: float
    dx: float
    ncc: float
    sign: int


class Correlator:
    """Finds translations between slices of one size.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the slices.
    low, high : float
        Standard deviations in pixels of the two Gaussians whose difference is the band pass:
        what is finer than `low` (noise) or coarser than `high` (shading) counts little.
    taper : float or pair of float
        Part of each side (y, x) that the window falls over, at either end, 0 < taper <= 0.5; 0.5
        is a Hann window. Along y a short taper lets vertical streaks through `drop_streaks`.
    drop_streaks : float
        Frequencies along y of fewer periods than this in the height of the slice are left out, so
        that static vertical streaks (curtaining) do not pull the result; 0 keeps all.

    Raises
    ------
    AcuityError
        If the slices are smaller than 16 pixels or a setting is out of its range.
    """

    def __init__(self, shape, *, low=2.0, high=12.0, taper=(0.5, 0.125), drop_streaks=2.5):
        ny, nx = (int(n) for n in shape)
        if min(ny, nx) < 16:
            raise AcuityError(
                f"register: a slice is {ny} x {nx} pixels; at least 16 x 16 are needed"
            )
        if not 0 <= low < high:
            raise AcuityError(
                f"register: the band pass is from low = {low} to high = {high} pixels; allowed is "
                "0 <= low < high"
            )
        tapers = np.broadcast_to(taper, 2)
        if not all(0 < t <= 0.5 for t in tapers):
            raise AcuityError(
                f"register: taper is {taper}; allowed is more than 0 up to 0.5 of a side"
            )
        if not 0 <= drop_streaks < ny / 4:
            raise AcuityError(
                f"register: drop_streaks is {drop_streaks}; allowed is 0 up to a quarter of the "
                f"{ny} rows"
            )
        self.shape = (ny, nx)
        # Zeros beyond the slice, where they make the transform faster.
        self._size = tuple(scipy.fft.next_fast_len(n, real=True) for n in self.shape)
        windows = [_window(n, t) for n, t in zip(self.shape, tapers, strict=True)]
        self._window = np.outer(*windows).astype(np.float32)
        self._windows = windows
        self._tapers = tapers
        ky = 2 * np.pi * np.fft.fftfreq(self._size[0])
        kx = 2 * np.pi * np.fft.rfftfreq(self._size[1])
        square = ky[:, None] ** 2 + kx[None, :] ** 2
        transfer = np.exp(-0.5 * low**2 * square) - np.exp(-0.5 * high**2 * square)
        transfer[np.abs(ky) * ny / (2 * np.pi) < drop_streaks] = 0
        self._pass = (transfer**2).astype(np.float32)
        self._double = half_weights(self._size[1]).astype(np.float32)
        self._frequencies = (ky, kx)
        self._overlaps = [_Overlap(w, size) for w, size in zip(windows, self._size, strict=True)]

    def spectrum(self, image):
        """Prepare a slice: taper and transform it.

        Parameters
        ----------
        image : numpy.ndarray
            (y, x), any real type.

        Returns
        -------
        numpy.ndarray
            complex64, the half that a real transform keeps. All zero where the slice has one grey
            value.

        Raises
        ------
        AcuityError
            If the slice has another size, or a value that is not finite.
        """
        image = np.asarray(image)
        if image.shape != self.shape:
            raise AcuityError(
                f"register: a slice is {' x '.join(map(str, image.shape))} pixels where "
                f"{self.shape[0]} x {self.shape[1]} are expected"
            )
        image = image.astype(np.float32)
        mean = image.mean(dtype=np.float64)
        if not np.isfinite(mean):
            raise AcuityError("register: a slice has values that are not finite (NaN or infinite)")
        # The mean would leak through the window into the pass band.
        image -= np.float32(mean)
        image *= self._window
        return scipy.fft.rfft2(image, s=self._size, overwrite_x=True)

    def shift(self, fixed, moving, *, most=None):
        """Find the displacement of one slice against another.

        Parameters
        ----------
        fixed, moving : numpy.ndarray
            What `spectrum` gave.
        most : float, optional
            The largest displacement along either axis to look for, in pixels; default and limit
            are half of each side.

        Returns
        -------
        Shift
        """
        energy = np.sqrt(self._energy(fixed) * self._energy(moving))
        if not energy > 0:
            return Shift(np.nan, np.nan, 0.0, 0)
        product = self._product(fixed, moving)
        start, sign = self._search(product, most)
        place, value = self._climb(product, start, sign, self._overlaps)
        if any(abs(s) > _RECENTRE * n for s, n in zip(place, self.shape, strict=True)):
            for _ in range(_PASSES):
                before = place
                product, energy, overlaps = self._recentred(fixed, moving, place)
                if not energy > 0:
                    return Shift(np.nan, np.nan, 0.0, 0)
                place, value = self._climb(product, place, sign, overlaps)
                if np.abs(place - before).max() < _SETTLED:
                    break
        ncc = float(np.clip(value / energy, 0.0, 1.0))
        return Shift(float(place[0]), float(place[1]), ncc, sign)

    def _product(self, fixed, moving):
        """Spectrum of the correlation of the band-passed slices."""
        product = np.conj(fixed)
        product *= moving
        product *= self._pass
        return product

    def _energy(self, spectrum):
        """Sum the squares of the tapered, band-passed slice."""
        squares = (spectrum.real**2 + spectrum.imag**2) * self._pass
        squares *= self._double
        return float(squares.sum(dtype=np.float64)) / np.prod(self._size)

    def _search(self, product, most):
        """Find the most significant peak among shifts by whole pixels, and its sign."""
        limits = [
            max(1, min(n // 2, n // 2 if most is None else int(np.ceil(most)))) for n in self.shape
        ]
        correlation = scipy.fft.irfft2(product, s=self._size)
        rows, columns = (
            np.arange(-n, n + 1) % size for n, size in zip(limits, self._size, strict=True)
        )
        score = correlation[np.ix_(rows, columns)]
        # The overlap shrinks with the shift, and the noise of the correlation with it.
        score /= self._overlaps[0].noise[rows, None]
        score /= self._overlaps[1].noise[columns]
        high, low = int(score.argmax()), int(score.argmin())
        sign = 1 if score.flat[high] >= -score.flat[low] else -1
        place = np.unravel_index(high if sign > 0 else low, score.shape)
        return np.subtract(place, limits), sign

    def _recentred(self, fixed, moving, place):
        """Taper both slices anew, by one window that lies on the same part of both.

        Windows that stay with the frame weigh different parts of the specimen after a shift, which
        pulls the peak and lowers its correlation. The window that each slice has already is divided
        out; their geometric mean, moved by the shift found, is put in its place.
        """
        ny, nx = self.shape
        here = [_window(n, t, s) for n, t, s in zip(self.shape, self._tapers, place, strict=True)]
        there = [_window(n, t, -s) for n, t, s in zip(self.shape, self._tapers, place, strict=True)]
        spectra = []
        for spectrum, others in ((fixed, here), (moving, there)):
            y, x = (
                np.sqrt(other / own).astype(np.float32)
                for other, own in zip(others, self._windows, strict=True)
            )
            image = scipy.fft.irfft2(spectrum, s=self._size)[:ny, :nx] * y[:, None]
            image *= x
            spectra.append(scipy.fft.rfft2(image, s=self._size, overwrite_x=True))
        energy = np.sqrt(self._energy(spectra[0]) * self._energy(spectra[1]))
        overlaps = [
            _Overlap(np.sqrt(w * h), size, s)
            for w, h, size, s in zip(self._windows, here, self._size, place, strict=True)
        ]
        return self._product(*spectra), energy, overlaps

    def _climb(self, product, start, sign, overlaps):
        """Climb from a place within a pixel of it to the top of correlation over overlap."""
        place = start.astype(np.float64)
        value = 0.0
        for _ in range(_STEPS):
            value, gradient, hessian = self._expand(product, place, sign, overlaps)
            before = place
            place = np.clip(place + _step(gradient, hessian), start - 1, start + 1)
            if np.abs(place - before).max() < _CONVERGED:
                break
        return place, value

    def _expand(self, product, place, sign, overlaps):
        """Value, gradient and Hessian of correlation over overlap at a shift.

        The correlation at a shift s is the sum over the frequencies k of product(k) exp(i k s): a
        factor i k gives its derivative.
        """
        ky, kx = self._frequencies
        ey = np.exp(1j * ky * place[0])
        ex = np.exp(1j * kx * place[1]) * self._double
        along_y = np.stack([ey, 1j * ky * ey, -(ky**2) * ey])
        along_x = np.stack([ex, 1j * kx * ex, -(kx**2) * ex]).astype(np.complex64)
        sums = np.einsum("yx,bx->yb", product, along_x)
        c = sign * np.einsum("ay,yb->ab", along_y, sums).real / np.prod(self._size)
        (ry, dry, ddry), (rx, drx, ddrx) = (
            overlap.expand(s) for overlap, s in zip(overlaps, place, strict=True)
        )
        # c = f r, differentiated by parts.
        f, fy, fx, fyy, fyx, fxx = (
            v / (ry * rx) for v in (c[0, 0], c[1, 0], c[0, 1], c[2, 0], c[1, 1], c[0, 2])
        )
        ay, ax = dry / ry, drx / rx
        fy, fx = fy - f * ay, fx - f * ax
        fyy -= 2 * fy * ay + f * ddry / ry
        fxx -= 2 * fx * ax + f * ddrx / rx
        fyx -= fy * ax + fx * ay + f * ay * ax
        return f, np.array([fy, fx]), np.array([[fyy, fyx], [fyx, fxx]])


class _Overlap:
    """Overlap of a window with itself along one axis, against the shift; 1 where they coincide.

    Parameters
    ----------
    window : numpy.ndarray
        The window.
    size : int
        Length of the transform.
    start : float
        Shift at which the two windows coincide.
    """

    def __init__(self, window, size, start=0):
        self._k = 2 * np.pi * np.fft.fftfreq(size)
        power = np.abs(np.fft.fft(window, size)) ** 2
        self._power = power / power.sum()
        self._start = start
        # White noise in both slices gives a correlation with this standard deviation, relatively;
        # the floor keeps corners with next to no overlap from winning.
        noise = np.fft.ifft(np.abs(np.fft.fft(window**2, size)) ** 2).real
        self.noise = np.sqrt(np.maximum(noise / noise[0], 1e-3)).astype(np.float32)

    def expand(self, shift):
        """Overlap at a shift, with its first two derivatives."""
        wave = self._power * np.exp(1j * self._k * (shift - self._start))
        return wave.real.sum(), -(self._k * wave.imag).sum(), -(self._k**2 * wave.real).sum()


def _window(n, taper, shift=0.0):
    """Window at the pixels plus `shift`: falls by a cosine to zero half a pixel beyond either end."""
    place = np.arange(n) + 0.5 + shift
    depth = np.clip(np.minimum(place, n - place) / (taper * n), 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * depth)


def _step(gradient, hessian):
    """Newton step towards a maximum; half a pixel uphill where there is none near."""
    trace, det = np.trace(hessian), np.linalg.det(hessian)
    if trace < 0 and det > 1e-6 * trace**2:
        return -np.linalg.solve(hessian, gradient)
    size = np.abs(gradient).max()
    return 0.5 * gradient / size if size > 0 else np.zeros(2)

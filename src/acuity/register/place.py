"""Where one image lies in another: band-passed correlation over all places, turns and sizes."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from acuity.errors import require
from acuity.filters import gaussian
from acuity.register.sampling import Sampler

# Band pass in pixels of the reduced grid.
_LOW, _HIGH = 1.0, 6.0
# The reduced grid: this many pixels along the template's shorter side; fewer, down to the least,
# where the image would have more than so many along its longer one.
_USUAL, _LEAST, _MOST = 80, 48, 384
# What a turn or a change of size between two candidates may move the template's corner by, pixels
# of the reduced grid.
_STEP = 2.0
# Share of the template that must lie on the image.
_OVERLAP = 0.4


@dataclass(frozen=True)
class Place:
    """Where the template was found.

    Attributes
    ----------
    matrix : numpy.ndarray
        (2, 3), affine map from pixels of the image to those of the template.
    ncc : float
        Correlation there, over the overlap.
    second : float
        The largest one at any other place, more than a quarter of the template away.
    """

    matrix: np.ndarray
    ncc: float
    second: float


def find_place(image, template, ratios, *, most_rotation=5.0, most_scale=0.06):
    """Search an image for the place of another one that has smaller pixels.

    Both are brought to one coarse grid and band-passed with a difference of Gaussians; at each
    candidate of rotation and scale their normalised correlation over the overlap (Padfield, IEEE
    TIP 21, 2706, 2012, eq. 12, without the means, which the band pass takes off) is computed for
    all shifts at once.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x).
    template : numpy.ndarray
        (y, x).
    ratios : (float, float)
        Pixel size of the image over that of the template along y and x, as stated.
    most_rotation : float
        Rotations up to this many degrees either way are tried.
    most_scale : float
        Scales up to this share off the stated one are tried.

    Returns
    -------
    Place
        Right to one pixel of the coarse grid or so.
    """
    ratios = np.asarray(ratios, np.float64)
    covered = np.asarray(template.shape) / ratios
    step = max(covered.min() / _USUAL, min(max(image.shape) / _MOST, covered.min() / _LEAST), 1.0)
    coarse = _reduced(image, step)
    # 0.5 of a coarse pixel against aliasing
    sampler = Sampler(template, 0.5 * step * ratios if step > 1 else 0.4 * ratios)
    radius = math.hypot(*covered) / 2 / step
    rotations = _around_zero(math.radians(most_rotation), _STEP / radius)
    scales = _around_zero(most_scale, _STEP / radius)
    shape = tuple(math.ceil(n / step * (1 + most_scale)) + 2 for n in covered)
    search = _Search(coarse, shape)
    best = None
    for rotation, scale in itertools.product(rotations, scales):
        linear = _linear(ratios, rotation, scale)
        score, ncc = search.correlate(*_drawn(sampler, linear * step, shape))
        at = np.unravel_index(int(score.argmax()), score.shape)
        if best is None or score[at] > best[0]:
            best = score[at], at, linear, ncc[at], score
    score, at, linear, ncc, scores = best
    second = search.second(scores, at, [n / 4 for n in shape])
    # the template's middle lies at this pixel of the image
    middle = (search.place(at) + (np.asarray(shape) - 1) / 2) * step + (step - 1) / 2
    centre = (np.asarray(template.shape) - 1) / 2
    matrix = np.column_stack([linear, centre - np.einsum("ij,j->i", linear, middle)])
    return Place(matrix, float(ncc), float(second * ncc / score))


def _around_zero(most, step):
    count = math.ceil(most / step)
    return np.linspace(-most, most, 2 * count + 1) if most > 0 else np.zeros(1)


def _linear(ratios, rotation, scale):
    c, s = math.cos(rotation), math.sin(rotation)
    return (1 + scale) * ratios[:, None] * np.array([[c, s], [-s, c]])


def _band_pass(image):
    return (gaussian(image[None], (0, _LOW, _LOW)) - gaussian(image[None], (0, _HIGH, _HIGH)))[0]


def _reduced(image, step):
    sampler = Sampler(image, 0.5 * step if step > 1 else 0.0)
    y, x = (np.arange(int(n / step)) * step + (step - 1) / 2 for n in image.shape)
    return _band_pass(sampler.at(*np.meshgrid(y, x, indexing="ij")))


def _drawn(sampler, linear, shape):
    """Draw the template on the coarse grid; give it and where it is known."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    centre = (np.asarray(sampler.shape) - 1) / 2
    places = sampler.places(np.column_stack([linear, centre]), y, x)
    mask = sampler.inside(*places)
    return _band_pass(sampler.at(*places)) * mask, mask


class _Search:
    """Correlation of templates of one size with one image at all shifts."""

    def __init__(self, image, shape):
        self._template = shape
        self._full = [n + t - 1 for n, t in zip(image.shape, shape, strict=True)]
        self._sizes = [scipy.fft.next_fast_len(n, real=True) for n in self._full]
        self._image, self._squares, self._mask = (
            self._transformed(a) for a in (image, image**2, np.ones_like(image))
        )

    def _transformed(self, a):
        return scipy.fft.rfft2(a.astype(np.float64), s=self._sizes)

    def _sums(self, image, template):
        sums = scipy.fft.irfft2(image * np.conj(template), s=self._sizes)
        # from shifts of -(t - 1) up to n - 1
        sums = np.roll(sums, [t - 1 for t in self._template], axis=(0, 1))
        return sums[: self._full[0], : self._full[1]]

    def place(self, at):
        """Give the image's pixel on which the template's first one lies."""
        return np.subtract(at, [t - 1 for t in self._template])

    def correlate(self, template, mask):
        spectra = [self._transformed(a) for a in (template, template**2, mask)]
        require(bool(np.any(template)), "register: an image has nothing to correlate; it is blank")
        overlap = self._sums(self._mask, spectra[2])
        energy = np.maximum(self._sums(self._squares, spectra[2]), 0)
        energy *= np.maximum(self._sums(self._mask, spectra[1]), 0)
        enough = overlap > _OVERLAP * mask.sum()
        enough &= energy > 1e-9 * energy.max()
        ncc = np.zeros_like(overlap)
        products = self._sums(self._image, spectra[0])
        ncc[enough] = products[enough] / np.sqrt(energy[enough])
        # chance reaches more on a smaller overlap
        return ncc * np.sqrt(np.maximum(overlap, 0) / mask.sum()), ncc

    def second(self, score, at, radius):
        y, x = np.indices(score.shape, sparse=True)
        near = ((y - at[0]) / radius[0]) ** 2 + ((x - at[1]) / radius[1]) ** 2 < 1
        return float(np.where(near, 0.0, score).max())

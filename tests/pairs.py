"""Pairs of images with a known warp between them, for tests and benchmarks."""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from acuity.register.affine import apply_affine
from acuity.register.elastic import Field
from acuity.volume import Grid, Volume

_MARGIN = 40


def generator(seed):
    return np.random.Generator(np.random.Philox(seed))


def texture(seed, side):
    """Random phases, smooth over three fine pixels, on 8 bits."""
    image = scipy.ndimage.gaussian_filter(
        generator(seed).standard_normal((side, side)), 3.0, mode="wrap"
    )
    return 110 + 35 * image / image.std()


def discs(seed, side):
    """Bright particles of 1.5 to 10 fine pixels on a dark ground with faint texture."""
    random = generator(seed)
    image = 0.2 * texture(seed + 1000, side)
    for _ in range(side * side // 350):
        radius = np.exp(random.uniform(np.log(1.5), np.log(10)))
        centre, bright = random.uniform(0, side, 2), random.uniform(120, 200)
        first, last = (
            np.clip(centre + sign * (radius + 5), 0, side).astype(int) for sign in (-1, 1)
        )
        y, x = np.mgrid[first[0] : last[0], first[1] : last[1]]
        edge = 1 + np.exp((np.hypot(y - centre[0], x - centre[1]) - radius) / 0.6)
        box = slice(first[0], last[0]), slice(first[1], last[1])
        image[box] = np.maximum(image[box], bright / edge)
    return image


@dataclass
class Pair:
    """Images of one scene and the map between them; lengths in fine pixels, `factor` to a low one."""

    low: np.ndarray
    high: np.ndarray
    factor: int
    spline: np.ndarray
    linear: np.ndarray
    middle: np.ndarray
    amplitude: float
    waves: float
    phases: np.ndarray

    def truth(self, raw):
        """Low pixels (y, x) at which raw high pixels lie."""
        n = len(self.high)
        centred = raw - (n - 1) / 2
        scene = np.einsum("ij,j...->i...", self.linear, centred)
        scene += self.middle.reshape(2, *[1] * (raw.ndim - 1))
        k, p = 2 * np.pi * self.waves / n, self.phases
        scene[0] += self.amplitude * np.sin(k * raw[0] + p[0]) * np.cos(0.8 * k * raw[1] + p[1])
        scene[1] += self.amplitude * np.cos(0.7 * k * raw[0] + p[2]) * np.sin(k * raw[1] + p[3])
        return (scene - (self.factor - 1) / 2) / self.factor

    def scene(self, low):
        """Brightness at low pixels (y, x)."""
        places = self.factor * low + (self.factor - 1) / 2 + _MARGIN
        return scipy.ndimage.map_coordinates(
            self.spline, places, order=3, prefilter=False, mode="mirror"
        )

    def error(self, content):
        """End-point errors (2, y, x) of a transform that `pair` wrote, in high-grid voxels."""
        f, (y0, x0, n, m) = content["factor"], content["low_crop"]
        y, x = (np.arange(0, f * count, 3.0) for count in (n, m))
        raw = content["affine"]
        field = content["field"]
        dy, dx = Field(
            tuple(field["origin"]), tuple(field["step"]), np.asarray(field["coefficients"])
        ).on(y, x)
        raw = apply_affine(raw, y[:, None] + dy, x[None, :] + dx)
        first = np.array([y0, x0])[:, None, None]
        there = f * (self.truth(raw) - first) + (f - 1) / 2
        return there - np.stack(np.meshgrid(y, x, indexing="ij"))

    def volumes(self, pixel=14.2, ratio=None):
        """Give the high and the low image as volumes."""
        return (
            as_volume(self.high, pixel / (ratio or self.factor)),
            as_volume(self.low, pixel),
        )


def as_volume(image, pixel):
    grid = Grid((1, *image.shape), (pixel,) * 3, unit="nm")
    return Volume(image[None], grid, "secondary electrons")


def rms(errors):
    return float(np.sqrt(np.mean(np.sum(np.square(errors), axis=0))))


def make_pair(
    scene,
    seed=1,
    *,
    side=256,
    factor=2,
    amplitude=4.0,
    waves=1.0,
    rotation=0.7,
    scale=1.004,
    shear=0.1,
    shift=(6.3, -9.1),
    noise=0.0,
    larger=1.6,
    dtype=np.uint8,
):
    """Make a pair: the low image samples a scene at every `factor`-th pixel (aliased), the high one
    through an affine map and waves, with another brightness and contrast.

    `noise` is white, of the low image, over the standard deviation of the scene.
    """
    size = int(side * larger) // factor * factor
    spline = scipy.ndimage.spline_filter(scene(seed, size + 2 * _MARGIN), 3, mode="mirror")
    turn = np.deg2rad(rotation)
    linear = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    linear = linear @ np.array([[1, np.deg2rad(shear)], [0, 1]])
    random = generator(seed + 77)
    pair = Pair(
        None,
        np.empty((side, side)),
        factor,
        spline,
        linear,
        (size - 1) / 2 + np.array(shift),
        amplitude,
        waves,
        random.uniform(0, 2 * np.pi, 4),
    )
    low = pair.scene(np.indices((size // factor,) * 2).astype(float))
    high = pair.scene(pair.truth(np.indices((side, side)).astype(float)))
    low += noise * high.std() * random.standard_normal(low.shape)
    gain = np.iinfo(dtype).max / 255
    pair.low, pair.high = (
        np.clip(np.rint(gain * image), 0, np.iinfo(dtype).max).astype(dtype)
        for image in (low, 0.8 * high + 12)
    )
    return pair

"""Make a volume worse on purpose: blur, coarser voxels, noise, in this order."""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numba
import numpy as np

from acuity.errors import AcuityError, require
from acuity.filters import gaussian
from acuity.slabs import Part, open_writer
from acuity.volume import Volume, choose_layout, slabs

TRUNCATE = 4.0
_BINS = 2**16
_DRAWN = 2**20  # random numbers at a time


@dataclass(frozen=True)
class Degradation:
    """How a volume is made worse: blur, coarser voxels, noise.

    Attributes
    ----------
    sigma : float or sequence of float
        Standard deviation of the blur in voxels of the volume, one number or three (z, y, x).
    photons : float, optional
        Expected photons in a voxel whose value is the 99.9th percentile of the volume; the value 0
        is no photon. Without it there is no Poisson noise.
    noise_sd : float
        Standard deviation of the Gaussian noise as a fraction of the range of the volume, its
        largest value minus its smallest.
    downsample : sequence of int
        Voxels averaged into one along z, y, x; voxels left over at an end are dropped.
    """

    sigma: float | Sequence[float]
    photons: float | None = None
    noise_sd: float = 0.0
    downsample: Sequence[int] = (1, 1, 1)


def degrade(
    volume: Volume,
    output: str | os.PathLike,
    settings: Degradation,
    *,
    seed: int,
    slab_depth: int | None = None,
    part: Part | None = None,
) -> None:
    """Write a low-resolution version of a volume.

    A Gaussian blur with reflecting borders, averages over blocks of voxels, Poisson noise of a
    number of photons, Gaussian noise. Works in slabs with a halo; each slice has random numbers
    of its own, so that the result does not depend on the depth of the slabs.

    Parameters
    ----------
    volume : Volume
        The volume to degrade, (z, y, x).
    output : path
        The volume to write, float32, in the intensities of `volume`.
    settings : Degradation
        What is done to it.
    seed : int
        Seed of the noise.
    slab_depth : int, optional
        Slices written at a time; those of a row of shards by default. Memory is that of these, and
        twice that of a column of them, one shard wide, with its halo of ``4 sigma`` all around.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.

    Raises
    ------
    AcuityError
        If a parameter is out of range, or the volume has negative values and Poisson noise is
        asked for; nothing is left at `output` then.
    """
    sigmas, factors = _check(settings, volume.grid.shape, seed)
    photons, noise_sd = settings.photons, settings.noise_sd
    step = {
        "step": "degrade",
        "source_digest": volume.digest,
        "source_dtype": volume.dtype.name,
        "sigma": list(sigmas),
        "downsample": list(factors),
        "photons": photons,
        "noise_sd": noise_sd,
        "seed": seed,
    }
    grid = volume.grid.downsample(factors)
    with open_writer(output, grid, np.float32, part, **volume.after(step)) as writer:
        scale, sd = 0.0, 0.0
        if photons is not None or noise_sd:
            low, high, bright = writer.agree("levels", lambda: levels(volume))
            sd = noise_sd * (high - low)
            if photons is not None:
                if low < 0 or bright <= 0:
                    raise AcuityError(
                        f"degrade: found values from {low:g} and a 99.9th percentile of "
                        f"{bright:g}; Poisson noise (photons) needs a volume without negative "
                        "values, use Gaussian noise (noise) instead."
                    )
                scale = photons / bright
        for z0, z1 in writer.spans(slab_depth or writer.slab_depth):
            block = np.empty((z1 - z0, *grid.shape[1:]), np.float32)
            for y0, y1 in slabs(grid.shape[1], writer.layout.shard[1]):
                for x0, x1 in slabs(grid.shape[2], writer.layout.shard[2]):
                    box = (slice(z0, z1), slice(y0, y1), slice(x0, x1))
                    block[:, box[1], box[2]] = blurred(volume, box, sigmas, factors)
            # a slice's noise depends on its number alone, so the threads leave no trace either
            with ThreadPoolExecutor(numba.get_num_threads()) as pool:
                noisy = partial(add_noise, scale=scale, sd=sd, seed=seed)
                list(pool.map(noisy, block, range(z0, z1)))
            writer.write(z0, block)


def _check(settings: Degradation, shape: Sequence[int], seed: int) -> tuple[tuple, tuple]:
    """Check the settings; return sigma and factors as three numbers (z, y, x)."""
    photons, noise_sd = settings.photons, settings.noise_sd
    sigmas = _three(settings.sigma, "sigma")
    factors = _three(settings.downsample, "downsample")
    require(min(sigmas) >= 0, f"degrade: sigma is {settings.sigma}, allowed are numbers from 0 up.")
    if not all(f == int(f) and 1 <= f <= n for f, n in zip(factors, shape, strict=True)):
        raise AcuityError(
            f"degrade: downsample is {settings.downsample}, allowed are whole numbers from 1 to the "
            f"volume's size {shape}."
        )
    if photons is not None and not (math.isfinite(photons) and photons > 0):
        raise AcuityError(f"degrade: photons is {photons}, allowed are numbers above 0.")
    if not (math.isfinite(noise_sd) and noise_sd >= 0):
        raise AcuityError(f"degrade: noise_sd is {noise_sd}, allowed are numbers from 0 up.")
    require(0 <= seed < 2**63, f"degrade: seed is {seed}, allowed are whole numbers from 0 up.")
    return sigmas, tuple(int(factor) for factor in factors)


def blurred(
    volume: Volume, box: Sequence[slice], sigmas: Sequence[float], factors: Sequence[int]
) -> np.ndarray:
    """Blur a part of a volume and average it over blocks of voxels.

    Parameters
    ----------
    volume : Volume
        The volume, (z, y, x).
    box : sequence of slice
        The part (z, y, x), counted in blocks.
    sigmas : sequence of float
        Standard deviations of the blur along z, y, x, in voxels.
    factors : sequence of int
        Voxels of a block along z, y, x.

    Returns
    -------
    numpy.ndarray
        (z, y, x), float32: the same as that part of the whole.
    """
    read, inner = [], []
    for part, count, sigma, factor in zip(box, volume.grid.shape, sigmas, factors, strict=True):
        halo = int(TRUNCATE * sigma + 0.5)
        first, last = part.start * factor, part.stop * factor
        # a halo is cut where the volume ends: there the filter reflects, as in the whole
        start = max(0, first - halo)
        read.append(slice(start, min(count, last + halo)))
        inner.append(slice(first - start, last - start))
    fine = gaussian(volume.read(*read), sigmas, truncate=TRUNCATE)
    return block_average(fine[tuple(inner)], factors)


def levels(volume: Volume) -> tuple[float, float, float]:
    """Give the smallest and largest value and the 99.9th percentile, read slab by slab.

    The percentile comes from a histogram of 65,536 bins between the two and is right to a bin.

    Parameters
    ----------
    volume : Volume
        The volume.

    Returns
    -------
    low, high, bright : float
        Smallest value, largest value, 99.9th percentile.

    Raises
    ------
    AcuityError
        If the volume is constant.
    """
    depth = choose_layout(volume.grid.shape, np.float32).shard[0]
    low, high = math.inf, -math.inf
    for z0, z1 in slabs(volume.grid.shape[0], depth):
        block = volume.read(slice(z0, z1))
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    require(low != high, f"degrade: the volume is constant, every voxel is {low:g}.")
    counts = np.zeros(_BINS, np.int64)
    for z0, z1 in slabs(volume.grid.shape[0], depth):
        for image in volume.read(slice(z0, z1)):
            counts += np.histogram(image, _BINS, (low, high))[0]
    rank = math.ceil(0.999 * counts.sum())
    place = int(np.searchsorted(np.cumsum(counts), rank))
    return low, high, low + (high - low) * (place + 0.5) / _BINS


def block_average(block: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """Average blocks of voxels; what is left over at an end is dropped.

    Parameters
    ----------
    block : numpy.ndarray
        (z, y, x), float32.
    factors : sequence of int
        Voxels of a block along z, y, x.

    Returns
    -------
    numpy.ndarray
        (z, y, x), float32.
    """
    if tuple(factors) == (1, 1, 1):
        return block
    counts = [size // factor for size, factor in zip(block.shape, factors, strict=True)]
    total = np.zeros(counts, np.float32)
    # one offset after the other: a fixed order for every voxel, whatever the slab
    for offset in np.ndindex(*factors):
        total += block[
            tuple(
                slice(first, first + count * factor, factor)
                for first, count, factor in zip(offset, counts, factors, strict=True)
            )
        ]
    total /= np.float32(math.prod(factors))
    return total


def add_noise(image: np.ndarray, z: int, *, scale: float, sd: float, seed: int) -> None:
    """Add noise to a slice in place, with random numbers that depend on the seed and on `z`.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), float32.
    z : int
        Number of the slice.
    scale : float
        Photons for a value of one; 0 for no Poisson noise.
    sd : float
        Standard deviation of the Gaussian noise in the image's intensity; 0 for none.
    seed : int
        Seed of the volume's noise.
    """
    keys = [seed, 2 * z], [seed, 2 * z + 1]
    photons, electrons = (np.random.Generator(np.random.Philox(key=key)) for key in keys)
    # some rows at a time, for the memory; the random numbers follow each other all the same
    for y0, y1 in slabs(len(image), max(1, _DRAWN // image.shape[1])):
        rows = image[y0:y1]
        if scale:
            # float32 rounding in the blur may leave a hair below zero
            rows[...] = photons.poisson(np.maximum(rows, 0) * scale) / scale
        if sd:
            rows += np.float32(sd) * electrons.standard_normal(rows.shape, np.float32)


def _three(value: float | Sequence[float], name: str) -> tuple[float, float, float]:
    numbers = np.atleast_1d(np.asarray(value, np.float64))
    if numbers.size == 1:
        numbers = np.repeat(numbers, 3)
    if numbers.shape != (3,) or not np.isfinite(numbers).all():
        raise AcuityError(f"degrade: {name} is {value}, allowed are one or three numbers (z y x).")
    return tuple(float(number) for number in numbers)

"""Make images worse at random: blur, noise, down- and up-scaling, then coarser pixels.

The degradation of SEMNet, which learns from images that have no low-resolution partner: strengths
and order are drawn anew for every image, or patch, so that the network meets many of them.
"""

import math
import os

import numpy as np
from scipy import ndimage

from acuity.degrade.degrade import block_average
from acuity.degrade.settings import RandomDegradation
from acuity.errors import AcuityError, require
from acuity.interpolation import weights_of
from acuity.volume import Volume, VolumeWriter

EIGHT_BITS = 255.0
KERNELS = ("linear", "cubic", "lanczos")
REDUCTIONS = ("average", "bicubic")
DEFAULTS = RandomDegradation().model_dump()
STEPS = tuple(DEFAULTS["probability"])


def check_strengths(strengths):
    """Complete strengths with their defaults and check them.

    Parameters
    ----------
    strengths : dict
        Any of the strengths of `degrade_images`.

    Returns
    -------
    dict
        All of them.

    Raises
    ------
    AcuityError
        Naming the key, what was found and what is allowed.
    """
    unknown = sorted(set(strengths) - set(DEFAULTS))
    if unknown:
        raise AcuityError(
            f"degrade: unknown key {unknown[0]}; allowed are {', '.join(sorted(DEFAULTS))}"
        )
    made = {**DEFAULTS, **strengths}
    least = {"noise_sd": 0.0, "photons": 1e-3, "blur": 0.0, "rescale": 0.1}
    for key, lowest in least.items():
        span = np.atleast_1d(np.asarray(made[key], np.float64))
        if span.shape != (2,) or not np.isfinite(span).all() or not lowest <= span[0] <= span[1]:
            raise AcuityError(
                f"degrade: {key} is {made[key]}; allowed are two numbers from {lowest:g} up, the "
                "smaller first"
            )
        made[key] = (float(span[0]), float(span[1]))
    given = made["probability"]
    chances = dict.fromkeys(STEPS, given) if isinstance(given, int | float) else given
    wrong = sorted(set(chances) - set(STEPS))
    if wrong or not all(0 <= chance <= 1 for chance in chances.values()):
        raise AcuityError(
            f"degrade: probability is {given}; allowed are a number from 0 to 1, or one each for "
            f"{', '.join(STEPS)}"
        )
    usual = DEFAULTS["probability"]
    made["probability"] = {step: float(chances.get(step, usual[step])) for step in STEPS}
    if made["reduction"] not in (*REDUCTIONS, "random"):
        raise AcuityError(
            f"degrade: reduction is {made['reduction']!r}; allowed are "
            f"{', '.join(REDUCTIONS)}, random"
        )
    made["reduce_last"] = bool(made["reduce_last"])
    return made


def draw(rng, strengths):
    """Draw the steps of one image.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    strengths : dict
        As `check_strengths` gives them.

    Returns
    -------
    list of dict
        Steps in order, each with its ``step`` and strength; one is ``reduce``.
    """
    taken = [step for step in STEPS if rng.random() < strengths["probability"][step]]
    order = [taken[n] for n in rng.permutation(len(taken))]
    at = len(order) if strengths["reduce_last"] else int(rng.integers(len(order) + 1))
    order.insert(at, "reduce")
    steps = []
    for step in order:
        if step == "blur":
            steps.append({"step": step, "sigma": rng.uniform(*strengths["blur"])})
        elif step == "gaussian":
            steps.append({"step": step, "sd": rng.uniform(*strengths["noise_sd"])})
        elif step == "poisson":
            span = np.log(strengths["photons"])
            steps.append({"step": step, "photons": math.exp(rng.uniform(*span))})
        elif step == "rescale":
            span = np.log(strengths["rescale"])
            kernels = [KERNELS[n] for n in rng.integers(len(KERNELS), size=2)]
            steps.append({"step": step, "factor": math.exp(rng.uniform(*span)), "kernels": kernels})
        else:
            kind = strengths["reduction"]
            kind = REDUCTIONS[rng.integers(len(REDUCTIONS))] if kind == "random" else kind
            steps.append({"step": step, "reduction": kind})
    return [
        {k: round(v, 6) if isinstance(v, float) else v for k, v in step.items()} for step in steps
    ]


def resize(image, shape, kernel):
    """Resample an image to another size, the centres of both on each other.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), float32.
    shape : tuple of int
        Pixels wanted (y, x).
    kernel : {"linear", "cubic", "lanczos"}
        Interpolation; it is not widened where pixels become fewer, which then alias.

    Returns
    -------
    numpy.ndarray
        (y, x), float32.
    """
    for axis, wanted in enumerate(shape):
        count = image.shape[axis]
        if count == wanted:
            continue
        place = (np.arange(wanted) + 0.5) * (count / wanted) - 0.5
        floor = np.floor(place).astype(np.int64)
        offsets, taps = weights_of(kernel, place - floor)
        total = np.zeros((wanted, *image.shape[1:]) if axis == 0 else (len(image), wanted), "f4")
        for n, offset in enumerate(offsets):
            weight = taps[:, n, None] if axis == 0 else taps[None, :, n]
            total += np.take(image, np.clip(floor + offset, 0, count - 1), axis=axis) * weight
        image = total
    return image


def reduce(image, factor, reduction):
    """Make an image coarser by a whole factor; pixels left over at an end are dropped.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), float32.
    factor : int
        Pixels along each side that become one.
    reduction : {"average", "bicubic"}
        Average of the block, or cubic convolution (Keys 1981, a = -1/2) at its centre. A pixel
        lies in the middle of its block, (factor - 1) / 2 from the first, either way.

    Returns
    -------
    numpy.ndarray
    """
    rows, columns = (n // factor for n in image.shape)
    image = image[: rows * factor, : columns * factor]
    if reduction == "average":
        return block_average(image[None], (1, factor, factor))[0]
    return resize(image, (rows, columns), "cubic")


def apply(image, steps, rng, *, factor, full):
    """Degrade an image by steps that were drawn.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), float32.
    steps : list of dict
        As `draw` gives them.
    rng : numpy.random.Generator
        Random numbers of the noise.
    factor : int
        Pixels along each side that become one.
    full : float
        Intensity that counts as 255: strengths are those of eight bits.

    Returns
    -------
    numpy.ndarray
        float32, not rounded nor clipped.
    """
    unit = full / EIGHT_BITS
    for step in steps:
        if step["step"] == "blur":
            image = ndimage.gaussian_filter(image, step["sigma"], mode="reflect")
        elif step["step"] == "gaussian":
            image = image + np.float32(step["sd"] * unit) * rng.standard_normal(image.shape, "f4")
        elif step["step"] == "poisson":
            rate = step["photons"] / full
            image = (rng.poisson(np.maximum(image, 0) * rate) / rate).astype(np.float32)
        elif step["step"] == "rescale":
            there = tuple(max(1, round(n * step["factor"])) for n in image.shape)
            first, second = step["kernels"]
            image = resize(resize(image, there, first), image.shape, second)
        else:
            image = reduce(image, factor, step["reduction"])
    return image


def degrade_image(image, rng, *, factor, full, round_to_whole=True, **strengths):
    """Degrade one image at random.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), any real type.
    rng : numpy.random.Generator
        Random numbers of strengths, order and noise.
    factor : int
        Pixels along each side that become one.
    full : float
        Intensity that counts as 255; 255 or 65535 for images of 8 or 16 bits.
    round_to_whole : bool
        Round and clip to 0 to `full`, as an image of that type has it.
    **strengths
        All strengths, checked (`check_strengths`).

    Returns
    -------
    low : numpy.ndarray
        float32 (y // factor, x // factor).
    steps : list of dict
        What was drawn.
    """
    steps = draw(rng, strengths)
    image = np.ascontiguousarray(image, np.float32)
    image = apply(image, steps, rng, factor=int(factor), full=float(full))
    if round_to_whole:
        image = np.clip(np.rint(image), 0, full)
    return image.astype(np.float32, copy=False), steps


def full_scale(dtype, full, name):
    """Intensity that counts as 255, and whether voxels are whole numbers.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the images.
    full : float or None
        As it is given; None: the largest value of uint8 or uint16.
    name : str
        The images, for errors.

    Returns
    -------
    full : float
    whole : bool

    Raises
    ------
    AcuityError
        If it is not given and the type does not tell.
    """
    whole = np.dtype(dtype) in (np.uint8, np.uint16)
    if full is None:
        if not whole:
            raise AcuityError(
                f"{name}: found voxels of {dtype}; strengths in units of 8 bits need uint8, uint16, "
                "or the intensity that counts as 255 (full)"
            )
        full = float(np.iinfo(dtype).max)
    require(0 < full < math.inf, f"{name}: full is {full}; allowed are numbers above 0")
    return float(full), whole


def image_rng(seed, number):
    """Random numbers of a whole image, a function of seed and number alone."""
    return np.random.Generator(np.random.Philox(key=[int(seed), 2], counter=[0, 0, 0, int(number)]))


def degrade_images(
    volume: Volume,
    output: str | os.PathLike,
    *,
    factor: int = 2,
    seed: int,
    full: float | None = None,
    **strengths,
) -> None:
    """Write low-resolution versions of images: each slice is degraded by a draw of its own.

    After SEMNet, whose authors name Gaussian noise (standard deviation 2 to 25), Poisson noise
    (lambda 100 to 10,000), Gaussian blur, and up- and down-scaling, and no probability, order, size
    of the blur or of the scaling: those are settings here. Each step is taken with its
    probability, in random order and strength; then blocks of pixels become one. What was drawn is
    recorded in the provenance. Every slice has random numbers of its own.

    Parameters
    ----------
    volume : Volume
        Images (z, y, x), uint8 or uint16, or of another type with `full`.
    output : path
        The volume to write, of the type of `volume` (uint8, uint16) or float32; its grid is
        coarser by (1, factor, factor), a pixel in the middle of its block.
    factor : int
        Pixels along each side that become one.
    seed : int
        Seed.
    full : float, optional
        Intensity that counts as 255; by default the largest value of the type.
    noise_sd : (float, float)
        Standard deviation of the Gaussian noise, uniform, in units of 8 bits.
    photons : (float, float)
        Mean count (lambda) of the Poisson noise for an intensity of 255, uniform in its logarithm.
    blur : (float, float)
        Standard deviation of the Gaussian blur, uniform, in pixels of the image at that step.
    rescale : (float, float)
        Factor of the size to which an image is brought, and back, uniform in its logarithm; both
        kernels are drawn from linear, cubic and Lanczos.
    probability : float or dict
        Of each step: ``blur``, ``rescale``, ``gaussian``, ``poisson``.
    reduction : {"average", "bicubic", "random"}
        How blocks become pixels.
    reduce_last : bool
        Whether that comes last, or anywhere in the order.

    Raises
    ------
    AcuityError
        If a parameter is out of range, the type does not tell the intensity of 255, or the factor
        leaves nothing; nothing is written then.
    """
    made = check_strengths(strengths)
    require(0 <= seed < 2**63, f"degrade: seed is {seed}, allowed are whole numbers from 0 up.")
    if factor != int(factor) or not 1 <= factor <= min(volume.grid.shape[1:]):
        raise AcuityError(
            f"degrade: factor is {factor}, allowed are whole numbers from 1 to the smaller side "
            f"of the images ({min(volume.grid.shape[1:])})."
        )
    full, whole = full_scale(volume.dtype, full, "degrade")
    factor = int(factor)
    grid = volume.grid.downsample((1, factor, factor))
    step = {
        "step": "degrade_images",
        "source_digest": volume.digest,
        "factor": factor,
        "seed": int(seed),
        "full": full,
        **{key: list(v) if isinstance(v, tuple) else v for key, v in made.items()},
        "drawn": [draw(image_rng(seed, z), made) for z in range(grid.shape[0])],
    }
    how = {"factor": factor, "full": full, "round_to_whole": whole, **made}
    dtype = volume.dtype if whole else np.float32
    with VolumeWriter(output, grid, dtype, **volume.after(step)) as writer:
        for z0, z1 in writer.spans(writer.slab_depth):
            low = [
                degrade_image(image, image_rng(seed, z), **how)[0]
                for z, image in enumerate(volume.read(slice(z0, z1)), z0)
            ]
            writer.write(z0, np.stack(low).astype(writer.dtype))

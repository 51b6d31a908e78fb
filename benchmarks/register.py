"""Translation of a pair of slices: ours, pystackreg's and scikit-image's, accuracy and time.

Run, from the project's root, with pystackreg installed beside (left out where it is not)::

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=src python benchmarks/register.py
    ... python benchmarks/register.py --slices ../shared/data/em/shale_slices --seconds

Synthetic pairs: a texture of random phases, made twice from one spectrum with a shift of up to
5 pixels along each axis, so that the truth is exact and what enters at one border is new. White
noise, of a given multiple of the texture's standard deviation, is added to both slices. Real
pairs (``--slices``, a folder or a stack of TIFF): a slice and its next neighbour, which is moved by
a cubic spline; the error is (found with the shift) - (found without, no noise) - (shift).

Times are processor times on one thread, the median over all pairs. ``--seconds`` prints them
alone.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import scipy.ndimage
import tifffile
from skimage.registration import phase_cross_correlation

from acuity.register.correlate import Correlator

try:
    from pystackreg import StackReg
except ImportError:
    StackReg = None

SIDE = 512
NOISE = (0.0, 0.3, 1.0, 2.0)
# Smoothing of white noise in pixels, exponent of the fall of its amplitude with frequency.
TEXTURES = {"fine": (2.0, 0.0), "coarse": (4.0, 0.0), "all scales": (1.0, 1.2)}


def synthetic(smooth, fall, noise, seed):
    """Make a pair of slices with a known displacement."""
    n = SIDE + 128
    frequency = 2 * np.pi * np.fft.fftfreq(n)
    ky, kx = frequency[:, None], frequency[None, :]
    k = np.hypot(ky, kx)
    random = np.random.Generator(np.random.Philox(seed))
    spectrum = np.fft.fft2(random.standard_normal((n, n))) * np.exp(-0.5 * (smooth * k) ** 2)
    spectrum *= np.maximum(k, 0.02) ** -fall
    spectrum[0, 0] = 0
    shift = random.uniform(-5, 5, 2)
    pair = []
    for dy, dx in ((0.0, 0.0), shift):
        image = np.fft.ifft2(spectrum * np.exp(-1j * (ky * dy + kx * dx))).real
        pair.append(image[64 : 64 + SIDE, 64 : 64 + SIDE])
    deviation = pair[0].std()
    return *(
        120 + 40 * (image / deviation + noise * random.standard_normal(image.shape))
        for image in pair
    ), shift


def real(slices, z, noise):
    """Make a pair of a slice and its moved neighbour, and the pair without noise and shift."""
    random = np.random.Generator(np.random.Philox(z))
    shift = random.uniform(-5, 5, 2)
    fixed, moving = (slices[i].astype(np.float64) for i in (z, z + 1))
    moved = scipy.ndimage.shift(moving, shift, order=3, mode="mirror")
    inside = (slice(8, -8), slice(8, -8))
    fixed, moving, moved = fixed[inside], moving[inside], moved[inside]
    deviation = noise * fixed.std()
    noisy = [image + deviation * random.standard_normal(image.shape) for image in (fixed, moved)]
    return noisy[0], noisy[1], shift, fixed, moving


def methods(shape):
    """Functions of a fixed and a moving slice that give the displacement."""
    correlator = Correlator(shape)

    def ours(fixed, moving):
        shift = correlator.shift(correlator.spectrum(fixed), correlator.spectrum(moving))
        return shift.dy, shift.dx

    found = {"Acuity": ours}
    if StackReg is not None:

        def stackreg(fixed, moving):
            matrix = StackReg(StackReg.TRANSLATION).register(fixed, moving)
            return matrix[1, 2], matrix[0, 2]

        found["pystackreg"] = stackreg
    for normalization in (None, "phase"):

        def skimage(fixed, moving, normalization=normalization):
            return -phase_cross_correlation(
                fixed, moving, normalization=normalization, upsample_factor=100
            )[0]

        found[f"scikit-image {normalization or 'none'}"] = skimage
    return found


def rms(errors):
    """Root mean square over pairs and axes."""
    return float(np.sqrt(np.mean(np.square(errors))))


def accuracy(pairs):
    """Print px RMS of every method on synthetic textures."""
    names = methods((SIDE, SIDE))
    print("| texture | noise | " + " | ".join(names) + " |")
    for texture, (smooth, fall) in TEXTURES.items():
        for noise in NOISE:
            cases = [synthetic(smooth, fall, noise, seed) for seed in range(pairs)]
            cells = [
                f"{rms([np.subtract(find(a, b), shift) for a, b, shift in cases]):.4f}"
                for find in names.values()
            ]
            print(f"| {texture} | {noise:g} | " + " | ".join(cells) + " |", flush=True)


def added(path, pairs):
    """Print px RMS of every method on shifts added to real slices."""
    path = Path(path)
    files = sorted(path.glob("*.tif")) if path.is_dir() else [path]
    slices = np.concatenate([np.atleast_3d(tifffile.imread(f).T).T for f in files])
    side = min(SIDE + 16, *slices.shape[1:])
    first = [(n - side) // 2 for n in slices.shape[1:]]
    slices = slices[:, first[0] : first[0] + side, first[1] : first[1] + side]
    chosen = np.unique(np.linspace(0, len(slices) - 2, pairs).astype(int))
    names = methods((side - 16, side - 16))
    print(f"| {path.name}, {len(chosen)} pairs, noise | " + " | ".join(names) + " |")
    for noise in NOISE:
        cases = [real(slices, int(z), noise) for z in chosen]
        cells = [
            f"{rms([np.subtract(find(a, b), find(f, m)) - s for a, b, s, f, m in cases]):.4f}"
            for find in names.values()
        ]
        print(f"| {noise:g} | " + " | ".join(cells) + " |", flush=True)


def streaks(pairs):
    """Print px RMS with static vertical streaks in both slices, kept and dropped."""
    correlators = {
        f"dropped below {n:g}": Correlator((SIDE, SIDE), drop_streaks=n) for n in (0, 2.5)
    }
    print("| streaks | " + " | ".join(correlators) + " |")
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for form in ("straight", "fading", "leaning by 5 px"):
        errors = {name: [] for name in correlators}
        for seed in range(pairs):
            fixed, moving, shift = synthetic(2.0, 0.0, 0.3, seed)
            random = np.random.Generator(np.random.Philox(1000 + seed))
            heights = 120 * random.standard_normal(2 * SIDE)
            curtain = np.broadcast_to(heights[:SIDE], fixed.shape)
            if form == "fading":
                curtain = curtain * np.exp(-rows / 400 * random.uniform(0.3, 2, SIDE))
            elif form != "straight":
                curtain = np.interp(columns + 0.01 * rows, np.arange(2 * SIDE), heights)
            for name, correlator in correlators.items():
                found = correlator.shift(
                    correlator.spectrum(fixed + curtain), correlator.spectrum(moving + curtain)
                )
                errors[name].append(np.subtract((found.dy, found.dx), shift))
        cells = [f"{rms(values):.4f}" for values in errors.values()]
        print(f"| {form} | " + " | ".join(cells) + " |")


def seconds(pairs):
    """Print median processor times of a pair."""
    correlator = Correlator((SIDE, SIDE))
    times = {}

    def timed(name, call, *images):
        start = time.process_time()
        result = call(*images)
        times.setdefault(name, []).append(1e3 * (time.process_time() - start))
        return result

    for seed in range(pairs):
        fixed, moving, _ = synthetic(2.0, 0.0, 0.3, seed)
        a = timed("Acuity, spectrum of a slice", correlator.spectrum, fixed)
        b = correlator.spectrum(moving)
        timed("Acuity, pair, spectra given, shift up to 5 px", correlator.shift, a, b)
        near = correlator.spectrum(np.roll(fixed, 1, axis=1))
        timed("Acuity, pair, spectra given, shift of 1 px", correlator.shift, a, near)
        for name, find in methods((SIDE, SIDE)).items():
            timed(f"{name}, pair with all preparation", find, fixed, moving)
    for name, values in times.items():
        print(f"{name}: {np.median(values):.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--slices", help="folder or stack of TIFF slices")
    parser.add_argument("--seconds", action="store_true", help="times only")
    arguments = parser.parse_args()
    if arguments.slices:
        added(arguments.slices, arguments.pairs)
    elif not arguments.seconds:
        accuracy(arguments.pairs)
        streaks(arguments.pairs)
    if arguments.seconds or not arguments.slices:
        seconds(arguments.pairs)

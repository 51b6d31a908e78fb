"""What the Gaussian fit reads of blurs that are known.

    python benchmarks/resolution.py

Balls of empty space in a solid, 96^3 voxels, blurred by a continuous Gaussian (its transform, exp of minus
half sigma^2 omega^2, in the cosine domain), by one that is sampled at the voxels' centres as SciPy's
`gaussian_filter` has it, and cut from a larger volume that was blurred before.
"""

import numpy as np
import scipy.fft
import scipy.ndimage

from acuity.measure.resolution import gaussian_fit

SIDE, MORE = 96, 24


def balls(side, count, seed):
    """Give a solid of 1 with balls of 0, radii of 3 to 10 voxels."""
    rng = np.random.default_rng(seed)
    volume = np.ones((side,) * 3, np.float32)
    axes = np.ogrid[:side, :side, :side]
    for _ in range(count):
        centre, radius = rng.uniform(0, side, 3), rng.uniform(3, 10)
        squares = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))
        volume[squares < radius**2] = 0
    return volume


def continuous(volume, sigma):
    """Blur by a Gaussian that is not sampled; borders reflect."""
    square = (np.pi * np.arange(len(volume)) / len(volume)) ** 2
    omega = square[:, None, None] + square[:, None] + square
    spectrum = scipy.fft.dctn(volume, norm="ortho") * np.exp(-0.5 * sigma**2 * omega)
    return scipy.fft.idctn(spectrum, norm="ortho").astype(np.float32)


def main():
    """Print a line for each standard deviation."""
    large = balls(SIDE + 2 * MORE, 200, seed=1)
    inner = (slice(MORE, -MORE),) * 3
    truth = np.ascontiguousarray(large[inner])
    print("| sigma (voxels) | continuous | cut from a larger one | sampled |\n|---|---|---|---|")
    for sigma in (0.3, 0.4, 0.6, 0.8, 1.0, 2.0, 3.0, 5.0):
        images = (
            continuous(truth, sigma),
            np.ascontiguousarray(continuous(large, sigma)[inner]),
            scipy.ndimage.gaussian_filter(truth, sigma, mode="reflect"),
        )
        found = [gaussian_fit(image, truth, spacing=(1, 1, 1))[0] for image in images]
        print(f"| {sigma:g} | " + " | ".join(f"{value:.4f}" for value in found) + " |", flush=True)


if __name__ == "__main__":
    main()

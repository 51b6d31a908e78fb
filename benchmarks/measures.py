"""Filters, segmentation and image measures against the usual routes, alternating in one run.

    python benchmarks/measures.py [--size 128] [--rounds 3] [--threads 2]

A volume of spheres under blur and noise. Each peer does the same job: SciPy's Gaussian filter,
scikit-image's SSIM (Gaussian windows) and non-local means, h-maxima by scikit-image with its
watershed over the whole volume.
"""

import argparse
import time

import numba
import numpy as np
import scipy.ndimage as ndi
from pores import spheres
from skimage.metrics import structural_similarity
from skimage.morphology import h_maxima
from skimage.restoration import denoise_nl_means
from skimage.segmentation import watershed

from acuity.filters import gaussian
from acuity.measure.quality import _terms
from acuity.segment.nlm import nlm
from acuity.segment.separate import components, separate


def their_watershed(binary, h):
    """Distance map, h-maxima, watershed, all over the whole volume."""
    distance = ndi.distance_transform_edt(binary)
    markers, _ = ndi.label(h_maxima(distance, h), np.ones((3, 3, 3)))
    return watershed(-distance, markers, mask=binary, connectivity=3)


def our_watershed(binary, h):
    """Components, and the flooding of each by itself."""
    labels, n = components(binary)
    separate(labels, n, h)
    return labels


def main():
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    numba.set_num_threads(arguments.threads)
    size = arguments.size
    labels, placed = spheres(size, 60 * size**3 // 128**3)
    truth = (labels == 0).astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 0.1, truth.shape).astype(np.float32)
    image = gaussian(truth, 1.5) + noise
    binary = image < 0.5
    binary = ndi.binary_opening(ndi.binary_closing(binary))
    windows = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    jobs = [
        (
            "gaussian, sigma 9 / SciPy",
            lambda: gaussian(image, 9.0),
            lambda: ndi.gaussian_filter(image, 9.0),
        ),
        (
            "SSIM / scikit-image",
            lambda: np.multiply(*_terms(image, truth, np.float32(0), 1.0)).mean(),
            lambda: structural_similarity(image, truth, data_range=1.0, **windows),
        ),
        (
            "non-local means / scikit-image",
            lambda: nlm(image, sigma=0.1, h=0.1),
            lambda: denoise_nl_means(image, patch_size=3, patch_distance=3, h=0.1, sigma=0.1),
        ),
        (
            "separation / scikit-image",
            lambda: our_watershed(binary, 0.75),
            lambda: their_watershed(binary, 0.75),
        ),
    ]
    print(f"{size}^3, {len(placed)} spheres, {arguments.threads} threads")
    print(f"{'':32}{'acuity s':>10}{'peer s':>10}{'ratio':>8}")
    for name, ours, theirs in jobs:
        ours()  # compile
        times = []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            ours()
            middle = time.perf_counter()
            theirs()
            times.append((middle - start, time.perf_counter() - middle))
        a, b = np.median(times, axis=0)
        print(f"{name:32}{a:10.3f}{b:10.3f}{b / a:8.1f}", flush=True)


if __name__ == "__main__":
    main()

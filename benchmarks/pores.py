"""Pore table against PoreSpy's route, alternating in one run.

    python benchmarks/pores.py [--size 256] [--pores 400] [--rounds 3] [--threads 2]

Both get the same label volume of spheres (6 to 60 voxels in diameter) and give volume, centroid,
box, equivalent diameter and sphericity of each. The sphericity of whole digital spheres is the
check: it should read 1.
"""

import argparse
import time
import warnings

import numba
import numpy as np

from acuity.measure.pores import pore_table

PROPERTIES = ["label", "volume", "centroid", "bbox", "equivalent_diameter_area", "sphericity"]


def spheres(size, count, seed=0):
    """Labels of disjoint spheres in a cube, largest placed first."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size, size), np.uint32)
    placed = np.zeros((0, 4))
    for diameter in np.sort(rng.uniform(6, 60, count))[::-1]:
        r = 0.5 * diameter
        for _ in range(300):
            c = rng.uniform(r + 1, size - 2 - r, 3)
            gap = np.linalg.norm(placed[:, :3] - c, axis=1) - placed[:, 3] - r
            if (gap > 2).all():
                break
        else:
            continue
        placed = np.vstack([placed, [*c, r]])
        low = np.maximum(0, np.floor(c - r).astype(int))
        box = tuple(slice(a, int(b)) for a, b in zip(low, np.ceil(c + r) + 1, strict=True))
        grid = np.ogrid[box]
        inside = sum((g - x) ** 2 for g, x in zip(grid, c, strict=True)) <= r * r
        labels[box][inside] = len(placed)
    return labels, placed


def porespy_route(labels):
    """PoreSpy's table: regionprops_3D and the same properties of each region."""
    from porespy.metrics import regionprops_3D

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [[getattr(p, name) for name in PROPERTIES] for p in regionprops_3D(labels)]


def main():
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pores", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    numba.set_num_threads(arguments.threads)
    labels, placed = spheres(arguments.size, arguments.pores)
    pore_table(labels[:32, :32, :32])  # compile
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        table = pore_table(labels)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        rows = porespy_route(labels.astype(np.int64))
        theirs.append(time.perf_counter() - start)
    a, b = np.median(ours), np.median(theirs)
    volume = np.array([r[PROPERTIES.index("volume")] for r in rows])
    assert np.array_equal(np.sort(volume), np.sort(table["voxels"])), "the tables differ"
    roundness = np.array([r[PROPERTIES.index("sphericity")] for r in rows], float)
    print(f"{arguments.size}^3, {len(placed)} spheres, {arguments.threads} threads")
    print(f"{'':22}{'seconds':>10}{'sphericity of spheres (mean, lowest)':>40}")
    for name, seconds, values in (
        ("acuity, mesh", a, table["sphericity_mesh"]),
        ("acuity, Lindblad", a, table["sphericity_lindblad"]),
        ("porespy", b, roundness),
    ):
        print(f"{name:22}{seconds:10.3f}{values.mean():30.3f}{values.min():10.3f}")
    pairs = ", ".join(f"{y / x:.1f}" for x, y in zip(ours, theirs, strict=True))
    print(f"porespy / acuity: {b / a:.1f} (rounds: {pairs})")


if __name__ == "__main__":
    main()

"""Pore table against PoreSpy's route, alternating in one run.

    python benchmarks/pores.py [--size 256] [--pores 400] [--rounds 3] [--threads 2]
    python benchmarks/pores.py --thickness [--size 160]    local thickness of a random field

Both get the same label volume of spheres (6 to 60 voxels in diameter) and give volume, centroid,
box, equivalent diameter and sphericity of each. The sphericity of whole digital spheres is the
check: it should read 1.
"""

import argparse
import time
import warnings

import numba
import numpy as np
from scipy.ndimage import gaussian_filter

from acuity.measure.pore_space import local_thickness
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


def thickness(size, rounds):
    """Local thickness of a random two-phase field: mean in voxels and processor seconds."""
    from porespy import filters

    noise = np.random.default_rng(0).standard_normal((size, size, size))
    binary = gaussian_filter(noise, size / 30) > 0
    routes = {"acuity": local_thickness, "porespy": lambda b: 2 * filters.local_thickness(b)}
    for name, route in routes.items():
        route(binary[:32, :32, :32])  # compile
        seconds = []
        for _ in range(rounds):
            start = time.process_time()
            found = route(binary)[binary]
            seconds.append(time.process_time() - start)
        print(f"{name:10}{found.mean():8.2f} voxels{np.median(seconds):8.2f} s")


def main():
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pores", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--thickness", action="store_true")
    arguments = parser.parse_args()
    numba.set_num_threads(arguments.threads)
    if arguments.thickness:
        return thickness(arguments.size, arguments.rounds)
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

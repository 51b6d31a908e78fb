"""FDK side by side: ours and RTK's CPU backend on the same cone-beam job, in alternating runs.

Run, from the project's root, on a quiet machine::

    python benchmarks/fdk.py                 # 256^3 x 256 views, 3 pairs of runs
    python benchmarks/fdk.py --size 128 --runs 5

All times include the filter. RTK runs at the thread count that is best for it, found first.
Ours is timed twice: with its default field of view (a disc of radius N/2, zeros beyond, as many
useful voxels as the detector sees) and over the full square as RTK does it. The agreement is
taken inside the disc that every view sees. Beside the times stand processor times, summed over
threads, which other work on the machine disturbs less.

The probes give what the machine allows: the rate of fused multiply-adds and of reading memory.
A giga-update is 1e9 voxel-view pairs; one takes at least 4 operations (two linear
interpolations, the column's shared by all slices of a line, and a sum), and reads or
writes about `BYTES` bytes of first-level cache.
"""

import argparse
import time

import numba
import numpy as np

from acuity.reconstruct.fdk import fdk
from acuity.reconstruct.geometry import ConeBeam, full_circle
from acuity.simulate.foam import foam
from acuity.simulate.project import project

# Four lanes of float32: two reads for the line and two for the columns, one write of the line and
# a quarter of a read and a write of the sum, in 16 bytes for 4 updates; position and share 8.
BYTES = (2 + 2 + 1 + 0.5) * 4 + 8 / 4
OPERATIONS = 2 + 3 + 1


@numba.njit(parallel=True, fastmath=True)
def multiply_add(rounds, threads):
    """Do fused multiply-adds on registers; returns a sum so that nothing is left out."""
    total = np.zeros(threads, np.float32)
    for t in numba.prange(threads):
        a = np.arange(256).astype(np.float32)
        for _ in range(rounds):
            for _ in range(16):
                for i in range(256):
                    a[i] = a[i] * np.float32(0.999) + np.float32(0.5)
        total[t] = a.sum()
    return total


@numba.njit(parallel=True, fastmath=True)
def read(values, threads):
    """Sum an array larger than any cache."""
    total = np.zeros(threads, np.float32)
    part = values.size // threads
    for t in numba.prange(threads):
        s = np.float32(0)
        for i in range(part):
            s += values[t * part + i]
        total[t] = s
    return total


@numba.njit(parallel=True, fastmath=True)
def read_cached(values, rounds, threads):
    """Read arrays that stay in the first-level cache, again and again."""
    total = np.zeros(threads, np.float32)
    for t in numba.prange(threads):
        a = values[:4096].copy()
        b = values[:4096].copy()
        for r in range(rounds):
            shift = r % 8
            for i in range(2048):
                a[i] = b[i + shift] + b[i + 2040]
        total[t] = a.sum()
    return total


def best(call, runs=5):
    """Shortest time of several runs, seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def probes(threads):
    """GFLOP/s of fused multiply-adds, GB/s of memory and of first-level cache."""
    rounds = 5000
    multiply_add(1, threads)
    flops = 2 * 256 * 16 * rounds * threads / best(lambda: multiply_add(rounds, threads)) / 1e9
    values = np.ones(1 << 26, np.float32)
    read(values, threads)
    memory = values.nbytes / best(lambda: read(values, threads)) / 1e9
    read_cached(values, 1, threads)
    rounds = 50_000
    cache = 12 * 2048 * rounds * threads / best(lambda: read_cached(values, rounds, threads)) / 1e9
    return flops, memory, cache


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256, help="side N of the cube, and views")
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs")
    parser.add_argument("--threads", type=int, default=numba.config.NUMBA_NUM_THREADS)
    parser.add_argument("--rtk-threads", type=int, help="instead of the best found")
    args = parser.parse_args()

    n = args.size
    numba.set_num_threads(args.threads)
    geometry, angles = ConeBeam.standard(n), full_circle(n)
    spheres = foam(size=n, seed=1, max_pores=round(1400 * (n / 512) ** 3))
    lines = project(spheres, geometry, angles, size=n)
    updates = n**4 / 1e9

    def ours(radius=None):
        return fdk(lines, geometry, angles, radius=radius)

    def rtk(threads):
        numba.set_num_threads(threads)
        try:
            return fdk(lines, geometry, angles, backend="rtk", radius=np.inf)
        finally:
            numba.set_num_threads(args.threads)

    # Compile, load RTK, and find its best thread count on a few slices.
    ours()
    ours(np.inf)
    slab = {"z0": n // 2, "z1": n // 2 + n // 16, "backend": "rtk"}
    seconds = {}
    for threads in sorted({1, args.threads}) * 3:
        numba.set_num_threads(threads)
        spent = best(lambda: fdk(lines, geometry, angles, **slab), 1)
        seconds[threads] = min(spent, seconds.get(threads, np.inf))
    numba.set_num_threads(args.threads)
    chosen = args.rtk_threads or min(seconds, key=seconds.get)
    print(f"{n}^3 x {n} views, {updates:.2f} giga-updates; {args.threads} threads for ours")
    slices = ", ".join(f"{t} threads {s:.2f} s" for t, s in seconds.items())
    print(f"RTK on {n // 16} slices: {slices}; it runs with {chosen}")

    wall, cpu = [], []
    for run in range(args.runs):
        times, work = [], []
        for call in (ours, lambda: ours(np.inf), lambda: rtk(chosen)):
            start, busy = time.perf_counter(), time.process_time()
            result = call()
            times.append(time.perf_counter() - start)
            work.append(time.process_time() - busy)
        wall.append(times)
        cpu.append(work)
        print(f"pair {run + 1}: " + "  ".join(f"{t:.2f} s" for t in times), flush=True)
    wall, cpu = np.array(wall), np.array(cpu)
    # Other work on the machine only ever adds time, so the least of each is its own.
    print(
        f"{'':22}{'least s':>9}{'median':>8}{'CPU s':>8}{'GU/s':>7}{'GU/s core':>11}"
        f"{'RTK / it: least':>17}{'median':>8}{'worst':>7}{'CPU':>7}"
    )
    for k, name in enumerate(("ours, field of view", "ours, full square", "RTK")):
        ratio = wall[:, 2] / wall[:, k]
        print(
            f"{name:22}{wall[:, k].min():9.2f}{np.median(wall[:, k]):8.2f}{cpu[:, k].min():8.2f}"
            f"{updates / wall[:, k].min():7.2f}{updates / cpu[:, k].min():11.2f}"
            f"{wall[:, 2].min() / wall[:, k].min():17.1f}{np.median(ratio):8.1f}"
            f"{ratio.min():7.1f}{cpu[:, 2].min() / cpu[:, k].min():7.1f}"
        )

    a, b = ours(), result
    axis = np.arange(n) - (n - 1) / 2
    inner = axis[:, None] ** 2 + axis[None, :] ** 2 < (n / 2 - 4) ** 2
    difference = abs(a - b)[:, inner].max()
    print(f"largest difference inside a disc of radius N/2 - 4: {difference:.1e} of the solid")

    flops, memory, cache = probes(args.threads)
    rate = updates / wall[:, 1].min()
    print(
        f"probes: {flops:.0f} GFLOP/s of fused multiply-adds, {memory:.1f} GB/s of memory, "
        f"{cache:.0f} GB/s of first-level cache"
    )
    print(
        f"limits for the kernel, GU/s: arithmetic {flops / OPERATIONS:.1f}, "
        f"first-level cache {cache / BYTES:.1f}; reached over the full square, "
        f"filter included: {rate:.2f}"
    )


if __name__ == "__main__":
    main()

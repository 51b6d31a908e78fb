"""FDK side by side: ours and RTK's CPU backend on the same cone-beam job, in alternating runs.

Run, from the project's root, on a quiet machine::

    python benchmarks/fdk.py                 # 256^3 x 256 views, 3 pairs of runs
    python benchmarks/fdk.py --size 128 --runs 5

All times include the filter. RTK runs at the thread count that is best for it, found first.
Ours is timed twice: with its default field of view (a disc of radius N/2, zeros beyond, as many
useful voxels as the detector sees) and over the full square as RTK does it. The agreement is
taken inside the disc that every view sees. Beside the times stand processor times, summed over
threads, which other work on the machine disturbs less.

The probes give what a core of this machine allows, by processor time: the rate of fused
multiply-adds, of reading memory, and of reading and writing the first-level cache. A giga-update
is 1e9 voxel-view pairs. One update takes `OPERATIONS` floating-point operations (interpolation along
v, the sum, and its share of blending two detector columns) and moves `BYTES` bytes to and from the
first-level cache. The last probe runs the two inner loops on data that stay in that cache: the
most that this code can reach.
"""

import argparse
import time

import numba
import numpy as np

from acuity.geometry import ConeBeam, full_circle
from acuity.reconstruct import fdk as kernel
from acuity.reconstruct.fdk import fdk
from acuity.settings import call
from acuity.simulate.foam import foam
from acuity.simulate.project import project

# A vector of four updates reads two vectors of the line, a position and a share; the line took two
# vectors read and one written; a batch of four vectors reads and writes the sums once.
BYTES = (2 * 16 + 8 + 2 * 16 + 16 + 2 * 16 / 4) / 4
OPERATIONS = 4 + 3


@numba.njit(fastmath={"contract"})
def multiply_add(values, rounds):
    """Do 64 fused multiply-adds on each value, which stay in registers."""
    for _ in range(rounds):
        for i in range(values.size):
            x = values[i]
            for _ in range(64):
                x = x * np.float32(0.999) + np.float32(0.5)
            values[i] = x


@numba.njit(fastmath=True)
def read(values):
    """Sum an array larger than any cache."""
    total = np.float32(0)
    for i in range(values.size):
        total += values[i]
    return total


@numba.njit(fastmath=True)
def read_cached(a, b, c, rounds):
    """Read and write arrays that stay in the first-level cache."""
    for r in range(rounds):
        shift = np.float32(r)
        for i in range(a.size):
            a[i] = b[i] + shift * c[i]


@numba.njit(fastmath={"contract"}, error_model="numpy")
def inner_loops(columns, sums, rounds):
    """Blend and interpolate as the back-projection does, on data that stay in the cache."""
    line = np.empty((4, 8 * 128 + 16), np.float32)
    index = np.empty((4, 128), np.int32)
    fraction = np.empty((4, 128), np.float32)
    counts = np.arange(128).astype(np.float32)
    for r in range(rounds):
        slope = 0.95 + 0.01 * (r % 11)
        for b in range(4):
            kernel._prepare(
                columns, line[b], index[b], fraction[b], counts, 0, 128, 3.3, slope, 0.3, 1.1, 4
            )
        for k in range(128):
            kernel._step0(line, index, fraction, sums, k, 4 * k)


def best(call, runs=5, clock=time.process_time):
    """Shortest time of several runs, seconds."""
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def probes():
    """GFLOP/s, GB/s of memory and of first-level cache, GU/s of the inner loops; of one core."""
    values = np.ones(1024, np.float32)
    multiply_add(values, 1)
    flops = 128 * 1024 * 2000 / best(lambda: multiply_add(values, 2000)) / 1e9
    large = np.ones(1 << 26, np.float32)
    read(large)
    memory = large.nbytes / best(lambda: read(large)) / 1e9
    abc = [np.zeros(1024, np.float32) for _ in range(3)]
    read_cached(*abc, 1)
    cache = 12 * 1024 * 200_000 / best(lambda: read_cached(*abc, 200_000)) / 1e9
    columns, sums = np.ones((2, 1024), np.float32), np.zeros(512, np.float32)
    inner_loops(columns, sums, 1)
    loops = 128 * 16 * 20_000 / best(lambda: inner_loops(columns, sums, 20_000)) / 1e9
    return flops, memory, cache, loops


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
    spheres = call(foam, size=n, seed=1, max_pores=round(1400 * (n / 512) ** 3))
    lines = project(spheres, geometry, angles, size=n)
    updates = n**4 / 1e9

    def ours(radius=None):
        return call(fdk, lines, geometry, angles, radius=radius)

    def rtk(threads):
        numba.set_num_threads(threads)
        try:
            return call(fdk, lines, geometry, angles, backend="rtk", radius=np.inf)
        finally:
            numba.set_num_threads(args.threads)

    # Compile, load RTK, and find its best thread count on a few slices.
    ours()
    ours(np.inf)
    slab = {"z0": n // 2, "z1": n // 2 + n // 16, "backend": "rtk"}
    seconds = {}
    for threads in sorted({1, args.threads}) * 3:
        numba.set_num_threads(threads)
        spent = best(lambda: call(fdk, lines, geometry, angles, **slab), 1, time.perf_counter)
        seconds[threads] = min(spent, seconds.get(threads, np.inf))
    numba.set_num_threads(args.threads)
    chosen = args.rtk_threads or min(seconds, key=seconds.get)
    print(f"{n}^3 x {n} views, {updates:.2f} giga-updates; {args.threads} threads for ours")
    slices = ", ".join(f"{t} threads {s:.2f} s" for t, s in seconds.items())
    print(f"RTK on {n // 16} slices: {slices}; it runs with {chosen}")

    wall, cpu = [], []
    for run in range(args.runs):
        times, work = [], []
        for once in (ours, lambda: ours(np.inf), lambda: rtk(chosen)):
            start, busy = time.perf_counter(), time.process_time()
            result = once()
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

    flops, memory, cache, loops = probes()
    rate = updates / cpu[:, 1].min()
    print(
        f"one core: {flops:.0f} GFLOP/s of fused multiply-adds, {memory:.1f} GB/s of memory, "
        f"{cache:.0f} GB/s of first-level cache"
    )
    print(
        f"limits of one core, GU/s: arithmetic {flops / OPERATIONS:.1f}, first-level cache "
        f"{cache / BYTES:.1f}, inner loops on cached data {loops:.2f}; reached over the full "
        f"square, filter included: {rate:.2f}"
    )


if __name__ == "__main__":
    main()

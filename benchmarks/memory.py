"""Peak memory of the stages that run as slab jobs: as the volume grows, and under a limit.

    python benchmarks/memory.py            # slab 2 of 3: eight times the voxels, along z and along all axes
    python benchmarks/memory.py --limit    # all jobs of a stage; the volume is twice the limit
    python benchmarks/memory.py --scan 384 # reconstruct: slab 2 of 3 from 384 views, and from 768;
                                           # with --limit the latter under half of its volume

Every figure is that of a process of its own, one thread. Growth: the largest resident memory of a
slab job for a volume of 384 slices of 160 x 160 voxels, for one of eight times the slices, and for one
of twice each side, in which the largest blocks and rows of shards grow as well. Limit: all private
memory that a process may have, what Python and its libraries need included (RLIMIT_DATA); the jobs
of a stage (init, four slabs, join) run one after another in it, and to hold the volume must fail.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from acuity.settings import call
from acuity.slabs import join
from acuity.volume import Grid, VolumeWriter, open_volume

MIB = 2**20


def _degrade(low, out):
    from acuity.degrade.degrade import degrade

    return lambda part: call(
        degrade, low, out, sigma=1.0, photons=9, noise_sd=0.1, seed=1, part=part
    )


def _axial(low, out):
    from acuity.degrade.axial import axial

    return lambda part: axial(low, out, factor=2, mode="decimate", part=part)


def _transform(low, out):
    from acuity.align.transform import transform
    from acuity.register.transforms import write_transforms

    depth = low.grid.shape[0]
    shifts = np.random.default_rng(0).uniform(-2, 2, (2, depth))
    head = {"version": 1, "mode": "jitter", "count": depth, "unit": low.grid.unit, "source": {}}
    head |= {"voxel_size": list(low.grid.spacing), "flags": [""] * depth}
    moves = out.with_name("moves.json")
    write_transforms(moves, head | {"dy": list(shifts[0]), "dx": list(shifts[1])})
    mask = out.with_name("mask.ome.zarr")
    return lambda part: transform(low, moves, out, mask, part=part)


def _smooth(low, out):
    from acuity.segment.nlm import smooth

    return lambda part: smooth(low, out, part=part)


def _segment(low, out):
    from acuity.segment.segment import find_objects

    return lambda part: find_objects(
        low, out, block=64, largest_radius=f"8 {low.grid.unit}", part=part
    )


def _quality(low, out):
    from acuity.measure.quality import quality

    return lambda part: quality(low, low, out, data_range=255.0, part=part)


def _count_objects(low, out):
    from acuity.measure.census import count, write_counts

    path = out.with_name("labels.ome.zarr")
    with VolumeWriter(path, low.grid, "uint32") as writer:
        for z0, z1 in writer.spans(writer.slab_depth):
            z, y, x = (i // 32 for i in np.ogrid[z0:z1, : low.grid.shape[1], : low.grid.shape[2]])
            number = 1 + x + (1 + x.max()) * (y + (1 + y.max()) * z)
            writer.write(z0, np.where(low.data[z0:z1] < 128, number, 0).astype(np.uint32))
    labels = open_volume(path)

    def stage(part):
        if part[0]:
            counts = count(labels, labels, labels, part=part)
            write_counts(counts, out.with_name(f"{part[0]}.npz"))

    return stage


def _join_counts(out, slabs):
    from acuity.measure.census import census, read_counts

    files = [out.with_name(f"{k}.npz") for k in range(1, slabs + 1)]
    labels = open_volume(out.with_name("labels.ome.zarr")).digest
    counts = read_counts(files, dict.fromkeys(("labels", "truth", "reference"), labels))
    census(counts, size_bin=5.0, size_classes=[6, 70])


def _reconstruct(scan, out):
    from acuity.reconstruct.reconstruct import reconstruct

    return lambda part: reconstruct(scan, out, part=part)


def _scan(size, path):
    """Simulate the scan of one sphere."""
    import pandas as pd

    from acuity.simulate.acquire import acquire

    spheres = pd.DataFrame({"z": [1.0], "y": [3.0], "x": [0.0], "radius": [size / 8]})
    call(acquire, spheres, path, size=size, level=1, seed=1)


def _network(name, settings):
    def stage(low, out):
        import torch

        from acuity.engine.execution import DEFAULT
        from acuity.engine.planes import make_runner
        from acuity.engine.receptive import method_reach
        from acuity.methods.base import Task, load
        from acuity.predict.job import Output
        from acuity.predict.predict import restore

        torch.set_num_threads(1)
        torch.manual_seed(0)
        plain = {key: {"mean": 0.0, "std": 100.0} for key in ("low", "target")}
        method = load(name)(settings, Task(1.0, (2, 1, 1)) if load(name).axial else None)
        network = method.build()[method.restorer].eval()
        method.halo, method.stride = method_reach(method, network)
        run = make_runner(method, network, plain, DEFAULT)
        return lambda part: restore(low, Output(out, part=part), method, run, name="low")

    return stage


def _richardson_lucy(low, out):
    from acuity.methods.base import Task, load
    from acuity.predict.job import Output
    from acuity.predict.predict import restore

    method = load("richardson_lucy")({"iterations": 2, "predict": {"voxels": 2_000_000}}, Task(2.0))
    return lambda part: restore(low, Output(out, part=part), method, method.restore, name="low")


STAGES = {
    "degrade": _degrade,
    "axial": _axial,
    "transform": _transform,
    "predict: deepnet": _network("deepnet", {"features": 4, "pools": 1, "convolutions": 1}),
    "predict: richardson_lucy": _richardson_lucy,
    "predict_planes: srgan": _network(
        "srgan",
        {"features": 4, "blocks": 1, "kernels": [3, 3], "predict": {"tile": [96, 256, 256]}},
    ),
    "smooth": _smooth,
    "segment": _segment,
    "quality": _quality,
    "count_objects": _count_objects,
}
JOINS = {"count_objects": _join_counts}
ITEMS = {"count_objects": 4}  # bytes a voxel of what a stage reads; 1 for the others


def memory(key):
    """A figure of this process in KiB, as Linux tells it."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key))


def job(kind, low, out, part, limit):
    """Run a slab job, or under a limit all of them.

    Gives KiB at the peak, the bytes allowed, and whether the volume could have been held.
    """
    if kind == "reconstruct":
        stage = _reconstruct(low, Path(out))
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit * 1024,) * 2)
            limit = 0
    else:
        low = open_volume(low)
        stage = STAGES[kind](low, Path(out))
    top, holds = 0, True
    if not limit:
        stage((0, part[1]))
        stage(part)
    else:
        # Beyond what there is after the start by `limit` KiB.
        top = (memory("VmData") + limit) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (top, top))
        for number in range(part[1] + 1):
            stage((number, part[1]))
        JOINS.get(kind, lambda out, slabs: join(out))(Path(out), part[1])
        try:
            np.zeros((*low.grid.shape, ITEMS.get(kind, 1)), np.uint8)
        except MemoryError:
            holds = False
    return memory("VmHWM"), top, holds


def measured(kind, low, out, part, limit=0):
    """Run `job` in a process of its own."""
    arguments = json.dumps([kind, str(low), str(out), part, limit])
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, __file__, "--job", arguments],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
            # this checkout's code, which an installed one of another would hide
            "PYTHONPATH": os.pathsep.join(map(str, (root, root / "src"))),
        },
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout)


def specks(folder, shape, dtype):
    """Write a volume that is not constant and has small objects."""
    path = Path(folder) / f"specks{'x'.join(map(str, shape))}.ome.zarr"
    if path.exists():
        return path
    with VolumeWriter(path, Grid(shape, (1.0, 1.0, 1.0)), dtype) as writer:
        for z0, z1 in writer.spans(writer.slab_depth):
            z, y, x = np.ogrid[z0:z1, : shape[1], : shape[2]]
            block = np.full((z1 - z0, *shape[1:]), 200, dtype)
            block[((z % 32 - 16) ** 2 + (y % 32 - 16) ** 2 + (x % 32 - 16) ** 2) < 64] = 50
            block[:, 0, 0] = np.arange(z0, z1) % 100
            writer.write(z0, block)
    return path


def main():
    """Run the benchmark and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--stages", nargs="*", choices=STAGES, default=list(STAGES), metavar="STAGE"
    )
    parser.add_argument("--limit", action="store_true", help="under a limit of half the volume")
    parser.add_argument("--room", type=int, default=160, help="MiB above what the start needs")
    parser.add_argument("--side", type=int, default=512, help="of a slice, under a limit")
    parser.add_argument("--scan", type=int, metavar="VIEWS")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        kind, low, out, part, limit = arguments.job
        print(json.dumps(job(kind, low, out, tuple(part), limit)))
        return
    folder = Path(tempfile.mkdtemp(prefix="acuity-benchmark-"))
    try:
        if arguments.scan:
            for size in (arguments.scan, 2 * arguments.scan):
                scan = folder / f"{size}.h5"
                _scan(size, scan)
                larger = size > arguments.scan
                limit = size**3 * 4 // 2 // 1024 if arguments.limit and larger else 0
                out = folder / "out.ome.zarr"
                peak = measured("reconstruct", scan, out, (2, 3), limit)[0] / 1024
                under = f", under {limit // 1024} MiB" if limit else ""
                print(f"reconstruct, {size}^3 from {size} views{under}: {peak:.0f} MiB", flush=True)
                scan.unlink()
            return
        if arguments.limit:
            print(
                "| stage | limit (MiB) | volume (MiB) | slices | peak (MiB) |\n|---|---|---|---|---|"
            )
        else:
            print(
                "| stage | peak (MiB) | 8 times the slices | twice each side |\n|---|---|---|---|"
            )
        for kind in arguments.stages:
            print(f"| {kind} | {_row(kind, arguments, folder)} |", flush=True)
    finally:
        shutil.rmtree(folder)


def _row(kind, arguments, folder):
    out = folder / "out.ome.zarr"
    if not arguments.limit:
        # From here on a slab holds a whole block with its halos, which no border cuts off.
        shapes = [(384, 160, 160), (3072, 160, 160), (768, 320, 320)]
        peaks = [
            measured(kind, specks(folder, shape, "uint8"), out, (2, 3))[0] / 1024
            for shape in shapes
        ]
        more = (f"{peak:.0f} ({100 * (peak / peaks[0] - 1):+.0f} %)" for peak in peaks[1:])
        return " | ".join([f"{peaks[0]:.0f}", *more])
    # What the start needs is known after one run.
    side = arguments.side
    small = specks(folder, (64, side, side), "uint8")
    _, top, _ = measured(kind, small, out, (0, 1), limit=2**22)
    start = top / MIB - 4096
    plane = side**2 * ITEMS.get(kind, 1)
    depth = math.ceil(2.1 * (start + arguments.room) * MIB / plane / 16) * 16 + 16
    low = specks(folder, (depth, side, side), "uint8")
    peak, top, holds = measured(kind, low, out, (0, 4), limit=arguments.room * 1024)
    shutil.rmtree(low)
    size = depth * plane
    if holds or 2 * top > size:
        raise SystemExit(f"{kind}: the volume is not twice the limit")
    return f"{top / MIB:.0f} | {size / MIB:.0f} | {depth} | {peak / 1024:.0f}"


if __name__ == "__main__":
    main()

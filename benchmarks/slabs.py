"""Slab jobs against one job: how much of the time is lost, and whether the bytes are the same.

Restores a volume with DeepNet (random weights) in one process of two threads, and in four slab jobs
of one thread, two at a time, in alternating rounds. Every job is a process of its own and times
itself without its start, the joining of the slabs counts. Beside the ratio of wall times stands
that of processor times, which other programs of the machine hardly disturb. Then 1, 3 and 7 slabs
of one thread each must give the bytes of one job of one thread.

    python benchmarks/slabs.py --size 128 --depth 256 --rounds 3
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from acuity.engine.execution import DEFAULT, Runner
from acuity.engine.receptive import receptive_field
from acuity.methods.base import load
from acuity.predict.job import Output
from acuity.predict.predict import restore
from acuity.slabs import join, sees_all
from acuity.volume import Grid, Volume, open_volume, write_volume

NORMALISATION = {"low": {"mean": 0.5, "std": 0.3}, "target": {"mean": 0.5, "std": 0.3}}


def job(folder, name, part, threads):
    """One job; gives its wall and processor seconds."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    method = load("deepnet")({"features": 8})
    network = method.build()[method.restorer].eval()
    halo, stride = receptive_field(network, 2, method.slices_per_stack)
    method.halo, method.stride = (0, *halo), (1, *stride)
    run = Runner(network, NORMALISATION, DEFAULT, stacked=True)
    run(np.zeros((method.slices_per_stack, 64, 64), np.float32))  # the libraries are loaded
    low = open_volume(folder / "low.ome.zarr", complete=sees_all(part))
    started = time.perf_counter(), time.process_time()
    restore(low, Output(folder / f"{name}.ome.zarr", part=part), method, run, name="low")
    return time.perf_counter() - started[0], time.process_time() - started[1]


def start(folder, name, part, threads):
    """Run `job` in a process of its own."""
    command = [sys.executable, __file__, "--job", json.dumps([str(folder), name, part, threads])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment, text=True)
    return json.loads(done.stdout)


def slabs(folder, name, count, lanes):
    """Run slab jobs, `lanes` at a time; gives wall and processor seconds without their start."""
    first = start(folder, name, [0, count], 1)
    lane = [0.0] * lanes
    processor = first[1]
    with ThreadPoolExecutor(lanes) as pool:
        own = [range(n, count + 1, lanes) for n in range(1, lanes + 1)]
        work = lambda parts: [start(folder, name, [n, count], 1) for n in parts]  # noqa: E731
        for n, times in enumerate(pool.map(work, own)):
            lane[n] = sum(wall for wall, _ in times)
            processor += sum(own for _, own in times)
    started = time.perf_counter(), time.process_time()
    join(folder / f"{name}.ome.zarr")
    wall = first[0] + max(lane) + time.perf_counter() - started[0]
    return wall, processor + time.process_time() - started[1]


def content(folder, name):
    """Bytes of all shards, and the content digest."""
    store = folder / f"{name}.ome.zarr"
    files = sorted(file for file in (store / "0" / "c").rglob("*") if file.is_file())
    return [file.read_bytes() for file in files], open_volume(store).digest


def main():
    """Run the benchmark and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="side of a slice, voxels")
    parser.add_argument("--depth", type=int, default=256, help="slices")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        folder, name, part, threads = arguments.job
        print(json.dumps(job(Path(folder), name, part and tuple(part), threads)))
        return
    shape = (arguments.depth, arguments.size, arguments.size)
    folder = Path(tempfile.mkdtemp(prefix="acuity-benchmark-"))
    try:
        image = np.random.default_rng(1).normal(0.5, 0.3, shape).astype(np.float32)
        write_volume(folder / "low.ome.zarr", Volume(image, Grid(shape, (1.0, 1.0, 1.0))))
        rounds = [
            (start(folder, "two", None, 2), slabs(folder, "four", 4, 2))
            for _ in range(arguments.rounds)
        ]
        print(f"volume {shape}, torch {torch.__version__}, {arguments.rounds} rounds (medians)")
        for n, clock in enumerate(("wall", "processor")):
            one, many = ([times[n] for times in side] for side in zip(*rounds, strict=True))
            ratio = statistics.median(a / b for a, b in zip(one, many, strict=True))
            print(
                f"{clock:9} time: one job of two threads {statistics.median(one):.2f} s, four "
                f"slabs two at a time {statistics.median(many):.2f} s, ratio {ratio:.3f}"
            )
        start(folder, "whole", None, 1)
        expected = content(folder, "whole")
        for count in (1, 3, 7):
            slabs(folder, f"slabs{count}", count, 2)
            verdict = "the same" if content(folder, f"slabs{count}") == expected else "OTHER"
            print(f"{count} slabs: {verdict} bytes and digest as one job of one thread")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""Tiled prediction with its input and output against the forward passes alone.

Restores a volume from store to store, and runs the same tiles through the same network from
memory, in alternating rounds of one run; the ratio of the two times is the share that reading,
cutting, putting together and writing leave to the network. Beside it: what the halo and the
five-slice stacks cost, and what precision and layout gain over plain float32.

    python benchmarks/predict.py --size 256 --depth 48 --threads 2
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from acuity.methods.base import Task, load
from acuity.predict.execution import DEFAULT, Runner
from acuity.predict.predict import Plan, restore
from acuity.train.sampling import Pair
from acuity.train.tune import tune
from acuity.volume import Grid, Volume, choose_layout, open_volume, write_volume

NORMALISATION = {"low": {"mean": 0.5, "std": 0.3}, "target": {"mean": 0.5, "std": 0.3}}


def tiles_of(plan, region):
    """Shapes of all tiles that a region needs, in order."""
    if plan.method.stack:
        depths = [plan.method.stack] * (plan.shape[0] - plan.method.depth + 1)
    else:
        depths = [box[0].stop - box[0].start for box in plan.inputs(region)]
    for depth in depths:
        for tile in plan.tiles(region):
            yield (depth, *(side.stop - side.start for side in tile.read))


def main():
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["deepnet", "srcnn3d"])
    parser.add_argument("--size", type=int, default=256, help="side of a slice, voxels")
    parser.add_argument("--depth", type=int, default=48, help="slices")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    shape = (arguments.depth, arguments.size, arguments.size)
    image = np.random.default_rng(1).normal(0.5, 0.3, shape).astype(np.float32)
    folder = Path(tempfile.mkdtemp(prefix="acuity-benchmark-"))
    print(f"volume {shape}, {arguments.threads} threads, torch {torch.__version__}")
    header = (
        "method",
        "chosen",
        "with I/O, s",
        "forward, s",
        "share",
        "halo",
        "stack",
        "x float32",
    )
    print("{:10} {:24} {:>11} {:>11} {:>7} {:>6} {:>6} {:>10}".format(*header))
    try:
        grid = Grid(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "um")
        write_volume(folder / "low.ome.zarr", Volume(image, grid))
        for name in arguments.methods:
            print(one(name, image, folder, arguments.rounds))
    finally:
        shutil.rmtree(folder)


def one(name, image, folder, rounds):
    """Measure one method; gives its row."""
    torch.manual_seed(0)
    method = load(name)({}, Task(3.0))
    network = method.build()[method.restorer].eval()
    stacked = bool(method.stack)
    chosen = tune(method, network, NORMALISATION, Pair(image, image), 1.0, "cpu")
    method.halo, method.stride = tuple(chosen["halo"]), tuple(chosen["stride"])
    run = Runner(network, NORMALISATION, {**DEFAULT, **chosen}, stacked=stacked)
    plain = Runner(network, NORMALISATION, DEFAULT, stacked=stacked)
    plan = Plan(method, image.shape)
    regions = plan.regions(choose_layout(image.shape, np.float32))
    shapes = [shape for region in regions for shape in tiles_of(plan, region)]
    tiles = {shape: np.ascontiguousarray(image[tuple(map(slice, shape))]) for shape in shapes}

    def forward(runner, wanted):
        started = time.perf_counter()
        for shape in wanted:
            runner(tiles[shape])
        return time.perf_counter() - started

    def whole():
        started = time.perf_counter()
        volume = open_volume(folder / "low.ome.zarr")
        restore(volume, folder / "out.ome.zarr", method, run, name="low")
        return time.perf_counter() - started

    few = shapes[: max(4, len(shapes) // 8)]
    whole(), forward(run, few), forward(plain, few)
    times = [
        (whole(), forward(run, shapes), forward(run, few), forward(plain, few))
        for _ in range(rounds)
    ]
    share = statistics.median(f / w for w, f, _, _ in times)
    gain = statistics.median(p / f for _, _, f, p in times)
    columns = [statistics.median(column) for column in zip(*times, strict=True)]
    passed = sum(int(np.prod(shape)) for shape in shapes) / image.size
    stack = method.stack * (image.shape[0] - method.depth + 1) / image.shape[0] if stacked else 1.0
    label = f"{chosen['precision']} {chosen['layout']}"
    return (
        f"{name:10} {label:24} {columns[0]:11.2f} {columns[1]:11.2f} {share:7.3f} "
        f"{passed / stack:6.2f} {stack:6.2f} {gain:10.2f}"
    )


if __name__ == "__main__":
    main()

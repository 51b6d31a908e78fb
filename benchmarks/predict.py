"""Tiled prediction with its input and output against the forward passes alone.

Restores a volume from store to store, and runs the same tiles through the same network from
memory, in alternating rounds of one run; the ratio of the two times is the share that reading,
cutting, putting together and writing leave to the network. Beside it: what the halo and the
five-slice stacks cost, and what precision and layout gain over plain float32.

    python benchmarks/predict.py --size 256 --depth 48 --threads 2

The same with cubic up-sampling before the network, as of a coarse field at 3:1 (the volume of this
size is the restored one; of the forward passes it is no part):

    python benchmarks/predict.py --size 255 --depth 48 --scale 3 3 3 --threads 2

Single images (SEM) of 780 x 780 voxels after restoration, with the images restored in a second:

    python benchmarks/predict.py --image 780 --methods sem_gan semnet --threads 1
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from acuity.engine.execution import DEFAULT, choose_device
from acuity.engine.planes import make_runner
from acuity.engine.readers import InputReader, input_offset, upsampling_factors
from acuity.engine.receptive import method_reach
from acuity.engine.sampling import Sampler, TrainingPair
from acuity.engine.schedule import TileSchedule
from acuity.methods.base import Task, load
from acuity.predict.job import Output
from acuity.predict.predict import restore
from acuity.train.autotune import autotune
from acuity.volume import Grid, Volume, choose_layout, open_volume, write_volume

NORMALISATION = {"low": {"mean": 0.5, "std": 0.3}, "target": {"mean": 0.5, "std": 0.3}}


def tiles_of(plan, region):
    """Shapes of all tiles that a region needs, in order."""
    if plan.method.slices_per_stack:
        depths = [plan.method.slices_per_stack] * (plan.shape[0] - plan.method.depth + 1)
    else:
        depths = [box[0].stop - box[0].start for box in plan.inputs(region)]
    for depth in depths:
        for tile in plan.tiles(region):
            yield (depth, *(side.stop - side.start for side in tile.read))


def main():
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["deepnet", "srcnn3d"])
    parser.add_argument(
        "--image", type=int, help="side of one restored image, twice that of its input, voxels"
    )
    parser.add_argument(
        "--scale",
        type=int,
        nargs=3,
        default=(1, 1, 1),
        help="factors z y x by which the input is coarser, and up-sampled before the network",
    )
    parser.add_argument(
        "--settings", type=json.loads, default={}, help="settings of the methods, as JSON"
    )
    parser.add_argument(
        "--processor",
        action="store_true",
        help="processor time instead of wall time, for a busy machine; reading and writing, which "
        "run beside the network, then count in full",
    )
    parser.add_argument("--plain", action="store_true", help="plain float32, without a choice")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    parser.add_argument("--size", type=int, default=256, help="side of a slice, voxels")
    parser.add_argument("--depth", type=int, default=48, help="slices")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    task = Task(3.0, arguments.scale)
    shape = (arguments.depth, arguments.size, arguments.size)
    shape = tuple(n // f for n, f in zip(shape, arguments.scale, strict=True))
    if arguments.image:
        task = Task(2, (1, 2, 2))
        shape = (1, arguments.image // 2, arguments.image // 2)
    image = np.random.default_rng(1).normal(0.5, 0.3, shape).astype(np.float32)
    folder = Path(tempfile.mkdtemp(prefix="acuity-benchmark-"))
    arguments.device = choose_device(arguments.device)
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else arguments.device
    print(f"volume {shape}, {where}, {arguments.threads} threads, torch {torch.__version__}")
    header = (
        "method",
        "chosen",
        "with I/O, s",
        "forward, s",
        "share",
        "halo",
        "stack",
        "x float32",
        "1/s",
    )
    print("{:10} {:24} {:>11} {:>11} {:>7} {:>6} {:>6} {:>10} {:>7}".format(*header))
    try:
        grid = Grid(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "um")
        write_volume(folder / "low.ome.zarr", Volume(image, grid))
        for name in arguments.methods:
            print(one(name, image, folder, task, arguments))
    finally:
        shutil.rmtree(folder)


def one(name, image, folder, task, arguments):
    """Measure one method; gives its row."""
    torch.manual_seed(0)
    method = load(name)(arguments.settings, task)
    network = method.build()[method.restorer].eval()
    offset = input_offset(task, method.scale)
    volume = Volume(image, Grid(image.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "um"))
    source = InputReader(volume, upsampling_factors(method), method.interpolation, "image", offset)
    low = source.read([slice(0, n) for n in source.shape])
    if arguments.plain:
        halo, stride = method_reach(method, network)
        chosen = {**DEFAULT, "device": arguments.device, "halo": halo, "stride": stride}
    else:
        target = np.kron(low, np.ones(method.scale, np.float32))
        patch = (method.slices_per_stack or 1, 8, 8)
        sampler = Sampler([TrainingPair(low, target)], patch=patch, scale=method.scale)
        chosen = autotune(method, network, NORMALISATION, sampler, 1.0, arguments.device)
    method.halo, method.stride = tuple(chosen["halo"]), tuple(chosen["stride"])
    run = make_runner(method, network, NORMALISATION, {**DEFAULT, **chosen})
    plain = make_runner(method, network, NORMALISATION, {**DEFAULT, "device": arguments.device})
    plan = TileSchedule(method, low.shape)
    fine = tuple(n * f for n, f in zip(low.shape, method.scale, strict=True))
    regions = plan.regions(choose_layout(fine, np.float32))
    shapes = [shape for region in regions for shape in tiles_of(plan, region)]
    tiles = {shape: np.ascontiguousarray(low[tuple(map(slice, shape))]) for shape in shapes}

    clock = time.process_time if arguments.processor else time.perf_counter

    def forward(runner, wanted):
        started = clock()
        for shape in wanted:
            runner(tiles[shape])
        return clock() - started

    def whole():
        started = clock()
        volume = open_volume(folder / "low.ome.zarr")
        restore(volume, Output(folder / "out.ome.zarr"), method, run, name="low")
        return clock() - started

    few = shapes[: max(4, len(shapes) // 8)]
    whole(), forward(run, few), forward(plain, few)
    times = [
        (whole(), forward(run, shapes), forward(run, few), forward(plain, few))
        for _ in range(arguments.rounds)
    ]
    share = statistics.median(f / w for w, f, _, _ in times)
    gain = statistics.median(p / f for _, _, f, p in times)
    columns = [statistics.median(column) for column in zip(*times, strict=True)]
    passed = sum(int(np.prod(shape)) for shape in shapes) / low.size
    stack = (
        method.slices_per_stack * (low.shape[0] - method.depth + 1) / low.shape[0]
        if method.slices_per_stack
        else 1.0
    )
    label = f"{chosen['precision']} {chosen['layout']}"
    return (
        f"{name:10} {label:24} {columns[0]:11.2f} {columns[1]:11.2f} {share:7.3f} "
        f"{passed / stack:6.2f} {stack:6.2f} {gain:10.2f} {1 / columns[0]:7.2f}"
    )


if __name__ == "__main__":
    main()

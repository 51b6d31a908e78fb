"""What a volume of 20,000 x 20,000 x 10,000 voxels needs: python benchmarks/scale.py

Prints, for one volume of that size and 8 bits, each job of its chain by the estimates of
src/acuity/plan: nothing is read or made. The study is that of a FIB-SEM volume of which every
fourth slice is there, refined along z by a 3D-SRU-Net that has been trained, and one that is
degraded and judged, whose stages hold whole volumes.
"""

import argparse
import math

from acuity.engine.schedule import TileSchedule
from acuity.plan.constants import MIB
from acuity.plan.networks import network
from acuity.plan.planner import Planner
from acuity.study.sample import Sample
from acuity.study.study import Study
from acuity.volume import choose_layout


class Given(Planner):
    """A planner for a volume that is not there."""

    def __init__(self, study, samples, shape):
        super().__init__(study, samples)
        self.shape = shape

    def source(self, sample, key="path"):
        """Give the shape that was stated, 8 bits a voxel."""
        return self.shape, 1


def study(slabs, method, **more):
    """Give a study of one level and method."""
    return Study(study="scale", samples="none", levels=[4], methods=method, slabs=slabs, **more)


def reads(method, shape):
    """How often a volume is read, and computed, by a network that restores it."""
    found = network(method)
    method.halo, method.stride = tuple(math.ceil(h) for h in found.halo), (1, 1, 1)
    plan = TileSchedule(method, shape)
    fine = tuple(n * f for n, f in zip(shape, method.scale, strict=True))
    regions = plan.regions(choose_layout(fine, "float32"))
    boxes = [box for region in regions for box in plan.inputs(region)]
    deep = (plan.depth + 2 * method.halo[0]) / plan.depth
    tiles = [tile.read for region in regions for tile in plan.tiles(region)]
    size = lambda box: math.prod(part.stop - part.start for part in box)  # noqa: E731
    return (
        sum(map(size, boxes)) / math.prod(shape),
        deep * sum(map(size, tiles)) / math.prod(shape[1:]),
    )


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(10_000, 20_000, 20_000))
    parser.add_argument("--slabs", type=int, default=79)
    parser.add_argument("--threads", type=int, default=8, help="threads of a job, for its time")
    options = parser.parse_args()
    coarse = (max(1, options.shape[0] // 4), *options.shape[1:])
    finer = {"srunet3d": {"width": 16}}
    restored = Given(
        study(options.slabs, finer, degrade={"mode": "average"}),
        [Sample(sample="s", role="restore", path="x", voxel_size="16 4 4 nm")],
        coarse,
    )
    judged = Given(
        study(options.slabs, {"richardson_lucy": {}}),
        [Sample(sample="s", role="test", path="x", voxel_size="4 nm")],
        tuple(options.shape),
    )
    low, image = {"sample": "s", "level": "4"}, {"sample": "s", "image": "level4/richardson_lucy"}
    chain = [
        (restored, "ingest", {"scan": "s"}, 1),
        (restored, "predict_init", low | {"method": "srunet3d"}, 1),
        (restored, "predict_slab", low | {"method": "srunet3d"}, options.slabs),
        (restored, "predict", low | {"method": "srunet3d"}, 1),
        (restored, "sample_figures", {"sample": "s"}, 1),
        (judged, "degrade_slab", low, options.slabs),
        (judged, "predict_slab", low | {"method": "richardson_lucy"}, options.slabs),
        (judged, "segment_slab", image, options.slabs),
        (judged, "segment", image, 1),
        (judged, "quality_slab", image, options.slabs),
        (judged, "count_objects_slab", image, options.slabs),
        (judged, "pore_space", image, 1),
    ]
    for name, shape, dtype in (
        ("read", coarse, "uint8"),
        ("restored", tuple(options.shape), "float32"),
    ):
        layout = choose_layout(shape, dtype)
        shards = 1
        for count, side in zip(shape, layout.shard, strict=True):
            shards *= -(-count // side)
        print(f"{name}: {shape} {dtype}, shards {layout.shard}, {shards} of them")
    read, computed = reads(restored.method("srunet3d", "4"), coarse)
    print(f"the network reads the volume {read:.1f} times and computes it {computed:.1f} times")
    print("rule            jobs    memory GiB  core h       GPU h     hours a job  written TiB")
    for planner, rule, wildcards, count in chain:
        cost = planner.cost(rule, wildcards)
        hours = (cost.start + (cost.cpu - cost.start) / options.threads) / 3600
        print(
            f"{rule:15} {count:5} {cost.memory * MIB / 2**30:12.1f} {count * cost.cpu / 3600:11.1f}"
            f" {count * cost.gpu / 3600:10.1f} {hours:14.2f} {count * cost.written / 2**40:11.2f}"
        )


if __name__ == "__main__":
    main()

"""Stages in slabs: 1, 3 and 7 give the bytes of the whole, and memory that does not grow."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch

from acuity.align.transform import transform
from acuity.degrade.axial import axial
from acuity.degrade.degrade import degrade
from acuity.engine.schedule import TileSchedule
from acuity.errors import AcuityError
from acuity.methods.base import Task, load
from acuity.reconstruct.reconstruct import reconstruct, reconstruct_truth
from acuity.register.transforms import write_transforms
from acuity.settings import call
from acuity.simulate.acquire import acquire
from acuity.slabs import join, read_marker
from acuity.volume import Grid, Volume, open_volume, write_volume
from benchmarks.memory import STAGES, measured, specks
from tests.conftest import needs_peaks
from tests.runs import predict, restore
from tests.unit.test_hagita import ready as planes_ready
from tests.unit.test_predict import model_files, noise, ready
from tests.unit.test_slabs import shards

SHAPE = (115, 26, 22)  # eight rows of shards, the last one thin


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def stored(folder, array=None, name="in"):
    array = noise(SHAPE) if array is None else array
    grid = Grid(array.shape, (2.0, 1.0, 1.0), (5.0, 0.0, -3.0), "um")
    path = folder / f"{name}.ome.zarr"
    write_volume(path, Volume(array, grid, "attenuation"))
    return open_volume(path)


def in_slabs(folder, stage, count, outputs=1):
    """Run a stage job by job: `stage(paths, part)`."""
    paths = [folder / f"slabs{count}_{n}.ome.zarr" for n in range(outputs)]
    for number in (0, *range(count, 0, -1)):
        stage(paths, (number, count))
    for path in paths:
        join(path)
    return paths


def same(folder, stage, outputs=1, counts=(1, 3, 7)):
    whole = [folder / f"whole_{n}.ome.zarr" for n in range(outputs)]
    stage(whole, None)
    return all(
        shards(a) == shards(b)
        for count in counts
        for a, b in zip(in_slabs(folder, stage, count, outputs), whole, strict=True)
    )


# ------------------------------------------------------------------------------------ degrade


@pytest.mark.parametrize("factors", [(1, 1, 1), (2, 1, 2)])
def test_degrade(tmp_path, factors):
    volume = stored(tmp_path, np.abs(noise(SHAPE)))
    options = {"sigma": 1.5, "photons": 200, "noise_sd": 0.02, "downsample": factors, "seed": 3}
    assert same(tmp_path, lambda paths, part: call(degrade, volume, *paths, part=part, **options))


def test_a_halo_one_slice_short_is_not_the_same(tmp_path, monkeypatch):
    volume = stored(tmp_path)
    stage = lambda paths, part: call(degrade, volume, *paths, sigma=1.5, seed=3, part=part)  # noqa: E731
    whole = shards(*in_slabs(tmp_path, stage, 1))
    real = Volume.read

    def short(self, z, *rest):
        block = real(self, z, *rest)
        block[: z.start > 0] = 0  # a slice that was not read
        return block

    monkeypatch.setattr(Volume, "read", short)
    assert shards(*in_slabs(tmp_path, stage, 3)) != whole


def test_statistics_are_those_of_the_whole_volume(tmp_path, monkeypatch):
    volume = stored(tmp_path, np.abs(noise(SHAPE)))
    calls = []
    real = degrade.__globals__["levels"]
    monkeypatch.setitem(degrade.__globals__, "levels", lambda v: calls.append(1) or real(v))
    in_slabs(
        tmp_path,
        lambda p, part: call(degrade, volume, *p, sigma=1, photons=9, seed=1, part=part),
        3,
    )
    assert len(calls) == 1


@pytest.mark.parametrize("mode", ["decimate", "average"])
def test_axial(tmp_path, mode):
    volume = stored(tmp_path, (10 * noise((340, 20, 20))).astype(np.int16))
    assert same(tmp_path, lambda paths, part: axial(volume, *paths, factor=3, mode=mode, part=part))


# ------------------------------------------------------------------------------------ reconstruct


def test_reconstruct(tmp_path, monkeypatch):
    monkeypatch.setattr("acuity.reconstruct.reconstruct.SUMS", 2**17)  # a few slices
    monkeypatch.setattr("acuity.reconstruct.reconstruct.VIEWS", 2**17)  # many blocks of views
    spheres = pd.DataFrame({"z": [1.0], "y": [3.0], "x": [0.0], "radius": [9.0]})
    call(acquire, spheres, tmp_path / "scan.h5", size=48, level=1, seed=1)
    assert same(tmp_path, lambda p, part: reconstruct(tmp_path / "scan.h5", *p, part=part))
    empty = [read_marker(tmp_path / "slabs7_0.ome.zarr", n)[1]["empty"] for n in range(1, 8)]
    assert sum(empty) == 4  # three rows of shards
    assert same(
        tmp_path,
        lambda p, part: call(reconstruct_truth, spheres, *p, size=48, views=24, part=part),
        counts=(3,),
    )


# ------------------------------------------------------------------------------------ align


@pytest.mark.parametrize("crop", [False, True])
def test_transform(tmp_path, crop):
    volume = stored(tmp_path, (40 * noise(SHAPE) + 99).astype(np.uint16))
    shifts = np.random.default_rng(0).uniform(-2, 2, (2, SHAPE[0]))
    head = {"version": 1, "mode": "jitter", "count": SHAPE[0], "unit": "um"}
    head |= {"voxel_size": [2.0, 1.0, 1.0], "source": {}, "flags": [""] * SHAPE[0]}
    write_transforms(tmp_path / "t.json", head | {"dy": list(shifts[0]), "dx": list(shifts[1])})
    share = {}

    def stage(paths, part):
        share[part] = transform(volume, tmp_path / "t.json", *paths, crop=crop, part=part)

    assert same(tmp_path, stage, 2)
    parts = [share[number, 7] for number in range(1, 8)]
    assert min(parts) <= share[None] <= max(parts)
    with pytest.raises(AcuityError, match=r"settled.fill 0 and slab 2 found 1"):
        transform(volume, tmp_path / "t.json", *(tmp_path / f"slabs7_{n}.ome.zarr" for n in (0, 1)),
                  crop=crop, part=(2, 7), fill=1)  # fmt: skip


# ------------------------------------------------------------------------------------ predict


def prediction(volume, method, run):
    def stage(paths, part):
        more = {"disagreement": paths[1]} if len(paths) > 1 else {}
        restore(volume, paths[0], method, run, name="in", part=part, **more)

    return stage


NETWORKS = {
    "stacks": ("deepnet", {"features": 4, "pools": 1, "convolutions": 1, "predict": {"tile": (5, 24, 24)}}),
    "stacks apart": ("deepnet", {"features": 4, "pools": 1, "convolutions": 1, "spacing": 3}),
    "blocks": ("srcnn3d", {"features": (3, 2), "kernels": (5, 1, 3), "predict": {"tile": (17, 16, 16)}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks(tmp_path, kind):
    method, run = ready(*NETWORKS[kind])
    volume = stored(tmp_path)
    if kind == "blocks":
        assert 16 % TileSchedule(method, SHAPE).unit  # slabs cut its blocks
    assert same(tmp_path, prediction(volume, method, run))


def test_a_stack_that_is_left_out_is_seen(tmp_path, monkeypatch):
    method, run = ready(*NETWORKS["stacks"])
    short = lambda self, span: range(max(0, span[0] - 3), min(span[1] - 1, SHAPE[0] - 5) + 1)  # noqa: E731
    monkeypatch.setattr(TileSchedule, "_stack_range", short)
    assert not same(tmp_path, prediction(stored(tmp_path), method, run), counts=(3,))


@pytest.mark.parametrize("name", ["linear", "cubic"])
def test_interpolation_onto_slices_that_no_row_of_shards_fits(tmp_path, name):
    low = stored(tmp_path, noise((37, 20, 18))).data.store
    options = {"level": 3, "scale": (3, 1, 2)}
    assert same(tmp_path, lambda paths, part: predict(name, {}, low, *paths, part=part, **options))


def test_planes_and_their_disagreement(tmp_path):
    method, run = planes_ready(Task(1, (3, 1, 1)), (16, 24, 26))
    volume = stored(tmp_path, noise((38, 20, 18)))
    assert same(tmp_path, prediction(volume, method, run), outputs=2)


def richardson_lucy():
    block = {"voxels": 34 * SHAPE[1] * SHAPE[2], "halo": 6}
    method = load("richardson_lucy")({"iterations": 3, "predict": block}, Task(2.0))
    return method, method.restore


def test_blocks_of_a_method_that_is_not_local_are_those_of_the_whole(tmp_path):
    method, run = richardson_lucy()
    unit = TileSchedule(method, SHAPE).unit
    assert unit < 64
    assert unit % 16
    assert 16 % unit  # slabs cut its blocks
    assert same(tmp_path, prediction(stored(tmp_path, np.abs(noise(SHAPE))), method, run))


def test_blocks_off_the_raster_are_not_the_same(tmp_path, monkeypatch):
    method, run = richardson_lucy()
    monkeypatch.setattr(TileSchedule, "first", lambda self, span: span[0])
    volume = stored(tmp_path, np.abs(noise(SHAPE)))
    assert not same(tmp_path, prediction(volume, method, run), counts=(3,))


def test_a_halo_of_a_network_one_voxel_short_is_not_the_same(tmp_path):
    method, run = ready(*NETWORKS["blocks"])
    volume = stored(tmp_path)
    whole, halo = tmp_path / "whole.ome.zarr", method.halo
    restore(volume, whole, method, run, name="in")
    for reach, equal in ((halo, True), ((halo[0] - 1, *halo[1:]), False)):
        method.halo = reach
        made = in_slabs(tmp_path, prediction(volume, method, run), 3)
        assert (shards(*made) == shards(whole)) == equal


def test_own_normalisation_device_and_threads_are_decided_once(tmp_path, monkeypatch):
    own = {"low": {"mean": 0, "std": 1}, "target": {"mean": 0, "std": 1}, "own": True}
    files = model_files(tmp_path, load("deepnet")(NETWORKS["stacks"][1]), normalisation=own)
    low = stored(tmp_path, 40 + 7 * noise(SHAPE)).data.store
    options = {"level": 3, "threads": 1, **files}
    stage = lambda paths, part: predict("deepnet", {}, low, *paths, part=part, **options)  # noqa: E731
    assert same(tmp_path, stage, counts=(3,))
    path = tmp_path / "slabs3_0.ome.zarr"
    options["threads"] = 2
    stage([path], (2, 3))
    assert torch.get_num_threads() == 1
    monkeypatch.setattr("acuity.engine.execution.choose_device", lambda wanted: "meta")
    with pytest.raises(AcuityError, match=r"settled.execution .* and slab 2 found .*meta"):
        stage([path], (2, 3))


# ------------------------------------------------------------------------------------ memory


# Two stages take minutes: benchmarks/memory.py measures them (docs/volumes.md).
QUICK = sorted(set(STAGES) - {"predict_planes: srgan", "predict: richardson_lucy"})


@pytest.mark.slow
@needs_peaks
@pytest.mark.parametrize("kind", QUICK)
def test_memory_of_a_slab_does_not_grow_with_the_volume(tmp_path, kind):
    """The same number of slabs: each is eight times as thick."""
    # In the smaller volume too a slab holds a whole block with its halos, which no border cuts off.
    side, slices, out = 128, 384, tmp_path / "out.ome.zarr"
    few, *many = (
        measured(kind, specks(tmp_path, (n, side, side), "float32"), out, (2, 3))[0]
        for n in (slices, 8 * slices, 8 * slices)
    )
    # Of threads that happen to wait for one another a peak has more, never less.
    assert min(many) < 1.10 * few, (few, many)
    # The control: one volume in memory would show.
    assert 8 * slices * side**2 * 4 > 0.10 * few * 1024


@pytest.mark.slow
# Elsewhere the limit does not hold, and what holds a whole volume would pass.
@pytest.mark.skipif(
    sys.platform != "linux",
    reason="limits memory by RLIMIT_DATA, which Linux alone applies to mmap",
)
def test_slabs_of_a_volume_twice_as_large_as_the_memory_that_is_allowed(tmp_path):
    """The limit counts all private memory, what Python and its libraries need at the start too."""
    shape = (2600, 512, 512)
    low, out = specks(tmp_path, shape, "uint8"), tmp_path / "out.ome.zarr"
    _, top, holds = measured("axial", low, out, (0, 4), limit=96 * 1024)
    assert 2 * top <= np.prod(shape), top
    assert not holds  # the control
    assert open_volume(out).grid.shape == (1300, 512, 512)

"""What is reconstructed, degraded, segmented and measured never lies in memory as a whole."""

from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from acuity.degrade.axial import axial
from acuity.degrade.degrade import degrade
from acuity.geometry import ConeBeam, full_circle
from acuity.measure.census import census
from acuity.measure.census import count as sums
from acuity.measure.quality import quality
from acuity.methods.base import Task, load
from acuity.reconstruct import reconstruct as module
from acuity.reconstruct.reconstruct import reconstruct, reconstruct_truth
from acuity.segment.nlm import smooth
from acuity.segment.segment import segment
from acuity.settings import call
from acuity.volume import Grid, LazyArray, Volume
from tests.conftest import traced
from tests.runs import restore


class Endless(LazyArray):
    """Slices that exist while they are read."""

    def __init__(self, count):
        self.shape, self.dtype = (count, 96, 96), np.dtype(np.uint8)

    def read_box(self, box):
        z, y, x = box
        images = [
            np.random.default_rng(n).integers(1, 250, (96, 96)) for n in range(z.start, z.stop)
        ]
        return np.array(images, np.uint8)[:, y, x]


@pytest.mark.parametrize("mode", ["blur", "average", "decimate"])
def test_degrading_does_not_need_more_memory_for_more_slices(tmp_path, mode):
    def run(count):
        volume = Volume(Endless(count), Grid((count, 96, 96), (1, 1, 1)))
        if mode == "blur":
            call(
                degrade,
                volume,
                tmp_path / "low.ome.zarr",
                sigma=1.0,
                photons=500,
                noise_sd=0.1,
                seed=1,
            )
        else:
            axial(volume, tmp_path / "low.ome.zarr", factor=4, mode=mode)

    few, _, many = (traced(lambda count=count: run(count)) for count in (64, 64, 320))
    assert many < 1.2 * few
    assert many < 320 * 96 * 96 * 4 / 2  # the control: the volume that is written, in float32


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "SUMS", 2**18)
    monkeypatch.setattr(module, "VIEWS", 2**18)


def scan(size):
    geometry = ConeBeam.standard(size)
    return SimpleNamespace(
        geometry=geometry,
        angles=full_circle(size),
        unit="um",
        provenance={},
        read=lambda views, rows: np.ones(
            (len(views), rows[1] - rows[0], geometry.columns), np.float32
        ),
    )


@pytest.mark.parametrize("what", ["reconstruct", "reconstruct_truth"])
def test_reconstructing_needs_memory_for_slices_and_not_for_the_cube(
    tmp_path, monkeypatch, small_blocks, what
):
    spheres = pd.DataFrame({"z": [0.0], "y": [0.0], "x": [0.0], "radius": [5.0]})

    def run(size):
        if what == "reconstruct":
            monkeypatch.setattr(module, "open_scan", lambda path: scan(size))
            reconstruct("scan.h5", tmp_path / "volume.ome.zarr")
        else:
            call(reconstruct_truth, spheres, tmp_path / "volume.ome.zarr", size=size, views=24)

    _, small, large = (traced(lambda size=size: run(size)) for size in (64, 64, 128))
    # Twice the side: a slice is four times as large, the cube eight times.
    assert large < 5 * small, (small, large)
    assert large < 128**3 * 4, (small, large)


class Foam(LazyArray):
    """Pores on a lattice that exist while they are read, or their labels."""

    def __init__(self, count, step=24, dtype=np.float32):
        self.shape, self.dtype, self.step = (count, 48, 48), np.dtype(dtype), step

    def read_box(self, box):
        place = np.meshgrid(*(np.arange(p.start, p.stop) for p in box), indexing="ij", sparse=True)
        solid = sum((p % self.step - self.step // 2) ** 2 for p in place) > 36
        if self.dtype == np.float32:
            return solid.astype(np.float32)
        z, y, x = (p // self.step for p in place)
        return np.where(solid, 0, 1 + (z * 2 + y) * 2 + x).astype(self.dtype)


def stage(name, count, folder):
    grid = Grid((count, 48, 48), (1, 1, 1))
    image = Volume(Foam(count), grid)
    if name == "segment":
        report = segment(image, folder / "labels.ome.zarr", block=16, largest_radius="7 um")
        assert report["objects"] == 4 * count // 24
    elif name == "smooth":
        smooth(image, folder / "smooth.ome.zarr")
    elif name == "quality":
        quality(image, image, folder / "map.ome.zarr", data_range=1.0)
    else:
        labels = Volume(Foam(count, dtype=np.uint32), grid)
        census([sums(labels, labels, labels)], size_bin=5.0, size_classes=[6, 70])


@pytest.mark.parametrize("name", ["segment", "smooth", "quality", "count_objects"])
def test_eight_times_the_slices_need_a_tenth_more_memory_at_most(tmp_path, monkeypatch, name):
    monkeypatch.setattr("acuity.threshold._SAMPLE", 10_000)
    monkeypatch.setattr("acuity.measure.quality._DEPTH", 16)
    _, few, many = (
        traced(lambda count=count: stage(name, count, tmp_path)) for count in (120, 120, 960)
    )
    assert many < 1.1 * few, (few, many)
    assert many < 960 * 48 * 48 * 4 / 2  # the control: the volume itself, in float32


class Coarse(LazyArray):
    """A field that exists while it is read."""

    def __init__(self, shape):
        self.shape, self.dtype = shape, np.dtype(np.uint16)

    def read_box(self, box):
        z, y, x = (np.arange(p.start, p.stop) % 97 for p in box)
        return (z[:, None, None] * 90 + y[:, None] * 9 + x).astype(np.uint16)


# Twice each side; in both a column of shards has neighbours on all sides, and some blocks of slices.
FIELDS = (52, 46, 46), (104, 92, 92)


class AtOnce:
    """Works when it is asked to: what is held at a time depends on no other process of the machine."""

    def __init__(self, *about):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, function, *given):
        done = Future()
        done.set_result(function(*given))
        return done


@pytest.mark.parametrize("part", ["whole", "region", "slab"])
def test_restoring_eight_times_the_field_needs_a_tenth_more_memory_at_most(
    tmp_path, monkeypatch, part
):
    """At 3:1, up-sampled while it is read. Of networks, which hold a tile besides, see test_predict."""
    monkeypatch.setattr("acuity.volume.SHARD_BYTES", 2**17)
    monkeypatch.setattr("acuity.volume.CHUNK", (16, 64, 64))
    monkeypatch.setattr("acuity.predict.predict.ThreadPoolExecutor", AtOnce)
    method = load("cubic")({}, Task(1.0, (3, 3, 3)))

    def restored(field, path):
        volume = Volume(Coarse(field), Grid(field, (1, 1, 1)))
        box = tuple(slice(1, n - 1) for n in field) if part == "region" else None
        about = {"name": "low", "dtype": np.uint16, "box": box}
        for number in (0, 1) if part == "slab" else (None,):
            more = {} if number is None else {"part": (number, 1)}
            restore(volume, path, method, method.restore, **about, **more)

    few, _, many = (
        traced(lambda n=n: restored(FIELDS[n], tmp_path / f"{n}.ome.zarr")) for n in (0, 0, 1)
    )
    assert many < 1.1 * few, (few, many)
    assert many < 27 * np.prod(FIELDS[0]) * 2 / 2  # the control: the smaller volume that is written

"""What is reconstructed and degraded never lies in memory as a whole."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from acuity.degrade.axial import axial
from acuity.degrade.degrade import degrade
from acuity.reconstruct import reconstruct as module
from acuity.reconstruct.geometry import ConeBeam, full_circle
from acuity.reconstruct.reconstruct import reconstruct, reconstruct_truth
from acuity.volume import Grid, LazyArray, Volume


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


def traced(run):
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("mode", ["blur", "average", "decimate"])
def test_degrading_does_not_need_more_memory_for_more_slices(tmp_path, mode):
    def run(count):
        volume = Volume(Endless(count), Grid((count, 96, 96), (1, 1, 1)))
        if mode == "blur":
            degrade(volume, tmp_path / "low.ome.zarr", sigma=1.0, photons=500, noise_sd=0.1, seed=1)
        else:
            axial(volume, tmp_path / "low.ome.zarr", factor=4, mode=mode)

    few, _, many = (traced(lambda count=count: run(count)) for count in (64, 64, 320))
    assert many < 1.2 * few
    assert many < 320 * 96 * 96 * 4 / 2  # the control: the volume that is written, in float32


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "_MEMORY", 2**18)


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
            reconstruct_truth(spheres, tmp_path / "volume.ome.zarr", size=size, views=24)

    _, small, large = (traced(lambda size=size: run(size)) for size in (64, 64, 128))
    # Twice the side: a slice is four times as large, the cube eight times.
    assert large < 5 * small, (small, large)
    assert large < 128**3 * 4, (small, large)

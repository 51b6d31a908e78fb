"""From a scan to a volume: which slices and views at a time, what is written, and RTK's part of it."""

import builtins
import hashlib
import math
import warnings
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.geometry import ConeBeam, full_circle
from acuity.reconstruct import memory_limits, rtk
from acuity.reconstruct import reconstruct as module
from acuity.reconstruct.fdk import Cube, fdk
from acuity.reconstruct.reconstruct import blocks, reconstruct, reconstruct_truth
from acuity.settings import call
from acuity.simulate.project import project
from acuity.volume import Grid, open_volume


def spheres(*rows):
    return pd.DataFrame(rows, columns=["z", "y", "x", "radius"], dtype=float)


FEW = spheres((0.8, -1.1, 2.3, 1.7), (-2.3, 1.9, 0.4, 1.3))


def refused(run):
    with pytest.raises(AcuityError) as caught:
        run()
    return str(caught.value)


def test_memory_limits():
    assert memory_limits.SUMS == 128 * 1024**2
    assert memory_limits.VIEWS == 512 * 1024**2


def test_views_of_a_block_fit_in_memory():
    def sizes(views, each):
        found = blocks(full_circle(views), each)
        assert sorted(np.concatenate(found)) == list(range(views))
        return [len(block) for block in found]

    # Six times a view; sets of four views together, and sixteen views at least.
    mib = 2**20
    assert sizes(200, 512 * mib // 6 // 49) == [48, 48, 48, 48, 8]
    assert sizes(200, 512 * mib // 6 // 48) == [48, 48, 48, 48, 8]
    assert sizes(200, 512 * mib // 6 // 48 + 1) == [32] * 6 + [8]
    assert sizes(199, 512 * mib // 6 // 63) == [48] * 4 + [7]
    assert sizes(199, 512 * mib // 6 // 64) == [64, 64, 64, 7]
    assert sizes(40, 512 * mib) == sizes(40, 10**12) == [16, 16, 8]
    assert sizes(40, 4) == [40]
    # Sets first, in the order of their angle.
    angles = np.array([*full_circle(20)[::-1], 1.0, 2.0])
    found = blocks(angles, 10**12)
    assert [block.tolist() for block in found] == [
        [19 - k - 5 * q for k in range(first, end) for q in range(4)]
        for first, end in ((0, 4), (4, 5))
    ] + [[20, 21]]


class Writer:
    """Remembers what a volume was opened with and the slices that were written."""

    def __init__(self, slab_depth):
        self.slab_depth, self.opened, self.written = slab_depth, [], []

    def __call__(self, *arguments, **about):
        self.opened.append((arguments, about))
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def spans(self, depth):
        self.depth = depth
        yield 2, 5
        yield 5, 6

    def write(self, z0, block):
        self.written.append((z0, block))


GEOMETRY = ConeBeam(30.0, 50.0, 2.5, 14, 9, offset_v=0.8, offset_u=-0.6)
ANGLES = full_circle(19, offset=3.0)
SEEN = np.random.default_rng(1).random((19, 14, 9)).astype(np.float32)


@pytest.fixture
def writer(monkeypatch):
    """A scan of 19 views, and a volume of which slices 2 to 5 are asked for."""
    scan = SimpleNamespace(
        geometry=GEOMETRY,
        angles=ANGLES,
        unit="mm",
        provenance={"made": "by hand"},
        read=lambda views, rows: SEEN[views, slice(*rows)],
    )
    monkeypatch.setattr(module, "open_scan", lambda path: scan)
    made = Writer(4)
    monkeypatch.setattr(module, "open_writer", made)
    return made


def test_what_a_reconstruction_writes(writer):
    reconstruct("scan.h5", "out.ome.zarr")
    ((output, grid, dtype, part), about) = writer.opened.pop()
    assert (output, dtype, part) == ("out.ome.zarr", np.float32, None)
    assert grid == Grid((9,) * 3, (1.5,) * 3, (-6.0,) * 3, "mm")
    assert about["settled"] == {
        "geometry": asdict(GEOMETRY),
        "angles": hashlib.sha256(ANGLES.astype("<f8").tobytes()).hexdigest(),
        "radius": 4.5,
    }
    assert about["intensity"] == "attenuation (1/mm)"
    step = {
        "action": "reconstruct",
        "algorithm": "FDK",
        "backend": "numba",
        "hann": 0.0,
        "views": 19,
        "scan": {"made": "by hand"},
    }
    assert about["provenance"] == (step,)
    whole = call(fdk, SEEN, GEOMETRY, ANGLES)
    assert [z0 for z0, _ in writer.written] == [2, 5]
    assert np.array_equal(writer.written[0][1], whole[2:5])
    assert np.array_equal(writer.written[1][1], whole[5:6])
    writer.written.clear()
    reconstruct("scan.h5", "out.ome.zarr", size=8, hann=0.5, radius=math.inf, part=(0, 3))
    ((_, grid, _, part), about) = writer.opened.pop()
    assert grid == Grid((8,) * 3, (1.5,) * 3, (-5.25,) * 3, "mm")
    assert part == (0, 3)
    assert about["settled"]["radius"] is None
    assert about["provenance"] == ({**step, "hann": 0.5},)
    whole = call(fdk, SEEN, GEOMETRY, ANGLES, size=8, hann=0.5, radius=math.inf)
    assert np.array_equal(writer.written[0][1], whole[2:5])
    reconstruct("scan.h5", "out.ome.zarr", size=6, radius=2.0)
    assert writer.opened.pop()[1]["settled"]["radius"] == 2
    assert refused(lambda: reconstruct("scan.h5", "out.ome.zarr", backend="x")) == (
        "backend is 'x'; allowed are 'numba' and 'rtk'"
    )
    assert not writer.opened


def test_slices_at_a_time(writer, monkeypatch):
    def depth(sums=None, **settings):
        with monkeypatch.context() as patch:
            if sums is not None:
                patch.setattr(module, "SUMS", sums)
            reconstruct("scan.h5", "out.ome.zarr", **settings)
        return writer.depth

    # Of 9 x 9 voxels of four bytes; a multiple of the four slices of a row of shards, or fewer.
    slice_ = 4 * 9 * 9
    assert depth(3 * slice_) == depth(4 * slice_ - 1) == 3
    assert depth(4 * slice_) == depth(5 * slice_) == depth(7 * slice_) == 4
    assert depth(8 * slice_) == depth(11 * slice_) == 8
    assert depth(0) == depth(slice_ - 1) == 1
    assert depth(3 * 4 * 8 * 8, size=8) == 3
    assert depth() == 2**27 // slice_ // 4 * 4


def test_views_at_a_time(writer, monkeypatch):
    asked = []

    def divide(angles, view_bytes):
        asked.append((angles, view_bytes))
        return [np.arange(7), np.arange(7, 19)]

    monkeypatch.setattr(module, "blocks", divide)
    reconstruct("scan.h5", "out.ome.zarr")
    assert [each for _, each in asked] == [4 * 14 * 9] * 2
    assert asked[0][0] is ANGLES
    np.testing.assert_allclose(
        writer.written[0][1], call(fdk, SEEN, GEOMETRY, ANGLES)[2:5], atol=1e-6
    )


def test_what_a_truth_writes(writer):
    settings = {
        "peak_attenuation": 3.0,
        "cylinder_radius": 0.4,
        "voxel_size": 0.25,
        "unit": "micron",
    }
    call(reconstruct_truth, FEW, "out.ome.zarr", size=8, views=22, slab=2, part=(1, 2), **settings)
    ((output, grid, dtype, part), about) = writer.opened.pop()
    assert (output, dtype, part, writer.depth) == ("out.ome.zarr", np.float32, (1, 2), 2)
    assert grid == Grid((8,) * 3, (0.25,) * 3, (-0.875,) * 3, "um")
    geometry, angles = ConeBeam.standard(8, 0.4), full_circle(22)
    assert about["settled"] == {
        "geometry": asdict(geometry.scaled(0.25)),
        "angles": hashlib.sha256(angles.astype("<f8").tobytes()).hexdigest(),
        "radius": 4.0,
    }
    assert about["intensity"] == "attenuation (1/um)"
    step = {
        "action": "reconstruct_truth",
        "algorithm": "FDK",
        "views": 22,
        "noise": None,
        "blur_sigma_pixels": 0.0,
        "peak_attenuation": 3.0,
        "spheres": hashlib.sha256(FEW.to_csv(index=False).encode()).hexdigest(),
    }
    assert about["provenance"] == (step,)
    solid = 3 / (2 * 0.4 * 8)
    lines = project(FEW, geometry, angles, size=8, cylinder_radius=0.4, solid=solid)
    whole = call(fdk, lines, geometry.scaled(0.25), angles)
    np.testing.assert_allclose(writer.written[0][1], whole[2:5], rtol=1e-4, atol=1e-5)
    # Twelve views for each voxel of the side by default.
    writer.written.clear()
    call(reconstruct_truth, FEW, "out.ome.zarr", size=7)
    ((_, grid, _, _), about) = writer.opened.pop()
    assert grid == Grid((7,) * 3, (1.0,) * 3, (-3.0,) * 3, "um")
    assert about["provenance"][0]["views"] == 84
    assert about["provenance"][0]["peak_attenuation"] == 2
    assert about["settled"]["geometry"] == asdict(ConeBeam.standard(7))
    lines = project(FEW, ConeBeam.standard(7), full_circle(84), size=7, solid=2 / (0.9 * 7))
    whole = call(fdk, lines, ConeBeam.standard(7), full_circle(84))
    np.testing.assert_allclose(writer.written[0][1], whole[2:5], rtol=1e-4, atol=1e-5)
    for views in (0, -1):
        assert refused(
            lambda views=views: call(reconstruct_truth, FEW, "x", size=8, views=views)
        ) == (f"views of the truth is {views}; 1 or more is needed")
    assert refused(lambda: call(reconstruct_truth, FEW, "x", size=8, views=1)).startswith(
        "the angles leave a gap of 360 degrees"
    )


def test_a_volume_is_written_where_it_belongs(tmp_path):
    call(
        reconstruct_truth, FEW, tmp_path / "a.ome.zarr", size=8, views=20, voxel_size=0.5, unit="nm"
    )
    volume = open_volume(tmp_path / "a.ome.zarr")
    assert volume.grid == Grid((8,) * 3, (0.5,) * 3, (-1.75,) * 3, "nm")
    assert volume.read().dtype == np.float32


# ---------------------------------------------------------------------------------------- RTK


def test_without_rtk_it_says_how_to_have_it(monkeypatch):
    load = builtins.__import__

    def without(name, *arguments, **settings):
        if name == "itk":
            raise ImportError(name)
        return load(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without)
    sentence = (
        "backend 'rtk' needs the package itk-rtk 2.x, which is not installed; install it with "
        "pip install 'acuity[rtk]' or use the backend 'numba'"
    )
    angles = full_circle(19)
    assert refused(lambda: call(fdk, SEEN, GEOMETRY, angles, backend="rtk")) == sentence
    assert refused(lambda: rtk.project(FEW, GEOMETRY, angles)) == sentence


def test_deprecations_of_its_bindings_are_ignored_and_no_others():
    def old(kind, *, words):
        """Say so."""
        warnings.warn(words, kind, stacklevel=2)
        return words

    calm = rtk._calm(old)
    assert calm.__name__ == "old"
    assert calm.__doc__ == "Say so."
    assert calm(DeprecationWarning, words="old") == "old"
    with pytest.raises(UserWarning, match="new"):
        calm(UserWarning, words="new")
    assert rtk.fdk.__name__ == "fdk"
    assert rtk.fdk.__wrapped__ is not None
    assert rtk.project.__wrapped__ is not None


def test_rtk_runs_on_as_many_threads_as_numba(monkeypatch):
    found = []

    class Enough(Exception):
        pass

    def number(threads):
        found.append(threads)
        raise Enough

    threader = SimpleNamespace(SetGlobalDefaultNumberOfThreads=number)
    itk = SimpleNamespace(MultiThreaderBase=threader)
    monkeypatch.setattr(rtk, "_modules", lambda: (itk, None))
    monkeypatch.setattr(rtk.numba, "get_num_threads", lambda: 5)
    with pytest.raises(Enough):
        rtk.fdk(SEEN, GEOMETRY, ANGLES, Cube(9, 1.0, 0, 9, 4.0, 0.0))
    assert found == [5]

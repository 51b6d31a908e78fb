"""Importing a user's file: what the volume keeps, what is refused, how much memory it takes."""

import hashlib
import json
import tracemalloc

import h5py
import numpy as np
import pytest
import tifffile

from acuity.errors import AcuityError
from acuity.ingest.ingest import ingest, source_digest
from acuity.volume import open_volume


def values(shape=(40, 20, 30), dtype="uint8", seed=1):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "results" / "v.ome.zarr"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_voxels_grid_and_provenance(tmp_path, output, dtype):
    data = values(dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", data)
    output.mkdir(parents=True)  # as Snakemake does
    ingest(tmp_path / "a.tif", output / "zarr.json", voxel_size="20 10 10 nm", region="2:39")
    volume = open_volume(output)
    assert np.array_equal(volume.read(), data[2:39])
    assert volume.dtype == np.dtype(dtype)
    assert (volume.grid.spacing, volume.grid.origin) == ((20, 10, 10), (40, 0, 0))
    (step,) = volume.provenance
    assert step["sha256"] == hashlib.sha256((tmp_path / "a.tif").read_bytes()).hexdigest()
    assert step["source"] == "a.tif"
    assert str(tmp_path) not in (output / "zarr.json").read_text()


def test_the_digest_of_the_source_follows_every_part_of_it(tmp_path):
    for number, image in enumerate(values((3, 5, 5))):
        tifffile.imwrite(tmp_path / f"{number}.tif", image)
    seen = {source_digest(tmp_path)}
    (tmp_path / "0.tif").rename(tmp_path / "3.tif")
    seen.add(source_digest(tmp_path))
    tifffile.imwrite(tmp_path / "3.tif", np.zeros((5, 5), np.uint8))
    seen.add(source_digest(tmp_path))
    (tmp_path / "a.raw").write_bytes(b"voxels")
    for size in (1, 2):
        (tmp_path / "a.raw.json").write_text(json.dumps({"voxel_size": size}))
        seen.add(source_digest(tmp_path / "a.raw"))
    assert len(seen) == 5


def test_nan_is_named_with_file_and_slice(tmp_path, output):
    data = values(dtype="float32")
    data[36, 1, 2] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", data)
    with pytest.raises(AcuityError, match=r"a\.tif: found NaN in slice 36"):
        ingest(tmp_path / "a.tif", output, voxel_size="1 um")
    assert not output.exists()


def test_a_value_beyond_float32_is_refused(tmp_path, output):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = values(dtype="float64") * 1e300
    with pytest.raises(AcuityError, match="infinite value in slice 0"):
        ingest(tmp_path / "a.h5", output, voxel_size="1 um")
    assert not output.exists()


def test_a_constant_volume_is_refused(tmp_path, output):
    tifffile.imwrite(tmp_path / "a.tif", np.full((40, 5, 5), 7, np.uint8))
    with pytest.raises(AcuityError, match=r"a\.tif: is constant, every voxel is 7"):
        ingest(tmp_path / "a.tif", output, voxel_size="1 um")
    assert not output.exists()


def test_an_empty_volume_is_refused(tmp_path, output):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.empty((0, 5, 5), np.uint8)
    with pytest.raises(AcuityError, match=r"a\.h5: is empty"):
        ingest(tmp_path / "a.h5", output, voxel_size="1 um")
    assert not output.exists()


def test_a_slice_that_breaks_while_it_is_read_leaves_nothing(tmp_path, output):
    tifffile.imwrite(tmp_path / "a.tif", values((40, 64, 64)), compression="deflate")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[35]
        offset, count = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[offset : offset + count] = b"\xff" * count
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(AcuityError, match=r"a\.tif: slices 32 to 39 cannot be read"):
        ingest(tmp_path / "a.tif", output, voxel_size="1 um")
    assert not output.exists()


def test_a_rerun_gives_the_same_bytes(tmp_path, output):
    tifffile.imwrite(tmp_path / "a.tif", values())
    ingest(tmp_path / "a.tif", output, voxel_size="1 um")
    before = (output / "zarr.json").read_bytes()
    ingest(tmp_path / "a.tif", output, voxel_size="1 um")
    assert (output / "zarr.json").read_bytes() == before
    tifffile.imwrite(tmp_path / "a.tif", values(seed=2))
    ingest(tmp_path / "a.tif", output, voxel_size="1 um")
    assert (output / "zarr.json").read_bytes() != before


@pytest.mark.parametrize("kind", ["memory-mapped", "compressed", "folder", "HDF5"])
def test_memory_does_not_grow_with_the_depth(tmp_path, output, kind):
    def source(depth):
        data = np.broadcast_to(values((1, 512, 512)), (depth, 512, 512))
        path = tmp_path / f"{depth}"
        if kind == "folder":
            path.mkdir()
            for number, image in enumerate(data):
                tifffile.imwrite(path / f"{number}.tif", image)
        elif kind == "HDF5":
            path = path.with_suffix(".h5")
            with h5py.File(path, "w") as file:
                file.create_dataset("data", data=data, chunks=(8, 64, 64))
        else:
            path = path.with_suffix(".tif")
            packed = {"compression": "deflate"} if kind == "compressed" else {}
            tifffile.imwrite(path, data, **packed)
        return path

    def peak(path):
        tracemalloc.start()
        ingest(path, output, voxel_size="1 um")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / 2**20

    paths = [source(depth) for depth in (32, 64, 192)]
    _, shallow, deep = (peak(path) for path in paths)
    row = 8  # MiB in a row of shards of uint8
    assert deep < 1.1 * shallow
    assert deep < 4 * row < 192 / 32 * row

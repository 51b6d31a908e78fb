"""Volumes: grids, reading part by part, the store and what breaks it."""

import errno
import json
import os
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

from acuity.errors import AcuityError
from acuity.seals import add_seal
from acuity.units import canonical, convert, parse_voxel_size
from acuity.volume import (
    DTYPES,
    CroppedArray,
    Grid,
    Volume,
    VolumeWriter,
    choose_layout,
    open_volume,
    slabs,
    write_volume,
)
from tests.conftest import traced


def values(shape, dtype="float32", seed=0):
    return (np.random.default_rng(seed).normal(size=shape) * 50).astype(dtype)


def grid(shape):
    return Grid(shape, (0.02, 0.01, 0.03), (1.0, -2.0, 3.5), "um")


def store(tmp_path, shape=(40, 150, 70), dtype="float32"):
    path = tmp_path / "v.ome.zarr"
    data = values(shape, dtype)
    write_volume(path, Volume(data, grid(shape), "density", ({"step": "test"},)))
    return path, data


# ----------------------------------------------------------------------------------- grid, units


def test_grid_brings_numbers_and_unit_to_one_form():
    made = Grid([3, 4, 5], [1, 2, 3], [0, 0, 1], "micrometer")
    assert made == Grid((3, 4, 5), (1.0, 2.0, 3.0), (0.0, 0.0, 1.0), "µm")
    assert made.unit == "um"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"shape": (0, 1, 1)}, "counts"),
        ({"spacing": (1, 1, 0)}, "voxel size"),
        ({"spacing": (1, float("nan"), 1)}, "voxel size"),
        ({"spacing": (1, 1)}, "voxel size"),
        ({"origin": (0, 0, float("inf"))}, "origin"),
        ({"unit": "pixel"}, "pixel"),
    ],
)
def test_grid_refuses(change, word):
    with pytest.raises(AcuityError, match=word):
        Grid(**({"shape": (1, 1, 1), "spacing": (1, 1, 1)} | change))


def test_crop_and_downsample_move_the_origin():
    whole = grid((10, 20, 30))
    part = whole.crop((slice(2, 5), slice(None), slice(-10, None)))
    assert part.shape == (3, 20, 10)
    assert part.origin == pytest.approx((1.0 + 2 * 0.02, -2.0, 3.5 + 20 * 0.03))
    coarse = whole.downsample((2, 1, 4))
    assert coarse.shape == (5, 20, 7)
    assert coarse.spacing == pytest.approx((0.04, 0.01, 0.12))
    # the centre of the first block: between voxels 0 and 1 in z, 1.5 voxels on in x
    assert coarse.origin == pytest.approx((1.0 + 0.01, -2.0, 3.5 + 1.5 * 0.03))


def test_units():
    assert {canonical(unit) for unit in ("µm", "μm", "um", "Micron", "micrometre")} == {"um"}
    assert convert(1, "inch", "mm") == 25.4
    assert convert(10, "angstrom", "nm") == 1
    assert convert(0.01, "um", "nm") == 10
    assert parse_voxel_size("10 nm") == ((10, 10, 10), "nm")
    assert parse_voxel_size("20 10, 1e1 µm") == ((20, 10, 10), "um")


@pytest.mark.parametrize(
    "text", ["10", "nm", "10 20 nm", "0 nm", "-1 nm", "10 pixel", "", "1..2 um"]
)
def test_voxel_size_refused(text):
    with pytest.raises(AcuityError, match="voxel_size"):
        parse_voxel_size(text)


# -------------------------------------------------------------------------------- lazy and slabs


def test_slabs_cover_an_axis():
    assert list(slabs(10, 4)) == [(0, 4), (4, 8), (8, 10)]
    with pytest.raises(ValueError, match="at least one"):
        list(slabs(10, 0))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_indexing_as_numpy(data):
    whole = values((5, 6, 7))
    lazy = CroppedArray(whole, (slice(1, 5), slice(0, 6), slice(2, 7)))
    part = whole[1:5, 0:6, 2:7]
    keys = []
    for count in part.shape:
        end = st.none() | st.integers(-count - 2, count + 2)
        step = st.none() | st.integers(1, 3)
        keys.append(data.draw(st.integers(-count, count - 1) | st.builds(slice, end, end, step)))
    key = tuple(keys[: data.draw(st.integers(1, 3))])
    assert np.array_equal(lazy[key], part[key])
    assert np.array_equal(lazy[..., keys[2]], part[..., keys[2]])


def test_indexing_refuses():
    lazy = CroppedArray(values((3, 3, 3)), (slice(0, 3),) * 3)
    for key in (3, (0, 0, 0, 0), slice(None, None, -1)):
        with pytest.raises(IndexError):
            lazy[key]
    assert np.array_equal(np.asarray(lazy), values((3, 3, 3)))


def test_volume_needs_a_grid_of_its_shape():
    with pytest.raises(AcuityError, match="the same"):
        Volume(values((3, 3, 3)), grid((3, 3, 4)))


# ------------------------------------------------------------------------------------ round trip


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 140), st.integers(1, 140)),
    dtype=st.sampled_from(DTYPES),
    depth=st.integers(1, 80),
)
def test_round_trip_whatever_the_slabs(tmp_path_factory, shape, dtype, depth):
    path = tmp_path_factory.mktemp("v") / "v.ome.zarr"
    data = values(shape, dtype)
    with VolumeWriter(path, grid(shape), dtype, intensity="i", provenance=[{"a": 1}]) as writer:
        for z0, z1 in slabs(shape[0], depth):
            writer.write(z0, data[z0:z1])
    volume = open_volume(path / "zarr.json")
    assert np.array_equal(volume.read(), data)
    assert volume.dtype == np.dtype(dtype)
    assert volume.grid == grid(shape)
    assert (volume.intensity, volume.provenance) == ("i", ({"a": 1},))
    assert volume.digest == writer.digest == write_volume(path, volume_in_memory(data))
    other = data.copy()
    other[-1, -1, -1] = 0 if other[-1, -1, -1] else 1
    assert write_volume(path, volume_in_memory(other)) != volume.digest


def volume_in_memory(data):
    return Volume(data, grid(data.shape))


def test_same_bytes_again(tmp_path):
    path, _ = store(tmp_path)
    before = (path / "zarr.json").read_bytes()
    store(tmp_path)
    assert (path / "zarr.json").read_bytes() == before


def test_bool_is_stored_as_uint8_and_float64_as_float32(tmp_path):
    mask = values((3, 4, 5)) > 0
    write_volume(tmp_path / "m.ome.zarr", volume_in_memory(mask))
    assert open_volume(tmp_path / "m.ome.zarr").dtype == np.uint8
    with VolumeWriter(tmp_path / "f.ome.zarr", grid((3, 4, 5)), "float32") as writer:
        writer.write(0, values((3, 4, 5), "float64"))
    with pytest.raises(AcuityError, match="int64"):
        VolumeWriter(tmp_path / "g.ome.zarr", grid((3, 4, 5)), "int64")


def test_layout_keeps_shards_and_rows_small():
    for shape in [(256, 256, 256), (1024, 1024, 1024), (1000, 10000, 10000), (1, 9000, 9000)]:
        for dtype in ("uint8", "uint16", "float32"):
            layout = choose_layout(shape, dtype)
            item = np.dtype(dtype).itemsize
            assert np.prod(layout.shard) * item <= 32 * 2**20
            assert layout.shard[0] * shape[1] * shape[2] * item <= 512 * 2**20
            assert all(s % c == 0 for s, c in zip(layout.shard, layout.chunk, strict=True))


def test_shard_by_shard_is_the_same_volume(tmp_path):
    shape = (24, 600, 130)
    data = values(shape)
    with VolumeWriter(tmp_path / "a.ome.zarr", grid(shape), "float32") as writer:
        boxes = list(writer.layout.boxes())
        assert len(boxes) == 4
        for index, box in reversed(boxes):
            writer.write_shard(index, data[box])
    assert writer.digest == write_volume(tmp_path / "b.ome.zarr", volume_in_memory(data))


def test_store_is_ome_zarr_with_a_checksum_on_every_chunk(tmp_path):
    path, data = store(tmp_path)
    group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)
    image = group.attrs["ome"]["multiscales"][0]
    assert group.attrs["ome"]["version"] == "0.5"
    assert [(axis["name"], axis["unit"]) for axis in image["axes"]] == [
        (axis, "micrometer") for axis in "zyx"
    ]
    assert np.array_equal(group[image["datasets"][0]["path"]][:], data)
    sharding = json.loads((path / "0" / "zarr.json").read_text())["codecs"][0]["configuration"]
    assert [codec["name"] for codec in sharding["codecs"]] == ["bytes", "blosc", "crc32c"]
    assert [codec["name"] for codec in sharding["index_codecs"]] == ["bytes", "crc32c"]


def test_memory_of_writing_does_not_grow_with_the_depth(tmp_path):
    def peak(depth, step):
        shape = (depth, 512, 512)
        tracemalloc.start()
        with VolumeWriter(tmp_path / "m.ome.zarr", grid(shape), "float32") as writer:
            for z0, z1 in slabs(depth, step):
                writer.write(z0, np.full((z1 - z0, 512, 512), z0, np.float32))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / 2**20

    row = 32.0  # MiB in a row of shards
    peak(32, 32)  # what is imported at first use does not count
    shallow, deep = peak(64, 7), peak(192, 7)
    assert deep < 1.1 * shallow
    assert deep < 5 * row < 192


def test_writing_a_row_of_shards_copies_none_of_them(tmp_path):
    block = np.zeros((16, 1024, 1024), np.float32)

    with VolumeWriter(tmp_path / "a.ome.zarr", grid(block.shape), "float32") as writer:
        shards = [block[box] for _, box in writer.layout.boxes()]
        assert len(shards) == 4
        assert traced(lambda: writer.write(0, block)) < shards[0].nbytes / 2
    # the control: what such a copy takes
    assert traced(lambda: np.ascontiguousarray(shards[0])) >= shards[0].nbytes


# ------------------------------------------------------------------------------- nothing half done


def test_an_exception_leaves_nothing(tmp_path):
    path = tmp_path / "v.ome.zarr"
    shape = (70, 20, 20)

    def write_and_stop():
        with VolumeWriter(path, grid(shape), "float32") as writer:
            writer.write(0, values((40, 20, 20)))
            assert (path / "0" / "c" / "0").exists()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_stop()
    assert not path.exists()


def test_missing_slices_leave_nothing(tmp_path):
    path = tmp_path / "v.ome.zarr"
    with pytest.raises(AcuityError, match=r"shard \(3, 0, 0\) was not written"):
        with VolumeWriter(path, grid((70, 20, 20)), "float32") as writer:
            writer.write(0, values((50, 20, 20)))
    assert not path.exists()


def test_nan_is_refused_with_its_slice(tmp_path):
    for bad, word in ((np.nan, "NaN"), (np.inf, "infinite")):
        data = values((50, 20, 20))
        data[37, 3, 4] = bad
        with pytest.raises(AcuityError, match=rf"{word}.* in slice 37"):
            write_volume(tmp_path / "v.ome.zarr", volume_in_memory(data))
        assert not (tmp_path / "v.ome.zarr").exists()


@pytest.mark.parametrize(
    ("z0", "shape", "dtype"),
    [
        (1, (3, 4, 5), "float32"),
        (0, (3, 4, 4), "float32"),
        (0, (11, 4, 5), "float32"),
        (0, (4, 5), "float32"),
        (0, (3, 4, 5), "complex64"),
    ],
)
def test_a_wrong_slab_is_refused(tmp_path, z0, shape, dtype):
    with pytest.raises(ValueError, match=r"found|has three axes"):
        with VolumeWriter(tmp_path / "v.ome.zarr", grid((10, 4, 5)), "float32") as writer:
            writer.write(z0, np.zeros(shape, dtype))
    assert not (tmp_path / "v.ome.zarr").exists()


def test_disk_full_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    real, calls = os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr("acuity.shards.os.replace", full)
    with pytest.raises(AcuityError, match="disk full"):
        store(tmp_path, (100, 20, 20))
    assert not (tmp_path / "v.ome.zarr").exists()


def test_a_killed_writer_leaves_no_volume_and_a_rerun_gives_the_same(tmp_path):
    path, data = store(tmp_path, (70, 20, 20))
    digest = open_volume(path).digest
    code = (
        "import os, signal, sys, numpy as np\n"
        "from acuity.volume import Grid, VolumeWriter\n"
        "with VolumeWriter(sys.argv[1], Grid((70, 20, 20), (1, 1, 1)), 'float32') as writer:\n"
        "    writer.write(0, np.ones((40, 20, 20), 'float32'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (path / "0").exists()
    with pytest.raises(AcuityError, match="incomplete"):
        open_volume(path)
    assert store(tmp_path, (70, 20, 20))[0] == path
    assert open_volume(path).digest == digest
    assert np.array_equal(open_volume(path).read(), data)


def test_a_folder_of_something_else_is_not_removed(tmp_path):
    (tmp_path / "v.ome.zarr").mkdir()
    (tmp_path / "v.ome.zarr" / "thesis.txt").write_text("years of work")
    with pytest.raises(AcuityError, match=r"thesis\.txt"):
        store(tmp_path)
    assert (tmp_path / "v.ome.zarr" / "thesis.txt").exists()
    (tmp_path / "w.ome.zarr").write_text("a file")
    with pytest.raises(AcuityError, match="is a file"):
        write_volume(tmp_path / "w.ome.zarr", volume_in_memory(values((2, 2, 2))))
    assert (tmp_path / "w.ome.zarr").read_text() == "a file"


# ------------------------------------------------------------------------------------ broken stores


def damage(file, how):
    content = bytearray(file.read_bytes())
    if how == "flip":
        content[len(content) // 3] ^= 1
    elif how == "flip index":
        content[-20] ^= 1
    elif how == "append":
        content += b"more"
    else:
        content = content[:how]
    file.write_bytes(content)


@pytest.mark.parametrize("how", ["flip", "flip index", "append", -1, 1000, 3, 0])
def test_a_damaged_shard_is_an_error_that_names_it(tmp_path, how):
    path, data = store(tmp_path)
    damage(path / "0" / "c" / "0" / "0" / "0", how)
    with pytest.raises(AcuityError, match=r"v\.ome\.zarr.*0/c/0/0/0.*run the step"):
        open_volume(path).read()
    if how != 0:  # an empty file is refused when the volume is opened
        # what does not need that shard is still right: the damage is found, not feared
        assert np.array_equal(open_volume(path).read(slice(32, 40)), data[32:])


def test_every_flipped_byte_is_found(tmp_path):
    path, data = store(tmp_path, (4, 6, 5))
    file = path / "0" / "c" / "0" / "0" / "0"
    whole = file.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 0x10
        file.write_bytes(content)
        with pytest.raises(AcuityError):
            open_volume(path).read()
    file.write_bytes(whole)
    assert np.array_equal(open_volume(path).read(), data)


def test_a_missing_shard_is_an_error_and_not_zeros(tmp_path):
    path, data = store(tmp_path)
    volume = open_volume(path)
    (path / "0" / "c" / "1" / "0" / "0").unlink()
    assert np.array_equal(volume.read(slice(0, 16)), data[:16])
    # the trap: to zarr a shard that is not there is full of zeros
    assert not zarr.open_array(LocalStore(path / "0", read_only=True), mode="r")[16:32].any()
    with pytest.raises(AcuityError, match=r"0/c/1/0/0 cannot be read \(the file is missing\)"):
        volume.read(slice(14, 18))
    with pytest.raises(AcuityError, match=r"0/c/1/0/0 is missing"):
        open_volume(path)


def test_zeros_are_stored_and_not_left_out(tmp_path):
    shape = (40, 20, 20)
    write_volume(tmp_path / "v.ome.zarr", volume_in_memory(np.zeros(shape, np.uint8)))
    assert not open_volume(tmp_path / "v.ome.zarr").read().any()
    (tmp_path / "v.ome.zarr" / "0" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(AcuityError, match="missing"):
        open_volume(tmp_path / "v.ome.zarr")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "incomplete"),
        ("", "cannot be read"),
        ("[1]", "no JSON object"),
        ("{}", "not a volume written by Acuity"),
        ('{"attributes": {"acuity": {"shape": 3}}}', "not a volume written by Acuity"),
    ],
)
def test_a_wrong_root_file_is_refused(tmp_path, text, word):
    path, _ = store(tmp_path, (2, 3, 4))
    (path / "zarr.json").unlink()
    if text is not None:
        (path / "zarr.json").write_text(text)
    with pytest.raises(AcuityError, match=word):
        open_volume(path)


def test_a_root_file_that_does_not_fit_its_array_is_refused(tmp_path):
    path, _ = store(tmp_path, (2, 3, 4))
    text = (path / "zarr.json").read_text()
    root = json.loads(text)
    own = root["attributes"]["acuity"]
    own["dtype"] = "uint8"
    (path / "zarr.json").write_text(json.dumps(add_seal(root, own)))
    with pytest.raises(AcuityError, match=r"zarr\.json says"):
        open_volume(path)
    (path / "zarr.json").write_text(text)
    (path / "0" / "zarr.json").write_text("{")
    with pytest.raises(AcuityError, match="cannot be read"):
        open_volume(path)


def test_no_such_volume(tmp_path):
    with pytest.raises(AcuityError, match="no such volume"):
        open_volume(tmp_path / "v.ome.zarr" / "zarr.json")


def test_a_store_of_another_version_is_refused(tmp_path):
    path = tmp_path / "v.ome.zarr"
    grid = Grid((4, 8, 8), (1, 1, 1))
    write_volume(path, Volume(np.ones(grid.shape, np.uint8), grid))
    root = json.loads((path / "zarr.json").read_text())
    own = root["attributes"]["acuity"]
    # Stores of before seals, and of before versions were written down, are read.
    del own["seal"]
    own["version"] = 1
    (path / "zarr.json").write_text(json.dumps(root))
    assert open_volume(path).read().all()
    del own["version"]
    (path / "zarr.json").write_text(json.dumps(root))
    assert open_volume(path).read().all()
    own["version"] = 3
    (path / "zarr.json").write_text(json.dumps(root))
    wanted = "was written by another version of Acuity, as version 3 .* remove the results folder"
    with pytest.raises(AcuityError, match=wanted):
        open_volume(path)

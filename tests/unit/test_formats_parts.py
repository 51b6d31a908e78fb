"""The readers and exports in their parts: each message in full, each bound from both sides."""

import gc
import json
import math
import os
import re
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import LocalStore

from acuity.errors import AcuityError
from acuity.formats import export as export_module
from acuity.formats import files as files_module
from acuity.formats import read as read_module
from acuity.formats.export import export
from acuity.formats.files import (
    check_numbering,
    check_remote,
    files_of,
    find_sidecars,
    is_remote,
    listed_files,
    split_name,
)
from acuity.formats.opened import FlatArray, GuardedArray, OpenedFile, describe, with_notes
from acuity.formats.read import read_volume
from acuity.formats.readers import hdf5, mrc, omezarr, raw, tiff, tiff_folder
from acuity.region import parse_region
from acuity.units import convert
from acuity.volume import Grid, Volume, open_volume, write_volume

NM = "20 10 10 nm"
SHAPE = (3, 4, 5)


def values(shape=SHAPE, dtype="uint8"):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def refused(said, call, *args, **settings):
    with pytest.raises(AcuityError) as error:
        call(*args, **settings)
    assert str(error.value) == said


# ---------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("a.h5:/b", ("a.h5", "/b")),
        ("x/a.hdf5:b", ("x/a.hdf5", "b")),
        ("a.hdf:/b.h5:/c", ("a.hdf:/b.h5", "/c")),
        ("a.HE5:/b", ("a.HE5", "/b")),
        ("a.nxs:/b", ("a.nxs", "/b")),
        ("a.h5", ("a.h5", None)),
        ("a.h5:", ("a.h5:", None)),
        (".h5:/b", (".h5:/b", None)),
        ("a.tif:/b", ("a.tif:/b", None)),
    ],
)
def test_names_with_a_dataset(path, split):
    assert split_name(path) == split


def test_addresses_in_a_bucket():
    assert is_remote("s3://bucket/a.tif")
    assert not is_remote("bucket/s3://a.tif")
    for path in ("s3://b/a", "s3://b/x/a.tif", "s3://b/a.h5:/x/y", "s3://b/a.zarr"):
        assert check_remote(path) == path
    assert check_remote("s3://b/folder//") == "s3://b/folder"
    for path in (
        "s3://",
        "s3://b",
        "s3:///a",
        "s3://b/x//a",
        "s3://b/../a",
        "s3://b/./a",
        "s3://b/..",
    ):
        refused(
            f"{path.rstrip('/')}: is no address, allowed is s3://BUCKET/KEY.", check_remote, path
        )
    for path in ("s3://b/a.raw", "s3://b/a.IMG", "s3://b/list.txt", "s3://b/a.zarr/zarr.json"):
        refused(
            f"{path}: needs other files beside it, allowed in a bucket are a folder of slices, "
            "files that hold all of a volume, and the folder of an OME-Zarr.",
            check_remote,
            path,
        )


def test_the_files_of_an_input(tmp_path):
    def made(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name).write_text("x")
        return [tmp_path / name for name in names]

    slices = made("f/a.tif", "f/b.tif")
    made("f/.hidden", "f/deeper/c.tif", "f/notes.md", "f/Thumbs.db", "f/notes.txt")
    assert files_of(str(tmp_path / "f")) == slices
    store = made("v.zarr/.zattrs", "v.zarr/0/c/1", "v.zarr/zarr.json")
    made("v.zarr/.DS_Store", "v.zarr/0/._1")
    assert files_of(str(tmp_path / "v.zarr")) == store
    assert files_of(str(tmp_path / "v.zarr" / "zarr.json")) == store
    (plain,) = made("a.h5")
    assert files_of(f"{plain}:/x") == [plain]
    voxels = made("a.BIN", "a.yaml")
    assert files_of(str(voxels[0])) == voxels
    (tmp_path / "list.TXT").write_text("f/b.tif\nf/a.tif\n")
    assert files_of(str(tmp_path / "list.TXT")) == [tmp_path / "list.TXT", slices[1], slices[0]]
    refused(f"{tmp_path / 'no'}: no such file or folder", files_of, str(tmp_path / "no"))


def test_lists_of_slices(tmp_path):
    (tmp_path / "a.tif").write_text("")
    taken = tmp_path / "list.txt"
    taken.write_text("\ufeff # no\n  a.tif \n\n")
    assert listed_files(taken) == [tmp_path / "a.tif"]
    for text, said in (
        ("# a.tif", "names no file, allowed is a list of slices, one file a line."),
        ("a.tif\nb.tif", "names b.tif, which is no file beside the list."),
        ("a.tif\na.tif\na.tif", "names a.tif 3 times, allowed is once."),
    ):
        taken.write_text(text)
        refused(f"{taken}: {said}", listed_files, taken)
    taken.write_bytes(b"\xff\xfe\xfa")
    refused(
        f"{taken}: byte 0xfa in line 1 is no UTF-16-LE; save the list of slices as text in the encoding "
        "UTF-8",
        listed_files,
        taken,
    )


def test_a_sidecar_and_where_it_may_be(tmp_path):
    voxels = tmp_path / "a.raw"
    for name in ("a.raw.yaml", "a.raw.yml", "a.raw.json", "a.yaml", "a.yml", "a.json"):
        (tmp_path / name).write_text("")
        assert find_sidecars(voxels) == [tmp_path / name]
        (tmp_path / name).unlink()
    said = (
        "sidecar files, allowed is one of a.raw.yaml and a.raw.json beside it, with shape, "
        "dtype, byte_order and voxel_size, or the header of the scanner (HEADERS)."
    ).replace("HEADERS", ", ".join(f"a{end}" for end in files_module.RAW_HEADERS))
    (tmp_path / "a.yaml").mkdir()
    refused(f"{voxels}: found 0 {said}", find_sidecars, voxels)
    for name in ("a.raw.yml", "a.json"):
        (tmp_path / name).write_text("")
    refused(f"{voxels}: found 2 {said}", find_sidecars, voxels)


def missing(names):
    """What is said of the numbering, without the remedy."""
    try:
        check_numbering([Path(f"{name}.tif") for name in names], Path("folder"))
    except AcuityError as error:
        said = str(error).replace(".tif", "")
        assert said.startswith("folder: ")
        assert said.endswith("name the slices that you mean in a list (.txt, one file a line).")
        return said.removeprefix("folder: ").split("; ")[0]
    return None


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["s1", "s2", "s4"], "number 3 is missing between s2 and s4"),
        (["s4", "s1", "s2"], "number 3 is missing between s2 and s4"),
        (["s1", "s2", "s5"], "numbers 3 to 4 are missing between s2 and s5"),
        (["s10", "s20", "s30", "s60"], "numbers 40 to 50 are missing between s30 and s60"),
        (["s10", "s20", "s30", "s50"], "number 40 is missing between s30 and s50"),
        (["s1", "s2"], None),
        (["s1", "s3"], "number 2 is missing between s1 and s3"),
        (["s1"], None),
        # up to three times as long as it has slices
        (["s1", "s2", "s3", "s12"], "numbers 4 to 11 are missing between s3 and s12"),
        (["s1", "s2", "s3", "s13"], None),
        (["s2", "s4", "s6", "s24"], "numbers 8 to 22 are missing between s6 and s24"),
        (["s2", "s4", "s6", "s26"], None),
        # the last number that runs on is enough, whatever the others do
        (["s1_1", "s2_2", "s4_3"], None),
        (["s1_1", "s2_2", "s3_4"], None),
        (["s1_1", "s2_2", "s4_4"], "number 3 is missing between s2_2 and s4_4"),
        (["s1_2", "s2_3", "s3_5", "s5_6"], "number 4 is missing between s2_3 and s3_5"),
        # a position with a point is one number
        (["z0.9", "z1.0", "z1.1"], None),
        (["z0.9", "z1.0", "z1.2"], "number 11 is missing between z1.0 and z1.2"),
        (["z0.9_1", "z1.0_2", "z1.2_3"], None),
        # parts: the last number that varies, for each of the others
        ([f"p{p}_{n}" for p in (1, 2) for n in (0, 1, 2 + p)], "number 2 is missing between p1_1"),
        (["p1_1", "p1_2", "p2_4", "p2_5"], "number 3 is missing between p1_2 and p2_4"),
        (["p1_1", "p1_2", "p2_1"], None),
        (["1_a_1", "1_a_2", "2_a_1", "2_a_3"], "number 2 is missing between 2_a_1 and 2_a_3"),
    ],
)
def test_numberings(names, said):
    found = missing(names)
    assert found == said or found.startswith(said)


def test_several_series_of_one_numbering():
    said = (
        "holds several series of slices with the same numbers ({} and {} begin two of them), "
        "allowed is one"
    )
    assert missing(["a1", "a2", "b1", "b2"]) == said.format("a1", "b1")
    assert missing(["b2", "b1", "a1", "a2"]) == said.format("b2", "a1")
    assert missing(["a1_1", "a1_2", "a2_1", "a2_2"]) == said.format("a1_1", "a2_1")
    said = "holds several series of slices (a1 and b1 begin two of them), allowed is one"
    assert missing(["a1", "b1"]) == said
    said = "found {}, which do{} not fit the series {}"
    assert missing(["a1", "a2", "b1", "b2", "b3"]) == said.format("a1 and 1 more", "", "b1 to b3")
    assert missing(["a1", "a2", "b3"]) == said.format("b3", "es", "a1 to a2")
    assert missing(["a", "b"]) is None
    assert missing(["a1", "a2", "b3", "b4"]) is None


def test_series_and_gaps_of_names():
    def series(*rows):
        """Of numbers as they stand in the names, one row a name."""
        return list(files_module._series([(row.split(), row) for row in rows]))

    names = ["1 7", "2 7", "4 7"]
    assert series(*names) == [([[1, 2, 4]], names)]
    names = ["1 7", "2 8"]
    assert series(*names) == [([[1, 2], [7, 8]], names)]
    assert series("4 7") == [([], ["4 7"])]
    names = ["0 5", "1 25"]
    assert series(*names) == [([[0, 1], [5, 25]], names)]
    names = ["0.5", "1.2"]
    assert series(*names) == [([[5, 12]], names)]
    names = ["0.5", "-1.25"]
    assert series(*names) == [([[50, -125]], names)]
    names = ["1 1 9", "1 2 9", "2 1 9", "2 2 9"]
    assert series(*names) == [([[1, 2]], names[:2]), ([[1, 2]], names[2:])]

    def numbers(*stems):
        form = files_module._form(stems)
        return [re.findall(form, stem) for stem in stems]

    assert numbers("x0.5", "x1.2") == [["0.5"], ["1.2"]]
    # of different length behind the point: two numbers each, unless a unit or a sign of equality
    # says that it is a measure
    assert numbers("x0.5", "x1.25") == [["0", "5"], ["1", "25"]]
    assert numbers("z=0.5", "z=1.25") == [["0.5"], ["1.25"]]
    assert numbers("x0.5um", "x1.25um") == [["0.5"], ["1.25"]]
    assert numbers("x0.5", "x1") == [["0.5"], ["1"]]
    assert numbers("x1.2.3", "x1.2.4") == [["1", "2", "3"], ["1", "2", "4"]]
    # a minus is a sign behind what separates, and separates behind a letter or a digit
    assert numbers("s_-1", "s-2", "-3", "2024-01") == [["-1"], ["2"], ["-3"], ["2024", "01"]]
    assert numbers("s -1", "s 0") == [["-1"], ["0"]]
    assert numbers("s -1", "s -2") == [["1"], ["2"]]
    assert files_module._gap([1, 2, 2, 3], list("abcd")) == ()
    assert files_module._gap([1], ["a"]) is None
    assert files_module._gap([3, 1], ["c", "a"]) == (2, 2, "a", "c")
    assert files_module._gap([4, 1], ["c", "a"]) == (2, 3, "a", "c")
    assert files_module._gap([6, 1], ["c", "a"]) == (2, 5, "a", "c")
    assert files_module._gap([7, 1], ["c", "a"]) == ()


# ---------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<f4"])
def test_voxels_in_a_file_box_by_box(tmp_path, dtype):
    data = values((3, 4, 5), dtype)
    (tmp_path / "a").write_bytes(b"header!" + data.tobytes())
    array = FlatArray(tmp_path / "a", dtype, 7, [3.0, 4, 5])
    assert (array.shape, array.dtype) == ((3, 4, 5), np.dtype(dtype))
    for box in (np.s_[:, :, :], np.s_[1:3, 1:3, 2:4], np.s_[2:3, 3:4, 4:5], np.s_[0:1, 0:2, 0:5]):
        assert np.array_equal(array[box], data[box])
    (tmp_path / "a").write_bytes(b"header!" + data.tobytes()[:-1])
    assert np.array_equal(array[:, :3], data[:, :3])
    with pytest.raises(ValueError, match=r"^the file ends too early$"):
        array[2:, 3:]


class Broken:
    shape, dtype = (9, 4, 5), np.dtype("uint8")

    def __init__(self, error):
        self.error = error

    def __getitem__(self, box):
        raise self.error


def test_errors_of_reading_name_the_file_and_its_slices():
    array = GuardedArray(Broken(ValueError("odd.")), Path("a.tif"))
    refused(
        "a.tif: slices 2 to 5 cannot be read (odd); the file is damaged or cut short.",
        array.__getitem__,
        slice(2, 6),
    )
    for error in (AcuityError("own words"), MemoryError("much")):
        with pytest.raises(type(error), match=str(error)):
            GuardedArray(Broken(error), Path("a.tif"))[0]


def test_what_overflows_becomes_infinite():
    array = GuardedArray(np.full((1, 1, 2), 1e300), Path("a"))
    assert array.dtype == np.float32
    assert np.isinf(array[0]).all()
    whole = GuardedArray(values(dtype=">i4"), Path("a"))
    assert (whole.dtype, whole.shape) == (np.dtype("int32"), SHAPE)
    assert whole[0].dtype == np.dtype("int32")
    refused(
        "a: found the type int64, allowed are uint8, int8, uint16, int16, uint32, int32, float32.",
        GuardedArray,
        values(dtype="int64"),
        Path("a"),
    )


def test_notes_that_are_taken_up():
    source = OpenedFile(None, "TIFF", (3.0, 2.0, 1.0), "um", (9.0, 9.0, 9.0))
    notes = {
        "provenance": [{"step": "a"}],
        "intensity": "density",
        "origin": [1, 2.0, 3000],
        "unit": "nm",
    }

    def taken(said, **changed):
        found = with_notes(replace(source, **changed), said)
        return found.provenance, found.intensity, found.origin

    assert taken(notes) == (({"step": "a"},), "density", (0.001, 0.002, 3.0))
    assert taken(json.dumps(notes)) == taken(notes)
    assert taken(notes, spacing=None)[2] == (9, 9, 9)
    for nothing in ("{", "[]", "3", None, 3, {}):
        assert taken(nothing) == ((), "", (9, 9, 9))
    for change in (
        {"origin": [1, 2]},
        {"origin": [1, 2, 3, 4]},
        {"origin": [1, 2, math.inf]},
        {"origin": [1, "2", 3]},
        {"origin": "123"},
        {"unit": "furlong"},
        {"unit": None},
    ):
        assert taken(notes | change) == (({"step": "a"},), "density", (9, 9, 9))
    assert taken(notes | {"provenance": [{"step": "a"}, 3]})[0] == ()
    assert taken(notes | {"provenance": {"step": "a"}})[0] == ()
    assert taken(notes | {"intensity": 3})[1] == ""


def test_a_source_by_default():
    source = OpenedFile(None, "TIFF")
    assert (source.spacing, source.unit, source.origin) == (None, "", (0, 0, 0))
    assert (source.hint, source.intensity, source.provenance) == ("", "", ())
    assert (source.pixel, source.instrument) == (None, {})
    assert describe((2, 3), ">u2") == "2 x 3 of uint16"
    assert convert(1, "inch", "cm") == 2.54
    assert convert(1, "in", "um") == 25400


# ------------------------------------------------------------------------------------------- raw


def sidecar(tmp_path, data, **said):
    (tmp_path / "a.raw").write_bytes(data if isinstance(data, bytes) else data.tobytes())
    (tmp_path / "a.json").write_text(json.dumps(said))
    return tmp_path / "a.raw"


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
@pytest.mark.parametrize("order", ["little", "big"])
def test_raw_voxels_of_every_type(tmp_path, dtype, order):
    data = (values((2, 3, 4)) % 100).astype(np.dtype(dtype).newbyteorder("<>"[order == "big"]))
    said = {"shape": [2, 3, 4], "dtype": dtype, "byte_order": order}
    found = raw.read(sidecar(tmp_path, data, **said))
    assert np.array_equal(found.data[:, :, :], data)
    assert found.data.dtype == data.dtype
    assert (found.format, found.spacing, found.unit, found.hint) == ("raw", None, "", "")
    assert found.intensity == ""
    found = raw.read(sidecar(tmp_path, b"abc" + data.tobytes(), **said, offset=3, intensity=4))
    assert np.array_equal(found.data[:, :, :], data)
    assert found.intensity == "4"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"voxel_size": "3 2 1 nm"}, ((3, 2, 1), "nm", "")),
        ({"voxel_size": 2, "unit": "um"}, ((2, 2, 2), "um", "")),
        ({"voxel_size": [3, 2.5, 1], "unit": "um"}, ((3, 2.5, 1), "um", "")),
        ({"voxel_size": [3, 2, 1]}, (None, "", "a voxel_size of [3, 2, 1] without a unit")),
        ({"voxel_size": 7}, (None, "", "a voxel_size of 7 without a unit")),
        ({"unit": "um"}, (None, "", "")),
        ({"voxel_size": None, "unit": "um"}, (None, "", "")),
    ],
)
def test_the_voxel_size_of_a_sidecar(tmp_path, said, found):
    source = raw.read(sidecar(tmp_path, values(), shape=[*SHAPE], dtype="uint8", **said))
    assert (source.spacing, source.unit, source.hint) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [3, 4]}, "shape is [3, 4], allowed are three counts [z, y, x]."),
        ({"shape": [3, 4, 5, 1]}, "shape is [3, 4, 5, 1], allowed are three counts [z, y, x]."),
        ({"shape": [3, 0, 5]}, "shape is [3, 0, 5], allowed are three counts [z, y, x]."),
        ({"shape": [True, 12, 5]}, "shape is [True, 12, 5], allowed are three counts [z, y, x]."),
        ({"shape": "345"}, "shape is '345', allowed are three counts [z, y, x]."),
        ({"offset": -1}, "offset is -1, allowed is a number of bytes."),
        ({"offset": 1.0}, "offset is 1.0, allowed is a number of bytes."),
        ({"offset": False}, "offset is False, allowed is a number of bytes."),
        ({"dtype": "int64"}, "dtype is 'int64', allowed are uint8, int8, uint16, int16, uint32, "
         "int32, float32, float64."),
        ({"byte_order": "middle"}, "byte_order is 'middle', allowed are little and big."),
        ({"dtype": "uint16"}, "byte_order is None, allowed are little and big."),
        ({"sizes": 1}, "found the key 'sizes', allowed are shape, dtype, byte_order, voxel_size, "
         "unit, offset, intensity."),
    ],
)  # fmt: skip
def test_sidecars_refused(tmp_path, change, said):
    path = sidecar(tmp_path, values(), **{"shape": [*SHAPE], "dtype": "uint8", **change})
    refused(f"{tmp_path / 'a.json'}: {said}", raw.read, path)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ({"voxel_size": [1, "x", 2]}, "a voxel_size of [1, 'x', 2] without a unit"),
        ({"voxel_size": {"x": 1}}, "a voxel_size of {'x': 1} without a unit"),
        ({"voxel_size": [1, 2], "unit": "nm"}, "a voxel_size of [1, 2]"),
        ({"voxel_size": "1 2 nm"}, "a voxel_size of '1 2 nm'"),
        ({"voxel_size": "0 nm"}, "a voxel_size of '0 nm'"),
        ({"voxel_size": [1, "x", 2], "unit": "nm"}, "sizes of 1 x 'x' x 2 nm"),
        ({"voxel_size": [1, 0, 2], "unit": "nm"}, "sizes of 1 x 0 x 2 nm"),
        ({"voxel_size": 2, "unit": "furlong"}, "sizes of 2 x 2 x 2 in 'furlong'"),
    ],
)
def test_a_sidecars_voxel_size_that_is_none(tmp_path, said, hint):
    path = sidecar(tmp_path, values(), shape=[*SHAPE], dtype="uint8", **said)
    refused(
        f"{path}: the file carries no voxel size (it tells {hint}); state it as voxel_size, such "
        'as "10 nm" or "20 10 10 nm" (z y x).',
        read_volume,
        path,
    )
    assert read_volume(path, NM).grid.spacing == (20, 10, 10)


def test_a_raw_file_of_another_size(tmp_path):
    settings = {"shape": [*SHAPE], "dtype": "uint16", "byte_order": "big", "offset": 2}
    for size in (121, 123):
        refused(
            f"{tmp_path / 'a.raw'}: found {size} bytes where a.json asks for 122 (shape [3, 4, 5], "
            "uint16, offset 2); they must agree.",
            raw.read,
            sidecar(tmp_path, bytes(size), **settings),
        )
    assert raw.read(sidecar(tmp_path, bytes(122), **settings)).data.shape == SHAPE


def test_a_sidecar_that_says_nothing(tmp_path):
    path = sidecar(tmp_path, values(), shape=[*SHAPE])
    refused(f"{tmp_path / 'a.json'}: the key 'dtype' is missing.", raw.read, path)
    path = sidecar(tmp_path, values(), dtype="uint8")
    refused(f"{tmp_path / 'a.json'}: the key 'shape' is missing.", raw.read, path)
    (tmp_path / "a.json").write_text("[]")
    allowed = "shape, dtype, byte_order, voxel_size, unit, offset, intensity"
    refused(f"{tmp_path / 'a.json'}: holds no keys, allowed are {allowed}.", raw.read, path)
    twice = '{"shape": [3, 4, 5],\n\t"dtype": "uint8", "dtype": "uint16"}'
    for name, text, said in (
        ("a.json", "shape: [3, 4, 5]", r"not a JSON file \(.+\)"),
        ("a.json", "\xff", r"not a JSON file \(.+\)"),
        ("a.json", twice, "key 'dtype' stands 2 times; allowed is once"),
        ("a.yaml", "{", r"not a YAML file \(.+\)"),
        (
            "a.yaml",
            "shape: [3, 4, 5]\ndtype: uint8\ndtype: int8\n",
            "key 'dtype' stands in line 2 and",
        ),
    ):
        (tmp_path / "a.json").unlink(missing_ok=True)
        (tmp_path / name).write_bytes(text.encode("latin1"))
        with pytest.raises(AcuityError, match=rf"{name}: {said}"):
            raw.read(path)


# ------------------------------------------------------------------------------------------- MRC


def mrc_file(path, data, size=(2.0, 1.0, 1.5), origin=(10, 20, 30), extended=b"", axes=(1, 2, 3)):
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(data)
        file.voxel_size = size
        file.header.origin = origin
        file.set_extended_header(np.frombuffer(extended, "V1"))
        file.header.mapc, file.header.mapr, file.header.maps = axes
    return path


@pytest.mark.parametrize("extended", [0, 1, 37, 1024])
def test_mrc_behind_an_extended_header(tmp_path, extended):
    data = values((3, 4, 5), "int16")
    path = mrc_file(tmp_path / "a.mrc", data, extended=bytes(range(7)) * 200)
    path = mrc_file(tmp_path / "a.mrc", data, extended=(bytes(range(7)) * 200)[:extended])
    source = mrc.read(path)
    assert os.path.getsize(path) == 1024 + extended + data.nbytes
    assert np.array_equal(source.data[:, :, :], data)
    assert (source.format, source.spacing, source.unit) == ("MRC", (0.15, 0.1, 0.2), "nm")
    assert source.origin == (3.0, 2.0, 1.0)


def test_mrc_of_other_kinds(tmp_path):
    path = tmp_path / "a.mrc"
    flat = mrc.read(mrc_file(path, values((4, 5), "float32"), 1.2))
    assert flat.data.shape == (1, 4, 5)
    assert np.array_equal(flat.data[0], values((4, 5)))
    assert flat.spacing == (0.12, 0.12, 0.12)  # stored as 1.2000000477
    for size, told in (((2, 0, 1), "1 x 0 x 2"), ((2, 1, -1), "-1 x 1 x 2")):
        unset = mrc.read(mrc_file(path, values(dtype="int16"), size))
        assert (unset.spacing, unset.hint) == (None, f"sizes of {told} angstrom")
    odd = mrc.read(mrc_file(path, values(dtype="int16"), origin=(np.nan, 7, np.inf)))
    assert odd.origin == (0.0, 0.7, 0.0)
    mrc_file(path, values(dtype="complex64"))
    refused(
        f"{path}: found mode 4, complex numbers, a Fourier transform, allowed is one volume of real "
        "numbers (modes 0, 1, 2, 6 and 12); write its inverse with IMOD's fftrans.",
        mrc.read,
        path,
    )
    for axes in ((2, 1, 3), (1, 3, 2), (3, 2, 1)):
        mrc_file(path, values(dtype="int16"), axes=axes)
        refused(
            f"{path}: found the axes in the order {list(axes)}, allowed is x, y, z (1, 2, 3); turn "
            "it with IMOD: clip rotx, or trimvol -yz.",
            mrc.read,
            path,
        )
    mrc_file(path, values((2, 3, 4, 5), "int16"))
    refused(
        f"{path}: found a stack of volumes (space group 401), allowed is one volume; write the one "
        "that you mean with IMOD: newstack, or clip.",
        mrc.read,
        path,
    )
    for size in (0, 1023):
        path.write_bytes(bytes(size))
        refused(
            f"{path}: has {size} bytes where the header of an MRC file has 1024; it is cut short, "
            "copy it again from its source.",
            mrc.read,
            path,
        )


# ------------------------------------------------------------------------------------------ HDF5


def hdf5_file(path, datasets, **attributes):
    """Datasets by name, and attributes by the name of what they belong to."""
    path.unlink(missing_ok=True)  # it may be open
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name] = data
        for name, said in attributes.items():
            file["/" if name == "root" else name.replace("_", "/")].attrs.update(said)
    return path


def test_hdf5_datasets_of_two_and_three_axes(tmp_path):
    path = hdf5_file(tmp_path / "a.h5", {"flat": values((4, 5)), "bool": values() > 100})
    flat = hdf5.read(path, "flat").data
    assert (flat.shape, flat.dtype) == ((1, 4, 5), np.uint8)
    assert np.array_equal(flat[:, 1:3, 2:5], values((4, 5))[None, 1:3, 2:5])
    # of three axes before two; two where there is but one
    assert hdf5.read(path, None).data.shape == SHAPE
    assert hdf5.read(hdf5_file(path, {"a": values((4, 5))}), None).data.shape == (1, 4, 5)
    assert hdf5.read(path, "a").format == "HDF5"
    held = hdf5.read(path, "a").data
    file = held._values.file
    assert file
    del held
    gc.collect()
    assert not file


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (values((5,)), "found 1 axes of uint8, allowed are three axes (z, y, x) of numbers."),
        (values((1,) * 7), "found 7 axes of uint8, allowed are three axes (z, y, x) of numbers."),
        (values((2, 2, 2, 2)), "found 4 axes with the lengths (2, 2, 2, 2), allowed are three (z, y, "
         "x) and further ones of length one; write the one channel or time point that you mean to a "
         "file of its own."),
        (values(dtype="complex64"), "found 3 axes of complex64, allowed are three axes (z, y, x) of "
         "numbers."),
    ],
)  # fmt: skip
def test_hdf5_datasets_refused(tmp_path, data, said):
    path = hdf5_file(tmp_path / "a.h5", {"x": data})
    for name in ("x", "/x"):
        refused(f"{path}:{name}: {said}", hdf5.read, path, name)


def test_hdf5_datasets_to_choose_from(tmp_path):
    path = tmp_path / "a.h5"
    many = {f"d{n}": values((2, 2, 2)) for n in range(8)} | {"flat": values((2, 2))}
    for count, more in ((2, ""), (6, ""), (7, " and 1 more"), (8, " and 2 more")):
        hdf5_file(path, dict(list(many.items())[:count]))
        listed = ", ".join(f"/d{n}" for n in range(min(count, 6))) + more
        refused(
            f"{path}: found {count} datasets that could be meant: {listed}; name one, as in "
            "a.h5:/path/to/data.",
            hdf5.read,
            path,
            None,
        )
    hdf5_file(path, many)
    listed = "/d0, /d1, /d2, /d3, /d4, /d5 and 3 more"
    refused(f"{path}: has no dataset 'no', there are {listed}.", hdf5.read, path, "no")
    hdf5_file(path, {"g/a": values((2, 2)), "g/b": values((2, 2)), "c": values((9,))})
    refused(
        f"{path}: found 2 datasets that could be meant: /g/a, /g/b; name one, as in "
        "a.h5:/path/to/data.",
        hdf5.read,
        path,
        None,
    )
    refused(f"{path}: has no dataset 'g', there are /g/a, /g/b.", hdf5.read, path, "g")
    hdf5_file(path, {"c": values((9,)), "d": "text"})
    refused(
        f"{path}: found 0 datasets that could be meant, allowed is one with three axes (z, y, x) of "
        "numbers.",
        hdf5.read,
        path,
        None,
    )
    refused(f"{path}: has no dataset 'g', there are none with three axes.", hdf5.read, path, "g")
    path.write_bytes(b"")
    with pytest.raises(AcuityError) as error:
        hdf5.read(path, None)
    assert str(error.value).startswith(f"{path}: cannot be opened as HDF5 (")
    assert str(error.value).endswith("); it may be cut short, copy it again from its source.")


def test_hdf5_that_is_refused_is_closed(tmp_path):
    path = hdf5_file(tmp_path / "a.h5", {"c": values((9,))})
    with pytest.raises(AcuityError):
        hdf5.read(path, None)
    with h5py.File(path, "a", locking=True):
        pass


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"g_d": {"element_size_um": [3.0, 2.0, 1.0], "voxel_size": "9 nm"}}, ((3, 2, 1), "um", "")),
        ({"g_d": {"voxel_size": "3 2 1 nm"}, "g": {"element_size_um": 7}}, ((3, 2, 1), "nm", "")),
        ({"g": {"voxel_size": b"4 nm"}, "root": {"voxel_size": "5 nm"}}, ((4, 4, 4), "nm", "")),
        ({"root": {"element_size_um": 5}}, ((5, 5, 5), "um", "")),
        ({"g_d": {"voxel_size": [3, 2, 1], "voxel_size_unit": "nm", "unit": "mm", "units": "m"}},
         ((3, 2, 1), "nm", "")),
        ({"g_d": {"voxel_size": 2.5, "voxel_size_unit": "?", "unit": b"mm", "units": "m"}},
         ((2.5, 2.5, 2.5), "mm", "")),
        ({"g_d": {"voxel_size": 2.5, "units": "um"}}, ((2.5, 2.5, 2.5), "um", "")),
        ({"g_d": {"voxel_size": 2.5}, "g": {"unit": "um"}},
         (None, "", "a voxel_size of 2.5 without a unit")),
        ({"g_d": {"unit": "um"}}, (None, "", "")),
    ],
)  # fmt: skip
def test_hdf5_voxel_sizes(tmp_path, attributes, found):
    source = hdf5.read(hdf5_file(tmp_path / "a.h5", {"g/d": values()}, **attributes), None)
    assert (source.spacing, source.unit, source.hint) == found


def test_hdf5_voxel_sizes_of_one_slice_and_of_two_numbers(tmp_path):
    said = {"d": {"element_size_um": [3.0, 2.0, 1.0]}}
    flat = hdf5.read(hdf5_file(tmp_path / "a.h5", {"d": values((4, 5))}, **said), None)
    assert flat.spacing == (1, 2, 1)
    thick = hdf5.read(hdf5_file(tmp_path / "b.h5", {"d": values((1, 4, 5))}, **said), None)
    assert thick.spacing == (3, 2, 1)
    without = hdf5.read(hdf5_file(tmp_path / "c.h5", {"d": values((4, 5))}), None)
    assert without.spacing is None
    pair = hdf5_file(tmp_path / "d.h5", {"d": values((4, 5))}, d={"element_size_um": [3.0, 2.0]})
    assert hdf5.read(pair, None).spacing == (2, 3, 2)
    for said, hint in (
        ({"element_size_um": [3.0, 2.0]}, "element_size_um = [3. 2.], which is no voxel size of three "
         "numbers (z, y, x)"),
        ({"element_size_um": [0.0, 0.0, 0.0]}, "element_size_um = [0. 0. 0.], which is no voxel size "
         "of three numbers (z, y, x)"),
        ({"voxel_size": "nm"}, "attribute voxel_size: found 'nm', a voxel size is one number or three "
         '(z y x) and a unit, such as "10 nm" or "20 10 10 nm"'),
    ):  # fmt: skip
        path = hdf5_file(tmp_path / "e.h5", {"d": values()}, d=said)
        source = hdf5.read(path, None)
        assert (source.spacing, source.hint) == (None, hint)
        refused(
            f"{path}: the file carries no voxel size (it tells {hint}); state it as voxel_size, "
            'such as "10 nm" or "20 10 10 nm" (z y x).',
            read_volume,
            path,
        )
        assert read_volume(path, NM).grid.spacing == (20, 10, 10)


# ------------------------------------------------------------------------------------------ Zarr


def ome(path, data, axes="zyx", steps=(), units="nm nm nm", image_steps=(), **said):
    group = zarr.open_group(LocalStore(path), mode="w", zarr_format=2)
    group.create_array("a", data=data, chunks=data.shape)
    names = dict(zip("zyx"[-len(units.split()) :], units.split(), strict=True))
    image = {
        "axes": [
            {"name": axis} | ({"unit": names[axis]} if names.get(axis, "-") != "-" else {})
            for axis in axes
        ],
        "datasets": [{"path": "a", "coordinateTransformations": list(steps)}],
        "coordinateTransformations": list(image_steps),
        "version": "0.4",
    }
    group.attrs.update({"multiscales": [image]} | said)
    return path


def scale(*sizes):
    return {"type": "scale", "scale": list(sizes)}


def shift(*places):
    return {"type": "translation", "translation": list(places)}


def told(path):
    source = omezarr.read(path)
    return source.spacing, source.unit, source.origin, source.hint


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ({"steps": [scale(4, 2, 1), shift(1, 2, 3)]}, ((4, 2, 1), "nm", (1, 2, 3), "")),
        ({"steps": [shift(1, 2, 3), scale(4, 2, 1)]}, ((4, 2, 1), "nm", (4, 4, 3), "")),
        ({"steps": [scale(4, 2, 1), shift(1, 2, 3), shift(1, 1, 1)], "image_steps": [scale(2, 3, 5)]},
         ((8, 6, 5), "nm", (4, 9, 20), "")),
        ({"steps": [{"type": "identity"}, scale(4, 2, 1)]}, ((4, 2, 1), "nm", (0, 0, 0), "")),
        ({"image_steps": [scale(4, 2, 1)]}, ((4, 2, 1), "nm", (0, 0, 0), "")),
        ({"steps": [shift(1, 2, 3)]}, (None, "", (0, 0, 0), "")),
        ({"steps": [scale(4, 2, 1), shift(1, 2, 3)], "units": "um mm nm"},
         ((4000, 2e6, 1), "nm", (1000, 2e6, 3), "")),
        ({"steps": [scale(4, 2, 1)], "units": "um - nm"},
         (None, "", (0, 0, 0), "sizes of 4 x 2 x 1 without a unit along y")),
        ({"steps": [scale(4, 0, 1)]}, (None, "", (0, 0, 0), "sizes of 4 x 0 x 1")),
        ({"steps": [scale(4, -2, 1)]}, (None, "", (0, 0, 0), "sizes of 4 x -2 x 1")),
    ],
)  # fmt: skip
def test_transformations_of_ome_zarr(tmp_path, steps, found):
    assert told(ome(tmp_path / "a.zarr", values(), **steps)) == found


def test_axes_of_ome_zarr(tmp_path):
    path = tmp_path / "a.zarr"
    data = values((3, 1, 4, 5))
    source = omezarr.read(ome(path, data, "zcyx", [scale(4, 7, 2, 1), shift(1, 9, 2, 3)]))
    assert (source.spacing, source.origin) == ((4, 2, 1), (1, 2, 3))
    assert (source.data.shape, source.data.dtype, source.format) == (SHAPE, "uint8", "OME-Zarr 0.4")
    assert np.array_equal(source.data[1:3, 2:4, 1:5], data[1:3, 0, 2:4, 1:5])
    flat = ome(path, values((4, 5)), "yx", [scale(2, 3), shift(7, 8)], "um nm")
    assert told(flat) == ((3, 2000, 3), "nm", (0, 7000, 8), "")
    assert np.array_equal(omezarr.read(flat).data[:, 1:3, :], values((4, 5))[None, 1:3])
    turned = omezarr.read(ome(path, values(), "xyz", [scale(1, 2, 4), shift(3, 2, 1)], "um nm nm"))
    assert (turned.spacing, turned.unit, turned.origin) == ((4000, 2, 1), "nm", (1000, 2, 3))
    assert turned.data.shape == SHAPE[::-1]
    assert np.array_equal(turned.data[1:4, 0:3, 1:3], values().transpose()[1:4, 0:3, 1:3])
    assert turned.notes == {"axes": "x y z in the file, brought to z y x"}


def test_ome_zarr_refused_in_full(tmp_path):
    path = tmp_path / "a.zarr"
    for axes, said in (
        ("yx", "found 3 axes in the array and ['y', 'x'] in its text."),
        ("czx", "found the axes c, z, x, allowed are z, y, x, and c (channels) and t (time points) of "
         "length one."),
        ("zyy", "found the axes z, y, y, allowed are z, y, x, and c (channels) and t (time points) of "
         "length one."),
        ("cyx", "found 3 channels (axis 'c'), allowed is one; write the one that you mean to a file of "
         "its own."),
        ("tyx", "found 3 time points (axis 't'), allowed is one; write the one that you mean to a file "
         "of its own."),
    ):  # fmt: skip
        refused(f"{path}: {said}", omezarr.read, ome(path, values(), axes))
    refused(
        f"{path}: found a transformation 'affine', allowed are scale and translation.",
        omezarr.read,
        ome(path, values(), steps=[{"type": "affine"}]),
    )
    refused(
        f"{path}: found 2 images in its OME metadata (multiscales), allowed is one.",
        omezarr.read,
        ome(path, values(), multiscales=[{"version": "0.4"}] * 2),
    )
    refused(
        f"{path}: is a Zarr without OME metadata of an image (multiscales), so its axes and voxel size "
        "are not known; write it as OME-Zarr 0.4 or 0.5, as with ome-zarr-py.",
        omezarr.read,
        ome(path, values(), multiscales=[]),
    )
    refused(
        f"{path}: found OME-Zarr 0.3, allowed are 0.4 and 0.5; write it again with a newer version of "
        "its program, or open it in napari or Fiji and save it as OME-TIFF.",
        omezarr.read,
        ome(path, values(), multiscales=[{"version": "0.3"}]),
    )
    with pytest.raises(AcuityError) as error:
        omezarr.read(ome(path, values(), multiscales=[{"version": "0.5"}]))
    assert str(error.value).startswith(f"{path}: its OME metadata or array cannot be read (")
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(AcuityError) as error:
        omezarr.read(tmp_path / "b.zarr")
    said = f"{tmp_path / 'b.zarr'}: cannot be opened as an OME-Zarr image ("
    assert str(error.value).startswith(said)
    assert str(error.value).endswith("); it may be incomplete.")
    for mark in ("zarr.json", ".zgroup", ".zattrs", ".zarray"):
        folder = tmp_path / mark.strip(".")
        folder.mkdir()
        assert not omezarr.is_zarr(folder)
        (folder / mark).write_text("")
        assert omezarr.is_zarr(folder)


# ------------------------------------------------------------------------------------------ TIFF


def directories(order, version, count, *, last=0):
    """A TIFF of `count` directories with two empty entries each, and where they begin."""
    mark = {"<": b"II", ">": b"MM"}[order]
    short, entry, pointer = ("H", 12, "I") if version == 42 else ("Q", 20, "Q")
    head = mark + struct.pack(order + "H", version)
    head += struct.pack(order + "HH", 8, 0) if version == 43 else b""
    size = struct.calcsize(order + short) + 2 * entry + struct.calcsize(order + pointer)
    first = len(head) + struct.calcsize(order + pointer)
    places = [first + n * size for n in range(count)]
    text = head + struct.pack(order + pointer, places[0] if count else 0)
    for after in [*places[1:], last][:count]:
        text += struct.pack(order + short, 2) + bytes(2 * entry)
        text += struct.pack(order + pointer, after)
    return text, places


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [42, 43])
def test_pages_are_counted_to_the_end(tmp_path, order, version):
    path = tmp_path / "a.tif"
    for count in (1, 2, 5):
        path.write_bytes(directories(order, version, count)[0])
        assert tiff.count_pages(path) == count
    text, places = directories(order, version, 3)
    for size in range(2, len(text)):
        path.write_bytes(text[:size])
        # a directory counts when the place of the next one is there
        pages = sum(size >= place for place in places[1:])
        refused(
            f"{path}: the TIFF is cut short after {pages} pages at {size} bytes; copy it again "
            "from its source.",
            tiff.count_pages,
            path,
        )
    path.write_bytes(directories(order, version, 3, last=places[1])[0])
    refused(f"{path}: the TIFF's directories form a ring; it is damaged.", tiff.count_pages, path)
    path.write_bytes(directories(order, version, 0)[0])
    refused(f"{path}: the TIFF holds no image.", tiff.count_pages, path)


def test_what_is_no_tiff(tmp_path):
    path = tmp_path / "a.tif"
    for text in (b"", b"I", b"IIII", b"MM*\0....", b"II\x29\0....", b"II\x2c\0........"):
        path.write_bytes(text)
        refused(
            f"{path}: is no TIFF file, whatever its name says; give it the ending of its own format, or "
            "copy it again from its source.",
            tiff.count_pages,
            path,
        )


def tif(path, data=None, **options):
    data = values() if data is None else data
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    return path


def sizes(path):
    source = tiff.read(path)
    return source.spacing, source.unit, source.hint, source.pixel


def tag_size(resolution, unit):
    """What `_tag_size` gives of a page whose pixels are squares of so many in a unit."""
    ratio = Fraction(resolution).limit_denominator(2**20)
    tags = {"ResolutionUnit": SimpleNamespace(value=unit)} | dict.fromkeys(
        ("XResolution", "YResolution"), SimpleNamespace(value=(ratio.numerator, ratio.denominator))
    )

    class Tags(dict):
        def valueof(self, key, default=None):
            return self[key].value if key in self else default

    return tiff._tag_size(SimpleNamespace(tags=Tags(tags)))


# In inch and cm all up to 330 dots an inch, then whole multiples of what printers and screens have.
PRINTERS = [1, 64, 72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 300, 329.9]
PRINTERS += [350, 360, 384, 400, 600, 720, 1200, 1250, 1800, 2400, 3200, 4800, 9600]
# The next ones that are none, on both sides.
SAMPLES = [330.5, 349, 351, 361, 383, 401, 599, 601, 1249, 1251, 1300, 1440, 1799, 1801, 9599]
SAMPLES += [9601, 9720, 10200, 12000, 25400, 254000]


@pytest.mark.parametrize("dpi", PRINTERS)
def test_resolutions_of_printers(dpi):
    for unit, factor in ((2, 1), (3, 1 / 2.54)):
        said = f"{dpi:.3g} dots an inch, which is meant for a printer or a screen"
        for near in (dpi, dpi + 0.019, dpi - 0.019):
            sizes, found, hint = tag_size(near * factor, unit)
            assert (sizes, found) == ((None, None, None), "")
            assert hint == said.replace(f"{dpi:.3g}", f"{near:.3g}")
        assert tag_size(dpi, 1) == ((None, None, None), "", "")
    # of 330 and less none is a sample's; beyond, those beside a multiple are
    for other in (dpi - 0.021, dpi + 0.021, dpi + 0.5):
        sizes, found, hint = tag_size(other, 2)
        if other <= 330:
            assert hint.endswith(" dots an inch, which is meant for a printer or a screen")
            assert (sizes, found) == ((None, None, None), "")
        else:
            assert (sizes[0], found, hint) == (None, "inch", "")
            assert sizes[1] == sizes[2] == pytest.approx(1 / other, rel=1e-6)


@pytest.mark.parametrize("dpi", SAMPLES)
def test_resolutions_that_are_those_of_a_sample(dpi):
    for unit, name, factor in ((2, "inch", 1), (3, "cm", 1 / 2.54)):
        sizes, found, hint = tag_size(dpi * factor, unit)
        assert (sizes[0], found, hint) == (None, name, "")
        assert sizes[1] == sizes[2] == pytest.approx(1 / (dpi * factor), rel=1e-6)


def test_resolutions_of_printers_as_they_are_rounded():
    # 37.8, 28.3 and 118 pixels a cm are 96, 72 and 300 dots an inch; 236 a cm are 600
    for written, dots in ((37.8, "96"), (28.3, "71.9"), (118, "300"), (236, "599"), (236.2, "600")):
        said = f"{dots} dots an inch, which is meant for a printer or a screen"
        assert tag_size(written, 3) == ((None, None, None), "", said)
    assert tag_size(237, 3)[1] == "cm"
    assert tag_size(236.4, 3)[1] == "cm"
    # in mm and um only what is met exactly
    for dpi, meant in (
        *((72, True), (96, True), (144, True), (288, True), (300, True), (600, True)),
        *((70, False), (73, False), (95.9, False), (299, False), (299.9, False), (648, False)),
    ):
        for unit, name, factor in ((4, "mm", 25.4), (5, "um", 25400)):
            _, found, hint = tag_size(dpi / factor, unit)
            assert (found, bool(hint)) == (("", True) if meant else (name, False))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, (None, "", "", None)),
        ({"resolution": (5, 4), "resolutionunit": "NONE"}, (None, "", "", None)),
        ({"resolution": (25400, 12700), "resolutionunit": "INCH"},
         (None, "inch", "pixels of 7.87402e-05 x 3.93701e-05 inch and no distance between slices",
          (7.87401575e-05, 3.93700787e-05))),
        ({"resolution": (5000, 4000), "resolutionunit": "CENTIMETER"},
         (None, "cm", "pixels of 0.00025 x 0.0002 cm and no distance between slices",
          (0.00025, 0.0002))),
        ({"resolution": (3000, 7000), "resolutionunit": "CENTIMETER"},
         (None, "cm", "pixels of 0.000142857 x 0.000333333 cm and no distance between slices",
          (0.000142857143, 0.000333333333))),
        ({"resolution": (5, 4), "resolutionunit": "MILLIMETER"},
         (None, "mm", "pixels of 0.25 x 0.2 mm and no distance between slices", (0.25, 0.2))),
        ({"resolution": (5, 4), "resolutionunit": "CENTIMETER"},
         (None, "", "12.7 dots an inch, which is meant for a printer or a screen", None)),
        ({"resolution": (5, 0.25), "resolutionunit": "MICROMETER"},
         (None, "um", "pixels of 4 x 0.2 um and no distance between slices", (4, 0.2))),
        ({"resolution": ((0, 1), (4, 1)), "resolutionunit": "CENTIMETER"}, (None, "", "", None)),
        ({"resolution": ((4, 1), (0, 1)), "resolutionunit": "CENTIMETER"}, (None, "", "", None)),
    ],
)  # fmt: skip
def test_sizes_by_tags(tmp_path, options, found):
    assert sizes(tif(tmp_path / "a.tif", **options)) == found


def test_a_single_image_is_as_thick_as_its_pixel_is_wide(tmp_path):
    options = {"resolution": (5, 4), "resolutionunit": "MILLIMETER"}
    found = sizes(tif(tmp_path / "a.tif", values((4, 5)), **options))
    assert found == ((0.2, 0.25, 0.2), "mm", "", (0.25, 0.2))
    grid = read_volume(tmp_path / "a.tif").grid
    assert (grid.spacing, grid.unit) == ((0.2, 0.25, 0.2), "mm")


def imagej(path, data=None, resolution=(5, 4), **said):
    metadata = {"axes": "ZYX", "unit": "um", "spacing": 0.3} | said
    metadata = {key: value for key, value in metadata.items() if value is not None}
    return tif(path, data, imagej=True, resolution=resolution, metadata=metadata)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, ((0.3, 0.25, 0.2), "um", "", (0.25, 0.2))),
        ({"unit": "micron"}, ((0.3, 0.25, 0.2), "micron", "", (0.25, 0.2))),
        ({"unit": "furlong"}, (None, "", "a size in 'furlong'", None)),
        ({"unit": None}, (None, "", "", None)),
        ({"spacing": 0}, (None, "um", "pixels of 0.25 x 0.2 um and no distance between slices",
                          (0.25, 0.2))),
        # as ImageJ takes it
        ({"spacing": -3}, ((3.0, 0.25, 0.2), "um", "", (0.25, 0.2))),
        ({"spacing": "far"}, (None, "um", "pixels of 0.25 x 0.2 um and no distance between slices, "
                              "and a spacing of 'far'", (0.25, 0.2))),
        ({"spacing": 2}, ((2.0, 0.25, 0.2), "um", "", (0.25, 0.2))),
    ],
)  # fmt: skip
def test_sizes_by_imagej(tmp_path, said, found):
    assert sizes(imagej(tmp_path / "a.tif", **said)) == found


def test_an_imagej_tiff_without_a_resolution(tmp_path):
    path = imagej(tmp_path / "a.tif", resolution=None)
    spacing, _, hint, pixel = sizes(path)
    # 1 by default, in the unit that is told
    assert (spacing, hint, pixel) in [((0.3, 1.0, 1.0), "", (1.0, 1.0)), (None, "", None)]


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ({}, (0, 0, 0)),
        ({"zorigin": 2.0, "yorigin": -3.0, "xorigin": 1 / 3}, (-0.6, 0.75, -0.0666666666667)),
        ({"xorigin": 0.0}, (0, 0, 0)),
        ({"xorigin": "?"}, (0, 0, 0)),
        ({"xorigin": math.nan, "yorigin": 3.0}, (0, 0, 0)),
    ],
)
def test_the_origin_by_imagej(tmp_path, said, origin):
    found = tiff.read(imagej(tmp_path / "a.tif", **said)).origin
    assert repr(found) == repr(tuple(map(float, origin)))


def test_an_imagej_stack_without_spacing_keeps_its_place(tmp_path):
    assert tiff.read(imagej(tmp_path / "a.tif", spacing=0, xorigin=5.0)).origin == (0, 0, 0)


OME = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels {}/></Image>'
    "</OME>"
)


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        ("", ((None, None, None), "", "")),
        ('PhysicalSizeX="2" PhysicalSizeY="3" PhysicalSizeZ="4"', ((4, 3, 2), "um", "")),
        ('PhysicalSizeX="2" PhysicalSizeXUnit="nm" PhysicalSizeY="3" PhysicalSizeZ="4"',
         ((4000, 3000, 2), "nm", "")),
        ('PhysicalSizeY="3" PhysicalSizeYUnit="mm" PhysicalSizeZ="4"', ((None, None, None), "", "")),
        ('PhysicalSizeX="2" PhysicalSizeY="3" PhysicalSizeYUnit="mm"', ((None, 3000, 2), "um", "")),
        ('PhysicalSizeX="2" PhysicalSizeXUnit="furlong"',
         ((None, None, None), "", "a size in 'furlong'")),
    ],
)  # fmt: skip
def test_sizes_by_ome(pixels, found):
    assert tiff._ome_size(ElementTree.fromstring(OME.format(pixels))) == found


def test_ome_metadata_that_is_none():
    def ome(text, is_ome=True):
        return tiff._ome(Path("a.tif"), SimpleNamespace(is_ome=is_ome, ome_metadata=text))

    assert ome(OME.format("")).find(".//{*}Pixels") is not None
    assert ome(OME.format(""), is_ome=False) is None
    assert ome("<OME/>") is None
    for text in (None, "", "<OME>"):
        with pytest.raises(
            AcuityError, match=r"^a\.tif: its OME metadata cannot be read \(.+\)\.$"
        ):
            ome(text)

    def note(text):
        return tiff._ome_notes(ElementTree.fromstring(text))

    assert note("<OME/>") is None
    annotation = '<OME xmlns="o"><CommentAnnotation Namespace="{}"><Value>v</Value></CommentAnnotation></OME>'
    assert note(annotation.format("acuity")) == "v"
    assert note(annotation.format("other")) is None


def palette(red, green=None, blue=None):
    """A page with a palette; each colour from 0 to 1 at 256 places."""
    page = SimpleNamespace(samplesperpixel=1, photometric=tifffile.PHOTOMETRIC.PALETTE)
    colours = [red, red if green is None else green, red if blue is None else blue]
    page.colormap = np.round(np.array(colours) * 65535).astype(np.uint16)
    return page


def test_palettes_of_grey():
    ramp = np.linspace(0, 1, 256)
    assert tiff._grey(palette(ramp))
    for channel in (1, 2):
        # colours for annotations: less than 15 per cent
        for coloured, grey in ((38, True), (39, False)):
            colours = [ramp.copy(), ramp.copy(), ramp.copy()]
            colours[channel][:coloured] = 0.75
            assert tiff._grey(palette(*colours)) == grey
    for off, grey in ((0.0624, True), (0.0627, False)):
        for sign in (1, -1):
            odd = ramp.copy()
            odd[128] += sign * off
            assert tiff._grey(palette(odd)) == grey
    two = palette(ramp)
    two.samplesperpixel = 2
    assert not tiff._grey(two)
    without = palette(ramp)
    without.colormap = None
    assert not tiff._grey(without)


@pytest.mark.parametrize(
    ("photometric", "samples", "grey"),
    [("MINISBLACK", 1, True), ("MINISWHITE", 1, True), ("MINISBLACK", 3, False), ("RGB", 1, False)],
)
def test_grey_and_colour(photometric, samples, grey):
    page = SimpleNamespace(samplesperpixel=samples, photometric=tifffile.PHOTOMETRIC[photometric])
    assert tiff._grey(page) == grey


def test_colours_are_refused_in_full(tmp_path):
    ramp = np.arange(256, dtype=np.uint16) * 257
    path = tmp_path / "a.tif"
    said = (
        f"{path}: found a colour image ({{}}), allowed is one grey value a pixel; convert it, in Fiji "
        "with Image > Type > 8-bit."
    )
    tifffile.imwrite(path, values((4, 5)), photometric="palette", colormap=[ramp] * 3)
    assert np.array_equal(tiff.read(path).data[0], values((4, 5)))
    colours = [ramp, ramp, ramp[::-1]]
    tifffile.imwrite(path, values((4, 5)), photometric="palette", colormap=colours)
    refused(said.format("1 samples a pixel, palette"), tiff.read, path)
    tifffile.imwrite(path, values((4, 5, 3)), photometric="rgb")
    refused(said.format("3 samples a pixel, rgb"), tiff.read, path)
    tifffile.imwrite(path, values((4, 5, 2)), photometric="minisblack", planarconfig="contig")
    refused(
        f"{path}: found 2 values a pixel (channels, or slices that were written as such), allowed is one "
        "grey value a pixel; open it in Fiji with File > Import > Bio-Formats, and save the stack with "
        "File > Save As > Tiff.",
        tiff.read,
        path,
    )


def test_stacks_of_pages_that_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for image in (values((4, 5)), values((4, 5)), values((4, 6))):
            file.write(image, metadata=None, contiguous=False)
    said = "page 2 is 4 x 6 of uint8 where page 0 is 4 x 5 of uint8; all slices must be alike."
    refused(f"{path}: {said}", tiff.read, path)
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(values((2, 4, 5)), metadata={"axes": "ZYX"})
        file.write(values((3, 4, 5)), metadata={"axes": "ZYX"})
    refused(
        f"{path}: holds 2 images, allowed is one; save the one that you mean as a file of its own.",
        tiff.read,
        path,
    )
    remedy = (
        "allowed is one stack of slices (z, y, x); where they are slices, say so in Fiji with "
        "Image > Properties."
    )
    for axes, shape, found in (
        ("TYX", SHAPE, "3 time points"),
        ("CYX", SHAPE, "3 channels"),
        ("TZYX", (2, 3, 4, 5), "2 time points"),
        ("ZCYX", (3, 2, 4, 5), "2 channels"),
    ):
        refused(
            f"{path}: found {found}, {remedy}", tiff.read, imagej(path, values(shape), axes=axes)
        )
    assert tiff.read(imagej(path, values((1, 3, 4, 5)), axes="TZYX")).data.shape == SHAPE
    assert tiff.read(imagej(path, values((3, 1, 4, 5)), axes="ZCYX")).data.shape == SHAPE


def test_a_stack_cut_short(tmp_path):
    data = values((3, 40, 50))
    for options in ({}, {"compression": "deflate"}, {"byteorder": ">"}):
        path = tif(tmp_path / "a.tif", data.astype("u2"), **options)
        with tifffile.TiffFile(path) as file:
            last = file.pages[2]
            end = max(np.add(last.dataoffsets, last.databytecounts))
        size = os.path.getsize(path)
        text = path.read_bytes()
        assert np.array_equal(tiff.read(path).data[:, :, :], data)
        if end < size:
            continue
        assert end == size
        path.write_bytes(text[:-1])
        refused(
            f"{path}: the TIFF is cut short: {size} bytes are needed, {size - 1} are there; copy "
            "it again from its source.",
            tiff.read,
            path,
        )


def test_pages_one_by_one(tmp_path):
    data = values((3, 4, 5), ">u2")
    source = tiff.read(tif(tmp_path / "a.tif", data, byteorder=">", compression="deflate"))
    assert isinstance(source.data, tiff.PagesArray)
    assert np.array_equal(source.data[1:3, 1:3, 2:5], data[1:3, 1:3, 2:5])
    assert source.format == "TIFF"
    flat = tiff.read(tif(tmp_path / "b.tif", data, byteorder=">", bigtiff=True))
    assert isinstance(flat.data, FlatArray)
    assert np.array_equal(flat.data[1:3, 1:3, 2:5], data[1:3, 1:3, 2:5])
    assert flat.format == "BigTIFF"


# -------------------------------------------------------------------------- folders, lists, slices


def test_the_order_of_names():
    assert files_module.natural_key("S12b3") == [
        (1, 0, "s"),
        (0, 12, ""),
        (1, 0, "b"),
        (0, 3, ""),
        (2, 0, "S12b3"),
    ]
    names = ["-2", "1", "a1", "a2", "a10", "a_-10", "a_-9", "a_1", "b"]
    assert sorted(names[::-1], key=files_module.natural_key) == names


def test_folders_of_slices(tmp_path):
    data = values((11, 4, 5), "uint16")
    for number, image in enumerate(data):
        tif(tmp_path / f"s{number}.{'TIF' if number % 2 else 'tiff'}", image, byteorder=">")
    (tmp_path / ".s11.tif").write_text("")
    (tmp_path / "s.txt").write_text("")
    source = tiff_folder.read(tmp_path)
    assert (source.format, source.data.shape) == ("TIFF folder", (11, 4, 5))
    assert source.data.dtype == np.dtype("uint16")
    assert source.data.dtype.isnative
    assert np.array_equal(source.data[2:11, 1:3, 2:5], data[2:11, 1:3, 2:5])
    listed = tiff_folder.read([tmp_path / "s2.tiff", tmp_path / "s1.TIF"])
    assert listed.format == "TIFF list"
    assert np.array_equal(listed.data[:, :, :], data[[2, 1]])


def sliced(path, size=0.0002, shape=(4, 5), dtype="uint8", unit="CENTIMETER", wide=None):
    options = {}
    if size:
        options = {"resolution": (1 / (wide or size), 1 / size), "resolutionunit": unit}
    return tif(path, values(shape, dtype), **options)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"shape": (4, 6)}, "this slice is 4 x 6 of uint8 where the first one is 4 x 5 of uint8; "
         "all slices must be alike."),
        ({"dtype": "uint16"}, "this slice is 4 x 5 of uint16 where the first one is 4 x 5 of uint8; "
         "all slices must be alike."),
        ({"shape": (2, 4, 5)}, "holds 2 slices, allowed in a folder of slices is one image a file; name a stack by its own path."),
        ({"size": 0.00020099}, None),
        ({"size": 0.00019901}, None),
        ({"size": 0.00020101}, "this slice has pixels of 0.00020101 cm where the first one has 0.0002 cm; all "
         "slices must be of one magnification."),
        ({"size": 0.00019899}, "this slice has pixels of 0.00019899 cm where the first one has 0.0002 cm; all "
         "slices must be of one magnification."),
        ({"wide": 0.000202}, "this slice has pixels of 0.0002 x 0.000202 cm where the first one has 0.0002 cm; "
         "all slices must be of one magnification."),
        ({"size": 0.0002 / 2.54, "unit": "INCH"}, None),
        ({"size": None}, None),
    ],
)  # fmt: skip
def test_slices_that_go_together(tmp_path, second, said):
    first, other = sliced(tmp_path / "a.tif"), sliced(tmp_path / "b.tif", **second)
    if said is None:
        found = tiff_folder.read([first, other])
        assert found.pixel == (0.0002, 0.0002)
        assert (found.spacing, found.unit) == (None, "cm")
        assert found.hint == "pixels of 0.0002 cm and no distance between slices"
        tiff_folder.read([first, first, other])
    else:
        refused(f"{other}: {said}", tiff_folder.read, [first, other])
        refused(f"{other}: {said}", tiff_folder.read, [first, first, other])
        # and of a file that has changed since
        array = tiff_folder.read([first, first, first]).data
        array._files = [first, other, other]
        refused(f"{other}: {said}", array.__getitem__, slice(1, 2))
        assert array[0:1].shape == (1, 4, 5)


def test_one_slice_and_none(tmp_path):
    found = tiff_folder.read([sliced(tmp_path / "a.tif")])
    assert (found.spacing, found.hint, found.instrument) == ((0.0002, 0.0002, 0.0002), "", {})
    plain = sliced(tmp_path / "b.tif", None)
    assert tiff_folder.read([plain, plain]).hint == ""
    refused("slices: the list names no file, allowed is at least one.", tiff_folder.read, [])
    (tmp_path / "x").mkdir()
    refused(
        f"{tmp_path / 'x'}: found no images (.tif, .tiff, .png, .jpg, .jpeg, .bmp) and no "
        "OME-Zarr in this folder.",
        tiff_folder.read,
        tmp_path / "x",
    )
    for name in ("no.tif", "a.gif"):
        (tmp_path / "a.gif").write_text("")
        refused(
            f"{tmp_path / name}: is no image (.tif, .tiff, .png, .jpg, .jpeg, .bmp) that could be "
            "read.",
            tiff_folder.read,
            [plain, tmp_path / name],
        )


def test_a_slice_that_is_not_finite(tmp_path):
    image = np.ones((4, 5), np.float32)
    first = tif(tmp_path / "a.tif", image)
    image[2, 3] = np.nan
    second = tif(tmp_path / "b.tif", image)
    data = tiff_folder.read([first, second]).data
    assert data[0].shape == (4, 5)
    with pytest.raises(AcuityError, match=r"b\.tif"):
        data[:]


# ------------------------------------------------------------------------------------------ volume


def flat(path, size=(0.3, 0.2, 0.1), unit="um", shape=SHAPE, **said):
    """A volume of HDF5, with an origin by none."""
    attributes = {} if size is None else {"voxel_size": list(size), "unit": unit}
    return hdf5_file(path, {"d": values(shape)}, d=attributes | said)


@pytest.mark.parametrize(
    ("unit", "size", "spacing", "to"),
    [
        ("nm", (0.01, 1, 1), (0.01, 1, 1), "nm"),
        ("mm", (5000, 1, 1), (5000, 1, 1), "mm"),
        ("angstrom", (2, 3, 4), (0.2, 0.3, 0.4), "nm"),
        ("angstrom", (999, 3000, 4000), (99.9, 300, 400), "nm"),
        ("angstrom", (1000, 3000, 4000), (0.1, 0.3, 0.4), "um"),
        ("pm", (2, 3, 4), (0.002, 0.003, 0.004), "nm"),
        ("cm", (1, 2, 0.0099), (10000, 20000, 99), "um"),
        ("cm", (1, 2, 0.01), (10, 20, 0.1), "mm"),
        ("m", (1e-8, 2e-8, 4e-6), (10, 20, 4000), "nm"),
        ("inch", (1, 2, 3), (25.4, 50.8, 76.2), "mm"),
    ],
)
def test_units_of_every_day(tmp_path, unit, size, spacing, to):
    grid = read_volume(flat(tmp_path / "a.h5", size, unit)).grid
    assert (grid.spacing, grid.unit) == (spacing, to)
    told = read_module._everyday(OpenedFile(None, "x", size, unit, (1.0, 2.0, 3.0)))
    assert told.origin == tuple(convert(place, unit, to) for place in (1.0, 2.0, 3.0))


def test_the_voxel_size_and_where_it_is_from(tmp_path):
    path = flat(tmp_path / "a.h5")

    def entry(*args, **settings):
        (step,) = read_volume(path, *args, **settings).provenance
        assert (step.pop("step"), step.pop("source"), step.pop("format")) == (
            "ingest", "a.h5", "HDF5"
        )  # fmt: skip
        return step

    assert entry() == {"voxel_size": "0.3 0.2 0.1 um", "voxel_size_from": "file"}
    assert entry("30 20 10 nm") == {
        "voxel_size": "30 20 10 nm",
        "voxel_size_from": "study",
        "voxel_size_in_file": "0.3 0.2 0.1 um",
    }
    assert entry(pitch="5 nm") == {
        "voxel_size": "0.005 0.2 0.1 um",
        "voxel_size_from": "file and pitch",
        "voxel_size_in_file": "0.3 0.2 0.1 um",
    }
    assert entry("7 nm", pitch="5 nm") == {
        "voxel_size": "5 7 7 nm",
        "voxel_size_from": "study",
        "voxel_size_in_file": "0.3 0.2 0.1 um",
    }
    assert entry("5 7 8 nm", None, "0.005 um")["voxel_size"] == "5 7 8 nm"
    assert entry(region="1:3,:,2:-1") == {
        "voxel_size": "0.3 0.2 0.1 um",
        "voxel_size_from": "file",
        "region": "1:3,0:4,2:4",
    }


def test_the_origin_keeps_its_place_in_voxels(tmp_path):
    made = Volume(values(), Grid(SHAPE, (3, 2, 1), (6, 5, 4), "um"), "density")
    path = tmp_path / "a.ome.zarr"
    write_volume(path, made)
    assert read_volume(path, "9 8 2 nm").grid == Grid(SHAPE, (9, 8, 2), (18, 20, 8), "nm")
    assert read_volume(path, pitch="1 um").grid == Grid(SHAPE, (1, 2, 1), (2, 5, 4), "um")
    assert read_volume(path, region="1:,2:,3:").grid.origin == (9, 9, 7)


@pytest.mark.parametrize(
    ("pitch", "depth"),
    [
        ("20 nm", 20),
        (" 20nm ", 20),
        ("2e1 nm", 20),
        (".5 um", 500),
        ("2.5 nm", 2.5),
        ("2E+1 nm", 20),
    ],
)
def test_pitches(tmp_path, pitch, depth):
    path = flat(tmp_path / "a.h5", (3, 2, 1), "nm")
    assert read_volume(path, pitch=pitch).grid.spacing == (depth, 2, 1)


def test_pitches_refused_in_full(tmp_path):
    path = flat(tmp_path / "a.h5")
    for pitch in ("0 nm", "20", "20 furlong", "1e999 nm", "-2 nm", "nm"):
        refused(
            f"pitch: found {pitch!r}, allowed is one number and a unit, above zero, such as "
            '"20 nm".',
            read_volume,
            path,
            pitch=pitch,
        )
    for size in ("21 10 10 nm", "20.001 10 10 nm"):
        refused(
            f"{path}: the voxel_size {size!r} and the pitch '20 nm' state different distances "
            "between slices; state one of them.",
            read_volume,
            path,
            size,
            pitch="20 nm",
        )
    one = flat(tmp_path / "one.h5", shape=(1, 4, 5))
    refused(
        f"{one}: found 1 slice where a pitch of 20 nm is stated; a stack is at least two slices.",
        read_volume,
        one,
        pitch="20 nm",
    )
    two = flat(tmp_path / "two.h5", shape=(2, 4, 5))
    assert read_volume(two, pitch="20 nm").grid.spacing == (0.02, 0.2, 0.1)
    bare = flat(tmp_path / "bare.h5", None)
    said = 'state it as voxel_size beside the pitch, such as "10 nm".'
    refused(f"{bare}: the file carries no pixel size; {said}", read_volume, bare, pitch="20 nm")
    bare = flat(tmp_path / "bare.h5", None, voxel_size=3)
    refused(
        f"{bare}: the file carries no pixel size (it tells a voxel_size of 3 without a unit); "
        f"{said}",
        read_volume,
        bare,
        pitch="20 nm",
    )


def test_volumes_without_a_voxel_size(tmp_path):
    bare = flat(tmp_path / "bare.h5", None)
    said = 'state it as voxel_size, such as "10 nm" or "20 10 10 nm" (z y x).'
    refused(f"{bare}: the file carries no voxel size; {said}", read_volume, bare)
    bare = flat(tmp_path / "bare.h5", None, voxel_size=3)
    refused(
        f"{bare}: the file carries no voxel size (it tells a voxel_size of 3 without a unit); "
        f"{said}",
        read_volume,
        bare,
    )
    pixels = tif(tmp_path / "a.tif", resolution=(5, 4), resolutionunit="MILLIMETER")
    refused(
        f"{pixels}: the file tells pixels of 0.25 x 0.2 mm and no distance between slices; state "
        'the distance as pitch, such as "20 nm", or the voxel size as voxel_size, such as '
        '"20 10 10 nm" (z y x).',
        read_volume,
        pixels,
    )
    assert read_volume(pixels, pitch="1 mm").grid.spacing == (1, 0.25, 0.2)
    printed = tif(tmp_path / "b.tif", resolution=(5, 4), resolutionunit="CENTIMETER")
    refused(
        f"{printed}: the file carries no voxel size (it tells 12.7 dots an inch, which is meant for a "
        'printer or a screen); state it as voxel_size, such as "10 nm" or "20 10 10 nm" (z y x).',
        read_volume,
        printed,
    )
    empty = hdf5_file(tmp_path / "empty.h5", {"d": np.zeros((3, 0, 5))})
    refused(f"{empty}: is empty, its shape is (3, 0, 5).", read_volume, empty, NM)


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "a.xyz"
    refused(f"{path}: no such file or folder.", read_volume, path)
    for name, kind in (("a.xyz", "'.xyz'"), ("b", "'without ending'")):
        (tmp_path / name).write_text("")
        refused(
            f"{tmp_path / name}: found a file of the type {kind}, allowed are OME-Zarr, folder or "
            "list of slices (.txt), HDF5 (.h5, .hdf5, .hdf, .he5, .nxs), TIFF (.tif, .tiff), MRC (.mrc, "
            ".mrcs, .rec, .map, .st, .ali, .ccp4), Imaris (.ims), NRRD, NIfTI, MetaImage (.nrrd, .nhdr, "
            ".nii, .mhd, .mha), PNG, JPEG, BMP (.png, .jpg, .jpeg, .bmp), NPY (.npy), raw (.raw, .bin, "
            ".dat, .vol, .img).",
            read_volume,
            tmp_path / name,
        )


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("0:3,0:4,0:5", ((0, 3), (0, 4), (0, 5))),
        (":,:,:", ((0, 3), (0, 4), (0, 5))),
        ("2:", ((2, 3), (0, 4), (0, 5))),
        (":1,-4:-3", ((0, 1), (0, 1), (0, 5))),
        (" -3 : 3 , 1:2,-1:", ((0, 3), (1, 2), (4, 5))),
    ],
)
def test_regions(text, box):
    assert parse_region(text, SHAPE) == tuple(slice(*span) for span in box)


def test_regions_refused_in_full():
    for text, span, axis, count in (
        ("0:4", "0:4", "z", 3),
        ("0:3, -5:2", "-5:2", "y", 4),
        (":,2:2", "2:2", "y", 4),
        (":,:,3:2", "3:2", "x", 5),
        (":,:,5:", "5:", "x", 5),
        ("-3:-3", "-3:-3", "z", 3),
    ):
        refused(
            f"region: the region asks for {span} along {axis}, allowed are spans within 0:{count}.",
            parse_region,
            text,
            SHAPE,
        )
    for text in ("1", "1:2:3", ":,:,:,:", "a:b", "", "-:", ":-"):
        refused(
            f"a.tif: found the region {text!r}, allowed is z0:z1,y0:y1,x0:x1 with open ends.",
            parse_region,
            text,
            SHAPE,
            "a.tif",
        )


# ------------------------------------------------------------------------------------------ export


@pytest.fixture
def stored(tmp_path):
    grid = Grid((19, 4, 5), (3, 2, 1.5), (6, -5, 0), "um")
    made = Volume(values(grid.shape, "uint16"), grid, "density", ({"step": "a"},))
    write_volume(tmp_path / "v.ome.zarr", made)
    return open_volume(tmp_path / "v.ome.zarr")


def about(volume):
    return {
        "digest": volume.digest,
        "intensity": "density",
        "unit": "um",
        "origin": [6.0, -5.0, 0.0],
        "provenance": [{"step": "a"}],
    }


def test_a_tiff_for_imagej_in_full(tmp_path, stored):
    export(tmp_path / "v.ome.zarr", tmp_path / "deep" / "er" / "a.TIF")
    with tifffile.TiffFile(tmp_path / "deep" / "er" / "a.TIF") as file:
        page = file.pages[0]
        text = (
            "ImageJ=1.54f\nimages=19\nslices=19\nunit=um\nspacing=3\nloop=false\nxorigin=-0.0\n"
            f"yorigin=2.5\nzorigin=-2.0\nacuity={json.dumps(about(stored))}\n"
        )
        assert page.description == text.strip()
        assert text.encode() in (tmp_path / "deep" / "er" / "a.TIF").read_bytes()
        assert page.tags["XResolution"].value == (2, 3)
        assert page.tags["YResolution"].value == (1, 2)
        assert page.tags["ResolutionUnit"].value == 1
        assert page.tags["Software"].value == "acuity"
        assert page.photometric == tifffile.PHOTOMETRIC.MINISBLACK
        assert page.compression == 1
        assert len(file.pages) == 19
        assert not file.is_bigtiff


@pytest.mark.parametrize(
    ("unit", "symbol"), [("um", "µm"), ("angstrom", "Å"), ("inch", "in"), ("nm", "nm")]
)
@pytest.mark.parametrize(("dtype", "kind"), [("uint16", "uint16"), ("float32", "float")])
def test_an_ome_tiff_in_full(tmp_path, unit, symbol, dtype, kind):
    grid = Grid((2, 3, 4), (3, 2, 1.5), (6, -5, 0), unit)
    write_volume(tmp_path / "v.ome.zarr", Volume(values(grid.shape, dtype), grid, "density"))
    export(tmp_path / "v.ome.zarr", tmp_path / "a.ome.tiff")
    with tifffile.TiffFile(tmp_path / "a.ome.tiff") as file:
        text = file.pages[0].description
        assert np.array_equal(file.asarray(), values(grid.shape))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?><OME ')
    root = ElementTree.fromstring(text)
    name = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
    assert (root.tag, root.attrib) == (f"{name}OME", {"Creator": "acuity"})
    assert {e.tag.removeprefix(name): e.attrib for e in root.iter()} == {
        "OME": {"Creator": "acuity"},
        "Image": {"ID": "Image:0", "Name": "volume"},
        "Pixels": {
            "ID": "Pixels:0", "DimensionOrder": "XYZCT", "Type": kind, "BigEndian": "false",
            "SizeZ": "2", "SizeY": "3", "SizeX": "4", "SizeC": "1", "SizeT": "1",
            "PhysicalSizeZ": "3.0", "PhysicalSizeY": "2.0", "PhysicalSizeX": "1.5",
            "PhysicalSizeZUnit": symbol, "PhysicalSizeYUnit": symbol, "PhysicalSizeXUnit": symbol,
        },
        "Channel": {"ID": "Channel:0:0", "SamplesPerPixel": "1"},
        "TiffData": {"IFD": "0", "PlaneCount": "2"},
        "Plane": {
            "TheZ": "0", "TheC": "0", "TheT": "0",
            "PositionZ": "6.0", "PositionY": "-5.0", "PositionX": "0.0",
            "PositionZUnit": symbol, "PositionYUnit": symbol, "PositionXUnit": symbol,
        },
        "StructuredAnnotations": {},
        "CommentAnnotation": {"ID": "Annotation:0", "Namespace": "acuity"},
        "Value": {},
    }  # fmt: skip
    assert json.loads(root.find(f".//{name}Value").text)["intensity"] == "density"


def test_an_ome_zarr_in_full(tmp_path, stored):
    export(tmp_path / "v.ome.zarr", tmp_path / "a.zarr")
    said = json.loads((tmp_path / "a.zarr" / ".zattrs").read_text())
    place = [
        {"type": "scale", "scale": [3.0, 2.0, 1.5]},
        {"type": "translation", "translation": [6.0, -5.0, 0.0]},
    ]
    assert said == {
        "multiscales": [
            {
                "version": "0.4",
                "name": "volume",
                "axes": [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"],
                "datasets": [{"path": "0", "coordinateTransformations": place}],
            }
        ],
        "acuity": about(stored),
    }
    assert json.loads((tmp_path / "a.zarr" / ".zgroup").read_text()) == {"zarr_format": 2}
    array = json.loads((tmp_path / "a.zarr" / "0" / ".zarray").read_text())
    assert (array["zarr_format"], array["shape"]) == (2, [19, 4, 5])
    assert (array["chunks"], array["dimension_separator"]) == ([16, 4, 5], "/")
    assert (array["fill_value"], array["dtype"], array["order"]) == (0, "<u2", "C")
    assert array["compressor"] == {
        "id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 2, "blocksize": 0
    }  # fmt: skip
    assert np.array_equal(zarr.open_array(tmp_path / "a.zarr" / "0", mode="r")[:], stored.read())
    assert [z0 for z0, _ in export_module._blocks(stored)] == [0, 16]


def test_which_tiff_is_a_bigtiff(tmp_path, stored, monkeypatch):
    assert export_module._CLASSIC_BYTES == 4261412864
    for most, big in ((19 * 4 * 5 * 2, False), (19 * 4 * 5 * 2 - 1, True)):
        monkeypatch.setattr(export_module, "_CLASSIC_BYTES", most)
        export(tmp_path / "v.ome.zarr", tmp_path / "a.tif", overwrite=True)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.is_bigtiff == big


@pytest.mark.usefixtures("stored")
def test_exports_refused_and_replaced(tmp_path):
    source = tmp_path / "v.ome.zarr"
    for name, ending in (("a.png", ".png"), ("a", ""), ("a.zip", ".zip")):
        refused(
            f"{tmp_path / name}: found the ending {ending!r}, allowed are .tif, .tiff, .ome.tif, "
            ".ome.tiff and .zarr.",
            export,
            source,
            tmp_path / name,
        )
    # a link to nowhere is there as well
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "x").write_text("x")
    for name, target in (("a.tif", "nowhere"), ("a.zarr", "kept")):
        output = tmp_path / name
        output.symlink_to(tmp_path / target)
        refused(
            f"{output}: is there already; name another output or remove it first.",
            export,
            source,
            output,
        )
        # what was left of an earlier try is no obstacle
        left = tmp_path / f".{name}.0123456789abcdef.part"
        left.mkdir()
        # of a name that no try gives: the user's own
        own = tmp_path / f".{name}.part"
        own.mkdir()
        export(source, output, overwrite=True)
        assert not output.is_symlink()
        assert not left.exists()
        assert own.is_dir()
    assert (kept / "x").read_text() == "x"

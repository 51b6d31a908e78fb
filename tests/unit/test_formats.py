"""Readers of other people's files and exports: what is kept and what is refused."""

import json
import struct

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

from acuity.errors import AcuityError
from acuity.formats import export as export_module
from acuity.formats.export import export
from acuity.formats.files import natural_key, split_name
from acuity.formats.read import read_volume
from acuity.region import parse_region
from acuity.volume import DTYPES, Grid, Volume, open_volume, write_volume
from tests.conftest import shared

NM = "20 10 10 nm"


def values(shape=(7, 20, 30), dtype="uint8"):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


# ---------------------------------------------------------------------------------- voxel size


def test_a_missing_voxel_size_is_demanded_in_one_sentence(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values())
    with pytest.raises(AcuityError, match=r"a\.tif: the file carries no voxel size; state it as"):
        read_volume(tmp_path / "a.tif")
    volume = read_volume(tmp_path / "a.tif", NM)
    assert volume.grid == Grid((7, 20, 30), (20, 10, 10), (0, 0, 0), "nm")
    assert volume.provenance == (
        {
            "step": "ingest",
            "source": "a.tif",
            "format": "TIFF",
            "voxel_size": "20 10 10 nm",
            "voxel_size_from": "study",
        },
    )


def imagej(path, data=None, unit="micron", **said):
    tifffile.imwrite(
        path,
        values() if data is None else data,
        imagej=True,
        resolution=(1 / 0.2, 1 / 0.1),
        metadata={"axes": "ZYX", "unit": unit, "spacing": 0.3, **said},
    )


def test_a_voxel_size_given_goes_before_the_files_own(tmp_path):
    imagej(tmp_path / "a.tif")
    volume = read_volume(tmp_path / "a.tif", "5 nm")
    assert (volume.grid.spacing, volume.grid.unit) == ((5, 5, 5), "nm")
    assert volume.provenance[0]["voxel_size_in_file"] == "0.3 0.1 0.2 um"
    assert volume.provenance[0]["voxel_size_from"] == "study"
    imagej(tmp_path / "b.tif", xorigin=-10.0)
    moved = read_volume(tmp_path / "b.tif", "100 angstrom").grid
    assert moved == Grid((7, 20, 30), (10, 10, 10), (0, 0, 100), "nm")


# ---------------------------------------------------------------------------------------- TIFF


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"compression": "deflate"},
        {"compression": "lzw", "predictor": True},
        {"tile": (16, 16)},
        {"byteorder": ">"},
        {"metadata": None},
        {"tile": (4, 16, 16), "volumetric": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_tiff_stacks(tmp_path, options, dtype):
    data = values(dtype=dtype)
    if dtype == "float32" and "predictor" in options:
        options = options | {"predictor": 3}
    tifffile.imwrite(tmp_path / "a.tif", data, **options)
    volume = read_volume(tmp_path / "a.tif", NM)
    assert np.array_equal(volume.read(), data)
    assert volume.dtype == np.dtype(dtype)
    assert np.array_equal(volume.read(slice(2, 5), slice(3, 9), slice(4, 30)), data[2:5, 3:9, 4:30])


def test_one_image_is_a_volume_of_one_slice_as_thick_as_a_pixel(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", values((20, 30)), resolution=(5e4, 1e5), resolutionunit="CENTIMETER"
    )
    volume = read_volume(tmp_path / "a.tif")
    assert volume.grid == Grid((1, 20, 30), (0.2, 0.1, 0.2), (0, 0, 0), "um")


def test_pixels_without_a_distance_between_slices_are_not_enough(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", values(), resolution=(1e5, 1e5), resolutionunit="CENTIMETER"
    )
    with pytest.raises(AcuityError, match="pixels of 1e-05 cm and no distance between slices"):
        read_volume(tmp_path / "a.tif")


@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_a_printers_resolution_is_no_voxel_size(tmp_path, dpi):
    tifffile.imwrite(tmp_path / "a.tif", values((9, 9)), resolution=(dpi, dpi), resolutionunit=2)
    with pytest.raises(AcuityError, match=f"{dpi} dots an inch"):
        read_volume(tmp_path / "a.tif")


def test_imagej(tmp_path):
    data = values(dtype="uint16")
    imagej(tmp_path / "a.tif", data, xorigin=4.0, zorigin=-2.0)
    volume = read_volume(tmp_path / "a.tif")
    assert volume.grid == Grid((7, 20, 30), (0.3, 0.1, 0.2), (0.6, 0, -0.8), "um")
    assert np.array_equal(volume.read(), data)
    assert volume.provenance[0]["format"] == "ImageJ TIFF"
    imagej(tmp_path / "b.tif", unit="\\u00B5m")
    assert read_volume(tmp_path / "b.tif").grid.unit == "um"
    imagej(tmp_path / "c.tif", unit="pixel")
    with pytest.raises(AcuityError, match="'pixel'"):
        read_volume(tmp_path / "c.tif")


@pytest.mark.parametrize(("axes", "word"), [("TYX", "time points"), ("CYX", "channels")])
def test_other_axes_are_refused(tmp_path, axes, word):
    imagej(tmp_path / "a.tif", axes=axes)
    with pytest.raises(AcuityError, match=f"7 {word}"):
        read_volume(tmp_path / "a.tif")


def test_colour_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values((20, 30, 3)), photometric="rgb")
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
    tifffile.imwrite(
        tmp_path / "b.tif", values((9, 9)), photometric="palette", colormap=ramp[:, ::-1]
    )
    for name in "ab":
        with pytest.raises(AcuityError, match="colour image"):
            read_volume(tmp_path / f"{name}.tif", NM)
    # a palette of greys is none
    tifffile.imwrite(tmp_path / "c.tif", values((9, 9)), photometric="palette", colormap=ramp)
    assert np.array_equal(read_volume(tmp_path / "c.tif", NM).read()[0], values((9, 9)))


def test_ome_tiff(tmp_path):
    data = values(dtype="uint16")
    size = {"X": 0.2, "Y": 0.1, "Z": 300}
    metadata = {"axes": "ZYX"} | {f"PhysicalSize{axis}": size[axis] for axis in size}
    metadata["PhysicalSizeZUnit"] = "nm"
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata=metadata)
    volume = read_volume(tmp_path / "a.ome.tif")
    assert volume.grid == Grid((7, 20, 30), (0.3, 0.1, 0.2), (0, 0, 0), "um")
    assert np.array_equal(volume.read(), data)
    del metadata["PhysicalSizeZ"]
    tifffile.imwrite(tmp_path / "b.ome.tif", data, metadata=metadata)
    with pytest.raises(AcuityError, match="no distance between slices"):
        read_volume(tmp_path / "b.ome.tif")
    tifffile.imwrite(tmp_path / "c.ome.tif", data, metadata={"axes": "CYX"})
    with pytest.raises(AcuityError, match="7 channels"):
        read_volume(tmp_path / "c.ome.tif", NM)


@pytest.mark.parametrize(
    "options", [{}, {"metadata": None}, {"compression": "deflate"}, {"bigtiff": True}], ids=str
)
def test_a_tiff_cut_short_is_refused_wherever_it_is_cut(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", values(), **options)
    content = (tmp_path / "a.tif").read_bytes()
    assert read_volume(tmp_path / "a.tif", NM).grid.shape == (7, 20, 30)
    for size in [*range(0, 40, 3), *range(40, len(content), 97), len(content) // 2]:
        (tmp_path / "b.tif").write_bytes(content[:size])
        with pytest.raises(AcuityError, match=r"b\.tif"):
            read_volume(tmp_path / "b.tif", NM).read()


def test_a_ring_of_directories_ends(tmp_path):
    ring = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HI", 0, 8)
    (tmp_path / "a.tif").write_bytes(ring)
    with pytest.raises(AcuityError, match="ring"):
        read_volume(tmp_path / "a.tif", NM)


def test_pages_that_differ_are_named(tmp_path):
    for name, last in (("a", values((21, 30))), ("b", values((20, 30), "uint16"))):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            for image in [*values((3, 20, 30)), last]:
                file.write(image, metadata=None, contiguous=False)
        with pytest.raises(AcuityError, match=r"page 3 is .* where page 0 is 20 x 30 of uint8"):
            read_volume(tmp_path / f"{name}.tif", NM)


# --------------------------------------------------------------------------------- TIFF folder


def folder(tmp_path, data):
    for number, image in enumerate(data):
        tifffile.imwrite(tmp_path / f"slice_{number}.tif", image)
    return tmp_path


def test_a_folder_is_read_in_natural_order(tmp_path):
    data = values((12, 9, 8))
    folder(tmp_path, data)
    (tmp_path / "notes.txt").write_text("not a slice")
    (tmp_path / ".hidden.tif").write_text("nor this")
    volume = read_volume(tmp_path, NM)
    assert np.array_equal(volume.read(), data)
    assert np.array_equal(volume.read(slice(9, 11), slice(2, 4)), data[9:11, 2:4])


def test_natural_order():
    names = ["s10.tif", "s9.tif", "S1.tif", "s2b3.tif", "s2b20.tif", "9.tif"]
    expected = ["9.tif", "S1.tif", "s2b3.tif", "s2b20.tif", "s9.tif", "s10.tif"]
    assert sorted(names, key=natural_key) == expected


@pytest.mark.parametrize(
    "odd",
    [values((9, 7)), values((9, 8), "uint16"), values((2, 9, 8))],
    ids=["shape", "type", "stack"],
)
def test_a_slice_that_differs_is_named(tmp_path, odd):
    folder(tmp_path, values((4, 9, 8)))
    tifffile.imwrite(tmp_path / "slice_2.tif", odd)
    with pytest.raises(AcuityError, match=r"slice_2\.tif"):
        read_volume(tmp_path, NM)


def test_a_slice_cut_short_is_named(tmp_path):
    folder(tmp_path, values((4, 9, 8)))
    content = (tmp_path / "slice_3.tif").read_bytes()
    (tmp_path / "slice_3.tif").write_bytes(content[:-9])
    with pytest.raises(AcuityError, match=r"slice_3\.tif: the TIFF is cut short"):
        read_volume(tmp_path, NM)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(AcuityError, match="found no images"):
        read_volume(tmp_path, NM)


# ---------------------------------------------------------------------------------------- Zarr


def ome_zarr(path, data, version, axes="zyx", steps=(), unit="nanometer", image_steps=()):
    zarr_format = 2 if version == "0.4" else 3
    group = zarr.open_group(LocalStore(path), mode="w", zarr_format=zarr_format)
    group.create_array("finest", data=data, chunks=tuple(min(8, count) for count in data.shape))
    image = {
        "axes": [
            {"name": axis, "type": "space" if axis in "zyx" else "other"}
            | ({"unit": unit} if unit and axis in "zyx" else {})
            for axis in axes
        ],
        "datasets": [{"path": "finest", "coordinateTransformations": list(steps)}],
        "coordinateTransformations": list(image_steps),
    }
    if version == "0.4":
        group.attrs["multiscales"] = [image | {"version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [image]}
    return path


def scale(*sizes):
    return {"type": "scale", "scale": list(sizes)}


def shift(*places):
    return {"type": "translation", "translation": list(places)}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path, version):
    data = values(dtype="uint16")
    path = ome_zarr(tmp_path / "a.zarr", data, version, steps=[scale(20, 10, 5), shift(1, 2, 3)])
    volume = read_volume(path)
    assert volume.grid == Grid(data.shape, (20, 10, 5), (1, 2, 3), "nm")
    assert np.array_equal(volume.read(), data)
    assert np.array_equal(volume.read(slice(1, 3), slice(7, 9)), data[1:3, 7:9])
    assert volume.provenance[0]["format"] == f"OME-Zarr {version}"


def test_ome_zarr_axes_of_one_and_scales_of_the_image(tmp_path):
    data = values((1, 1, 7, 20, 30))
    path = ome_zarr(
        tmp_path / "a.zarr",
        data,
        "0.4",
        "tczyx",
        [scale(1, 1, 2, 2, 2), shift(0, 0, 1, 0, 0)],
        image_steps=[scale(1, 1, 10, 5, 5)],
    )
    volume = read_volume(path)
    assert volume.grid == Grid((7, 20, 30), (20, 10, 10), (10, 0, 0), "nm")
    assert np.array_equal(volume.read(), data[0, 0])
    flat = ome_zarr(tmp_path / "b.zarr", values((20, 30)), "0.5", "yx", [scale(4, 5)])
    assert read_volume(flat).grid == Grid((1, 20, 30), (5, 4, 5), (0, 0, 0), "nm")


def test_ome_zarr_refused(tmp_path):
    path = tmp_path / "a.zarr"
    ome_zarr(path, values((2, 7, 20, 30)), "0.5", "czyx", [scale(1, 1, 1, 1)])
    with pytest.raises(AcuityError, match=r"2 channels \(axis 'c'\)"):
        read_volume(path)
    ome_zarr(path, values(), "0.5", "xyw", [scale(1, 1, 1)])
    with pytest.raises(AcuityError, match="found the axes x, y, w, allowed are z, y, x"):
        read_volume(path)
    ome_zarr(path, values(), "0.6", steps=[scale(1, 1, 1)])
    with pytest.raises(AcuityError, match=r"OME-Zarr 0\.6, allowed are 0\.4 and 0\.5"):
        read_volume(path)
    ome_zarr(path, values(), "0.4", steps=[scale(3, 2, 1)], unit="")
    with pytest.raises(AcuityError, match="sizes of 3 x 2 x 1 without a unit"):
        read_volume(path)
    ome_zarr(path, values(), "0.4", steps=[scale(3, 2, 1)])
    (path / "finest" / "0.0.0").write_bytes(b"broken")
    with pytest.raises(AcuityError, match="slices 0 to 6 cannot be read"):
        read_volume(path).read()
    (path / ".zattrs").write_text("{}")
    with pytest.raises(AcuityError, match="without OME metadata of an image"):
        read_volume(path)


def test_a_volume_of_acuity_keeps_all(tmp_path):
    made = Volume(values(), Grid((7, 20, 30), (3, 2, 1), (1, 2, 3), "nm"), "density", ({"a": 1},))
    write_volume(tmp_path / "a.ome.zarr", made)
    for name in ("a.ome.zarr", "a.ome.zarr/zarr.json"):
        volume = read_volume(tmp_path / name)
        assert (volume.grid, volume.intensity) == (made.grid, "density")
        assert volume.provenance[0] == {"a": 1}
        assert volume.provenance[1]["source"] == "a.ome.zarr"


# ---------------------------------------------------------------------------------------- HDF5


def hdf5(path, **attributes):
    with h5py.File(path, "w") as file:
        file.create_dataset("group/data", data=values(), chunks=(4, 8, 8))
        file["group/data"].attrs.update(attributes)
    return path


@pytest.mark.parametrize(
    ("attributes", "spacing", "unit"),
    [
        ({"element_size_um": [0.3, 0.1, 0.2]}, (0.3, 0.1, 0.2), "um"),
        ({"voxel_size": "20 10 5 nm"}, (20, 10, 5), "nm"),
        ({"voxel_size": [20.0, 10, 5], "unit": "nanometer"}, (20, 10, 5), "nm"),
        ({"voxel_size": 2.0, "voxel_size_unit": b"mm"}, (2, 2, 2), "mm"),
        ({"voxel_size": 1e-7, "units": "m"}, (0.1, 0.1, 0.1), "um"),
    ],
)
def test_hdf5(tmp_path, attributes, spacing, unit):
    volume = read_volume(hdf5(tmp_path / "a.h5", **attributes))
    assert volume.grid == Grid((7, 20, 30), spacing, (0, 0, 0), unit)
    assert np.array_equal(volume.read(slice(1, 3), slice(7, 9)), values()[1:3, 7:9])


def test_hdf5_voxel_size_may_stand_on_a_group_and_needs_a_unit(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a/b/data", data=values())
        file["a"].attrs["voxel_size"] = "4 nm"
    assert read_volume(tmp_path / "a.h5").grid.spacing == (4, 4, 4)
    with pytest.raises(AcuityError, match=r"a voxel_size of .* without a unit"):
        read_volume(hdf5(tmp_path / "b.h5", voxel_size=[1, 2, 3]))


def test_hdf5_dataset_by_name(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"], file["labels"], file["names"] = values(), values() + 1, "text"
    with pytest.raises(AcuityError, match=r"2 datasets .*: /labels, /raw; name one"):
        read_volume(tmp_path / "a.h5", NM)
    volume = read_volume(f"{tmp_path / 'a.h5'}:/labels", NM)
    assert np.array_equal(volume.read(), values() + 1)
    assert volume.provenance[0]["source"] == "a.h5:/labels"
    with pytest.raises(AcuityError, match=r"no dataset '/nothing', there are /labels, /raw"):
        read_volume(f"{tmp_path / 'a.h5'}:/nothing", NM)
    with pytest.raises(AcuityError, match="axes of object"):
        read_volume(f"{tmp_path / 'a.h5'}:/names", NM)
    assert split_name("C:/x.h5") == ("C:/x.h5", None)
    assert split_name("C:/x.HDF5:/a/b") == ("C:/x.HDF5", "/a/b")


def test_hdf5_cut_short(tmp_path):
    content = hdf5(tmp_path / "a.h5").read_bytes()
    for size in (0, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "b.h5").write_bytes(content[:size])
        with pytest.raises(AcuityError, match=r"b\.h5"):
            read_volume(tmp_path / "b.h5", NM).read()


# ----------------------------------------------------------------------------------------- MRC


def mrc(path, data, size=(2.0, 1.0, 1.5)):
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(data)
        file.voxel_size = size
        file.header.origin = (10, 20, 30)
    return path


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32"])
def test_mrc(tmp_path, dtype):
    data = values(dtype=dtype) // np.dtype(dtype).type(2)
    volume = read_volume(mrc(tmp_path / "a.mrc", data))
    # angstrom, and x first in the header
    assert volume.grid == Grid(data.shape, (0.15, 0.1, 0.2), (3, 2, 1), "nm")
    assert np.array_equal(volume.read(), data)
    assert volume.dtype == np.dtype(dtype)


def test_mrc_refused(tmp_path):
    path = mrc(tmp_path / "a.mrc", values(dtype="int16"), 0)
    with pytest.raises(AcuityError, match="no voxel size"):
        read_volume(path)
    assert read_volume(path, NM).grid.shape == (7, 20, 30)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AcuityError, match=r"a\.mrc: has \d+ bytes where its header asks for"):
        read_volume(path, NM)
    with pytest.raises(AcuityError, match="allowed is one volume of real numbers"):
        read_volume(mrc(tmp_path / "b.mrc", values(dtype="complex64")), NM)


# ----------------------------------------------------------------------------------------- raw

SIDECAR = {
    "shape": [7, 20, 30],
    "dtype": "uint16",
    "byte_order": "big",
    "voxel_size": "20 10 10 nm",
}


def raw(tmp_path, said, data=None, name="a.raw.json"):
    data = values(dtype=">u2") if data is None else data
    (tmp_path / "a.raw").write_bytes(data.tobytes())
    (tmp_path / name).write_text(said if isinstance(said, str) else json.dumps(said))
    return tmp_path / "a.raw"


@pytest.mark.parametrize("name", ["a.raw.json", "a.json", "a.yaml", "a.raw.yml"])
def test_raw(tmp_path, name):
    volume = read_volume(raw(tmp_path, SIDECAR | {"intensity": "counts"}, name=name))
    assert volume.grid == Grid((7, 20, 30), (20, 10, 10), (0, 0, 0), "nm")
    assert np.array_equal(volume.read(), values(dtype="uint16"))
    assert (volume.dtype, volume.intensity) == (np.dtype("uint16"), "counts")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("name", ["a.raw.json", "a.raw.yaml"])
def test_raw_with_a_sidecar_as_windows_writes_it(tmp_path, encoding, name):
    path = raw(tmp_path, "", np.zeros(24, np.uint8), name)
    text = '{"shape": [2, 3, 4], "dtype": "uint8", "voxel_size": "0.5 µm"}'
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert read_volume(path).grid.spacing == (0.5, 0.5, 0.5)


def test_raw_behind_a_header_with_numbers_and_unit(tmp_path):
    said = {"shape": [7, 20, 30], "dtype": "uint8", "offset": 5, "voxel_size": 3, "unit": "µm"}
    path = raw(tmp_path, said, np.frombuffer(b"12345" + values().tobytes(), np.uint8))
    assert np.array_equal(read_volume(path).read(), values())
    assert read_volume(path).grid.spacing == (3, 3, 3)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"shape": [7, 20, 31]}, "found 8400 bytes where a.raw.json asks for 8680"),
        ({"shape": [7, 20]}, "three counts"),
        ({"shape": [7, 20, 0]}, "three counts"),
        ({"dtype": "complex64"}, "dtype is 'complex64'"),
        ({"byte_order": None}, "byte_order"),
        ({"byteorder": "big"}, "found the key 'byteorder'"),
        (
            {"voxel_size": "10"},
            r"a\.raw: the file carries no voxel size \(it tells a voxel_size of '10'",
        ),
        ({"voxel_size": [1, 2, "x"]}, "voxel_size"),
        ({"voxel_size": [1, 2, "x"], "unit": "nm"}, "sizes of 1 x 2 x 'x' nm"),
        ({"voxel_size": [1, 2], "unit": "nm"}, r"a voxel_size of \[1, 2\]"),
        ({"voxel_size": [1, 2, 3], "unit": "furlong"}, "sizes of 1 x 2 x 3 in 'furlong'"),
        ({"voxel_size": [1, 2, 3]}, "without a unit"),
        ({"voxel_size": 0, "unit": "nm"}, "sizes of 0 x 0 x 0 nm"),
        ({"offset": -2}, "offset"),
    ],
)
def test_raw_refused(tmp_path, change, word):
    with pytest.raises(AcuityError, match=word):
        read_volume(raw(tmp_path, SIDECAR | change))
    if set(change) <= {"voxel_size", "unit"}:  # no reason to refuse a file whose size is stated
        assert read_volume(tmp_path / "a.raw", NM).grid.spacing == (20, 10, 10)


def test_raw_sidecar_refused(tmp_path):
    for said in ("{", "[]", "a: !!python/object/apply:os.system [ls]"):
        with pytest.raises(AcuityError, match=r"a\.raw\.yaml"):
            read_volume(raw(tmp_path, said, name="a.raw.yaml"))
    with pytest.raises(AcuityError, match="the key 'dtype' is missing"):
        read_volume(raw(tmp_path, {"shape": [1, 1, 1]}, name="a.raw.yaml"))
    (tmp_path / "a.yaml").write_text("{}")
    with pytest.raises(AcuityError, match="found 2 sidecar files"):
        read_volume(tmp_path / "a.raw")
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "a.raw.yaml").unlink()
    with pytest.raises(AcuityError, match="found 0 sidecar files"):
        read_volume(tmp_path / "a.raw")


# -------------------------------------------------------------------------------- types, region


def test_types_are_kept_or_brought_to_float32(tmp_path):
    for dtype, kept in [("float64", "float32"), ("float16", "float32"), ("bool", "uint8")]:
        data = values() > 100 if dtype == "bool" else values(dtype=dtype) / 7
        with h5py.File(tmp_path / f"{dtype}.h5", "w") as file:
            file["data"] = data.astype(dtype)
        volume = read_volume(tmp_path / f"{dtype}.h5", NM)
        assert volume.dtype == volume.read().dtype == np.dtype(kept)
        assert np.array_equal(volume.read(), data.astype(dtype).astype(kept))
    tifffile.imwrite(tmp_path / "a.tif", values(dtype="uint64"))
    with pytest.raises(AcuityError, match="uint64, allowed are uint8"):
        read_volume(tmp_path / "a.tif", NM)


def test_a_region_is_cut_and_the_origin_moves(tmp_path):
    data = values()
    tifffile.imwrite(tmp_path / "a.tif", data)
    volume = read_volume(tmp_path / "a.tif", NM, "2:5, :, -10:")
    assert np.array_equal(volume.read(), data[2:5, :, -10:])
    assert volume.grid == Grid((3, 20, 10), (20, 10, 10), (40, 0, 200), "nm")
    assert volume.provenance[0]["region"] == "2:5,0:20,20:30"
    assert parse_region("3:", (7, 20, 30)) == (slice(3, 7), slice(0, 20), slice(0, 30))


@pytest.mark.parametrize("text", ["0:8", "5:5", "5:2", "-8:", "0:1,0:1,0:1,0:1", "1", "a:b", ""])
def test_a_region_outside_is_refused(text):
    with pytest.raises(AcuityError, match="region"):
        parse_region(text, (7, 20, 30))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.xyz").write_text("?")
    with pytest.raises(AcuityError, match=r"'\.xyz', allowed are .*TIFF \(\.tif"):
        read_volume(tmp_path / "a.xyz")
    with pytest.raises(AcuityError, match="no such file"):
        read_volume(tmp_path / "b.tif")
    (tmp_path / "c.tif").write_text("this is no TIFF")
    with pytest.raises(AcuityError, match="is no TIFF file"):
        read_volume(tmp_path / "c.tif")


# -------------------------------------------------------------------------------------- export


@settings(deadline=None, max_examples=30)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    dtype=st.sampled_from(DTYPES),
    name=st.sampled_from(["a.tif", "a.tiff", "a.ome.tif", "a.zarr"]),
    sizes=st.tuples(*[st.floats(1e-4, 1e4).map(lambda size: float(f"{size:.6g}"))] * 3),
    unit=st.sampled_from(["nm", "um", "mm"]),
)
def test_an_export_comes_back_as_it_was(tmp_path_factory, shape, dtype, name, sizes, unit):
    folder = tmp_path_factory.mktemp("export")
    data = values(shape, dtype)
    made = Volume(data, Grid(shape, sizes, (1.5, -2, 0), unit), "Dichte: µ", ({"step": "ü"},))
    write_volume(folder / "v.ome.zarr", made)
    export(folder / "v.ome.zarr", folder / name)
    back = read_volume(folder / name)
    assert np.array_equal(back.read(), data)
    assert back.dtype == data.dtype
    assert back.grid.unit == unit
    assert back.grid.spacing == pytest.approx(sizes, rel=1e-6)
    assert back.grid.origin == pytest.approx((1.5, -2, 0), rel=1e-6)
    assert (back.intensity, back.provenance[:-1]) == ("Dichte: µ", ({"step": "ü"},))


@pytest.fixture
def stored(tmp_path):
    data = values((37, 40, 50), "float32")
    write_volume(tmp_path / "v.ome.zarr", Volume(data, Grid(data.shape, (3, 2, 1), unit="nm")))
    return tmp_path / "v.ome.zarr", data


def test_a_tiff_export_is_as_imagej_writes_it(stored, tmp_path):
    export(stored[0], tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_imagej
        assert file.imagej_metadata["unit"] == "nm"
        assert file.imagej_metadata["spacing"] == 3
        assert file.pages[0].tags["XResolution"].value == (1, 1)
        # ImageJ takes all slices to follow the first one without a gap
        assert file.series[0].dataoffset is not None
        assert np.array_equal(file.asarray(), stored[1])


def test_a_large_tiff_export_is_a_bigtiff(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "_CLASSIC_BYTES", 1000)
    export(stored[0], tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
    assert np.array_equal(read_volume(tmp_path / "a.tif").read(), stored[1])


def test_an_export_is_the_same_bytes_again(stored, tmp_path):
    for name in ("a.tif", "a.ome.tif"):
        export(stored[0], tmp_path / name)
        export(stored[0], tmp_path / f"again_{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"again_{name}").read_bytes()


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr"])
def test_an_export_replaces_nothing_unasked_and_leaves_nothing_half_done(stored, tmp_path, name):
    export(stored[0], tmp_path / name)
    with pytest.raises(AcuityError, match="is there already"):
        export(stored[0], tmp_path / name)
    export(stored[0], tmp_path / name, overwrite=True)
    shard = stored[0] / "0" / "c" / "1" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-1])
    before = sorted(entry.name for entry in tmp_path.iterdir())
    for output, overwrite in ((f"b{name[1:]}", False), (name, True)):
        with pytest.raises(AcuityError, match="cannot be read"):
            export(stored[0], tmp_path / output, overwrite=overwrite)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    assert np.array_equal(read_volume(tmp_path / name).read(), stored[1])


def test_an_export_to_another_ending_is_refused(stored, tmp_path):
    with pytest.raises(AcuityError, match=r"'\.png', allowed are"):
        export(stored[0], tmp_path / "a.png")


# ----------------------------------------------------------------------------------- real files


@pytest.mark.real
def test_real_volume():
    volume = read_volume(shared("ct/sand_100x200x200_u8.tif"), "5 um")
    assert volume.grid.shape == (100, 200, 200)
    assert volume.read(slice(10, 12)).std() > 0


@pytest.mark.real
def test_real_slices():
    volume = read_volume(shared("em/shale_slices"), "10 nm")
    assert volume.grid.shape == (10, 1104, 1720)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "size", "unit"),
    [
        ("ct/sandstone_versa_0100.tif", 2.2314505, "um"),
        ("vendor/test_tiff_Zeiss_SEM_1k.tif", 2.615, "um"),
        ("vendor/test_tiff_Zeiss_SEM_512pix.tif", 0.01165039, "um"),
        ("vendor/FEI-Helios-Ebeam-8bits.tif", 3.3724, "um"),
    ],
)
def test_real_pixel_sizes(name, size, unit):
    grid = read_volume(shared(name)).grid
    assert grid.spacing == pytest.approx((size,) * 3, rel=1e-4)
    assert grid.unit == unit


@pytest.mark.real
def test_real_hdf5():
    with pytest.raises(AcuityError, match="projections of a scan"):
        read_volume(shared("raw/tooth.h5"), "1 um")


def test_open_volume_is_not_for_other_zarr(tmp_path):
    ome_zarr(tmp_path / "a.zarr", values(), "0.5", steps=[scale(1, 1, 1)])
    with pytest.raises(AcuityError, match="other OME-Zarr is read with ingest"):
        open_volume(tmp_path / "a.zarr")

"""MRC, OME-Zarr, Imaris, NRRD, NIfTI, MetaImage, PNG, JPEG, BMP, NPY: odd files, exact values."""

import gzip
import json
import struct
import zlib

import imagecodecs
import mrcfile
import numpy as np
import pytest
import SimpleITK
import zarr
from PIL import Image

from acuity.errors import AcuityError
from acuity.formats.files import files_of
from acuity.formats.read import read_volume
from acuity.hdf5 import open_hdf5
from acuity.ingest.ingest import source_digest
from acuity.report.sources import input_file
from acuity.volume import Grid, Volume, write_volume
from tests.faults.cases_hdf5 import imaris
from tests.faults.cases_images import RAW, meta, nifti, nrrd
from tests.faults.cases_mrc import mrc_bytes
from tests.faults.cases_omezarr import collection, store
from tests.faults.cases_omezarr import values as zarr_values

NM = "20 10 10 nm"


def values(shape=(6, 9, 11), dtype="uint8", seed=1):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def note(volume):
    return volume.provenance[-1]


# ----------------------------------------------------------------------------------------- MRC


def mrc(path, **options):
    path.write_bytes(mrc_bytes(**options))
    return path


def test_the_maker_of_these_files_agrees_with_mrcfile(tmp_path):
    data = values(dtype="int16")
    with mrcfile.open(mrc(tmp_path / "a.mrc", data=data)) as file:
        assert np.array_equal(file.data, data)
        assert file.voxel_size.tolist() == (1.5, 1.0, 2.0)
    volume = read_volume(tmp_path / "a.mrc")
    assert volume.grid == Grid((6, 9, 11), (0.2, 0.1, 0.15), (0, 0, 0), "nm")
    assert np.array_equal(volume.read(), data)


def test_bytes_of_imod_have_no_sign_unless_it_says_so(tmp_path):
    data = values() + np.uint8(50)
    stored = data.view("int8")
    path = mrc(tmp_path / "a.mrc", data=stored, mode=0, imod=0)
    assert np.array_equal(read_volume(path).read(), data)
    assert note(read_volume(path))["values"] == "bytes without a sign, as the stamp of IMOD says"
    signed = (data.astype(int) - 128).astype("int8")
    path = mrc(tmp_path / "b.mrc", data=signed, mode=0, imod=1)
    assert np.array_equal(read_volume(path).read(), data)
    assert "shifted by 128" in note(read_volume(path))["values"]
    # without the stamp the format's own word counts
    path = mrc(tmp_path / "c.mrc", data=signed, mode=0, low_high=(-128, 120))
    volume = read_volume(path)
    assert (volume.dtype, np.array_equal(volume.read(), signed)) == (np.int8, True)
    assert "values" not in note(volume)


def test_a_greatest_value_that_no_signed_number_has_means_none_has_a_sign(tmp_path):
    data = values((2, 9, 11)) + np.uint8(50)
    path = mrc(tmp_path / "a.mrc", data=data.view("int8"), mode=0, low_high=(50, 249))
    assert np.array_equal(read_volume(path).read(), data)
    data = values((2, 9, 11), "uint16") + np.uint16(60000)
    path = mrc(tmp_path / "b.mrc", data=data.view("int16"), mode=1, low_high=(60000, 60199))
    assert np.array_equal(read_volume(path).read(), data)
    assert "int16 read as uint16" in note(read_volume(path))["values"]


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("stamp", [b"\x44\x20\x20\x20", bytes(4), b"\x44\x41\0\0", b"\x11\x11\0\0"])
def test_a_stamp_that_tells_nothing_is_no_loss(tmp_path, endian, stamp):
    data = values(dtype="int16")
    volume = read_volume(mrc(tmp_path / "a.mrc", data=data, endian=endian, stamp=stamp))
    assert np.array_equal(volume.read(), data)
    assert volume.grid.spacing == (0.2, 0.1, 0.15)
    right = stamp[:2] in ((b"\x44\x44", b"\x44\x41") if endian == "<" else (b"\x11\x11",))
    assert ("byte_order" in note(volume)) != right


def test_a_file_without_the_word_map_is_read_and_noted(tmp_path):
    volume = read_volume(mrc(tmp_path / "a.mrc", word=b"\0\0\0\0", extended=bytes(80)))
    assert volume.grid.shape == (6, 9, 11)
    assert note(volume)["header"].startswith("without the word MAP")
    assert "header" not in note(read_volume(mrc(tmp_path / "b.mrc")))


def test_one_angstrom_counts_where_an_axis_has_another_size(tmp_path):
    path = mrc(tmp_path / "a.mrc", size=(1, 1, 2))
    assert read_volume(path).grid.spacing == (0.2, 0.1, 0.1)
    path = mrc(tmp_path / "b.mrc", size=(1, 1, 1))
    assert read_volume(path, "1 angstrom").grid.spacing == (0.1, 0.1, 0.1)


# ------------------------------------------------------------------------------------ OME-Zarr


def test_missing_chunks_are_counted_and_shown(tmp_path):
    path = store(tmp_path / "a.zarr")
    assert "missing_chunks" not in note(read_volume(path))
    (path / "0" / "0.0.0").unlink()
    volume = read_volume(path)
    assert note(volume)["missing_chunks"] == "1 of 18 chunks, read as 0"
    expected = zarr_values()
    expected[:4, :4, :4] = 0
    assert np.array_equal(volume.read(), expected)
    write_volume(tmp_path / "v.ome.zarr", volume)
    shown = input_file({("truth", None): tmp_path / "v.ome.zarr"})
    assert shown["input file"]["missing_chunks"] == "1 of 18 chunks, read as 0"
    simulated = Volume(values(), Grid((6, 9, 11), (1, 1, 1)))
    write_volume(tmp_path / "s.ome.zarr", simulated)
    assert input_file({("truth", None): tmp_path / "s.ome.zarr"}) == {}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_ome_zarr_without_version_is_read_by_that_of_its_zarr(tmp_path, zarr_format):
    path = store(tmp_path / "a.zarr", version=None if zarr_format == 2 else "0.5")
    if zarr_format == 3:
        root = json.loads((path / "zarr.json").read_text())
        del root["attributes"]["ome"]["version"]
        (path / "zarr.json").write_text(json.dumps(root))
    volume = read_volume(path)
    assert np.array_equal(volume.read(), zarr_values())
    assert volume.grid.spacing == (3, 2, 1)
    assert note(volume)["version"] == f"not told by the file, read as 0.{zarr_format + 2}"


def test_units_of_an_ome_zarr_may_differ_by_axis(tmp_path):
    units = dict(zip("zyx", ("micrometer", "nanometer", "angstrom"), strict=True))
    axes = [{"name": axis, "type": "space", "unit": unit} for axis, unit in units.items()]
    steps = [{"type": "scale", "scale": [0.02, 10, 100]}]
    grid = read_volume(store(tmp_path / "a.zarr", axes=axes, steps=steps)).grid
    assert (grid.spacing, grid.unit) == ((20, 10, 10), "nm")


def test_axes_of_an_ome_zarr_in_another_order_are_turned(tmp_path):
    data = zarr_values()
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "xyz"]
    steps = [{"type": "scale", "scale": [1, 2, 3]}]
    path = store(tmp_path / "a.zarr", data.transpose(2, 1, 0), axes=axes, steps=steps)
    volume = read_volume(path)
    assert np.array_equal(volume.read(), data)
    assert volume.grid.spacing == (3, 2, 1)


def test_an_image_of_a_collection_is_named_by_its_number(tmp_path):
    collection(tmp_path / "a.zarr")
    for name in ("0", "1"):
        path = tmp_path / "a.zarr" / name
        assert np.array_equal(read_volume(path).read(), zarr_values())
        assert set(files_of(str(path))) == {part for part in path.rglob("*") if part.is_file()}
    before = source_digest(tmp_path / "a.zarr" / "0")
    (tmp_path / "a.zarr" / "0" / "0" / "1.1.1").unlink()
    assert source_digest(tmp_path / "a.zarr" / "0") != before
    assert source_digest(tmp_path / "a.zarr" / "1") == before


# -------------------------------------------------------------------------------------- Imaris


def ims(path, **options):
    with open_hdf5(path, "w") as file:
        imaris(**options)(file)
    return path


def test_imaris_without_its_padding(tmp_path):
    path = ims(tmp_path / "a.ims", padded=(8, 16, 16), about={"ExtMin2": 1, "ExtMax2": 2.8})
    volume = read_volume(path)
    assert np.array_equal(volume.read(), values(dtype="uint16"))
    assert volume.grid == Grid((6, 9, 11), (0.3, 0.2, 0.1), (1.15, 0.1, 0.05), "um")
    assert note(volume)["padding"].startswith("(8, 16, 16)")


def test_a_channel_of_imaris_is_named(tmp_path):
    path = ims(tmp_path / "a.ims", channels=2)
    with open_hdf5(path, "a") as file:
        data = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 1/Data"]
        data[...] = data[...] + 1
    name = f"{path}:/DataSet/ResolutionLevel 0/TimePoint 0/Channel 1/Data"
    assert np.array_equal(read_volume(name).read(), values(dtype="uint16") + 1)


# ---------------------------------------------------------------------- NRRD, NIfTI, MetaImage


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.nii", "a.nii.gz", "a.mhd", "a.mha"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_itk_writes(tmp_path, name, dtype, packed):
    data = values(dtype=dtype)
    image = SimpleITK.GetImageFromArray(data)
    image.SetSpacing((0.01, 0.02, 0.03))
    SimpleITK.WriteImage(image, tmp_path / name, packed)
    volume = read_volume(tmp_path / name, None if "nii" in name else NM)
    assert (volume.dtype, np.array_equal(volume.read(), data)) == (np.dtype(dtype), True)
    assert np.array_equal(volume.read(slice(2, 4), slice(0, 3)), data[2:4, :3])
    if "nii" in name:
        assert (volume.grid.spacing, volume.grid.unit) == ((0.03, 0.02, 0.01), "mm")
    beside = name.endswith(("nhdr", "mhd"))
    assert len(files_of(str(tmp_path / name))) == 1 + beside


@pytest.mark.parametrize(
    ("more", "spacing", "unit"),
    [
        ('spacings: 0.1 0.2 0.3\nunits: "um" "um" "um"', (0.3, 0.2, 0.1), "um"),
        ('spacings: 100 0.2 3e-4\nunits: "nm" "um" "mm"', (300, 200, 100), "nm"),
        (
            'space dimension: 3\nspace units: "µm" "µm" "µm"\n'
            "space directions: (0.1,0,0) (0,0.2,0) (0,0,0.3)\nspace origin: (1,2,3)",
            (0.3, 0.2, 0.1),
            "um",
        ),
    ],
)
def test_nrrd_tells_its_units_by_axis(tmp_path, more, spacing, unit):
    (tmp_path / "a.nrrd").write_bytes(nrrd(more))
    volume = read_volume(tmp_path / "a.nrrd")
    assert (volume.grid.spacing, volume.grid.unit) == (spacing, unit)
    assert volume.grid.origin == ((3, 2, 1) if "origin" in more else (0, 0, 0))
    assert np.array_equal(volume.read(), values())


def test_nrrd_packed(tmp_path):
    packed = gzip.compress(values().tobytes())
    (tmp_path / "a.nrrd").write_bytes(nrrd(encoding="gzip", data=packed))
    assert np.array_equal(read_volume(tmp_path / "a.nrrd", NM).read(), values())


def test_a_direction_is_noted_and_not_applied(tmp_path):
    more = (
        'space dimension: 3\nspace units: "nm" "nm" "nm"\nspace origin: (5,6,7)\n'
        "space directions: (-1,0,0) (0,0,2) (0,3,0)"
    )
    (tmp_path / "a.nrrd").write_bytes(nrrd(more))
    volume = read_volume(tmp_path / "a.nrrd")
    assert np.array_equal(volume.read(), values())
    assert volume.grid == Grid((6, 9, 11), (3, 2, 1), (0, 0, 0), "nm")
    assert note(volume)["direction"].startswith("-1 0 0; 0 0 1; 0 1 0")


@pytest.mark.parametrize(("units", "unit"), [(1, "m"), (2, "mm"), (3, "um"), (3 + 8, "um")])
def test_nifti_tells_its_unit(tmp_path, units, unit):
    (tmp_path / "a.nii").write_bytes(nifti((3e-7, 2e-7, 1e-7) if unit == "m" else (3, 2, 1), units))
    grid = read_volume(tmp_path / "a.nii").grid
    expected = ((0.1, 0.2, 0.3), "um") if unit == "m" else ((1, 2, 3), unit)
    assert (grid.spacing, grid.unit) == expected


def test_the_scale_of_nifti_is_applied_and_noted(tmp_path):
    head = bytearray(nifti())
    head[112:120] = np.array([0.5, 10], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(head)
    volume = read_volume(tmp_path / "a.nii")
    assert np.array_equal(volume.read(), values().astype("f4") * 0.5 + 10)
    assert note(volume)["values"] == "stored values x 0.5 + 10, as the file says"
    (tmp_path / "b.nii").write_bytes(nifti())
    assert "values" not in note(read_volume(tmp_path / "b.nii"))


def test_a_pair_of_nifti_and_packs_of_several_members(tmp_path):
    whole = bytearray(nifti(magic=b"ni1\0"))
    whole[108:112] = np.array([0], "<f4").tobytes()
    (tmp_path / "a.hdr").write_bytes(whole[:348])
    (tmp_path / "a.img").write_bytes(whole[352:])
    assert np.array_equal(read_volume(tmp_path / "a.hdr").read(), values())
    assert [file.name for file in files_of(str(tmp_path / "a.hdr"))] == ["a.hdr", "a.img"]
    content = nifti()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]))
    assert np.array_equal(read_volume(tmp_path / "b.nii.gz").read(), values())


def test_meta_image_with_its_unit_and_with_its_voxels_beside_it(tmp_path):
    more = "ElementSpacing = 0.1 0.2 0.3\nDistanceUnits = um"
    (tmp_path / "a.mhd").write_bytes(meta("there/a.raw", more))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.raw").write_bytes(values().tobytes())
    volume = read_volume(tmp_path / "a.mhd")
    assert np.array_equal(volume.read(), values())
    assert (volume.grid.spacing, volume.grid.unit) == ((0.3, 0.2, 0.1), "um")
    before = source_digest(tmp_path / "a.mhd")
    (tmp_path / "there" / "a.raw").write_bytes(values(seed=2).tobytes())
    assert source_digest(tmp_path / "a.mhd") != before


def test_meta_image_of_slices_in_files_of_their_own(tmp_path):
    for number, image in enumerate(values()):
        (tmp_path / f"s{number:02}.raw").write_bytes(image.tobytes())
    (tmp_path / "a.mhd").write_bytes(meta("s%02d.raw 0 5 1"))
    names = "\n".join(f"s{number:02}.raw" for number in range(6))
    (tmp_path / "b.mhd").write_bytes(meta(f"LIST\n{names}"))
    for name in ("a.mhd", "b.mhd"):
        assert np.array_equal(read_volume(tmp_path / name, NM).read(), values())
        assert len(files_of(str(tmp_path / name))) == 7


def test_meta_image_packed(tmp_path):
    packed = zlib.compress(values().tobytes())
    more = f"CompressedData = True\nCompressedDataSize = {len(packed)}"
    (tmp_path / "a.mha").write_bytes(meta(more=more, data=packed))
    assert np.array_equal(read_volume(tmp_path / "a.mha", NM).read(), values())


# ------------------------------------------------------------------------------ PNG, JPEG, BMP


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.PNG"])
def test_pictures_keep_their_values(tmp_path, name):
    data = values((9, 11))
    Image.fromarray(data).save(tmp_path / name)
    volume = read_volume(tmp_path / name, "5 nm")
    assert np.array_equal(volume.read()[0], data)
    assert volume.grid == Grid((1, 9, 11), (5, 5, 5), (0, 0, 0), "nm")


def test_a_png_of_16_bits_grey_or_colours_that_are_all_grey(tmp_path):
    data = values((9, 11), "uint16") * 300
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    (tmp_path / "b.png").write_bytes(imagecodecs.png_encode(np.dstack([data] * 3)))
    for name in ("a.png", "b.png"):
        volume = read_volume(tmp_path / name, "5 nm")
        assert (volume.dtype, np.array_equal(volume.read()[0], data)) == (np.uint16, True)
    assert "all grey" in note(volume)["values"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_colours_that_are_all_grey_are_grey_values(tmp_path, mode):
    data = values((9, 11))
    image = Image.fromarray(data)
    if mode == "P":
        image.putpalette([value for n in range(256) for value in (n, n, n)])
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.png")
    volume = read_volume(tmp_path / "a.png", "5 nm")
    assert np.array_equal(volume.read()[0], data)


def test_black_and_white_is_shown_as_0_and_255(tmp_path):
    data = values((9, 11)) > 100
    Image.fromarray(data).save(tmp_path / "a.png")
    assert np.array_equal(read_volume(tmp_path / "a.png", "5 nm").read()[0], data * np.uint8(255))


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_jpeg_is_turned_as_a_viewer_turns_it(tmp_path, turn):
    data = np.zeros((16, 32), np.uint8)
    data[:8, :8] = 200
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(data).save(tmp_path / "a.jpg", quality=100, exif=exif)
    expected = {1: data, 2: data[:, ::-1], 3: data[::-1, ::-1], 4: data[::-1], 5: data.T}
    expected |= {6: np.rot90(data, -1), 7: data[::-1, ::-1].T, 8: np.rot90(data)}
    volume = read_volume(tmp_path / "a.jpg", "5 nm")
    assert np.abs(volume.read()[0].astype(int) - expected[turn]).max() < 4
    assert note(volume)["compression"] == "JPEG, which changes values"
    assert ("orientation" in note(volume)) == (turn > 1)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_a_folder_of_pictures_is_a_stack_and_other_files_do_not_count(tmp_path, ending):
    data = np.repeat(values((3, 1, 1)), 16, 1).repeat(16, 2)
    for number, image in enumerate(data):
        Image.fromarray(image).save(tmp_path / f"s_{number * 5}.{ending}")
    (tmp_path / "Thumbs.db").write_bytes(b"?")
    (tmp_path / "notes.txt").write_text("tilted")
    volume = read_volume(tmp_path, NM)
    assert np.abs(volume.read().astype(int) - data).max() <= (2 if ending == "jpg" else 0)
    assert volume.grid.shape == (3, 16, 16)
    assert len(files_of(str(tmp_path))) == 3


# ------------------------------------------------------------------------------------------ NPY


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<i4", "f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, dtype, order):
    data = np.asarray(values() > 100 if dtype == "?" else values(), dtype, order=order)
    np.save(tmp_path / "a.npy", data)
    volume = read_volume(tmp_path / "a.npy", NM)
    assert np.array_equal(volume.read(), data.astype(volume.dtype))
    assert np.array_equal(
        volume.read(slice(1, 3), slice(2, 4)), data[1:3, 2:4].astype(volume.dtype)
    )


@pytest.mark.parametrize("shape", [(9, 11), (1, 9, 11), (9, 11, 1, 1), (1, 1, 9, 11)])
def test_an_npy_of_one_image(tmp_path, shape):
    np.save(tmp_path / "a.npy", values((9, 11)).reshape(shape))
    assert np.array_equal(read_volume(tmp_path / "a.npy", NM).read()[0], values((9, 11)))


def test_an_npy_with_another_ending_is_known_by_its_content(tmp_path):
    np.save(tmp_path / "a.npy", values())
    (tmp_path / "a.npy").rename(tmp_path / "a.array")
    assert np.array_equal(read_volume(tmp_path / "a.array", NM).read(), values())


# ------------------------------------------------------------------- stacks of images in MRC


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.rawtlt", "-60\n-40\n-20\n0\n20\n40\n"),
        ("a.tlt", "-60\n-40\n-20\n0\n20\n40\n"),
        ("a.st.mdoc", "PixelSpacing = 10\n" + "[ZValue = 0]\nTiltAngle = 1\n" * 6),
    ],
)
def test_a_tilt_series_is_no_volume(tmp_path, name, text):
    path = mrc(tmp_path / "a.st")
    before = read_volume(path)
    (tmp_path / name).write_text(text)
    with pytest.raises(AcuityError, match=f"its 6 images are those of a tilt series, as {name}"):
        read_volume(path)
    assert np.array_equal(read_volume(path, volume=True).read(), before.read())
    # of another number of images
    (tmp_path / name).write_text(text + "TiltAngle = 1\n60\n")
    assert np.array_equal(read_volume(path).read(), before.read())


def test_a_stack_of_images_by_its_header_is_no_volume(tmp_path):
    path = mrc(tmp_path / "a.mrc", space=0)
    assert read_volume(path).grid.shape == (6, 9, 11)
    head = bytearray(path.read_bytes())
    head[36:40] = (1).to_bytes(4, "little")  # MZ
    path.write_bytes(head)
    with pytest.raises(AcuityError, match=r"calls it 6 images and not a volume .*column volume"):
        read_volume(path, NM)
    assert read_volume(path, NM, volume=True).grid.shape == (6, 9, 11)


def test_the_finest_level_is_the_one_of_most_voxels(tmp_path):
    data = zarr_values()
    path = tmp_path / "a.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    for name, level in (("0", data[::2, ::2, ::2]), ("1", data)):
        group.create_array(name, data=np.ascontiguousarray(level))
    axes = [{"name": letter, "type": "space", "unit": "micrometer"} for letter in "zyx"]
    levels = [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": [size] * 3}]}
        for path, size in (("0", 0.2), ("1", 0.1))
    ]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    volume = read_volume(path)
    assert np.array_equal(volume.read(), data)
    assert volume.grid.spacing == (0.1, 0.1, 0.1)


def test_an_array_of_zarr_alone_names_the_folder_only_where_that_is_an_image(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), data=values(), zarr_format=2)
    with pytest.raises(AcuityError, match="write it as OME-Zarr"):
        read_volume(tmp_path / "a.zarr", NM)


# ---------------------------------------------- sizes that are none, in what ITK is to read


def placed(sizes=(0.3, 0.2, 0.1), form=None, scale=(1, 0)):
    """A NIfTI with sizes of its own kind, an sform and a scale."""
    head = bytearray(nifti(sizes))
    struct.pack_into("<2f", head, 112, *scale)
    if form is not None:
        struct.pack_into("<h", head, 254, 1)
        for n, row in enumerate(form):
            struct.pack_into("<4f", head, 280 + 16 * n, *row)
    return bytes(head)


STRAIGHT = [(0.3, 0, 0, 0), (0, 0.2, 0, 0), (0, 0, 0.1, 0)]
SHEARED = [(0.3, 0.1, 0, 0), (0, 0.2, 0, 0), (0, 0, 0.1, 0)]
UM = 'units: "um" "um" "um"'


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("a.nii", placed((0, 0, 0)), "sizes of 0 x 0 x 0"),
        ("a.nii", placed((0.3, 0.2, 0)), "sizes of 0 x 0.2 x 0.3"),
        ("a.nii", placed((np.nan, 0.2, 0.1)), "sizes of 0.1 x 0.2 x nan"),
        ("a.nii", placed((0, 0, 0), [(0, 0, 0, 0)] * 3), "sizes of 0 x 0 x 0"),
        ("a.nii", placed((0.6, 0.2, 0.1), STRAIGHT), r"0\.6 \(pixdim\) and of .*0\.3 \(sform\)"),
        ("a.nii", placed(form=SHEARED), r"0\.3 \(pixdim\) and of 0\.1 x 0\.223607 x 0\.3 \(sform"),
        ("a.nii.gz", gzip.compress(placed((0, 1, 1))), "sizes of 1 x 1 x 0"),
        ("a.nrrd", nrrd(f"spacings: 0 0 0\n{UM}"), "sizes of 0 x 0 x 0"),
        ("a.nrrd", nrrd(f"spacings: 0.1 0.2 nan\n{UM}"), "sizes of nan x 0.2 x 0.1"),
        (
            "a.nrrd",
            nrrd(f"spacings: 0.1 0.2 nan\n{UM}", gzip.compress(RAW), encoding="gzip"),
            "sizes of nan x 0.2 x 0.1",
        ),
        ("a.mha", meta(more="ElementSpacing = 0 0 0\nDistanceUnits = um"), "sizes of 0 x 0 x 0"),
        ("a.mha", meta(more="ElementSpacing = 1 2\nDistanceUnits = um"), "sizes of 0 x 2 x 1"),
        ("a.mha", meta(more="ElementSpacing = a b c\nDistanceUnits = um"), "sizes of 0 x 0 x 0"),
        (
            "a.mha",
            meta(more="ElementSpacing = 0 1 1\nCompressedData = True", data=zlib.compress(RAW)),
            "sizes of 1 x 1 x 0",
        ),
    ],
)
def test_sizes_that_are_none_stop_no_study_that_states_one(tmp_path, name, content, hint):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AcuityError, match=f"carries no voxel size .*{hint}"):
        read_volume(tmp_path / name)
    volume = read_volume(tmp_path / name, NM)
    assert volume.grid == Grid((6, 9, 11), (20, 10, 10), (0, 0, 0), "nm")
    assert volume.read().tobytes() == RAW
    assert volume.read(slice(2, 4)).tobytes() == RAW[2 * 99 : 4 * 99]


def test_an_sform_that_agrees_with_the_sizes_is_none_of_their_business(tmp_path):
    (tmp_path / "a.nii").write_bytes(placed(form=STRAIGHT))
    assert read_volume(tmp_path / "a.nii").grid.spacing == (0.1, 0.2, 0.3)


def test_a_text_of_voxels_without_sizes_says_what_to_do(tmp_path):
    text = " ".join(map(str, RAW)).encode()
    (tmp_path / "a.nrrd").write_bytes(nrrd("spacings: 0 0 0", text, encoding="ascii"))
    with pytest.raises(AcuityError, match=r"sizes of 0 x 0 x 0, .*write sizes above zero"):
        read_volume(tmp_path / "a.nrrd", NM)


@pytest.mark.parametrize(
    ("scale", "factor", "shift", "noted"),
    [
        ((0, -5), 1, 0, False),
        ((np.nan, np.nan), 1, 0, False),
        ((0, 0), 1, 0, False),
        ((2, -5), 2, -5, True),
        ((1, 7), 1, 7, True),
    ],
)
def test_a_scale_of_nifti_counts_unless_it_is_0(tmp_path, scale, factor, shift, noted):
    (tmp_path / "a.nii").write_bytes(placed(scale=scale))
    volume = read_volume(tmp_path / "a.nii")
    stored = np.frombuffer(RAW, np.uint8).reshape(6, 9, 11)
    assert np.array_equal(volume.read(), stored * float(factor) + shift)
    assert ("values" in note(volume)) == noted
    assert volume.dtype == (np.float32 if noted else np.uint8)


def test_a_nifti_may_be_packed_whatever_its_name_says(tmp_path):
    (tmp_path / "a.nii").write_bytes(gzip.compress(nifti()))
    (tmp_path / "b.nii.gz").write_bytes(nifti())
    for name in ("a.nii", "b.nii.gz"):
        volume = read_volume(tmp_path / name)
        assert volume.read().tobytes() == RAW
        assert volume.grid.spacing == (0.1, 0.2, 0.3)


def test_the_scale_of_nifti_counts_where_it_is_read_without_itk(tmp_path):
    """Packed whatever the name says, or placed by an sform that contradicts the sizes."""
    content = placed(scale=(2, -5))
    (tmp_path / "a.nii").write_bytes(gzip.compress(content))
    (tmp_path / "b.nii.gz").write_bytes(content)
    (tmp_path / "c.nii").write_bytes(placed(scale=(2, -5), form=np.eye(3, 4) * 7))
    stored = np.frombuffer(RAW, np.uint8).reshape(6, 9, 11)
    for name in ("a.nii", "b.nii.gz", "c.nii"):
        volume = read_volume(tmp_path / name, NM)
        assert np.array_equal(volume.read(), stored * 2.0 - 5), name
        assert note(volume)["values"] == "stored values x 2 + -5, as the file says"


def test_a_metaimage_with_a_scale(tmp_path):
    scale = "ElementToIntensityFunctionSlope = 2\nElementToIntensityFunctionOffset = 5"
    (tmp_path / "a.mha").write_bytes(meta(more=scale))
    volume = read_volume(tmp_path / "a.mha", NM)
    stored = np.frombuffer(RAW, np.uint8).reshape(6, 9, 11)
    assert np.array_equal(volume.read(), stored * 2.0 + 5)
    assert note(volume)["values"] == "stored values x 2 + 5, as the file says"
    (tmp_path / "b.mha").write_bytes(meta())
    assert read_volume(tmp_path / "b.mha", NM).dtype == np.uint8


# ------------------------------------------------------------------- colours in plain arrays


@pytest.mark.parametrize("last", [2, 3, 4, 5])
def test_colours_of_one_image_are_no_slices(tmp_path, last):
    data = values((20, 30, last))
    np.save(tmp_path / "a.npy", data)
    with open_hdf5(tmp_path / "a.h5", "w") as file:
        file["data"] = data
    for name in ("a.npy", "a.h5"):
        if last in (3, 4):
            with pytest.raises(AcuityError, match=r"\(20, 30, \d\), of which the last looks like"):
                read_volume(tmp_path / name, NM)
        else:
            assert np.array_equal(read_volume(tmp_path / name, NM).read(), data)
    # three or four slices are slices
    np.save(tmp_path / "b.npy", data.transpose(2, 0, 1))
    assert read_volume(tmp_path / "b.npy", NM).grid.shape == (last, 20, 30)


# ---------------------------------------------------------------- formats under other endings


@pytest.mark.parametrize(
    ("name", "begins", "ending"),
    [
        ("a.tif", b"\x89HDF\r\n\x1a\n", ".h5"),
        ("a.h5", b"II*\0", ".tif"),
        ("a.mrc", b"MM\0*" + b"\xff" * 400, ".tif"),
        ("a.png", b"II*\0", ".tif"),
        ("a.dat", b"\0" * 208 + b"MAP ", ".mrc"),
        ("a", b"II+\0", ".tif"),
        ("a.scan", b"\x89PNG\r\n\x1a\n", ".png"),
        ("a.bin", b"\0" * 344 + b"n+1\0", ".nii"),
    ],
)
def test_a_format_under_the_ending_of_another_is_told(tmp_path, name, begins, ending):
    (tmp_path / name).write_bytes(begins + b"\xff" * 2000)
    with pytest.raises(
        AcuityError, match=rf"it begins as \w+ does, give it the ending \{ending}\.$"
    ):
        read_volume(tmp_path / name, NM)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.nxs", b"\x89HDF\r\n\x1a\n"), ("a.jpeg", b"\xff\xd8\xff"), ("a.h5", b"z y x")],
)
def test_a_damaged_file_of_its_own_format_gets_no_other_ending(tmp_path, name, begins):
    (tmp_path / name).write_bytes(begins + b"\xff" * 2000)
    with pytest.raises(AcuityError, match="copy it again from its source"):
        read_volume(tmp_path / name, NM)

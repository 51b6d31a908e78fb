"""Which files of a folder are the slices, in which order, and what lies beside them."""

import os

import numpy as np
import pytest
import tifffile

from acuity.errors import AcuityError
from acuity.formats.files import files_of, in_order, notes_of, slices_of
from acuity.formats.read import read_volume
from acuity.formats.readers.tiff import directory
from acuity.ingest.ingest import source_digest

DATA = np.random.default_rng(3).integers(0, 200, (6, 12, 10)).astype(np.uint8)
NAMES = [f"s_{number:04}.tif" for number in range(6)]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "slices"
    made.mkdir()
    for name, image in zip(NAMES, DATA, strict=True):
        tifffile.imwrite(made / name, image)
    return made


@pytest.mark.parametrize(
    "name",
    [
        "s_0003 (1).tif",
        "Copy of s_0003.tif",
        "s_0003 - Copy.tif",
        "s_0003_copy.tif",
        "s_0003b.tif",
        "s_0003_1.tif",
        "MAX_slice.tif",
        "MAX_0006.tif",
        "s_spr.tif",
        "mask_0003.tif",
        "reference.TIFF",
    ],
)
def test_an_image_that_does_not_fit_the_series_is_named(folder, name):
    assert np.array_equal(read_volume(folder, "10 nm").read(), DATA)
    tifffile.imwrite(folder / name, DATA[3])
    for asked in (slices_of, read_volume, files_of, source_digest):
        with pytest.raises(AcuityError) as error:
            asked(folder)
        assert f"slices: found {name}, which does not fit the series" in str(error.value)
        assert "s_0000.tif to s_0005.tif; move what is no slice out" in str(error.value)


@pytest.mark.parametrize("name", ["s_0003.tiff", "S_0003.TIF", "s_3.tif", "s_00003.tif"])
def test_two_files_for_one_slice_are_named(folder, name):
    tifffile.imwrite(folder / name, DATA[3])
    with pytest.raises(AcuityError, match="two files for one slice") as error:
        slices_of(folder)
    assert name in str(error.value)
    assert "s_0003.tif" in str(error.value)


def test_half_of_a_folder_may_be_another_series(folder):
    for number in range(3):
        tifffile.imwrite(folder / f"mask_{number}.tif", DATA[number])
    with pytest.raises(AcuityError, match=r"found mask_0\.tif and 2 more, which do not fit"):
        slices_of(folder)
    for number in range(3, 7):
        tifffile.imwrite(folder / f"mask_{number}.tif", DATA[0])
    with pytest.raises(AcuityError, match=r"found s_0000\.tif and 5 more, which do not fit"):
        slices_of(folder)


@pytest.mark.parametrize(
    "litter",
    [
        "Thumbs.db",
        "desktop.ini",
        "notes.txt",
        "s_0003.xmp",
        ".DS_Store",
        "._s_0003.tif",
        "scan.log",
    ],
)
def test_what_is_no_image_is_no_part_of_the_input(folder, litter):
    before = files_of(folder), source_digest(folder)
    (folder / litter).write_text("anything")
    assert (files_of(folder), source_digest(folder)) == before
    assert [file.name for file in files_of(folder)] == NAMES
    assert np.array_equal(read_volume(folder, "10 nm").read(), DATA)


def test_what_systems_leave_in_a_zarr_is_no_part_of_it(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    for name in (".zgroup", ".zattrs", "0.0.0", "Thumbs.db", ".DS_Store", "._0.0.0"):
        (tmp_path / "a.zarr" / name).write_text("")
    assert [file.name for file in files_of(tmp_path / "a.zarr")] == [".zattrs", ".zgroup", "0.0.0"]


@pytest.mark.parametrize(
    "names",
    [
        [f"s_{number}.tif" for number in range(-6, 7)],
        [f"s_{number}.tif" for number in range(-6, 0)],
        [f"z={number}nm.tif" for number in range(-20, 30, 10)],
        [f"z={number / 10:.1f}um.tif" for number in range(-15, 20, 5)],
        ["z=0um.tif", "z=0.5um.tif", "z=1um.tif", "z=1.5um.tif"],
        [f"Image {number}.tif" for number in range(-2, 12)],
        [f"Image -{number:02}.tif" for number in range(1, 12)],
        [f"scan-{number}.tif" for number in range(1, 12)],
        [f"2024-01-{number}.tif" for number in range(8, 12)],
        ["a.tif", "b.tif", "c.tif"],
        ["S_1.tif", "s_2.TIF", "s_3.tiff"],
        ["s_1_11-58 AM.tif", "s_2_11-59 AM.tif", "s_3_01-00 PM.tif", "s_4_01-01 PM.tif"],
        [
            *(f"a_{number}.tif" for number in range(5)),
            *(f"b_{number}.tif" for number in range(5, 9)),
        ],
    ],
    ids=lambda names: names[0],
)
def test_good_series_are_in_the_order_of_people(tmp_path, names):
    for name in names[::-1]:
        (tmp_path / name).write_bytes(b"")
    assert [file.name for file in slices_of(tmp_path)] == names


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["s_1.tif", "MAX.tif"], "several series"),
        (["s_-2.tif", "s_-1.tif", "s_1.tif", "s_2.tif"], "number 0 is missing"),
        (["b_1.tif", "b_2.tif", "a_3.tif", "a_4.tif"], "several series"),
        ([f"s_{number}.tif" for number in range(5)] + ["t_5.tif"], "found t_5.tif"),
    ],
)
def test_series_that_are_none(tmp_path, names, said):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(AcuityError, match=said):
        slices_of(tmp_path)


def test_what_has_the_name_of_a_slice_is_a_file(folder):
    (folder / "s_0006.tif").mkdir()
    with pytest.raises(AcuityError, match=r"s_0006\.tif: is no file that could be read"):
        slices_of(folder)
    (folder / "s_0006.tif").rmdir()
    (folder / "s_0006.tif").symlink_to("nowhere")
    with pytest.raises(AcuityError, match=r"s_0006\.tif: is no file"):
        slices_of(folder)
    (folder / "s_0006.tif").unlink()
    os.mkfifo(folder / "s_0006.tif")
    with pytest.raises(AcuityError, match=r"s_0006\.tif: is no file"):
        slices_of(folder)


def test_text_of_a_microscope_is_part_of_the_input_and_other_text_is_not(folder):
    for number in range(6):
        (folder / f"s_{number:04}.txt").write_text("what I saw")
    assert notes_of(slices_of(folder)) == []
    for number in range(6):
        text = "[SemImageFile]\nPixelSize=4\n".encode("utf-16" if number else "utf-8")
        (folder / f"s_{number:04}.txt").write_bytes(text)
    assert [file.name for file in files_of(folder)[6:]] == [f"s_{n:04}.txt" for n in range(6)]
    listed = folder / "list.txt"
    listed.write_text("s_0002.tif\ns_0001.tif\n")
    assert [file.name for file in files_of(listed)] == [
        "list.txt",
        *("s_0002.tif", "s_0001.tif", "s_0002.txt", "s_0001.txt"),
    ]


def test_the_scan_of_the_same_name_counts(folder):
    for name in ("s.log", "other.log"):
        (folder / name).write_text("[System]\nScanner=SkyScan1172\n")
    assert [file.name for file in notes_of(slices_of(folder))] == ["s.log"]
    (folder / "s.log").rename(folder / "another.log")
    assert notes_of(slices_of(folder)) == []  # which of two?
    (folder / "another.log").unlink()
    assert [file.name for file in notes_of(slices_of(folder))] == ["other.log"]


def test_files_in_order():
    names = ["s10.tif", "s-9.tif", "s9.tif", "s_-1.tif", "s_1.tif"]
    from pathlib import Path

    ordered = [file.name for file in in_order(map(Path, names))]
    assert ordered == ["s9.tif", "s10.tif", "s-9.tif", "s_-1.tif", "s_1.tif"]


KINDS = {
    "more rows": {"data": np.zeros((14, 10), np.uint8)},
    "16 bits": {"data": DATA[1].astype(np.uint16)},
    "signed": {"data": DATA[1].astype(np.int8)},
    "inverted": {"photometric": "miniswhite"},
    "turned": {"extratags": [(274, 3, 1, 6, True)]},
    "of pixels": {"resolution": (2e5, 2e5), "resolutionunit": "CENTIMETER"},
    "described": {"description": "another"},
    "packed": {"compression": "zlib"},
    "with more behind": {"behind": b"\0" * 120},
}


def write_slice(path, data=DATA[1], behind=b"", **options):
    """Write a slice as a program does that says little."""
    settings = {"photometric": "minisblack", "metadata": None, "datetime": "2026:01:01 00:00:00"}
    tifffile.imwrite(path, data, **(settings | options))
    with open(path, "ab") as file:
        file.write(behind)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_slices_that_say_the_same_are_known_by_their_directory(tmp_path, kind):
    plain, date = write_slice(tmp_path / "a.tif"), "2026:01:02 00:00:00"
    one = write_slice(tmp_path / "b.tif", **KINDS[kind])
    other = write_slice(tmp_path / "c.tif", **KINDS[kind] | {"datetime": date})
    assert directory(one) is not None
    assert directory(one) == directory(other)
    assert directory(one) != directory(plain)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"data": DATA}, {"subifds": 1}])
def test_what_a_directory_does_not_tell_is_opened(tmp_path, options):
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=options.pop("bigtiff", False)) as file:
        file.write(options.pop("data", DATA[0]), metadata=None, **options)
        if options:
            file.write(DATA[0, ::2, ::2], subfiletype=1)
    assert directory(tmp_path / "a.tif") is None


@pytest.mark.parametrize("kept", [0, 3, 30, 100, 0.5])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
def test_a_cut_slice_is_not_known_by_its_directory(tmp_path, kept, options):
    path = write_slice(tmp_path / "a.tif", **options)
    assert directory(path) is not None
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if kept != 0.5 else len(whole) - 1])
    assert directory(path) is None
    with pytest.raises(AcuityError, match=r"a\.tif"):
        read_volume(path, "10 nm")


def test_a_slice_of_the_same_size_that_differs_is_found(folder):
    """Its bytes are as many as those of its neighbours."""
    for name, image in zip(NAMES, DATA, strict=True):
        write_slice(folder / name, image)
    assert np.array_equal(read_volume(folder, "10 nm").read(), DATA)
    write_slice(folder / NAMES[3], DATA[3].reshape(10, 12))
    with pytest.raises(AcuityError, match=r"s_0003\.tif: this slice is 10 x 12 of uint8 where"):
        read_volume(folder, "10 nm")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([*range(8), 9999], "numbers 8 to 9998 are missing between s_7 and s_9999"),
        ([0, *range(1000, 1008)], "numbers 1 to 999 are missing between s_0 and s_1000"),
        ([*range(0, 16, 2), 9999], "numbers 16 to 9997 are missing between s_14 and s_9999"),
        ([*range(8), *range(100, 108)], "numbers 8 to 99 are missing between s_7 and s_100"),
    ],
)
def test_a_number_far_from_the_others_is_a_gap(tmp_path, numbers, said):
    for number in numbers:
        tifffile.imwrite(tmp_path / f"s_{number}.tif", DATA[0])
    with pytest.raises(AcuityError) as error:
        slices_of(tmp_path)
    assert said in str(error.value).replace(".tif", "")


def test_times_are_no_numbering(tmp_path):
    for time in (120001, 120103, 120210, 120359, 120501, 135959):
        tifffile.imwrite(tmp_path / f"s_{time}.tif", DATA[0])
    assert len(slices_of(tmp_path)) == 6


def test_a_folder_without_images_says_what_it_holds(tmp_path):
    with pytest.raises(AcuityError, match=r"no OME-Zarr in this folder\.$"):
        slices_of(tmp_path)
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(AcuityError, match=r"no OME-Zarr in this folder\.$"):
        slices_of(tmp_path)
    (tmp_path / "a.mrc").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    with pytest.raises(AcuityError, match=r"holds a\.mrc and 1 more; name the file or the folder"):
        slices_of(tmp_path)
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(AcuityError, match=r"found IM0001, a file of DICOM .*Image Sequence"):
        slices_of(tmp_path)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("a.mhd", "NDims = 3\nDimSize = 3 3 3\nElementType = MET_UCHAR\nElementDataFile = b.raw\n"),
        ("a.nhdr", "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 3 3\ndata file: ./b.raw\n"),
    ],
)
def test_voxels_that_a_header_beside_them_describes(tmp_path, header, text):
    (tmp_path / "b.raw").write_bytes(b"\0" * 27)
    (tmp_path / header).write_text(text)
    with pytest.raises(AcuityError, match=rf"b\.raw: holds voxels that {header} .*; name {header}"):
        files_of(tmp_path / "b.raw")
    (tmp_path / "c.raw").write_bytes(b"\0" * 27)
    with pytest.raises(AcuityError, match=r"c\.raw: found 0 sidecar files"):
        files_of(tmp_path / "c.raw")

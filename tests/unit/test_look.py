"""`acuity check`: what it says of a study's inputs, and what it refuses."""

import re
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from acuity.cli import main
from acuity.ingest.look import count_hot
from acuity.study.reading import read_study
from tests.unit.test_plan import work

STUDY = "study: own\nsamples: own.tsv\nlevels: [2]\nmethods: {richardson_lucy: {}}\n"
PAIRS = (
    "study: own\nsamples: own.tsv\npair: {}\nlevels: [2]\nmethods: {cubic: {}}\nsegment: false\n"
)
SOUND = "own.yaml: study 'own' is sound: "


@pytest.fixture
def texture():
    """A volume in which no voxel stands out."""
    return np.random.default_rng(3).integers(60, 200, (6, 20, 30)).astype(np.uint8)


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Write a study and its sheet, and run the command on it: code, lines, errors."""
    monkeypatch.chdir(tmp_path)

    def check(rows, *options, study=STUDY, columns="sample role path voxel_size region pitch"):
        (tmp_path / "own.yaml").write_text(study)
        lines = [columns.replace(" ", "\t"), *("\t".join(row) for row in rows)]
        (tmp_path / "own.tsv").write_text("\n".join(lines) + "\n")
        code = main(["check", "own.yaml", *options])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return check


def cells(line):
    """The cells of a line of the table."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_table_says_what_each_file_is(checked, texture):
    tifffile.imwrite(
        "own.tif",
        texture,
        imagej=True,
        resolution=(10, 10),
        metadata={"spacing": 0.3, "unit": "um", "axes": "ZYX"},
    )
    tifffile.imwrite("plain.tif", texture.astype(np.uint16), photometric="minisblack")
    code, lines, errors = checked(
        [
            ("a", "train", "own.tif"),
            ("b", "test", "plain.tif", "8 nm", "1:5,:,10:"),
            ("c", "test", "own.tif", "", "", "0.2 um"),
        ]
    )
    assert (code, errors) == (0, [])
    assert [cells(line) for line in lines[:-1]] == [
        [
            *("sample", "file", "shape z y x", "voxel size", "size from", "type", "region"),
            "smallest feature",
        ],
        ["a", "own.tif", "6 20 30", "0.3 0.1 0.1 um", "file", "uint8", "whole", "0.6 um"],
        ["b", "plain.tif", "4 20 20", "8 nm", "study", "uint16", "1:5,0:20,10:30", "16 nm"],
        ["c", "own.tif", "6 20 30", "0.2 0.1 0.1 um", "file and pitch", "uint8", "whole", "0.4 um"],
    ]
    assert lines[-1] == f"{SOUND}3 samples, 1 levels, methods richardson_lucy"


def test_all_that_cannot_be_used_is_said_at_once(checked, texture):
    tifffile.imwrite("good.tif", texture, photometric="minisblack")
    with h5py.File("scan.h5", "w") as file:
        file["exchange/data"] = texture
        file["exchange/theta"] = np.arange(6.0)
    code, lines, errors = checked(
        [
            ("good", "train", "good.tif", "1 um"),
            ("none", "test", "good.tif"),
            ("raw", "test", "scan.h5:/exchange/data", "1 um"),
            ("far", "test", "good.tif", "1 um", "0:9"),
        ]
    )
    assert code == 1
    assert [cells(line)[0] for line in lines] == ["sample", "good"]  # and no word of sound
    none, raw, far = errors
    assert none.startswith("error: sample 'none': good.tif: the file carries no voxel size")
    assert raw.startswith("error: sample 'raw': scan.h5")
    assert "projections" in raw
    assert far == (
        "error: sample 'far': good.tif: the region asks for 0:9 along z, allowed are spans within 0:6."
    )


def test_both_images_of_a_pair_are_looked_at(checked, texture):
    fine = np.tile(texture[0], (5, 4))
    for name, image in (("high.tif", fine), ("low.tif", fine[::2, ::2])):
        tifffile.imwrite(name, image, photometric="minisblack")
    row = ("a", "train", "high.tif", "low.tif", "5 nm", "10 nm")
    rows = [row, ("b", "test", *row[2:])]
    columns = "sample role path low_path voxel_size low_voxel_size"
    code, lines, _ = checked(rows, study=PAIRS, columns=columns)
    assert code == 0
    assert [cells(line)[:4] for line in lines[1:3]] == [
        ["a", "high.tif", "1 100 120", "5 nm"],
        ["a", "low.tif", "1 50 60", "10 nm"],
    ]
    code, _, errors = checked([row[:5], ("b", "test", *row[2:])], study=PAIRS, columns=columns)
    assert code == 1
    assert errors[0].startswith("error: sample 'a': low.tif: ")


@pytest.mark.parametrize(
    ("first", "sizes", "said"),
    [
        ("high.tif", ("5 nm", "10 nm"), None),
        ("low.tif", ("10 nm", "5 nm"), r"\(are the two swapped\?\)\."),
        ("high.tif", ("5 nm", "6 nm"), "allowed is up to 1.5 times their ratio of 1.2"),
        ("high.tif", ("9 nm", "14 nm"), "is larger than that of the low image"),
    ],
)
def test_images_that_can_be_no_pair_are_not_sound(checked, texture, first, sizes, said):
    fine = np.tile(texture[0], (5, 4))
    for name, image in (("high.tif", fine), ("low.tif", fine[::2, ::2]), ("stack.tif", texture)):
        tifffile.imwrite(name, image, photometric="minisblack")
    second = "high.tif" if first == "low.tif" else "low.tif"
    columns = "sample role path low_path voxel_size low_voxel_size"
    code, _, errors = checked([("a", "test", first, second, *sizes)], study=PAIRS, columns=columns)
    assert (code, len(errors)) == ((0, 0) if said is None else (1, 1))
    if said:
        assert re.match(f"error: sample 'a': the pair: .*{said}", errors[0])


def test_pairs_of_volumes_are_looked_at_by_their_sizes(checked, texture):
    fine = np.tile(texture[0], (5, 4))
    for name, image in (
        ("fine.tif", np.repeat(texture, 2, 0)),
        ("stack.tif", texture),
        ("one.tif", fine),
    ):
        tifffile.imwrite(name, image, photometric="minisblack")
    columns = "sample role path low_path voxel_size low_voxel_size"
    volumes = PAIRS.replace("lanczos", "cubic")
    for row, said in (
        (("fine.tif", "stack.tif", "5 nm", "10 nm"), None),
        (("fine.tif", "stack.tif", "5 nm", "5 nm"), "one magnification"),
        (("fine.tif", "stack.tif", "5 nm", "15 nm"), "found the level 2"),
        (
            ("fine.tif", "one.tif", "5 nm", "10 nm"),
            r"fine\.tif \(a\) is a volume and one\.tif \(a\) is one",
        ),
    ):
        code, _, errors = checked([("a", "test", *row)], study=volumes, columns=columns)
        assert (code, len(errors)) == ((0, 0) if said is None else (1, 1)), errors
        if said:
            assert re.search(said, errors[0])


def test_simulated_samples_and_buckets_are_listed_and_not_opened(checked, texture):
    foam = STUDY + "foam: {size: 64, voxel_size: 1.5 um, diameter: [4, 20], small_below: 8}\n"
    rows = [("a", "test", "1"), ("b", "train", "2")]
    code, lines, _ = checked(rows, study=foam, columns="sample role seed")
    assert code == 0
    assert cells(lines[1]) == [
        *("a", "simulated, seed 1", "64 64 64", "1.5 um", "study", "float32", "whole", "3 um")
    ]
    code, lines, _ = checked([("a", "test", "s3://bucket/a.tif", "1 um", "0:4")])
    assert code == 0
    assert cells(lines[1])[1:3] == ["s3://bucket/a.tif", "-"]


def test_voxels_are_read_only_when_that_is_asked_for(checked, texture):
    """A file whose values are damaged, and whose header is not."""
    tifffile.imwrite("zip.tif", texture, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile("zip.tif") as file:
        at = file.pages[3].dataoffsets[0]
    with open("zip.tif", "r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 40)
    rows = [("a", "test", "zip.tif", "1 um")]
    assert checked(rows)[0] == 0
    code, _, errors = checked(rows, "--deep")
    assert code == 1
    assert errors[0].startswith("error: sample 'a': zip.tif: slices 0 to 5 cannot be")


def spoilt(texture, what):
    volume = texture.astype(np.float32)
    if what == "not finite":
        volume[2, 3, 4:6] = np.nan, np.inf
    if what == "constant":
        volume[:] = 7
    if what == "blank":
        volume[1] = volume[4] = 9
    if what == "hot":
        volume[0, 0, 0] = volume[3, 10, 10] = volume[5, 19, 29] = 1000
    return volume


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing", []),
        ("blank", ["slices of one value each: 2 (1, 4)"]),
        (
            "hot",
            ["hot voxels: 3, single ones far above all that surrounds them in their slice"],
        ),
    ],
)
def test_deep_reads_all_voxels_once(checked, texture, what, said):
    np.save("own.npy", spoilt(texture, what))
    rows = [("a", "test", "own.npy", "1 um")]
    code, lines, errors = checked(rows, "--deep")
    assert (code, errors) == (0, [])
    assert lines[2:-1] == [f"a, own.npy: {finding}" for finding in said]
    assert checked(rows)[1][2:-1] == []  # not without it


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            "not finite",
            "found 2 voxels that are no finite numbers, allowed are finite numbers only",
        ),
        ("constant", "is constant, every voxel is 7; allowed is a volume with contrast"),
    ],
)
def test_what_the_import_refuses_is_not_sound(checked, texture, what, said):
    np.save("own.npy", spoilt(texture, what))
    rows = [("a", "test", "own.npy", "1 um")]
    code, lines, [error] = checked(rows, "--deep")
    assert code == 1
    assert error.startswith(f"error: sample 'a': own.npy: {said}")
    assert len(lines) == 1  # the heading alone, and no word of sound
    assert checked(rows)[0] == 0  # headers tell nothing of it


def test_what_lies_outside_the_region_is_not_read(checked, texture):
    np.save("own.npy", spoilt(texture, "blank"))
    found = checked([("a", "test", "own.npy", "1 um", "2:4")], "--deep")
    assert len(found[1]) == 3


def test_a_hot_pixel_is_alone_and_far_above_its_slice():
    image = np.random.default_rng(4).normal(100, 10, (50, 60))
    span = np.subtract(*np.percentile(image, (99, 1)))
    assert count_hot(image) == 0
    image[20, 30] = image[19:22, 29:32].max() + 1.1 * span
    assert count_hot(image) == 1
    image[21, 31] = image[20, 30]  # two beside each other are a thing
    assert count_hot(image) == 0
    image[21, 31] = image[20, 30] - 0.9 * span
    assert count_hot(image) == 0
    spots = np.zeros((50, 60))
    spots[10, 10] = 1.0  # on an empty background nothing tells noise from things
    assert count_hot(spots) == 0


def test_ten_thousand_slices_take_five_seconds(checked, texture, monkeypatch):
    """Beside the machine's pace, of which the work of planning takes .27 s where it is idle."""
    Path("slices").mkdir()
    tifffile.imwrite("slices/s_00000.tif", texture[0], photometric="minisblack")
    data = Path("slices/s_00000.tif").read_bytes()
    for number in range(1, 2500):
        Path(f"slices/s_{number:05d}.tif").write_bytes(data)
    rows = [("a", "train", "slices", "1 um", ":,:,:15"), ("b", "test", "slices", "1 um", ":,:,15:")]
    checked(rows)  # with what is loaded once
    for _ in range(3):
        pace, begun = work() / 0.27, time.process_time()
        code, lines, _ = checked(rows)
        taken = (time.process_time() - begun) / pace
        if taken < 5 / 4:
            break
    assert code == 0
    assert cells(lines[1])[2] == "2500 20 15"
    assert taken < 5 / 4


def test_a_sample_tells_what_to_read_of_it(checked, texture):
    tifffile.imwrite("a.tif", texture, photometric="minisblack")
    columns = "sample role path voxel_size region volume"
    checked([("a", "test", "a.tif", "2 nm", "0:3", "true")], columns=columns)
    [sample] = read_study("own.yaml")[1]
    expected = {"path": "a.tif", "voxel_size": "2 nm", "region": "0:3", "pitch": None}
    assert sample.reading() == expected | {"volume": True}
    assert sample.reading("low/") == {"path": None, "voxel_size": None, "volume": True}


COARSE = (
    "study: own\nsamples: own.tsv\ndegrade: {mode: decimate}\nlevels: [2]\nsegment: false\n"
    "methods: {cubic: {}}\nrestore: {region: '%s', dtype: %s}\n"
)


@pytest.mark.parametrize(
    ("region", "dtype", "said"),
    [
        ("whole", "uint8", None),
        ("0:3,5:,:-2", "uint16", None),
        ("0:5", "null", "key 'restore.region': the region asks for 0:5 along z, allowed are spans within 0:4."),
        ("2:2", "null", "key 'restore.region': the region asks for 2:2 along z, allowed are spans within 0:4."),
        ("5", "null", "key 'restore.region': '5' is neither whole nor of the form z0:z1,y0:y1,x0:x1"),
        (":", "uint8", "key 'restore.dtype': found the dtype uint8 for a restored volume whose input is float32; "
         "allowed of such input is float32, choose one of them."),
    ],
)  # fmt: skip
def test_what_is_restored_of_a_volume(checked, texture, region, dtype, said):
    floats = said is not None and "dtype" in said
    tifffile.imwrite(
        "own.tif", texture.astype(np.float32 if floats else np.uint8), photometric="minisblack"
    )
    rows = [("a", "restore", "own.tif", "2 1 1 nm", "1:5"), ("b", "test", "own.tif", "1 nm", "")]
    code, _, errors = checked(rows, study=COARSE % (region, dtype))
    if said is None:
        assert (code, errors) == (0, [])
        return
    where = "own.yaml: " if "neither" in said else "sample 'a': own.tif, "
    assert (code, errors) == (1, [f"error: {where}{said}"])

"""Whether what is judged was learned from: by the sheet, by shapes, by contents."""

import io
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from acuity.cli import main
from acuity.errors import AcuityError
from acuity.ingest.ingest import ingest
from acuity.report.images import gallery
from acuity.report.sources import learned_part, seen_note, seen_samples
from acuity.seen import check_sheet, check_volumes, overlap
from acuity.study.sample import Sample

REGIONS = [
    None,
    ":",
    "0:4",
    "4:",
    ":4,2:",
    ":,3:6,:",
    "2:5,:,7:",
    "-3:",
    ":-3",
    "-5:-2",
    "1:3,-2:,:4",
]


def voxels(region, shape=(9, 8, 11)):
    """The voxels of a region, by numpy."""
    taken = np.zeros(shape, bool)
    spans = [part.split(":") for part in (region or ":").split(",")]
    taken[tuple(slice(*(int(end) if end else None for end in span)) for span in spans)] = True
    return taken


def signs(region):
    """Whether ends are counted from the beginning, from the end, along each axis."""
    parts = [*(region or "").split(","), "", ""][:3]
    return [{end.startswith("-") for end in part.split(":") if end} for part in parts]


@pytest.mark.parametrize("one", REGIONS)
@pytest.mark.parametrize("other", REGIONS)
def test_regions_overlap_where_their_voxels_do(one, other):
    both = [a | b for a, b in zip(signs(one), signs(other), strict=True)]
    share = bool((voxels(one) & voxels(other)).any())
    assert overlap(one, other) == overlap(other, one)
    if all(len(kinds) < 2 for kinds in both):
        assert overlap(one, other) == share
    elif overlap(one, other):  # without the shape it is told of nothing that may lie apart
        assert share


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """Write a study of one file and its copy, and check it."""
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(1).integers(20, 200, (9, 8, 11)).astype(np.uint8)
    tifffile.imwrite("a.tif", data, photometric="minisblack")
    shutil.copy("a.tif", "copy.tif")
    (tmp_path / "link.tif").symlink_to("a.tif")

    def check(*rows, method="srcnn3d", more=""):
        (tmp_path / "own.yaml").write_text(
            f"study: own\nsamples: own.tsv\nlevels: [2]\nmethods: {{{method}: {{}}}}\n{more}"
        )
        lines = ["sample\trole\tpath\tvoxel_size\tregion", *("\t".join(row) for row in rows)]
        (tmp_path / "own.tsv").write_text("\n".join(lines) + "\n")
        return main(["check", "own.yaml"])

    return check


def row(name, role, path="a.tif", region=""):
    return name, role, path, "1 um", region


def test_a_test_sample_of_voxels_that_are_learned_from_is_refused(sheet, capsys):
    assert sheet(row("l", "train"), row("r", "test")) == 1
    assert capsys.readouterr().err == (
        "error: own.tsv: line 3: test sample 'r' shares voxels of a.tif with the train sample 'l'; a "
        "figure of it would say nothing of new data; judge a region that lies apart, or state "
        "allow_seen: true, and every page and figure says that it was seen in training\n"
    )


def test_what_was_learned_from_is_judged_where_the_study_says_so(sheet, capsys):
    rows = row("l", "train"), row("r", "test")
    assert sheet(*rows, more="allow_seen: true\n") == 0
    assert sheet(*rows, more="allow_seen: false\n") == 1
    assert "allow_seen" in capsys.readouterr().err


def test_simulated_samples_of_one_seed_are_refused_all_the_same(sheet, tmp_path, capsys):
    for seeds, code in (((1, 1), 1), ((1, 2), 0)):
        (tmp_path / "own.yaml").write_text(
            "study: own\nsamples: own.tsv\nlevels: [2]\nmethods: {srcnn3d: {}}\n"
            "foam: {size: 48, diameter: [6, 20]}\nallow_seen: true\n"
        )
        lines = ("sample\trole\tseed", f"l\ttrain\t{seeds[0]}", f"r\ttest\t{seeds[1]}")
        (tmp_path / "own.tsv").write_text("\n".join(lines) + "\n")
        assert main(["check", "own.yaml"]) == code
    assert "have the same seed, 1, and would be the same" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (row("l", "train", region=":,:,:7"), row("r", "test", region=":,:,6:")),
        (row("l", "train", region="2:3"), row("r", "test", path="./a.tif")),
        (row("l", "train"), row("r", "test", path="link.tif")),
        (row("l", "train", region=":-2"), row("r", "test", region=":,:,-3:")),
        # by the shape alone
        (row("l", "train", region=":,:,:7"), row("r", "test", region=":,:,-5:")),
    ],
)
def test_files_of_another_name_and_regions_are_compared(sheet, capsys, train, test):
    assert sheet(train, test) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "test sample 'r' shares voxels of" in said


@pytest.mark.parametrize(
    ("train", "test", "method"),
    [
        (row("l", "train", region=":,:,:7"), row("r", "test", region=":,:,7:"), "srcnn3d"),
        (row("l", "train", region=":,:,:7"), row("r", "test", region=":,:,-4:"), "srcnn3d"),
        (row("l", "train", region=":5,:,:7"), row("r", "test", region="5:"), "srcnn3d"),
        # what learns nothing has seen nothing; two to be judged may be one
        (row("l", "train"), row("r", "test"), "richardson_lucy"),
        (row("l", "train", region=":5"), row("r", "test", region="5:"), "srcnn3d"),
    ],
)
def test_regions_apart_are_judged(sheet, train, test, method):
    assert sheet(train, test, row("q", "test", region="5:,:,7:"), method=method) == 0


def test_what_was_imported_is_compared_by_its_content(sheet, tmp_path):
    made = {}

    def volume(name, path, region=None):
        made[name] = tmp_path / f"{name}.ome.zarr"
        ingest(path, made[name], voxel_size="1 um", region=region)
        return {name: made[name]}

    train = volume("l", "a.tif", ":,:,:6")
    check_volumes(train, volume("r", "copy.tif", ":,:,6:"), tmp_path / "unseen.tsv")
    table = pd.read_csv(tmp_path / "unseen.tsv", sep="\t")
    assert table.to_dict("records") == [{"test": "r", "train": "l", "voxels": "other"}]
    with pytest.raises(
        AcuityError, match=r"^copy\.tif: test sample 'q' holds voxels that are also in"
    ):
        check_volumes(train, volume("q", "copy.tif", ":,:,5:"), tmp_path / "none.tsv")
    # other bytes, the same voxels
    tifffile.imwrite("b.tif", tifffile.imread("a.tif")[:, :, :6], compression="zlib")
    with pytest.raises(
        AcuityError,
        match=r"^b\.tif: test sample 'p' holds the same voxels as the train sample 'l' \(a\.tif\); ",
    ):
        check_volumes(train, volume("p", "b.tif"), tmp_path / "none.tsv")
    assert not (tmp_path / "none.tsv").exists()
    # Where it is allowed, the table names them, and pages and figures read it.
    test = {name: made[name] for name in "rqp"}
    check_volumes(train, test, tmp_path / "seen.tsv", allow=True)
    table = pd.read_csv(tmp_path / "seen.tsv", sep="\t")
    assert table["voxels"].tolist() == ["other", "shared", "same"]
    tables = [tmp_path / "seen.tsv"]
    assert seen_samples(tables) == ["q", "p"]
    assert (
        seen_note(tables) == "Seen in training: q and p. Figures that hold such a sample flatter."
    )
    assert seen_note(tables, "p").startswith("Seen in training: models learned from voxels of this")
    assert seen_note(tables, "r") == seen_note([tmp_path / "unseen.tsv"]) == seen_note([]) == ""


def test_a_bucket_is_compared_by_its_address():
    study = SimpleNamespace(keeps_apart=True)
    samples = [
        Sample(sample=name, role=role, path=path)
        for name, role, path in (("l", "train", "s3://b/x.tif"), ("r", "test", "s3://b/y.tif"))
    ]
    where = {"l": "own.tsv: line 2", "r": "own.tsv: line 3"}
    check_sheet(study, samples, where)
    samples[1] = samples[1].model_copy(update={"path": samples[0].path})
    with pytest.raises(AcuityError, match=r"^own\.tsv: line 3: .* shares voxels of s3://b/x\.tif"):
        check_sheet(study, samples, where)


def test_the_part_of_a_restored_volume_that_was_learned_from_is_framed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(3).integers(90, 110, (9, 80, 110)).astype(np.uint8)
    tifffile.imwrite("a.tif", data, photometric="minisblack")
    tifffile.imwrite("other.tif", data[::-1], photometric="minisblack")

    def made(name, path, region=None):
        ingest(path, f"{name}.ome.zarr", voxel_size="4 2 2 nm", region=region)
        return f"{name}.ome.zarr"

    own = made("own", "a.tif", "1:9")
    part = made("part", "a.tif", "0:6,20:60,:50")
    apart, alike = made("apart", "a.tif", "0:1"), made("alike", "other.tif", "0:6")
    note, boxes = learned_part(own, [part, apart, alike])
    assert note == (
        "Models learned from a part of this volume: z 2 to 22, y 39 to 119, x -1 to 99 nm."
    )
    assert learned_part(own, [part, own]) == ("Models learned from all of this volume.", [])
    assert learned_part(own, [apart, alike]) == learned_part() == ("", [])
    # The slice at half the height, 20 nm, lies in it; that below the top does not.
    for position, framed in ((0.5, True), (0.99, False)):
        pictures = [
            np.asarray(Image.open(io.BytesIO(shown.pictures[0].png))).astype(int)
            for shown in (
                gallery({("input", 2.0): own}, position=position, framed=told)
                for told in (boxes, [])
            )
        ]
        changed = np.argwhere(pictures[0] != pictures[1])
        assert bool(len(changed)) == framed
        if framed:
            times = pictures[0].shape[1] / 110
            assert changed.min(axis=0) / times == pytest.approx((20, 0), abs=0.5)
            assert (changed.max(axis=0) + 1) / times == pytest.approx((60, 50), abs=0.5)
            assert pictures[0][round(40 * times), round(50 * times) - 3] == 255

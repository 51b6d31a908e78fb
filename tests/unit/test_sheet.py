"""Sample sheets as people's programs write them: read with exact values, or refused with the line."""

import codecs
import unicodedata

import pytest
import yaml

from acuity.errors import AcuityError
from acuity.study.reading import read_study
from acuity.study.sheet import read_sheet
from acuity.text import decode, read_bytes
from acuity.units import parse_length, parse_sizes, parse_voxel_size

HEAD = "sample\trole\tpath\tvoxel_size\tregion\n"
ROWS = (
    "left\ttrain\tdata/größe.tif\t2.5 µm\t:,:,:40\nright\ttest\tdata/größe.tif\t2.5 µm\t:,:,40:\n"
)
READ = [
    (2, {"sample": "left", "role": "train", "path": "data/größe.tif", "voxel_size": "2.5 µm", "region": ":,:,:40"}),
    (3, {"sample": "right", "role": "test", "path": "data/größe.tif", "voxel_size": "2.5 µm", "region": ":,:,40:"}),
]  # fmt: skip
SEMICOLONS = (HEAD + ROWS).replace("\t", ";")
COMMAS = "".join(
    ",".join(f'"{cell}"' if "," in cell else cell for cell in line.split("\t")) + "\n"
    for line in (HEAD + ROWS).splitlines()
)


def written(tmp_path, data):
    path = tmp_path / "s.tsv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        HEAD + ROWS,
        codecs.BOM_UTF8 + (HEAD + ROWS).encode(),
        (HEAD + ROWS).encode("utf-16"),
        codecs.BOM_UTF16_BE + (HEAD + ROWS).encode("utf-16-be"),
        (HEAD + ROWS).encode("utf-16-le"),
        (HEAD + ROWS).encode("utf-16-be"),
        (HEAD + ROWS).encode("utf-32"),
        (HEAD + ROWS).encode("cp1252"),
        (HEAD + ROWS).replace("\n", "\r\n"),
        (HEAD + ROWS).replace("\n", "\r"),
        (HEAD + ROWS).rstrip("\n"),
        (HEAD + ROWS).replace("\n", "\t\t\n"),
        SEMICOLONS,
        SEMICOLONS.replace("\n", ";;\n"),
        SEMICOLONS.encode("cp1252"),
        COMMAS,
        COMMAS.replace("\n", ",,\n"),
        "\n".join(
            "\t".join(f'"{c}"' if "," in c else c for c in line.split("\t"))
            for line in (HEAD + ROWS).splitlines()
        ),
        HEAD.replace("sample", "Sample").replace("voxel_size", "Voxel size ") + ROWS,
        HEAD.upper() + ROWS,
        HEAD + ROWS.replace("left", " left ").replace("train", "train\xa0"),
    ],
    ids=[
        *("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le-no-mark", "utf-16-be-no-mark"),
        *(
            "utf-32",
            "cp1252",
            "windows",
            "old-mac",
            "no-last-newline",
            "trailing-tabs",
            "semicolons",
        ),
        *("trailing-semicolons", "semicolons-cp1252", "commas", "trailing-commas", "quoted-tabs"),
        *("heading", "capitals", "blanks"),
    ],
)
def test_one_sheet_in_many_writings(tmp_path, data):
    line, columns, rows = read_sheet(written(tmp_path, data))
    assert line == 1
    assert columns == HEAD.split()
    assert rows == READ


def test_excels_own_first_line_and_blanks_and_comments_keep_the_lines(tmp_path):
    text = 'sep=;\n\n"# mine, all of it";;\n' + SEMICOLONS.replace("right", ";;;;\n\n#x\nright")
    line, _, rows = read_sheet(written(tmp_path, text))
    assert line == 4
    assert [number for number, _ in rows] == [5, 9]
    assert rows[1][1]["sample"] == "right"


@pytest.mark.parametrize(
    "path",
    ["a#b.tif", "#1/a.tif", "a #2.tif", '12" a.tif', "a;b.tif", "a,b.tif", "{a}.tif", "it's.tif"],
)
def test_a_cell_is_all_that_stands_between_two_tabs(tmp_path, path):
    text = HEAD + ROWS.replace("data/größe.tif", path)
    _, _, rows = read_sheet(written(tmp_path, text))
    assert [row["path"] for _, row in rows] == [path] * 2
    assert rows[0][1]["region"] == ":,:,:40"


def test_text_of_other_scripts_is_text(tmp_path):
    text = "Σχόλιο: 試料\u2028\x85 ½ \u200b"
    assert decode(text.encode(), "x", "note") == text
    assert decode(b"", "x", "note") == ""
    with pytest.raises(AcuityError, match="x: is no note, line 2 holds the character 0x1b"):
        decode(b"a\r\n\x1b", "x", "note")
    with pytest.raises(AcuityError, match="byte 0xb5 in line 3 is no UTF-8; save the note"):
        decode(b"a\n\n2 \xb5m", "x", "note")
    assert decode(b"2 \xb5m", "x", "note", windows=True) == "2 µm"


def test_a_text_is_small(tmp_path, monkeypatch):
    path = written(tmp_path, "abc")
    assert read_bytes(path, "note") == b"abc"
    monkeypatch.setattr("acuity.text.LARGEST", 2)
    with pytest.raises(AcuityError, match="is no note, it has 3 bytes; allowed are 2 at most"):
        read_bytes(path, "note")


# ------------------------------------------------------------------------------------ lengths


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("2.5 um", [2.5]),
        ("2,5 um", [2.5]),
        ("0,125 um", [0.125]),
        ("2,5e-1um", [0.25]),
        ("20,10,10 um", [20, 10, 10]),
        ("20, 10, 10 um", [20, 10, 10]),
        ("20;10;10 um", [20, 10, 10]),
        ("2,5 1,25 1,25 um", [2.5, 1.25, 1.25]),
        ("2,5; 1,25; 1 um", [2.5, 1.25, 1]),
        ("2,5 x 1 x 1 um", [2.5, 1, 1]),
        ("2.5\xa0µm", [2.5]),
        ("1000 um", [1000]),
        ("1.000 um", [1]),
    ],
)
def test_a_comma_is_read_where_one_thing_alone_can_be_meant(text, sizes):
    assert parse_sizes(text, "x") == (sizes, "um")
    assert parse_voxel_size(text) == (tuple((sizes * 3)[:3]), "um")


@pytest.mark.parametrize(
    "text",
    [
        "1,000 um",
        "12,345 nm",
        "1,000 1,000 1,000 nm",
        "1.234,5 nm",
        "2,5 1 um",
        "1,2 3,4 nm",
        "2,5",
    ],
)
def test_a_comma_that_may_mean_two_things_is_refused(text):
    with pytest.raises(AcuityError, match=r"^x: found "):
        parse_sizes(text, "x")


def test_one_length():
    assert parse_length("2,5 nm", "pitch") == (2.5, "nm")
    with pytest.raises(AcuityError, match=r"^pitch: found '3 2 2 nm', allowed is one number"):
        parse_length("3 2 2 nm", "pitch")
    with pytest.raises(AcuityError, match="and 480 letters more"):
        parse_length("9" * 500, "pitch")


# ------------------------------------------------------------------------------------ studies


@pytest.fixture
def study(tmp_path):
    def write(*rows, head="sample\trole\tpath\tvoxel_size\n", files=("a.tif",)):
        content = {
            "study": "own",
            "samples": "own.tsv",
            "levels": [3],
            "methods": {"richardson_lucy": None},
        }
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(content))
        (tmp_path / "own.tsv").write_text(head + "\n".join(rows))
        for file in files:
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_bytes(b"")
        return read_study(tmp_path / "own.yaml")[1]

    return write


def test_a_path_with_a_hash_keeps_its_region_and_reads_no_other_folder(study, tmp_path):
    head = "sample\trole\tpath\tregion\n"
    files = ("run/a.tif", "run #2/a.tif")
    [sample] = study("own\ttest\trun #2/a.tif\t0:4", head=head, files=files)
    assert sample.path == str(tmp_path / "run #2/a.tif")
    assert sample.region == "0:4"


def test_accents_are_one_letter_or_two(study, tmp_path):
    two = unicodedata.normalize("NFD", "größe.tif")
    [sample] = study(f"own\ttest\t{unicodedata.normalize('NFC', two)}", files=(two,))
    assert sample.path == str(tmp_path / two)


def test_roles_in_capitals_and_the_longest_name(study):
    [sample] = study(f"{'n' * 100}\tTest\ta.tif\t2,5 um")
    assert (sample.role, sample.voxel_size) == ("test", "2,5 um")


def test_a_name_begins_as_another_does(study):
    assert len(study("a\ttest\ta.tif", "a.b\ttest\ta.tif", "a-B\ttest\ta.tif")) == 3


def test_a_dataset_of_a_file_whose_name_has_a_hash(study, tmp_path):
    [sample] = study("own\ttest\ta#1.h5:/entry/data", files=("a#1.h5",))
    assert sample.path == f"{tmp_path / 'a#1.h5'}:/entry/data"


def test_a_study_in_utf_16_is_read(study, tmp_path):
    study("own\ttest\ta.tif")
    text = (tmp_path / "own.yaml").read_text() + "title: Größe\n"
    (tmp_path / "own.yaml").write_bytes(text.encode("utf-16"))
    assert read_study(tmp_path / "own.yaml")[0].title == "Größe"

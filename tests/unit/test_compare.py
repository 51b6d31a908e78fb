"""The comparison of two commits (benchmarks/compare.py): a changed value, row or column is found."""

import subprocess
import sys

import pytest

from acuity.study.reading import read_study
from benchmarks import compare
from benchmarks.compare import ABSENT, Difference, differences, main, read, split_known
from tests.conftest import ROOT, with_marks

STUDIES = sorted((ROOT / "benchmarks" / "compare").glob("*.yaml"))
HEAD = "study\tsample\tmethod\tvariant\tlevel\tmetric\tsubset\tvalue\tunit\n"
ROWS = (
    "tiny\tb\tdeepnet\t\t2\tpsnr\tall\t20.100000000000001\tdB\n",
    "tiny\tb\tdeepnet\t\t2\tssim\tall\t0.5\t1\n",
    "tiny\tb\tdeepnet\t\t3\tpsnr\tall\tNaN\tdB\n",
)


@pytest.fixture
def table(tmp_path):
    def write(name, *rows, head=HEAD):
        path = tmp_path / name
        path.write_text(head + "".join(rows))
        return path

    return write


def test_equal_tables_do_not_differ_whatever_the_order_of_their_rows(table):
    assert differences(table("a.tsv", *ROWS), table("b.tsv", *ROWS[::-1])) == []


def test_a_changed_value_is_found(table):
    """The control: the last digit, as text."""
    changed = [row.replace("20.100000000000001", "20.1") for row in ROWS]
    assert differences(table("a.tsv", *ROWS), table("b.tsv", *changed), "tiny", "metrics.tsv") == [
        Difference(
            "tiny",
            "metrics.tsv",
            "tiny/b/deepnet//2/psnr/all",
            "value",
            "20.100000000000001",
            "20.1",
        )
    ]


def test_a_missing_row_and_a_further_column_are_found(table):
    head = HEAD.replace("unit", "unit\tn")
    more = [row.replace("\n", "\t1\n") for row in ROWS[1:]]
    found = differences(table("a.tsv", *ROWS), table("b.tsv", *more, head=head))
    assert found == [
        Difference("", "", "", "n", ABSENT, "n"),
        Difference("", "", "tiny/b/deepnet//2/psnr/all", "", "row", ABSENT),
    ]


def test_rows_of_one_key_are_counted(table):
    found = differences(table("a.tsv", *ROWS, ROWS[1]), table("b.tsv", *ROWS))
    assert [d.row for d in found] == ["tiny/b/deepnet//2/ssim/all#2"]


def test_what_is_known_to_differ_has_a_reason(table):
    changed = [row.replace("20.1", "20.2").replace("0.5", "0.6") for row in ROWS]
    found = differences(table("a.tsv", *ROWS), table("b.tsv", *changed), "tiny", "metrics.tsv")
    known = {"study": "*", "table": "metrics.tsv", "row": "*/psnr/*", "column": "value"}
    new, reasons = split_known(found, [known | {"reason": "a fault was mended"}])
    assert [d.row for d in new] == ["tiny/b/deepnet//2/ssim/all"]
    assert reasons == {"a fault was mended": 1}


def test_it_ends_with_1_where_something_differs(table, capsys):
    first, second = table("a.tsv", *ROWS), table("b.tsv", *ROWS[:2])
    assert main([str(first), str(first), "--tables"]) == 0
    assert capsys.readouterr().out == "all is equal\n"
    assert main([str(first), str(second), "--tables"]) == 1
    said = capsys.readouterr().out
    assert said == " b.tsv tiny/b/deepnet//3/psnr/all (row): row -> (none)\n1 differ\n"
    script = ROOT / "benchmarks" / "compare.py"
    done = subprocess.run(
        [sys.executable, script, first, second, "--tables"], capture_output=True, check=False
    )
    assert done.returncode == 1


def test_a_finished_study_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "checked_out", None)  # which would be called
    (tmp_path / "demo.done").touch()
    compare.run("0" * 40, [ROOT / "benchmarks" / "compare" / "demo.yaml"], tmp_path, 1)


def test_every_reason_is_said():
    columns, rows = read(compare.KNOWN)
    assert columns == ["study", "table", "row", "column", "reason"]
    assert all(row["reason"] for row in rows)


def test_there_are_six_studies():
    names = ["dehaan-small", "demo", "heinrich-small", "hydrogel-small", "sand", "shale"]
    assert [path.stem for path in STUDIES] == names


@pytest.mark.parametrize("study", with_marks(STUDIES))
def test_networks_of_the_studies_do_not_depend_on_the_clock(study):
    found, _ = read_study(study)
    for name, settings in found.methods.items():
        if "steps" in settings.get("train", {}):
            assert settings["train"]["precision"] == settings["predict"]["precision"] == "float32"
            if study.stem.endswith("-small"):
                assert settings["train"]["steps"] == 50, name

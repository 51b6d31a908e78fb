"""Bad inputs of many causes, in one process: one sentence each, and nothing half written."""

import importlib
from collections import Counter
from pathlib import Path

import pytest

from acuity.errors import AcuityError
from acuity.formats.readers.base import readers
from tests.conftest import ROOT

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES = [case for name in MODULES for case in importlib.import_module(f"tests.faults.{name}").CASES]


def listed(folder):
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_ends_in_one_sentence(case, tmp_path, monkeypatch):
    folder = tmp_path / "input"
    folder.mkdir()
    monkeypatch.chdir(folder)
    call = case.make(folder)
    before = listed(tmp_path)
    with pytest.raises(AcuityError, match=case.said) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert listed(tmp_path) == before


def test_names_of_cases_are_unique():
    counts = Counter(case.name for case in CASES)
    assert max(counts.values(), default=1) == 1, counts.most_common(3)


def families():
    """Rows of the table of families in docs: bad inputs, and the files with the good ones."""
    lines = (ROOT / "docs" / "inputs.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    return {row[0]: (int(row[1]), row[3].split(", ")) for row in rows[2:]}


def test_the_table_of_families_says_what_is_tried():
    counts = Counter(case.family for case in CASES)
    assert {family: count for family, (count, _) in families().items()} == counts
    names = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert {name for _, files in families().values() for name in files} <= names


def test_enough_is_tried():
    """At least eight causes a reader, and more where people write."""
    counts = Counter(case.family for case in CASES)
    assert sum(counts.values()) >= 200
    assert counts["sheet"] >= 30
    assert counts["study"] >= 30
    assert counts["command line"] >= 20
    slices = "folder or list of slices"
    counts[slices] = counts["folder of slices"] + counts["list of slices"]
    for reader in readers():
        # one reader of three formats has eight for each
        for name in [reader.name] if reader.name in counts else reader.name.split(", "):
            assert counts[name] >= 8, name

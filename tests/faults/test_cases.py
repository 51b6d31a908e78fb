"""Bad inputs of many causes, in one process: one sentence each, and nothing half written."""

import importlib
from collections import Counter
from pathlib import Path

import pytest

from acuity.errors import AcuityError

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

"""The tests themselves: what may be skipped, and what needs the real images."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NO_REAL, REAL, ROOT

PROBE = """
import pytest
from tests.conftest import shared

@pytest.mark.real
def test_marked():
    raise AssertionError("ran")

def test_for_another_reason():
    pytest.skip("its data are not here")

def test_that_asks_unmarked():
    shared("ct/sand_100x200x200_u8.tif")

def test_on_another_system():
    pytest.skip("needs a device that is always full")
"""


def outcomes(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-rA", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A clone with no real images beside it."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    folder.mkdir()
    (folder / "scripts").mkdir()
    (folder / "src").symlink_to(ROOT / "src")
    for name in ("tests", "config", "docs", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "constraints.txt", "Makefile"):
        shutil.copy2(ROOT / name, folder)
    return folder


def test_what_is_marked_real_is_what_skips_without_the_images(alone):
    marking = re.compile(r"mark\.real|with_marks|shared\(")
    files = [f for f in (ROOT / "tests").rglob("test_*.py") if marking.search(f.read_text())]
    names = [str(f.relative_to(ROOT)) for f in files if f != Path(__file__)]
    text = outcomes(alone, "-m", "real", *names)
    marked = re.findall(r"^tests/\S+::.* (PASSED|FAILED|ERROR|SKIPPED)\b", text, re.M)
    assert len(marked) > 15
    assert set(marked) == {"SKIPPED"}
    skipped = re.findall(rf"^SKIPPED \[(\d+)\].*{NO_REAL}$", text, re.M)
    assert sum(map(int, skipped)) == len(marked)


def test_nothing_else_skips_for_want_of_them(alone):
    """An unlisted reason fails, and so does a test that asks for an image without the mark."""
    (alone / "tests" / "test_probe.py").write_text(PROBE)
    text = outcomes(alone, "tests/test_probe.py")
    assert re.search(rf"^SKIPPED \[1\].*{NO_REAL}$", text, re.M)
    assert "FAILED tests/test_probe.py::test_for_another_reason" in text
    assert "MAY_SKIP does not list: its data are not here" in text
    assert "FAILED tests/test_probe.py::test_that_asks_unmarked" in text
    assert "mark the test as `real`" in text
    assert re.search(r"^SKIPPED \[1\].*always full$", text, re.M)
    # The control: where there are images, the marked one runs.
    (alone.parent / "shared" / "data").mkdir(parents=True)
    try:
        assert "FAILED tests/test_probe.py::test_marked" in outcomes(alone, "tests/test_probe.py")
    finally:
        shutil.rmtree(alone.parent / "shared")


def test_only_conftest_knows_where_the_images_lie():
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__) and path.name != "conftest.py":
            assert not re.search(r"\.\./shared|shared/data/\w", path.read_text()), path
    assert REAL.parts[-2:] == ("shared", "data")

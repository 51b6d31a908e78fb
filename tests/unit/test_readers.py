"""A reader is one file: added to a copy of the package, it reads, and the list of formats names it."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT

PGM = '''
"""PGM: one grey image of 8 bits."""

from pathlib import Path

import numpy as np

from acuity.formats.opened import FlatArray, OpenedFile
from acuity.formats.readers.base import Reader


def read(path: Path) -> OpenedFile:
    """Open an image; its pixels are read when they are asked for."""
    with open(path, "rb") as file:
        columns, rows, _ = map(int, b" ".join(file.readline() for _ in range(3)).split()[1:])
        start = file.tell()
    return OpenedFile(FlatArray(path, np.dtype(np.uint8), start, (1, rows, columns)), "PGM")


READER = Reader("PGM", (".pgm",), lambda path, dataset: read(path))
'''


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, and what runs code with it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "acuity", tmp_path / "src" / "acuity", ignore=ignored)

    def run(code):
        return subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
        )

    return tmp_path / "src" / "acuity" / "formats" / "readers", run


def test_a_reader_is_one_file(copy, tmp_path):
    readers, run = copy
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / "a.pgm").write_bytes(b"P5\n4 3\n255\n" + image.tobytes())
    (tmp_path / "a.odd").write_text("odd")
    code = (
        "from acuity.errors import AcuityError\n"
        "from acuity.formats.read import read_volume\n"
        "for name in ('a.pgm', 'a.odd'):\n"
        "    try:\n"
        "        print(read_volume(name, '10 nm').read().tolist())\n"
        "    except AcuityError as error:\n"
        "        print(error)\n"
    )
    before = run(code).stdout.splitlines()
    assert "a file of a bitmap (.pgm), which is not read" in before[0]
    assert "PGM" not in before[1]
    (readers / "pgm.py").write_text(PGM)
    read, refused = run(code).stdout.splitlines()
    assert read == str(image[None].tolist())
    assert refused == before[1].removesuffix(".") + ", PGM (.pgm)."


def test_a_reader_that_cannot_be_loaded_is_named(copy):
    readers, run = copy
    (readers / "pgm.py").write_text("import nothing_of_that_name\n")
    done = run("from acuity.formats.read import formats; formats()")
    said = "pgm.py: cannot be loaded as a reader: No module named 'nothing_of_that_name'"
    assert done.stderr.splitlines()[-1].endswith(said)

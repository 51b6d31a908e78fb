"""The layers of the library: no room imports one that stands above it."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "acuity"

# From the ground up: a room, a folder or a module of the package, may import those before it.
LAYERS = (
    # words and numbers
    *(
        "errors",
        "hdf5",
        "interpolation",
        "streaming_median",
        "threads",
        "filters",
        "geometry",
        "keys",
        "plugins",
        "region",
        "settings",
        "text",
        "units",
    ),
    # files, jobs and volumes
    *(
        "patience",
        "failures",
        "writing",
        "digest",
        "job",
        "seals",
        "shards",
        "tables",
        "volume",
        "model_card",
    ),
    *("field_of_view", "slabs", "threshold", "formats"),
    # one stage each: what is acquired, put in order and made worse
    *("register", "align", "simulate", "reconstruct", "degrade", "pair", "seen", "ingest"),
    *("assumptions", "made_for", "segment"),
    # methods, the engine that runs them, and what trains and restores with it
    *("methods", "engine", "train", "predict"),
    # what a study means, what is measured, shown and planned
    *("measure", "measures", "study", "report", "plan", "workflow", "cli"),
)


def room_of(path, package):
    parts = path.relative_to(package).with_suffix("").parts
    return parts[0]


def imported(path):
    """Rooms that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("acuity.")}


def upwards(package):
    """Files that import a room above their own."""
    place = {room: n for n, room in enumerate(LAYERS)}
    return [
        f"{path.relative_to(package)} imports {room}"
        for path in sorted(package.rglob("*.py"))
        if path.name != "__init__.py"
        for room in sorted(imported(path))
        if place[room] > place[room_of(path, package)]
    ]


def test_every_room_has_its_place():
    found = {room_of(path, PACKAGE) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert found == set(LAYERS)
    assert len(LAYERS) == len(set(LAYERS))


def test_the_picture_of_the_layers_is_so():
    text = (ROOT / "docs" / "architecture.md").read_text().split("stand in layers.", 1)[1]
    lines = text.split("```\n")[1].splitlines()
    rooms = [line.split("|")[0].split() for line in reversed(lines)]
    assert tuple(room for line in rooms for room in line) == LAYERS


def test_no_room_imports_one_above_it():
    assert upwards(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("engine/tiles.py", "from acuity.train.train import train", "train"),
        ("simulate/project.py", "from acuity.reconstruct import fdk", "reconstruct"),
        ("engine/readers.py", "def late():\n    import acuity.predict.predict", "predict"),
        ("geometry.py", "from acuity import volume", "volume"),
    ],
)
def test_an_arrow_that_runs_back_is_found(tmp_path, file, line, found):
    package = tmp_path / "acuity"
    for part in {Path(file).parts[0], "interpolation.py"}:
        source = PACKAGE / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        package.mkdir(exist_ok=True)
        copy(source, package / part)
    assert upwards(package) == []
    with (package / file).open("a") as opened:
        opened.write(f"\n\n{line}\n")
    assert upwards(package) == [f"{file} imports {found}"]

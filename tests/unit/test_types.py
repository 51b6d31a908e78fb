"""Types: public arguments carry them; mypy, in `make lint`, checks what they say."""

import ast

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "acuity"
ROOMS = (
    *("engine", "formats", "measure", "measures", "methods", "plan", "predict", "study", "train"),
    *("volume.py", "slabs.py", "tables.py", "settings.py", "keys.py"),
)
FILES = [
    file
    for room in ROOMS
    for file in (
        [PACKAGE / room] if room.endswith(".py") else sorted((PACKAGE / room).rglob("*.py"))
    )
]


def untyped(text):
    """Public arguments without a type, as ``function: argument``."""
    tree = ast.parse(text)
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
    found = []
    for node in [*tree.body, *(part for own in classes for part in own.body)]:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        given = node.args
        for argument in [*given.posonlyargs, *given.args, *given.kwonlyargs]:
            if argument.annotation is None and argument.arg not in ("self", "cls"):
                found.append(f"{node.name}: {argument.arg}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_public_arguments_carry_types(file):
    assert not untyped(file.read_text())


def test_an_argument_without_a_type_is_found():
    assert untyped("def run(volume: int, *, size): ...") == ["run: size"]
    assert untyped("def _run(volume): ...") == []

"""Content digest of a script and of all of the package that it uses.

Every rule carries ``code=digest(script)`` as a parameter, so that an edit of one library file
reruns exactly the rules that reach it. Comments, docstrings and formatting do not count: the
digest is taken over the syntax trees. Templates beside a reached module count whole. The versions
of the third-party libraries that the reached modules import count too.

What was read of a file is kept in ``__pycache__`` by the digest of its bytes, as Python keeps what
it compiled: every start of Snakemake, each job's on a cluster included, would read all anew.
"""

import ast
import contextlib
import hashlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from acuity.errors import AcuityError
from acuity.writing import write_text

PACKAGE = "acuity"
ROOT = Path(__file__).parent

# Imported name -> distribution, where the two differ.
_DISTRIBUTIONS = {
    "cc3d": "connected-components-3d",
    "itk": "itk-rtk",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}

# Where lies what scripts load by name.
_ROOMS = {
    "method": "methods",
    "specimen": "simulate.specimens",
    "measure": "measures",
    "page": "report",
    "figures": "report.plots",
}
# Modules that load all of a folder, which their imports do not tell.
_LOADS_ALL = {f"{PACKAGE}.formats.read": "formats/readers"}

_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def digest(script: str | os.PathLike, **named: str | Iterable[str] | None) -> str:
    """Digest a script with everything of the package that it imports.

    Parameters
    ----------
    script : path-like
        A Python file.
    **named : str or iterable of str, optional
        What the script loads by name: a restoration `method`, a kind of `specimen`, a `measure`, a
        `page`, further `figures`. Its import closure counts, and no other one's of its room.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    modules = closure(script, **named)
    files = {"script": Path(script), **dict(sorted(modules.items()))}
    lines = [f"{name} {_read(path).tree}" for name, path in files.items()]
    folders = {path.parent / "templates" for path in modules.values()}
    for path in sorted(file for folder in folders for file in folder.glob("*")):
        lines.append(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    libraries = set().union(*(_read(path).others for path in files.values()))
    lines += [f"{name} {_version(name)}" for name in sorted(libraries)]
    _keep()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def closure(script: str | os.PathLike, **named: str | Iterable[str] | None) -> dict[str, Path]:
    """List the package's modules that a script reaches through its imports.

    Parameters
    ----------
    script : path-like
        A Python file.
    **named : str or iterable of str, optional
        As for `digest`.

    Returns
    -------
    dict of str to pathlib.Path
        Module names and their files.
    """
    todo = list(_read(Path(script)).own)
    for kind, names in named.items():
        names = [names] if isinstance(names, str) else names or ()
        todo += [f"{PACKAGE}.{_ROOMS[kind]}.{name}" for name in names]
    found: dict[str, Path] = {}
    while todo:
        name = todo.pop()
        path = _module_path(name, ROOT)
        if path is None or name in found:
            continue
        found[name] = path
        todo.extend(_read(path).own)
        if folder := _LOADS_ALL.get(name):
            parts = (file.relative_to(ROOT.parent) for file in ROOT.glob(f"{folder}/*.py"))
            todo.extend(".".join(part.with_suffix("").parts) for part in parts)
    return found


@cache
def _module_path(name, root):
    place = root.joinpath(*name.split(".")[1:])
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


class _Code(NamedTuple):
    """What a file imports of the package and beside it, anywhere in it, and its tree's digest."""

    own: frozenset
    others: frozenset
    tree: str


@cache
def _read(path):
    """Read a file once."""
    content = path.read_bytes()
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else f"/{path.name}"
    kept, said = _kept(ROOT), hashlib.sha256(content).hexdigest()
    if kept["files"].get(name, [None])[0] != said:
        kept["files"][name] = [said, *_parse(content, path)]
        kept["new"] = True
    own, others, tree = kept["files"][name][1:]
    return _Code(frozenset(own), frozenset(others), tree)


def _parse(content, path):
    """What a file's own text says: names that may be modules of the package, libraries, digest."""
    names = set()
    try:
        tree = ast.parse(content, filename=str(path))
    except SyntaxError as error:
        raise AcuityError(f"{path}: cannot be read as Python: {error}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}: relative import; {PACKAGE} uses absolute imports only")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    parts = [name.split(".") for name in names]
    # A package's __init__ runs before its modules do.
    own = {".".join(p[:n]) for p in parts if p[0] == PACKAGE for n in range(1, len(p) + 1)}
    others = {p[0] for p in parts} - {PACKAGE} - sys.stdlib_module_names
    return sorted(own), sorted(others), hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _memory(root):
    return root / "__pycache__" / f"digest.{sys.implementation.cache_tag}.json"


@cache
def _kept(root):
    """What runs before this one read, by this very code; or nothing."""
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_memory(root).read_bytes())
        if kept["code"] == code and kept["files"]:
            return kept
    return {"code": code, "files": {}}


def _keep():
    """Keep what was read for the runs to come, where that can be written."""
    kept, file = _kept(ROOT), _memory(ROOT)
    if not kept.pop("new", False) or sys.dont_write_bytecode:
        return
    with contextlib.suppress(OSError, AcuityError):
        write_text(file, json.dumps(kept))


@cache
def _version(name):
    try:
        return importlib.metadata.version(_DISTRIBUTIONS.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return "absent"

"""Modules that are found by their place: one file each, which ends in what it declares (``METHOD = ...``)."""

import importlib
import pkgutil
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from acuity.errors import AcuityError


def modules(package: str) -> dict[str, Path]:
    """Find the modules of a package.

    Parameters
    ----------
    package : str
        Such as ``acuity.methods``. Its own packages and its module ``base`` are no such modules.

    Returns
    -------
    dict of str to pathlib.Path
        Their files by name, sorted.
    """
    return dict(_modules(*importlib.import_module(package).__path__))


@cache  # a plan of thousands of jobs asks for each of them
def _modules(*folders):
    found = (m for m in pkgutil.iter_modules(folders) if not m.ispkg and m.name != "base")
    files = {m.name: Path(m.module_finder.path) / f"{m.name}.py" for m in found}
    return dict(sorted(files.items()))


def load(module: str, what: str) -> ModuleType:
    """Import a module by its name.

    Parameters
    ----------
    module : str
        Such as ``acuity.methods.deepnet``.
    what : str
        What it is to be, for the error, such as "a method".

    Raises
    ------
    AcuityError
        If it cannot be imported; the sentence names the file at fault, which may be one that it
        imports.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise _refused(error, module, what) from error


def declared(package: str, name: str, ending: str, what: str) -> Any:
    """Import a module and return what it declares.

    Parameters
    ----------
    package, name : str
        One of `modules`.
    ending : str
        The name that it assigns.
    what : str
        As for `load`.

    Returns
    -------
    object

    Raises
    ------
    AcuityError
        If it cannot be imported, or assigns no such name; the sentence names the file.
    """
    module = load(f"{package}.{name}", what)
    try:
        return getattr(module, ending)
    except AttributeError as error:
        raise _refused(error, module.__name__, what) from error


def _refused(error: Exception, module: str, what: str) -> AcuityError:
    """Say which file cannot be loaded and why: the last of ours that was being imported."""
    root, package = Path(__file__).parent, module.rpartition(".")[0]
    frames = traceback.extract_tb(error.__traceback__)
    imported = [Path(frame.filename) for frame in frames if frame.name == "<module>"]
    ours = [file for file in imported if file.is_relative_to(root)]
    if isinstance(error, SyntaxError):
        ours.append(Path(str(error.filename)))
    file = ours[-1] if ours else modules(package)[module.rpartition(".")[2]]
    reason = " ".join(str(error).split()) or type(error).__name__
    return AcuityError(f"{file}: cannot be loaded as {what}: {reason}")

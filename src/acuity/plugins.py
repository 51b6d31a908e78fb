"""Modules that are found by their place: one file each, which ends in what it declares (``METHOD = ...``)."""

import importlib
import pkgutil
from pathlib import Path

from acuity.errors import AcuityError


def modules(package):
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
    every = pkgutil.iter_modules(importlib.import_module(package).__path__)
    files = {m.name: Path(m.module_finder.path) / f"{m.name}.py" for m in every if not m.ispkg}
    files.pop("base", None)
    return dict(sorted(files.items()))


def declared(package, name, ending, what):
    """Import a module and return what it declares.

    Parameters
    ----------
    package, name : str
        One of `modules`.
    ending : str
        The name that it assigns.
    what : str
        What it is to be, for the error, such as "a method".

    Returns
    -------
    object

    Raises
    ------
    AcuityError
        If it cannot be imported, or assigns no such name; the sentence names the file.
    """
    try:
        return getattr(importlib.import_module(f"{package}.{name}"), ending)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        file = modules(package)[name]
        raise AcuityError(f"{file}: cannot be loaded as {what}: {reason}") from error

"""Keys of a job's files: of which sample, method and level each is, said by its name.

A rule names every input that stands for one image (`name_of`); a script finds them by their keys
(`by_kind`). So their order never matters, and a file that is left out shifts no other one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What a file is of.

    Attributes
    ----------
    sample : str
        Empty for what belongs to no sample, such as a model.
    method : str
        NAME, NAME@VARIANT, ``truth``, ``input``, ``align`` or ``pair``.
    level : float or None
        None for the truth, an alignment and a pair.
    """

    sample: str
    method: str
    level: float | None

    @property
    def image(self) -> tuple[str, float | None]:
        """Method and level."""
        return self.method, self.level


def image(level: str, method: str) -> str:
    """Return the name of an image of a sample: level and method, as in ``level3/deepnet``."""
    return f"level{level}/{method}"


def split_image(name: str) -> tuple[str | None, str]:
    """Return level and method of an image; the truth, a stack and a pair have no level.

    Parameters
    ----------
    name : str
        ``truth``, ``stack``, ``pair``, or as `image` returns it.

    Returns
    -------
    level : str or None
    method : str
    """
    if "/" not in name:
        return None, "align" if name == "stack" else name
    level, method = name.split("/")
    return level.removeprefix("level"), method


def name_of(kind: str, sample: str, name: str) -> str:
    """Return the name of an input that is one image's.

    Parameters
    ----------
    kind : str
        What it is, such as ``volumes``.
    sample : str
        May be empty.
    name : str
        The image, as in ``level3/deepnet``.

    Returns
    -------
    str
        Such as ``volumes/a/level3/deepnet``.
    """
    return f"{kind}/{sample}/{name}"


def by_kind(files: Iterable[tuple[str, Any]]) -> dict[str, dict[Key, Any]]:
    """Sort named inputs by what they are, and each kind by its keys.

    Parameters
    ----------
    files : iterable of (str, path or list of path)
        Names and files, as ``snakemake.input.items()`` gives them. A name without a key in it is
        passed over.

    Returns
    -------
    dict of str to dict of Key to path or list of path
        Kind, then key; in the order in which they were named.
    """
    found: dict[str, dict[Key, Any]] = {}
    for name, file in files:
        kind, *rest = name.split("/", 2)
        if rest:
            level, method = split_image(rest[1])
            key = Key(rest[0], method, None if level is None else float(level))
            found.setdefault(kind, {})[key] = file
    return found


def by_image(files: Mapping[Key, Any]) -> dict[tuple[str, float | None], Any]:
    """Return files of one sample by method and level."""
    return {key.image: file for key, file in files.items()}

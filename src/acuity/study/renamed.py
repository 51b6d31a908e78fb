"""Keys of a study that were renamed: the former name is read for one version more, with a line that says so."""

from collections.abc import Callable, Mapping
from typing import Any

from acuity.errors import AcuityError

# Former name -> name; a key of a section with its path in both, as in "align.bridge".
RENAMED = {"judge_training": "evaluate_on_train"}


def with_new_names(
    config: dict[str, Any], tell: Callable[[str], object], renamed: Mapping[str, str] = RENAMED
) -> dict[str, Any]:
    """Give the keys of a study their new names.

    Parameters
    ----------
    config : dict
        The study file's content; it stays as it is.
    tell : callable
        Called with a sentence for each key that has a former name.
    renamed : mapping of str to str
        Former names and new ones.

    Returns
    -------
    dict

    Raises
    ------
    AcuityError
        If a key stands there under both names.
    """
    for old, new in renamed.items():
        *sections, key = old.split(".")
        config = _renamed(config, sections, key, new.split(".")[-1], tell)
    return config


def _renamed(config, sections, key, new, tell):
    if sections:
        section, *inner = sections
        if isinstance(config.get(section), dict):
            return config | {section: _renamed(config[section], inner, key, new, tell)}
    elif key in config:
        if new in config:
            raise AcuityError(f"keys {key!r} and {new!r} are one; leave {key!r} out")
        tell(f"key {key!r} is called {new!r} now; the next version reads the new name alone")
        return {new if name == key else name: value for name, value in config.items()}
    return config

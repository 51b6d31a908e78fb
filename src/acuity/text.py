"""Text that people have written, in the encodings that their programs write, and their YAML and JSON."""

import codecs
import json
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from acuity.errors import AcuityError

LARGEST = 64 * 2**20  # bytes
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")


def read_bytes(path: str | os.PathLike, what: str) -> bytes:
    """Read a small file whole.

    Parameters
    ----------
    path : path
        The file.
    what : str
        What it should be, for the error, such as "study file".

    Raises
    ------
    AcuityError
        If there is none, it is a folder, a pipe or a device, may not be read, or is larger than
        any text of a person.
    """
    try:
        said = os.stat(path)
        if stat.S_ISDIR(said.st_mode):
            raise AcuityError(f"{path}: is a folder; allowed is a {what}")
        if not stat.S_ISREG(said.st_mode):  # to open a pipe is to wait for who writes into it
            raise AcuityError(f"{path}: is a pipe or a device; allowed is a {what} on disk")
        if said.st_size > LARGEST:
            raise AcuityError(
                f"{path}: is no {what}, it has {said.st_size} bytes; allowed are {LARGEST} at most"
            )
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise AcuityError(f"{path}: no such {what}") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise AcuityError(f"{str(path)!r}: cannot be read as a {what} ({reason})") from None


def first_bytes(path: str | os.PathLike, count: int) -> bytes:
    """Read how a file begins, in so many bytes at most."""
    with open(path, "rb") as file:
        return file.read(count)


def read_text(path: str | os.PathLike, what: str, *, windows: bool = False) -> str:
    """Read a small text file; see `read_bytes` and `decode`."""
    return decode(read_bytes(path, what), path, what, windows=windows)


def decode(data: bytes, path: str | os.PathLike, what: str, *, windows: bool = False) -> str:
    r"""Turn the bytes of a text file into text; lines end with ``\n``.

    Parameters
    ----------
    data : bytes
        UTF-8, or UTF-16 or UTF-32 as a mark at the beginning or their zero bytes tell.
    path : path
        The file, for the error.
    what : str
        What it should be, for the error.
    windows : bool
        Whether what is none of these may be in the code page of Windows (cp1252). Only where a wrong
        letter cannot go unnoticed.

    Raises
    ------
    AcuityError
        If it is none of these, naming the line, or no text.
    """
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", None))
    body = data[len(mark) :]
    if encoding is None:
        # Latin letters of 16 bits have a zero in every second byte.
        sides = tuple(part.count(0) > 0.4 * max(1, len(part)) for part in (body[1::2], body[::2]))
        wide = {(True, False): "utf-16-le", (False, True): "utf-16-be"}
        encoding = wide.get(sides, "utf-8")
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        found = f"byte {body[error.start]:#04x} in line {line} is no {encoding.upper()}"
        if not windows or encoding != "utf-8":
            raise AcuityError(
                f"{path}: {found}; save the {what} as text in the encoding UTF-8"
            ) from None
        try:
            text = body.decode("cp1252")
        except UnicodeDecodeError:
            raise AcuityError(
                f"{path}: is no {what}, {found}; save it as text in the encoding UTF-8"
            ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if strange := _CONTROL.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise AcuityError(
            f"{path}: is no {what}, line {line} holds the character {ord(strange[0]):#04x}, which no "
            "text has; save it as text in the encoding UTF-8"
        )
    return text


def parse_yaml(text: str, path: str | os.PathLike, what: str) -> Any:
    """Read YAML, without what its keys mean.

    Parameters
    ----------
    text : str
        What the file holds.
    path : path
        The file, for the error.
    what : str
        What it should be, for the error, such as "study file".

    Returns
    -------
    object
        Its content, a dict where it has keys.

    Raises
    ------
    AcuityError
        If it is no YAML, lies too deep, or holds a key twice, naming the line.
    """
    try:
        return yaml.load(text, _Loader)
    except _TwiceError as error:
        raise AcuityError(f"{path}: {error}") from None
    except RecursionError:
        raise AcuityError(
            f"{path}: not a {what}, its values lie too deep in one another; five levels of keys are enough"
        ) from None
    # Of values that say of themselves what they are (a date, a number) and are not, PyYAML raises
    # whatever Python does.
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[:3])
        if mark := getattr(error, "problem_mark", None):  # the text around it is left out
            told = [error.context, error.problem]
            reason = f"{' '.join(filter(None, told))}, line {mark.line + 1}"
        tab = "; indent with blanks, tabs are not allowed" * ("'\\t'" in reason)
        raise AcuityError(
            f"{path}: not a YAML file ({reason[:200] or type(error).__name__}){tab}"
        ) from None


def parse_json(text: str, path: str | os.PathLike, what: str) -> Any:
    """Read JSON in which no key stands twice; see `parse_yaml`."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                raise _TwiceError(f"key {key!r} stands {count} times; allowed is once")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except _TwiceError as error:
        raise AcuityError(f"{path}: {error}") from None
    except RecursionError:
        raise AcuityError(f"{path}: not a {what}, its values lie too deep in one another") from None
    except ValueError as error:
        raise AcuityError(f"{path}: not a JSON file ({error})") from None


class _TwiceError(Exception):
    pass


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is no longer swallowed."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _TwiceError(
                    f"key {key.value!r} stands in line {lines[key.value]} and again in line {line}; allowed is once"
                )
            lines[key.value] = line
        return node


# YAML 1.1 reads 1:30 as ninety and 010 as eight, which nobody means who writes it here.
_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}


_Loader.yaml_implicit_resolvers = {
    first: [(tag, _NUMBERS.get(tag, form)) for tag, form in resolvers]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}

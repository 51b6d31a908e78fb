"""Text that people have written, in the encodings that their programs write."""

import codecs
import os
import re
import stat
from pathlib import Path

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
        sides = [part.count(0) > 0.4 * max(1, len(part)) for part in (body[1::2], body[::2])]
        encoding = {(True, False): "utf-16-le", (False, True): "utf-16-be"}.get(
            tuple(sides), "utf-8"
        )
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

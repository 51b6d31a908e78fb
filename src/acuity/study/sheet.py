"""The sample sheet as a table: read as people's programs write it, each row with its line.

Nothing is dropped and nothing guessed: a cell is the text between two separators, without blanks at its
ends.
"""

import csv
import os
import re

from acuity.errors import AcuityError
from acuity.text import decode, read_bytes

WHAT = "sample sheet"
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas"}
_AS_TEXT = (
    "save it as text with tabs: in Excel File > Save As > Text (Tab delimited), in LibreOffice File > "
    "Save As > Text CSV with the field delimiter {Tab}, in Numbers File > Export To > TSV"
)
# How files begin that are no text; what they are called.
_FORMATS = ((b"PK\x03\x04", "a spreadsheet"), (b"\xd0\xcf\x11\xe0", "an old Excel file"))
_INVISIBLE = " \t\xa0\u200b\ufeff"  # at the ends of a cell
_DECLARED = re.compile(r'"?sep=(.)"?[\s;,]*', re.I)  # Excel's own first line


def read_sheet(path: str | os.PathLike) -> tuple[int, list[str], list[tuple[int, dict[str, str]]]]:
    """Read a sample sheet.

    The separator is the tab where the heading has one, else the semicolon, else the comma. Empty lines
    and lines that begin with ``#`` do not count; a ``#`` elsewhere is part of its cell. Columns are
    named in small letters, whatever the heading's are.

    Parameters
    ----------
    path : path
        Text in UTF-8, UTF-16 or the code page of Windows.

    Returns
    -------
    line : int
        Line of the heading, from 1.
    columns : list of str
        Their names, in order.
    rows : list of (int, dict)
        Line of each row and its cells that are not empty, by column.

    Raises
    ------
    AcuityError
        If it is no text, has no heading with several columns, a column twice, a cell that does not end
        in its line, or a row with more cells than columns; naming the line.
    """
    data = read_bytes(path, WHAT)
    for start, name in _FORMATS:
        if data.startswith(start):
            raise AcuityError(f"{path}: is {name} and no text; {_AS_TEXT}")
    lines = list(enumerate(decode(data, path, WHAT, windows=True).split("\n"), start=1))
    separator = None
    if declared := _DECLARED.fullmatch(lines[0][1]):
        separator = declared[1]
        del lines[0]
    lines = [(number, line) for number, line in lines if line.strip(_INVISIBLE + '";,')]
    heading = next((row for row in lines if not _is_comment(row[1])), None)
    if heading is None:
        raise AcuityError(
            f"{path}: is empty; a sample sheet is a line of columns, the first of them 'sample', and a "
            "line for each sample"
        )
    at, text = heading
    separator = separator or next((mark for mark in _SEPARATORS if mark in text), "\t")
    where = f"{path}: line {at}"
    columns = [_column(cell) for cell in _split(text, separator, where)]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) < 2:
        commented = next((line for _, line in lines if _column(line).startswith("#sample")), None)
        hint = "; a line that begins with # is a comment, also a heading" if commented else ""
        raise AcuityError(
            f"{where}: found one column, {text.strip()[:80]!r}; allowed are columns separated "
            f"by tabs, the first of them 'sample'{hint}"
        )
    for column in columns:
        if not column:
            raise AcuityError(
                f"{where}: found a column without a name between others; name or remove it"
            )
        if columns.count(column) > 1:
            raise AcuityError(
                f"{where}: found the column {column!r} {columns.count(column)} times; allowed is once"
            )
    rows = []
    for number, line in lines[lines.index(heading) + 1 :]:
        where = f"{path}: line {number}"
        if _is_comment(line):
            # It would leave out a file whose name begins so, and nobody would know.
            if columns[0] != "sample" and line.count(separator) >= len(columns) - 1:
                raise AcuityError(
                    f"{where}: begins with #, which makes it a comment, and holds a row; make 'sample' "
                    "the first column, or write ./# where a file's name begins so"
                )
            continue
        cells = _split(line, separator, where)
        marks = _SEPARATORS.get(separator, repr(separator))
        if any(cells[len(columns) :]):
            quoted = "; put a field that holds one in quotation marks" * (separator != "\t")
            raise AcuityError(
                f"{where}: found more fields than the {len(columns)} columns of line {at}; allowed is "
                f"one field a column, separated by {marks}{quoted}"
            )
        if separator not in line:  # the heading may have tabs, and this line blanks or commas
            raise AcuityError(
                f"{where}: found one field, {line.strip()[:80]!r}; allowed is one for each column of line "
                f"{at}, separated by {marks} as there; a comment begins with #"
            )
        row = {key: cell for key, cell in zip(columns, cells, strict=False) if cell}
        if row:
            rows.append((number, row))
    return at, columns, rows


def _is_comment(line: str) -> bool:
    """Whether a line is a comment; programs put a cell with a comma in quotes."""
    return line.lstrip(_INVISIBLE + '"').startswith("#")


def _column(cell: str) -> str:
    """The name of a column: ``Voxel size`` is ``voxel_size``."""
    return re.sub(r"[\s-]+", "_", cell.strip(_INVISIBLE).lower())


def _split(line: str, separator: str, where: str) -> list[str]:
    """The cells of a line."""
    try:
        [cells] = csv.reader([line], delimiter=separator, strict=True)
    except csv.Error:
        if len(line) > csv.field_size_limit():
            raise AcuityError(
                f"{where}: found a line of {len(line)} letters; allowed are cells that a person can read"
            ) from None
        raise AcuityError(
            f"{where}: found a cell that begins with a quotation mark and does not end with one in "
            "this line; allowed are cells without line breaks"
        ) from None
    return [cell.strip(_INVISIBLE) for cell in cells]

"""Formats that are not read: by which program, and which menu, each is converted.

They stand in ``refused.tsv``: endings, name of the format, how it is converted.
"""

import csv
from functools import cache
from pathlib import Path

from acuity.formats.parts import HDF5_SUFFIXES, IMS_SUFFIX, MRC_SUFFIXES, NRRD_SUFFIXES
from acuity.text import first_bytes

# How files begin whose ending does not tell.
_BY_START = (
    (0, b"\xd0\xcf\x11\xe0", ".txrm"),
    (128, b"DICM", ".dcm"),
    (0, b"ZISRAWFILE", ".czi"),
    (0, b"\xda\xce\xbe\x0a", ".nd2"),
    (0, b"MATLAB ", ".mat"),
    (0, b"PK\x03\x04", ".zip"),
    (0, b"\x1f\x8b", ".gz"),
)


@cache
def _by_ending() -> dict[str, tuple[str, str]]:
    text = Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {end: (row["name"], row["how"]) for row in rows for end in row["endings"].split()}


def conversion(path: Path) -> str:
    """Say what a file or folder is and by which program it is converted.

    Parameters
    ----------
    path : pathlib.Path
        Of a format that is not read.

    Returns
    -------
    str
        To follow "found"; empty where the format is not known.
    """
    ending = path.suffix.lower()
    if ending not in _by_ending() and path.is_file():
        head = first_bytes(path, 256)
        ending = next((end for at, start, end in _BY_START if head[at:].startswith(start)), "")
    if ending not in _by_ending():
        return ""
    name, how = _by_ending()[ending]
    lead = "" if how.startswith(("name ", "unpack ", "bring ", "numpy.")) else "convert it "
    return f"a file of {name} ({path.suffix.lower() or 'without ending'}), which is not read; {lead}{how}"


# How files begin that are read: name of the format, the endings under which it is read.

_READ = (
    *((0, start, "TIFF", (".tif", ".tiff")) for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5", (*HDF5_SUFFIXES, IMS_SUFFIX)),
    (0, b"\x93NUMPY", "NPY", (".npy",)),
    (0, b"\x89PNG\r\n\x1a\n", "PNG", (".png",)),
    (0, b"\xff\xd8\xff", "JPEG", (".jpg", ".jpeg")),
    (0, b"NRRD000", "NRRD", NRRD_SUFFIXES),
    (208, b"MAP ", "MRC", MRC_SUFFIXES),
    (344, b"n+1\0", "NIfTI", (".nii",)),
)


def begins_as(path: Path, other: str) -> str:
    """Say which ending a file needs that begins as another format than its name tells.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    other : str
        What is said where it begins as none, or as its name tells.
    """
    try:
        head = first_bytes(path, 512)
    except OSError:
        return other
    for at, start, name, endings in _READ:
        if head[at:].startswith(start) and path.suffix.lower() not in endings:
            return f"it begins as {name} does, give it the ending {endings[0]}"
    return other

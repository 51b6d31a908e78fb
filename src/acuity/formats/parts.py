"""Files that an input names as parts of itself: where they are sought, and which are followed."""

import re
from pathlib import Path

from acuity.errors import AcuityError
from acuity.text import first_bytes


def find_part(file: Path, name: str) -> Path:
    """Find a file that another one names as a part of itself.

    Followed is what lies in the file's folder or below it, once links of the file system are
    resolved. One that is not where the name says is sought by its bare name beside the file: data
    move together, and names written into them do not.

    Parameters
    ----------
    file : pathlib.Path
        The file that the user named.
    name : str
        As it stands in the file, absolute or relative to the file's folder.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    AcuityError
        If it is missing or lies elsewhere.
    """
    roots = {file.parent.resolve(), file.resolve().parent}
    bare = re.split(r"[\\/]", name)[-1]
    for place in (file.parent / name, file.parent / bare):
        if not bare or not place.exists():
            continue
        if not any(place.resolve().is_relative_to(root) for root in roots):
            raise AcuityError(
                f"{file}: names {name} as a part of itself, which lies outside its folder "
                f"({place.resolve()}), allowed are parts in the folder of {file.name} and below; "
                "put the part there if it is yours."
            )
        if place.is_file():
            return place
    raise AcuityError(
        f"{file}: its part {name} is missing, there is no such file in its place nor {bare or '?'} "
        f"beside it; copy the part into the folder of {file.name}."
    )


HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nxs")
IMS_SUFFIX = ".ims"  # HDF5 too
MRC_SUFFIXES = (".mrc", ".mrcs", ".rec", ".map", ".st", ".ali", ".ccp4")
META_SUFFIXES, NRRD_SUFFIXES = (".mhd", ".mha"), (".nrrd", ".nhdr")
_HEAD = 2**20  # bytes of a header at most


def text_header(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Read the header of a MetaImage or of NRRD: lines of text before the voxels or without them.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    fields : dict of str to str
        By their names in lower case, without blanks.
    names : list of str
        Files that hold the voxels, as they are named; none where they follow the header.
    end : int
        Bytes of the header.

    Raises
    ------
    AcuityError
        If it is no such header.
    """
    head = first_bytes(path, _HEAD)
    meta = path.suffix.lower() in META_SUFFIXES
    if not meta and not head.startswith(b"NRRD"):
        raise AcuityError(
            f"{path}: does not begin as NRRD does; it is of another format or cut short, give it the "
            "ending of its own format."
        )
    fields: dict[str, str] = {}
    at, separator, last = 0, "=" if meta else ":", "elementdatafile" if meta else ""
    while at < len(head):
        end = head.find(b"\n", at)
        end = len(head) if end < 0 else end
        line = head[at:end].decode("utf-8", "replace").strip("\r ")
        at = end + 1
        if not line and not meta:
            break
        name, found, value = line.partition(separator)
        if found and not line.startswith("#"):
            key = name.replace(" ", "").lower()
            fields[key] = value.lstrip("= ").strip()
            if key == last or (key == "datafile" and fields[key].upper().startswith("LIST")):
                break
    named = fields.get("elementdatafile" if meta else "datafile", "")
    if meta and not named:
        raise AcuityError(
            f"{path}: has no ElementDataFile as MetaImage files do; it is of another format or cut "
            "short, copy it again from its source."
        )
    if named.upper().split()[:1] == ["LIST"]:
        lines = head[at:].decode("utf-8", "replace").splitlines()
        return fields, [line.strip() for line in lines if line.strip()], at
    if not named or named.upper() == "LOCAL":
        return fields, [], at
    pattern, *numbers = named.split()
    if "%" in pattern and len(numbers) >= 2 and all(re.fullmatch(r"-?\d+", n) for n in numbers[:3]):
        first, final, step = (*map(int, numbers[:3]), 1)[:3]
        sign = 1 if step > 0 else -1
        counted = range(first, final + sign, step or 1)
        if re.fullmatch(r"[^%]*%0?\d*d[^%]*", pattern) and len(counted) < 10**6:
            return fields, [pattern % number for number in counted], at
    return fields, [named], at


def named_parts(path: Path) -> list[Path]:
    """List the other files that a file names as parts of itself, as its reader follows them.

    Parameters
    ----------
    path : pathlib.Path
        Of a format that keeps its voxels in other files; of others nothing is listed.

    Raises
    ------
    AcuityError
        If the header is of another format, or a part is missing or lies elsewhere.
    """
    suffix = path.suffix.lower()
    if suffix in (*META_SUFFIXES, *NRRD_SUFFIXES):
        return [find_part(path, name) for name in text_header(path)[1]]
    if suffix == ".hdr":
        there = [path.with_suffix(end) for end in (".img", ".img.gz", ".IMG")]
        return [part for part in there if part.is_file()][:1]
    return []

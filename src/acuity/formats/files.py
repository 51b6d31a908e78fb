"""Which files on disk make up what a user names as one input."""

import math
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from acuity.errors import AcuityError

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nxs")
RAW_SUFFIXES = (".raw", ".bin", ".dat", ".vol", ".img")
SIDECARS = (".yaml", ".yml", ".json")
SLICE_LIST = ".txt"
_REMOTE = "s3://"
# Numbers of which fewer than one in so many are there do not count slices.
_SPARSE = 3
_REMEDY = "name the slices that you mean in a list (.txt, one file a line)"
_NAMED = re.compile(rf"(?i)(.+({'|'.join(map(re.escape, HDF5_SUFFIXES))})):(.+)")


def split_name(path: str) -> tuple[str, str | None]:
    """Split ``file.h5:/path/to/data`` into the file and the dataset, None where none is named."""
    match = _NAMED.fullmatch(path)
    return (match.group(1), match.group(3)) if match else (path, None)


def is_remote(path: str) -> bool:
    """Whether an input lies in an S3 bucket and not on the file system."""
    return path.startswith(_REMOTE)


def check_remote(path: str) -> str:
    """Check the address of an input in an S3 bucket; whether it exists is not asked.

    Parameters
    ----------
    path : str
        ``s3://BUCKET/KEY``: a folder or a file, or ``s3://BUCKET/KEY.h5:/path/to/data``.

    Returns
    -------
    str
        The address without a slash at its end.

    Raises
    ------
    AcuityError
        If it names no object, or one that is nothing without a second file beside it.
    """
    path = path.rstrip("/")
    name = split_name(path)[0]
    bucket, _, key = name.removeprefix(_REMOTE).partition("/")
    if not bucket or not key or posixpath.normpath(key) != key or key.startswith(".."):
        raise AcuityError(f"{path}: is no address, allowed is s3://BUCKET/KEY.")
    if Path(key).suffix.lower() in (*RAW_SUFFIXES, SLICE_LIST) or key.endswith("zarr.json"):
        raise AcuityError(
            f"{path}: needs other files beside it, allowed in a bucket are a folder of TIFF slices, "
            "TIFF, HDF5 and MRC files and the folder of an OME-Zarr."
        )
    return path


def files_of(path: str) -> list[Path]:
    """List the files of an input: a folder's, those of a list, or the file with its sidecar.

    Parameters
    ----------
    path : str
        File or folder, or ``file.h5:/path/to/data``.

    Returns
    -------
    list of pathlib.Path
        Sorted; hidden files of a folder of slices do not count.

    Raises
    ------
    AcuityError
        If there is nothing, or a raw file has no sidecar.
    """
    file = Path(split_name(path)[0])
    if file.name == "zarr.json":
        file = file.parent
    if not file.exists():
        raise AcuityError(f"{file}: no such file or folder")
    if file.is_dir():
        if file.suffix == ".zarr":
            return sorted(part for part in file.rglob("*") if part.is_file())
        return sorted(f for f in file.iterdir() if f.is_file() and not f.name.startswith("."))
    if file.suffix.lower() == SLICE_LIST:
        return [file, *listed_files(file)]
    return [file, find_sidecar(file)] if file.suffix.lower() in RAW_SUFFIXES else [file]


def listed_files(path: Path) -> list[Path]:
    """Read a list of slices: one file a line, in the order of the slices.

    Parameters
    ----------
    path : pathlib.Path
        Text; names are relative to its folder, empty lines and those that begin with ``#`` do not
        count.

    Raises
    ------
    AcuityError
        If it is no text or empty, or a file is missing or named twice.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise AcuityError(
            f"{path}: is no text, allowed is a list of slices, one file a line."
        ) from error
    files = [path.parent / line for line in lines if line and not line.startswith("#")]
    if not files:
        raise AcuityError(f"{path}: names no file, allowed is a list of slices, one file a line.")
    for file, count in Counter(files).items():
        if count > 1:
            raise AcuityError(f"{path}: names {file.name} {count} times, allowed is once.")
        if not file.is_file():
            raise AcuityError(f"{path}: names {file.name}, which is no file beside the list.")
    return files


def check_numbering(files: list[Path], folder: Path) -> None:
    """Refuse a folder of slices in whose numbering a number is missing.

    The numbering is the last number in the names that differs from file to file. Times and other
    numbers without a regular step are none; steps of more than 1 are allowed where all are alike.

    Parameters
    ----------
    files : list of pathlib.Path
        The slices.
    folder : pathlib.Path
        Their folder, for the error.

    Raises
    ------
    AcuityError
        If a number is missing, or the folder holds several series with the same numbers.
    """
    found: dict[tuple, str] = {}
    for numbers, names in _series([file.stem for file in files], [file.name for file in files]):
        candidates = [_gap(column, names) for column in reversed(numbers)]
        gaps = [gap for gap in candidates if gap]
        # a file may carry a counter and a time: one that runs without a gap is enough
        if gaps and None not in candidates:
            first, last, before, after = gaps[0]
            what = f"number {first} is" if first == last else f"numbers {first} to {last} are"
            raise AcuityError(
                f"{folder}: {what} missing between {before} and {after}; copy the missing slices, "
                f"or, where there are none, {_REMEDY}."
            )
        run = tuple(sorted(numbers[-1])) if numbers else ()
        if len(run) > 1 and run in found:
            raise AcuityError(
                f"{folder}: holds several series of slices with the same numbers ({found[run]} and "
                f"{names[0]} begin two of them), allowed is one; {_REMEDY}."
            )
        found[run] = names[0]


def _series(stems: list[str], names: list[str]) -> Iterator[tuple[list[list[int]], list[str]]]:
    """Sort names into series that differ in numbers alone, each with its columns of numbers.

    A column holds a different number for each file. Where no number does, the last one that
    varies counts, apart for each combination of the others.
    """
    # a position such as z=1.010um is one number
    if len({len(part) for stem in stems for part in re.findall(r"\d\.(\d+)", stem)}) == 1:
        stems = [re.sub(r"(?<=\d)\.(?=\d)", "", stem) for stem in stems]
    worded = defaultdict(list)
    for stem, name in zip(stems, names, strict=True):
        parts = re.split(r"(\d+)", stem)
        worded[tuple(parts[0::2])].append(([int(part) for part in parts[1::2]], name))
    for members in worded.values():
        columns = [list(column) for column in zip(*(row for row, _ in members), strict=True)]
        varying = [n for n, column in enumerate(columns) if len(set(column)) > 1]
        alone = [columns[n] for n in varying if len(set(columns[n])) == len(members)]
        if alone or not varying:
            yield alone, [name for _, name in members]
            continue
        place = varying[-1]
        groups = defaultdict(list)
        for row, name in members:
            groups[(*row[:place], *row[place + 1 :])].append((row[place], name))
        for group in groups.values():
            yield [[number for number, _ in group]], [name for _, name in group]


def _gap(numbers: list[int], names: list[str]) -> tuple[int, int, str, str] | tuple[()] | None:
    """Find the first gap: the missing numbers' first and last, the names around.

    None where the numbers run on regularly; an empty tuple where they are no numbering, as times.
    """
    order = sorted(zip(numbers, names, strict=True))
    steps = [after[0] - before[0] for before, after in pairwise(order)]
    step = math.gcd(*steps) if len(steps) > 1 else 1
    if all(size == step for size in steps):
        return None
    if 0 in steps or _SPARSE * len(order) * step < order[-1][0] - order[0][0] + step:
        return ()
    at = next(n for n, size in enumerate(steps) if size != step)
    return order[at][0] + step, order[at + 1][0] - step, order[at][1], order[at + 1][1]


def find_sidecar(path: Path) -> Path:
    """Find the sidecar of a raw file.

    Raises
    ------
    AcuityError
        If there is none, or more than one.
    """
    names = [path.with_name(path.name + end) for end in SIDECARS]
    names += [path.with_suffix(end) for end in SIDECARS]
    found = [name for name in names if name.is_file()]
    if len(found) != 1:
        raise AcuityError(
            f"{path}: found {len(found)} sidecar files, allowed is one of {names[0].name} and "
            f"{names[2].name} beside it, with shape, dtype, byte_order and voxel_size."
        )
    return found[0]

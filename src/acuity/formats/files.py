"""Which files on disk make up what a user names as one input.

Reading, Snakemake's inputs and the digest of a source ask here, and so get the same answer. The start
of Snakemake loads this module: no library that takes long to load.
"""

import math
import os
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from acuity.errors import AcuityError
from acuity.formats.parts import HDF5_SUFFIXES, IMS_SUFFIX, named_parts
from acuity.formats.refused import begins_as, conversion
from acuity.text import first_bytes, read_text

RAW_SUFFIXES = (".raw", ".bin", ".dat", ".vol", ".img")
SIDECARS = (".yaml", ".yml", ".json")
# What X-ray laboratories write beside their raw voxels.
RAW_HEADERS = (".vgi", ".pcr", ".xtekct")
SLICE_LIST = ".txt"
# The kinds of images that may be slices of a folder. A folder that holds several is read as the first
# of them, such as TIFF slices with a preview of each.
SLICE_KINDS = ((".tif", ".tiff"), (".png",), (".jpg", ".jpeg"), (".bmp",))
# What systems put into folders by themselves.
_LITTER = ("thumbs.db", "desktop.ini")
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_REMOTE = "s3://"
# Numbers of which fewer than one in so many are there do not count slices, unless most of them follow
# one another in a small step.
_SPARSE = 3
_SMALL_STEP, _FEW = 10, 3
_REMEDY = "name the slices that you mean in a list (.txt, one file a line)"
_NAMED = re.compile(rf"(?i)(.+({'|'.join(map(re.escape, (*HDF5_SUFFIXES, IMS_SUFFIX)))})):(.+)")


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
    apart = (*RAW_SUFFIXES, SLICE_LIST, ".mhd", ".nhdr", ".hdr")
    if Path(key).suffix.lower() in apart or key.endswith("zarr.json"):
        raise AcuityError(
            f"{path}: needs other files beside it, allowed in a bucket are a folder of slices, "
            "files that hold all of a volume, and the folder of an OME-Zarr."
        )
    return path


def files_of(path: str | os.PathLike) -> list[Path]:
    """List the files of an input: a folder's, those of a list, or the file with its sidecar.

    Parameters
    ----------
    path : path
        File or folder, or ``file.h5:/path/to/data``.

    Returns
    -------
    list of pathlib.Path
        Of a folder its slices in their order, then what tells of them (`notes_of`); other files beside
        them are no part of the input.

    Raises
    ------
    AcuityError
        If there is nothing, a raw file has no sidecar, or a file of a folder does not fit its series.
    """
    name, dataset = split_name(os.fspath(path))
    file = Path(name)
    if file.name == "zarr.json":
        file = file.parent
    if not file.exists():
        raise AcuityError(f"{file}: no such file or folder")
    check_kind(file)
    file = voxels_of(file)
    if file.is_dir():
        if is_zarr(file):
            parts = (part for part in file.rglob("*") if part.is_file())
            return sorted(part for part in parts if not is_litter(part))
        slices = slices_of(file)
        return [*slices, *notes_of(slices)]
    suffix = file.suffix.lower()
    if suffix == SLICE_LIST:
        slices = listed_files(file)
        return [file, *slices, *notes_of(slices)]
    if suffix in RAW_SUFFIXES:
        return [file, *find_sidecars(file)]
    if _kind(file):
        return [file, *notes_of([file])]
    if suffix in HDF5_SUFFIXES or suffix == IMS_SUFFIX:
        # it loads h5py, which only those wait for who bring such a file
        from acuity.formats.readers.hdf5 import parts_of

        return [file, *parts_of(file, dataset)]
    return [file, *named_parts(file)]


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder, or a root ``zarr.json``, is a Zarr store."""
    root = folder.name == "zarr.json" and not folder.is_dir()
    return root or any((folder / mark).exists() for mark in _ZARR_MARKS)


def is_litter(file: Path) -> bool:
    """Whether a file is one that systems put into folders by themselves."""
    name = file.name.lower()
    return name in _LITTER or name == ".ds_store" or name.startswith("._")


def check_kind(file: Path) -> None:
    """Refuse a pipe or a device: to open one is to wait for who writes into it."""
    if not (file.is_file() or file.is_dir()):
        raise AcuityError(f"{file}: is a pipe or a device, allowed are files and folders.")


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
    what = "list of slices"
    lines = [line.strip() for line in read_text(path, what, windows=True).splitlines()]
    files = [_slice_named(path, line) for line in lines if line and not line.startswith("#")]
    if not files:
        raise AcuityError(f"{path}: names no file, allowed is a list of slices, one file a line.")
    for file, count in Counter(files).items():
        if count > 1:
            raise AcuityError(f"{path}: names {file.name} {count} times, allowed is once.")
        if not file.is_file():
            raise AcuityError(f"{path}: names {file.name}, which is no file beside the list.")
    return files


def _slice_named(path: Path, line: str) -> Path:
    """The file of a line, as Windows' Explorer copies it too: in quotes, and with its own separator."""
    forms = (line, line.strip('"'), line.strip('"').replace("\\", "/"))
    files = [path.parent / form for form in forms]
    return next((file for file in files if file.is_file()), files[0])


def slices_of(folder: Path) -> list[Path]:
    """List the slices of a folder, in the order of people: ``s_-1``, ``s_2``, ``s_10``.

    Parameters
    ----------
    folder : pathlib.Path
        Its hidden files, and files that are no images, are left aside.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    AcuityError
        If there is no image, or one does not fit the series of the others, naming it; if a number is missing; if an
        image is no file.
    """
    kinds: dict[int, list[Path]] = defaultdict(list)
    for file in folder.iterdir():
        if file.name[0] != ".":
            kinds[_kind(file)].append(file)
    rest = kinds.pop(0, [])
    if not kinds:
        endings = ", ".join(suffix for kind in SLICE_KINDS for suffix in kind)
        if (folder / "attributes.json").is_file():
            raise AcuityError(f"{folder}: found {conversion(folder.with_suffix('.n5'))}.")
        others = sorted(file for file in rest if not is_litter(file))
        for file in others:
            if how := conversion(file):
                raise AcuityError(f"{folder}: found {file.name}, {how}.")
        held = ""
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            held = f", it holds {others[0].name}{more}; name the file or the folder that you mean"
        raise AcuityError(
            f"{folder}: found no images ({endings}) and no OME-Zarr in this folder{held}."
        )
    files, most = kinds[min(kinds)], max(kinds.values(), key=len)
    if len(most) > len(files):
        raise AcuityError(
            f"{folder}: holds {len(most)} images of the type {most[0].suffix.lower()} and {len(files)} "
            f"of {files[0].suffix.lower()}, allowed is one type; move the others out of the folder."
        )
    for file in files:
        if not file.is_file():
            raise AcuityError(
                f"{file}: is no file that could be read, though it has the name of a slice; move it "
                "out of the folder, or copy it again from its source."
            )
    files = in_order(files)
    check_numbering(files, folder)
    return files


def _kind(file: Path) -> int:
    """Give which kind of slice a file is by its name, counted from 1; 0 where it is none."""
    suffix = file.suffix.lower()
    return next((n for n, kind in enumerate(SLICE_KINDS, 1) if suffix in kind), 0)


def in_order(files: Iterable[Path]) -> list[Path]:
    """Sort files by their names, numbers by their size."""
    files = list(files)
    form = _form([file.stem for file in files])
    return sorted(files, key=lambda file: natural_key(file.name, form))


def number_step(files: Sequence[Path]) -> int:
    """Give the step in which the last numbers of names go on; 1 where they do not, or in no one step."""
    found = [re.findall(r"\d+", file.stem)[-1:] for file in files]
    numbers = [int(number) for each in found for number in each]
    steps = {after - before for before, after in pairwise(numbers)}
    return steps.pop() if len(numbers) == len(files) and len(steps) == 1 else 1


# A number with a sign; a minus behind a letter or a digit only separates, as in scan-6 and 2024-01-05.
_INTEGERS = r"(?:(?<=[_=(\[{before}])-|^-)?\d+"
_DECIMALS = _INTEGERS + r"(?:\.\d+)?"
_PLAIN = _INTEGERS.replace("{before}", "")


def _form(stems: Sequence[str]) -> str:
    """Choose what is a number in the names of a folder, as a regular expression."""
    # Behind a blank a minus is a sign where other names have none there, as -1, 0, 1.
    spaced = [re.search(r" -\d", stem) is not None for stem in stems]
    before = " " if any(spaced) and not all(spaced) else ""
    # A position such as z=1.010um is one number; 1.2 and 1.10 may be a day and a part of it.
    points = [match for stem in stems for match in re.finditer(r"(?<!\d)\d+\.(\d+)(?![\d.])", stem)]
    pointed = points and len(points) == sum(len(re.findall(r"\d\.(?=\d)", stem)) for stem in stems)
    alike = len({len(match[1]) for match in points}) == 1
    measured = all(
        match.string[: match.start()].rstrip("-").endswith("=")
        or re.match(r"\s?(?:[num\u00b5\u03bc]m)\b", match.string[match.end() :])
        for match in points
    )
    form = _DECIMALS if pointed and (alike or measured) else _INTEGERS
    return form.replace("{before}", before)


def natural_key(name: str, form: str = _PLAIN) -> list:
    """Give a key that sorts ``slice_2`` before ``slice_10``, and ``slice_-2`` before ``slice_1``."""
    parts = re.split(f"({form})", name)
    return [
        (0, Decimal(part), "") if n % 2 else (1, 0, part.lower())
        for n, part in enumerate(parts)
        if part
    ] + [(2, 0, name)]


# Files whose names differ in numbers alone: each with the numbers of its name.
_Members = list[tuple[list[str], str]]


def check_numbering(files: Sequence[Path], folder: Path) -> None:
    """Refuse a folder of slices in whose numbering a number is missing, or with a file of no series.

    The numbering is the last number in the names that differs from file to file. Times and other
    numbers without a regular step are none; steps of more than 1 are allowed where all are alike.

    Parameters
    ----------
    files : sequence of pathlib.Path
        The slices.
    folder : pathlib.Path
        Their folder, for the error.

    Raises
    ------
    AcuityError
        If a number is missing, two names carry the same number, the folder holds several series, or a
        name does not fit the others.
    """
    form = _form([file.stem for file in files])
    worded: dict[tuple, _Members] = defaultdict(list)
    for file in files:
        parts = re.split(f"({form})", file.stem)
        worded[tuple(part.lower() for part in parts[0::2])].append((parts[1::2], file.name))
    found: dict[tuple, str] = {}
    for members in worded.values():
        _refuse_twins(members, folder)
        for numbers, names in _series(members):
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
                raise _several(folder, found[run], names[0], "with the same numbers ")
            found[run] = names[0]
    if len(worded) > 1:
        _refuse_strangers(list(worded.values()), folder, form)


def _several(folder: Path, first: str, second: str, how: str = "") -> AcuityError:
    return AcuityError(
        f"{folder}: holds several series of slices {how}({first} and {second} begin two of them), "
        f"allowed is one; {_REMEDY}."
    )


def _refuse_twins(members: _Members, folder: Path) -> None:
    """Refuse two names that differ in nothing but zeros, capitals or the ending."""
    seen: dict[tuple, str] = {}
    for numbers, name in members:
        row = tuple(Decimal(number) for number in numbers)
        if row in seen:
            raise AcuityError(
                f"{folder}: {seen[row]} and {name} are two files for one slice; move one of them out "
                f"of the folder, or {_REMEDY}."
            )
        seen[row] = name


def _refuse_strangers(groups: list[_Members], folder: Path, form: str) -> None:
    """Refuse images whose names differ from the others' in more than numbers.

    Names without any number, such as top and bottom, cannot be told from one another. Words may
    change within a series where its numbers go on: AM and PM beside a counter.
    """
    if all(len(group) == 1 and not group[0][0] for group in groups) or _one_run(groups, form):
        return
    groups = sorted(groups, key=len, reverse=True)
    main, others = groups[0], [name for group in groups[1:] for _, name in group]
    if len(main) == len(groups[1]):
        raise _several(folder, main[0][1], others[0])
    which = f"{others[0]} and {len(others) - 1} more, which do"
    if len(others) == 1:
        which = f"{others[0]}, which does"
    raise AcuityError(
        f"{folder}: found {which} not fit the series {main[0][1]} to {main[-1][1]}; move what is "
        f"no slice out of the folder, or {_REMEDY}."
    )


def _one_run(groups: list[_Members], form: str) -> bool:
    """Tell whether names of different words are one series, by a number that runs through them."""
    rows = [row for group in groups for row in group]
    if len({len(numbers) for numbers, _ in rows}) > 1:
        return False
    rows.sort(key=lambda row: natural_key(row[1], form))
    names = [name for _, name in rows]
    alone = {group[0][1] for group in groups if len(group) == 1}
    # A file of its own words at an end of the series may be anything: a projection, a reference.
    if len(groups) < len(rows) and (names[0] in alone or names[-1] in alone):
        return False
    for column in zip(*(numbers for numbers, _ in rows), strict=True):
        counts = _counts(column)
        distinct = len(set(counts)) == len(counts) and counts == sorted(counts)
        if distinct and _gap(counts, names) is None:
            return True
    return False


def _series(members: _Members) -> Iterator[tuple[list[list[int]], list[str]]]:
    """Sort names that differ in numbers alone into series, each with its columns of numbers.

    A column holds a different number for each file. Where no number does, the last one that
    varies counts, apart for each combination of the others.
    """
    columns = [_counts(column) for column in zip(*(row for row, _ in members), strict=True)]
    varying = [n for n, column in enumerate(columns) if len(set(column)) > 1]
    alone = [columns[n] for n in varying if len(set(columns[n])) == len(members)]
    if alone or not varying:
        yield alone, [name for _, name in members]
        return
    place = varying[-1]
    groups = defaultdict(list)
    for row, (_, name) in zip(zip(*columns, strict=True), members, strict=True):
        groups[(*row[:place], *row[place + 1 :])].append((row[place], name))
    for group in groups.values():
        yield [[number for number, _ in group]], [name for _, name in group]


def _counts(column: Sequence[str]) -> list[int]:
    """Bring numbers with a fraction to whole ones, all by the same power of ten."""
    digits = max(len(number.partition(".")[2]) for number in column)
    return [int(Decimal(number).scaleb(digits)) for number in column]


def _gap(numbers: list[int], names: list[str]) -> tuple[int, int, str, str] | tuple[()] | None:
    """Find the first gap: the missing numbers' first and last, the names around.

    None where the numbers run on regularly; an empty tuple where they are no numbering, as times.
    """
    order = sorted(zip(numbers, names, strict=True))
    steps = [after[0] - before[0] for before, after in pairwise(order)]
    step = math.gcd(*steps) if len(steps) > 1 else 1
    if all(size == step for size in steps):
        return None
    sparse = _SPARSE * len(order) * step < order[-1][0] - order[0][0] + step
    if sparse:
        step, count = Counter(steps).most_common(1)[0]
        if step > _SMALL_STEP or count < _FEW or 2 * count <= len(steps):
            return ()
    if 0 in steps:
        return ()
    at = next(n for n, size in enumerate(steps) if size > step)
    return order[at][0] + step, order[at + 1][0] - step, order[at][1], order[at + 1][1]


# Files beside images that say how large their pixels are: ending of the name, what the text begins
# with or holds within its first bytes.
_IMAGE_NOTES = (
    (".txt", (b"[semimagefile]", b"[temimagefile]", b"$cm_", b"$$sm_")),
    *((f"-{kind}.hdr", (b"[main]",)) for kind in ("tif", "png", "bmp", "jpg")),
    (".hdr", (b"[main]",)),
)
IMAGE_NOTES = (".txt", ".hdr")  # one for each image
# One for all slices.
SCAN_NOTES = {
    ".log": (b"[system]", b"[acquisition]", b"[reconstruction]"),
    ".xtekct": (b"[xtekct]",),
    ".pca": (b"[geometry]",),
}
_HEAD = 4096  # bytes


def notes_of(images: Sequence[Path]) -> list[Path]:
    """List the files beside images in which an instrument says how they were taken.

    Hitachi's and JEOL's text and TESCAN's header of each image, and one file for a whole folder of
    slices: SkyScan's log, Nikon's ``.xtekct``, GE's ``.pca``.

    Parameters
    ----------
    images : sequence of pathlib.Path
        In the order of the slices; what the first has beside it decides for all.
    """
    if not images:
        return []
    listed = {folder: set(os.listdir(folder)) for folder in {file.parent for file in images}}
    for ending, marks in _IMAGE_NOTES:
        if any(_begins(file, marks) for file in _noted(images[0], ending, listed)):
            return [file for image in images for file in _noted(image, ending, listed)]
    scan = _scan_note(images[0], sorted(listed[images[0].parent]))
    return [] if scan is None else [scan]


def note_among(notes: Iterable[Path], endings: Collection[str]) -> Path | None:
    """Choose what lies beside images by its ending: one of `IMAGE_NOTES` or of `SCAN_NOTES`."""
    return next((note for note in notes if note.suffix.lower() in endings), None)


def _noted(image: Path, ending: str, listed: dict[Path, set[str]]) -> list[Path]:
    endings = (ending, ending.upper(), ending.removesuffix(".hdr").upper() + ".hdr")
    names = (image.stem + end for end in endings)
    return [image.with_name(name) for name in names if name in listed[image.parent]][:1]


def _scan_note(image: Path, names: Iterable[str]) -> Path | None:
    """Find what a tomograph has written of a folder of slices.

    Parameters
    ----------
    image : pathlib.Path
        The first slice.
    names : iterable of str
        The files of its folder.

    Returns
    -------
    pathlib.Path
        The one named as the slices are; else the only one. None where there is none.
    """
    found = [
        file
        for name in names
        if (file := image.with_name(name)).suffix.lower() in SCAN_NOTES
        and _begins(file, SCAN_NOTES[file.suffix.lower()])
    ]
    series = re.sub(r"\d+$", "", image.stem).rstrip("_- ").lower()
    named = [file for file in found if file.stem.rstrip("_- ").lower() == series]
    return named[0] if named else found[0] if len(found) == 1 else None


def _begins(file: Path, marks: Iterable[bytes]) -> bool:
    """Tell whether one of some words stands in the first bytes of a file, in 8 or 16 bits a letter."""
    if not file.is_file():  # to open a pipe is to wait for who writes into it
        return False
    try:
        head = first_bytes(file, _HEAD).replace(b"\0", b"").lower()
    except OSError:
        return False
    return any(mark in head for mark in marks)


def voxels_of(file: Path) -> Path:
    """Give the raw voxels that the header of a scanner describes; any other file as it is.

    Raises
    ------
    AcuityError
        If there is not one file of voxels of the header's name beside it.
    """
    if file.suffix.lower() not in RAW_HEADERS:
        return file
    found = [name for end in RAW_SUFFIXES if (name := file.with_suffix(end)).is_file()]
    if len(found) != 1:
        raise AcuityError(
            f"{file}: describes raw voxels, and {len(found)} files of that name with voxels lie beside "
            f"it, allowed is one, such as {file.with_suffix('.vol').name}; copy it there."
        )
    return found[0]


def find_sidecars(path: Path) -> list[Path]:
    """Find what says how raw voxels lie in their file.

    Returns
    -------
    list of pathlib.Path
        The one sidecar; or the headers of X-ray laboratories, of which a scan may have several, where
        there is no sidecar.

    Raises
    ------
    AcuityError
        If there is none, or more than one sidecar.
    """
    names = [path.with_name(path.name + end) for end in SIDECARS]
    names += [path.with_suffix(end) for end in SIDECARS]
    found = [name for name in names if name.is_file()]
    headers = [path.with_suffix(form) for end in RAW_HEADERS for form in (end, end.upper())]
    headers = [name for name in headers if name.is_file()]
    if not (found or headers) and (header := _described_by(path)):
        raise AcuityError(
            f"{path}: holds voxels that {header.name} beside it describes; name {header.name}."
        )
    if not (found or headers) and (how := begins_as(path, "")):
        raise AcuityError(f"{path}: has the name of raw voxels, and {how}.")
    if len(found) > 1 or not (found or headers):
        raise AcuityError(
            f"{path}: found {len(found)} sidecar files, allowed is one of {names[0].name} and "
            f"{names[2].name} beside it, with shape, dtype, byte_order and voxel_size, or the header of "
            f"the scanner ({', '.join(path.with_suffix(end).name for end in RAW_HEADERS)})."
        )
    return found or list({name.resolve(): name for name in headers}.values())


def _described_by(path: Path) -> Path | None:
    """Find the header of MetaImage, NRRD or NIfTI that names a file of voxels as its part."""
    for ending in (".mhd", ".nhdr", ".hdr"):
        for header in sorted(path.parent.glob(f"*{ending}")):
            with suppress(AcuityError, OSError):
                if path.resolve() in [part.resolve() for part in named_parts(header)]:
                    return header
    return None

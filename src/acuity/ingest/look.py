"""What a study's inputs are: the table of ``acuity check``, from headers or from all voxels."""

import itertools
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.formats.files import is_remote, split_name
from acuity.formats.read import read_volume
from acuity.ingest.ingest import constant
from acuity.pair.inputs import check_grids, check_volumes
from acuity.region import parse_region, region_text
from acuity.seen import check_sheet
from acuity.units import parse_voxel_size
from acuity.volume import Volume, restored_type, slabs

COLUMNS = (
    "sample",
    "file",
    "shape z y x",
    "voxel size",
    "size from",
    "type",
    "region",
    "smallest feature",
)
NYQUIST = 2  # voxels a period: what is finer cannot be told from what is coarser
_SLAB_VOXELS = 2**24
_SHOWN = 5  # slices that a finding names


@dataclass(frozen=True)
class Input:
    """One file of a study, read or not.

    Attributes
    ----------
    row : tuple of str
        Its cells under `COLUMNS`.
    findings : tuple of str
        What its voxels say against it; empty where they were not read.
    error : str
        Why it cannot be used, in one sentence; empty where it can.
    region : str, optional
        What is taken of it, None where that is all.
    """

    row: tuple[str, ...]
    findings: tuple[str, ...] = ()
    error: str = ""
    region: str | None = None


def look(study: Any, samples: list[Any], deep: bool = False) -> Iterator[Input]:
    """Open each input of a study, and tell what it is.

    Parameters
    ----------
    study : acuity.study.study.Study
        The study.
    samples : list of acuity.study.sample.Sample
        Its samples.
    deep : bool
        Read all voxels once, and look for values that are no numbers, constant volumes and slices,
        and hot voxels. Memory stays at one slab.

    Yields
    ------
    Input
        Simulated samples as they are planned, inputs in a bucket as their address alone. A file that
        two samples take parts of is opened once.
    """
    opened: dict[tuple, Volume | AcuityError] = {}
    taken = []  # samples whose regions are told from the beginning
    for sample in samples:
        if sample.path is None:
            yield Input((sample.sample, *_simulated(study, sample)))
            continue
        high = None  # the fine image of a pair, where all of it is taken
        for prefix in sample.scans:
            reading, low = sample.reading(prefix), prefix == "low/"
            path, region = reading["path"], reading.pop("region", None)
            name = os.path.basename(os.path.normpath(split_name(path)[0]))
            if is_remote(path):
                yield Input((sample.sample, path, *["-"] * 4, region or "whole", "-"))
                continue
            key = tuple(reading.items())
            if key not in opened:
                opened[key] = _or_error(read_volume, **reading)
            opens = opened[key]
            if isinstance(opens, Volume) and low and high is not None:
                fit = check_volumes if study.paired_volumes else check_grids
                fits = _or_error(fit, high, opens, sample.level, "the pair")
                opens = fits if isinstance(fits, AcuityError) else opens
            elif isinstance(opens, Volume) and region is None and not prefix:
                high = opens
            restore = study.restore if sample.role == "restore" else None
            found = _look(sample.sample, name, path, opens, region, restore, deep)
            if not prefix and not found.error:
                taken.append(sample.model_copy(update={"region": found.region}))
            yield found
    where = dict.fromkeys((sample.sample for sample in taken), study.samples)
    if error := _or_error(check_sheet, study, taken, where):
        yield Input(("", *["-"] * 7), error=str(error))


def _or_error(function: Callable, *given: Any, **named: Any) -> Any:
    """Call a function, and return what it returns or what it refuses with."""
    try:
        return function(*given, **named)
    except AcuityError as error:
        return error


def table(inputs: list[Input]) -> str:
    """Write inputs as text, a line each; what cannot be used has no line."""
    rows = [COLUMNS, *(found.row for found in inputs if not found.error)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _simulated(study: Any, sample: Any) -> tuple[str, ...]:
    what = f"simulated, seed {sample.seed}"
    if study.foam is None:
        return (what, *["-"] * 6)
    size = study.foam.size
    edge, holds = _sizes(*parse_voxel_size(study.foam.voxel_size))
    return (what, f"{size} {size} {size}", edge, "study", "float32", "whole", holds)


def _sizes(spacing: tuple[float, ...], unit: str) -> tuple[str, str]:
    told = spacing[:1] if len(set(spacing)) == 1 else spacing
    size = " ".join(f"{edge:.6g}" for edge in told)
    return f"{size} {unit}", f"{NYQUIST * max(spacing):.4g} {unit}"


def _look(
    sample: str,
    name: str,
    path: str,
    volume: Volume | AcuityError,
    region: str | None,
    restore: Any,
    deep: bool,
) -> Input:
    """Tell what an input is that could be opened, or why not."""
    blank = (sample, name, *["-"] * 6)
    if isinstance(volume, AcuityError):
        return Input(blank, error=f"sample {sample!r}: {volume}")
    try:
        taken = "whole"
        if region is not None:
            box = parse_region(region, volume.grid.shape, path)
            volume = volume.crop(box)
            taken = region_text(box)
        if restore is not None:
            _check_restored(volume, restore, path)
        entry = volume.provenance[-1]
        size, holds = _sizes(volume.grid.spacing, volume.grid.unit)
        shape = " ".join(map(str, volume.grid.shape))
        row = (sample, name, shape, size, entry["voxel_size_from"], volume.dtype.name, taken, holds)
        findings = tuple(_findings(volume, path)) if deep else ()
        return Input(row, findings, region=region and taken)
    except AcuityError as error:
        return Input(blank, error=f"sample {sample!r}: {error}")


def _check_restored(volume: Volume, restore: Any, path: str) -> None:
    """Refuse a region outside of what is read, or a type that cannot hold its values.

    Parameters
    ----------
    volume : acuity.volume.Volume
        What is read.
    restore : acuity.study.restore.Restore
    path : str
        Its file, for the error.
    """
    if restore.part is not None:
        parse_region(restore.part, volume.grid.shape, f"{path}, key 'restore.region'")
    restored_type(volume.dtype, restore.dtype, where=f"{path}, key 'restore.dtype'")


def _findings(volume: Volume, path: str) -> Iterator[str]:
    """Read a volume slab by slab, and tell what is odd about its values; refuse what the import does."""
    depth, *plane = volume.grid.shape
    wrong, hot, lowest, highest = 0, 0, np.inf, -np.inf
    blank: list[int] = []
    for z0, z1 in slabs(depth, max(1, _SLAB_VOXELS // math.prod(plane))):
        for z, image in enumerate(volume.read(slice(z0, z1)), start=z0):
            finite = np.isfinite(image)
            missing = image.size - np.count_nonzero(finite)
            wrong += missing
            if missing == image.size:
                continue
            low, high = float(image[finite].min()), float(image[finite].max())
            lowest, highest = min(lowest, low), max(highest, high)
            if low == high:
                blank.append(z)
            elif not missing:
                hot += count_hot(image)
    if wrong:
        raise AcuityError(
            f"{path}: found {wrong} voxels that are no finite numbers, allowed are finite numbers only; "
            "put a value in their place, or leave them out with region."
        )
    if lowest == highest:
        raise constant(path, lowest)
    if blank:
        shown = ", ".join(map(str, blank[:_SHOWN])) + ", ..." * (len(blank) > _SHOWN)
        yield f"slices of one value each: {len(blank)} ({shown})"
    if hot:
        yield f"hot voxels: {hot}, single ones far above all that surrounds them in their slice"


def count_hot(image: np.ndarray) -> int:
    """Count the hot pixels of a slice.

    Parameters
    ----------
    image : array
        (y, x), finite numbers.

    Returns
    -------
    int
        Pixels that lie above each of their eight neighbours by more than the distance between the 1st
        and the 99th percentile of the slice; none where that is 0, as on an empty background.
    """
    low, high = np.percentile(image, (1, 99))
    if low == high:
        return 0
    values = np.pad(image.astype(np.float64), 1, constant_values=-np.inf)
    # what is not as high as this cannot be, and few pixels are
    y, x = np.nonzero(values > high)
    around = [
        values[y + down, x + right]
        for down, right in itertools.product((-1, 0, 1), repeat=2)
        if (down, right) != (0, 0)
    ]
    return int(np.count_nonzero(values[y, x] - np.max(around, axis=0) > high - low))

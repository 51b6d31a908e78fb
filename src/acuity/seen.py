"""Whether the voxels that are judged were learned from: by the sheet, by shapes, and by contents."""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any

import pandas as pd

from acuity.errors import AcuityError
from acuity.formats.files import is_remote, split_name
from acuity.model_card import read_model_card
from acuity.tables import write_table
from acuity.units import convert
from acuity.volume import Grid, Volume, open_volume

COLUMNS = ("test", "train", "voxels")
_HOLDS = {"same": "the same voxels as", "shared": "voxels that are also in"}
_REMEDY = (
    "a figure of it would say nothing of new data; judge a region that lies apart, or state "
    "allow_seen: true, and every page and figure says that it was seen in training"
)


def check_sheet(study: Any, samples: Sequence[Any], where: Mapping[str, str]) -> None:
    """Refuse test samples whose voxels are learned from, as far as the sheet alone tells.

    A region counted from the beginning and one counted from the end are compared when the shape is
    known, and files of other names that hold the same when they are imported: `check_volumes`.

    Parameters
    ----------
    study : acuity.study.study.Study
        Refused is what a study that `keeps_apart` judges.
    samples : sequence of acuity.study.sample.Sample
        Its samples, with the places of their files.
    where : mapping of str to str
        Sheet and line of each sample, for the error.

    Raises
    ------
    AcuityError
        Naming both samples.
    """
    if not study.keeps_apart:
        return
    for test, train in product(_of("test", samples), _of("train", samples)):
        if _place(train.path) == _place(test.path) and overlap(train.region, test.region):
            raise AcuityError(
                f"{where[test.sample]}: test sample {test.sample!r} shares voxels of {test.path} with "
                f"the train sample {train.sample!r}; {_REMEDY}"
            )


def _of(role: str, samples: Iterable[Any]) -> list[Any]:
    return [sample for sample in samples if sample.role == role and sample.path is not None]


def check_volumes(
    train: Mapping[str, str | os.PathLike],
    test: Mapping[str, str | os.PathLike],
    output: str | os.PathLike,
    *,
    cards: Mapping[str, str | os.PathLike | Sequence[str]] = MappingProxyType({}),
    allow: bool = False,
) -> None:
    """Refuse test samples that were imported from the same voxels as one to learn from.

    Parameters
    ----------
    train, test : mapping of str to path
        Imported volumes by sample; of a simulated test sample one that it is restored from.
    cards : mapping of str to path or list of path, optional
        Cards of models that were trained elsewhere, by method and level; of a chain those of all.
    output : path
        A table of the samples that were compared: `test`, `train`, `voxels` (``other``; where
        that is allowed also ``same`` and, of a region, ``shared``).
    allow : bool
        Refuse nothing; the table tells which samples were seen in training.

    Raises
    ------
    AcuityError
        If two have one content digest, or regions of one source that overlap, and neither is
        allowed.
    """
    paths = {**train, **test}
    opened = {name: open_volume(path, complete=False) for name, path in paths.items()}
    rows = []
    for judged, learned in product(test, train):
        voxels = shared(opened[judged], opened[learned])
        if voxels in _HOLDS and not allow:
            raise AcuityError(
                f"{opened[judged].source}: test sample {judged!r} holds {_HOLDS[voxels]} the train "
                f"sample {learned!r} ({opened[learned].source}); {_REMEDY}"
            )
        rows.append((judged, learned, voxels))
    taught = {
        method: [one for path in _listed(card) for one in read_model_card(path).origins]
        for method, card in cards.items()
    }
    for judged, (method, card) in product(test, cards.items()):
        began = origin(opened[judged])
        seen = any(meet(began, one) for one in taught[method])
        if seen and not allow:
            raise AcuityError(
                f"{opened[judged].source}: test sample {judged!r} holds voxels that the model of "
                f"{method} ({', '.join(map(str, _listed(card)))}) learned from; {_REMEDY}"
            )
        rows.append((judged, f"the model of {method}", "shared" if seen else "other"))
    write_table(pd.DataFrame(rows, columns=COLUMNS), output)


def _listed(card):
    return [card] if isinstance(card, str | os.PathLike) else list(card)


def shared(one: Volume, other: Volume) -> str:
    """Say what voxels two imported volumes have: ``same``, ``shared`` (some of them) or ``other``.

    Parameters
    ----------
    one, other : Volume
        Opened, with the provenance of their import.
    """
    if one.digest == other.digest:
        return "same"
    return "shared" if meet(origin(one), origin(other)) else "other"


def meet(one: Mapping[str, str | None], other: Mapping[str, str | None]) -> bool:
    """Tell whether two origins share voxels: one source, and regions of it that overlap."""
    return one["source"] == other["source"] and overlap(one["region"], other["region"])


def learned_boxes(
    own: str | os.PathLike, trained: Iterable[str | os.PathLike]
) -> list[tuple[tuple[float, float], ...]]:
    """Find the parts of an imported volume that models learned from.

    Parameters
    ----------
    own : path
        The imported volume.
    trained : iterable of path
        The imported volumes that models learned from, itself among them or not.

    Returns
    -------
    list
        Of each part both ends along z, y, x, in the volume's unit, at the outer faces of voxels.
    """
    volume, found = open_volume(own, complete=False), []
    whole = _faces(volume.grid, volume.grid.unit)
    for path in trained:
        other = open_volume(path, complete=False)
        voxels = shared(volume, other)
        if voxels == "same":
            found.append(whole)
        elif voxels == "shared":
            ends = zip(whole, _faces(other.grid, volume.grid.unit), strict=True)
            found.append(tuple((max(a[0], b[0]), min(a[1], b[1])) for a, b in ends))
    return found


def _faces(grid: Grid, unit: str) -> tuple[tuple[float, float], ...]:
    places = zip(grid.origin, grid.spacing, grid.shape, strict=True)
    ends = [(at - size / 2, at + (n - 0.5) * size) for at, size, n in places]
    return tuple((convert(a, grid.unit, unit), convert(b, grid.unit, unit)) for a, b in ends)


def origin(volume: Volume) -> dict[str, str | None]:
    """Return what a volume began as.

    Parameters
    ----------
    volume : Volume
        Opened, with its provenance.

    Returns
    -------
    dict
        ``source``, the digest of the file that was imported, with its dataset, or of what was
        simulated; ``region`` of the file, None for all of it.
    """
    steps = volume.provenance
    entry = next((step for step in reversed(steps) if step.get("step") == "ingest"), None)
    if entry is None:
        told = json.dumps(steps[0] if steps else volume.digest, sort_keys=True)
        return {"source": hashlib.sha256(told.encode()).hexdigest(), "region": None}
    dataset = split_name(entry["source"])[1] or ""
    return {"source": entry["sha256"] + dataset, "region": entry.get("region")}


def _place(path: str) -> tuple[str, str | None]:
    if is_remote(path):
        return path, None
    file, dataset = split_name(path)
    return os.path.realpath(file), dataset if dataset is None else dataset.strip("/")


def overlap(one: str | None, other: str | None) -> bool:
    """Tell whether two regions share a voxel, whatever the shape.

    Parameters
    ----------
    one, other : str, optional
        Such as ``"0:60,:,10:"``; None is all of it.

    Returns
    -------
    bool
        False too where one is counted from the beginning and the other from the end.
    """
    pairs = zip(_spans(one), _spans(other), strict=True)
    return not any(_before(a[1], b[0]) or _before(b[1], a[0]) for a, b in pairs)


def _spans(region: str | None) -> list[tuple[float, float]]:
    """Both ends along z, y, x; those that are open are 0 and infinity."""
    parts = ["" if region is None else part for part in (region or "").split(",")]
    parts += [""] * (3 - len(parts))
    ends = [(part or ":").strip().split(":") for part in parts]
    return [(int(a) if a.strip() else 0, int(b) if b.strip() else math.inf) for a, b in ends]


def _before(stop: float, start: float) -> bool:
    """Whether a span that ends at `stop` may lie before one that begins at `start`."""
    if stop == math.inf or start == 0:
        return False
    return stop <= start if (stop < 0) == (start < 0) else True

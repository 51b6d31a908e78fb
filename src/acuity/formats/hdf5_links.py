"""Datasets of an HDF5 file, through its links to other files and through virtual datasets.

HDF5 follows such links itself, to any file that the user may read, and gives zeros where a part of
a virtual dataset is missing. So they are followed here, one by one: see
`acuity.formats.parts.find_part` for where parts may lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from acuity.errors import AcuityError, one_sentence
from acuity.formats.hdf5_filters import unpacked
from acuity.formats.parts import find_part
from acuity.formats.refused import begins_as
from acuity.hdf5 import open_hdf5
from acuity.shards import size_of
from acuity.volume import Box, LazyArray

_HOPS = 32  # links after links


@dataclass
class Found:
    """A dataset and the way to it.

    Parameters
    ----------
    dataset : h5py.Dataset
        Wherever it lies.
    path : pathlib.Path
        The file that holds it.
    groups : list of h5py.Group
        Those that were passed, the root of each file among them.
    """

    dataset: h5py.Dataset
    path: Path
    groups: list[h5py.Group] = field(default_factory=list)


class LinkedFile:
    """An HDF5 file, and those that it names as parts, opened as they are needed.

    As a context manager it closes them where there is an error, and leaves them open else.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    AcuityError
        If it is no HDF5 or cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: list[Path] = []
        self._files: dict[Path, h5py.File] = {}
        self.root = self._open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:
            self.close()

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            file.close()

    def _open(self, path: Path) -> h5py.File:
        if path not in self._files:
            short = "it may be cut short, copy it again from its source"
            with one_sentence(f"{path}: cannot be opened as HDF5", partial(begins_as, path, short)):
                self._files[path] = open_hdf5(path)
        return self._files[path]

    def _part(self, path: Path, name: str) -> Path:
        part = find_part(path, name)
        if part != self.path and part not in self.parts:
            self.parts.append(part)
        return part

    def find(self, name: str, path: Path | None = None) -> Found | None:
        """Go to a dataset link by link.

        Parameters
        ----------
        name : str
            Its path in the file.
        path : pathlib.Path, optional
            The file, this one by default.

        Returns
        -------
        Found or None
            None where there is no dataset of that name.

        Raises
        ------
        AcuityError
            If a file on the way is missing, lies elsewhere or cannot be opened.
        """
        path = path or self.path
        place: Any = self._open(path)["/"]
        groups, todo, hops = [place], name.split("/"), 0
        while todo:
            step = todo.pop(0)
            if step in ("", "."):
                continue
            link = place.get(step, getlink=True) if isinstance(place, h5py.Group) else None
            if link is None:
                return None
            if isinstance(link, h5py.HardLink):
                place = place[step]
            else:
                hops += 1
                if hops > _HOPS:
                    raise AcuityError(
                        f"{path}: its links lead in a circle at {name}; name the dataset itself."
                    )
                todo = link.path.split("/") + todo
                if isinstance(link, h5py.ExternalLink):
                    path = self._part(path, link.filename)
                if isinstance(link, h5py.ExternalLink) or link.path.startswith("/"):
                    place = self._open(path)["/"]
            if isinstance(place, h5py.Group):
                groups.append(place)
        return Found(place, path, groups) if isinstance(place, h5py.Dataset) else None

    def datasets(self) -> dict[str, Found | AcuityError]:
        """List all datasets, also those behind links to other files.

        Returns
        -------
        dict of str to Found or AcuityError
            The error where a link cannot be followed.
        """
        found: dict[str, Found | AcuityError] = {}
        for name, item in links(self.root):
            if isinstance(item, h5py.Dataset):
                found[name] = Found(item, self.path, [item.parent])
                continue
            before = list(self.parts)
            try:
                behind = self.find(name)
                if behind is not None:
                    found[name] = behind
            except AcuityError as error:
                found[name] = error
            # looked at, and not read yet
            self.parts = before
        return found

    def values(self, found: Found, above: tuple[tuple[Path, str], ...] = ()) -> Any:
        """Give what reads a dataset: itself, its chunks unpacked here, or its virtual parts.

        Parameters
        ----------
        found : Found
            The dataset.
        above : tuple
            Virtual datasets that it is a part of, so that a circle is noticed.

        Returns
        -------
        object
            With `shape`, `dtype`, `ndim` and indexing by one slice an axis.

        Raises
        ------
        AcuityError
            If its voxels lie outside HDF5, a filter or a part is missing.
        """
        dataset = found.dataset
        where = f"{found.path}:{dataset.name}"
        if dataset.external:
            raise AcuityError(
                f"{where}: its voxels lie in another file ({dataset.external[0][0]}) as raw bytes, "
                "which is not followed; where that file is yours, copy the dataset into one file "
                "with h5repack -l CONTI."
            )
        if not dataset.is_virtual:
            return unpacked(dataset, where)
        key = (found.path, dataset.name)
        if key in above:
            raise AcuityError(f"{where}: is a virtual dataset that is a part of itself.")
        return VirtualParts(dataset, list(self._pieces(found, where, (*above, key))))

    def _pieces(
        self, found: Found, where: str, above: tuple[tuple[Path, str], ...]
    ) -> Iterator["_Piece"]:
        for source in found.dataset.virtual_sources():
            if "%b" in source.file_name:
                raise AcuityError(
                    f"{where}: names its parts by a pattern ({source.file_name}), allowed are parts "
                    "that are named one by one; copy it into one file with h5repack -l CHUNK."
                )
            name = source.file_name
            path = found.path if name == "." else self._part(found.path, name)
            part = self.find(source.dset_name, path)
            if part is None:
                raise AcuityError(
                    f"{where}: its part {path.name} has no dataset {source.dset_name}; copy the "
                    "part again from its source."
                )
            values = self.values(part, above)
            there = _ranges(source.vspace, found.dataset.shape, where)
            here = _ranges(source.src_space, values.shape, where)
            fits = len(here) == values.ndim and all(
                steps[-1] < count for steps, count in zip(here, values.shape, strict=True)
            )
            asked, held = ([len(r) for r in each if len(r) > 1] for each in (there, here))
            if not fits or asked != held:
                raise AcuityError(
                    f"{where}: its part {path.name}:{source.dset_name} holds {values.shape} where "
                    f"another shape is asked of it ({[len(r) for r in here]}); copy the part again "
                    "from its source."
                )
            if not np.can_cast(values.dtype, found.dataset.dtype):
                raise AcuityError(
                    f"{where}: its part {path.name}:{source.dset_name} holds {values.dtype} where "
                    f"{found.dataset.dtype} is asked of it, which would change its values."
                )
            yield _Piece(there, here, values)


def links(root: h5py.Group) -> Iterator[tuple[str, Any]]:
    """List datasets and links to other files below a group; nothing is followed.

    Yields
    ------
    str
        The path in the file.
    h5py.Dataset or h5py.ExternalLink
    """
    todo, seen = [(root, "")], set()
    while todo:
        group, prefix = todo.pop(0)
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield f"{prefix}/{name}", link
            elif isinstance(link, h5py.HardLink):
                item = group[name]
                if isinstance(item, h5py.Dataset):
                    yield f"{prefix}/{name}", item
                elif isinstance(item, h5py.Group):
                    address = h5py.h5o.get_info(item.id).addr
                    if address not in seen:
                        seen.add(address)
                        todo.append((item, f"{prefix}/{name}"))


@dataclass
class _Piece:
    """Places along each axis of a virtual dataset, and in the part that fills them."""

    there: list[range]
    here: list[range]
    values: Any


def _ranges(space: h5py.h5s.SpaceID, shape: tuple[int, ...], where: str) -> list[range]:
    """Give the places of a selection along each axis of a dataset."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return [range(count) for count in shape]
    if space.is_regular_hyperslab():
        found = []
        for start, stride, count, block in zip(*space.get_regular_hyperslab(), strict=True):
            if h5py.h5s.UNLIMITED in (count, block):
                break
            if count == 1 or stride == block:
                found.append(range(start, start + count * block))
            elif block == 1:
                found.append(range(start, start + count * stride, stride))
        if len(found) == len(shape) and all(found):
            return found
    raise AcuityError(
        f"{where}: its parts lie in it in another pattern than boxes and regular steps; copy it into "
        "one file with h5repack -l CHUNK."
    )


class VirtualParts(LazyArray):
    """A virtual dataset, read from the parts that were found.

    Parameters
    ----------
    dataset : h5py.Dataset
        The virtual one.
    pieces : list of _Piece
        What fills it; later ones go over earlier ones.
    """

    def __init__(self, dataset: h5py.Dataset, pieces: list[_Piece]) -> None:
        self.shape, self.dtype = dataset.shape, dataset.dtype
        self._fill = dataset.fillvalue
        self._pieces = pieces

    @property
    def unfilled(self) -> int:
        """Values that no part fills, where parts do not overlap."""
        total = int(np.prod(self.shape, dtype=np.int64))
        filled = sum(int(np.prod([len(r) for r in piece.there])) for piece in self._pieces)
        return max(0, total - filled)

    def read_box(self, box: Box) -> np.ndarray:
        """Read what the parts hold of a box."""
        out = np.full(size_of(box), self._fill, self.dtype)
        for piece in self._pieces:
            # which of the piece's places lie in the span, along each axis
            chosen = [_inside(places, span) for places, span in zip(piece.there, box, strict=True)]
            pairs = list(zip(piece.there, chosen, strict=True))
            there = [places[some] for places, some in pairs]
            if not all(there):
                continue
            # axes of one place may be there in one of the two alone
            long = iter([some for places, some in pairs if len(places) > 1])
            here = [places[next(long)] if len(places) > 1 else places for places in piece.here]
            into = tuple(map(_slice, there, (span.start for span in box)))
            block = piece.values[tuple(map(_slice, here))]
            out[into] = np.reshape(block, out[into].shape)
        return out


def _inside(places: range, span: slice) -> slice:
    """Give which of some places lie in a span."""
    ends = (span.start, span.stop)
    return slice(*(max(0, -(-(end - places.start) // places.step)) for end in ends))


def _slice(places: range, origin: int = 0) -> slice:
    """Give places, counted from an origin, as a slice."""
    return slice(places[0] - origin, places[-1] - origin + 1, places.step)

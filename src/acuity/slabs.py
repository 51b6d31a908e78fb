"""Several jobs that fill one volume, cut into slabs along z.

Three kinds of job share a store ``X.ome.zarr``: one makes it empty (part ``(0, n)``), n fill the
rows of shards of one slab each (parts ``(1, n)`` to ``(n, n)``), and `join` checks what they left
and writes the root ``zarr.json``. A stage asks `open_writer` for a writer and fills
``writer.z0`` to ``writer.z1``; it does not know which of them it is. Without a part the writer is
the plain `acuity.volume.VolumeWriter`, which does all three.

What the jobs tell each other lies in the store, in ``.slabs/``, and dies with it:
``store.json``, what all slabs must agree upon, and a marker ``K.json`` for each slab that is done,
with the checksums of its shards. The rows of two slabs never meet, and a writer refuses shards
beyond its own: no two jobs write one shard.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acuity.errors import AcuityError
from acuity.seals import write_sealed
from acuity.shards import Index, each, file_checksum, shard_file, whole
from acuity.volume import (
    MARKERS,
    Grid,
    VolumeWriter,
    choose_layout,
    finalise,
    read_sealed_json,
    store_path,
    with_told,
)
from acuity.writing import disk_errors

VERSION = 1

Part = tuple[int, int]


def sees_all(part: Part | None) -> bool:
    """Whether a job looks at the whole input: one that makes all, or the first of several."""
    return part is None or part[0] == 0


def extent(depth: int, row: int, block: int, part: Part) -> tuple[int, int]:
    """Give the slices of a slab.

    Slabs share the blocks of a volume, and each is moved up to the next row of shards: it consists
    of whole rows, and of whole blocks where a block is a number of rows or a row one of blocks.
    Otherwise the block that its end cuts is computed by both neighbours.

    Parameters
    ----------
    depth : int
        Slices of the volume.
    row : int
        Slices of a row of shards.
    block : int
        Slices that the stage computes at a time, counted from the volume's first slice.
    part : tuple of int
        Number of the slab, from 1, and how many there are.

    Returns
    -------
    z0, z1 : int
        First slice and the one behind the last; equal where the volume has fewer rows or blocks
        than slabs and this one is empty.
    """
    number, count = part
    blocks = -(-depth // block)

    def edge(k: int) -> int:
        return min(depth, -(-(k * blocks // count * block) // row) * row)

    return (edge(number - 1), edge(number)) if number else (0, 0)


def open_writer(
    path: str | os.PathLike,
    grid: Grid,
    dtype: Any,
    part: Part | None = None,
    *,
    block: int = 1,
    settled: Mapping[str, Any] | None = None,
    **about: Any,
) -> VolumeWriter:
    """Open the writer of a volume, or of one job's part of it.

    Parameters
    ----------
    path, grid, dtype
        As for `acuity.volume.VolumeWriter`.
    part : tuple of int, optional
        ``(0, n)`` makes the store, ``(k, n)`` fills slab k of n; by default the whole volume is
        written.
    block : int
        Slices of the volume that the stage computes at a time, counted from its first one.
    settled : mapping, optional
        JSON values that every job finds for itself and that must be the same in all: digests of
        input and model, settings, device.
    **about
        ``intensity`` and ``provenance``, as for `acuity.volume.VolumeWriter`.

    Returns
    -------
    VolumeWriter
        A context manager; ``z0`` and ``z1`` are the slices that it fills, none for the part that
        makes the store.

    Raises
    ------
    AcuityError
        When it is entered: if the store was not made, or was made with something else than what
        this job has found.
    """
    if part is None:
        return VolumeWriter(path, grid, dtype, **about)
    number, count = map(int, part)
    if not (count >= 1 and 0 <= number <= count):
        raise AcuityError(f"slabs: found the part {number} of {count}; allowed are 0 to {count}")
    kind = SlabWriter if number else StoreMaker
    return kind(path, grid, dtype, part=(number, count), block=block, settled=settled, **about)


class StoreMaker(VolumeWriter):
    """Makes the store that several jobs fill; has no slices itself.

    Parameters
    ----------
    path, grid, dtype, intensity, provenance
        As for `acuity.volume.VolumeWriter`.
    part, block, settled
        As for `open_writer`.
    """

    def __init__(
        self, *place: Any, part: Part, block: int, settled: Mapping[str, Any] | None, **about: Any
    ) -> None:
        super().__init__(*place, **about)
        self.part, grid = part, self.grid
        self.z0, self.z1 = extent(grid.shape[0], self.slab_depth, block, part)
        self.folder = self.path / MARKERS
        self.notes: dict[str, Any] = {}
        self._agreed: dict[str, Any] = {}
        plan = {
            "version": VERSION,
            "slabs": part[1],
            "block": block,
            **asdict(grid),  # shape, spacing, origin, unit
            "dtype": self.dtype.name,
            "shard": self.layout.shard,
            "chunk": self.layout.chunk,
            "intensity": self.intensity,
            "provenance": self.provenance,
            **{f"settled.{key}": value for key, value in (settled or {}).items()},
        }
        self._plan = _plain(plan)

    def agree(self, key: str, compute: Callable[[], Any]) -> Any:
        """Find a figure of the whole input and keep it for the slabs."""
        self._agreed[key] = _plain(compute())
        return self._agreed[key]

    def _complete(self) -> None:
        with disk_errors(self.path):
            self.folder.mkdir(exist_ok=True)
        write_sealed(self.folder / "store.json", {"plan": self._plan, "agreed": self._agreed})


class SlabWriter(StoreMaker):
    """Fills one slab of a store that `StoreMaker` has made, and leaves its marker.

    Parameters are those of `StoreMaker`.
    """

    def _begin(self) -> None:
        store, self._seal = _read_store(self.path)
        file = self.folder / "store.json"
        for key in sorted(self._plan.keys() | store["plan"].keys()):
            made, found = store["plan"].get(key), self._plan.get(key)
            if made != found:
                raise AcuityError(
                    f"{file}: the store was made with {key} {_short(made)} and slab {self.part[0]} "
                    f"found {_short(found)}; all slabs of a volume must agree, remove {self.path} "
                    "and run again."
                )
        self._agreed = store["agreed"]
        with disk_errors(self.path):
            # A volume that is being filled anew is none until its slabs are joined.
            (self.path / "zarr.json").unlink(missing_ok=True)
            self.abandon()

    def agree(self, key: str, compute: Callable[[], Any]) -> Any:
        """Give the figure that the first job has found."""
        if key not in self._agreed:
            raise AcuityError(
                f"{self.folder / 'store.json'}: says nothing of {key}; remove {self.path} and run "
                "again."
            )
        return self._agreed[key]

    def note(self, **values: Any) -> None:
        """Keep figures of this slab in its marker; JSON values."""
        self.notes.update(_plain(values))

    def _complete(self) -> None:
        rows = (slice(self.z0, self.z1), *whole(self.grid.shape[1:]))
        missing = [index for index, _ in self.layout.boxes(rows) if index not in self._shards]
        if self.z0 < self.z1 and missing:
            raise RuntimeError(f"slab {self.part[0]} did not write shard {missing[0]}")
        marker = {
            "slab": self.part[0],
            "z": [self.z0, self.z1],
            "empty": self.z0 == self.z1,
            "store": self._seal,
            "notes": self.notes,
            "shards": {"/".join(map(str, n)): list(shard) for n, shard in self._shards.items()},
        }
        write_sealed(self.folder / f"{self.part[0]}.json", marker)

    def abandon(self) -> None:
        """Take this slab's marker back; the store is that of other slabs too."""
        (self.folder / f"{self.part[0]}.json").unlink(missing_ok=True)


def join(path: str | os.PathLike) -> list[dict]:
    """Make a store whose slabs are all filled a volume.

    Every marker is checked against the store, and every shard, read once, against its marker. It
    may be called again.

    Parameters
    ----------
    path : path
        The store ``X.ome.zarr`` or its root ``zarr.json``.

    Returns
    -------
    list of dict
        What each slab has noted, in order.

    Raises
    ------
    AcuityError
        If a marker is missing, damaged or of another store, or a shard is missing or is not what
        its slab has written: naming the file and what to do. No ``zarr.json`` is written then.
    """
    path = store_path(path)
    store, seal = _read_store(path)
    plan = store["plan"]
    grid = Grid(plan["shape"], plan["spacing"], plan["origin"], plan["unit"])
    layout = choose_layout(grid.shape, plan["dtype"])
    shards: dict[Index, tuple] = {}
    notes, end = [], 0
    for number in range(1, plan["slabs"] + 1):
        marker, found = read_marker(path, number, seal)
        again = f"remove {marker} and run again, which makes slab {number} anew"
        z0, z1 = found["z"]
        box = (slice(z0, z1), *whole(grid.shape[1:]))
        wanted = [index for index, _ in layout.boxes(box)] if z0 < z1 else []
        part = {index: found["shards"].get("/".join(map(str, index))) for index in wanted}
        ended = number < plan["slabs"] or z1 == grid.shape[0]
        if z0 != end or not ended or None in part.values():
            raise AcuityError(
                f"{marker}: says that slices {z0} to {z1} are done, which do not follow those up "
                f"to {end} of {grid.shape[0]} in whole shards; {again}."
            )
        end = z1
        shards |= {index: (shard, again) for index, shard in part.items()}
        notes.append(found["notes"])

    def check(item: tuple) -> None:
        index, ((_, *written), again) = item
        file = shard_file(path / "0", index)
        try:
            there = list(file_checksum(file))
        except FileNotFoundError:
            raise AcuityError(f"{file}: is missing; {again}.") from None
        if there != written:
            size, checksum = there
            raise AcuityError(
                f"{file}: found {size} bytes with the checksum {checksum:08x}, and the slab wrote "
                f"{written[0]} with {written[1]:08x}; {again}."
            )

    for _ in each(check, list(shards.items())):
        pass
    digests = {index: shard[0] for index, (shard, _) in shards.items()}
    provenance = with_told(plan["provenance"], store["agreed"].get("told", {}))
    finalise(path, grid, plan["dtype"], digests, plan["intensity"], provenance)
    return notes


def joined(inputs: Any, volumes: Iterable[str]) -> bool:
    """Join volumes where a job's inputs are their slabs.

    Parameters
    ----------
    inputs : object
        Snakemake's, with ``slabs`` among them where the job is to join.
    volumes : iterable of path
        What it makes; see `join`.

    Returns
    -------
    bool
        Whether they are made; otherwise that is left to do.
    """
    slabs = inputs.get("slabs")
    for volume in volumes if slabs else ():
        join(volume)
    return bool(slabs)


def read_marker(path: str | os.PathLike, number: int, seal: str | None = None) -> tuple[Path, dict]:
    """Read the marker of a slab.

    Parameters
    ----------
    path : path
        The store.
    number : int
        Number of the slab, from 1.
    seal : str, optional
        Digest of ``store.json``, where it is known already.

    Returns
    -------
    file : pathlib.Path
    marker : dict
        With ``z`` (first slice and the one behind the last), ``empty`` and ``notes``.

    Raises
    ------
    AcuityError
        If it is missing, damaged, or left for a store that was made in another way.
    """
    path = store_path(path)
    file = path / MARKERS / f"{number}.json"
    seal = _read_store(path)[1] if seal is None else seal
    remedy = "remove it if it is there and run again"
    found = read_sealed_json(file, f"slab {number} is not done", remedy, must=True)
    if found.get("store") != seal or found.get("slab") != number:
        raise AcuityError(
            f"{file}: was left by another slab or with other settings than those of store.json "
            f"beside it; remove it and run again, which makes slab {number} anew."
        )
    if not {"z", "empty", "notes", "shards"} <= found.keys():
        raise AcuityError(f"{file}: is damaged; remove it and run again.")
    return file, found


def _read_store(path: Path) -> tuple[dict, str]:
    """What all slabs agree upon, and its digest."""
    file = path / MARKERS / "store.json"
    remedy = f"remove {path} and run again"
    store = read_sealed_json(file, "the store was not made", remedy, must=True)
    if not {"plan", "agreed"} <= store.keys() or store["plan"].get("version") != VERSION:
        raise AcuityError(f"{file}: was written by another version of Acuity; {remedy}.")
    return store, hashlib.sha256(file.read_bytes()).hexdigest()


def _plain(value: Any) -> Any:
    """The value as it comes back from a JSON file."""
    return json.loads(json.dumps(value, allow_nan=False))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

"""HDF5: one three-dimensional dataset of a file."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from acuity.errors import AcuityError
from acuity.formats.files import HDF5_SUFFIXES
from acuity.formats.source import Source, close_with
from acuity.units import known, parse_voxel_size
from acuity.volume import Box, LazyArray, error_reason

SUFFIXES = HDF5_SUFFIXES


class DatasetArray(LazyArray):
    """A dataset with three axes, or with two as one slice.

    Parameters
    ----------
    file : h5py.File
        Open; closed when this array goes.
    dataset : h5py.Dataset
        The dataset.
    """

    def __init__(self, file: h5py.File, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.shape = (1,) * (3 - dataset.ndim) + dataset.shape
        self.dtype = dataset.dtype
        close_with(self, file)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        block = self._dataset[box[3 - self._dataset.ndim :]]
        return block.reshape([part.stop - part.start for part in box])


def read(path: Path, name: str | None) -> Source:
    """Open a dataset of an HDF5 file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    name : str, optional
        The dataset's path in the file; by default its only one with three axes.

    Returns
    -------
    Source
        Read part by part. The voxel size is taken from the attributes ``element_size_um`` (z, y,
        x in micrometres) or ``voxel_size`` (a text such as "10 nm", or numbers in z, y, x with
        their unit in ``voxel_size_unit``, ``unit`` or ``units``) of the dataset or of a group
        that holds it.

    Raises
    ------
    AcuityError
        If the file is cut short, or the dataset is not there or not the only one.
    """
    try:
        # without a lock: a file that is only read may lie where locks do not work
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise AcuityError(
            f"{path}: cannot be opened as HDF5 ({error_reason(error)}); it may be cut short, copy "
            "it again from its source."
        ) from error
    try:
        dataset = file[_only(path, file) if name is None else _named(path, file, name)]
        if dataset.ndim not in (2, 3) or dataset.dtype.kind not in "biuf":
            raise AcuityError(
                f"{path}:{dataset.name}: found {dataset.ndim} axes of {dataset.dtype}, allowed are "
                "three axes (z, y, x) of numbers."
            )
        spacing, unit, hint = _size(path, dataset)
        data = DatasetArray(file, dataset)
    except BaseException:
        file.close()
        raise
    if data.shape[0] == 1 and spacing is not None and dataset.ndim == 2:
        spacing = (spacing[-1], *spacing[-2:])
    return Source(data, "HDF5", spacing, unit, hint=hint)


def _datasets(file: h5py.File) -> dict[str, tuple[int, ...]]:
    found = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf":
            found[f"/{name}"] = item.shape

    file.visititems(note)
    return found


def _only(path: Path, file: h5py.File) -> str:
    every = _datasets(file)
    for axes in (3, 2):
        fitting = [name for name, shape in every.items() if len(shape) == axes]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            break
    raise AcuityError(
        f"{path}: found {len(fitting)} datasets that could be meant"
        f"{': ' if fitting else ''}{_list(fitting)}; name one, as in {path.name}:/path/to/data."
    )


def _named(path: Path, file: h5py.File, name: str) -> str:
    if not isinstance(file.get(name), h5py.Dataset):
        every = [key for key, shape in _datasets(file).items() if len(shape) in (2, 3)]
        raise AcuityError(
            f"{path}: has no dataset {name!r}, there are {_list(every) or 'none with three axes'}."
        )
    return name


def _list(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _size(path: Path, dataset: h5py.Dataset) -> tuple[tuple[float, ...] | None, str, str]:
    """Look for a voxel size in the attributes of a dataset and of the groups above it."""
    holder = dataset
    while True:
        said = dict(holder.attrs)
        if "element_size_um" in said:
            return _three(path, said["element_size_um"]), "um", ""
        if "voxel_size" in said:
            value = said["voxel_size"]
            value = value.decode() if isinstance(value, bytes) else value
            if isinstance(value, str):
                return *parse_voxel_size(value, f"{path}: attribute voxel_size"), ""
            for key in ("voxel_size_unit", "unit", "units"):
                unit = said.get(key)
                unit = unit.decode() if isinstance(unit, bytes) else unit
                if known(unit):
                    return _three(path, value), unit, ""
            return None, "", f"a voxel_size of {value} without a unit"
        if holder.name == "/":
            return None, "", ""
        holder = holder.parent


def _three(path: Path, value: Any) -> tuple[float, ...]:
    sizes = np.asarray(value, np.float64).ravel()
    if sizes.size not in (1, 3):
        raise AcuityError(f"{path}: found a voxel size of {sizes.size} numbers, allowed are three.")
    return tuple(float(size) for size in np.broadcast_to(sizes, 3))

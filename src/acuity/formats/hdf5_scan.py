"""Raw projections of a scan in HDF5: recognised, so that they are not taken for a volume."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import h5py

from acuity.errors import AcuityError
from acuity.formats.files import HDF5_SUFFIXES
from acuity.formats.hdf5_links import Found, LinkedFile, links

# Data Exchange, NXtomo and what beamlines write like them
_FIELDS = ("data_white", "data_dark", "image_key", "image_key_control")
_ANGLES = ("theta", "rotation_angle", "rotation_angles", "angles")
_ANGLE = re.compile(r"theta|angle|rotation", re.I)
# where programs of detectors put their images
_DETECTOR = re.compile(
    r"/entry[^/]*/(.*/)?(data/data|measurement/data)|(.*/)?[^/]*detector[^/]*/[^/]+"
    r"|(.*/)?(proj(ection)?s?|sino(gram)?s?|radiographs?|flats?|darks?)(/data)?",
    re.I,
)


def is_angle(label: str) -> bool:
    """Tell whether the name of an axis is that of an angle."""
    return bool(_ANGLE.search(label))


def image_keys(root: h5py.Group) -> set[int]:
    """Lengths of a file's image keys, which say of each image whether it is a projection."""
    return {
        item.size
        for name, item in links(root)
        if isinstance(item, h5py.Dataset)
        and name.rpartition("/")[2] in ("image_key", "image_key_control")
    }


def raw_mark(found: Found, keys: Iterable[int] = ()) -> str:
    """Say by what a dataset is known for the projections of a scan; empty where it is not.

    Parameters
    ----------
    found : Found
        The dataset and the groups that it was reached through.
    keys : iterable of int
        Lengths of the image keys of the file.
    """
    dataset = found.dataset
    if not dataset.ndim:
        return ""
    for group in (dataset.parent, *found.groups):
        mark = _beside(group, dataset)
        if mark:
            return mark
    if dataset.shape[0] > 1 and dataset.shape[0] in keys:
        return f"an image_key for its {dataset.shape[0]} images in the same file"
    return ""


def _beside(group: h5py.Group, dataset: h5py.Dataset) -> str:
    held = {name.lower(): name for name in group}
    for name in _FIELDS:
        if name in held and dataset.name.rpartition("/")[2].lower() != name:
            return f"{held[name]} beside them"
    for name in _FIELDS[:2]:
        if dataset.name.rpartition("/")[2].lower() == name:
            return f"their name {name}"
    for name in _ANGLES:
        if name in held:
            # a single angle, as that of a stage, is none of a scan
            angles = group.get(held[name]) if _is_hard(group, held[name]) else None
            if angles is None or (isinstance(angles, h5py.Dataset) and angles.size > 1):
                return f"{held[name]} beside them"
    return ""


def _is_hard(group: h5py.Group, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def master_of(path: Path, found: Found) -> str:
    """Find a file beside a file, or one folder up, that links to a dataset as projections.

    Parameters
    ----------
    path : pathlib.Path
        The file that was named.
    found : Found
        The dataset in it.

    Returns
    -------
    str
        What it is known by; empty where there is none.
    """
    name, own = found.dataset.name, {path.resolve(), found.path.resolve()}
    for file in _neighbours(path):
        if file.resolve() in own:
            continue
        with suppress(AcuityError, OSError, RuntimeError, KeyError, ValueError, TypeError):
            master = LinkedFile(file)
            try:
                mark = _links_as_projections(master, found.path.name, name, found.dataset)
            finally:
                master.close()
            if mark:
                return f"{file.name}, which links to them with {mark}"
    return ""


def _neighbours(path: Path) -> Iterator[Path]:
    folder = path.absolute().parent
    for place in dict.fromkeys((folder, folder.parent)):
        with suppress(OSError):
            for file in sorted(place.iterdir()):
                if file.suffix.lower() in HDF5_SUFFIXES and file.is_file():
                    yield file


def _links_as_projections(
    master: LinkedFile, file_name: str, name: str, dataset: h5py.Dataset
) -> str:
    keys: set[int] | None = None
    for where, item in links(master.root):
        if isinstance(item, h5py.ExternalLink):
            named = [(item.filename, item.path)]
        elif item.is_virtual:
            named = [(source.file_name, source.dset_name) for source in item.virtual_sources()]
        else:
            continue
        if not any(
            re.split(r"[\\/]", there)[-1] == file_name and _leads(target, name)
            for there, target in named
        ):
            continue
        mark = _beside(master.root[where.rpartition("/")[0] or "/"], dataset)
        if mark:
            return mark.removesuffix(" beside them")
        keys = image_keys(master.root) if keys is None else keys
        count = item.shape[0] if isinstance(item, h5py.Dataset) else dataset.shape[0]
        if count in keys:
            return "an image_key"
    return ""


def _leads(target: str, name: str) -> bool:
    target = "/" + target.strip("/")
    return name == target or name.startswith(target.rstrip("/") + "/")


def detector_doubt(name: str) -> str:
    """Say why a dataset without axes and voxel size is no volume by its place in the file."""
    if _DETECTOR.fullmatch(name):
        return (
            f"{name} looks like the images of a detector (a name that programs of detectors give, "
            "no axes and no voxel size beside it)"
        )
    return ""

"""Raw projections of a scan in HDF5: recognised, so that they are not taken for a volume."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import h5py

from acuity.errors import AcuityError
from acuity.formats.hdf5_links import Found, LinkedFile, links
from acuity.formats.parts import HDF5_SUFFIXES

# Data Exchange, NXtomo and what beamlines write like them
_FIELD = re.compile(
    r"data_(white|dark|flat)|image_key(_control)?|flats|darks|flat_?fields?|(white|dark)_?fields",
    re.I,
)
_ANGLE_NAMES = ("theta", "rotation_angle", "rotation_angles", "angles")
_ANGLE = re.compile(r"theta|angle|rotation", re.I)
# what was made of projections, which may lie beside them
_MADE = re.compile(r"recon|tomogram|(^|/)rec(/|$)", re.I)
# where programs of detectors put their images
_DETECTOR = re.compile(
    r"/entry[^/]*/(.*/)?data/data(_\d+)?|(.*/)?(measurement|instrument)/.+"
    r"|(.*/)?[^/]*detector[^/]*/[^/]+"
    r"|(.*/)?(proj(ection)?s?|sino(gram)?s?|radiographs?|flats?|darks?)(/data)?",
    re.I,
)


def is_angle(label: str) -> bool:
    """Tell whether the name of an axis is that of an angle."""
    return bool(_ANGLE.search(label))


def image_keys(root: h5py.Group) -> dict[int, str]:
    """List what a file tells of each image of a scan: image keys and angles by their lengths."""
    keys = {}
    for path, item in links(root):
        name = path.rpartition("/")[2].lower()
        if isinstance(item, h5py.Dataset) and name in ("image_key", "image_key_control"):
            keys[item.size] = f"an {name}"
        elif isinstance(item, h5py.Dataset) and name in _ANGLE_NAMES:
            keys.setdefault(item.size, f"angles ({name})")
    return keys


def raw_mark(found: Found, keys: Mapping[int, str]) -> str:
    """Say by what a dataset is known for the projections of a scan; empty where it is not.

    Parameters
    ----------
    found : Found
        The dataset and the groups that it was reached through.
    keys : dict of int to str
        What the file tells of each image of a scan, see `image_keys`.
    """
    dataset = found.dataset
    if not dataset.ndim or _MADE.search(dataset.name):
        return ""
    for group in (dataset.parent, *found.groups):
        mark = _beside(group, dataset)
        if mark:
            return mark
    if dataset.shape[0] > 1 and dataset.shape[0] in keys:
        return f"{keys[dataset.shape[0]]} for its {dataset.shape[0]} images in the same file"
    return ""


def _beside(group: h5py.Group, dataset: h5py.Dataset) -> str:
    own = dataset.name.rpartition("/")[2]
    if own.lower() in ("data_white", "data_dark", "data_flat"):
        return f"their name {own}"
    for name in group:
        if name != own and _FIELD.fullmatch(name) and not _is_empty(group, name):
            return f"{name} beside them"
    if {"flat", "dark"} <= set(group) and own not in ("flat", "dark"):
        return "flat and dark beside them"
    for name in group:
        if name.lower() in _ANGLE_NAMES:
            # a single angle, as that of a stage, is none of a scan
            angles = group.get(name) if _is_hard(group, name) else None
            if angles is None or (isinstance(angles, h5py.Dataset) and angles.size > 1):
                return f"{name} beside them"
    return ""


def _is_empty(group: h5py.Group, name: str) -> bool:
    """Whether a dataset holds no value, as programs leave one where nothing was taken."""
    found = group.get(name) if _is_hard(group, name) else None
    return isinstance(found, h5py.Dataset) and found.size == 0


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
            with closing(LinkedFile(file)) as master:
                mark = _links_as_projections(master, found.path.name, name, found.dataset)
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
    keys: dict[int, str] | None = None
    for where, item in links(master.root):
        if isinstance(item, h5py.ExternalLink):
            named = [(item.filename, item.path)]
        elif item.is_virtual:
            named = [(source.file_name, source.dset_name) for source in item.virtual_sources()]
        else:
            continue
        here = [target for there, target in named if re.split(r"[\\/]", there)[-1] == file_name]
        if not any(_leads(target, name) for target in here):
            continue
        mark = _beside(master.root[where.rpartition("/")[0] or "/"], dataset)
        if mark:
            return mark.removesuffix(" beside them")
        keys = image_keys(master.root) if keys is None else keys
        count = item.shape[0] if isinstance(item, h5py.Dataset) else dataset.shape[0]
        if count in keys:
            return keys[count]
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

"""What the header of a file tells of its size; no voxel is read."""

from functools import cache
from pathlib import Path

from acuity.formats.files import SLICE_LIST, is_zarr, listed_files, slices_of
from acuity.region import parse_region


@cache
def read_header(path: str, region: str | None = None) -> tuple[tuple[int, ...], int]:
    """Read the size of a volume from the header of its file; of a folder of slices one is opened.

    Parameters
    ----------
    path : str
        See `acuity.formats.read.read_volume`.
    region : str, optional
        Part of it.

    Returns
    -------
    shape : tuple of int
        Voxels (z, y, x).
    item : int
        Bytes a voxel.

    Raises
    ------
    AcuityError
        If it cannot be read.
    """
    # Here and not above: only who looks at a file waits for all readers.
    from acuity.formats.read import read_volume

    count = None
    opened: str | list[Path] = path
    listed = Path(path).suffix.lower() == SLICE_LIST
    if listed or (Path(path).is_dir() and not is_zarr(Path(path))):
        slices = (listed_files if listed else slices_of)(Path(path))
        count, opened = len(slices), slices[:1]
    volume = read_volume(opened, voxel_size="1 um", volume=True)
    shape = volume.grid.shape if count is None else (count, *volume.grid.shape[1:])
    if region:
        box = parse_region(region, shape)
        shape = tuple(part.stop - part.start for part in box)
    return shape, volume.dtype.itemsize

"""MRC, the format of electron tomography, read with mrcfile."""

from pathlib import Path

import mrcfile
import numpy as np

from acuity.errors import AcuityError
from acuity.formats.source import FlatArray, Source
from acuity.units import convert
from acuity.volume import error_reason

SUFFIXES = (".mrc", ".rec", ".map", ".st", ".ali")


def read(path: Path) -> Source:
    """Open an MRC file; voxels are read when they are asked for.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    Source
        Its voxel size and origin are brought from angstrom to nanometres.

    Raises
    ------
    AcuityError
        If it is cut short, complex, a stack of volumes or not in the order z, y, x.
    """
    try:
        with mrcfile.mmap(path, mode="r") as file:
            data, header = file.data, file.header
            stack = file.is_volume_stack()
            order = [int(header.mapc), int(header.mapr), int(header.maps)]
            sizes = [float(file.voxel_size[axis]) for axis in "zyx"]
            origin = [float(header.origin[axis]) for axis in "zyx"]
            # the voxels are read from the file again, part by part; its size has been checked
            start = header.nbytes + int(header.nsymbt)
            dtype, shape = data.dtype, data.shape
            del data
    except (ValueError, OSError) as error:
        raise AcuityError(
            f"{path}: cannot be read as MRC ({error_reason(error)}); it may be cut short, copy it "
            "again from its source."
        ) from error
    if stack or order != [1, 2, 3] or dtype.kind not in "iuf":
        raise AcuityError(
            f"{path}: found {'a stack of volumes' if stack else f'{dtype} in axis order {order}'}"
            ", allowed is one volume of real numbers in the order x, y, z (1, 2, 3)."
        )
    data = FlatArray(path, dtype, start, (1,) * (3 - len(shape)) + shape)
    # a size of 0 means that none was recorded
    spacing = None if min(sizes) <= 0 else tuple(_nanometres(size) for size in sizes)
    origin = tuple(_nanometres(place) if np.isfinite(place) else 0.0 for place in origin)
    return Source(data, "MRC", spacing, "nm", origin)


def _nanometres(angstrom: float) -> float:
    # stored as float32, so that 1.2 is 1.2000000477
    return convert(float(f"{angstrom:.7g}"), "angstrom", "nm")

"""The voxels of volumes on one grid, as functions that measure arrays take them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acuity.volume import Grid, LazyArray, Volume

Voxels = np.ndarray | LazyArray  # (z, y, x), in memory or read part by part
Spacing = Sequence[float]  # of voxels, along the axes
# In voxels, of the cylinder along z that is sample; None for the whole volume.
Radius = float | None


def read_on(grid: Grid, **volumes: Volume | None) -> dict[str, Any]:
    """Read the parts of volumes that lie on a grid.

    Parameters
    ----------
    grid : acuity.volume.Grid
        Where they are compared.
    **volumes
        By what they are, for errors; None where there is none.

    Returns
    -------
    dict
        The voxels (z, y, x) of each volume that there is, and the grid's ``spacing`` and ``unit``.

    Raises
    ------
    AcuityError
        If a volume does not go together with the grid.
    """
    there = {name: volume for name, volume in volumes.items() if volume is not None}
    voxels = {name: volume.within(grid, name).read() for name, volume in there.items()}
    return {**voxels, "spacing": grid.spacing, "unit": grid.unit}

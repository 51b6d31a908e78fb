"""Make a volume coarser along z alone: keep one slice of every n, or average n of them."""

import os
from dataclasses import replace

import numpy as np

from acuity.degrade.degrade import block_average
from acuity.errors import AcuityError, require
from acuity.slabs import Part, open_writer
from acuity.volume import Grid, Volume

MODES = ("decimate", "average")


def axial_phase(factor: int, mode: str) -> tuple[float, float, float]:
    """Give where the first slice of the coarse volume lies, from the first one of the fine volume.

    Parameters
    ----------
    factor : int
        Slices that become one.
    mode : {"decimate", "average"}
        As for :func:`axial`.

    Returns
    -------
    tuple of float
        Along z, y, x in voxels of the fine volume: floor(n / 2) for ``decimate``, (n - 1) / 2 for
        ``average``. The two agree where n is odd. It is what a restoration is told as
        ``Task.offset``.

    Raises
    ------
    AcuityError
        If the mode is neither of the two.
    """
    require(mode in MODES, f"axial: mode is {mode!r}, allowed are {', '.join(MODES)}.")
    return (float(factor // 2) if mode == "decimate" else (factor - 1) / 2, 0.0, 0.0)


def axial_grid(grid: Grid, factor: int, mode: str) -> Grid:
    """Give the grid of :func:`axial`'s result.

    Parameters
    ----------
    grid : Grid
        That of the fine volume.
    factor, mode
        As for :func:`axial`.

    Returns
    -------
    Grid
        floor(nz / n) slices, n times the spacing, its origin at the slice that is kept or in the
        middle of those that are averaged. Slices left over at the end are no part of it.

    Raises
    ------
    AcuityError
        If the factor is no whole number from 2 to the number of slices, or the mode is unknown.
    """
    count = grid.shape[0]
    if factor != int(factor) or not 2 <= factor <= count:
        raise AcuityError(
            f"axial: factor is {factor}, allowed are whole numbers from 2 to the volume's number "
            f"of slices ({count})."
        )
    factor = int(factor)
    first = grid.origin[0] + axial_phase(factor, mode)[0] * grid.spacing[0]
    return replace(grid.downsample((factor, 1, 1)), origin=(first, *grid.origin[1:]))


def axial(
    volume: Volume,
    output: str | os.PathLike,
    *,
    factor: int,
    mode: str = "decimate",
    part: Part | None = None,
) -> None:
    """Write a volume with fewer slices.

    ``decimate`` is the formula of Hagita et al. 2018 (doi:10.1038/s41598-018-24330-1),
    u(x, y, z) <- u(x, y, floor(z / n) n + floor(n / 2)), which puts one value in the place of n
    consecutive ones; here it is stored once and not n times, so nearest-neighbour interpolation
    gives back their volume. ``average`` is the average pooling of Heinrich et al. 2017
    (arXiv:1706.03142, section 4.1).

    Works as a stream: memory is that of 32 slices (of `factor`, where it is larger).

    Parameters
    ----------
    volume : Volume
        The volume, (z, y, x).
    output : path
        The volume to write on the grid of :func:`axial_grid`; of the type of `volume` for
        ``decimate``, float32 for ``average``.
    factor : int
        Slices n that become one. Where the number of slices is no multiple of it, those left over
        at the end are dropped.
    mode : {"decimate", "average"}
        Keep slice floor(n / 2) of every n, or average them.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.

    Raises
    ------
    AcuityError
        If the factor is no whole number from 2 to the number of slices, or the mode is unknown;
        nothing is written then.
    """
    grid = axial_grid(volume.grid, factor, mode)
    factor = int(factor)
    step = {"step": "axial", "source_digest": volume.digest, "factor": factor, "mode": mode}
    dtype = volume.dtype if mode == "decimate" else np.float32
    with open_writer(output, grid, dtype, part, **volume.after(step)) as writer:
        for z0, z1 in writer.spans(max(1, 32 // factor)):
            block = volume.read(slice(z0 * factor, z1 * factor))
            if mode == "decimate":
                writer.write(z0, block[factor // 2 :: factor])
            else:
                writer.write(z0, block_average(block.astype(np.float32), (factor, 1, 1)))

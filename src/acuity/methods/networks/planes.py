"""Planes and patches made coarser along one axis, as a method that learns from them needs them."""

import numpy as np

from acuity.errors import AcuityError
from acuity.methods.base import Task


def degradation(task: Task, name: str) -> str:
    """Return how the task's volumes became coarser along z, from its scale and offset.

    Parameters
    ----------
    task : acuity.methods.base.Task
        With a factor along z alone.
    name : str
        The method, for errors.

    Returns
    -------
    str
        ``decimate`` where low-resolution slice 0 is slice floor(n / 2) of the target (Hagita et
        al. 2018), ``average`` where it lies in the middle of a block of an even factor (Heinrich
        et al. 2017). The two places agree for odd factors: there it is ``decimate``.

    Raises
    ------
    AcuityError
        If the task is finer along y or x, has no factor along z, or has another offset.
    """
    factor, offset = task.scale[0], task.offset[0]
    if factor < 2 or task.scale[1:] != (1, 1):
        raise AcuityError(
            f"method {name} makes slices finer along z alone; found the scale {task.scale}, "
            "allowed are (n, 1, 1) with n of 2 or more"
        )
    if offset == factor // 2:
        return "decimate"
    if offset == (factor - 1) / 2:
        return "average"
    raise AcuityError(
        f"method {name}: found the phase {offset:g} at the factor {factor}; allowed are "
        f"{factor // 2} (every {factor}th slice kept) and {(factor - 1) / 2:g} (averages)"
    )


def coarser(fine: np.ndarray, factor: int, mode: str, axis: int = 0) -> np.ndarray:
    """Make an array coarser along one axis.

    Parameters
    ----------
    fine : numpy.ndarray
        Its length along the axis is a multiple of the factor.
    factor : int
        Whole factor n.
    mode : {"decimate", "average"}
        Keep voxel floor(n / 2) of every n, or average them.
    axis : int
        The axis.

    Returns
    -------
    numpy.ndarray
    """
    shape = list(fine.shape)
    axis %= len(shape)
    shape[axis : axis + 1] = [shape[axis] // factor, factor]
    blocks = fine.reshape(shape)
    return blocks.mean(axis + 1) if mode == "average" else blocks.take(factor // 2, axis + 1)

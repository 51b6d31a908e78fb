"""Arrays of other axes than z, y, x: which are which, and how they are brought to that order."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.shards import Box, size_of
from acuity.volume import LazyArray

_COLOURS = (3, 4)  # with and without transparency
_OTHERS = {"c": "channels", "t": "time points"}
Axes = tuple[int | None, ...]  # of z, y, x


def spatial_axes(
    where: str, shape: Sequence[int], letters: Sequence[str] | None = None
) -> tuple[Axes, dict[str, str]]:
    """Find z, y and x among the axes of an array; the others must have a length of one.

    Parameters
    ----------
    where : str
        The file, for the error.
    shape : sequence of int
        Of the array.
    letters : sequence of str, optional
        Names of the axes, among x, y, z, c (channels), t (time). Without them the order z, y, x
        counts, and axes of length one are left out at the end, where programs put channels, and
        elsewhere where they are too many.

    Returns
    -------
    axes : tuple of int
        Which of the array's axes z, y and x are; None for z where the array has two.
    notes : dict
        What was done, for the provenance.

    Raises
    ------
    AcuityError
        If there are several channels or time points, or more axes than three.
    """
    notes: dict[str, str] = {}
    if letters is not None:
        for letter, count in zip(letters, shape, strict=True):
            if letter in _OTHERS and count != 1:
                raise AcuityError(
                    f"{where}: found {count} {_OTHERS[letter]} (axis {letter!r}), allowed is one; "
                    "write the one that you mean to a file of its own."
                )
        axes = tuple(letters.index(letter) if letter in letters else None for letter in "zyx")
        plain = [axis for axis in axes if axis is not None]
        if plain != sorted(plain):
            notes["axes"] = f"{' '.join(letters)} in the file, brought to z y x"
    else:
        left = list(range(len(shape)))
        while len(left) > 2 and shape[left[-1]] == 1 and sum(shape[n] > 1 for n in left) > 1:
            left.pop()
        while len(left) > 3:
            short = [n for n in left if shape[n] == 1]
            if not short:
                raise AcuityError(
                    f"{where}: found {len(shape)} axes with the lengths {tuple(shape)}, allowed are "
                    "three (z, y, x) and further ones of length one; write the one channel or time "
                    "point that you mean to a file of its own."
                )
            left.remove(short[0])
        if len(left) == 3 and shape[left[2]] in _COLOURS and min(shape[n] for n in left[:2]) > 16:
            raise AcuityError(
                f"{where}: found the lengths {tuple(map(int, shape))}, of which the last looks like the "
                "colours of one image, allowed are z, y, x of grey values; write one colour, or their "
                "mean, to a file of its own."
            )
        axes = (*[None] * (3 - len(left)), *left)
    dropped = len(shape) - sum(axis is not None for axis in axes)
    if dropped:
        notes["axes_left_out"] = f"{dropped} of length one, of {tuple(map(int, shape))}"
    return axes, notes


class AxesArray(LazyArray):
    """The z, y and x axes of an array, in that order.

    Parameters
    ----------
    values : object
        With `shape`, `dtype` and indexing by one slice an axis.
    axes : tuple of int
        Which of its axes z, y and x are, see `spatial_axes`.
    """

    def __init__(self, values: Any, axes: Axes) -> None:
        self._values = values
        self._axes = axes
        self.shape = tuple(1 if axis is None else int(values.shape[axis]) for axis in axes)
        self.dtype = np.dtype(values.dtype)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        key = [slice(0, 1)] * len(self._values.shape)
        for axis, part in zip(self._axes, box, strict=True):
            if axis is not None:
                key[axis] = part
        block = np.asarray(self._values[tuple(key)])
        order = [axis for axis in self._axes if axis is not None]
        rest = [axis for axis in range(block.ndim) if axis not in order]
        return block.transpose(rest + order).reshape(size_of(box))

"""The grids of a pair of volumes, and the map between them; all indices z, y, x, voxel 0 at 0."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from acuity.errors import AcuityError


def low_places(first: int, count: int, factor: int) -> np.ndarray:
    """Return where fine voxels lie along an axis of the low volume.

    Fine voxel p lies at first + (p - (f - 1) / 2) / f: a low voxel and the f voxels under it have one
    centre.

    Parameters
    ----------
    first : int
        The low voxel under which the fine ones begin.
    count : int
        Fine voxels.
    factor : int
        Fine voxels along a low one.

    Returns
    -------
    numpy.ndarray
        (count,), low voxels.
    """
    return first + (np.arange(count) - (factor - 1) / 2) / factor


def fine_matrix(matrix: np.ndarray, first: Sequence[int], factor: int) -> np.ndarray:
    """Return the map from voxels of the fine grid to those of the high volume.

    Parameters
    ----------
    matrix : numpy.ndarray
        (3, 4), from low voxels to high ones.
    first : sequence of int
        The low voxel (z, y, x) under which the fine grid begins.
    factor : int
        Fine voxels along a low one.

    Returns
    -------
    numpy.ndarray
        (3, 4).
    """
    at = np.asarray(first) - (factor - 1) / 2 / factor
    return np.column_stack([matrix[:, :3] / factor, matrix[:, :3] @ at + matrix[:, 3]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points: matrix (3, 4), points (3, ...) of z, y, x; returns (3, ...)."""
    return np.tensordot(matrix[:, :3], points, axes=1) + matrix[:, 3].reshape(
        3, *[1] * (points.ndim - 1)
    )


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of an affine map (3, 4)."""
    back = np.linalg.inv(matrix[:, :3])
    return np.column_stack([back, -back @ matrix[:, 3]])


def corners(box: Sequence[slice], edge: float = 0.5) -> np.ndarray:
    """Return the corners of a box at the outer faces of its voxels, (3, 8)."""
    ends = [(part.start - edge, part.stop - 1 + edge) for part in box]
    return np.array(list(product(*ends))).T


def overlap(
    matrix: np.ndarray, low: Sequence[int], high: Sequence[int], where: str
) -> tuple[slice, ...]:
    """Find the box of low voxels in which the high volume lies.

    Parameters
    ----------
    matrix : numpy.ndarray
        (3, 4), from low voxels to high ones.
    low, high : sequence of int
        Shapes (z, y, x).
    where : str
        The pair, for the error.

    Returns
    -------
    tuple of slice
        Whole low voxels.

    Raises
    ------
    AcuityError
        If they have nothing in common.
    """
    spans = apply(inverse(matrix), corners([slice(0, n) for n in high]))
    box = []
    for axis, count, ends in zip("zyx", low, spans, strict=True):
        start, stop = max(0, round(ends.min())), min(count, round(ends.max()) + 1)
        if stop - start < 2:
            raise AcuityError(
                f"{where}: the high volume lies beyond the low one along {axis}; do both show one object?"
            )
        box.append(slice(start, stop))
    return tuple(box)


class FieldOfView:
    """What a high scan has recorded: its box, or the cylinder of a cone-beam scan.

    Parameters
    ----------
    shape : sequence of int
        (z, y, x).
    margin : float
        What is left out at the border, high voxels.
    cylinder : bool
        A cylinder along z about the middle, as wide as the narrower side.
    """

    def __init__(self, shape: Sequence[int], margin: float, *, cylinder: bool) -> None:
        self.shape, self.margin = tuple(shape), float(margin)
        self.radius = min(self.shape[1:]) / 2 if cylinder else None

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Tell which points (3, ...), high voxels, lie in the field; bool (...)."""
        found = np.ones(points.shape[1:], bool)
        for at, count in zip(points, self.shape, strict=True):
            found &= (at >= self.margin - 0.5) & (at <= count - 0.5 - self.margin)
        if self.radius is not None:
            y, x = (at - (n - 1) / 2 for at, n in zip(points[1:], self.shape[1:], strict=True))
            found &= y**2 + x**2 <= (self.radius - self.margin) ** 2
        return found


def largest_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Find a large box in which a mask is true everywhere.

    The worst side is taken off again and again: for masks that are nearly a box, a cylinder or a turned
    one of these.

    Parameters
    ----------
    mask : numpy.ndarray
        (z, y, x), bool.

    Returns
    -------
    tuple of slice
        Empty along all axes where no voxel is true.
    """
    total = np.zeros(tuple(n + 1 for n in mask.shape), np.int64)
    total[1:, 1:, 1:] = mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1).cumsum(axis=2)

    def missing(box):
        held = 0
        for ends in product((0, 1), repeat=3):
            at = tuple(part[end] for part, end in zip(box, ends, strict=True))
            held += (-1) ** (3 - sum(ends)) * total[at]
        size = np.prod([b - a for a, b in box])
        return 1 - held / max(size, 1)

    box = [(0, n) for n in mask.shape]
    while all(b > a for a, b in box) and missing(box) > 0:
        sides = []
        for axis, (a, b) in enumerate(box):
            for end, side in ((0, (a, a + 1)), (1, (b - 1, b))):
                share = missing([*box[:axis], side, *box[axis + 1 :]])
                sides.append((share, b - a, axis, end))
        _, _, axis, end = max(sides)
        a, b = box[axis]
        box[axis] = (a + 1, b) if end == 0 else (a, b - 1)
    if any(b <= a for a, b in box):
        return (slice(0, 0),) * 3
    return tuple(slice(int(a), int(b)) for a, b in box)

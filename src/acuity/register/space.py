"""Affine maps of space: a (3, 4) array M, q' = M[:, :3] q + M[:, 3], axes z, y, x."""

import math

import numpy as np
from numpy.typing import ArrayLike


def apply_map(matrix: ArrayLike, points: ArrayLike) -> np.ndarray:
    """Map points.

    Parameters
    ----------
    matrix : numpy.ndarray
        (3, 4).
    points : numpy.ndarray
        (..., 3), z, y, x.

    Returns
    -------
    numpy.ndarray
        (..., 3), float64.
    """
    matrix, points = np.asarray(matrix, np.float64), np.asarray(points, np.float64)
    # No BLAS: its last bits depend on the number of threads.
    return np.einsum("ij,...j->...i", matrix[:, :3], points) + matrix[:, 3]


def apply_to_axes(matrix: np.ndarray, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Map the points of a grid: (3, nz, ny, nx) float32 from its coordinates along z, y and x."""
    z, y, x = np.ogrid[tuple(slice(len(axis)) for axis in axes)]
    z, y, x = axes[0][z], axes[1][y], axes[2][x]
    out = np.empty((3, *(len(axis) for axis in axes)), np.float32)
    for row, (a, b, c, d) in zip(out, matrix, strict=True):
        row[...] = (a * z + d) + b * y + c * x
    return out


def inverse_map(matrix: ArrayLike) -> np.ndarray:
    """Give the map back, (3, 4)."""
    matrix = np.asarray(matrix, np.float64)
    linear = np.linalg.inv(matrix[:, :3])
    return np.column_stack([linear, -np.einsum("ij,j->i", linear, matrix[:, 3])])


def after(matrix: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Give the map that applies `first`, after it `matrix`; both (3, 4)."""
    linear = np.einsum("ij,jk->ik", matrix[:, :3], first[:, :3])
    return np.column_stack([linear, apply_map(matrix, first[:, 3])])


def about(linear: np.ndarray, centre: ArrayLike, image: ArrayLike) -> np.ndarray:
    """Give the map with a linear part (3, 3) that takes a point to its image."""
    image = np.asarray(image, np.float64)
    return np.column_stack([linear, image - np.einsum("ij,j->i", linear, np.asarray(centre))])


def rotation(vector: ArrayLike) -> np.ndarray:
    """Give the rotation matrix (3, 3) of a vector: axis times angle in radians (Rodrigues)."""
    vector = np.asarray(vector, np.float64)
    angle = math.sqrt(float((vector**2).sum()))
    if angle == 0:
        return np.eye(3)
    a, b, c = vector / angle
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    squared = np.einsum("ij,jk->ik", cross, cross)
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * squared


def angles_of(linear: np.ndarray) -> tuple[float, float, float]:
    """Give the turns about z, y and x, in this order of application, in degrees, of a rotation.

    A scale, even one for each axis of the image, does not matter.
    """
    turn = linear / np.linalg.norm(linear, axis=1, keepdims=True)
    # rows and columns are z, y, x
    about_y = math.asin(max(-1.0, min(1.0, float(turn[2, 0]))))
    about_z = math.atan2(-turn[2, 1], turn[2, 2])
    about_x = math.atan2(-turn[1, 0], turn[0, 0])
    return math.degrees(about_z), math.degrees(about_y), math.degrees(about_x)

"""The map found between two simulated scans against the true one."""

import os
from pathlib import Path

import numpy as np

from acuity.pair.grids import apply, inverse
from acuity.seals import again
from acuity.tables import tidy, write_rows
from acuity.volume import read_sealed_json

_POINTS = 25  # along each axis of the field


def map_error(found: np.ndarray, true: np.ndarray, shape) -> tuple[float, float]:
    """Return how far a map is off over the field of the fine scan.

    Parameters
    ----------
    found, true : numpy.ndarray
        (3, 4), from coarse voxels to fine ones.
    shape : sequence of int
        Of the fine volume, (z, y, x). Its field is the cylinder that its slices hold.

    Returns
    -------
    rms, most : float
        Distance (target registration error), voxels of the fine scan.
    """
    axes = [np.linspace(0, n - 1, _POINTS) for n in shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    middle = [(n - 1) / 2 for n in shape[1:]]
    away = np.hypot(points[1] - middle[0], points[2] - middle[1])
    points = points[:, away <= min(shape[1:]) / 2]
    off = np.linalg.norm(apply(found, apply(inverse(true), points)) - points, axis=0)
    return float(np.sqrt(np.mean(off**2))), float(off.max())


def read_given(path: str | os.PathLike) -> np.ndarray:
    """Read a map (3, 4) that is known; JSON with the ``matrix``, sealed."""
    content = read_sealed_json(Path(path), "the map cannot be used", again(path))
    return np.array(content["matrix"], np.float64)


def judge_map(transform: str | os.PathLike, truth: str | os.PathLike, output: str | os.PathLike):
    """Write how far a pair's map is off.

    Parameters
    ----------
    transform : path
        ``transform.json`` of the pair.
    truth : path
        JSON with the true ``matrix``.
    output : path
        Table, tidy: ``tre`` and ``tre_most``, voxels of the high volume; of a map that was bent, of its
        affine part.
    """
    found, true = (
        read_sealed_json(Path(path), "the map cannot be judged", again(path))
        for path in (transform, truth)
    )
    shape = found["field_of_view"]["shape"]
    rms, most = map_error(np.array(found["matrix"]), np.array(true["matrix"]), shape)
    units = dict.fromkeys(("tre", "tre_most"), "voxel")
    write_rows(tidy({"tre": rms, "tre_most": most}, units=units), output)

"""A map between two scans that is composed through a third one, of a magnification between.

A fine scan covers too few voxels of a very coarse one to be registered with it: at 9:1 a field of 128 fine voxels is
14 coarse ones. Each of the two steps of 3:1 has enough.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from acuity.register.space import angles_of, apply_map, inverse_map
from acuity.register.volumes import Candidate, Registration


def composed(
    first: Registration, second: Registration, ratio: Sequence[float], centre: Sequence[float]
) -> Registration:
    """Put two registrations together: coarse to middle, then middle to fine.

    Parameters
    ----------
    first, second : acuity.register.volumes.Registration
        Of the coarse scan with the middle one, and of this with the fine one.
    ratio : sequence of float
        (3,), stated voxel of the middle scan / that of the fine one.
    centre : sequence of float
        (3,), the middle of the fine scan, in its voxels.

    Returns
    -------
    acuity.register.volumes.Registration
        From coarse voxels to fine ones. Its error is that of the first, in fine voxels, and that of the second,
        which are independent, added as squares; a block of the first has its residual in fine voxels; of the
        correlations the lesser one counts.
    """
    linear = second.matrix[:, :3]
    matrix = np.column_stack(
        [linear @ first.matrix[:, :3], linear @ first.matrix[:, 3] + second.matrix[:, 3]]
    )
    best = [registration.candidates[0] for registration in (first, second)]
    candidate = Candidate(
        tuple(map(float, apply_map(inverse_map(matrix), np.asarray(centre, np.float64)))),
        angles_of(matrix[:, :3]),
        *(min(getattr(one, key) for one in best) for key in ("coarse", "final", "agreeing")),
    )
    return Registration(
        matrix=matrix,
        scale=first.scale * second.scale,
        scale_held=first.scale_held or second.scale_held,
        field=_displacement(first, second, matrix),
        error=float(np.hypot(first.error * float(np.mean(ratio)), second.error)),
        correlation=min((first.correlation, second.correlation), key=abs),
        candidates=[candidate],
        blocks=_blocks(first, second, linear),
        warnings=[*first.warnings, *second.warnings],
    )


def _displacement(
    first: Registration, second: Registration, matrix: np.ndarray
) -> Callable[[np.ndarray], np.ndarray] | None:
    """The displacement of coarse voxels (n, 3) before the matrix, where one of the two is bent."""
    if first.field is None and second.field is None:
        return None
    back = inverse_map(matrix)

    def displaced(points: np.ndarray) -> np.ndarray:
        return apply_map(back, second.map(first.map(points))) - points

    return displaced


def _blocks(first: Registration, second: Registration, linear: np.ndarray) -> pd.DataFrame:
    """The blocks of both: their middles in coarse voxels, their residuals in fine ones."""
    one, other = first.blocks.copy(), second.blocks.copy()
    middle, shift = ["z", "y", "x"], ["dz", "dy", "dx"]
    one[shift] = one[shift].to_numpy(float) @ linear.T
    other[middle] = apply_map(inverse_map(first.matrix), other[middle].to_numpy(float))
    return pd.concat([one, other], ignore_index=True)

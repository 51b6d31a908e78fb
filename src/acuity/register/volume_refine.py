"""A map between two volumes brought to a fraction of a voxel by Gauss-Newton steps."""

import math
from dataclasses import dataclass

import numpy as np

from acuity.register.space import after, apply_map, inverse_map, rotation
from acuity.register.volume_levels import Band, Compared, Level

_STEPS = 12
# It ends where a step moves no point of the field by more than this, in voxels of the level.
_STILL = 0.004


@dataclass(frozen=True)
class Fit:
    """Where the steps ended.

    Attributes
    ----------
    matrix : numpy.ndarray
        (3, 4), from low voxels to high ones.
    correlation : float
        Band-passed correlation there.
    """

    matrix: np.ndarray
    correlation: float


def motions(transform: str) -> list[np.ndarray]:
    """Generators (3, 4) of a transform: displacement = G (z, y, x, 1) of a point about the centre.

    The first three are translations.
    """
    out = [np.zeros((3, 4)) for _ in range(3)]
    for axis, each in enumerate(out):
        each[axis, 3] = 1
    if transform == "affine":
        for i in range(3):
            for j in range(3):
                out.append(np.zeros((3, 4)))
                out[-1][i, j] = 1
        return out
    for i, j in ((1, 2), (2, 0), (0, 1)):
        out.append(np.zeros((3, 4)))
        out[-1][i, j], out[-1][j, i] = 1, -1
    if transform == "similarity":
        out.append(np.eye(3, 4))
    return out


def moved_by(parameters: np.ndarray, transform: str) -> np.ndarray:
    """Give the map (3, 4), about the centre, of parameters of `motions`."""
    total = np.einsum("p,pij->ij", parameters, np.array(motions(transform)))
    linear = np.eye(3) + total[:, :3]
    if transform != "affine":
        skew = (total[:, :3] - total[:, :3].T) / 2
        # the vector v of the rotation x -> x + v x (z, y, x)
        linear = rotation([skew[2, 1], skew[0, 2], skew[1, 0]])
        if transform == "similarity":
            linear = linear * math.exp(parameters[6])
    return np.column_stack([linear, total[:, 3]])


class System:
    """Normal equations of a small motion that raises the correlation of two volumes.

    Both are brought to one contrast and energy, l and h, of correlation c. Where h has to be moved by p
    (low voxels), l = c h + c p . grad h and, as seen from the other, h = c l - c p . grad l; each has
    noise that the other has not. The mean of both equations, by the gradient of the mean of both
    (Benhimane and Malis, IROS 2004), is solved by least squares. In what it has of l grad l - h grad h
    noise pulls the scale a little, since differences stand for derivatives: by .005 where the noise of
    one volume is as strong as its structures. Without these terms a contrast that differs from place to
    place pulls more.
    The gain is among the unknowns (Evangelidis and Psarakis, IEEE TPAMI 30, 1858, 2008).

    Parameters
    ----------
    compared : Compared
        The two volumes at the map as it is.
    transform : {"rigid", "similarity", "affine"}
        What is unknown.
    centre : numpy.ndarray
        (3,), low voxels, about which is turned.
    """

    def __init__(self, compared: Compared, transform: str, centre: np.ndarray):
        low, high, mask = compared.low, compared.high, compared.mask
        both, first, second = (
            float(np.einsum("zyx,zyx,zyx->", mask, a, b, dtype=np.float64))
            for a, b in ((low, high), (low, low), (high, high))
        )
        same = math.copysign(math.sqrt(first / max(second, 1e-30)), both)
        c = np.float32(max(abs(both) / math.sqrt(max(first * second, 1e-30)), 0.05))
        high = high * np.float32(same)
        scale = [axis[1] - axis[0] for axis in compared.axes]
        slopes = [np.gradient(image, *scale) for image in (high, low)]
        left, right = (low - c * high) * mask, (c * low - high) * mask
        pulls = [(left * a + right * b) / (2 * c) for a, b in zip(*slopes, strict=True)]
        root = np.sqrt(mask)
        means = [(a + b) * (root / 2) for a, b in zip(*slopes, strict=True)]
        away = [axis - c for axis, c in zip(compared.axes, centre, strict=True)]
        away = [*np.meshgrid(*away, indexing="ij", sparse=True), np.float64(1)]

        def along(generator, vector):
            parts = [
                vector[i] * (generator[i, j] * away[j]).astype(np.float32)
                for i in range(3)
                for j in range(4)
                if generator[i, j]
            ]
            return sum(parts[1:], parts[0])

        generators = motions(transform)
        self.columns = np.stack([*(along(g, means) for g in generators), (high + low) * (root / 2)])
        self.pulls = np.stack(
            [*(along(g, pulls) for g in generators), (left * high + right * low) / (2 * c)]
        )
        self.sign = 1.0 if both >= 0 else -1.0

    def sums(self, box=(slice(None),) * 3) -> tuple[np.ndarray, np.ndarray]:
        """Normal matrix (p, p) and right side (p,) over a box of voxels, float64."""
        columns, pulls = (each[(slice(None), *box)] for each in (self.columns, self.pulls))
        n = len(columns)
        columns, pulls = columns.reshape(n, -1), pulls.reshape(n, -1)
        # No BLAS, and in parts: the same order of sums at any number of threads.
        normal, right = np.empty((n, n)), np.empty(n)
        for i in range(n):
            right[i] = pulls[i].sum(dtype=np.float64)
            for j in range(i, n):
                normal[i, j] = normal[j, i] = np.einsum(
                    "v,v->", columns[i], columns[j], dtype=np.float64
                )
        return normal, right


def solved(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve normal equations whose unknowns have different units, slightly damped."""
    size = np.sqrt(np.maximum(np.diag(normal), 1e-30))
    scaled = normal / size[:, None] / size[None, :]
    scaled[np.diag_indices(len(scaled))] += 1e-6
    return np.linalg.solve(scaled, right / size) / size


def centre_of(level: Level, matrix: np.ndarray) -> np.ndarray:
    """Give the low voxel (3,) on which the middle of the high volume lies."""
    return apply_map(inverse_map(matrix), level.sampler.field.centre)


def stepped(matrix: np.ndarray, parameters: np.ndarray, transform: str, centre) -> np.ndarray:
    """Give the map after a step: the low point q lies where q + displacement did."""
    moved = moved_by(parameters, transform)
    moved[:, 3] += centre - np.einsum("ij,j->i", moved[:, :3], centre)
    return after(matrix, moved)


def refine(
    level: Level,
    matrix: np.ndarray,
    *,
    transform: str,
    band: Band,
    steps: int = _STEPS,
) -> Fit | None:
    """Climb the correlation of the two volumes on a level.

    Parameters
    ----------
    level : Level
        The two volumes.
    matrix : numpy.ndarray
        (3, 4), right to about a voxel of the level.
    transform : {"rigid", "similarity", "affine"}
        What may change.
    band : Band
        What is compared.
    steps : int
        Most steps.

    Returns
    -------
    Fit or None
        The best map that was met; None where the two lose each other.
    """
    best = None
    corners = level.sampler.field.corners()
    for _ in range(steps):
        compared = level.compared(matrix, band)
        if compared is None:
            return best
        correlation = compared.correlation
        if best is None or abs(correlation) >= abs(best.correlation):
            best = Fit(matrix, correlation)
        elif abs(correlation) < abs(best.correlation) - 0.05:
            return best
        centre = centre_of(level, matrix)
        parameters = solved(*System(compared, transform, centre).sums())[:-1]
        there = apply_map(inverse_map(matrix), corners)
        after_step = stepped(matrix, parameters, transform, centre)
        moved = np.linalg.norm(apply_map(inverse_map(after_step), corners) - there, axis=1).max()
        most = 2.0 * level.step
        if moved > most:
            # a step this long leaves the range in which the derivatives hold
            parameters = parameters * (most / moved)
            after_step = stepped(matrix, parameters, transform, centre)
        matrix = after_step
        if moved < _STILL * level.step:
            break
    compared = level.compared(matrix, band)
    if compared is not None and abs(compared.correlation) >= abs(best.correlation) - 1e-4:
        best = Fit(matrix, compared.correlation)
    return best

"""What the blocks of two registered volumes say: residual shifts, agreement, error, pattern."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit, prange

from acuity.register.space import apply_map, inverse_map
from acuity.register.volume_levels import Compared, Level
from acuity.register.volume_refine import System, centre_of, solved, stepped

# Low voxels that a block's shift is looked for, either way.
REACH = 3
# A block counts from this share of its voxels in the field, and of the median contrast, on.
_COVERED, _CONTRAST = 0.5, 0.1
# Blocks along a side of the mean length, and along the shortest one; the least side in voxels. A block that
# holds a single surface can be moved along it at no cost.
_ACROSS, _ACROSS_SHORTEST, _LEAST = 5, 3, 6
# Low voxels beyond which a residual is shortened before neighbours are compared; fewest pairs of these.
_WILD, _PAIRS = 1.0, 12
# Correlation from which on a block agrees where no shift has more than this share above it.
_WELL, _NOT_BETTER = 0.7, 0.97
# Times the median weight above which a block counts no more.
_HEAVY = 2.0


@dataclass(frozen=True)
class Blocks:
    """Blocks of the low volume within the high field, n of them.

    Attributes
    ----------
    centres : numpy.ndarray
        (n, 3), low voxels.
    shifts : numpy.ndarray
        (n, 3), where the high volume correlates best, low voxels of the level.
    residuals : numpy.ndarray
        (n, 3), displacement that least squares leave, low voxels.
    ncc : numpy.ndarray
        (n,), correlation at no shift, positive where the contrast is that of the whole.
    peaks : numpy.ndarray
        (n,), largest correlation at any shift.
    index : numpy.ndarray
        (n, 3), number of the block along each axis.
    weights : numpy.ndarray
        (n,), of the residuals, the larger the more the block's structures tell of all three axes.
    error : float
        Half the rms difference of the maps fitted to either colour, over the field, high voxels.
    """

    centres: np.ndarray
    shifts: np.ndarray
    residuals: np.ndarray
    ncc: np.ndarray
    peaks: np.ndarray
    index: np.ndarray
    weights: np.ndarray
    error: float

    @property
    def agreeing(self) -> float:
        """Share of the blocks that lie within half a voxel.

        Along a layer that has no other structure a block may lie anywhere: one that correlates well, and
        nowhere clearly better, agrees too.
        """
        if not len(self.centres):
            return 0.0
        near = (np.linalg.norm(self.shifts, axis=1) <= 0.5) & (self.ncc > 0)
        free = (self.ncc >= _WELL) & (self.ncc >= _NOT_BETTER * self.peaks)
        return float(np.mean(near | free))

    def pattern(self) -> tuple[float, float]:
        """Tell whether neighbours are displaced alike, as where the object was bent.

        Noise differs from block to block, so that the mean product of neighbours is what a smooth
        displacement has of the mean square.

        Returns
        -------
        size : float
            Rms displacement that neighbours share, low voxels.
        share : float
            Its part of the mean square, at most 1; 0 or less where there is no pattern.
        """
        length = np.linalg.norm(self.residuals, axis=1)
        # one wild block must not decide
        kept = self.residuals * np.minimum(1, _WILD / np.maximum(length, 1e-9))[:, None]
        apart = np.abs(self.index[:, None, :] - self.index[None, :, :]).sum(axis=-1)
        one, other = np.nonzero(np.triu(apart == 1))
        if len(one) < _PAIRS:
            return 0.0, 0.0
        w = np.minimum(self.weights, _HEAVY * np.median(self.weights))
        pairs, products = w[one] * w[other], np.sum(kept[one] * kept[other], axis=1)
        common = float(np.sum(pairs * products) / np.sum(pairs))
        whole = float(np.sum(w**2 * np.sum(kept**2, axis=1)) / np.sum(w**2))
        return math.sqrt(max(common, 0.0)), common / max(whole, 1e-12)

    def table(self, linear: np.ndarray) -> pd.DataFrame:
        """Give centres, low voxels, residuals, high voxels, and correlation as a table."""
        residuals = np.einsum("ij,nj->ni", linear, self.residuals)
        columns = np.column_stack([self.centres, residuals, self.ncc])
        return pd.DataFrame(columns, columns=["z", "y", "x", "dz", "dy", "dx", "ncc"])


@njit(cache=True, parallel=True, error_model="numpy")
def _correlations(low, high, mask, starts, side, reach):
    """Correlation of each block of `low` with `high` at all shifts up to `reach`."""
    n, w = starts.shape[0], 2 * reach + 1
    nz, ny, nx = low.shape
    out = np.zeros((n, w, w, w), np.float64)
    for block in prange(n):
        z0, y0, x0 = starts[block]
        for a in range(w):
            for b in range(w):
                for c in range(w):
                    lh = ll = hh = 0.0
                    for z in range(z0, min(z0 + side, nz)):
                        k = z + a - reach
                        if k < 0 or k >= nz:
                            continue
                        for y in range(y0, min(y0 + side, ny)):
                            j = y + b - reach
                            if j < 0 or j >= ny:
                                continue
                            for x in range(x0, min(x0 + side, nx)):
                                i = x + c - reach
                                if i < 0 or i >= nx:
                                    continue
                                m = mask[z, y, x] * mask[k, j, i]
                                p, q = low[z, y, x], high[k, j, i]
                                lh += m * p * q
                                ll += m * p * p
                                hh += m * q * q
                    if ll > 0 and hh > 0:
                        out[block, a, b, c] = lh / math.sqrt(ll * hh)
    return out


def _peaks(tables):
    """Place (n, 3) of the largest value about the middle of tables (n, w, w, w), by parabolas."""
    n, w = tables.shape[:2]
    shifts = np.empty((n, 3))
    for block, table in enumerate(tables):
        at = np.array(np.unravel_index(int(table.argmax()), table.shape))
        for axis in range(3):
            part = 0.0
            if 0 < at[axis] < w - 1:
                step = np.zeros(3, int)
                step[axis] = 1
                a, b, c = (table[tuple(at + k * step)] for k in (-1, 0, 1))
                part = 0.5 * (a - c) / min(a - 2 * b + c, -1e-12)
            shifts[block, axis] = at[axis] - w // 2 + min(max(part, -0.5), 0.5)
    return shifts


def measure_blocks(level: Level, matrix: np.ndarray, compared: Compared, transform: str) -> Blocks:
    """Measure the blocks of two volumes at a map.

    The maps of the two colours of the checkerboard are one Gauss-Newton step each from the common one.

    Parameters
    ----------
    level : Level
        The two volumes.
    matrix : numpy.ndarray
        (3, 4), from low voxels to high ones.
    compared : Compared
        The two there.
    transform : {"rigid", "similarity", "affine"}
        What the fits may do.
    """
    shape = compared.mask.shape
    mean = math.prod(shape) ** (1 / 3)
    side = max(_LEAST, round(min(mean / _ACROSS, min(shape) / _ACROSS_SHORTEST)))
    system = System(compared, transform, centre_of(level, matrix))
    lines = [np.arange((n % side) // 2, max(n - side // 2, 1), side) for n in shape]
    index = np.stack(np.meshgrid(*[np.arange(len(a)) for a in lines], indexing="ij"), -1)
    index = index.reshape(-1, 3)
    starts = np.stack([line[i] for line, i in zip(lines, index.T, strict=True)], -1)
    boxes = [tuple(slice(a, a + side) for a in start) for start in starts]
    covered = np.array([compared.mask[box].sum(dtype=np.float64) for box in boxes]) / side**3
    contrast = np.array(
        [np.sum(system.columns[(-1, *box)].astype(np.float64) ** 2) for box in boxes]
    )
    contrast /= np.maximum(covered * side**3, 1e-9)
    good = covered >= _COVERED
    if good.any():
        good &= contrast > _CONTRAST * np.median(contrast[good])
    chosen = np.flatnonzero(good)
    tables = system.sign * _correlations(
        compared.low, compared.high, compared.mask, starts[chosen], side, REACH
    )
    sums = [system.sums(boxes[n]) for n in chosen]
    parity = index[chosen].sum(axis=1) % 2
    centres = [
        [axis[box[a]].mean() for a, axis in enumerate(compared.axes)]
        for box in (boxes[n] for n in chosen)
    ]
    error = _checkerboard(level, matrix, transform, sums, parity)
    alone = [0, 1, 2, len(system.columns) - 1]
    residuals = [solved(n[np.ix_(alone, alone)], r[alone])[:3] for n, r in sums]
    return Blocks(
        np.array(centres).reshape(-1, 3),
        _peaks(tables),
        np.array(residuals).reshape(-1, 3),
        tables[:, REACH, REACH, REACH],
        tables.max(axis=(1, 2, 3), initial=0.0),
        index[chosen],
        np.array([_weight(n[np.ix_(alone, alone)]) for n, _ in sums]),
        error,
    )


def _weight(normal):
    """Inverse of the mean variance of a displacement, but for the noise, from its normal matrix."""
    size = np.sqrt(np.maximum(np.diag(normal), 1e-30))
    scaled = normal / size[:, None] / size[None, :]
    scaled[np.diag_indices(len(scaled))] += 1e-6
    variance = np.diag(np.linalg.inv(scaled)) / size**2
    return 1 / float(variance[:3].sum())


def _checkerboard(level, matrix, transform, sums, parity):
    """Half the rms difference of two fits, high voxels."""
    maps = []
    for colour in (0, 1):
        part = [each for each, p in zip(sums, parity, strict=True) if p == colour]
        if not part:
            return math.inf
        normal, right = (np.sum([each[k] for each in part], axis=0) for k in (0, 1))
        step = solved(normal, right)[:-1]
        maps.append(stepped(matrix, step, transform, centre_of(level, matrix)))
    there = apply_map(inverse_map(matrix), level.sampler.field.points())
    difference = apply_map(maps[0], there) - apply_map(maps[1], there)
    return 0.5 * math.sqrt(float(np.mean(np.sum(difference**2, axis=1))))

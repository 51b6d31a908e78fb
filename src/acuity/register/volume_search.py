"""Where a high volume lies in a low one: band-passed correlation over all places and turns."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.fft

from acuity.errors import require
from acuity.register.space import about, rotation
from acuity.register.volume_fields import band_passed, soft_mask
from acuity.register.volume_levels import Level

# Voxels of the reduced grid along the high field's shortest side.
SIDE = 22
BAND = (1.0, 5.0)
# Share of the field that must lie in the low volume for a place to be looked at.
_OVERLAP = 0.15
# Radius about a maximum, reduced voxels, in which no other counts.
_APART = 3
_PEAKS = 4
_SMALL = math.radians(4.0)


@dataclass(frozen=True)
class Found:
    """A place and turn.

    Attributes
    ----------
    matrix : numpy.ndarray
        (3, 4), from low voxels to high ones.
    centre : numpy.ndarray
        (3,), low voxel on which the middle of the high volume lies.
    score : float
        |correlation| times the square root of the share of the field that lies in the low one.
    """

    matrix: np.ndarray
    centre: np.ndarray
    score: float


def small_turns() -> list[tuple[float, list[tuple[float, float]]]]:
    """Turns about z, each with turns about y and x, radians: 27 within 5 degrees."""
    few = (0.0, -_SMALL, _SMALL)
    return [(about_z, [(y, x) for y in few for x in few]) for about_z in few]


def any_turns(count: int = 40) -> list[tuple[float, list[tuple[float, float]]]]:
    """Turns about z over the whole circle, radians."""
    return [(2 * math.pi * n / count, [(0.0, 0.0)]) for n in range(count)]


def turned(turn: Iterable[float]) -> np.ndarray:
    """Rotation (3, 3) by turns about z, then y, then x, in radians."""
    out = np.eye(3)
    for axis, angle in enumerate(turn):
        vector = np.zeros(3)
        vector[axis] = angle
        out = np.einsum("ij,jk->ik", rotation(vector), out)
    return out


def search(level: Level, linears: list[list[np.ndarray]], most: int = 12) -> list[Found]:
    """Correlate the high volume with the low one at all places.

    The normalised correlation over the overlap is computed for all shifts at once (Padfield, IEEE
    TIP 21, 2706, 2012, eq. 12, without the means, which the band pass takes off). Both contrasts
    are looked for.

    Parameters
    ----------
    level : Level
        The two volumes on the reduced grid.
    linears : list of list of numpy.ndarray
        Linear parts (3, 3) of the maps to try, from low voxels to high ones. Those of one inner list are so
        near to each other that the field covers the same voxels.
    most : int
        Places that are returned.

    Returns
    -------
    list of Found
        The best first, no two of them near each other.
    """
    field = level.sampler.field
    spread = np.abs(field.corners() - field.centre)
    reach = np.max(
        [np.abs(np.linalg.inv(linear)) @ spread.max(axis=0) for row in linears for linear in row],
        axis=0,
    )
    shape = tuple(int(2 * math.ceil(n / level.step) + 1) for n in reach)
    correlator = _Correlator(level, shape)
    found: list[Found] = []
    for number, row in enumerate(linears):
        # turned about its own axis a cylinder covers the same voxels
        if number == 0 or not _same_cylinder(field, linears[number - 1][0], row[0]):
            correlator.take_mask(row[0])
        for linear in row:
            found += correlator.best(linear)
    found.sort(key=lambda each: -each.score)
    kept: list[Found] = []
    for each in found:
        if all(_differ(each, other, level.step) for other in kept):
            kept.append(each)
        if len(kept) == most:
            break
    return kept


def _same_cylinder(field, one, other):
    if field.radius is None or field.sides[0] != field.shape[0]:
        return False
    between = np.einsum("ij,jk->ik", one, np.linalg.inv(other))
    return math.isclose(between[0, 0], 1.0) and math.isclose(np.linalg.det(between), 1.0)


def _differ(one, other, step):
    if np.linalg.norm(one.centre - other.centre) > _APART * step:
        return True
    a, b = (
        each.matrix[:, :3] / np.cbrt(abs(np.linalg.det(each.matrix[:, :3])))
        for each in (one, other)
    )
    # 30 degrees apart
    return float(np.einsum("ij,ij->", a, b)) < 1 + 2 * math.cos(math.radians(30))


class _Correlator:
    """Correlation of templates of one size with the low volume at all shifts."""

    def __init__(self, level: Level, shape: tuple[int, ...]):
        self.level, self.shape = level, shape
        self._full = [n + t - 1 for n, t in zip(level.low.shape, shape, strict=True)]
        self._sizes = [scipy.fft.next_fast_len(n, real=True) for n in self._full]
        own = level.own
        image = band_passed(level.low, own, BAND) * own
        require(bool(np.any(image)), "register: the low volume has nothing to correlate")
        self._image, self._squares, self._mask = (
            self._transformed(a) for a in (image, image**2, own)
        )

    def _transformed(self, a):
        return scipy.fft.rfftn(a.astype(np.float32), s=self._sizes)

    def _sums(self, image, template):
        sums = scipy.fft.irfftn(image * np.conj(self._transformed(template)), s=self._sizes)
        sums = np.roll(sums, [t - 1 for t in self.shape], axis=(0, 1, 2))
        return sums[tuple(slice(n) for n in self._full)]

    def _drawn(self, linear):
        """Give mask and points of the high field on the template's voxels."""
        level = self.level
        axes = tuple((np.arange(t) - (t - 1) / 2) * level.step for t in self.shape)
        matrix = about(linear, np.zeros(3), level.sampler.field.centre)
        return soft_mask(level.sampler.field, matrix, axes, level.voxel)

    def take_mask(self, linear):
        """Prepare what depends on the field's shape alone."""
        mask, _ = self._drawn(linear)
        overlap = self._sums(self._mask, mask) / max(float(mask.sum(dtype=np.float64)), 1e-9)
        energy = self._sums(self._squares, mask)
        good = (overlap > _OVERLAP) & (energy > 1e-4 * energy.max())
        # correlation times the root of the overlap: the energy of the template there is its share
        self._weight = np.where(good, 1 / np.sqrt(np.maximum(energy, 1e-12)), 0)

    def best(self, linear):
        mask, points = self._drawn(linear)
        drawn = self.level.sampler.at(points, mask > 0)
        template = band_passed(drawn, mask, BAND) * mask
        size = math.sqrt(float((template.astype(np.float64) ** 2).sum()))
        if size == 0:
            return []
        score = np.abs(self._sums(self._image, template)) * self._weight / size
        found = []
        step = self.level.step
        for _ in range(_PEAKS):
            at = np.unravel_index(int(score.argmax()), score.shape)
            if score[at] <= 0:
                break
            first = np.subtract(at, [t - 1 for t in self.shape])
            centre = (first + (np.asarray(self.shape) - 1) / 2) * step + (step - 1) / 2
            matrix = about(linear, centre, self.level.sampler.field.centre)
            found.append(Found(matrix, centre, float(score[at])))
            score[tuple(slice(max(n - _APART, 0), n + _APART + 1) for n in at)] = 0
        return found

"""Elastic registration over ever smaller blocks, its result a field of cubic B-splines."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from acuity.register.blocks import LEAST_SIDE, Blocks
from acuity.register.robust import robust_weights

_ROUNDS = 12
# Smallest robust deviation in a fit, as a part of the side of the blocks. Beyond about five times
# this (Tukey) a block contradicts its neighbours; a smaller one would take a finer warp than the
# nodes of a level follow for an outlier.
_SMALLEST = 1 / 256


@dataclass(frozen=True)
class Field:
    """A displacement for every point: the sum of cubic B-splines on an even raster of nodes.

    Attributes
    ----------
    origin : tuple of float
        (y, x) of the first node, in pixels.
    step : tuple of float
        Distance of nodes along y and x.
    coefficients : numpy.ndarray
        (2, ny, nx): of the splines for dy and dx, in pixels.
    """

    origin: tuple[float, float]
    step: tuple[float, float]
    coefficients: np.ndarray

    @classmethod
    def over(cls, region, spacing):
        """Give a field of zero over a region.

        Parameters
        ----------
        region : tuple of slice
            Rows and columns.
        spacing : float
            Largest distance of nodes; they are spread so that the outer ones lie on the borders,
            and one more beyond.
        """
        sizes = [part.stop - part.start - 1 for part in region]
        counts = [max(int(np.ceil(size / spacing)), 1) for size in sizes]
        step = tuple(size / count for size, count in zip(sizes, counts, strict=True))
        origin = tuple(part.start - s for part, s in zip(region, step, strict=True))
        return cls(origin, step, np.zeros((2, counts[0] + 3, counts[1] + 3)))

    @property
    def nodes(self):
        """Coordinates of the nodes along y and along x."""
        return tuple(
            o + s * np.arange(n)
            for o, s, n in zip(self.origin, self.step, self.coefficients.shape[1:], strict=True)
        )

    def _basis(self, axis, places, derivative=False):
        """Values of the splines at places along an axis: sparse, (n, nodes)."""
        count = self.coefficients.shape[1 + axis]
        t = (np.asarray(places, np.float64) - self.origin[axis]) / self.step[axis]
        # Beyond the nodes the field goes on as at its border.
        t = np.clip(t, 1.0, count - 2.0)
        first = np.minimum(t.astype(int), count - 3)
        t = t - first
        if derivative:
            values = (-((1 - t) ** 2) / 2, (3 * t**2 - 4 * t) / 2, (-3 * t**2 + 2 * t + 1) / 2)
            values = np.stack([*values, t**2 / 2], axis=1) / self.step[axis]
        else:
            values = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1)
            values = np.stack([*values, t**3], axis=1) / 6
        columns = first[:, None] + np.arange(-1, 3)
        rows = np.repeat(np.arange(len(t)), 4)
        return scipy.sparse.csr_matrix((values.ravel(), (rows, columns.ravel())), (len(t), count))

    def on(self, y, x):
        """Evaluate on a raster.

        Parameters
        ----------
        y, x : numpy.ndarray
            (ny,), (nx,).

        Returns
        -------
        numpy.ndarray
            (2, ny, nx): dy, dx.
        """
        return self._raster(self._basis(0, y), self._basis(1, x))

    def _raster(self, along_y, along_x):
        return np.stack([(along_x @ (along_y @ c).T).T for c in self.coefficients])

    def at(self, points):
        """Evaluate at points.

        Parameters
        ----------
        points : numpy.ndarray
            (n, 2).

        Returns
        -------
        numpy.ndarray
            (n, 2).
        """
        return self._design(points) @ self.coefficients.reshape(2, -1).T

    def jacobian(self, y, x):
        """Determinant of the derivative of q + field(q) on a raster.

        Returns
        -------
        numpy.ndarray
            (ny, nx); 1 where nothing is stretched, below 0 where the field folds.
        """
        by, bx = self._basis(0, y), self._basis(1, x)
        (yy, xy) = self._raster(self._basis(0, y, derivative=True), bx)
        (yx, xx) = self._raster(by, self._basis(1, x, derivative=True))
        return (1 + yy) * (1 + xx) - yx * xy

    def _design(self, points):
        points = np.asarray(points, np.float64)
        by, bx = self._basis(0, points[:, 0]), self._basis(1, points[:, 1])
        nx = self.coefficients.shape[2]
        columns = by.indices.reshape(-1, 4)[:, :, None] * nx + bx.indices.reshape(-1, 4)[:, None]
        values = by.data.reshape(-1, 4)[:, :, None] * bx.data.reshape(-1, 4)[:, None]
        rows = np.repeat(np.arange(len(points)), 16)
        size = (len(points), self.coefficients[0].size)
        return scipy.sparse.csr_matrix((values.ravel(), (rows, columns.ravel())), size)

    def fitted(self, points, values, weights, tensors, smoothness, smallest):
        """Fit the field on the same nodes to displacements at points, robustly.

        Minimises the weighted sum of squared differences plus `smoothness` times the sum of the
        squared second differences of the coefficients (bending energy), so that gaps are filled
        smoothly and nothing bends what no point asks for. Reweighted by Tukey's weights, so that
        a block that contradicts its neighbours does not count.

        Parameters
        ----------
        points, values : numpy.ndarray
            (n, 2): y, x and dy, dx.
        weights : numpy.ndarray
            (n,), of the measurements.
        tensors : numpy.ndarray
            (n, 2, 2): how much each says of either direction, see `blocks.Shifts`; scaled so that
            the mean of their diagonals is one.
        smoothness : float
            Above 0, in the unit of the weights.
        smallest : float
            Residuals below some five times this are no outliers, in pixels.

        Returns
        -------
        field : Field
        weights : numpy.ndarray
            (n,), at the end.
        """
        design, base = self._design(points), np.asarray(weights, np.float64)
        bending = self._bending() * smoothness
        # nothing else fixes a slope where there is but one point
        bending += scipy.sparse.identity(bending.shape[0], format="csc") * 1e-6
        traces = np.maximum(np.trace(tensors, axis1=1, axis2=2) / 2, 1e-12)
        own = tensors / traces[:, None, None]
        told = tensors / max(np.average(traces, weights=base + 1e-12), 1e-12)
        used = base
        for turn in range(_ROUNDS):
            w = told * used[:, None, None]
            yy, yx, xx = (
                (design.T @ scipy.sparse.diags(w[:, i, j]) @ design)
                for i, j in ((0, 0), (0, 1), (1, 1))
            )
            normal = scipy.sparse.block_array(
                [[yy + bending, yx], [yx, xx + bending]], format="csc"
            )
            pulls = np.einsum("nij,nj->ni", w, values)
            right = (design.T @ pulls).T.ravel()
            solved = scipy.sparse.linalg.splu(normal).solve(right).reshape(2, -1)
            rest = values - design @ solved.T
            lengths = np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", rest, own, rest), 0))
            before = used
            used = base * robust_weights(lengths, base, lengths=turn < 3, smallest=smallest)
            if turn > 3 and np.abs(used - before).max() < 1e-3 * used.max():
                break
        return Field(self.origin, self.step, solved.reshape(self.coefficients.shape)), used

    def _bending(self):
        ny, nx = self.coefficients.shape[1:]
        first = [scipy.sparse.diags([-1.0, 1.0], [0, 1], (n - 1, n)) for n in (ny, nx)]
        second = [scipy.sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], (n - 2, n)) for n in (ny, nx)]
        one = [scipy.sparse.identity(n) for n in (ny, nx)]
        parts = [
            scipy.sparse.kron(second[0], one[1]),
            scipy.sparse.kron(one[0], second[1]),
            np.sqrt(2.0) * scipy.sparse.kron(first[0], first[1]),
        ]
        return sum(part.T @ part for part in parts).tocsc()


@dataclass(frozen=True)
class Level:
    """One pass over the blocks: their side and the root mean square of its update, in pixels."""

    side: int
    update: float


@dataclass(frozen=True)
class Refinement:
    """How `refine_elastic` goes down its pyramid of blocks; lengths in pixels of the fixed image.

    Attributes
    ----------
    blocks : int
        Blocks along the shorter side at the first level.
    smallest : int
        Side of the blocks at the last level.
    band : (float, float)
        Band pass of the correlator.
    smoothness : float
        See `Field.fitted`.
    update : float
        A level ends once a pass moves the blocks by less than this (root mean square).
    passes : int
        Most passes of a level.
    """

    blocks: int = 5
    smallest: int = 32
    band: tuple[float, float] = (1.0, 6.0)
    smoothness: float = 0.1
    update: float = 0.025
    passes: int = 6


def refine_elastic(fixed, moving, matrix, settings: Refinement):
    """Find the displacement left after an affine map, over a pyramid of blocks.

    After Saalfeld et al. (Nat. Methods 9, 717, 2012) and the block pyramid of NanoJ-Core (Laine et al.,
    J. Phys. D 52, 163001, 2019): blocks that overlap by half are correlated, their displacements
    give a smooth field, the moving image is sampled anew through affine map and field together,
    and so again until nothing moves; then with blocks of half the side.

    Parameters
    ----------
    fixed : numpy.ndarray
        (y, x), on whose pixels is measured.
    moving : acuity.register.sampling.Sampler
        The other image.
    matrix : numpy.ndarray
        (2, 3), from pixels of `fixed` to those of `moving`.
    settings : Refinement
        Blocks, band and when to stop.

    Returns
    -------
    field : Field
        fixed(q) = moving(matrix (q + field(q))).
    history : list of Level
        All passes.
    """
    region = moving.region(matrix, fixed.shape)
    short = min(part.stop - part.start for part in region)
    side = max(2 * short // (settings.blocks + 1), settings.smallest)
    field, history = None, []
    while True:
        side = max(side, settings.smallest, LEAST_SIDE)
        nodes = None
        for _ in range(settings.passes):
            region = moving.region(matrix, fixed.shape, field)
            if nodes is None:
                nodes = Field.over(region, side / 2)
            over = Blocks.spread(region, side=side, band=settings.band, most=max(side / 8, 2.0))
            warped = moving.warped(matrix, region, field)
            found = over.shifts(fixed[region], warped, (region[0].start, region[1].start))
            before = field.at(found.centres) if field is not None else np.zeros_like(found.centres)
            told = found.centres, before + found.shifts, found.weights, found.tensors
            field, used = nodes.fitted(*told, settings.smoothness, side * _SMALLEST)
            moved = field.at(found.centres) - before
            square = np.sum(moved[used > 0] ** 2, axis=1)
            history.append(Level(side, float(np.sqrt(square.mean())) if square.size else 0.0))
            if history[-1].update < settings.update:
                break
        if side <= max(settings.smallest, LEAST_SIDE):
            return field, history
        side = int(np.ceil(side / 2))

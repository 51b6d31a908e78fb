"""A bent map between two volumes: cubic B-splines fitted by SimpleITK to band-passed grey values."""

import math
from dataclasses import dataclass

import numpy as np

from acuity.register.volume_levels import Compared

# Low voxels between nodes. With 11 noise bends more than the object did.
_APART = 15.0
_LEAST, _MOST = 2, 6
_STEPS = 30


@dataclass(frozen=True)
class Bend:
    """A displacement for every point: the sum of cubic B-splines on an even raster of nodes.

    Attributes
    ----------
    origin : numpy.ndarray
        (3,), first node, low voxels (z, y, x).
    step : numpy.ndarray
        (3,), distance of nodes.
    coefficients : numpy.ndarray
        (3, nz, ny, nx), of the splines for the displacement along z, y and x, low voxels.
    """

    origin: np.ndarray
    step: np.ndarray
    coefficients: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the displacement (n, 3) at points (n, 3), low voxels; beyond the nodes as at its border."""
        import scipy.ndimage

        count = np.array(self.coefficients.shape[1:])
        places = (np.asarray(points, np.float64) - self.origin) / self.step
        places = np.clip(places, 1.0, count - 2.0).T
        return np.stack(
            [
                scipy.ndimage.map_coordinates(part, places, order=3, prefilter=False)
                for part in self.coefficients
            ],
            axis=1,
        )

    def least_jacobian(self, axes: tuple[np.ndarray, ...]) -> float:
        """Give the smallest determinant of the derivative of q + bend(q) on a grid; at most 0 where it folds."""
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        moved = grid + self(grid.reshape(-1, 3)).reshape(grid.shape)
        slopes = np.stack(np.gradient(moved, *axes, axis=(0, 1, 2)), axis=-1)
        return float(np.linalg.det(slopes).min())


def fit_bend(compared: Compared) -> Bend:
    """Fit a bend that brings the high volume onto the low one.

    The mean square of the difference is minimised over the nodes' displacements (Rueckert et al., IEEE TMI 18,
    712, 1999) by L-BFGS. One thread: sums have a fixed order.

    Parameters
    ----------
    compared : Compared
        The two volumes at the map that was found without it.
    """
    import SimpleITK as sitk

    low, high, mask = compared.low, compared.high, compared.mask
    both, first, second = (
        float(np.einsum("zyx,zyx,zyx->", mask, a, b, dtype=np.float64))
        for a, b in ((low, high), (low, low), (high, high))
    )
    same = math.copysign(math.sqrt(first / max(second, 1e-30)), both)
    unit = np.float32(
        1 / math.sqrt(max(first / max(float(mask.sum(dtype=np.float64)), 1.0), 1e-30))
    )
    fixed = sitk.GetImageFromArray(low * unit)
    moving = sitk.GetImageFromArray(high * (np.float32(same) * unit))
    seen = sitk.GetImageFromArray((mask > 0.5).astype(np.uint8))
    mesh = [min(max(round(n / _APART), _LEAST), _MOST) for n in low.shape]
    transform = sitk.BSplineTransformInitializer(fixed, mesh[::-1], order=3)
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(seen)
    method.SetMetricMovingMask(seen)
    method.SetInterpolator(sitk.sitkBSpline)
    method.SetOptimizerAsLBFGS2(numberOfIterations=_STEPS, solutionAccuracy=1e-4)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    # ITK has x first, in positions of the box
    images = transform.GetCoefficientImages()
    coefficients = np.stack([sitk.GetArrayFromImage(image) for image in images[::-1]])
    start = np.array([axis[0] for axis in compared.axes])
    scale = np.array([axis[1] - axis[0] for axis in compared.axes])
    origin = np.array(images[0].GetOrigin()[::-1]) * scale + start
    step = np.array(images[0].GetSpacing()[::-1]) * scale
    return Bend(origin, step, coefficients * scale[:, None, None, None])

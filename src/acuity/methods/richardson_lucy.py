"""Richardson-Lucy deconvolution with a three-dimensional Gaussian kernel."""

import math

import numpy as np

from acuity.assumptions import Assumes
from acuity.methods.base import Method, Settings
from acuity.settings import Section, setting


class BlockSettings(Section):
    """How a volume that is too large to be restored at once is cut into blocks."""

    voxels: int = setting(
        2**26,
        "Largest block, halo included; larger volumes are cut in z, very large planes too",
        "voxel",
    )
    halo: float = setting(
        6.0, "Halo of a block, in standard deviations of the kernel", "1", ge=1, le=64
    )


class RichardsonLucySettings(Settings):
    """Settings of Richardson-Lucy."""

    iterations: int = setting(30, "Iterations", "1", ge=1)
    sigma: float | None = setting(
        None, "Standard deviation of the kernel; none: the level", "voxel", gt=0, le=64
    )
    nlm_before_threshold: bool = setting(
        True, "Non-local means filter before the restored volume is thresholded"
    )
    predict: BlockSettings = setting(BlockSettings(), "How volumes are restored")


class RichardsonLucy(Method):
    """Richardson-Lucy deconvolution (Richardson 1972; Lucy 1974).

    The estimate starts as the observation and is multiplied, in each iteration, by the blurred
    ratio of the observation to the blurred estimate; it stays non-negative. The kernel is the
    blur that degraded the data, as in Bukka et al. 2025, section 2.1.3 (30 iterations).

    Every iteration widens the reach of a voxel by the kernel, so the method is not local in the
    strict sense. Volumes up to ``predict.voxels`` are restored at once; larger ones in blocks with a
    halo of ``predict.halo`` standard deviations, beyond which the influence is negligible in
    practice (see docs/methods.md): of whole planes, or of columns of one shard where planes are so
    large that three halos of them are more than that.
    """

    Settings = RichardsonLucySettings
    assumes = Assumes(
        sign="non-negative",
        single="they spread over the kernel's width",
        cubes="the kernel is as many voxels wide along every axis, and not as long",
    )
    local = False

    def set_up(self) -> None:
        """Set the kernel, and the halo that it needs."""
        self.sigma = self.settings.sigma or self.task.level
        self.halo = (math.ceil(self.settings.predict.halo * self.sigma),) * 3

    def restore(self, tile: np.ndarray) -> np.ndarray:
        """Deconvolve a block; negative input, which noise leaves in pores, counts as zero.

        Where zero lies elsewhere, `acuity.predict.predict.restore` shifts the block before and after.
        """
        from acuity.filters import gaussian

        observed = np.maximum(tile, np.float32(0))
        # A floor far below the signal keeps the ratio finite where everything is zero.
        floor = np.float32(max(1e-6 * float(observed.max()), 1e-30))
        estimate = np.maximum(observed, floor)
        for _ in range(self.settings.iterations):
            ratio = gaussian(estimate, self.sigma)
            np.maximum(ratio, floor, out=ratio)
            np.divide(observed, ratio, out=ratio)
            estimate *= gaussian(ratio, self.sigma)
        return estimate


METHOD = RichardsonLucy

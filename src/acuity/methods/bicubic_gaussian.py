"""Classical restoration of SEM images: cubic interpolation and a Gaussian blur that is tuned."""

from collections.abc import Mapping, Sequence

import numpy as np

from acuity.assumptions import Assumes
from acuity.methods.base import (
    FitSettings,
    FittedMethod,
    FittedSettings,
    PredictSettings,
    TrainingPair,
)
from acuity.settings import setting

TRUNCATE = 4.0


class BlurSettings(FitSettings):
    """How the blur is tuned."""

    largest: float = setting(
        6.0, "Largest standard deviation that is tried, on the target's grid", "voxel", gt=0
    )
    precision: float = setting(0.01, "How exactly it is found", "voxel", gt=0)


class BicubicGaussianSettings(FittedSettings):
    """Settings of cubic interpolation with a Gaussian blur."""

    train: BlurSettings = setting(BlurSettings(), "How the blur is tuned")
    predict: PredictSettings = PredictSettings.preset(
        "How images are restored", tile=(32, 1024, 1024), device="cpu"
    )


class BicubicGaussian(FittedMethod):
    """Cubic interpolation onto the target's grid, then a Gaussian blur: in the plane, of volumes along z too.

    The classical restoration that SEMNet is compared with (bicubic for the resolution, Gaussian
    for the noise), whose authors do not give its blur; here its standard deviation is the one of
    least mean squared error on the training images.
    """

    Settings = BicubicGaussianSettings
    assumes = Assumes()
    sigma = 0.0

    def fit(self, pairs: Sequence[TrainingPair], seed: int) -> dict[str, np.ndarray]:
        """Find the standard deviation of least squared error; the seed does not matter.

        A scan in steps of a quarter voxel, then a golden section search about its least value.
        """
        s = self.settings.train
        found: dict[float, float] = {}

        def error(sigma):
            if sigma not in found:
                total = count = 0.0
                for pair in pairs:
                    difference = (self._blurred(pair.low, sigma) - pair.target).astype(np.float64)
                    difference *= difference
                    if pair.mask is not None:
                        difference = difference[pair.mask > 0]
                    total, count = total + difference.sum(), count + difference.size
                found[sigma] = total / max(count, 1)
            return found[sigma]

        steps = np.arange(0.0, s.largest + 1e-9, 0.25)
        best = float(min(steps, key=lambda sigma: error(float(sigma))))
        low, high = max(0.0, best - 0.25), min(float(s.largest), best + 0.25)
        golden = (5**0.5 - 1) / 2
        while high - low > s.precision:
            first, second = high - golden * (high - low), low + golden * (high - low)
            low, high = (low, second) if error(first) <= error(second) else (first, high)
        best = min([best, (low + high) / 2], key=error)
        return {"sigma": np.array([best], np.float64)}

    def use(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the standard deviation and set the halo that it needs."""
        self.sigma = float(arrays["sigma"][0])
        reach = int(TRUNCATE * self.sigma + 0.5)
        self.halo = (reach if self.deep else 0, reach, reach)

    def set_up(self) -> None:
        """Blur along z too where volumes are made finer along it."""
        self.deep = self.task.scale[0] > 1

    def _blurred(self, images, sigma):
        from acuity.filters import gaussian

        return gaussian(images, (sigma if self.deep else 0.0, sigma, sigma), truncate=TRUNCATE)

    def restore(self, tile: np.ndarray) -> np.ndarray:
        """Blur a tile."""
        return self._blurred(tile, self.sigma)


METHOD = BicubicGaussian

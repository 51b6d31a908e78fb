"""Imported volumes that are blurred, down-sampled and given noise."""

from typing import Any

from acuity.study.kinds.base import Degradation, Kind
from acuity.study.study import Study


class BlurStudy(Kind):
    """The truth is the imported volume itself."""

    level_format = "blur {:g}"
    level_title = "Blur of the input (standard deviation, voxels)"
    degraded = Degradation("degrade", "degrade to level", threads=2)

    @staticmethod
    def applies(study: Study) -> bool:
        return study.foam is None and study.pair is None and study.degrade.mode == "blur"

    @property
    def one_grid(self) -> bool:
        return self.study.degrade.downsample == (1, 1, 1)

    def degrade_cfg(self, sample: str, level: str) -> dict[str, Any]:
        degrade = self.study.degrade
        return {
            "sigma": float(level),
            "photons": degrade.photons,
            "noise_sd": degrade.noise,
            "downsample": list(degrade.downsample),
            "seed": self.project.seed_of(sample, "degrade", level),
        }


KIND = BlurStudy

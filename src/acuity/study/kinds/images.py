"""Images that are made finer along y and x; here those that get worse at random (SEMNet)."""

from typing import Any

from acuity.keys import name_of
from acuity.study.kinds.base import Degradation, Kind
from acuity.study.paths import table
from acuity.study.study import Study


class ImageStudy(Kind):
    """What studies of images share: frequencies, edges and gaps in the place of pore space."""

    level_title = "Pixel size (input : target)"
    page = "sem"
    figures_left_out = ("resolution",)

    @staticmethod
    def applies(study: Study) -> bool:
        return study.pair is None and study.degrade.mode == "random"

    @property
    def pixelwise(self) -> bool:
        return self.study.measure.pixelwise

    def prediction_cfg(self, sample: str) -> dict[str, Any]:
        return {"keep_type": True}

    def page_files(self, sample: str) -> dict[str, str]:
        project, measure = self.project, self.study.measure
        asked = {
            ("gaps", "gaps"): measure.gaps is not None,
            ("spectra", "spectrum_curve"): measure.spectrum,
        }
        tables = {
            name_of(kind, sample, image): table(sample, image, name)
            for (kind, name), wanted in asked.items()
            if wanted and sample not in project.restore
            for image in project.images(sample)
        }
        return {"metrics": "metrics.tsv"} | project.shown_volumes(sample) | tables


class RandomStudy(ImageStudy):
    """Low resolution is made anew, at random strengths, each time that an image is learned from."""

    # Images are no volumes that slabs would divide.
    degraded = Degradation("degrade_images", "degrade at random to level", slabs=False)

    def degrade_cfg(self, sample: str, level: str) -> dict[str, Any]:
        seed = self.project.seed_of(sample, "degrade", level)
        random = self.study.degrade.random.model_dump(mode="json")
        return {"factor": int(level), "seed": seed, **random}

    def degradation_while_learning(self) -> dict[str, Any]:
        return {"degradation": self.study.degrade.random.model_dump(mode="json")}


KIND = RandomStudy

"""Images that are made finer along y and x; here those that get worse at random (SEMNet)."""

from acuity.study.kinds.base import Kind
from acuity.study.paths import table


class ImageStudy(Kind):
    """What studies of images share: frequencies, edges and gaps in the place of pore space."""

    level_title = "Pixel size (input : target)"
    page = "sem"
    figures_left_out = ("resolution",)

    @staticmethod
    def applies(study):
        return study.pair is None and study.degrade.mode == "random"

    @property
    def pixelwise(self):
        return self.study.measure.pixelwise

    def prediction_cfg(self):
        return {"keep_type": True}

    def page_files(self, sample):
        """Return images of a sample, their tables in the order of `page_keys`, and those of its pair."""
        project, measure = self.project, self.study.measure
        shown = project.images(sample) if sample not in project.restore else []
        files = {"volumes": project.page_files(sample)["volumes"]}
        if shown and measure.gaps is not None:
            files["gaps"] = [table(sample, image, "gaps") for image in ["truth", *shown]]
        if shown and measure.spectrum:
            files["spectra"] = [table(sample, image, "spectrum_curve") for image in shown]
        return files


class RandomStudy(ImageStudy):
    """Low resolution is made anew, at random strengths, each time that an image is learned from."""

    degraded_by = "degrade_images"

    def degradation_while_learning(self):
        return {"degradation": self.study.degrade.random.model_dump(mode="json")}


KIND = RandomStudy

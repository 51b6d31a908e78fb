"""Spatial frequencies of an image beside those of its truth."""

from acuity.assumptions import Assumes
from acuity.keys import split_image
from acuity.measure.subsets import ALIASED, BELOW
from acuity.measures.base import Measure, Metric, Project
from acuity.volume import Volume


class Spectrum(Measure):
    """Ratio of the magnitudes of an image's frequencies to the truth's."""

    order, column_order = 50, 20
    assumes = Assumes(
        single="their power is the same at every frequency",
        units="nm",
        size="32 x 32 pixels; not constant",
    )
    tables = ("spectrum", "spectrum_curve")
    metrics = tuple(
        Metric(
            "spectrum_ratio_error",
            f"Spectrum deviation, {subset}",
            digits=2,
            better="lower",
            subset=subset,
            on=("summary", "images"),
            percent=True,
            help="How far the spectrum is off: the greatest departure from 1 of the ratio of its "
            f"magnitude to the truth's, {where}.",
        )
        for subset, where in (
            (BELOW, "up to the Nyquist frequency of the low-resolution image"),
            (ALIASED, "from there to 0.8 of the truth's own Nyquist frequency"),
        )
    )

    def applies(self, project: Project, sample: str, image: str):
        wanted = project.study.flat and project.study.measure.spectrum
        return wanted and super().applies(project, sample, image)

    def cfg(self, project: Project, sample: str, image: str):
        level, _ = split_image(image)
        return {"factor": level and float(level)}

    def run(self, image: Volume, truth: Volume, factor: float):
        from acuity.measure.spectrum import volume_spectrum

        return volume_spectrum(image, truth, factor=factor)


MEASURE = Spectrum()

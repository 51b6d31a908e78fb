"""Fourier shell correlation of two independent acquisitions of one object."""

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Project
from acuity.volume import Volume


class Correlation(Measure):
    """Correlation of an image with the same one of another acquisition, shell by shell."""

    order, column_order = 90, 90
    needs = ("image", "repeat")
    assumes = Assumes(
        single="where both have them, they correlate at every frequency",
        units="nm",
        size="8 voxels along each axis; not constant",
    )
    tables = ("fsc", "fsc_curve")

    def applies(self, project: Project, sample: str, image: str):
        again = project.samples[sample].repeat_of
        return bool(again) and not project.study.flat and sample not in project.restore

    def run(self, image: Volume, repeat: Volume):
        from acuity.measure.fsc import volume_fsc

        return volume_fsc(image, repeat)


MEASURE = Correlation()

"""Fourier shell correlation of two independent acquisitions of one object."""

from acuity.assumptions import Assumes
from acuity.measures.base import Measure


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

    def applies(self, project, sample, image):
        again = project.samples[sample].repeat_of
        return bool(again) and not project.study.flat and sample not in project.restore

    def run(self, image, repeat):
        from acuity.measure.fsc import volume_fsc

        return volume_fsc(image, repeat)


MEASURE = Correlation()

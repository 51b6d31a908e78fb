"""Imported volumes that are blurred, down-sampled and given noise."""

from acuity.study.kinds.base import Kind


class BlurStudy(Kind):
    """The truth is the imported volume itself."""

    level_format = "blur {:g}"
    level_title = "Blur of the input (standard deviation, voxels)"
    degraded_by = "degrade"

    @staticmethod
    def applies(study):
        return study.foam is None and study.pair is None and study.degrade.mode == "blur"

    @property
    def one_grid(self):
        return self.study.degrade.downsample == (1, 1, 1)


KIND = BlurStudy

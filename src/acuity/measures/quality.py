"""Likeness of an image to its truth, voxel by voxel and by structure."""

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Metric, Project


class Quality(Measure):
    """PSNR, SSIM and MS-SSIM, with a map of the last."""

    order, column_order = 20, 40
    own_rule = True  # it works in slabs, and writes a map
    threads = 2
    assumes = Assumes(values="the type's range", single="squared errors follow them")
    metrics = (
        Metric(
            "psnr",
            "PSNR",
            unit="dB",
            digits=2,
            better="higher",
            help="Peak signal-to-noise ratio in decibels: the signal's range against the mean error of "
            "a voxel; 3 dB more is half the squared error. Noise of the truth itself counts as error.",
        ),
        Metric(
            "ssim",
            "SSIM",
            better="higher",
            help="Structural similarity to the truth within small windows; 1 is identical.",
        ),
        Metric(
            "ms_ssim_matlab",
            "MS-SSIM",
            better="higher",
            on=("summary", "volumes"),
            help="Structural similarity at several scales, from fine to coarse; 1 is identical.",
        ),
    )

    def applies(self, project: Project, sample: str, image: str):
        return project.kind.pixelwise and super().applies(project, sample, image)


MEASURE = Quality()

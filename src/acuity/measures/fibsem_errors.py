"""Errors of a volume that is finer along z, as the FIB-SEM papers state them."""

from collections.abc import Mapping, Sequence
from typing import Any

from acuity.assumptions import Assumes
from acuity.keys import split_image
from acuity.measures.base import Measure, Metric, Project
from acuity.volume import Volume, choose_layout

SUMMARY = ("summary",)  # the page along z has tables of its own


class FibsemErrors(Measure):
    """Root mean square and PSNR of grey values and of two phases, and the weighted PSNR."""

    order, column_order = 40, 70
    needs = ("image", "truth", "low")
    assumes = Assumes(values="0 to the range", single="the weighted PSNR follows them")
    metrics = (
        Metric("rms", "RMS", digits=2, better="lower", on=SUMMARY),
        Metric("psnr_8bit", "PSNR, 8 bits", unit="dB", digits=2, better="higher", on=SUMMARY),
        Metric("rms_binary", "RMS, binary", better="lower", on=SUMMARY),
        Metric("psnr_binary", "PSNR, binary", unit="dB", digits=2, better="higher", on=SUMMARY),
        Metric("wpsnr", "wPSNR", unit="dB", digits=2, better="higher", on=SUMMARY),
        Metric("wpsnr_code", "wPSNR, code", unit="dB", digits=2, better="higher", on=SUMMARY),
    )

    def applies(self, project: Project, sample: str, image: str):
        return project.study.axial and super().applies(project, sample, image)

    def cfg(self, project: Project, sample: str, image: str):
        settings, level = project.study.measure, split_image(image)[0]
        return {
            "task": project.kind.task(level),
            "data_range": settings.data_range,
            "threshold": settings.binary_threshold,
            "volume_fraction": settings.volume_fraction,
        }

    def run(self, image: Volume, truth: Volume, low: Volume, **cfg: Any):
        from acuity.measure.fibsem_errors import volume_errors

        return volume_errors(image, truth, low, **cfg)

    def checked(self, volumes: Mapping[str, Volume], cfg: Mapping[str, Any]):
        from acuity.measure.fibsem_errors import default_range

        truth, stated = volumes["truth"], cfg["data_range"]
        used = stated or default_range(truth)
        return {"truth": truth, "data_range": used, "stated": stated is not None}

    def held(self, shape: Sequence[int]):
        # four rows of shards
        deep = min(choose_layout(shape, "float32").shard[0], shape[0])
        return 4 * 4 * deep * shape[1] * shape[2]


MEASURE = FibsemErrors()

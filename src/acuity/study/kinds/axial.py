"""Volumes that get coarser, and are made finer, along z alone (Hagita et al. 2018; Heinrich et al. 2017)."""

from typing import Any

from acuity.study.kinds.base import Degradation, Kind
from acuity.study.study import Study


class AxialStudy(Kind):
    """One slice of every n is kept, or n are averaged; the truth is the imported volume."""

    level_format, level_title = "n = {:g}", "Slice interval n (input : target)"
    page = "axial"
    degraded = Degradation("degrade_axial", "one slice of every")
    figures_left_out = ("resolution",)

    @staticmethod
    def applies(study: Study) -> bool:
        return study.axial

    def degrade_cfg(self, sample: str, level: str) -> dict[str, Any]:
        return {"factor": int(level), "mode": self.study.degrade.mode}

    def phase(self, level: str) -> list[float] | None:
        # Here and not above: it loads numba, which every job of every study would wait for.
        from acuity.degrade.axial import axial_phase

        return list(axial_phase(self.study.scale(float(level))[0], self.study.degrade.mode))

    def page_files(self, sample: str) -> dict[str, str]:
        project = self.project
        return {
            "metrics": "metrics.tsv",
            **project.shown_volumes(sample),
            **project.curves(sample, "scattering_curve", "fsc_curve"),
            **project.disagreements(sample),
            **project.trained_files("model.json"),
        }


KIND = AxialStudy

"""Effective resolution of an image: the Gaussian blur of the truth that fits it best."""

from collections.abc import Mapping
from typing import Any

from acuity.assumptions import Assumes
from acuity.measures.base import LENGTH, Measure, Metric, Project
from acuity.volume import Volume


class Resolution(Measure):
    """The blur that is left in a restored volume, with gain and offset."""

    order, column_order = 30, 60
    threads, bytes_a_voxel = 2, 20
    assumes = Assumes(
        single="the fit of least squares follows them",
        cubes="the blur that is fitted is as long along every axis, that of a level as many voxels",
        units="the volume's",
    )
    tables = ("resolution", "curve")
    gathers = (("tables", "resolution"), ("curves", "curve"))
    metrics = (
        Metric(
            "resolution_fwhm",
            "Residual FWHM",
            short="FWHM",
            unit=LENGTH,
            digits=2,
            better="lower",
            on=("summary", "volumes"),
            help="How much blur is left: the full width at half maximum of the one that makes the truth "
            "look like the result. It does not see invented detail.",
        ),
    )

    def applies(self, project: Project, sample: str, image: str):
        study = project.study
        return not (study.axial or study.flat) and super().applies(project, sample, image)

    def cfg(self, project: Project, sample: str, image: str):
        return {"mask_radius": project.kind.mask_radius()}

    def run(self, image: Volume, truth: Volume, mask_radius: float | None):
        from acuity.measure.resolution import resolution_rows
        from acuity.measure.volumes import read_on

        given = read_on(image.grid, image=image, truth=truth)
        return resolution_rows(**given, mask_radius=mask_radius)

    def checked(self, volumes: Mapping[str, Volume], cfg: Mapping[str, Any]):
        image = volumes["image"]
        return {"image": image, "truth": volumes["truth"].within(image.grid, "truth"), **cfg}


MEASURE = Resolution()

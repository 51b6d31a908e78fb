"""The space of the pores: local thickness, chords, two-point correlation."""

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Project
from acuity.volume import Volume


class PoreSpace(Measure):
    """Shape of the space between or inside the objects of an image."""

    order, column_order = 100, 100
    needs = ("labels",)
    bytes_a_voxel = 16
    assumes = Assumes(
        cubes="local thickness and correlation length are left out", units="the volume's"
    )
    tables = ("pore_space", "pore_space_curve")
    gathers = (("tables", "pore_space"), ("spaces", "pore_space_curve"))

    def applies(self, project: Project, sample: str, image: str):
        study = project.study
        wanted = study.segment and study.measure.pore_space and not study.flat
        return bool(wanted) and sample not in project.restore

    def cfg(self, project: Project, sample: str, image: str):
        return {
            "pores": "labels" if project.objects == "dark" else "background",
            "mask_radius": project.kind.mask_radius(1),
        }

    def run(self, labels: Volume, pores: str, mask_radius: float | None):
        from acuity.measure.pore_space import pore_space
        from acuity.measure.volumes import read_on

        given = read_on(labels.grid, binary=labels)
        return pore_space(**given, pores=pores, mask_radius=mask_radius)


MEASURE = PoreSpace()

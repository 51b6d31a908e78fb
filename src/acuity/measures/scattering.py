"""Scattering function of a volume, to compare with small-angle X-rays, and how far it is from a truth's."""

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Metric, Project
from acuity.volume import Volume


class Scattering(Measure):
    """Power of a volume, averaged over shells of the scattering vector."""

    order, column_order = 80, 80
    bytes_a_voxel = 20
    assumes = Assumes(
        single="their power is the same at every q",
        units="nm",
        size="8 voxels along each axis; not constant",
    )
    tables = ("scattering", "scattering_curve")
    metrics = (
        Metric("scattering_log_rms", "Scattering", unit="decades", better="lower", on=("summary",)),
    )

    def applies(self, project: Project, sample: str, image: str):
        # one without a truth has its curve too
        return project.study.axial and project.study.measure.scattering

    def run(self, image: Volume, truth: Volume | None = None):
        from acuity.measure.scattering import volume_scattering

        return volume_scattering(image, truth)


MEASURE = Scattering()

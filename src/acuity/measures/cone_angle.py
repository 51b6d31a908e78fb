"""Error of a restored simulated scan by the angle of the cone, where a circular scan tells less and less."""

from typing import Any

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Project
from acuity.volume import Volume


class ConeAngle(Measure):
    """Root mean square error and bias in bands of height above the source's plane, as shares of the range.

    What FDK gets wrong grows with the angle; two scans of one place have different angles, and what is
    learned from one to the other holds their difference.
    """

    order, column_order = 25, 1000
    assumes = Assumes(single="squared errors follow them")

    def applies(self, project: Project, sample: str, image: str):
        return project.study.xrm is not None and super().applies(project, sample, image)

    def cfg(self, project: Project, sample: str, image: str):
        xrm = project.study.xrm
        return {"distance": xrm.magnifications.distance(xrm.coarse)}

    def run(self, image: Volume, truth: Volume, distance: float, bands: int = 4):
        """Return two rows a band, its angles (degrees) in their subset; read slice by slice."""
        from acuity.measure.cone import error_by_height
        from acuity.measure.quality import contrast
        from acuity.tables import tidy_row

        truth = truth.within(image.grid, "truth")
        scale = contrast(truth.data)
        table = error_by_height(
            _Slices(image),
            _Slices(truth),
            voxel=image.grid.spacing[0],
            source_to_axis=distance,
            bands=bands,
            first=image.grid.origin[0],
        )
        rows = []
        for band in table.itertuples():
            subset = f"{band.angle_low:.1f}-{band.angle_high:.1f} degrees"
            rows.append(tidy_row("cone_error", band.rms / scale, subset=subset))
            rows.append(tidy_row("cone_bias", band.bias / scale, subset=subset))
        return rows


class _Slices:
    """A volume that is read slice by slice."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume

    @property
    def shape(self) -> tuple[int, ...]:
        return self.volume.grid.shape

    def __len__(self) -> int:
        return self.volume.grid.shape[0]

    def __getitem__(self, z: int) -> Any:
        return self.volume.read(slice(z, z + 1))[0]


MEASURE = ConeAngle()

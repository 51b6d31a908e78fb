"""Simulated foams, scanned and reconstructed at several blurs (Pelt et al. 2022; Bukka et al. 2025)."""

from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from acuity.study.foam import Foam
from acuity.study.kinds.base import Kind
from acuity.study.paths import volume
from acuity.study.study import Study
from acuity.units import parse_voxel_size

if TYPE_CHECKING:
    from acuity.study.project import Project


class FoamStudy(Kind):
    """Low and high resolution are reconstructions; the truth is one of many noiseless views."""

    level_title = "Resolution ratio (blur of input : target)"
    one_grid = True
    states_sizes = True

    @staticmethod
    def applies(study: Study) -> bool:
        return study.foam is not None

    def __init__(self, project: "Project") -> None:
        super().__init__(project)
        self.foam = cast(Foam, self.study.foam)
        self.fov_radius = self.foam.size / 2

    def settings(self, *asked: str | type[Any]) -> dict[str, Any]:
        """Return keys of the foam section, by name or those of a class of settings.

        The voxel size is a number, with its unit.
        """
        values = self.foam.model_dump(mode="json")
        (values["voxel_size"], *_), values["unit"] = parse_voxel_size(self.foam.voxel_size)
        values["views"] = self.foam.truth_views * self.foam.size
        keys = [[key] if isinstance(key, str) else key.__dataclass_fields__ for key in asked]
        return {key: values[key] for key in chain(*keys) if key in values}

    def truth(self, sample: str) -> str:
        return volume(f"reconstruct/{sample}/truth")

    def target(self, sample: str) -> str:
        return volume(f"reconstruct/{sample}/level{self.foam.target_level:g}")

    def low(self, sample: str, level: str | None) -> str:
        return volume(f"reconstruct/{sample}/level{level}")

    def coarse(self, sample: str) -> str:
        if self.project.samples[sample].seed is None:
            return super().coarse(sample)
        return self.low(sample, self.project.restore[sample])

    def acquired_files(self, sample: str) -> list[str]:
        if self.project.samples[sample].seed is None:
            return super().acquired_files(sample)
        judged = sample in self.project.shown and sample not in self.project.restore
        pores = self.study.segment and judged
        exact = [volume(f"simulate/{sample}/{name}") for name in ("exact", "exact_labels") if pores]
        return [f"simulate/{sample}/spheres.tsv", *exact]

    def scans(self, sample: str, level: str | None) -> list[str]:
        if self.project.samples[sample].seed is None:
            return []
        target = [f"{self.foam.target_level:g}"] * (sample in self.project.train)
        return [f"simulate/{sample}/level{n}.h5" for n in [level, *target]]

    def prediction_cfg(self, sample: str) -> dict[str, Any]:
        # What came in a file has a field of its own.
        simulated = self.project.samples[sample].seed is not None
        return {"fov_radius": self.fov_radius} if simulated else {}

    def mask_radius(self, margin: float = 0, sample: str | None = None) -> float | None:
        if sample is not None and self.project.samples[sample].seed is None:
            return None  # what came in a file is no cylinder that is known
        # Objects are sought one voxel inside it: the blurred rim of the wall is no pore.
        return self.foam.cylinder_radius * self.foam.size - margin

    def true_labels(self, sample: str) -> str:
        return volume(f"simulate/{sample}/exact_labels")


KIND = FoamStudy

"""Simulated foams, scanned and reconstructed at several blurs (Pelt et al. 2022; Bukka et al. 2025)."""

from itertools import chain

from acuity.study.kinds.base import Kind
from acuity.study.paths import volume
from acuity.units import parse_voxel_size


class FoamStudy(Kind):
    """Low and high resolution are reconstructions; the truth is one of many noiseless views."""

    level_title = "Resolution ratio (blur of input : target)"
    one_grid = True
    states_sizes = True

    @staticmethod
    def applies(study):
        return study.foam is not None

    def settings(self, *asked):
        """Return keys of the foam section, by name or those of a class of settings.

        The voxel size is a number, with its unit.
        """
        foam = self.study.foam
        values = foam.model_dump(mode="json")
        (values["voxel_size"], *_), values["unit"] = parse_voxel_size(foam.voxel_size)
        values["views"] = foam.truth_views * foam.size
        keys = [[key] if isinstance(key, str) else key.__dataclass_fields__ for key in asked]
        return {key: values[key] for key in chain(*keys) if key in values}

    @property
    def fov_radius(self):
        return self.study.foam.size / 2

    def truth(self, sample):
        return volume(f"reconstruct/{sample}/truth")

    def target(self, sample):
        return volume(f"reconstruct/{sample}/level{self.study.foam.target_level:g}")

    def low(self, sample, level):
        return volume(f"reconstruct/{sample}/level{level}")

    def acquired_files(self, sample):
        pores = self.study.segment and sample in self.project.shown
        exact = [volume(f"simulate/{sample}/{name}") for name in ("exact", "exact_labels") if pores]
        return [f"simulate/{sample}/spheres.tsv", *exact]

    def scans(self, sample, level):
        target = [f"{self.study.foam.target_level:g}"] * (sample in self.project.train)
        return [f"simulate/{sample}/level{n}.h5" for n in [level, *target]]

    def prediction_cfg(self):
        return {"fov_radius": self.fov_radius}

    def mask_radius(self, margin=0):
        # Objects are sought one voxel inside it: the blurred rim of the wall is no pore.
        return self.study.foam.cylinder_radius * self.study.foam.size - margin

    def true_labels(self, sample):
        return volume(f"simulate/{sample}/exact_labels")


KIND = FoamStudy

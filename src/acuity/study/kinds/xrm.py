"""Simulated specimens under an X-ray microscope, at two magnifications (Bukka et al. 2025)."""

from collections.abc import Sequence
from typing import Any, cast

from acuity.keys import image as image_name
from acuity.simulate.microscope import LEVELS
from acuity.study.kinds.paired_volumes import PairedVolumesStudy
from acuity.study.paths import volume
from acuity.study.study import Study
from acuity.study.xrm import Xrm


class XrmStudy(PairedVolumesStudy):
    """The truth is the fine scan of the whole coarse field, free of noise and truncation.

    Samples to learn from are pairs of scans as they come; a box that the fine scan does not show is judged,
    of them or, where there are test samples, of those alone.
    """

    @staticmethod
    def applies(study: Study) -> bool:
        return study.xrm is not None

    @property
    def microscope(self) -> Xrm:
        """The xrm section of the study."""
        return cast(Xrm, self.study.xrm)

    @property
    def pairs(self) -> list[str]:
        return self.project.train

    @property
    def held_out(self) -> list[str]:
        rows = self.project.samples.values()
        return [] if any(row.role == "test" for row in rows) else self.project.train

    def made_here(self, sample: str) -> bool:
        """Return whether a sample is simulated."""
        return self.project.samples[sample].seed is not None

    def judged_here(self, sample: str) -> bool:
        """Return whether a sample has a truth."""
        return sample not in self.project.restore

    # volumes

    def simulated(self, sample: str) -> str:
        which = "fine" if sample in self.pairs else "coarse"
        return volume(f"reconstruct/{sample}/{which}")

    def imported_low(self, sample: str) -> str:
        if not self.made_here(sample):
            return super().imported_low(sample)
        return volume(f"reconstruct/{sample}/coarse")

    def low(self, sample: str, level: str | None) -> str:
        return volume(f"simulate/{sample}/field")

    def field_inputs(self, sample: str) -> dict[str, str]:
        """Return what the part of a sample that is restored is cut from."""
        pair = {"pair": self.learned_low(sample, "")} if sample in self.pairs else {}
        return {"coarse": self.imported_low(sample)} | pair

    def learned_low(self, sample: str, level: str) -> str:
        return volume(f"pair/{sample}/low")

    def noise_free(self, sample: str) -> str:
        """Return the field as a perfect fine scan shows it: the slices that are judged or learned from."""
        return volume(f"reconstruct/{sample}/noise_free")

    def acquired_files(self, sample: str) -> list[str]:
        if not self.made_here(sample):
            return super().acquired_files(sample)
        files = [f"simulate/{sample}/bodies.tsv", self.imported_low(sample)]
        if self.judged_here(sample):
            files += [self.noise_free(sample), self.low(sample, None)]
            files += [volume(f"simulate/{sample}/judged")]
        if sample in self.pairs:
            names = ("low", "high", "valid", "learned", "judged")
            files += [self.simulated(sample), *(volume(f"pair/{sample}/{name}") for name in names)]
        return files

    def scans(self, sample: str, level: str | None) -> list[str]:
        if not self.made_here(sample):
            return []
        which = ["coarse", *["fine"] * (sample in self.pairs)]
        return [f"simulate/{sample}/{one}.h5" for one in which]

    def shown_image(self, sample: str, image: str, restored: str) -> str:
        return volume(f"judged/{sample}/{image}") if self.judged_here(sample) else restored

    def restored_files(self, sample: str, image: str) -> list[str]:
        files = [self.project.image(sample, image)]
        if not self.judged_here(sample) or image == "truth":
            return files
        inputs = self.judging_inputs(sample, image)
        return list(dict.fromkeys([*files, inputs["restored"], *inputs["fitted"]]))

    def given_map(self, sample: str) -> list[str]:
        return [f"simulate/{sample}/map.json"] if self.microscope.map == "true" else []

    # what jobs are told

    def specimen_cfg(self, sample: str) -> dict[str, Any]:
        """Return what a job that makes a specimen is told."""
        return self.microscope.of_scans() | {"number": self.project.samples[sample].seed}

    def scan_cfg(self, sample: str, which: str) -> dict[str, Any]:
        """Return what a job that scans a specimen is told: ``coarse``, ``fine`` or ``truth``."""
        told = self.specimen_cfg(sample) | {"which": which}
        if which != "truth":
            return told | {"noise": self.project.seed_of(sample, which)}
        factor = self.microscope.magnifications.ratio
        slices = self.microscope.truth_slices(pair=sample in self.pairs)
        return told | {"slices": [factor * n for n in slices]}

    def reconstruction_cfg(self) -> dict[str, Any]:
        """Return what a job that reconstructs a scan is told."""
        return {"sample_radius": self.microscope.magnifications.radius}

    def judged_cfg(self, sample: str) -> dict[str, Any]:
        """Return what a job that lays out the judged box is told."""
        factor = self.microscope.magnifications.ratio
        first, _ = self.microscope.truth_slices(pair=sample in self.pairs)
        box, name = self.microscope.box, sample
        return {"factor": factor, "box": box, "first": first, "name": name}

    def field_cfg(self, reach: Sequence[int]) -> dict[str, Any]:
        """Return what a job that cuts out what is restored is told; `reach` as in `division_cfg`."""
        # Interpolation, and what is fitted, see some voxels far, too.
        return {"box": self.microscope.box, "reach": [max(n, 4) for n in reach]}

    def division_cfg(self, sample: str, reach: Sequence[int]) -> dict[str, Any]:
        return {"factor": self.microscope.magnifications.ratio, "name": sample}

    def taught_with(self, sample: str) -> list[str]:
        return [name for name in super().taught_with(sample) if name in self.pairs]

    def judged_by(self, sample: str) -> str:
        return self.noise_free(sample)

    def judged_part(self, sample: str) -> str:
        return volume(f"simulate/{sample}/judged")

    # measures

    def masks(self, sample: str) -> list[str]:
        return super().masks(sample) if sample in self.pairs else []

    def registered(self) -> list[tuple[str, str]]:
        judged = [sample for sample in self.project.test if self._dosed(sample)]
        return [(sample, "pair") for sample in dict.fromkeys([*self.pairs, *judged])]

    def pair_tables(self, sample: str) -> list[str]:
        paired = [*super().pair_tables(sample), f"measure/{sample}/map.tsv"]
        dose = [f"measure/{sample}/dose.tsv"] * self._dosed(sample)
        return paired * (sample in self.pairs) + dose

    def _dosed(self, sample: str) -> bool:
        """Return whether it is found what dose restorations of a sample are worth."""
        scans = self.microscope.magnifications
        noise = scans.photons[LEVELS.index(scans.coarse)] > 0
        asked = noise and bool(self.microscope.doses) and "cubic" in self.study.methods
        return asked and sample in self.project.test and bool(self.study.methods)

    def dose_methods(self) -> list[str]:
        """Return the methods whose dose equivalent is found."""
        return [method for method in self.study.methods if method != "cubic"]

    def dose_inputs(self, sample: str) -> dict[str, Any]:
        """Return the judged images that a dose equivalent is found of."""
        (level,) = self.project.levels
        image = self.project.image
        return {
            "truth": image(sample, "truth"),
            "cubic": image(sample, image_name(level, "cubic")),
            "images": [image(sample, image_name(level, name)) for name in self.dose_methods()],
        }

    def dose_cfg(self, sample: str) -> dict[str, Any]:
        """Return what a job that finds dose equivalents is told."""
        told = {"doses": list(self.microscope.doses), "objects": self.project.objects}
        return self.scan_cfg(sample, "coarse") | told | {"methods": self.dose_methods()}


KIND = XrmStudy

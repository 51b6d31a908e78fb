"""Pairs of volumes of one object at two magnifications, registered (Bukka et al. 2025)."""

from collections.abc import Sequence
from typing import Any

from acuity.study.kinds.pair import PairedStudy
from acuity.study.pair import NONE
from acuity.study.paths import volume
from acuity.study.study import Study


class PairedVolumesStudy(PairedStudy):
    """The truth is the fine scan on a grid that divides the voxels of the coarse one.

    Of a pair to learn from a block of slices is held out and judged. What is judged is cut to the part
    where the fine scan is known, and every image is brought to its grey values by a gain and an offset
    that are fitted where models learn.
    """

    level_title = "Voxel size (input : target)"
    page = "pair"

    @staticmethod
    def applies(study: Study) -> bool:
        return study.paired_volumes and study.xrm is None

    @property
    def held_out(self) -> list[str]:
        rows = self.project.samples.values()
        judged = any(row.role == "test" for row in rows)
        if self.section.held_out == NONE or (self.section.held_out is None and judged):
            return []
        return self.project.train

    def truth(self, sample: str) -> str:
        return volume(f"judged/{sample}/truth")

    def target(self, sample: str) -> str:
        return volume(f"pair/{sample}/high")

    def masks(self, sample: str) -> list[str]:
        return [volume(f"pair/{sample}/learned")]

    def learned_fields(self, sample: str) -> list[str]:
        # Of the low volume the slices that were learned from.
        return [volume(f"pair/{sample}/learned"), *super().learned_fields(sample)[1:]]

    def acquired_files(self, sample: str) -> list[str]:
        files = super().acquired_files(sample)
        if sample not in self.pairs:
            return files
        return files + [volume(f"pair/{sample}/{name}") for name in ("learned", "judged")]

    def shown_image(self, sample: str, image: str, restored: str) -> str:
        return restored if sample not in self.pairs else volume(f"judged/{sample}/{image}")

    def restored_files(self, sample: str, image: str) -> list[str]:
        files = super().restored_files(sample, image)
        if sample not in self.pairs or image == "truth":
            return files
        return [*files, self.judging_inputs(sample, image)["restored"]]

    def pair_cfg(self, sample: str) -> dict[str, Any]:
        row = self.project.samples[sample]
        told: dict[str, Any] = {"volumes": True, "factor": row.level, "name": sample}
        if row.place is not None:
            told["place"] = row.place
        return self.section.of_volumes() | told

    def division_cfg(self, sample: str, reach: Sequence[int]) -> dict[str, Any]:
        """Return what a job that divides a pair is told.

        Parameters
        ----------
        sample : str
            Its name.
        reach : sequence of int
            How far (z, y, x) methods see in the low volume, voxels.
        """
        level = self.project.samples[sample].level
        told: dict[str, Any] = {"factor": level, "name": sample}
        if sample not in self.held_out:
            return told
        section = self.section
        stated = {"held_out": section.held_out, "learned": section.learned}
        gap = {"reach": list(reach)} if section.learned is None else {}
        return told | {"divided": True} | stated | gap

    def taught_with(self, sample: str) -> list[str]:
        """Return the pairs on which gain, offset and threshold are fitted for a sample that is judged."""
        level = self.project.samples[sample].level
        return self.teaching(f"{level}") or [sample]

    def judged_by(self, sample: str) -> str:
        """Return the volume that images of a sample are judged by."""
        return self.target(sample)

    def judged_part(self, sample: str) -> str:
        """Return the volume whose grid is the part of a sample that is judged."""
        return volume(f"pair/{sample}/judged")

    def judging_inputs(self, sample: str, image: str) -> dict[str, Any]:
        """Return the volumes that an image is judged with.

        ``restored`` and ``fitted`` are those of the sample and of the pairs that gain and offset are fitted
        on; ``high`` and ``learned`` are the fine scans of these, and where models learn.
        """
        taught = self.taught_with(sample)

        def made(name: str) -> str:
            return self.judged_by(name) if image == "truth" else volume(f"predict/{name}/{image}")

        return {
            "judged": self.judged_part(sample),
            "restored": made(sample),
            "fitted": [] if image == "truth" else [made(name) for name in taught],
            "high": [self.judged_by(name) for name in taught],
            "learned": [mask for name in taught for mask in self.masks(name)],
        }

    def page_files(self, sample: str) -> dict[str, str]:
        if sample not in self.pairs:
            return {}
        return {
            "valid": volume(f"pair/{sample}/valid"),
            "learned": volume(f"pair/{sample}/learned"),
            "judged": volume(f"pair/{sample}/judged"),
            "truth": self.truth(sample),
            **self.registration_files(sample),
        }


KIND = PairedVolumesStudy

"""Pairs of images of one field at two magnifications, registered (de Haan et al. 2019)."""

from typing import Any, cast

from acuity.study.kinds.base import Kind
from acuity.study.kinds.images import ImageStudy
from acuity.study.pair import Pair
from acuity.study.paths import volume
from acuity.study.study import Study


class PairedStudy(Kind):
    """What studies of pairs share: low resolution is a recording of its own, registered with the high one."""

    @property
    def section(self) -> Pair:
        """The pair section of the study."""
        return cast(Pair, self.study.pair)

    @property
    def pairs(self) -> list[str]:
        """The samples that are pairs."""
        return [sample for sample in self.project.samples if sample not in self.project.restore]

    def truth(self, sample: str) -> str:
        return volume(f"pair/{sample}/high")

    def low(self, sample: str, level: str | None) -> str:
        return volume(f"pair/{sample}/low")

    def coarse(self, sample: str) -> str:
        return self.imported_low(sample)

    def imported_low(self, sample: str) -> str:
        """Return the low-resolution image, as recorded."""
        simulated = self.project.samples[sample].seed is not None
        if simulated:
            return volume(f"simulate/{sample}/low")
        return volume(
            f"ingest/{sample}" if sample in self.project.restore else f"ingest/low/{sample}"
        )

    def imported_middle(self, sample: str) -> list[str]:
        """Return the image of a magnification between, as recorded; none where there is none."""
        there = self.project.samples[sample].middle_path is not None
        return [volume(f"ingest/middle/{sample}")] if there else []

    def acquired_files(self, sample: str) -> list[str]:
        files = super().acquired_files(sample)
        if sample not in self.pairs:
            return files
        low = [self.imported_low(sample), *self.imported_middle(sample)]
        made = [volume(f"pair/{sample}/{name}") for name in ("low", "high", "valid")]
        return list(dict.fromkeys(files + low + made))

    def teaching(self, level: str) -> list[str]:
        samples = self.project.samples
        return [sample for sample in self.project.train if f"{samples[sample].level}" == level]

    def learned_fields(self, sample: str) -> list[str]:
        # Of the low image the part that both have in common, as it was cropped.
        return [volume(f"pair/{sample}/low"), *super().learned_fields(sample)]

    def masks(self, sample: str) -> list[str]:
        return [volume(f"pair/{sample}/valid")]

    def registered(self) -> list[tuple[str, str]]:
        return [(sample, "pair") for sample in self.pairs]

    def given_map(self, sample: str) -> list[str]:
        """Return the file of a map between the scans that is taken as known; by default none is."""
        return []

    def pair_cfg(self, sample: str) -> dict[str, Any]:
        """Return what a job that registers a pair is told."""
        raise NotImplementedError

    def registration_files(self, sample: str) -> dict[str, str]:
        """Return what the figures of a pair's registration are drawn from, each named by its key."""
        if sample not in self.pairs:
            return {}
        return {
            "transform": f"pair/{sample}/transform.json",
            "patches": f"pair/{sample}/patches.tsv",
            "low": volume(f"pair/{sample}/low"),
            "high": volume(f"pair/{sample}/high"),
        }


class PairStudy(PairedStudy, ImageStudy):
    """Pairs of images: the truth is the high one, on a grid that divides the pixels of the low one."""

    unrestored = "lanczos"

    @staticmethod
    def applies(study: Study) -> bool:
        return study.pair is not None and study.flat

    def pair_cfg(self, sample: str) -> dict[str, Any]:
        level = self.project.samples[sample].level
        told = {"volumes": False, "factor": level, "name": sample}
        return self.section.of_images() | told

    def repeated(self, level: str, method: str) -> int:
        return int(level) if method == "nearest" else 1

    def page_files(self, sample: str) -> dict[str, str]:
        return super().page_files(sample) | self.registration_files(sample)


KIND = PairStudy

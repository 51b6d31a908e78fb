"""Stacks whose slices are brought into line before anything else is done with them."""

from typing import TYPE_CHECKING, Any

from acuity.study.paths import volume

if TYPE_CHECKING:
    from acuity.study.project import Project


class Alignment:
    """What the align section of a study means; without one, no sample is a stack.

    Parameters
    ----------
    project : acuity.study.project.Project
    """

    def __init__(self, project: "Project") -> None:
        self._samples, self._settings = project.samples, project.study.align
        self.stacks = list(project.samples) if self._settings else []

    @property
    def _disturbed(self) -> bool:
        """Whether known shifts and faults are put in, to check what is found."""
        return self._settings is not None and self._settings.disturb is not None

    @property
    def kind(self) -> str:
        """The stack that is aligned for good: as recorded, or with what was put in."""
        return "disturbed" if self._disturbed else "recorded"

    @property
    def cfg(self) -> dict[str, Any]:
        """What the job is told that moves the slices."""
        return {"crop": self._settings.crop} if self._settings else {}

    def stack(self, sample: str, kind: str) -> str:
        """Return a stack that is to be aligned: as recorded, or with shifts and faults put in."""
        return volume(f"ingest/{sample}" if kind == "recorded" else f"disturb/{sample}/{kind}")

    def source(self, sample: str) -> str:
        """Return the sample whose transforms a stack takes: itself, or that of another detector."""
        return self._samples[sample].transforms_of or sample

    def transform_inputs(self, sample: str) -> dict[str, str]:
        """Return the stack whose slices are moved, and their transforms."""
        return {
            "volume": self.stack(sample, self.kind),
            "transforms": f"align/{self.source(sample)}/{self.kind}/transforms.json",
        }

    def files(self, sample: str) -> list[str]:
        """Return what aligning a sample leaves."""
        if not self.stacks:
            return []
        kinds = ["disturbed", "undisturbed"] if self._disturbed else ["recorded"]
        put_in = [volume(f"disturb/{sample}/{kind}") for kind in kinds if self._disturbed]
        found = [f"align/{self.source(sample)}/{kind}/transforms.json" for kind in kinds]
        return put_in + found + [volume(f"align/{sample}/{name}") for name in ("aligned", "valid")]

    def measured(self) -> list[tuple[str, str]]:
        """Return each stack with transforms of its own, as a sample and the image ``stack``."""
        return [(s, "stack") for s in self.stacks if not self._samples[s].transforms_of]

    def tables(self, sample: str) -> list[str]:
        """Return the tables of a stack's alignment."""
        names = ["disturbed", "check"] if self._disturbed else ["recorded"]
        return [f"measure/{sample}/align/{name}.tsv" for name in names]

    def page_files(self, sample: str) -> dict[str, str]:
        """Return tables of a stack's alignment, and the stack before and after."""
        folder = f"align/{self.source(sample)}/{self.kind}"
        return {
            "slices": f"{folder}/slices.tsv",
            "pairs": f"{folder}/pairs.tsv",
            "before": self.stack(sample, self.kind),
            "after": volume(f"align/{sample}/aligned"),
        }

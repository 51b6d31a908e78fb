"""What the kinds of study share: the volumes and measures of an imported volume, and what may differ."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acuity.plugins import declared, modules
from acuity.study.paths import volume
from acuity.study.study import Study

if TYPE_CHECKING:
    from acuity.study.project import Project


@dataclass(frozen=True)
class Degradation:
    """How imported volumes are made worse.

    Attributes
    ----------
    rule : str
        The rule and the script that do it.
    words : str
        What they do, before the level.
    threads : int
    slabs : bool
        Whether a volume can be made in slabs.
    """

    rule: str
    words: str
    threads: int = 1
    slabs: bool = True


class Kind:
    """What a study is about: how low and high resolution come about, and what is measured.

    A kind is one module of this package that ends in ``KIND = ItsClass``. What it leaves as it is here
    holds for it too.

    Parameters
    ----------
    project : acuity.study.project.Project
        The study that it is the kind of.

    Attributes
    ----------
    level_format, level_title : str
        How levels are written and what they are, on pages and figures.
    unrestored : str
        The method by which the unrestored input is shown on the target's grid.
    page : str or None
        The further page of each sample that is shown.
    fov_radius : float or None
        Radius in voxels of the field that scans reach.
    states_sizes : bool
        Whether the study states what a voxel is, so that no volume need be read for it.
    degraded : Degradation or None
        How imported volumes are made worse; None where low resolution comes about in another way.
    """

    level_format, level_title = "{:g}:1", ""
    unrestored = "nearest"
    page: str | None = None
    fov_radius: float | None = None
    states_sizes = False
    degraded: Degradation | None = None
    figures_left_out: tuple[str, ...] = ()

    def __init__(self, project: "Project") -> None:
        self.project, self.study = project, project.study

    @staticmethod
    def applies(study: Study) -> bool:
        """Return whether a study is of this kind."""
        raise NotImplementedError

    # volumes

    @property
    def one_grid(self) -> bool:
        """Whether low and high resolution have the same voxels."""
        return False

    def truth(self, sample: str) -> str:
        """Return the volume that a sample is judged by."""
        return self.project.imported(sample)

    def simulated(self, sample: str) -> str:
        """Return the volume of a simulated sample before anything is made worse."""
        return volume(f"simulate/{sample}/high")

    def target(self, sample: str) -> str:
        """Return the volume that is learned as high resolution."""
        return self.truth(sample)

    def low(self, sample: str, level: str | None) -> str:
        """Return the volume of low resolution, of a sample that has a truth."""
        return volume(f"degrade/{sample}/level{level}")

    def learned_low(self, sample: str, level: str) -> str:
        """Return the volume of low resolution that is learned from."""
        return self.project.low(sample, level)

    def coarse(self, sample: str) -> str:
        """Return the volume of low resolution of a sample that has no truth."""
        return self.project.imported(sample)

    def acquired_files(self, sample: str) -> list[str]:
        """Return what is there of a sample before anything is degraded, or aligned."""
        if self.project.samples[sample].seed is not None:
            return [volume(f"simulate/{sample}/{name}") for name in ("high", "low")]
        return [volume(f"ingest/{sample}")]

    def scans(self, sample: str, level: str | None) -> list[str]:
        """Return the projections that a sample is reconstructed from at a level."""
        return []

    def degrade_cfg(self, sample: str, level: str) -> dict[str, Any]:
        """Return what a job that makes a volume worse is told."""
        raise NotImplementedError

    # learning and restoring

    def task(self, level: str) -> dict[str, Any]:
        """Return what a method is asked for at a level: scale and phase between the grids."""
        return {
            "level": float(level),
            "scale": list(self.study.scale(float(level))),
            "phase": self.phase(level),
        }

    def phase(self, level: str) -> list[float] | None:
        """Return where the low grid lies in the fine one, where that is not the middle of its blocks."""
        return None

    def teaching(self, level: str) -> list[str]:
        """Return the samples that are learned from at a level."""
        return self.project.train

    def learned_fields(self, sample: str) -> list[str]:
        """Return what tells, by its grid and its provenance, which part of its file an imported sample teaches."""
        return [volume(f"ingest/{sample}")]

    def degradation_while_learning(self) -> dict[str, Any]:
        """Return what makes images worse while a network learns; nothing where low and high are given."""
        return {}

    def masks(self, sample: str) -> list[str]:
        """Return the volumes that say where low and high resolution agree."""
        return []

    def prediction_cfg(self, sample: str) -> dict[str, Any]:
        """Return what a job that restores a sample is told beside method and task."""
        return {}

    @property
    def held_out(self) -> list[str]:
        """Return the samples that models learn from, and of which a part is held out to be judged."""
        return []

    def shown_image(self, sample: str, image: str, restored: str) -> str:
        """Return the volume that is shown and measured of an image, from what a method has restored."""
        return restored

    def restored_files(self, sample: str, image: str) -> list[str]:
        """Return the volumes of an image, from that which a method has restored to the one that is shown."""
        return [self.project.image(sample, image)]

    # measures

    @property
    def pixelwise(self) -> bool:
        """Whether grey values are compared pixel by pixel."""
        return True

    def mask_radius(self, margin: float = 0, sample: str | None = None) -> float | None:
        """Return the radius of the cylinder of a sample that is measured, in voxels; None: all of the volume."""
        return None

    def true_labels(self, sample: str) -> str:
        """Return the objects that are there: by default the truth's own segmentation."""
        return volume(f"segment/{sample}/truth")

    def registered(self) -> list[tuple[str, str]]:
        """Return the samples whose registration is measured, each with the image ``pair``."""
        return []

    def pair_tables(self, sample: str) -> list[str]:
        """Return the tables of the figures of a registration."""
        return [f"measure/{sample}/pair.tsv"]

    def page_files(self, sample: str) -> dict[str, str]:
        """Return what the figures of a sample's further page are drawn from, each named by its key."""
        return {}

    def repeated(self, level: str, method: str) -> int:
        """Return how often each pixel of an image stands there; an edge's spread is not that of its steps."""
        return int(level) if method in ("input", "nearest") else 1


def kind_of(project: "Project") -> Kind:
    """Find the kind that a study is of.

    Parameters
    ----------
    project : acuity.study.project.Project

    Returns
    -------
    acuity.study.kinds.base.Kind
    """
    names = modules(__package__)
    kinds = [declared(__package__, name, "KIND", "a kind of study") for name in names]
    (found,) = [kind for kind in kinds if kind.applies(project.study)]
    return found(project)

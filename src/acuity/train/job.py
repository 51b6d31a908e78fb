"""What a training is told: the method, what it is to undo and its seed, and the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from acuity.errors import AcuityError
from acuity.methods.base import LearnedMethod, Task, check_settings, load


@dataclass(frozen=True)
class TrainingJob:
    """A learned method, what it is to undo, and all else that decides its weights but the volumes.

    Attributes
    ----------
    method_name : str
        A learned method of ``acuity.methods``.
    settings : dict
        Its settings.
    level : float
        Strength of the degradation: standard deviation of the blur in voxels of the target's grid.
    seed : int
        Seed of weights and patches.
    scale : tuple of int
        Whole factors (z, y, x) between the low-resolution grid and the target's.
    phase : tuple of float, optional
        Where the low-resolution volume's first voxel lies on the target's grid, in its voxels
        (z, y, x); the middle of a block, (factor - 1) / 2, by default. The task's `offset`.
    fov_radius : float, optional
        Radius of the circular field of view in voxels of the target's grid: only voxels inside
        count in the loss. None: the whole plane.
    degradation : dict, optional
        Learn from targets alone: low-resolution patches are made from them at random, with these
        strengths (see `acuity.degrade.images.degrade_images`), anew in every step.
    full : float, optional
        With `degradation`: intensity that counts as 255; by default the largest value of uint8 or
        uint16 targets.
    study : str
        Name of the study, for the card.
    """

    method_name: str
    settings: dict
    level: float
    seed: int
    scale: Sequence[int] = (1, 1, 1)
    phase: Sequence[float] | None = None
    fov_radius: float | None = None
    degradation: dict | None = None
    full: float | None = None
    study: str = ""

    def build(self) -> LearnedMethod:
        """Build the method for its task.

        Raises
        ------
        AcuityError
            If it does not learn, or its settings are wrong.
        """
        method_class = load(self.method_name)
        if not method_class.learned:
            raise AcuityError(
                f"method {self.method_name} is not learned: there is nothing to train"
            )
        settings = check_settings(method_class, self.settings)
        return method_class(settings, Task(float(self.level), tuple(self.scale), self.phase))


@dataclass(frozen=True)
class TrainingFiles:
    """What a training reads and writes.

    Attributes
    ----------
    pairs : sequence of (path, path)
        Low-resolution volume and target of each training sample. A method that learns from planes
        reads one of them alone; the other may be None. With a random degradation the low one is
        not read.
    output, card, history : path
        Files to write: weights (safetensors), card (JSON, written last) and the table
        ``step split loss psnr seconds`` (tab-separated), then the method's further losses.
    checkpoints : path
        Folder for checkpoints; emptied of this training's when it is finished.
    masks : sequence of path, optional
        For each pair a volume on the target's grid, not 0 where voxels may be learned from: others
        count neither in the loss nor in statistics over pairs, and patches keep out of them as far
        as they can. Statistics of one image alone (``normalisation`` own) are of all its voxels, as
        they are at prediction.
    """

    pairs: Sequence[tuple[str | PathLike | None, str | PathLike | None]]
    output: str | PathLike
    card: str | PathLike
    history: str | PathLike
    checkpoints: str | PathLike
    masks: Sequence[str | PathLike] | None = None

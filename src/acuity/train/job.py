"""What a training is told: the method, what it is to undo and its seed, and the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from acuity.errors import AcuityError
from acuity.methods.base import LearnedMethod, MethodJob, check_settings, load


@dataclass(frozen=True, kw_only=True)
class TrainingJob(MethodJob):
    """A learned method, what it is to undo, and all else that decides its weights but the volumes.

    Attributes
    ----------
    seed : int
        Seed of weights and patches.
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

    seed: int
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
        return method_class(check_settings(method_class, self.settings), self.task)


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

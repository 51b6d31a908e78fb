"""What networks that refine z share (Heinrich et al. 2017): training, skip and scale."""

from typing import Literal

from acuity.errors import AcuityError
from acuity.methods.base import LearnedMethod, LearnedSettings, TrainSettings, setting


class AxialSettings(LearnedSettings):
    """Settings of a network whose output is finer along z than its input."""

    skip: Literal["none", "linear", "cubic"] = setting(
        "none",
        "Interpolated input that is added to the output: none is the paper's form, the others are "
        "variants that small and short training needs",
    )


def paper_training(decay_every):
    """Return the paper's training, whose learning rate falls with the epochs.

    Parameters
    ----------
    decay_every : int
        Epochs between two changes of the learning rate.

    Returns
    -------
    TrainSettings
    """
    return TrainSettings(
        steps=290_000,
        batch=6,
        patch=(16, 64, 64),
        learning_rate=1e-4,
        schedule="inverse_sqrt",
        decay_every=decay_every,
        validation_fraction=0.15,
        validate_every=484,
        validation_patches=24,
    )


class AxialMethod(LearnedMethod):
    """A network that takes the task's factor along z itself."""

    axial = True
    layout = "channels_last"

    def __init__(self, settings=None, task=None):
        super().__init__(settings, task)
        self.scale = (self.task.scale[0], 1, 1)
        if self.task.offset[0] != (self.scale[0] - 1) / 2:
            self.symmetries = "upright"
        self.normalisation = "range" if self.settings.skip == "none" else "shared"

    def factor(self):
        """Return the factor along z.

        Returns
        -------
        int

        Raises
        ------
        AcuityError
            If it is less than 2.
        """
        if self.scale[0] < 2:
            raise AcuityError(
                f"method {self.name()} makes slices finer, but the scale is {self.task.scale}; it "
                "needs a factor of 2 or more along z"
            )
        return self.scale[0]

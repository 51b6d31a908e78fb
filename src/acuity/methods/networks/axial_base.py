"""What networks that refine z share (Heinrich et al. 2017): training, skip and scale."""

from typing import Any, Literal

import numpy as np

from acuity.errors import AcuityError
from acuity.methods.base import LearnedMethod, LearnedSettings, TrainSettings
from acuity.settings import setting

SKIP = setting(
    "none",
    "Interpolated input that is added to the output: none is the paper's form, the others are "
    "variants that small and short training needs",
)


class AxialSettings(LearnedSettings):
    """Settings of a network whose output is finer along z than its input."""

    skip: Literal["none", "linear", "cubic"] = SKIP


def paper_training(decay_every: int) -> Any:
    """Declare the paper's training, whose learning rate falls with the epochs.

    Parameters
    ----------
    decay_every : int
        Epochs between two changes of the learning rate.
    """
    return TrainSettings.preset(
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

    def set_up(self) -> None:
        """Normalise and turn patches as the skip and the slices' places allow it."""
        if self.task.offset[0] != (self.scale[0] - 1) / 2:
            self.symmetries = "upright"
        self.normalisation = "range" if self.settings.skip == "none" else "shared"

    def network_options(self, *names: str) -> dict[str, Any]:
        """Return what the network is told: some settings, the factor, the skip and its offset.

        Parameters
        ----------
        *names : str
            Settings, ``kernels`` among them.

        Raises
        ------
        AcuityError
            If the factor is less than 2, or a side of a kernel is not odd.
        """
        if self.scale[0] < 2:
            raise AcuityError(
                f"method {self.name()} makes slices finer, but the scale is {self.task.scale}; it "
                "needs a factor of 2 or more along z"
            )
        kernels = np.ravel(self.settings.kernels)
        if kernels.min() < 1 or not (kernels % 2).all():
            raise AcuityError(
                f"settings of {self.name()}, key kernels: found {self.settings.kernels}; sides must "
                "be odd"
            )
        place = {"factor": self.scale[0], "offset": self.task.offset[0]}
        return place | self.settings.pick("skip", *names)

"""DeepNet: a 2.5D U-Net with further convolutions after it."""

from typing import Literal

from pydantic import model_validator

from acuity.methods.base import LearnedMethod, LearnedSettings, PredictSettings, TrainSettings
from acuity.methods.networks.aliases import Networks
from acuity.settings import setting


class DeepNetSettings(LearnedSettings):
    """Settings of DeepNet."""

    features: int = setting(16, "Channels at full resolution; doubled at each pooling", "1", ge=1)
    pools: int = setting(4, "Poolings by two in the plane", "1", ge=1, le=6)
    widest: int = setting(256, "Most channels", "1", ge=1)
    convolutions: int = setting(2, "Convolutions of 3 x 3 at each resolution", "1", ge=1)
    extra: int = setting(1, "Further convolutions of 3 x 3 after the U-Net", "1", ge=0)
    slices: int = setting(5, "Slices of a stack", "1", ge=1)
    spacing: int | None = setting(
        None,
        "Slices from one slice of a stack to the next; none: a third of the level, rounded, at "
        "least 1; 1 where the level is a number of slices that became one",
        "voxel",
        ge=1,
    )
    norm: Literal["none", "batch"] = setting("batch", "Normalisation inside the network")
    skip: bool = setting(False, "The network restores the difference from its input")
    train: TrainSettings = TrainSettings.preset(
        steps=5000, patch=(5, 128, 128), schedule="cosine", warm_up=50, loss="l1"
    )
    predict: PredictSettings = PredictSettings.preset(tile=(5, 704, 704))

    @model_validator(mode="after")
    def _patch_is_a_stack(self):
        if self.train.patch[0] != self.slices:
            raise ValueError(
                f"train.patch is {self.train.patch[0]} slices deep and a stack has {self.slices} "
                "(slices); both must be the same"
            )
        return self


class DeepNet(LearnedMethod):
    """2.5D U-Net: five slices in, five slices out, and further convolutions after the U-Net.

    After Bukka et al. 2025, section 2.1.1. The loss counts the circular field of view alone; at
    prediction, stacks of five slices move by one slice and the five estimates of a slice are
    averaged. Widths and depth are not given there: see docs/methods.md for the choice.
    """

    Settings = DeepNetSettings
    symmetries = "in_plane"

    def set_up(self) -> None:
        """Set the slices of a stack, which follow the blur."""
        self.slices_per_stack = self.settings.slices
        blur = 1 if self.task.axial else self.task.level
        self.spacing = self.settings.spacing or max(1, round(blur / 3))

    def build(self) -> Networks:
        """Build the network."""
        from acuity.methods.networks.unet import UNet

        s = self.settings
        names = ("features", "pools", "widest", "convolutions", "extra", "norm", "skip")
        return {self.restorer: UNet(s.slices, **s.pick(*names))}


METHOD = DeepNet

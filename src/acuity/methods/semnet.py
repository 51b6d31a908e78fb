"""SEMNet: residual-in-residual dense blocks for noisy SEM images, twice as fine."""

from typing import Literal

from pydantic import model_validator

from acuity.errors import AcuityError
from acuity.methods.base import ImageMethod, ImageTrainSettings, LearnedSettings, PredictSettings
from acuity.methods.networks.aliases import Networks, Tensors
from acuity.settings import setting


class SemNetSettings(LearnedSettings):
    """Settings of SEMNet; the defaults are the authors' where they give them."""

    features: int = setting(64, "Channels", "1", ge=1)
    growth: int = setting(32, "Channels that a convolution of a dense block adds", "1", ge=1)
    blocks: int = setting(6, "Residual-in-residual dense blocks", "1", ge=1)
    skip: Literal["none", "linear", "cubic", "lanczos"] = setting(
        "none",
        "Interpolated input that is added to the output: none is the authors' form, the others are "
        "variants for small and short training",
    )
    l1: float = setting(1.0, "Weight of the L1 loss", "1", ge=0)
    histogram: float = setting(0.1, "Weight of the histogram loss", "1", ge=0)
    variation: float = setting(0.01, "Weight of the total variation per voxel", "1", ge=0)
    bins: int = setting(32, "Bins of the histogram loss", "1", ge=2)
    histogram_range: tuple[float, float] = setting(
        (-4.0, 4.0),
        "Range of the bins, in standard deviations of the low image from its mean",
        "1",
    )
    train: ImageTrainSettings = ImageTrainSettings.preset(
        steps=544_000,
        patch=(1, 64, 64),
        learning_rate=1e-4,
        schedule="step",
        loss="l1",
        validate_every=2000,
        validation_patches=64,
    )
    predict: PredictSettings = PredictSettings.preset("How images are restored", tile=(1, 704, 704))

    @model_validator(mode="after")
    def _ordered(self):
        if self.histogram_range[0] >= self.histogram_range[1]:
            raise ValueError(f"histogram_range must rise; found {self.histogram_range}")
        return self


class SemNet(ImageMethod):
    """RRDB network (six blocks, nearest-neighbour up-sampling) trained on degraded images.

    After the SEMNet abstract: 94 convolutions, 19 leaky ReLUs, L1 (1.0), histogram (0.1) and total
    variation loss (0.01). Its histogram loss is given by a reference alone; the one here is an
    earth mover's distance over soft bins (`acuity.methods.networks.losses.histogram_loss`).
    """

    Settings = SemNetSettings
    logged_losses = ("l1", "histogram", "tv")

    def set_up(self) -> None:
        """Make images finer by the task's factors."""
        self.scale = (1, *self.task.scale[1:])

    def build(self) -> Networks:
        """Build the network."""
        from acuity.methods.networks.rrdb import SemNet as Network

        scale = self.task.scale
        if scale[0] != 1 or scale[1] != scale[2]:
            raise AcuityError(
                f"method {self.name()} makes images finer; found the scale {scale}, allowed are "
                "(1, f, f)"
            )
        options = self.settings.pick("features", "growth", "blocks", "skip")
        return {self.restorer: Network(scale[1], offset=self.task.offset[1:], **options)}

    def losses(self, network: str, networks: Networks, batch: Tensors) -> Tensors:
        """Return L1, histogram and total variation; logged with their weights."""
        from acuity.methods.networks.losses import histogram_loss, masked_loss, variation

        s = self.settings
        restored = networks[self.restorer](batch["low"]).float()
        target, mask = batch["target"], batch["mask"]
        terms = {"l1": s.l1 * masked_loss(restored, target, mask, s.train.loss)}
        if s.histogram:
            bins = s.histogram_range, s.bins
            terms["histogram"] = s.histogram * histogram_loss(restored, target, mask, *bins)
        if s.variation:
            voxels = mask.expand_as(restored).sum().clamp(min=1.0)
            terms["tv"] = s.variation * variation(restored, mask) / voxels
        return {"loss": sum(terms.values()), **terms}


METHOD = SemNet

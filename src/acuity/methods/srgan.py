"""SRGAN along one axis, learned from XY planes and applied to XZ and YZ planes."""

from typing import Literal

from pydantic import model_validator

from acuity.errors import AcuityError
from acuity.methods.base import LearnedSettings, PlanesMethod, PredictSettings, TrainSettings
from acuity.methods.networks.adversarial import AdversarialMethod
from acuity.methods.networks.aliases import Networks, Tensors
from acuity.methods.networks.axial_base import SKIP
from acuity.methods.networks.planes import degradation
from acuity.settings import setting


class SrganTrainSettings(TrainSettings):
    """How an SRGAN is trained."""

    patch: tuple[int, int, int] = setting(
        (1, 56, 56), "Size of a sub-image (1, y, x), square, on the target's grid", "voxel"
    )

    @model_validator(mode="after")
    def _square(self):
        if self.patch[0] != 1 or self.patch[1] != self.patch[2]:
            raise ValueError(f"patch must be a square of one slice, (1, y, y); found {self.patch}")
        return self


class SrganSettings(LearnedSettings):
    """Settings of the SRGAN along one axis; the defaults are Ledig's and Hagita's."""

    features: int = setting(64, "Channels of the generator", "1", ge=1)
    blocks: int = setting(16, "Residual blocks of the generator", "1", ge=1)
    kernels: tuple[int, int] = setting(
        (9, 9), "Odd sides of the generator's first and last convolution", "voxel"
    )
    skip: Literal["none", "linear", "cubic"] = SKIP
    discriminator: int = setting(
        64,
        "Channels of the discriminator's first convolution; its last has 8 times as many",
        "1",
        ge=1,
    )
    dense: int = setting(1024, "Units of the discriminator's dense layer", "1", ge=1)
    adversarial: float = setting(
        1e-3, "Weight of the adversarial loss beside the content loss", "1", ge=0
    )
    pretrain: int = setting(
        0, "Updates at the start by the content loss alone, without discriminator", "1", ge=0
    )
    every: int = setting(1, "Updates of the generator for one of the discriminator", "1", ge=1)
    planes: Literal["target", "low"] = setting(
        "target",
        "Volume whose XY planes are learned from: that of full resolution, or the coarse one, which "
        "needs no truth",
    )
    train: SrganTrainSettings = SrganTrainSettings.preset(
        "How the networks are trained",
        steps=200_000,
        batch=16,
        learning_rate=1e-4,
        schedule="step",
        halve_every=100_000,
        keep="last",
        validate_every=1000,
        validation_patches=64,
    )
    predict: PredictSettings = PredictSettings.preset(tile=(128, 512, 512))

    @model_validator(mode="after")
    def _odd(self):
        if any(side < 1 or side % 2 == 0 for side in self.kernels):
            raise ValueError(f"kernels must have odd sides; found {self.kernels}")
        return self


class Srgan(AdversarialMethod, PlanesMethod):
    """SRGAN whose output is finer along z, learned from XY planes alone.

    After Hagita et al. 2018 (doi:10.1038/s41598-018-24330-1) with the networks of Ledig et al. 2017:
    sub-images of XY planes are made coarser along y or x, as the volume is along z; the generator
    learns to undo it and is applied to XZ and to YZ planes. The mean of both is the restored
    volume, half their absolute difference its disagreement. The content loss is pixel-wise (Ledig
    also has one of VGG features, whose weights cannot be had here).
    """

    Settings = SrganSettings
    axial = True
    logged_losses = ("content", "adversarial", "discriminator", "real", "fake")

    def build(self) -> Networks:
        """Build generator and discriminator."""
        from acuity.methods.networks.srgan import Discriminator, Generator

        s = self.settings
        degradation(self.task, self.name())
        if self.side < 2 * self.scale[0]:
            raise AcuityError(
                f"settings of {self.name()}, key train.patch: found {s.train.patch}; sub-images "
                f"must hold two blocks of the factor {self.scale[0]} or more"
            )
        options = s.pick("features", "blocks", "kernels", "skip")
        generator = Generator(self.scale[0], offset=self.task.offset[0], **options)
        if not s.adversarial:
            return {self.restorer: generator}
        judge = Discriminator(self.side, features=s.discriminator, dense=s.dense)
        return {self.restorer: generator, "discriminator": judge}

    def losses(self, network: str, networks: Networks, batch: Tensors) -> Tensors:
        """Return binary cross entropies (discriminator), or content and adversarial loss (generator)."""
        import torch
        from torch.nn.functional import softplus

        from acuity.methods.networks.losses import masked_loss

        generator = networks[self.restorer]
        if network == "discriminator":
            with torch.no_grad():
                restored = generator(batch["low"])
            real = networks[network](batch["target"]).float()
            fake = networks[network](restored).float()
            # -log D(real) - log(1 - D(fake))
            loss = softplus(-real).mean() + softplus(fake).mean()
            return {"loss": loss, "real": real.sigmoid().mean(), "fake": fake.sigmoid().mean()}
        restored = generator(batch["low"])
        kind = self.settings.train.loss
        content = masked_loss(restored.float(), batch["target"], batch["mask"], kind)
        # A validation judges the content alone: the discriminator's opinion moves.
        judged = generator.training and self.step >= self.settings.pretrain
        if not (self.settings.adversarial and judged):
            return {"loss": content, "content": content}
        verdict = networks["discriminator"](restored).float()
        adversarial = softplus(-verdict).mean()  # -log D(restored)
        return {
            "loss": content + self.settings.adversarial * adversarial,
            "content": content,
            "adversarial": adversarial,
        }


METHOD = Srgan

"""The GAN of de Haan et al. 2019 for pairs of SEM images of one field at two magnifications."""

import csv
from os import PathLike
from typing import Any

from pydantic import model_validator

from acuity.errors import require
from acuity.methods.base import ImageMethod, ImageTrainSettings, LearnedSettings, PredictSettings
from acuity.methods.networks.adversarial import AdversarialMethod
from acuity.methods.networks.aliases import Networks, Tensors
from acuity.seals import read_sealed
from acuity.settings import setting

MEMORY = 0.99  # of the running means that the weights follow


class SemGanSettings(LearnedSettings):
    """Settings of the SEM GAN; the defaults are the paper's where it gives them."""

    features: int = setting(
        32, "Channels of the generator at full resolution; doubled at each pooling", "1", ge=1
    )
    pools: int = setting(4, "Poolings of the generator by two", "1", ge=1, le=6)
    discriminator: int = setting(
        32, "Channels of the discriminator's first convolution; doubled by each block", "1", ge=1
    )
    discriminator_blocks: int = setting(5, "Blocks of the discriminator", "1", ge=1, le=6)
    dense: int = setting(512, "Units of the discriminator's first dense layer", "1", ge=1)
    skip: bool = setting(
        False,
        "The interpolated input is added to the output: not the paper's form, a variant for small "
        "and short training",
    )
    shares: tuple[float, float, float] = setting(
        (0.84, 0.14, 0.02),
        "Shares of adversarial loss, L1 and total variation in the generator's loss; alpha and beta "
        "follow from them where they are not given",
        "1",
    )
    alpha: float | None = setting(
        None,
        "Weight of the L1 loss beside the adversarial one; none: such that running means of the "
        "terms have the shares",
        "1",
        ge=0,
    )
    beta: float | None = setting(
        None,
        "Weight of the total variation, a sum over a patch, beside the adversarial loss; none: as "
        "for alpha",
        "1",
        ge=0,
    )
    adversarial: bool = setting(
        True,
        "Learn with a discriminator; without it a variant whose loss is L1 and total variation in "
        "the ratio of their shares, or with the weights alpha and beta",
    )
    pretrain: int = setting(
        0, "Updates at the start by L1 alone, without discriminator; the paper has none", "1", ge=0
    )
    prepare: int = setting(
        0,
        "Updates at the end of the pretraining in which the discriminator learns too, in each of them, "
        "so that it knows restored images before it is listened to; the paper has none",
        "1",
        ge=0,
    )
    generator_rate: float | None = setting(
        None,
        "Learning rate of the generator while the discriminator learns too; none: that of train, with "
        "its schedule",
        "1",
        gt=0,
    )
    discriminator_rate: float | None = setting(
        None,
        "Learning rate of the discriminator; none: that of train, with its schedule",
        "1",
        gt=0,
    )
    every: int = setting(4, "Updates of the generator for one of the discriminator", "1", ge=1)
    train: ImageTrainSettings = ImageTrainSettings.preset(
        "How the networks are trained",
        steps=48_000,
        batch=8,
        learning_rate=1e-4,
        loss="l1",
        keep="last",
        validate_every=1000,
        validation_patches=64,
    )
    predict: PredictSettings = PredictSettings.preset(
        "How images are restored", tile=(1, 1024, 1024)
    )

    @model_validator(mode="after")
    def _sound(self):
        if min(self.shares) < 0 or self.shares[0] <= 0 or self.shares[1] <= 0:
            raise ValueError(
                "shares must not be negative, and those of the adversarial and the L1 loss must "
                f"exceed 0; found {self.shares}"
            )
        if self.prepare > self.pretrain:
            raise ValueError(
                f"prepare must not exceed pretrain, {self.pretrain}; found {self.prepare}"
            )
        side, least = min(self.train.patch[1:]), 2**self.discriminator_blocks
        if self.adversarial and side < least:
            raise ValueError(
                f"train.patch must be at least {least} wide for {self.discriminator_blocks} blocks "
                f"of the discriminator; found {self.train.patch}"
            )
        return self


class SemGan(AdversarialMethod, ImageMethod):
    """U-Net generator and VGG-like discriminator with a least-squares adversarial loss.

    After de Haan et al. 2019 (doi:10.1038/s41598-019-48444-2). The input comes to the target's
    grid by Lanczos interpolation. The generator minimises alpha L1 + beta TV + (1 - D(G(x)))^2
    (equation 1), the discriminator D(G(x))^2 + (1 - D(z))^2 (equation 4), in every fourth step.
    Channels, depth, batch and learning rate are not in the paper's text; see docs/methods_sem.md.

    Outside of a mask the discriminator sees zero, which is the image's mean, in both images.
    """

    Settings = SemGanSettings
    interpolation = "lanczos"
    logged_losses = ("adversarial", "l1", "tv", "alpha", "beta", "discriminator", "real", "fake")

    def build(self) -> Networks:
        """Build generator and discriminator."""
        from acuity.methods.networks.sem_gan import Discriminator, Generator

        s = self.settings
        generator = Generator(**s.pick("features", "pools", "skip"))
        if not s.adversarial:
            return {self.restorer: generator}
        judge = Discriminator(
            features=s.discriminator, blocks=s.discriminator_blocks, dense=s.dense
        )
        return {self.restorer: generator, "discriminator": judge}

    def rate(self, network: str, step: int, scheduled: float) -> float:
        """Return the discriminator's own rate, or the generator's once there is a discriminator."""
        s = self.settings
        if network == "discriminator":
            return s.discriminator_rate or scheduled
        return (s.generator_rate if step >= s.pretrain - s.prepare else None) or scheduled

    def losses(self, network: str, networks: Networks, batch: Tensors) -> Tensors:
        """Return least squares (discriminator), or the three terms of the generator and their shares."""
        import torch

        from acuity.methods.networks.losses import masked_loss, variation

        generator = networks[self.restorer]
        mask = batch["mask"]
        if network == "discriminator":
            with torch.no_grad():
                restored = generator(batch["low"]).float()
            fake = networks[network](restored * mask).float()
            real = networks[network](batch["target"] * mask).float()
            loss = (fake**2).mean() + ((1 - real) ** 2).mean()
            return {"loss": loss, "real": real.mean(), "fake": fake.mean()}
        restored = generator(batch["low"]).float()
        l1 = masked_loss(restored, batch["target"], mask, self.settings.train.loss)
        # A validation judges the content alone: the discriminator's opinion moves.
        if not generator.training or self.step < self.settings.pretrain:
            return {"loss": l1}
        tv = variation(restored, mask) / len(restored)
        if self.settings.adversarial:
            adversarial = ((1 - networks["discriminator"](restored * mask).float()) ** 2).mean()
        else:
            adversarial = torch.zeros_like(l1)
        alpha, beta = self._weights(networks, (adversarial, l1, tv))
        loss = adversarial + alpha * l1 + beta * tv
        total = loss.detach().clamp(min=1e-30)
        return {
            "loss": loss,
            "adversarial": adversarial.detach() / total,
            "l1": alpha * l1.detach() / total,
            "tv": beta * tv.detach() / total,
            "alpha": torch.as_tensor(alpha, dtype=torch.float32),
            "beta": torch.as_tensor(beta, dtype=torch.float32),
        }

    def _weights(self, networks, terms):
        """Return the weights of L1 and variation: as they are given, or such that the shares come out."""
        s = self.settings
        alpha, beta = s.alpha, s.beta
        if alpha is not None and beta is not None:
            return alpha, beta
        if s.adversarial:
            adversarial, l1, tv = networks["discriminator"].follow(terms, MEMORY).tolist()
            first = adversarial / s.shares[0]
        else:
            l1, tv = (float(term.detach()) for term in terms[1:])
            first = l1 / s.shares[1]
        alpha = s.shares[1] * first / max(l1, 1e-12) if alpha is None else alpha
        beta = s.shares[2] * first / max(tv, 1e-12) if beta is None else beta
        return alpha, beta


def calibration(
    history: str | PathLike,
    shares: tuple[float, float, float] = (0.84, 0.14, 0.02),
    *,
    last: float = 0.5,
) -> dict[str, Any]:
    """Read from a history what the shares came to, and the fixed weights that would give others.

    A study that wants alpha and beta fixed, as the paper has them, trains once without them and
    takes those that this gives.

    Parameters
    ----------
    history : path
        Table of a training.
    shares : tuple of float
        Shares wanted of adversarial loss, L1 and total variation.
    last : float
        Share of the training, at its end, that counts.

    Returns
    -------
    dict
        ``shares``: those of the mean terms in the mean loss; ``alpha`` and ``beta``.
    """
    text = read_sealed(history).decode()
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    rows = [row for row in rows if row["split"] == "train" and row["adversarial"]]
    rows = rows[int(len(rows) * (1 - last)) :]
    names = ("adversarial", "l1", "tv")
    require(len(rows) > 0, f"{history}: found no step with an adversarial loss; it needs one")
    weighted = {name: sum(float(row["loss"]) * float(row[name]) for row in rows) for name in names}
    terms = {
        name: sum(float(row["loss"]) * float(row[name]) / float(row[weight]) for row in rows)
        for name, weight in (("l1", "alpha"), ("tv", "beta"))
        if all(float(row[weight]) > 0 for row in rows)
    }
    first = weighted["adversarial"] / shares[0]
    return {
        "shares": tuple(weighted[name] / sum(weighted.values()) for name in names),
        "alpha": shares[1] * first / terms["l1"] if "l1" in terms else None,
        "beta": shares[2] * first / terms["tv"] if "tv" in terms else None,
    }


METHOD = SemGan

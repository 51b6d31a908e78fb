"""How images are degraded at random: the settings of `acuity.degrade.images`."""

from typing import Literal

from pydantic import field_validator

from acuity.settings import Section, setting


class StepProbabilities(Section):
    """How often each step of the random degradation is taken."""

    blur: float = setting(0.8, "Gaussian blur", "1", ge=0, le=1)
    rescale: float = setting(0.5, "Scaling down, or up, and back", "1", ge=0, le=1)
    gaussian: float = setting(0.8, "Gaussian noise", "1", ge=0, le=1)
    poisson: float = setting(0.5, "Poisson noise", "1", ge=0, le=1)


class RandomDegradation(Section):
    """Strengths that images are degraded with, drawn for each image, or patch, anew (SEMNet)."""

    noise_sd: tuple[float, float] = setting(
        (2.0, 25.0), "Standard deviation of the Gaussian noise, from and to", "of 255"
    )
    photons: tuple[float, float] = setting(
        (1e2, 1e4), "Mean count of the Poisson noise at the greatest intensity, from and to", "1"
    )
    blur: tuple[float, float] = setting(
        (0.2, 2.0), "Standard deviation of the Gaussian blur, from and to", "pixel"
    )
    rescale: tuple[float, float] = setting(
        (0.5, 2.0), "Factor of the size to which an image is brought, and back, from and to", "1"
    )
    probability: StepProbabilities = setting(StepProbabilities(), "How often each step is taken")
    reduction: Literal["average", "bicubic", "random"] = setting(
        "average", "How blocks of pixels become one"
    )
    reduce_last: bool = setting(True, "Whether that comes last, or anywhere in the order")

    @field_validator("noise_sd", "photons", "blur", "rescale")
    @classmethod
    def _rising(cls, value):
        if not 0 <= value[0] <= value[1]:
            raise ValueError(f"found {list(value)}; allowed are two numbers, the smaller first")
        return value

"""The degrade section: how an imported volume is made worse."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from acuity.degrade.settings import RandomDegradation
from acuity.settings import Section, setting

_Factor = Annotated[int, Field(ge=1, le=16)]


class Degrade(Section):
    """How an imported volume is made worse: in all directions, or along z alone.

    ``blur``: blur, down-sampling, noise, in this order; a study's level is the standard deviation of
    the 3D Gaussian, in voxels of the imported volume. ``decimate`` keeps one slice of every n,
    ``average`` averages n; the level is n. ``random``, for images: blur, noise, down- and up-scaling
    in random order and strength, then pixels n times as large; the level is n.
    """

    mode: Literal["blur", "decimate", "average", "random"] = setting(
        "blur",
        "Blur the volume, keep one slice of every n, average every n slices, or make images worse "
        "at random",
    )
    downsample: tuple[_Factor, _Factor, _Factor] = setting(
        (1, 1, 1), "Whole factors of block averaging along z, y, x", "voxel"
    )
    photons: float | None = setting(
        None,
        "Poisson noise: photons a voxel at the volume's 99.9th percentile; none: no Poisson noise",
        "1",
        gt=0,
    )
    noise: float = setting(
        0.0,
        "Gaussian noise: standard deviation as a fraction of the volume's range",
        "1",
        ge=0,
        le=1,
    )

    random: RandomDegradation = setting(
        RandomDegradation(), "Mode random: how strong each step may be, and how often"
    )

    @field_validator("downsample", mode="before")
    @classmethod
    def _one_for_all(cls, value: Any) -> Any:
        return (value,) * 3 if isinstance(value, int) else value

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        if self.mode != "random" and self.random != RandomDegradation():
            raise ValueError(f"random belongs to mode random; found mode {self.mode}")
        if self.mode != "blur" and (self.downsample != (1, 1, 1) or self.photons or self.noise):
            raise ValueError(
                f"mode {self.mode} has no downsample, photons and noise; they belong to mode blur"
            )
        return self

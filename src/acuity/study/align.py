"""The align section: how the slices of a stack are brought into line."""

from typing import Self

from pydantic import model_validator

from acuity.align.settings import AlignSettings, Perturb
from acuity.settings import setting
from acuity.study.messages import short


class Align(AlignSettings):
    """How the slices of a stack are brought into line."""

    crop: bool = setting(
        True,
        "Crop the aligned volume to the rectangle that every slice reaches; false: keep the whole "
        "field, with 0 where a slice does not reach",
    )
    disturb: Perturb | None = setting(
        None, "Put known shifts and faults in and check the alignment against them"
    )

    @model_validator(mode="after")
    def _region_belongs_to_mode(self) -> Self:
        if (self.mode == "template_roi") != (self.roi is not None):
            raise ValueError(
                f"mode {self.mode} with roi {short(self.roi)}: template_roi needs a roi and no other mode has one"
            )
        if self.bridge < self.neighbours:
            raise ValueError(
                f"bridge {self.bridge} is less than neighbours ({self.neighbours}); it must reach as far or farther"
            )
        return self

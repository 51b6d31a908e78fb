"""What of the samples without truth is restored, and how it is kept."""

from typing import Any, Literal

from pydantic import field_validator

from acuity.methods.base import Section, setting
from acuity.region import FORM, is_region
from acuity.study.messages import short

WHOLE = "whole"


class Restore(Section):
    """Samples with the role restore."""

    region: str = setting(
        WHOLE,
        "Part that is restored, as z0:z1,y0:y1,x0:x1 in voxels of the low-resolution volume as it was "
        "read; whole: all of it",
        "voxel",
        max_length=200,
    )
    dtype: Literal["float32", "uint8", "uint16"] | None = setting(
        None,
        "Type of the restored volume; whole numbers are rounded and clipped, and only for an input of "
        "whole numbers; default: float32, of images the input's own",
    )

    @field_validator("region")
    @classmethod
    def _region(cls, value: str) -> str:
        if value != WHOLE and not is_region(value):
            raise ValueError(f"{short(value)} is neither {WHOLE} nor of the form {FORM}")
        return value

    @property
    def part(self) -> str | None:
        """The region, None where that is all."""
        return None if self.region == WHOLE else self.region

    def of_jobs(self) -> dict[str, Any]:
        """What jobs are told that differs from all of it, and from the kind's own type."""
        asked = {"region": self.part, "dtype": self.dtype}
        return {key: value for key, value in asked.items() if value is not None}

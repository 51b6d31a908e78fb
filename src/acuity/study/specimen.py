"""The specimen section: what a simulated electron microscope scans, and how."""

from typing import Literal

from pydantic import field_validator

from acuity.methods.base import Section, setting
from acuity.study.lengths import check_length
from acuity.units import parse_length


class Specimen(Section):
    """Specimens scanned twice by a simulated electron microscope: pairs of images, known warp."""

    kind: Literal["gold", "hydrogel"] = setting(
        "gold", "Gold nanoparticles on carbon, or a porous network that the beam damages"
    )
    size: tuple[int, int] | None = setting(
        None,
        "Size (y, x) of the high-resolution image; none: 780 x 924 (gold), 418 x 492 (hydrogel)",
        "pixel",
    )
    pixel_size: str | None = setting(
        None,
        "Pixel of the high-resolution image; none: 7.1 nm (gold), 28.4 nm (hydrogel)",
        "in the value",
    )
    margin: float = setting(
        0.1,
        "How far the low-resolution field reaches beyond the high one, as a share of it; 0.5 is the "
        "same number of pixels at half the magnification",
        "1",
        ge=0.02,
        le=1,
    )
    spot: float | None = setting(
        None, "Full width at half maximum of the beam's spot; none: by kind", "nm", gt=0
    )
    dwell: float | None = setting(
        None, "Time for a pixel; none: 30 us (gold), 10 us (hydrogel)", "us", gt=0
    )
    rotation: float = setting(
        0.6, "Greatest rotation of the low scan against the high one", "degree", ge=0, le=5
    )
    elastic: float = setting(
        3.0, "Greatest relative distortion of the two scans", "high-resolution pixel", ge=0, le=10
    )

    @field_validator("pixel_size")
    @classmethod
    def _length(cls, value):
        return value if value is None else check_length(value, parse_length)

    @field_validator("size")
    @classmethod
    def _large_enough(cls, value):
        if value is not None and not 64 <= min(value) <= max(value) <= 8192:
            raise ValueError(f"found {list(value)}; allowed are two sides from 64 to 8192 pixels")
        return value

"""The specimen section: what a simulated electron microscope scans, and how."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import field_validator

from acuity.settings import Section, setting
from acuity.simulate.specimens.base import Scanning, known
from acuity.study.lengths import Length

KINDS = known()
_TITLES = ", or ".join(kind.title for kind in KINDS.values())


def _by_kind(words: Callable[[Any], str]) -> str:
    """Return what each kind has where a study states nothing."""
    return ", ".join(f"{words(kind)} ({name})" for name, kind in KINDS.items())


class Specimen(Section):
    """Specimens scanned twice by a simulated electron microscope: pairs of images, known warp."""

    kind: Literal[*KINDS] = setting(  # type: ignore[valid-type]
        "gold", _TITLES[0].upper() + _TITLES[1:]
    )
    size: tuple[int, int] | None = setting(
        None,
        "Size (y, x) of the high-resolution image; none: "
        + _by_kind(lambda kind: "{} x {}".format(*kind.shape)),
        "pixel",
    )
    pixel_size: Length | None = setting(
        None,
        "Pixel of the high-resolution image; none: "
        + _by_kind(lambda kind: f"{kind.pixel_size:g} nm"),
        "in the value",
    )
    margin: float = setting(
        Scanning.margin,
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
        None,
        "Time for a pixel; none: " + _by_kind(lambda kind: f"{kind.dwell:g} us"),
        "us",
        gt=0,
    )
    rotation: float = setting(
        Scanning.rotation,
        "Greatest rotation of the low scan against the high one",
        "degree",
        ge=0,
        le=5,
    )
    elastic: float = setting(
        Scanning.elastic,
        "Greatest relative distortion of the two scans",
        "high-resolution pixel",
        ge=0,
        le=10,
    )

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels of the high-resolution image along y, x."""
        return self.size or KINDS[self.kind].shape

    @field_validator("size")
    @classmethod
    def _large_enough(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not 64 <= min(value) <= max(value) <= 8192:
            raise ValueError(f"found {list(value)}; allowed are two sides from 64 to 8192 pixels")
        return value

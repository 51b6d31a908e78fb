"""Settings of the registration of two volumes."""

from dataclasses import dataclass
from typing import Literal

from acuity.errors import require

TRANSFORMS = ("rigid", "similarity", "affine")
TURNS = ("small", "auto", "any")
FIELDS = ("auto", "box", "cylinder")


@dataclass(frozen=True)
class VolumeSettings:
    """How two volumes of one object, at two magnifications, are registered.

    Attributes
    ----------
    transform : {"similarity", "rigid", "affine"}
        What the map may do. A rigid one has the scale that is stated.
    turns : {"auto", "small", "any"}
        Turns about z that are searched: up to 5 degrees either way, all, or all where the small
        ones give nothing.
    field : {"auto", "box", "cylinder"}
        Where a volume was measured: everywhere, in the cylinder along z that its slices hold, or
        there where all beyond it has one grey value.
    least_agreeing : float
        Share of the blocks that must lie within half a low voxel, 0 to 1.
    least_correlation : float
        Band-passed correlation that is needed, 0 to 1.
    least_inside : float
        Share of the high field that must lie in the low one, 0 to 1.
    max_scale_error : float
        Share by which the scale may differ from the stated one before the pair is refused.
    elastic : bool
        Bend the map with a B-spline where the residuals of the blocks show a pattern.
    """

    transform: Literal["similarity", "rigid", "affine"] = "similarity"
    turns: Literal["auto", "small", "any"] = "auto"
    field: Literal["auto", "box", "cylinder"] = "auto"
    least_agreeing: float = 0.5
    least_correlation: float = 0.4
    least_inside: float = 0.25
    max_scale_error: float = 0.1
    elastic: bool = True

    def __post_init__(self) -> None:
        """Refuse what is not allowed."""
        for key, words in (("transform", TRANSFORMS), ("turns", TURNS), ("field", FIELDS)):
            value = getattr(self, key)
            require(value in words, f"pair: {key} is {value!r}; allowed are {', '.join(words)}.")
        for key in ("least_agreeing", "least_correlation", "least_inside", "max_scale_error"):
            value = getattr(self, key)
            require(0 < value < 1, f"pair: {key} is {value}; above 0 and below 1 is allowed.")

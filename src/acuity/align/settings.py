"""How the slices of a stack are brought into line: the settings of `acuity.align`."""

from typing import Literal

from acuity.settings import Section, setting


class Perturb(Section):
    """Shifts, noise and bad slices put into a stack, to check its alignment against them."""

    drift: tuple[float, float] = setting(
        (0.0, 0.0), "Displacement (y, x) of the last slice against the first", "voxel"
    )
    jitter: float = setting(
        0.0, "Standard deviation of each slice's own displacement", "voxel", ge=0
    )
    jumps: dict[int, tuple[float, float]] = setting(
        {}, "Slice: displacement (y, x) of it and all behind it", "voxel"
    )
    faults: dict[
        Literal["blank", "duplicate", "swapped", "inverted", "saturated", "noisy"],
        tuple[int, ...],
    ] = setting({}, "Kind of fault: the slices that get it", "slice")
    noise: float = setting(
        0.0, "White noise on all slices, in standard deviations of a slice", "1", ge=0
    )
    curtains: float = setting(
        0.0, "Static vertical streaks, in standard deviations of a slice", "1", ge=0
    )


class AlignSettings(Section):
    """How the slices of a stack are brought into line."""

    mode: Literal["jitter", "full", "detrend_linear", "template_roi"] = setting(
        "jitter",
        "What of the path is removed: its fast part, all, all but a straight drift, or what a region "
        "that stands still in truth shows; see docs/alignment.md for what each claims",
    )
    neighbours: int = setting(
        3, "Slices behind each one that it is compared with", "slice", ge=1, le=10
    )
    bridge: int = setting(5, "The same across faulty slices", "slice", ge=1, le=50)
    smooth: float = setting(15.0, "Mode jitter: length of the trend that stays", "slice", gt=0)
    roi: str | None = setting(
        None, "Mode template_roi: the region that stands still, as y0:y1,x0:x1", "voxel"
    )
    most_flagged: float = setting(
        0.2, "Largest share of faulty slices, from 20 slices up", "1", ge=0, le=1
    )

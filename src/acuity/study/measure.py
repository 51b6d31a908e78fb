"""The measure section: what is measured, and over which classes."""

from itertools import pairwise
from typing import Literal

from pydantic import field_validator

from acuity.methods.base import Section, setting


class Gaps(Section):
    """Gaps between neighbouring particles, to the letter of de Haan et al. 2019."""

    baseline: Literal["background", "zero"] = setting(
        "background",
        "What intensities are counted from: the image's background, since a microscope sets "
        "brightness and contrast by itself, or grey value 0",
    )
    exists: float = setting(
        0.6,
        "A gap is there where the intensity falls below this share of the peak",
        "1",
        gt=0,
        lt=1,
    )
    level: float = setting(
        0.8,
        "Its width is taken where the intensity drops below this share of the peak",
        "1",
        gt=0,
        lt=1,
    )
    longest: float = setting(40.0, "Longest distance of two particles", "nm", gt=0)
    depth: float = setting(20.0, "How far inside a particle its peak is looked for", "nm", gt=0)
    line_width: float = setting(1.0, "Width of the line that is read", "pixel", ge=0)
    chosen: int = setting(300, "Gaps drawn at random from each image, as in the paper", "1", ge=0)


class Measure(Section):
    """What is measured, and over which classes."""

    size_bin: float | None = setting(
        None,
        "Bin width of the size histogram (equivalent diameter); none: five voxels of the target",
        "of voxel_size",
        gt=0,
    )
    size_classes: tuple[float, ...] | None = setting(
        None,
        "Edges of the size classes of found and missed pores (equivalent diameter of the truth); "
        "none: 0, 5, 7, 10, 15, 20, 30, 50, 70, 100 and so on up to 10,000 voxels of the target",
        "of voxel_size",
    )
    data_range: float | None = setting(
        None,
        "Data range of PSNR and SSIM; none: the truth's solid minus its pores (foam), 255 or 65535 (8- and 16-bit images)",
        "intensity",
        gt=0,
    )
    pore_space: bool = setting(
        True, "Local thickness, chord lengths and two-point correlation as well"
    )
    binary_threshold: float | None = setting(
        90.0,
        "Volumes degraded along z: grey value of the 8-bit image above which a voxel is 1; none: no "
        "binary errors",
        "of 255",
        ge=0,
        lt=255,
    )
    volume_fraction: float | None = setting(
        None,
        "Volumes degraded along z: take the threshold that leaves this share of the truth above it",
        "1",
        gt=0,
        lt=1,
    )
    scattering: bool = setting(
        True, "Volumes degraded along z: scattering functions, to compare with small-angle X-rays"
    )
    pixelwise: bool = setting(
        True,
        "Images: compare grey values pixel by pixel (PSNR, SSIM); false where low and high resolution "
        "differ in contrast",
    )
    spectrum: bool = setting(True, "Images: spatial frequencies beside those of the truth")
    edges: bool = setting(True, "Images: spread of the edges that the truth has")
    gaps: Gaps | None = setting(None, "Images of particles: the gaps between neighbours")

    @field_validator("size_classes")
    @classmethod
    def _rising(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (len(value) < 2 or any(a >= b for a, b in pairwise(value))):
            raise ValueError("edges must rise and be at least two")
        return value

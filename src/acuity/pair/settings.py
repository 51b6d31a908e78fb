"""The pair section of a study: how two images of one field are registered."""

from typing import Literal

from acuity.settings import Section, setting


class PairSettings(Section):
    """How two images of one field, at two magnifications, are registered (de Haan et al. 2019).

    The high-resolution image is resampled, once, onto the pixels of the low one divided by the
    level; the low one is never resampled.
    """

    patch: int = setting(
        128, "Side of the patches that are accepted or rejected", "pixel of the fine grid", ge=32
    )
    max_residual: float = setting(
        0.5, "Patches that are displaced by more are rejected", "pixel of the fine grid", gt=0
    )
    min_ncc: float = setting(
        0.3, "Patches with a smaller band-passed correlation are rejected", "1", ge=0, lt=1
    )
    least_accepted: float = setting(
        0.5, "Share of the patches that must be accepted", "1", gt=0, le=1
    )
    max_scale_error: float = setting(
        0.02, "Largest share by which found and stated scale may differ", "1", gt=0, le=0.2
    )
    max_rotation: float = setting(
        5.0, "Rotation up to which is looked for, either way", "degree", ge=0, le=20
    )
    max_saturated: float = setting(
        0.2, "Largest share of pixels at the image's greatest value", "1", gt=0, le=1
    )
    blocks: int = setting(
        5, "Blocks along the shorter side at the first level of the elastic registration", "1", ge=2
    )
    smallest_block: int = setting(
        64, "Side of the blocks at its last level", "pixel of the fine grid", ge=16
    )
    update: float = setting(
        0.05,
        "A level ends when its blocks move by less (root mean square)",
        "pixel of the fine grid",
        gt=0,
    )
    smoothness: float = setting(
        0.1, "Weight of the bending energy of the displacement; larger is smoother", "1", ge=0
    )


class VolumePairSettings(Section):
    """How two volumes of one object, at two magnifications, are brought onto grids that fit.

    The high volume is resampled, once, onto the voxels of the low one divided by the level; the low one
    is never resampled.
    """

    transform: Literal["similarity", "rigid", "affine"] = setting(
        "similarity",
        "Pairs of volumes: what the map between them may do; a rigid one has the scale that is stated",
    )
    turns: Literal["auto", "small", "any"] = setting(
        "auto",
        "Pairs of volumes: turns about z that are searched, up to 5 degrees either way, all, or all where "
        "the small ones give nothing",
    )
    field: Literal["auto", "box", "cylinder"] = setting(
        "auto",
        "Pairs of volumes: what a scan has recorded, all of its box or the cylinder of a cone-beam scan; "
        "auto: the cylinder where all beyond it has one grey value",
    )
    least_agreeing: float = setting(
        0.5,
        "Pairs of volumes: share of the blocks that must lie within half a low voxel",
        "1",
        gt=0,
        lt=1,
    )
    least_correlation: float = setting(
        0.4, "Pairs of volumes: band-passed correlation that is needed", "1", gt=0, lt=1
    )
    least_inside: float = setting(
        0.25,
        "Pairs of volumes: share of the high field that must lie in the low one",
        "1",
        gt=0,
        lt=1,
    )
    elastic: bool = setting(
        True,
        "Pairs of volumes: bend the map with a B-spline where the residuals of the blocks show a pattern",
    )
    margin: float = setting(
        1.0,
        "Pairs of volumes: what of the high scan's field is left out at its border",
        "voxel of the low volume",
        ge=0,
        le=100,
    )
    max_scale_error: float = setting(
        0.1, "Share by which found and stated scale of volumes may differ", "1", gt=0, le=0.2
    )

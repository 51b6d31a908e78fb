"""The segment section: how objects are found."""

from typing import Literal

from acuity.segment.blocks import SMALLEST, Blocks
from acuity.settings import Section, setting
from acuity.study.lengths import Length


class Segment(Section):
    """The automatic route of segmentation: threshold, closing, separation, labels."""

    objects: Literal["dark", "bright"] = setting(
        "dark", "Whether the objects (pores, grains) are darker or brighter than the rest"
    )
    threshold: Literal["otsu"] | float = setting(
        "otsu", "Otsu's threshold of each image, or one value for all", "intensity"
    )
    closing: int = setting(
        Blocks.closing,
        "Radius of the closing that fills small holes in the objects; 0: none",
        "voxel",
        ge=0,
        le=10,
    )
    separation: float = setting(
        Blocks.separation,
        "Depth of a neck, in the distance map, that separates two objects; 0: no separation",
        "voxel",
        ge=0,
        le=20,
    )
    smallest: int = setting(SMALLEST, "Objects of fewer voxels are dropped", "voxel", ge=1)
    largest_radius: Length | None = setting(
        None,
        "Half the length of the longest object, as '20 um': blocks overlap by four times as much, "
        "so that up to it their separation is that of the whole volume; longer ones are counted "
        "and named. By default 24 voxels",
        "in the value",
    )
    block: int = setting(
        Blocks.block,
        "Side of the blocks in which objects are sought, without their overlap; a volume that is "
        "hardly longer is one block",
        "voxel",
        ge=16,
        le=4096,
    )

"""Automatic segmentation of pores: threshold, closing, separation, labels.

The route of Bukka et al. 2025 (section 2.5): automatic threshold, small holes filled by a
closing, merged objects separated, labels for analysis; optional non-local means beforehand
(`acuity.segment.nlm.smooth`).

It goes twice over the volume, block by block: `find_objects` writes numbers that each block has
given, several jobs may fill that volume; `number_objects` makes labels of them.
"""

import logging
import math

import numpy as np

from acuity.assumptions import Assumes
from acuity.errors import AcuityError, require
from acuity.field_of_view import cylinder, values_inside
from acuity.segment.blocks import SMALLEST
from acuity.segment.objects import Objects
from acuity.slabs import open_writer
from acuity.threshold import otsu_inside
from acuity.volume import VolumeWriter, open_volume, remove_store, store_path

logger = logging.getLogger("acuity.segment")

ASSUMES = Assumes(
    single="Otsu's threshold follows them, unless the others have two clear phases; "
    "segment.threshold states one",
    cubes="the ball of the closing is as many voxels wide along every axis",
)


def choose_threshold(data, threshold="otsu", mask_radius=None):
    """Check a volume and give the grey value between objects and the rest; read slab by slab.

    Parameters
    ----------
    data : array
        (z, y, x), in memory or read part by part.
    threshold : "otsu" or float
        Otsu's threshold of the voxels in the mask, or a grey value.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample; None for the whole volume.

    Returns
    -------
    float

    Raises
    ------
    AcuityError
        If the threshold is none of those allowed, no voxel lies in the mask, one is not finite,
        or all are the same.
    """
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if threshold != "otsu" and not number:
        raise AcuityError(f"segment: threshold is {threshold!r}; allowed are 'otsu' or a number")
    if not cylinder(data.shape, mask_radius).any():
        raise AcuityError(f"segment: no voxel lies in the mask of radius {mask_radius}")
    low, high = math.inf, -math.inf
    for values in values_inside(data, mask_radius):
        # NaN, where there is one, stays
        low, high = np.minimum(low, values.min()), np.maximum(high, values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise AcuityError("segment: the volume holds NaN or infinite voxels")
    require(high > low, f"segment: every voxel is {low:g}; a constant volume has no objects")
    return float(threshold) if number else otsu_inside(data, mask_radius)


def stated_threshold(volume, threshold="otsu"):
    """Return the threshold of a volume, where a step before has fixed one elsewhere.

    An image of a pair is judged by the threshold of the part that was learned from
    (`acuity.pair.judge`); what the study states goes before it.

    Parameters
    ----------
    volume : acuity.volume.Volume
    threshold : "otsu" or float
        What the study states.

    Returns
    -------
    "otsu" or float
    """
    fixed = [step["threshold"] for step in volume.provenance if step.get("step") == "judge"]
    return fixed[-1] if fixed and threshold == "otsu" else threshold


def find_objects(volume, output, *, part=None, threshold="otsu", **settings):
    """Find the objects of a volume block by block and write the blocks' own numbers.

    Memory is that of a block with what is seen around it, about 24 bytes a voxel.

    Parameters
    ----------
    volume : acuity.volume.Volume
        The grey-level volume (z, y, x).
    output : path
        Numbers of objects, ``X.ome.zarr``: uint32, counted in each block anew.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.
    threshold : "otsu" or float
        Otsu's threshold of the voxels in the mask, or a grey value; see also `stated_threshold`.
    **settings
        Those of `acuity.segment.objects.Objects`.

    Returns
    -------
    dict
        threshold, and blocks: their tables (`Objects.find`) by number. It is noted for the job
        that joins slabs.

    Raises
    ------
    AcuityError
        For a constant volume, NaN, an empty mask, or an unknown setting.
    """
    plan = Objects(volume.grid, **settings)
    threshold = stated_threshold(volume, threshold)
    if plan.objects not in ("dark", "bright"):
        raise AcuityError(f"segment: objects is {plan.objects!r}; allowed are 'dark' and 'bright'")
    keys = ("objects", "closing", "separation", "mask_radius", "largest_radius")
    step = {"step": "find_objects", **{key: getattr(plan, key) for key in keys}}
    how = volume.after(step) | {
        "block": plan.size[0],
        "settled": {"input": volume.digest, "threshold": threshold, "size": plan.size},
        "intensity": "object of a block",
    }
    with open_writer(output, volume.grid, np.uint32, part, **how) as writer:
        value = writer.agree(
            "threshold", lambda: choose_threshold(volume.data, threshold, plan.mask_radius)
        )
        tables = {}
        for number, box in plan.boxes(writer.z0, writer.z1):
            numbers, tables[str(number)] = plan.find(volume.data, box, value)
            writer.write_box(box, numbers)
        found = {"threshold": value, "blocks": tables}
        writer.note(**found)
    return found


def number_objects(numbers, found, output, *, smallest=SMALLEST, **settings):
    """Make labels of the numbers that the blocks have given, and write the label volume.

    It streams: memory is that of a row of shards, and of a few numbers an object.

    Parameters
    ----------
    numbers : acuity.volume.Volume
        What `find_objects` has written.
    found : list of dict
        What it has returned, of each part.
    output : path
        The label volume, ``X.ome.zarr``: uint32, 1 to n by first voxel in the order z, y, x; 0 for
        background.
    smallest : int
        Objects of fewer voxels are dropped.
    **settings
        Those of `find_objects`, the same.

    Returns
    -------
    dict
        threshold (grey value); objects, objects_before_separation and objects_beyond_radius
        (counts, the last of objects longer than the largest diameter where there are several
        blocks: they may be cut at their borders, and are named in the log); fraction (of the mask
        that is object, before small ones are dropped).
    """
    settings = {key: value for key, value in settings.items() if key != "threshold"}
    plan = Objects(numbers.grid, **settings)
    tables = {int(number): table for part in found for number, table in part["blocks"].items()}
    threshold = next(part["threshold"] for part in found if part["blocks"])
    lookup, report = plan.join(numbers.data, tables, smallest)
    large = report.pop("large")
    if large:
        more = "" if len(large) <= 20 else f" and {len(large) - 20} more"
        logger.warning(
            "%d objects are longer than twice the largest radius (%s voxels along z, y, x) and may "
            "be cut at the borders of blocks: labels %s%s; state a larger segment.largest_radius",
            len(large),
            " ".join(f"{r:.4g}" for r in plan.radius),
            ", ".join(map(str, large[:20])),
            more,
        )
    *before, step = numbers.provenance
    step = step | {"step": "segment", "threshold": threshold, "smallest": smallest}
    about = {"intensity": "label", "provenance": (*before, step)}
    with VolumeWriter(output, numbers.grid, np.uint32, **about) as writer:
        for box, labels in plan.relabel(numbers.data, lookup, writer.z0, writer.z1):
            writer.write_box(box, labels)
    return {
        "threshold": threshold,
        "objects": report["objects"],
        "objects_before_separation": report["objects_before_separation"],
        "objects_beyond_radius": len(large) if math.prod(plan.count) > 1 else None,
        "fraction": report["fraction"],
    }


def segment(volume, output, *, smallest=SMALLEST, **settings):
    """Segment a volume into labelled objects and write the label volume.

    `find_objects` and `number_objects` in one; the numbers lie beside the labels meanwhile.

    Parameters
    ----------
    volume : acuity.volume.Volume
        The grey-level volume (z, y, x).
    output : path
        The label volume to write, ``X.ome.zarr``.
    smallest : int
        Objects of fewer voxels are dropped.
    **settings
        Those of `find_objects`.

    Returns
    -------
    dict
        See `number_objects`.
    """
    store = store_path(output)
    between = store.with_name(f".{store.name.removesuffix('.ome.zarr')}.numbers.ome.zarr")
    try:
        found = find_objects(volume, between, **settings)
        return number_objects(open_volume(between), [found], output, smallest=smallest, **settings)
    finally:
        remove_store(between)

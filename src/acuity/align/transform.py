"""Apply the transforms of a stack: one resampling of each slice, and where it reaches."""

import hashlib
from pathlib import Path

import numpy as np

from acuity.align.stream import stream
from acuity.errors import AcuityError
from acuity.register.transforms import apply_translation, reach, read_transforms, to_type
from acuity.slabs import open_writer

# Part of the field that a crop must leave.
_LEAST = 0.25


def transform(volume, transforms, output, mask_output, *, crop=False, fill=0, part=None):
    """Bring the slices of a stack into the aligned frame.

    One cubic resampling of each slice (none where its shift is zero), never of one that was
    resampled before: the transforms are those of the whole path. Slices that the alignment flagged
    stay as they are and move with the path interpolated over them. The same transforms fit a
    second detector's stack on the same grid. Memory stays at two rows of shards.

    Parameters
    ----------
    volume : Volume
        The stack as it was recorded, (z, y, x).
    transforms : path-like
        JSON that `align` wrote.
    output : path-like
        The aligned volume, on the same grid (or the part of it that `crop` leaves) and in the same
        type; whole numbers are rounded and clipped to the type's range.
    mask_output : path-like
        The validity mask on the grid of `output`, uint8: 1 where the slice has a value, 0 where
        `fill` stands.
    crop : bool
        Leave only the rectangle that every slice reaches, faulty ones included: nothing behind it
        then meets `fill`. The transforms alone decide it, so that a second detector's stack is
        cropped alike.
    fill : float
        Value outside of a slice.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.

    Returns
    -------
    float
        Share of the voxels that are valid, of those that this job makes.

    Raises
    ------
    AcuityError
        If the transforms are of another number of slices or another voxel size, `fill` does not
        fit the type, or `crop` would leave less than a quarter of the field; nothing is left at the
        outputs then.
    """
    moves = read_transforms(transforms)
    grid, dtype = volume.grid, volume.dtype
    if moves["count"] != grid.shape[0]:
        raise AcuityError(
            f"{transforms}: has {moves['count']} slices, the volume has {grid.shape[0]}; they "
            "must be the same."
        )
    if moves["unit"] != grid.unit or not np.allclose(moves["voxel_size"], grid.spacing):
        raise AcuityError(
            f"{transforms}: was found at the voxel size {moves['voxel_size']} {moves['unit']}, the "
            f"volume has {list(grid.spacing)} {grid.unit}; they must be the same."
        )
    if not np.isfinite(fill) or (dtype.kind != "f" and to_type(np.float64(fill), dtype) != fill):
        raise AcuityError(f"transform: fill is {fill}, allowed are values of the type {dtype}.")
    box = _common(moves, grid.shape, transforms) if crop else (slice(None),) * 3
    cropped = grid.crop(box)
    step = {
        "step": "align",
        "source_digest": volume.digest,
        "mode": moves["mode"],
        "transforms_source": moves["source"],
    }
    valid_voxels = 0
    digest = hashlib.sha256(Path(transforms).read_bytes()).hexdigest()
    about = volume.after(step) | {"settled": {"transforms": digest, "fill": fill}}
    images = open_writer(output, cropped, dtype, part, **about)
    masks = open_writer(mask_output, cropped, np.uint8, part, **about | {"intensity": "label"})
    try:
        with images, masks:
            for z, image in stream(volume, "transform", set(range(images.z0, images.z1))):
                dy, dx = float(moves["dy"][z]), float(moves["dx"][z])
                if dy == dx == 0:
                    moved, valid = image, np.ones(image.shape, bool)
                else:
                    moved, valid = apply_translation(image, dy, dx, fill)
                moved, valid = moved[box[1:]], valid[box[1:]]
                valid_voxels += int(np.count_nonzero(valid))
                images.write(z, to_type(moved, dtype)[None])
                masks.write(z, valid[None].astype(np.uint8))
    except BaseException:
        # the mask may be whole where the volume failed at its end
        masks.abandon()
        raise
    return valid_voxels / max(1, (images.z1 - images.z0) * int(np.prod(cropped.shape[1:])))


def _common(moves, shape, transforms):
    """The rectangle that every slice reaches."""
    spans = []
    for shifts, count in ((moves["dy"], shape[1]), (moves["dx"], shape[2])):
        rows = np.flatnonzero(np.all([reach(count, shift) for shift in shifts], axis=0))
        spans.append(slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0))
    height, width = (span.stop - span.start for span in spans)
    if height * width < _LEAST * shape[1] * shape[2]:
        raise AcuityError(
            f"{transforms}: all slices together reach {height} x {width} of {shape[1]} x {shape[2]} "
            f"voxels (y, x), and crop needs a share of {_LEAST:g}; set align.crop to false to keep "
            "the whole field, with 0 where a slice does not reach, or choose a mode that leaves "
            "the drift in."
        )
    return (slice(None), *spans)

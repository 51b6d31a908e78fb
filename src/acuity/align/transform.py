"""Apply the transforms of a stack: one resampling of each slice, and where it reaches."""

import numpy as np

from acuity.align.stream import stream
from acuity.errors import AcuityError
from acuity.register.transforms import apply_translation, read_transforms, to_type
from acuity.volume import VolumeWriter, remove_store


def transform(volume, transforms, output, mask_output, *, fill=0):
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
        The aligned volume, on the same grid and in the same type; whole numbers are rounded and
        clipped to the type's range.
    mask_output : path-like
        The validity mask, uint8: 1 where the slice has a value, 0 where `fill` stands.
    fill : float
        Value outside of a slice.

    Returns
    -------
    float
        Share of the voxels that are valid.

    Raises
    ------
    AcuityError
        If the transforms are of another number of slices or another voxel size, or `fill` does
        not fit the type; nothing is left at the outputs then.
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
    step = {
        "step": "align",
        "source_digest": volume.digest,
        "mode": moves["mode"],
        "transforms_source": moves["source"],
    }
    provenance = (*volume.provenance, step)
    valid_voxels = 0
    try:
        with (
            VolumeWriter(
                output, grid, dtype, intensity=volume.intensity, provenance=provenance
            ) as images,
            VolumeWriter(
                mask_output, grid, np.uint8, intensity="label", provenance=provenance
            ) as masks,
        ):
            for z, image in stream(volume, "transform"):
                dy, dx = float(moves["dy"][z]), float(moves["dx"][z])
                if dy == dx == 0:
                    moved, valid = image, np.ones(image.shape, bool)
                else:
                    moved, valid = apply_translation(image, dy, dx, fill)
                valid_voxels += int(np.count_nonzero(valid))
                images.write(z, to_type(moved, dtype)[None])
                masks.write(z, valid[None].view(np.uint8))
    except BaseException:
        # the mask may be whole where the volume failed at its end
        remove_store(mask_output)
        raise
    return valid_voxels / float(np.prod(grid.shape))

"""The part of a coarse volume that methods restore: what is judged, and where gain and offset are fitted."""

from collections.abc import Sequence

from acuity.volume import CroppedArray, Volume, write_volume


def write_field(
    coarse: Volume,
    output: str,
    *,
    box: Sequence[Sequence[int]],
    reach: Sequence[int],
    pair: Volume | None = None,
) -> None:
    """Cut a coarse volume to what methods have to see.

    Parameters
    ----------
    coarse : Volume
        The whole coarse scan.
    output : path
        Its part, in its own type: the box, the pair, and as far around both as methods see.
    box : sequence of (int, int)
        First coarse voxel that is judged and the one behind the last, along z, y, x.
    reach : sequence of int
        How far (z, y, x) methods see.
    pair : Volume, optional
        The coarse volume of a pair, a part of `coarse`, to be restored as well.
    """
    grid, parts = coarse.grid, []
    for axis, (first, last) in enumerate(box):
        if pair is not None:
            off = (pair.grid.origin[axis] - grid.origin[axis]) / grid.spacing[axis]
            first = min(first, round(off))
            last = max(last, round(off) + pair.grid.shape[axis])
        parts.append(slice(max(0, first - reach[axis]), min(grid.shape[axis], last + reach[axis])))
    about = coarse.after({"step": "restored_field", "source_digest": coarse.digest})
    write_volume(output, Volume(CroppedArray(coarse.data, parts), grid.crop(parts), **about))

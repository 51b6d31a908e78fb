"""What of a registered pair of volumes models learn from, and what they are judged by."""

from collections.abc import Sequence

import numpy as np

from acuity.errors import AcuityError
from acuity.pair.blocks import Block, parse_block
from acuity.pair.grids import largest_box
from acuity.volume import Volume, open_volume, remove_store, slabs, write_volume

_HELD = 0.25  # share of the longest axis that is held out where nothing is stated
_LEAST = 8  # low voxels along each axis of what is learned from, and of what is judged


def last_quarter(shape: Sequence[int]) -> Block:
    """Return the slices that are held out where nothing is stated: the last quarter of the longest axis.

    Parameters
    ----------
    shape : sequence of int
        Of the low volume of a pair, (z, y, x).
    """
    axis = int(np.argmax(shape))
    return Block(axis, shape[axis] - max(1, round(_HELD * shape[axis])), shape[axis])


def learned_beside(held: Block, count: int, reach: int) -> tuple[Block, int]:
    """Return the slices to learn from beside those held out, and the gap between.

    They are those on the longer side, less the reach of a receptive field; not more than half of them
    are left out, and the gap is shorter then.

    Parameters
    ----------
    held : Block
    count : int
        Slices along its axis.
    reach : int
        How far methods see, slices.
    """
    before, behind = held.start, count - held.stop
    gap = min(reach, max(before, behind) // 2)
    if before >= behind:
        return Block(held.axis, 0, held.start - gap), gap
    return Block(held.axis, held.stop + gap, count), gap


def divide_pair(
    low: str,
    valid: str,
    outputs: tuple[str, str],
    *,
    factor: int,
    name: str = "",
    divided: bool = False,
    held_out: str | None = None,
    learned: str | None = None,
    reach: Sequence[int] = (0, 0, 0),
) -> dict:
    """Say of a registered pair what models learn from, and what they are judged by.

    Parameters
    ----------
    low, valid : path
        The low volume as it was cropped, and where the fine scan is known, on the fine grid.
    outputs : (path, path)
        What is learned from: `valid` within the slices to learn from. What is judged: a box in which all
        is valid, all of it 1. Both uint8, on their own part of the fine grid.
    factor : int
        Voxels of the fine grid along a low one.
    name : str
        Of the pair, for errors.
    divided : bool
        Whether some slices are held out; otherwise all is learned from, or judged.
    held_out, learned : str, optional
        Slices of the low volume as it was imported, such as ``x 100:140``.
    reach : sequence of int
        How far (z, y, x) methods see, low voxels: the gap between what is learned from and what is held
        out, where nothing is stated.

    Returns
    -------
    dict
        ``held_out`` and ``learned``, slices of the low volume as imported, and ``gap``; what stands in the
        provenance of the outputs.

    Raises
    ------
    AcuityError
        If what is stated lies outside the pair, or too little is left to learn from or to judge.
    """
    where = f"pair {name}".rstrip()
    coarse, known = open_volume(low), open_volume(valid)
    first = _first(coarse)
    counts = coarse.grid.shape
    blocks = (None, None)
    if divided:
        blocks = _blocks(held_out, learned, first, counts, reach, where)
    parts = [_part(block, first, counts, factor) for block in blocks]
    told = {"step": "divide_pair"}
    if divided:
        held, own = blocks
        gap = max(own.start - held.stop, held.start - own.stop)
        told |= {"held_out": str(held), "learned": str(own), "gap": gap}
        if learned is None:
            told["reach"] = int(reach[held.axis])
    box = _judged_box(known, parts[0], factor)
    _check_sizes(box, factor, "judged", where)
    learn = known.crop(parts[1])
    least = _LEAST**3 * factor**3
    if _count(learn) < least:
        raise AcuityError(
            f"{where}: nothing is left to learn from: {_count(learn)} voxels of the fine grid are known in the "
            f"slices {blocks[1] or 'of the pair'}, allowed are {least} and more; hold out less, or learn from "
            "more (pair.held_out, pair.learned)"
        )
    # By its past, what is learned from is a part of the low volume: of a whole field it is told apart.
    taught = coarse.after(told) | {"intensity": "label"}
    about = known.after(told) | {"intensity": "label"}
    try:
        write_volume(outputs[0], Volume(learn.data, learn.grid, **taught))
        ones = np.broadcast_to(np.uint8(1), tuple(part.stop - part.start for part in box))
        write_volume(outputs[1], Volume(ones, known.grid.crop(box), **about))
    except BaseException:
        for path in outputs:
            remove_store(path)
        raise
    return told


def write_judged_box(
    truth: Volume,
    output: str,
    *,
    factor: int,
    box: Sequence[Sequence[int]],
    first: int = 0,
    name: str = "",
) -> None:
    """Say which box of a simulated field is judged.

    Parameters
    ----------
    truth : Volume
        What is judged by, on the fine grid: some slices of the coarse field.
    output : path
        uint8, the box of the fine grid, all of it 1.
    factor : int
        Voxels of the fine grid along a coarse one.
    box : sequence of (int, int)
        First coarse voxel and the one behind the last, along z, y, x.
    first : int
        The coarse slice with which the truth begins.
    name : str
        Of the sample, for errors.

    Raises
    ------
    AcuityError
        If the box reaches beyond the field, or is too small to be judged.
    """
    where = f"sample {name}".rstrip()
    starts = (first, 0, 0)
    parts = tuple(
        slice((a - s) * factor, (b - s) * factor) for (a, b), s in zip(box, starts, strict=True)
    )
    if any(
        part.start < 0 or part.stop > n for part, n in zip(parts, truth.grid.shape, strict=True)
    ):
        raise AcuityError(
            f"{where}: xrm.judged is {box}, and there is a truth of "
            f"{' x '.join(str(n // factor) for n in truth.grid.shape)} coarse voxels (z, y, x), from slice "
            f"{first} on; allowed is a box within it"
        )
    _check_sizes(parts, factor, "judged", where)
    ones = np.broadcast_to(np.uint8(1), tuple(part.stop - part.start for part in parts))
    about = truth.after({"step": "judged_region"}) | {"intensity": "label"}
    write_volume(output, Volume(ones, truth.grid.crop(parts), **about))


def _first(coarse):
    """The first voxel of the low volume, as imported, that is part of the pair."""
    return coarse.provenance[-1]["low_crop"][:3]


def _blocks(held, learned, first, counts, reach, where):
    """Slices that are held out and that are learned from, counted in the low volume as imported."""
    ends = [(a, a + n) for a, n in zip(first, counts, strict=True)]
    if held is None:
        block = last_quarter(counts)
        block = Block(block.axis, block.start + first[block.axis], block.stop + first[block.axis])
    else:
        block = _within(parse_block(held), ends, "held_out", where)
    a, b = ends[block.axis]
    if learned is not None:
        return block, _within(parse_block(learned), ends, "learned", where)
    own = Block(block.axis, block.start - a, block.stop - a)
    taught, _ = learned_beside(own, b - a, int(reach[block.axis]))
    return block, Block(block.axis, taught.start + a, taught.stop + a)


def _within(block, ends, key, where):
    """The part of stated slices that the pair has."""
    a, b = ends[block.axis]
    cut = Block(block.axis, max(a, block.start), min(b, block.stop))
    if cut.start >= cut.stop:
        raise AcuityError(
            f"{where}: pair.{key} is {block}, and the fine scan covers the slices {a}:{b} of the low volume "
            f"along {'zyx'[block.axis]}; allowed are slices of these"
        )
    return cut


def _part(block, first, counts, factor):
    """The part of the fine grid that lies under some slices; all of it for None."""
    spans = [slice(0, n * factor) for n in counts]
    if block is not None:
        start = first[block.axis]
        spans[block.axis] = slice((block.start - start) * factor, (block.stop - start) * factor)
    return tuple(spans)


def _judged_box(known, part, factor):
    """A box of whole low voxels in a part of the fine grid, in which all is known."""
    shape = [(p.stop - p.start) // factor for p in part]
    whole = np.empty(shape, bool)
    for z in range(shape[0]):
        z0 = part[0].start + z * factor
        row = known.read(slice(z0, z0 + factor), *part[1:])
        row = row.reshape(factor, shape[1], factor, shape[2], factor)
        whole[z] = row.all(axis=(0, 2, 4))
    box = largest_box(whole)
    return tuple(
        slice(p.start + b.start * factor, p.start + b.stop * factor)
        for p, b in zip(part, box, strict=True)
    )


def _check_sizes(box, factor, what, where):
    sizes = [(part.stop - part.start) // factor for part in box]
    if min(sizes) < _LEAST:
        raise AcuityError(
            f"{where}: {' x '.join(map(str, sizes))} low voxels (z, y, x) are left to be {what}, where the fine "
            f"scan is known; allowed are {_LEAST} and more along each axis (pair.held_out, pair.margin)"
        )


def _count(volume):
    spans = slabs(volume.grid.shape[0], 16)
    return sum(int(np.count_nonzero(volume.read(slice(*span)))) for span in spans)

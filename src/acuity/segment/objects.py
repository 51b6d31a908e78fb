"""Objects of a volume found block by block, and joined to those of the whole.

A block is read with so much around it that every object of its core, and what touches that, is seen
whole; then it is divided as the whole volume would be. In the core each voxel gets a number of the
block's own, and a table says what the numbers are: how many voxels, the first of them, the
object's deepest voxel and the connected component that it is of.

`Objects.join` puts the tables together. Parts of an object in several cores have the same deepest
voxel. (Without separation an object is a component.) Components that touch across the faces of
cores are united (union-find over the voxels of the two planes, 26 neighbours). Objects are
numbered by their first voxel in the order z, y, x, so that the result does not know of blocks.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from acuity.errors import require
from acuity.field_of_view import cylinder
from acuity.segment.blocks import Blocks
from acuity.segment.boxes import sizes_and_boxes
from acuity.segment.separate import components, divide, root
from acuity.shards import Box, shift
from acuity.volume import choose_layout

logger = logging.getLogger("acuity.segment")


@njit(cache=True, parallel=True)
def _dilate(source, radius, out):
    """Dilation of bytes with a ball; rows along x, so that the inner loops vectorise."""
    nz, ny, nx = source.shape
    r = int(radius)
    for z in prange(nz):
        for y in range(ny):
            row = out[z, y]
            for x in range(nx):
                row[x] = 0
            for dz in range(-r, r + 1):
                for dy in range(-r, r + 1):
                    rest = radius * radius - dz * dz - dy * dy
                    a = z + dz
                    b = y + dy
                    if rest < 0 or a < 0 or a >= nz or b < 0 or b >= ny:
                        continue
                    line = source[a, b]
                    for x in range(nx):
                        row[x] |= line[x]
                    for dx in range(1, int(np.sqrt(rest)) + 1):
                        for x in range(nx - dx):
                            row[x] |= line[x + dx]
                        for x in range(nx - dx):
                            row[x + dx] |= line[x]


def closing_ball(binary, radius):
    """Binary closing with a ball of `radius` voxels.

    Beyond the volume there is neither object nor background, so that nothing is lost at its
    border.

    Parameters
    ----------
    binary : numpy.ndarray
        (z, y, x), bool.
    radius : float
        In voxels; below 1 nothing changes.

    Returns
    -------
    numpy.ndarray
        (z, y, x), bool, holding all of `binary`.
    """
    if radius < 1:
        return binary
    require(radius <= 64, f"segment: closing is {radius} voxels; allowed are 0 to 64")
    reach = float(radius) + 1e-6
    grown = np.empty(binary.shape, np.uint8)
    _dilate(binary.view(np.uint8), reach, grown)
    grown ^= 1
    background = np.empty_like(grown)
    _dilate(grown, reach, background)
    background ^= 1
    return background.view(bool)


@njit(cache=True)
def _number(objects, n, out):
    """Number the objects of a core by their first voxels; numbers, counts and those voxels."""
    nz, ny, nx = objects.shape
    number = np.zeros(n + 1, np.uint32)
    which = np.zeros(n + 1, np.int64)
    voxels = np.zeros(n + 1, np.int64)
    first = np.zeros(n + 1, np.int64)
    m = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                k = objects[z, y, x]
                if k == 0:
                    out[z, y, x] = 0
                    continue
                if number[k] == 0:
                    number[k] = m + 1
                    which[m] = k
                    first[m] = (z * ny + y) * nx + x
                    m += 1
                out[z, y, x] = number[k]
                voxels[number[k] - 1] += 1
    return which[:m], voxels[:m], first[:m]


@njit(cache=True)
def _roots(parent, nodes):
    out = np.empty_like(nodes)
    for i in range(nodes.shape[0]):
        out[i] = root(parent, nodes[i])
    return out


@njit(cache=True)
def _unite(parent, low, high):
    """Unite the nodes that touch across two neighbouring planes (y, x), 26 neighbours; 0: none."""
    ny, nx = low.shape
    for y in range(ny):
        for x in range(nx):
            k = low[y, x]
            if k == 0:
                continue
            a = root(parent, k)
            for j in range(max(0, y - 1), min(ny, y + 2)):
                for i in range(max(0, x - 1), min(nx, x + 2)):
                    other = high[j, i]
                    if other:
                        b = root(parent, other)
                        if b < a:
                            parent[a] = b
                            a = b
                        else:
                            parent[b] = a


@dataclass(frozen=True)
class Objects(Blocks):
    """How the objects of a volume are found in blocks.

    Parameters
    ----------
    objects : {"dark", "bright"}
        Whether objects are darker or brighter than the rest.
    mask_radius : float or None
        Radius in voxels of the cylinder along z that is sample.
    grid, closing, separation, largest_radius, block
        As for `Blocks`.
    """

    objects: str = "dark"
    mask_radius: float | None = None

    def find(self, data, box: Box, threshold: float) -> tuple[np.ndarray, dict]:
        """Find the objects of a block.

        Parameters
        ----------
        data : array
            Grey values (z, y, x), in memory or read part by part.
        box : tuple of slice
            The block's core.
        threshold : float
            Objects are the voxels up to it, or above it where they are bright.

        Returns
        -------
        (numpy.ndarray, dict)
            Numbers in the core, uint32, by first voxel, 0 for background. Then ``solid``, the
            voxels that are object, and by number from 1 on, as lists: ``voxels``, ``first`` and
            ``deepest`` (flat index in the volume), ``component`` (number in the block) and
            ``large`` (numbers of those that are longer than the largest diameter).
        """
        shape = self.grid.shape
        seen = _around(box, self.overlap, shape)
        read = _around(seen, (2 * int(self.closing),) * 3, shape)
        image = np.asarray(data[read], np.float32)
        binary = image <= threshold if self.objects == "dark" else image > threshold
        del image
        mask = cylinder(shape, self.mask_radius, read[1:])
        binary &= mask
        binary = closing_ball(binary, self.closing)
        binary &= mask
        binary = binary[shift(seen, [part.start for part in read])]
        inner = shift(box, [part.start for part in seen])
        solid = int(np.count_nonzero(binary[inner]))
        labels, n = components(binary)
        del binary
        parts, deepest = np.ones(n + 1, np.int64), np.zeros(n + 1, np.int64)
        if self.separation:
            spacing = np.asarray(self.grid.spacing)
            parts, deepest = divide(labels, n, self.separation, tuple(spacing / spacing.min()))
        component = np.repeat(np.arange(n + 1), [1, *parts[1:]])
        out = np.empty([part.stop - part.start for part in box], np.uint32)
        which, voxels, first = _number(np.ascontiguousarray(labels[inner]), len(component) - 1, out)
        large = []
        if self.separation and math.prod(self.count) > 1:
            _, sides = sizes_and_boxes(labels, len(component) - 1)
            sides = sides[which, 3:] - sides[which, :3]
            large = np.flatnonzero((sides > 2 * np.asarray(self.radius) + 1).any(axis=1)) + 1
        return out, {
            "solid": solid,
            "voxels": voxels.tolist(),
            "first": _moved(first, box, shape).tolist(),
            "deepest": _moved(deepest[which], seen, shape).tolist(),
            "component": component[which].tolist(),
            "large": [int(k) for k in large],
        }

    def join(self, numbers, tables: dict[int, dict], smallest: int) -> tuple[dict, dict]:
        """Put the objects of all blocks together.

        Parameters
        ----------
        numbers : array
            What `find` gave for all cores, one volume; the planes at their faces are read.
        tables : dict
            The tables of `find` by number of the block.
        smallest : int
            Objects of fewer voxels are dropped.

        Returns
        -------
        (dict, dict)
            Label by a block's own numbers, for each block: an array with 0 for 0 and for what is
            dropped. Then ``objects``, ``objects_before_separation`` (components of at least
            `smallest` voxels), ``fraction`` (of the mask that is object, before small ones are
            dropped) and ``large``, the labels of objects longer than the largest diameter.
        """
        blocks = sorted(tables)
        ends = np.cumsum([max(tables[b]["component"], default=0) for b in blocks])
        node = {
            b: np.concatenate([[0], np.asarray(tables[b]["component"], np.int64) + end - own])
            for b, end, own in zip(blocks, ends, np.diff(ends, prepend=0), strict=True)
        }
        parent = np.arange(ends[-1] + 1)
        self._unite_faces(numbers, node, parent)
        of = np.concatenate([node[b][1:] for b in blocks])
        of = _roots(parent, of)
        voxels, first, deepest = (
            np.concatenate([np.asarray(tables[b][name], np.int64) for b in blocks])
            for name in ("voxels", "first", "deepest")
        )
        before = int((np.bincount(of, voxels) >= max(1, smallest)).sum()) if len(of) else 0
        _, own = np.unique(deepest if self.separation else of, return_inverse=True)
        n = int(own.max()) + 1 if len(own) else 0
        total, start = np.zeros(n, np.int64), np.full(n, math.prod(self.grid.shape))
        np.add.at(total, own, voxels)
        np.minimum.at(start, own, first)
        kept = np.flatnonzero(total >= max(1, smallest))
        label = np.zeros(n, np.uint32)
        label[kept[np.argsort(start[kept])]] = np.arange(1, len(kept) + 1)
        lookup, large, at = {}, set(), 0
        for b in blocks:
            count = len(tables[b]["voxels"])
            lookup[b] = np.concatenate([[0], label[own[at : at + count]]]).astype(np.uint32)
            large |= {int(lookup[b][k]) for k in tables[b]["large"]}
            at += count
        mask = self.grid.shape[0] * int(cylinder(self.grid.shape, self.mask_radius).sum())
        return lookup, {
            "objects": len(kept),
            "objects_before_separation": before,
            "fraction": sum(tables[b]["solid"] for b in blocks) / mask,
            "large": sorted(large - {0}),
        }

    def relabel(self, numbers, lookup: dict, z0: int, z1: int) -> Iterator[tuple[Box, np.ndarray]]:
        """Give the labels of the blocks that start in slices `z0` to `z1`, a row of shards at a time.

        Yields
        ------
        tuple
            Box and its labels, uint32.
        """
        depth = choose_layout(self.grid.shape, np.uint32).shard[0]
        for b, box in self.boxes(z0, z1):
            for z in range(box[0].start, box[0].stop, depth):
                row = (slice(z, min(z + depth, box[0].stop)), *box[1:])
                yield row, lookup[b][numbers[row]]

    def _unite_faces(self, numbers, node, parent):
        """Unite components that touch across the faces of cores."""
        nz = self.grid.shape[0]

        def nodes(box):
            """Nodes of a box that is one voxel thick along an axis."""
            out = np.asarray(numbers[box]).astype(np.int64)
            for b, core in self.boxes(*_blocks_of(box[0], self.size[0], nz)):
                part = tuple(
                    slice(max(p.start, q.start), min(p.stop, q.stop))
                    for p, q in zip(box, core, strict=True)
                )
                if all(p.start < p.stop for p in part):
                    inner = shift(part, [p.start for p in box])
                    out[inner] = node[b][out[inner]]
            return out

        whole = tuple(slice(0, n) for n in self.grid.shape)
        for axis in range(3):
            for face in range(self.size[axis], self.grid.shape[axis], self.size[axis]):
                # Faces along z are whole slices; the others go block by block along z.
                starts = range(0, nz, self.size[0]) if axis else [0]
                for z in starts:
                    box = list(whole)
                    if axis:
                        box[0] = slice(z, min(z + self.size[0], nz))
                    planes = []
                    for at in (face - 1, face):
                        box[axis] = slice(at, at + 1)
                        planes.append(nodes(tuple(box)).squeeze(axis))
                    _unite(parent, *planes)


def _around(box, margin, shape):
    return tuple(
        slice(max(0, part.start - m), min(n, part.stop + m))
        for part, m, n in zip(box, margin, shape, strict=True)
    )


def _moved(flat, box, shape):
    """Flat index in the volume of flat indices in a box."""
    place = np.unravel_index(flat, [part.stop - part.start for part in box])
    place = [p + part.start for p, part in zip(place, box, strict=True)]
    return (place[0].astype(np.int64) * shape[1] + place[1]) * shape[2] + place[2]


def _blocks_of(part, size, count):
    """First slice of the first block that meets some slices, and the end of the last."""
    return part.start // size * size, min(count, -(-part.stop // size) * size)

"""The order in which a volume is read and restored: columns, blocks of slices, tiles, stacks."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from acuity.engine.tiles import (
    Tile,
    blended_tiles,
    core_length,
    exact_tiles,
    lower,
    relative,
    upper,
)
from acuity.errors import AcuityError
from acuity.methods.base import Method, scaled
from acuity.volume import Layout, choose_layout, slabs

DEPTH = 32  # slices of a block, unless planes are restored
READ = 4  # slices that are read at a time where stacks slide: holding a whole chunk costs memory

Region = Sequence[slice]


class TileSchedule:
    """The order in which a volume, or a part of it, is read and restored.

    Places are those of the whole volume: tiles lie on its raster and end where it ends, so that a part
    has the voxels that the whole would have there.

    Parameters
    ----------
    method : acuity.methods.base.Method
        The method.
    shape : tuple of int
        Voxels (z, y, x) of its input grid.
    box : sequence of slice, optional
        What of it is restored (z, y, x); all by default.

    Attributes
    ----------
    depth, unit : int
        Slices of a block, and slices that are restored together, counted from the first one.
    """

    def __init__(
        self, method: Method, shape: Sequence[int], box: Sequence[slice] | None = None
    ) -> None:
        self.method = method
        self.shape = tuple(shape)
        self.box = tuple(box or (slice(0, n) for n in self.shape))
        self.size = tuple(part.stop - part.start for part in self.box)
        settings = getattr(method.settings, "predict", None)
        self.tile = getattr(settings, "tile", None)
        self.blended = getattr(settings, "tiling", "exact") == "blended"
        self.overlap = getattr(settings, "overlap", 0)
        least = (method.slices_per_stack or 0) * method.spacing
        if self.shape[0] < least:
            raise AcuityError(
                f"volume of {self.shape[0]} slices: method {method.name()} restores stacks of "
                f"{method.slices_per_stack} slices, {method.spacing} apart, and needs "
                f"{least} slices or more"
            )
        # A side shorter than the stride is nothing but border for the network.
        if any(n < s for n, s in zip(self.shape, method.stride, strict=True)):
            raise AcuityError(
                f"volume of {self.shape} voxels (z, y, x) is smaller than the network's raster; "
                f"method {method.name()} needs at least {method.stride}"
            )
        self.columns = self.method.local
        self.depth = self._depth()
        # One where stacks slide.
        self.unit = 1 if method.slices_per_stack else self.depth

    def _depth(self):
        """Return the slices of a block of a 3D method."""
        if not self.method.local:
            halo, voxels = self.method.halo, self.method.settings.predict.voxels

            def with_halo(size):
                return [min(n, s + 2 * h) for n, s, h in zip(self.shape, size, halo, strict=True)]

            slices, *plane = with_halo(self.size)
            most = max(1, voxels // math.prod(plane))
            if most < min(slices, 3 * halo[0]):
                # Whole planes with both halos would be too large: columns of a shard.
                self.columns = True
                _, *plane = with_halo(choose_layout(self.size, np.float32).shard)
                most = max(1, voxels // math.prod(plane))
            return self.size[0] if slices <= most else max(halo[0], most - 2 * halo[0], 1)
        if self.tile is None:
            return DEPTH
        # Planes are long, and halos cost: as deep as a tile may be.
        deep = self.box[0].stop - self._begin() if self.method.by_planes else DEPTH
        halo, stride = self.method.halo[0], self.method.stride[0]
        return core_length(self.shape[0], deep, self.tile[0], halo, stride)

    def _begin(self):
        """Return the first slice of the first block."""
        return lower(self.box[0].start, self.method.stride[0])

    def _end(self, z):
        """Return the slice behind the last one of the block that starts at slice z."""
        last = upper(self.box[0].stop, self.method.stride[0])
        return min(z + self.depth, last, self.shape[0])

    def regions(self, layout: Layout) -> list[tuple[slice, slice]]:
        """Return the parts of the plane (y, x; input grid) that are streamed along z one by one."""
        plane, scale = self.size[1:], self.method.scale[1:]
        # Whole shards that hold whole voxels of the input grid: three by three of them at a factor of 3.
        part = [math.lcm(s, f) // f for s, f in zip(layout.shard[1:], scale, strict=True)]
        # An image that fits into a tile needs no halo.
        fits = (
            self.shape[0] == 1
            and self.tile is not None
            and all(map(int.__le__, plane, self.tile[1:]))
        )
        if self.blended or fits or not self.columns:
            part = [*plane]
        rows, columns = (
            [slice(side.start + start, side.start + stop) for start, stop in slabs(n, p)]
            for side, n, p in zip(self.box[1:], plane, part, strict=True)
        )
        return [(y, x) for y in rows for x in columns]

    def tiles(self, region: Region) -> list[Tile]:
        """Return the tiles of a region."""
        plane, (_, *halo), (_, *stride) = self.shape[1:], self.method.halo, self.method.stride
        sizes = [part.stop - lower(part.start, s) for part, s in zip(region, stride, strict=True)]
        if self.tile is None:
            return exact_tiles(region, plane, sizes, halo, stride)
        most = self.tile[1:]
        if self.blended:
            cores = [
                n if n <= m else (m - 2 * self.overlap) // s * s
                for n, m, s in zip(plane, most, stride, strict=True)
            ]
            # Those of the whole plane, which would be other ones in a plane of the region's size.
            found = (tile.within(region) for tile in blended_tiles(plane, cores, self.overlap))
            return [tile for tile in found if tile is not None]
        cores = list(map(core_length, plane, sizes, most, halo, stride))
        return exact_tiles(region, plane, cores, halo, stride)

    def frame(self, region: Region) -> tuple[slice, ...]:
        """Return what the tiles of a region read together."""
        tiles = self.tiles(region)
        return tuple(
            slice(min(t.read[a].start for t in tiles), max(t.read[a].stop for t in tiles))
            for a in range(2)
        )

    def first(self, span: tuple[int, int]) -> int:
        """Return the first slice that `restored` yields for a span: that of a block."""
        begin = self._begin()
        return begin + (span[0] - begin) // self.unit * self.unit

    def _span(self, span):
        return span or (self.box[0].start, self.box[0].stop)

    def inputs(
        self, region: Region, span: tuple[int, int] | None = None
    ) -> list[tuple[slice, ...]]:
        """Return boxes to read for a region, in order, and for a span of slices along z."""
        frame = self.frame(region)
        span = self._span(span)
        if self.method.slices_per_stack:
            stacks = self._stack_range(span)
            end = stacks.stop - 1 + self.method.depth
            return [(slice(z, min(z + READ, end)), *frame) for z in range(stacks.start, end, READ)]
        halo = self.method.halo[0]
        return [
            (slice(max(0, z - halo), min(self.shape[0], self._end(z) + halo)), *frame)
            for z in range(self.first(span), span[1], self.depth)
        ]

    def _stack_range(self, span):
        """Return the first slices of the stacks that hold a slice of a span."""
        depth = self.method.depth
        last = min(span[1] - 1, self.shape[0] - depth)
        return range(max(0, span[0] - depth + 1), last + 1)

    def restored(
        self,
        region: Region,
        reads: Iterable[np.ndarray],
        run: Callable[..., np.ndarray],
        span: tuple[int, int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Restore a region: blocks of restored slices in order along z.

        Parameters
        ----------
        region : tuple of slice
            Part of the plane.
        reads : iterable of numpy.ndarray
            What `inputs` asked for.
        run : callable
            Maps a tile to a restored tile.
        span : tuple of int, optional
            First slice and the one behind the last, of the input grid; by default all that is to be
            restored. Blocks are those of all of that, so the first and the last may reach beyond it.
        """
        restore = self._stacks if self.method.slices_per_stack else self._blocks
        return restore(region, reads, run, self._span(span))

    def _size(self, region):
        """Return the size (y, x) of a region when it is restored."""
        return [part.stop - part.start for part in scaled(region, self.method.scale[1:])]

    def _plane(self, window, region, frame, tiles, run):
        """Restore all tiles of a window of slices and put them together."""
        scale = self.method.scale[1:]
        out = None
        for tile in tiles:
            seen = window[:, *relative(tile.read, frame)]
            if self.method.by_planes:
                part = run(seen, tile.inner)
            else:
                part = run(seen)[:, *scaled(tile.inner, scale)]
            if tile.weights is None and len(tiles) == 1:
                return part
            if out is None:
                out = np.zeros((*part.shape[:-2], *self._size(region)), np.float32)
            place = (..., *scaled(relative(tile.core, region), scale))
            if tile.weights is None:
                out[place] = part
            else:
                out[place] += part * np.kron(tile.weights, np.ones(scale, np.float32))
        return out

    def _blocks(self, region, reads, run, span):
        frame, tiles = self.frame(region), self.tiles(region)
        halo, fz = self.method.halo[0], self.method.scale[0]
        starts = range(self.first(span), span[1], self.depth)
        for z, window in zip(starts, reads, strict=True):
            first = z - max(0, z - halo)
            last = first + self._end(z) - z
            out = self._plane(window, region, frame, tiles, run)
            yield np.ascontiguousarray(out[first * fz : last * fz])

    def _stacks(self, region, reads, run, span):
        """Restore stacks moved by one slice; each slice is the mean of the stacks that hold it."""
        frame, tiles = self.frame(region), self.tiles(region)
        depth, step, nz = self.method.depth, self.method.spacing, self.shape[0]
        sums = np.zeros((depth, *self._size(region)), np.float32)
        counts = np.zeros(depth, np.float32)
        # Slices of the input that are still needed; a block is freed with its last slice.
        window = deque()
        reads, stack = iter(reads), None
        for first in self._stack_range(span):
            while len(window) < depth:
                window.extend(next(reads))
            # Into the same memory each time: new pages would cost as much as the copy.
            stack = np.stack([window[n] for n in range(0, depth, step)], out=stack)
            window.popleft()
            restored = self._plane(stack, region, frame, tiles, run)
            for n in range(self.method.slices_per_stack):
                place = (first + n * step) % depth  # sums are a ring along z
                sums[place] += restored[n]
                counts[place] += 1
            for z in range(first, nz if first == nz - depth else first + 1):
                place = z % depth
                if span[0] <= z < span[1]:
                    yield (sums[place] / counts[place])[None]
                sums[place], counts[place] = 0, 0

"""The order in which a volume is read and restored: columns, blocks of slices, tiles, stacks."""

import math
from collections import deque

import numpy as np

from acuity.engine.tiles import blended_tiles, core_length, exact_tiles
from acuity.errors import AcuityError
from acuity.volume import choose_layout


class TileSchedule:
    """The order in which a volume is read and restored.

    Parameters
    ----------
    method : acuity.methods.base.Method
        The method.
    shape : tuple of int
        Voxels (z, y, x) of its input grid.
    """

    def __init__(self, method, shape):
        self.method = method
        self.shape = tuple(shape)
        settings = getattr(method.settings, "predict", None)
        self.tile = getattr(settings, "tile", None)
        self.blended = getattr(settings, "tiling", "exact") == "blended"
        self.overlap = getattr(settings, "overlap", 0)
        if method.slices_per_stack and self.shape[0] < method.slices_per_stack * method.spacing:
            raise AcuityError(
                f"volume of {self.shape[0]} slices: method {method.name()} restores stacks of "
                f"{method.slices_per_stack} slices, {method.spacing} apart, and needs "
                f"{method.slices_per_stack * method.spacing} slices or more"
            )
        # A side shorter than the stride is nothing but border for the network.
        if any(n < s for n, s in zip(self.shape, method.stride, strict=True)):
            raise AcuityError(
                f"volume of {self.shape} voxels (z, y, x) is smaller than the network's raster; "
                f"method {method.name()} needs at least {method.stride}"
            )
        self.columns = self.method.local
        self.depth = self._depth()
        # Slices that are restored together, counted from the first: one where stacks slide.
        self.unit = 1 if method.slices_per_stack else self.depth

    def _depth(self):
        """Return the slices of a block of a 3D method."""
        if not self.method.local:
            halo, voxels = self.method.halo, self.method.settings.predict.voxels
            most = max(1, voxels // math.prod(self.shape[1:]))
            if most < min(self.shape[0], 3 * halo[0]):
                # Whole planes with both halos would be too large: columns of a shard.
                self.columns = True
                shard = choose_layout(self.shape, np.float32).shard
                sides = (min(n, s + 2 * h) for n, s, h in zip(self.shape, shard, halo, strict=True))
                most = max(1, voxels // math.prod([*sides][1:]))
            if self.shape[0] <= most:
                return self.shape[0]
            return max(halo[0], most - 2 * halo[0], 1)
        if self.tile is None:
            return 32
        if (
            self.method.regime == "planes"
        ):  # planes are long, and halos cost: as deep as a tile may be
            deep, halo = self.shape[0], self.method.halo[0]
            return core_length(deep, deep, self.tile[0], halo, self.method.stride[0])
        return core_length(
            self.shape[0], 32, self.tile[0], self.method.halo[0], self.method.stride[0]
        )

    def regions(self, layout):
        """Return the parts of the plane (y, x; input grid) that are streamed along z one by one."""
        scale = self.method.scale
        part = [s // f for s, f in zip(layout.shard[1:], scale[1:], strict=True)]
        one = self.shape[0] == 1 and self.tile is not None
        whole_planes = (
            self.blended
            # an image that fits into a tile needs no halo
            or (one and all(n <= t for n, t in zip(self.shape[1:], self.tile[1:], strict=True)))
            or not self.columns
            or any(s % f for s, f in zip(layout.shard[1:], scale[1:], strict=True))
            or any(
                p % s
                for p, s, n in zip(part, self.method.stride[1:], self.shape[1:], strict=True)
                if p < n
            )
        )
        if whole_planes:
            part = self.shape[1:]
        return [
            (slice(y, min(y + part[0], self.shape[1])), slice(x, min(x + part[1], self.shape[2])))
            for y in range(0, self.shape[1], part[0])
            for x in range(0, self.shape[2], part[1])
        ]

    def tiles(self, region):
        """Return the tiles of a region."""
        if self.blended:
            cores = [
                n if n <= most else (most - 2 * self.overlap) // stride * stride
                for n, most, stride in zip(
                    self.shape[1:], self.tile[1:], self.method.stride[1:], strict=True
                )
            ]
            return blended_tiles(self.shape[1:], cores, self.overlap)
        if self.tile is None:
            cores = [part.stop - part.start for part in region]
        else:
            cores = [
                core_length(n, part.stop - part.start, most, halo, stride)
                for n, part, most, halo, stride in zip(
                    self.shape[1:],
                    region,
                    self.tile[1:],
                    self.method.halo[1:],
                    self.method.stride[1:],
                    strict=True,
                )
            ]
        return exact_tiles(region, self.shape[1:], cores, self.method.halo[1:])

    def frame(self, region):
        """Return what the tiles of a region read together."""
        tiles = self.tiles(region)
        return tuple(
            slice(min(t.read[a].start for t in tiles), max(t.read[a].stop for t in tiles))
            for a in range(2)
        )

    def first(self, span):
        """Return the first slice that `restored` yields for a span: that of a block."""
        return span[0] // self.unit * self.unit

    def inputs(self, region, span=None):
        """Return boxes to read for a region, in order, and for a span of slices along z."""
        frame = self.frame(region)
        nz = self.shape[0]
        span = span or (0, nz)
        if self.method.slices_per_stack:
            stacks = self._stack_range(span)
            end = stacks.stop - 1 + self.method.depth
            # A part of a chunk: reading chunks again costs little, holding them costs memory.
            return [(slice(z, min(z + 4, end)), *frame) for z in range(stacks.start, end, 4)]
        halo = self.method.halo[0]
        return [
            (slice(max(0, z - halo), min(nz, z + self.depth + halo)), *frame)
            for z in range(self.first(span), span[1], self.depth)
        ]

    def _stack_range(self, span):
        """Return the first slices of the stacks that hold a slice of a span."""
        depth = self.method.depth
        last = min(span[1] - 1, self.shape[0] - depth)
        return range(max(0, span[0] - depth + 1), last + 1)

    def restored(self, region, reads, run, span=None):
        """Restore a region; yields blocks of restored slices in order along z.

        Parameters
        ----------
        region : tuple of slice
            Part of the plane.
        reads : iterable of numpy.ndarray
            What `inputs` asked for.
        run : callable
            Maps a tile to a restored tile.
        span : tuple of int, optional
            First slice and the one behind the last, of the input grid; all by default. Blocks are
            those of the whole volume, so the first and the last may reach beyond it.
        """
        span = span or (0, self.shape[0])
        if self.method.slices_per_stack:
            yield from self._stacks(region, reads, run, span)
        else:
            yield from self._blocks(region, reads, run, span)

    def _plane(self, window, region, frame, tiles, run):
        """Restore all tiles of a window of slices and put them together."""
        fz, fy, fx = self.method.scale
        size = [part.stop - part.start for part in region]
        shape = (len(window) * fz, size[0] * fy, size[1] * fx)
        out = None
        for tile in tiles:
            box = tuple(
                slice(r.start - f.start, r.stop - f.start)
                for r, f in zip(tile.read, frame, strict=True)
            )
            inner = tile.inner
            if self.method.regime == "planes":
                part = run(window[:, box[0], box[1]], inner)
            else:
                restored = run(window[:, box[0], box[1]])
                part = restored[
                    :,
                    inner[0].start * fy : inner[0].stop * fy,
                    inner[1].start * fx : inner[1].stop * fx,
                ]
            if tile.weights is None and len(tiles) == 1:
                return part
            if out is None:
                out = np.zeros((*part.shape[:-2], *shape[1:]), np.float32)
            place = (
                ...,
                slice(
                    (tile.core[0].start - region[0].start) * fy,
                    (tile.core[0].stop - region[0].start) * fy,
                ),
                slice(
                    (tile.core[1].start - region[1].start) * fx,
                    (tile.core[1].stop - region[1].start) * fx,
                ),
            )
            if tile.weights is None:
                out[place] = part
            else:
                out[place] += part * np.kron(tile.weights, np.ones((fy, fx), np.float32))
        return out

    def _blocks(self, region, reads, run, span):
        frame, tiles = self.frame(region), self.tiles(region)
        nz, halo, fz = self.shape[0], self.method.halo[0], self.method.scale[0]
        starts = range(self.first(span), span[1], self.depth)
        for z, window in zip(starts, reads, strict=True):
            first = z - max(0, z - halo)
            last = first + min(self.depth, nz - z)
            out = self._plane(window, region, frame, tiles, run)
            yield np.ascontiguousarray(out[first * fz : last * fz])

    def _stacks(self, region, reads, run, span):
        """Restore stacks moved by one slice; each slice is the mean of the stacks that hold it."""
        frame, tiles = self.frame(region), self.tiles(region)
        depth, step, nz = self.method.depth, self.method.spacing, self.shape[0]
        _, fy, fx = self.method.scale
        plane = ((region[0].stop - region[0].start) * fy, (region[1].stop - region[1].start) * fx)
        sums = np.zeros((depth, *plane), np.float32)
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

"""Restore a volume tile by tile, as a stream from one store to another."""

import ctypes
import hashlib
import json
import logging
import math
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from acuity.assumptions import TOLD, Assumes, check, offset, survey
from acuity.errors import AcuityError
from acuity.methods.base import Task, check_settings, load
from acuity.predict.source import Source, factors_before, finer_grid, input_phase
from acuity.predict.tiles import blended_tiles, core_length, exact_tiles
from acuity.seals import again, check_seal
from acuity.segment.mask import cylinder
from acuity.slabs import open_writer, sees_all
from acuity.threads import allowed
from acuity.volume import choose_layout, error_reason, open_volume

logger = logging.getLogger("acuity.predict")

KEPT_TYPES = (np.uint8, np.uint16)
AHEAD = 1  # blocks that are read, and written, while the method works


def predict(
    method_name,
    settings,
    low_path,
    output,
    *,
    level,
    scale=(1, 1, 1),
    phase=None,
    model=None,
    card=None,
    threads=None,
    disagreement=None,
    keep_type=False,
    fov_radius=None,
    part=None,
):
    """Restore a stored volume with a method.

    The volume streams through: a reader, the method and a writer work side by side, in columns of
    one shard in the plane, so that memory does not grow with the volume. Blended tiling holds
    whole planes, and so does a method that is not local where a block of them is not too large.

    Parameters
    ----------
    method_name : str
        A method of ``acuity.methods``.
    settings : dict
        Its settings. For a learned method those of the network come from the card, and only
        ``predict`` is read from here.
    low_path : path
        The low-resolution volume, a store ``X.ome.zarr`` or its ``zarr.json``.
    output : path
        The restored volume's store.
    level : float
        Strength of the degradation: standard deviation of the blur in voxels of the target's grid.
    scale : tuple of int
        Whole factors (z, y, x) between the volume's grid and the restored one.
    phase : tuple of float, optional
        Where the volume's first voxel lies on the restored grid, in its voxels (z, y, x); the
        middle of a block, (factor - 1) / 2, by default.
    model, card : path, optional
        Weights (safetensors) and card (JSON) of a learned method.
    threads : int, optional
        Threads of torch; as they are where it is not given.
    disagreement : path, optional
        For a method that restores XZ and YZ planes: store of half the absolute difference between
        both estimates, whose mean is the restored volume.
    keep_type : bool
        Round and clip the restored volume to the type of the low-resolution one, where that is
        uint8 or uint16; it is float32 else.
    fov_radius : float, optional
        Radius in voxels of the restored grid of the circle that a tomograph's detector saw; beyond
        it voxels are 0, as in a reconstruction.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.

    Raises
    ------
    AcuityError
        If the model is not one of this method, level, scale and phase, or does not belong to its card;
        if the volume holds a value that is not finite or is too small for the network; if a
        device is demanded that is not there; if a disagreement is asked of a method that has one
        estimate.
    """
    method_class = load(method_name)
    if disagreement is not None and not _planes(method_class):
        raise AcuityError(
            f"method {method_name} has one estimate of a volume, so there is no disagreement; only "
            "methods that restore XZ and YZ planes have one"
        )
    task = Task(float(level), tuple(scale), phase)
    if method_class.learned:
        method, run = _load_learned(method_class, settings, task, model, card)
    else:
        method = method_class(settings, task)
        run = method.restore
    if method.interpolates and task.scale == (1, 1, 1):
        raise AcuityError(
            f"method {method_name} interpolates onto a finer grid, but the scale is (1, 1, 1); "
            "it needs a factor above 1"
        )
    volume = open_volume(low_path, complete=sees_all(part))
    step = {"step": "predict", "method": method_name, "level": level}
    settled = {"input": volume.digest, "settings": settings, "phase": task.phase, "fov": fov_radius}
    if method_class.learned:
        step["weights"] = run.digest
        settled["execution"] = getattr(run, "execution", None)
    dtype = np.dtype(np.float32)
    if keep_type and volume.dtype in KEPT_TYPES:
        dtype = volume.dtype
        step["type"] = dtype.name
    started = time.perf_counter()
    restore(
        volume,
        output,
        method,
        run,
        name=low_path,
        provenance=(*volume.provenance, step),
        disagreement=disagreement,
        dtype=dtype,
        threads=threads,
        fov_radius=fov_radius,
        part=part,
        settled=settled,
    )
    seconds = time.perf_counter() - started
    logger.info("%s: %s restored in %.1f s", method_name, low_path, seconds)


def restore(
    volume,
    output,
    method,
    run,
    *,
    name,
    provenance=(),
    disagreement=None,
    dtype=np.float32,
    threads=None,
    fov_radius=None,
    part=None,
    settled=None,
):
    """Restore an open volume with a method that is ready to run.

    Parameters
    ----------
    volume : acuity.volume.Volume
        Low-resolution volume.
    output : path
        Store of the restored one.
    method : acuity.methods.base.Method
        The method, with its halo and stride.
    run : callable
        Maps a tile (z, y, x) to a restored tile.
    name : path
        The input file, for errors.
    provenance : tuple of dict
        Steps that the output records.
    disagreement : path, optional
        Store of the disagreement of a method that restores planes.
    dtype : dtype
        Type of the restored volume: float32, or one of whole numbers, to which it is rounded and
        clipped.
    threads : int, optional
        Threads of torch.
    fov_radius : float, optional
        As for `predict`.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.
    settled : dict, optional
        What must be the same in all parts.

    Raises
    ------
    AcuityError
        If the volume has fewer slices than the method needs, or a tile or the volume is too small
        for the network; nothing is left at `output` then.
    """
    _give_memory_back()
    before = factors_before(method)
    phase = (None,) * 3 if method.centred else input_phase(method.task, method.scale)
    source = Source(volume, before, method.interpolation, name, phase)
    network = method.learned and method.learns == "patches"
    if network and method.scale[0] > 1 and source.shape[0] <= 2 * method.halo[0]:
        raise AcuityError(
            f"{name}: found {source.shape[0]} slices, fewer than the receptive field of "
            f"{method.name()}; it needs {2 * method.halo[0] + 1} and more"
        )
    plan = Plan(method, source.shape)
    grid = finer_grid(volume.grid, method.task.scale, method.task.phase)
    about = {
        "block": plan.unit * method.scale[0],
        "settled": settled,
        "intensity": volume.intensity,
        "provenance": provenance,
    }
    with (
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "write") as writing,
        open_writer(output, grid, dtype, part, **about) as writer,
        nullcontext()
        if disagreement is None
        else open_writer(disagreement, grid, np.float32, part, **about) as second,
    ):
        if getattr(run, "own", False):
            run.normalise(writer.agree("normalisation", source.own_statistics))
        if method.assumes != Assumes():
            told = writer.tell(lambda: _told(method, run, volume, grid, name))
            run = _shifted(run, told.get("shifted", 0.0))
        if method.learned:
            _use_threads(writer.agree("threads", lambda: threads and allowed(threads)))
        factor = method.scale[0]
        span = (writer.z0 // factor, -(-writer.z1 // factor))
        pending = deque()
        for region in plan.regions(writer.layout) if writer.z0 < writer.z1 else ():
            seen = None
            if fov_radius is not None:
                seen = _seen(grid.shape, fov_radius, region, method.scale)
            reads = _ahead(reader, plan.inputs(region, span), source)
            for z0, block in _depths(
                plan.restored(region, reads, run, span),
                writer.slab_depth,
                plan.first(span) * factor,
                (writer.z0, writer.z1),
            ):
                if len(pending) >= AHEAD:
                    pending.popleft().result()
                if seen is not None:
                    block = np.where(seen, block, 0)
                parts = [(writer, block)]
                if _planes(method):  # (z, 2, y, x): merged, and how far both estimates differ
                    parts = [(writer, block[:, 0])]
                    if second is not None:
                        parts.append((second, block[:, 1]))
                pending.append(writing.submit(_write, parts, z0, region, method.scale))
                del block, parts  # the writer alone holds them, and lets them go
        while pending:
            pending.popleft().result()


def _told(method, run, volume, grid, name):
    """What the provenance tells of an input that is not as the method assumes: nothing if it is."""
    found = survey(volume.data, name=name) if method.assumes.of_values else None
    training = None if getattr(run, "own", False) else getattr(run, "low", None)
    said = check(method.assumes, volume, grid=grid, found=found, training=training)
    told = {"warnings": [dict(zip(TOLD, ("input", *words), strict=True)) for words in said]}
    moved = offset(method.assumes, found) if found else 0.0
    return {key: value for key, value in {**told, "shifted": moved}.items() if value}


def _shifted(run, moved):
    """A method that sees a value as 0."""
    if not moved:
        return run
    moved = np.float32(moved)
    return lambda tile: run(tile - moved) + moved


def _seen(shape, radius, region, scale):
    """Voxels of a region of the restored plane that the detector saw, (y, x) bool."""
    part = (slice(r.start * f, r.stop * f) for r, f in zip(region, scale[1:], strict=True))
    return cylinder(shape, radius, tuple(part))


def _use_threads(count):
    if count:
        import torch

        torch.set_num_threads(int(count))


def _give_memory_back():
    """Let large freed blocks return to the system at once, where the C library is glibc.

    It would keep freed tiles and shards for later, of each thread apart, and a stream of them
    would grow. Blocks below 4 MiB stay with it: new pages for each of them cost 40 % of the speed.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(-3, 2**22)  # M_MMAP_THRESHOLD, and no longer adapted to what is asked for
            mallopt(-8, 1)  # M_ARENA_MAX


class Plan:
    """Order in which a volume is read and restored.

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
        if method.stack and self.shape[0] < method.stack * method.spacing:
            raise AcuityError(
                f"volume of {self.shape[0]} slices: method {method.name()} restores stacks of "
                f"{method.stack} slices, {method.spacing} apart, and needs "
                f"{method.stack * method.spacing} slices or more"
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
        self.unit = 1 if method.stack else self.depth

    def _depth(self):
        """Slices of a block of a 3D method."""
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
        if _planes(self.method):  # planes are long, and halos cost: as deep as a tile may be
            deep, halo = self.shape[0], self.method.halo[0]
            return core_length(deep, deep, self.tile[0], halo, self.method.stride[0])
        return core_length(
            self.shape[0], 32, self.tile[0], self.method.halo[0], self.method.stride[0]
        )

    def regions(self, layout):
        """Give the parts of the plane (y, x; input grid) that are streamed along z one by one."""
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
        """Tiles of a region."""
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
        """What the tiles of a region read together."""
        tiles = self.tiles(region)
        return tuple(
            slice(min(t.read[a].start for t in tiles), max(t.read[a].stop for t in tiles))
            for a in range(2)
        )

    def first(self, span):
        """First of the slices that `restored` gives for a span: that of a block."""
        return span[0] // self.unit * self.unit

    def inputs(self, region, span=None):
        """Boxes to read for a region, in order, and for a span of slices along z."""
        frame = self.frame(region)
        nz = self.shape[0]
        span = span or (0, nz)
        if self.method.stack:
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
        """First slices of the stacks that hold a slice of a span."""
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
        if self.method.stack:
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
            if _planes(self.method):
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
        """Stacks moved by one slice; each slice is the mean of the stacks that hold it."""
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
            for n in range(self.method.stack):
                place = (first + n * step) % depth  # sums are a ring along z
                sums[place] += restored[n]
                counts[place] += 1
            for z in range(first, nz if first == nz - depth else first + 1):
                place = z % depth
                if span[0] <= z < span[1]:
                    yield (sums[place] / counts[place])[None]
                sums[place], counts[place] = 0, 0


def _ahead(reader, boxes, source):
    """Read boxes in order, a few ahead."""
    pending = deque()
    boxes = iter(boxes)
    for box in boxes:
        pending.append(reader.submit(source.read, box))
        if len(pending) > AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _depths(blocks, depth, start, extent):
    """Put blocks of slices together into slabs that start at multiples of a depth.

    The first block starts at slice `start`; what lies beyond the extent is left out.
    """
    (z0, count), slab, have = extent, None, 0
    for block in blocks:
        block, start = block[max(0, z0 - start) : max(0, count - start)], start + len(block)
        while len(block):
            want = min(depth, count - z0)
            if have == 0 and len(block) >= want:
                yield z0, block[:want]
                z0, block = z0 + want, block[want:]
                continue
            if slab is None:
                slab = np.empty((want, *block.shape[1:]), np.float32)
            part = block[: want - have]
            slab[have : have + len(part)] = part
            have, block = have + len(part), block[len(part) :]
            if have == want:
                yield z0, slab
                z0, slab, have = z0 + want, None, 0


def _write(parts, z0, region, scale):
    y0, x0 = region[0].start * scale[1], region[1].start * scale[2]
    for writer, block in parts:
        if writer.dtype.kind != "f":
            ends = np.iinfo(writer.dtype)
            block = np.clip(np.rint(block), ends.min, ends.max).astype(writer.dtype)
        depth, height, width = writer.layout.shard
        if block.shape[1:] == writer.grid.shape[1:]:
            writer.write(z0, block)
        else:
            writer.write_shard((z0 // depth, y0 // height, x0 // width), block)


def _planes(method):
    """Whether a method, or its class, restores XZ and YZ planes."""
    return getattr(method, "learns", None) == "planes"


_EXECUTIONS = {
    "device": ("cpu", "cuda", "mps"),
    "precision": ("float32", "bfloat16"),
    "layout": ("contiguous", "channels_last"),
}


def read_card(card):
    """Read a model's card.

    Raises
    ------
    AcuityError
        If it is missing or is no card.
    """
    try:
        content = json.loads(Path(card).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AcuityError(f"{card}: no such model card; train the model first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise AcuityError(
            f"{card}: cannot be read as a model card ({error_reason(error)}); {again(card)}."
        ) from None
    if isinstance(content, dict):
        check_seal(content, card, again(card))
    wanted = {"method", "settings", "level", "scale", "normalisation", "execution", "weights"}
    if not isinstance(content, dict) or not wanted <= content.keys():
        raise AcuityError(
            f"{card}: is no model card, or one of another version of Acuity; it needs the keys "
            f"{sorted(wanted)}; remove it to train again"
        )
    execution = content["execution"] if isinstance(content["execution"], dict) else {}
    wrong = [
        (key, execution[key], ", ".join(values))
        for key, values in _EXECUTIONS.items()
        if execution.get(key, values[0]) not in values
    ]
    for key in ("halo", "stride"):
        found = execution.get(key)
        if not isinstance(found, list) or [type(count) for count in found] != [int] * 3:
            wrong.append((key, found, "three whole numbers"))
    for key, found, values in wrong:
        raise AcuityError(
            f"{card}: found the {key} {found!r}, allowed are {values}; the card was edited, or is of "
            "another version of Acuity; remove it to train again"
        )
    return content


def load_network(method, model, card):
    """Build a method's restoring network and load its weights.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        The method.
    model, card : path
        Weights and card.

    Returns
    -------
    network : torch.nn.Module
    card : dict
    digest : str
        SHA-256 of the weights' file.

    Raises
    ------
    AcuityError
        If the weights do not belong to the card or do not fit the network.
    """
    from safetensors.torch import load as load_tensors

    content = read_card(card)
    data, digest = _weights(model, card, content)
    network = method.build()[method.restorer]
    try:
        network.load_state_dict(load_tensors(data))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise AcuityError(f"{model}: does not fit method {method.name()} ({reason})") from None
    return network, content, digest


def _weights(model, card, content):
    """Read a model's bytes, which must be those that its card describes."""
    try:
        data = Path(model).read_bytes()
    except OSError as error:
        raise AcuityError(f"{model}: no such model ({error.strerror}); train it first") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != content["weights"]:
        raise AcuityError(
            f"{model}: its content is not the one that its card {card} describes; {again(model)}."
        )
    return data, digest


class Fitted:
    """A method without a network that has learned: called with a tile, it restores it.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        One that ``learns`` by ``fit``.
    data : bytes
        Its model (safetensors).
    digest : str
        SHA-256 of the model.
    """

    def __init__(self, method, data, digest):
        from safetensors.numpy import load as load_arrays

        arrays = load_arrays(data)
        method.use(arrays)
        if {"mean", "std"} <= arrays.keys():
            self.low = {key: float(arrays[key][0]) for key in ("mean", "std")}
        self.method, self.digest = method, digest

    def __call__(self, tile):
        """Restore a tile."""
        return self.method.restore(tile)


def _load_learned(method_class, settings, task, model, card):
    from acuity.predict.execution import DEFAULT, Runner, choose_device
    from acuity.predict.planes import PlanesRunner

    if model is None or card is None:
        raise AcuityError(f"method {method_class.name()} is learned and needs a model and its card")
    content = read_card(card)
    if content["method"] != method_class.name():
        raise AcuityError(
            f"{card}: is a model of {content['method']}, not of {method_class.name()}"
        )
    # A card without a phase is of a model that was trained in the middle of the blocks.
    content.setdefault("phase", [(f - 1) / 2 for f in content["scale"]])
    for key, wanted in (
        ("level", task.level),
        ("scale", list(task.scale)),
        ("phase", list(task.phase)),
    ):
        if content[key] != wanted:
            raise AcuityError(
                f"{card}: the model was trained at {key} {content[key]}; found {wanted}"
            )
    own = check_settings(method_class, settings).predict
    method = method_class({**content["settings"], "predict": own.model_dump()}, task)
    if method.learns == "fit":
        return method, Fitted(method, *_weights(model, card, content))
    network, content, digest = load_network(method, model, card)
    execution = content["execution"]
    method.halo, method.stride = tuple(execution["halo"]), tuple(execution["stride"])
    device = choose_device(own.device)
    if device != execution["device"]:
        logger.info(
            "the model was tuned on %s and runs on %s: float32", execution["device"], device
        )
        execution = {**DEFAULT, "device": device}
    elif own.precision == "float32":
        execution = {**DEFAULT, "device": device}
    if method.learns == "planes":
        run = PlanesRunner(network, content["normalisation"], execution)
    else:
        run = Runner(network, content["normalisation"], execution, stacked=bool(method.stack))
    run.digest, run.execution = digest, execution
    return method, run

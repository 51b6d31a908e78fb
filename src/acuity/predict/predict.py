"""Restore a volume tile by tile, as a stream from one store to another."""

import ctypes
import logging
import math
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from os import PathLike

import numpy as np

from acuity.assumptions import TOLD, Assumes, check, offset, survey
from acuity.engine.readers import InputReader, ahead, input_offset, upsampling_factors
from acuity.engine.schedule import TileSchedule
from acuity.engine.tiles import relative
from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.made_for import Input, describe, read_input
from acuity.made_for import check as check_input
from acuity.methods.base import Method, load, scaled
from acuity.predict.chain import boxes_in_turn, gap, ready_links
from acuity.predict.job import Output, PredictionFiles, PredictionJob
from acuity.predict.models import field_of_view, load_learned, read_card
from acuity.region import parse_region, region_text
from acuity.slabs import open_writer, sees_all
from acuity.threads import allowed
from acuity.volume import Volume, open_volume, remove_store, restored_type, store_path
from acuity.writing import LARGE, check_space

logger = logging.getLogger("acuity.predict")

AHEAD = 1  # blocks that are read, and written, while the method works


def predict(job: PredictionJob, files: PredictionFiles, *, threads: int | None = None) -> None:
    """Restore a stored volume with a method.

    The volume streams through: a reader, the method and a writer work side by side, in columns of
    one shard in the plane, so that memory does not grow with the volume. Blended tiling holds
    whole planes, and so does a method that is not local where a block of them is not too large.

    Parameters
    ----------
    job : acuity.predict.job.PredictionJob
        The method and its task.
    files : acuity.predict.job.PredictionFiles
        What is read and written.
    threads : int, optional
        Threads of torch; as they are where it is not given.

    Raises
    ------
    AcuityError
        If the model is not one of this method, level, scale and phase, or does not belong to its card;
        if the volume holds a value that is not finite or is too small for the network; if a
        device is demanded that is not there; if a disagreement is asked of a method that has one
        estimate; if the region lies outside the volume or the type cannot hold its values; if
        the restored volume would be larger than the free disk.
    """
    found = None if files.described is None else read_input(files.described)
    volume = open_volume(files.low, complete=sees_all(job.part))
    predict_volume(job, files, volume, found, threads=threads)


def predict_volume(
    job: PredictionJob,
    files: PredictionFiles,
    volume: Volume,
    found: Input | None = None,
    *,
    threads: int | None = None,
) -> None:
    """Restore an open volume with a method; see `predict`.

    Parameters
    ----------
    job, files, threads
        As for `predict`; ``files.low`` is the volume's name in errors.
    volume : acuity.volume.Volume
        Low-resolution volume.
    found : acuity.made_for.Input, optional
        What it is to a model: then it must be like those that the model was made for.
    """
    if files.card is not None and (card := read_card(files.card)).get("chain"):
        _predict_in_turn(job, files, volume, found, card, threads)
        return
    method, run, told = _ready(job, files, found)
    fov = job.fov_radius
    if fov is None and files.card is not None:
        fov = field_of_view(read_card(files.card), volume.grid.refine(method.task.scale))
    step = {"step": "predict", "method": job.method_name, "level": job.level, **told}
    settled = {
        "input": volume.digest,
        "settings": job.settings,
        "phase": method.task.offset,
        "fov": fov,
    }
    if method.learned:
        settled["execution"] = getattr(run, "execution", None)
    dtype = restored_type(volume.dtype, job.dtype, keep=job.keep_type, where=files.low)
    if dtype.kind != "f":
        step["type"] = dtype.name
    box = _asked(job, files, volume, step)
    steps = (*volume.provenance, step)
    paths = files.output, files.disagreement
    output = Output(*paths, dtype, box, fov, job.part, steps, settled)
    started = time.perf_counter()
    restore(volume, output, method, run, name=files.low, threads=threads)
    seconds = time.perf_counter() - started
    logger.info("%s: %s restored in %.1f s", job.method_name, files.low, seconds)


def _asked(job, files, volume, step):
    """Return the part that is to be restored, None for all of it, and keep it in the step."""
    if job.region is None:
        return None
    box = parse_region(job.region, volume.grid.shape, f"{files.low}, region")
    step["region"] = region_text(box)
    return box


def _predict_in_turn(job, files, volume, found, card, threads):
    """Restore with the models of a chain; what lies between them is stored beside the output and removed."""
    step = {"step": "predict", "method": job.method_name, "level": job.level}
    if job.part is not None or files.disagreement is not None:
        raise AcuityError(
            f"{files.card}: is a chain of models, which restores in one job, one estimate"
        )
    if found is not None:
        step |= _accepted(job, files, card, found)
    links, step["weights"] = ready_links(job, files.model, files.card, card)
    dtype = restored_type(volume.dtype, job.dtype, keep=job.keep_type, where=files.low)
    box = _asked(job, files, volume, step) or tuple(slice(0, n) for n in volume.grid.shape)
    grid = volume.grid.refine(job.task.scale).crop(scaled(box, job.task.scale))
    step["chain"] = [{key: link.card[key] for key in ("level", "weights")} for link in links]
    step["gap"] = []
    target, source, start = store_path(files.output), volume, (0, 0, 0)
    parts = boxes_in_turn(links, volume.grid.shape, box)
    stores = [target.with_name(f".{target.name}.{n}{target.suffix}") for n in range(1, len(links))]
    try:
        for number, (link, part) in enumerate(zip(links, parts, strict=True)):
            own = tuple(slice(p.start - s, p.stop - s) for p, s in zip(part, start, strict=True))
            how = {"name": files.low, "threads": threads}
            if number == len(stores):
                told = {
                    "box": own,
                    "dtype": dtype,
                    "provenance": (*volume.provenance, step),
                    "grid": grid,
                }
                restore(source, Output(files.output, **told), link.method, link.run, **how)
                break
            restore(source, Output(stores[number], box=own), link.method, link.run, **how)
            source = open_volume(stores[number])
            start = [p.start * f for p, f in zip(part, link.method.task.scale, strict=True)]
            step["gap"] += gap(links[number + 1].card, describe(source, name=stores[number]))
    finally:
        for store in stores:
            remove_store(store)


def _accepted(job, files, card, found):
    """Refuse an input that is unlike those that the model was made for; return what was accepted."""
    names = {"name": files.low, "model": files.card}
    said = check_input(card, found, job.accept, level=job.level, **names)
    return {"accepted": said} if said else {}


def _ready(job, files, found):
    """Return a method, what restores its tiles, and what is told of its weights."""
    method_class, task, told = load(job.method_name), job.task, {}
    if files.disagreement is not None and not method_class.by_planes:
        raise AcuityError(
            f"method {job.method_name} has one estimate of a volume, so there is no disagreement; "
            "only methods that restore XZ and YZ planes have one"
        )
    if method_class.learned:
        if found is not None:
            told |= _accepted(job, files, read_card(files.card), found)
        method, run, told["weights"] = load_learned(
            method_class, job.settings, task, files.model, files.card, job.accept
        )
    else:
        method = method_class(job.settings, task)
        run = method.restore
    if method.interpolates and task.scale == (1, 1, 1):
        raise AcuityError(
            f"method {job.method_name} interpolates onto a finer grid, but the scale is (1, 1, 1); "
            "it needs a factor above 1"
        )
    return method, run, told


def restore(
    volume: Volume,
    output: Output,
    method: Method,
    run: Callable[..., np.ndarray],
    *,
    name: str | PathLike,
    threads: int | None = None,
) -> None:
    """Restore an open volume with a method that is ready to run.

    Parameters
    ----------
    volume : acuity.volume.Volume
        Low-resolution volume.
    output : acuity.predict.job.Output
        Store of the restored one.
    method : acuity.methods.base.Method
        The method, with its halo and stride.
    run : callable
        Maps a tile (z, y, x) to a restored tile.
    name : path
        The input file, for errors.
    threads : int, optional
        Threads of torch.

    Raises
    ------
    AcuityError
        If the volume has fewer slices than the method needs, or a tile or the volume is too small
        for the network, or the disk for the restored volume; nothing is left at `output` then.
    """
    _give_memory_back()
    source = _reader(volume, method, name)
    low = output.box or tuple(slice(0, n) for n in volume.grid.shape)
    box = scaled(low, source.factors)
    schedule = TileSchedule(method, source.shape, box)
    whole = volume.grid.refine(method.task.scale, method.task.offset)
    grid = output.grid or whole.crop(scaled(low, method.task.scale))
    if sees_all(output.part):
        stores = _stores(output)
        size = sum(math.prod(grid.shape) * np.dtype(dtype).itemsize for _, dtype in stores)
        check_space(store_path(output.path), size, LARGE)
    with (
        ThreadPoolExecutor(1, "read") as reading,
        ThreadPoolExecutor(1, "write") as writing,
        _open_writers(output, grid, schedule, volume.intensity) as writers,
    ):
        writer = writers[0]
        run = _prepared(method, run, writer, volume, whole, source)
        if method.learned:
            _use_threads(writer.agree("threads", lambda: threads and allowed(threads)))
        factor, first = method.scale[0], box[0].start
        span = (first + writer.z0 // factor, first - (-writer.z1 // factor))
        pending: deque[Future] = deque()
        for region in schedule.regions(writer.layout) if writer.z0 < writer.z1 else ():
            seen = None
            if output.fov_radius is not None:  # which voxels the detector saw, (y, x) bool
                seen = cylinder(whole.shape, output.fov_radius, scaled(region, method.scale[1:]))
            place = scaled(relative(region, box[1:]), method.scale[1:])
            reads = ahead(reading, source.read, schedule.inputs(region, span), AHEAD)
            for z0, block in _depths(
                schedule.restored(region, reads, run, span),
                writer.slab_depth,
                (schedule.first(span) - first) * factor,
                (writer.z0, writer.z1),
            ):
                if len(pending) >= AHEAD:
                    pending.popleft().result()
                if seen is not None:
                    block = np.where(seen, block, 0)
                # (z, 2, y, x): merged, and how far both differ
                estimates = [block[:, 0], block[:, 1]] if method.by_planes else [block]
                parts = list(zip(writers, estimates, strict=False))
                pending.append(writing.submit(_write, parts, z0, place))
                del block, estimates, parts  # the writer alone holds them, and lets them go
        while pending:
            pending.popleft().result()


def _reader(volume, method, name):
    """Return what reads a volume on a method's input grid."""
    offset = (None,) * 3 if method.centred else input_offset(method.task, method.scale)
    source = InputReader(volume, upsampling_factors(method), method.interpolation, name, offset)
    least = 2 * method.halo[0] + 1
    # Of a network for stacks: one that refines all axes meets borders along each of them.
    network = method.has_network and method.axial and not method.by_planes
    if network and source.shape[0] < least:
        raise AcuityError(
            f"{name}: found {source.shape[0]} slices, fewer than the receptive field of "
            f"{method.name()}; it needs {least} and more"
        )
    return source


@contextmanager
def _open_writers(output, grid, schedule, intensity):
    """Open the restored volume's store and, where it is asked for, that of the disagreement."""
    about = {
        "block": schedule.unit * schedule.method.scale[0],
        "settled": output.settled,
        "intensity": intensity,
        "provenance": output.provenance,
    }
    with ExitStack() as opened:
        yield [
            opened.enter_context(open_writer(path, grid, dtype, output.part, **about))
            for path, dtype in _stores(output)
        ]


def _stores(output):
    """Paths and types of the stores that are written."""
    stores = [(output.path, output.dtype)]
    if output.disagreement is not None:
        stores.append((output.disagreement, np.float32))
    return stores


def _prepared(method, run, writer, volume, whole, source):
    """Return what restores tiles of this volume: by its own statistics, and with its zero."""
    if getattr(run, "own", False):
        run.normalise(writer.agree("normalisation", source.own_statistics))
    if method.assumes != Assumes():
        told = writer.tell(lambda: _told(method, run, volume, whole, source.name))
        run = _shifted(run, told.get("shifted", 0.0))
    return run


def _told(method, run, volume, grid, name):
    """Return what the provenance tells of an input that is not as the method assumes."""
    found = survey(volume.data, name=name) if method.assumes.of_values else None
    training = None if getattr(run, "own", False) else getattr(run, "low", None)
    said = check(method.assumes, volume, grid=grid, found=found, training=training)
    told = {"warnings": [dict(zip(TOLD, ("input", *words), strict=True)) for words in said]}
    moved = offset(method.assumes, found) if found else 0.0
    return {key: value for key, value in {**told, "shifted": moved}.items() if value}


def _shifted(run, moved):
    """Return a method that sees a value as 0."""
    if not moved:
        return run
    moved = np.float32(moved)
    return lambda tile: run(tile - moved) + moved


def _use_threads(count):
    if count:
        import torch

        torch.set_num_threads(int(count))


def _give_memory_back():
    """Let large freed blocks return to the system at once, where the C library is glibc.

    It would keep freed shards and whole planes for later, of each thread apart, and a stream of them
    would grow. Smaller blocks stay, what most networks make of a tile among them: new pages for each
    layer cost DeepNet about a twentieth of its time.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(-3, 2**24)  # M_MMAP_THRESHOLD, and no longer adapted to what is asked for
            mallopt(-1, 2**26)  # M_TRIM_THRESHOLD: free memory at the heap's end that is kept
            mallopt(-8, 1)  # M_ARENA_MAX


def _depths(blocks, depth, start, extent):
    """Put blocks of slices together into slabs that start at multiples of a depth.

    The first block starts at slice `start`, which may be negative; what lies beyond the extent is
    left out.
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


def _write(parts, z0, place):
    y0, x0 = (side.start for side in place)
    for writer, block in parts:
        if writer.dtype.kind != "f":
            ends = np.iinfo(writer.dtype)
            block = np.clip(np.rint(block), ends.min, ends.max).astype(writer.dtype)
        if block.shape[1:] == writer.grid.shape[1:]:
            writer.write(z0, block)
        else:
            corner = zip((z0, y0, x0), block.shape, strict=True)
            writer.write_box(tuple(slice(at, at + count) for at, count in corner), block)

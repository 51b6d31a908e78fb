"""The volumes that are learned from, read into memory."""

from itertools import zip_longest

import numpy as np

from acuity.degrade.images import check_strengths, degrade_image, full_scale, image_rng
from acuity.engine.readers import InputReader, input_offset, upsampling_factors
from acuity.errors import AcuityError, require
from acuity.methods.base import LearnedMethod, TrainingPair
from acuity.methods.networks.planes import degradation as axial_mode
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.volume import Volume, open_volume

Read = tuple[list[dict[str, str]], list[TrainingPair]]


def read_volumes(job: TrainingJob, files: TrainingFiles, method: LearnedMethod) -> Read:
    """Read what a method learns from: pairs of volumes, or planes of one of each pair.

    Parameters
    ----------
    job : acuity.train.job.TrainingJob
        The training.
    files : acuity.train.job.TrainingFiles
        Its files, of which the pairs and their masks are read.
    method : acuity.methods.base.LearnedMethod
        The method that learns.

    Returns
    -------
    data : list of dict
        Digests of the files of each pair, for the card.
    volumes : list of acuity.methods.base.TrainingPair
        Their voxels, float32.

    Raises
    ------
    AcuityError
        If there is no volume, shapes do not fit, or one is constant or holds a value that is not
        finite.
    """
    if method.by_planes:
        return _read_planes(job, files, method)
    pairs, masks, scale = files.pairs, files.masks, method.task.scale
    require(len(pairs) > 0, "no pair of volumes to train on; at least one is needed")
    if masks is not None and len(masks) != len(pairs):
        raise AcuityError(f"masks: found {len(masks)} for {len(pairs)} pairs; each pair needs one")
    if job.degradation is not None and (scale[0] != 1 or scale[1] != scale[2]):
        raise AcuityError(
            f"random degradation makes images coarser by (1, f, f); found the scale {scale}"
        )
    found = [
        _read_pair(job, method, number, low, target, mask)
        for number, ((low, target), mask) in enumerate(zip_longest(pairs, masks or ()))
    ]
    return [digests for digests, _ in found], [pair for _, pair in found]


def _read_pair(job, method, number, low_path, target_path, mask_path):
    """Read one pair, or degrade its target; return the files' digests and the pair."""
    target = open_volume(target_path)
    digests, pair = {}, TrainingPair(None, None, name=str(low_path))
    if job.degradation is None:
        low = open_volume(low_path)
        digests["low"] = low.digest
    else:
        low_path, pair.name = target_path, str(target_path)
        pair.full, whole = full_scale(target.dtype, job.full, str(target_path))
        low = _degraded(target, job, pair.full, whole, number)
    digests["target"] = target.digest
    scale = method.task.scale
    wanted = tuple(n * f for n, f in zip(low.grid.shape, scale, strict=True))
    # Fewer voxels than a block may be left over at an end of the target.
    if not all(w <= n < w + f for n, w, f in zip(target.grid.shape, wanted, scale, strict=True)):
        raise AcuityError(
            f"{target_path}: found the shape {target.grid.shape}; with {low_path} and scale "
            f"{scale} it must be {wanted}"
        )
    grid = low.grid.refine(scale, method.task.offset)
    if mask_path is not None:
        mask = open_volume(mask_path)
        digests["mask"] = mask.digest
        low, grid = _learned_part(low, grid, mask, method.task, str(mask_path))
        pair.mask = mask.within(grid, str(mask_path)).read() != 0
    target = target.within(grid, str(target_path))
    offset = input_offset(method.task, method.scale)
    reader = InputReader(low, upsampling_factors(method), method.interpolation, low_path, offset)
    pair.low = _voxels(reader)
    if method.normalisation == "own":
        pair.own = reader.own_statistics()
    pair.target = _voxels(InputReader(target, (1, 1, 1), method.interpolation, target_path))
    return digests, pair


def _learned_part(low, grid, mask, task, name):
    """Return the part of a low volume that its mask covers, and the target's grid of that part.

    A mask of fewer voxels says by its grid what is learned from: nothing else of the volumes is read, and
    no statistic of theirs is taken.
    """
    if all(n >= whole for n, whole in zip(mask.grid.shape, grid.shape, strict=True)):
        return low, grid
    places = zip(mask.grid.origin, grid.origin, grid.spacing, strict=True)
    first = [round((own - whole) / size) for own, whole, size in places]
    box = []
    for start, count, factor in zip(first, mask.grid.shape, task.scale, strict=True):
        if start % factor or count % factor:
            raise AcuityError(
                f"{name}: begins {tuple(first)} voxels (z, y, x) into the target and has {mask.grid.shape}; "
                f"a mask of a part covers whole voxels of the low volume, {task.scale} of its own each"
            )
        box.append(slice(start // factor, (start + count) // factor))
    part = low.crop(box)
    return part, part.grid.refine(task.scale, task.offset)


def _degraded(target, job, full, whole, number):
    """Return a target degraded in memory, each slice by a draw of its own."""
    factor = job.scale[1]
    how = {"factor": factor, "full": full, "round_to_whole": whole}
    how |= check_strengths(job.degradation)
    grid = target.grid.downsample((1, factor, factor))
    low = np.empty(grid.shape, np.float32)
    for z in range(grid.shape[0]):
        rng = image_rng(job.seed, number * 2**32 + z)
        image = target.read(slice(z, z + 1))[0]
        low[z], _ = degrade_image(image, rng, **how)
    return Volume(low, grid, target.intensity)


def _voxels(reader):
    """Return all voxels of a reader, float32 (z, y, x), which must not be constant."""
    voxels = reader.read_all()
    if voxels.min() == voxels.max():
        raise AcuityError(f"{reader.name}: the volume is constant; nothing can be learned from it")
    return voxels


def _read_planes(job, files, method):
    """Read the volumes whose XY planes are learned from: the low ones, or the targets."""
    if files.masks is not None or job.degradation is not None:
        raise AcuityError(
            f"method {job.method_name} learns from planes of volumes; masks and random degradation "
            "are for methods that learn from patches"
        )
    require(len(files.pairs) > 0, "no volume to train on; at least one is needed")
    which = method.settings.planes
    axial_mode(method.task, method.name())
    data, volumes = [], []
    for low, target in files.pairs:
        path = target if which == "target" else low
        require(path is not None, f"method {method.name()} learns from {which} volumes; found none")
        volume = open_volume(path)
        planes = _voxels(InputReader(volume, (1, 1, 1), method.interpolation, path))
        data.append({which: volume.digest})
        volumes.append(TrainingPair(planes, planes, name=str(path)))
    return data, volumes

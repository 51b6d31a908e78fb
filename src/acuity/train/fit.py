"""Training of a method that learns at once, without a network and without steps."""

import logging
import time
from dataclasses import replace
from typing import Any

import numpy as np
from safetensors.numpy import save as save_arrays

from acuity.engine.sampling import held_images
from acuity.methods.base import FittedMethod, scaled
from acuity.seals import write_sealed
from acuity.train.cards import model_card, version_of
from acuity.train.history import NOT_JUDGED, psnr, write_history
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.train.trainer import data_range
from acuity.train.volumes import read_volumes
from acuity.writing import write_bytes

logger = logging.getLogger("acuity.train")


def fit(job: TrainingJob, files: TrainingFiles, method: FittedMethod) -> None:
    """Train a method that learns at once; the last slices judge it where it holds some out.

    Parameters
    ----------
    job : acuity.train.job.TrainingJob
        The training.
    files : acuity.train.job.TrainingFiles
        Its files.
    method : acuity.methods.base.FittedMethod
        The method.
    """
    data, volumes = read_volumes(job, files, method)
    learned, judged = _held_out(method, volumes)
    # Where nothing is learned from there is nothing to judge by.
    judged = [pair for pair in judged if pair.mask is None or pair.mask.any()]
    started = time.perf_counter()
    arrays = method.fit(learned, job.seed)
    seconds = time.perf_counter() - started
    method.use(arrays)
    span = data_range(volumes[:1], 0.0)
    scores: dict[str, Any] = {**NOT_JUDGED, "step": 1}
    rows = []
    if judged:
        mse = float(np.mean([_error(method, pair) for pair in judged]))
        scores |= {"loss": mse, "psnr": psnr(mse, span)}
        rows = [[1, "validate", mse, scores["psnr"], seconds]]
    weights = save_arrays({key: np.ascontiguousarray(array) for key, array in arrays.items()})
    content = {
        **model_card(replace(job, fov_radius=None), files, method, data, weights),
        "normalisation": None,
        "data_range": span,
        "parameters": sum(array.size for array in arrays.values()),
        "scores": scores,
        "training": {"seconds": round(seconds, 1)},
        "execution": {"halo": list(method.halo), "stride": list(method.stride)},
    }
    content["versions"]["scikit-learn"] = version_of("scikit-learn")
    write_bytes(files.output, weights)
    write_history(files.history, rows)
    write_sealed(files.card, content)
    logger.info("%s at level %g: learned in %.0f s", method.name(), method.task.level, seconds)


def _held_out(method, volumes):
    """Split volumes into pairs to learn from and pairs to judge by."""
    fraction = method.settings.train.validation_fraction
    if all(len(pair.target) == 1 for pair in volumes):  # images are held out whole
        held = set(held_images(len(volumes), fraction).tolist())
        learned = [pair for n, pair in enumerate(volumes) if n not in held]
        return learned, [volumes[n] for n in sorted(held)]
    # What is held out must hold what the method restores at least.
    least = method.min_slices if fraction else 0
    first, learned = volumes[0], []
    for pair in volumes:
        n = len(pair.low) - max(round(fraction * len(pair.low)), least)
        learned.append(_part(pair, (slice(n), slice(None), slice(None)), method))
    judged = len(learned[0].low)
    if judged == len(first.low):
        return learned, []
    middle = (slice(max(0, n // 2 - 32), min(n, n // 2 + 32)) for n in first.low.shape[1:])
    return learned, [_part(first, (slice(judged, None), *middle), method)]


def _part(pair, box, method):
    """Return the part of a pair that lies in a box of its low volume."""
    box = tuple(slice(*part.indices(n)) for part, n in zip(box, pair.low.shape, strict=True))
    fine = scaled(box, method.scale)
    mask = None if pair.mask is None else pair.mask[fine]
    return replace(pair, low=pair.low[box], target=pair.target[fine], mask=mask)


def _error(method, pair):
    """Return the mean squared error of what a method restores, where it is learned from."""
    squared = (method.restore(np.ascontiguousarray(pair.low)) - pair.target) ** 2
    return float(squared.mean() if pair.mask is None else squared[pair.mask > 0].mean())

"""Training of a method that learns at once, without a network and without steps."""

import logging
import time
from dataclasses import replace

import numpy as np
from safetensors.numpy import save as save_arrays

from acuity.engine.sampling import held_images
from acuity.seals import write_sealed
from acuity.train.cards import model_card, version_of
from acuity.train.history import NOT_JUDGED, psnr, write_history
from acuity.train.volumes import read_volumes
from acuity.writing import write_bytes

logger = logging.getLogger("acuity.train")


def fit(job, files, method):
    """Train a method that learns at once; the last slices judge it where it holds some out.

    Parameters
    ----------
    job : acuity.train.job.TrainingJob
        The training.
    files : acuity.train.job.TrainingFiles
        Its files.
    method : acuity.methods.base.LearnedMethod
        A method whose regime is ``fit``.
    """
    data, volumes = read_volumes(job, files, method)
    learned, judged = _held_out(method, volumes)
    started = time.perf_counter()
    arrays = method.fit(learned, job.seed)
    seconds = time.perf_counter() - started
    method.use(arrays)
    values = volumes[0].target[::4, ::2, ::4]
    data_range = float(np.subtract(*np.percentile(values, [99.9, 0.1])))
    scores = {**NOT_JUDGED, "step": 1}
    rows = []
    if judged:
        mse = _error(method, judged)
        scores |= {"loss": mse, "psnr": psnr(mse, data_range)}
        rows = [[1, "validate", mse, scores["psnr"], seconds]]
    weights = save_arrays({key: np.ascontiguousarray(array) for key, array in arrays.items()})
    content = {
        **model_card(replace(job, fov_radius=None), method, data, weights),
        "normalisation": None,
        "data_range": data_range,
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
    """Split volumes into pairs to learn from and (low, target) arrays to judge by."""
    fraction, factor = method.settings.train.validation_fraction, method.scale[0]
    if all(len(pair.target) == 1 for pair in volumes):  # images are held out whole
        held = set(held_images(len(volumes), fraction).tolist())
        learned = [pair for n, pair in enumerate(volumes) if n not in held]
        return learned, [(volumes[n].low, volumes[n].target) for n in sorted(held)]
    # What is held out must hold what the method restores at least.
    least = method.min_slices if fraction else 0
    split = [len(pair.low) - max(round(fraction * len(pair.low)), least) for pair in volumes]
    learned = [
        replace(
            pair,
            low=pair.low[:n],
            target=pair.target[: n * factor],
            mask=None if pair.mask is None else pair.mask[: n * factor],
        )
        for pair, n in zip(volumes, split, strict=True)
    ]
    middle = tuple(slice(max(0, n // 2 - 32), n // 2 + 32) for n in volumes[0].low.shape[1:])
    low, target = volumes[0].low[split[0] :], volumes[0].target[split[0] * factor :]
    return learned, [(low[:, *middle], target[:, *middle])] if len(low) else []


def _error(method, judged):
    """Return the mean squared error of what a method restores."""
    errors = [
        float(((method.restore(np.ascontiguousarray(low)) - target) ** 2).mean())
        for low, target in judged
    ]
    return float(np.mean(errors))

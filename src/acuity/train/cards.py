"""The card of a model: what it learned, from what, how, and what that came to."""

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from acuity.degrade.images import check_strengths


def model_card(job, method, data, weights):
    """Return what a card says of any model.

    Parameters
    ----------
    job : acuity.train.job.TrainingJob
        The training.
    method : acuity.methods.base.LearnedMethod
        The method that learned.
    data : list of dict
        Digests of the volumes that were learned from.
    weights : bytes
        The model's file.

    Returns
    -------
    dict
    """
    degraded = job.degradation is not None
    return {
        **({"degradation": check_strengths(job.degradation)} if degraded else {}),
        "study": job.study,
        "method": method.name(),
        "settings": method.settings.for_training(),
        "level": method.task.level,
        "scale": list(method.task.scale),
        "phase": list(method.task.offset),
        "seed": int(job.seed),
        "fov_radius": job.fov_radius,
        "data": data,
        "weights": hashlib.sha256(weights).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            **{name: version_of(name) for name in ("acuity", "numpy", "safetensors", "zarr")},
        },
    }


def training_digest(job, method, data):
    """Return the digest of all that decides the weights: another training has other checkpoints.

    Parameters
    ----------
    job, method, data
        As for `model_card`.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    settings = method.settings.for_training()
    # Where and how often a checkpoint is written does not change what is learned.
    settings["train"].pop("checkpoint_seconds")
    content = {
        "method": method.name(),
        "settings": settings,
        "level": method.task.level,
        "scale": method.task.scale,
        "phase": method.task.offset,
        "seed": int(job.seed),
        "fov_radius": job.fov_radius,
        "data": data,
        "torch": torch.__version__,
    }
    if job.degradation is not None:
        content["degradation"] = check_strengths(job.degradation)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def version_of(name):
    """Return the version of a library, or that it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

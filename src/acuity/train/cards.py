"""The card of a model: what it learned, from what, how, and what that came to."""

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from acuity.degrade.images import check_strengths
from acuity.made_for import Input, describe, together
from acuity.methods.base import LearnedMethod
from acuity.model_card import CARD_VERSION
from acuity.seen import origin
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.volume import open_volume


def _training(job, method, data):
    """Return what decides the weights of a model: settings, task, seed and volumes."""
    degraded = None if job.degradation is None else check_strengths(job.degradation)
    return ({"degradation": degraded} if degraded else {}) | {
        "study": job.study,
        "method": method.name(),
        "settings": method.settings.for_training(),
        "level": method.task.level,
        "scale": list(method.task.scale),
        "phase": list(method.task.offset),
        "seed": int(job.seed),
        "fov_radius": job.fov_radius,
        "data": data,
    }


def model_card(
    job: TrainingJob,
    files: TrainingFiles,
    method: LearnedMethod,
    data: list[dict[str, str]],
    weights: bytes,
) -> dict[str, Any]:
    """Return what a card says of any model.

    Parameters
    ----------
    job : acuity.train.job.TrainingJob
        The training.
    files : acuity.train.job.TrainingFiles
        Its files.
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
    return {
        "card": CARD_VERSION,
        **_training(job, method, data),
        "made_for": together([_input_of(job, method, *pair) for pair in files.pairs]),
        "origins": _origins(files),
        "weights": hashlib.sha256(weights).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            **{name: version_of(name) for name in ("acuity", "numpy", "safetensors", "zarr")},
        },
    }


def training_digest(job: TrainingJob, method: LearnedMethod, data: list[dict[str, str]]) -> str:
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
    content = _training(job, method, data) | {"torch": torch.__version__}
    # Neither the study's name nor how often a checkpoint is written changes what is learned.
    del content["study"], content["settings"]["train"]["checkpoint_seconds"]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _origins(files: TrainingFiles) -> list[dict[str, str | None]]:
    """Return what the volumes that were learned from began as, each once."""
    ends = dict.fromkeys(str(end) for pair in files.pairs for end in pair if end)
    found = [origin(open_volume(end)) for end in ends]
    return [one for number, one in enumerate(found) if one not in found[:number]]


def _input_of(job: TrainingJob, method: LearnedMethod, low: Any, target: Any) -> Input:
    """Describe the low-resolution volume of a pair, or what becomes of its target."""
    made = job.degradation is not None
    if made or (method.by_planes and getattr(method.settings, "planes", None) == "target"):
        volume = open_volume(target)
        # At random strengths no two inputs are alike in noise and grey values.
        return describe(volume, name=target, scale=method.task.scale, values=not made)
    return describe(open_volume(low), name=low)


def version_of(name: str) -> str:
    """Return the version of a library, or that it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

"""Trained models: a card that says what a model is, and the weights that it describes."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import AcuityError, error_reason
from acuity.methods.base import FittedMethod, LearnedMethod, Task, check_settings
from acuity.seals import again, check_seal

logger = logging.getLogger("acuity.predict")

_EXECUTIONS = {
    "device": ("cpu", "cuda", "mps"),
    "precision": ("float32", "bfloat16"),
    "layout": ("contiguous", "channels_last"),
}


def read_card(card: str | PathLike) -> dict[str, Any]:
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


def _weights(model, card, content):
    """Read a model's bytes, which must be those that its card describes; return their digest too."""
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


def load_learned(
    method_class: type[LearnedMethod],
    settings: Mapping[str, Any],
    task: Task,
    model: str | PathLike | None,
    card: str | PathLike | None,
) -> tuple[LearnedMethod, Callable[..., np.ndarray], str]:
    """Make a trained method ready to run.

    Parameters
    ----------
    method_class : type
        A learned method.
    settings : dict
        Settings of which only ``predict`` is read; the others are the card's.
    task : acuity.methods.base.Task
        What the method is to undo.
    model, card : path
        Weights and card.

    Returns
    -------
    method : acuity.methods.base.LearnedMethod
        The method, with its halo and stride.
    run : callable
        Maps a tile (z, y, x) to a restored tile.
    digest : str
        SHA-256 of the model.

    Raises
    ------
    AcuityError
        If the model is not one of this method and task, or does not belong to its card; if its
        weights do not fit the network; if a device is demanded that is not there.
    """
    if model is None or card is None:
        raise AcuityError(f"method {method_class.name()} is learned and needs a model and its card")
    content = read_card(card)
    _check_task(content, card, method_class, task)
    wanted: Any = check_settings(method_class, settings).predict
    method = method_class({**content["settings"], "predict": wanted.model_dump()}, task)
    data, digest = _weights(model, card, content)
    if isinstance(method, FittedMethod):
        from safetensors.numpy import load as load_arrays

        method.use(load_arrays(data))
        return method, method, digest
    from safetensors.torch import load as load_tensors

    from acuity.engine.planes import make_runner

    network = method.build()[method.restorer]
    try:
        network.load_state_dict(load_tensors(data))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise AcuityError(f"{model}: does not fit method {method.name()} ({reason})") from None
    method.halo, method.stride = (tuple(content["execution"][key]) for key in ("halo", "stride"))
    run = make_runner(method, network, content["normalisation"], _execution(content, wanted))
    return method, run, digest


def _check_task(content, card, method_class, task):
    """Refuse a card of another method, or of one that was trained for another task."""
    if content["method"] != method_class.name():
        raise AcuityError(
            f"{card}: is a model of {content['method']}, not of {method_class.name()}"
        )
    # A card without a phase is of a model that was trained in the middle of the blocks.
    content.setdefault("phase", [(f - 1) / 2 for f in content["scale"]])
    for key, wanted in (
        ("level", task.level),
        ("scale", list(task.scale)),
        ("phase", list(task.offset)),
    ):
        if content[key] != wanted:
            raise AcuityError(
                f"{card}: the model was trained at {key} {content[key]}; found {wanted}"
            )


def _execution(content, wanted):
    """Return how a network is run: as its training found fastest, or plainly on another device."""
    from acuity.engine.execution import DEFAULT, choose_device

    tuned = content["execution"]
    device = choose_device(wanted.device)
    if device != tuned["device"]:
        logger.info("the model was tuned on %s and runs on %s: float32", tuned["device"], device)
    elif wanted.precision != "float32":
        return tuned
    return {**DEFAULT, "device": device}

"""Trained models: a card that says what a model is, and the weights that it describes."""

import hashlib
import json
import logging
from pathlib import Path

from acuity.errors import AcuityError, error_reason
from acuity.methods.base import check_settings
from acuity.seals import again, check_seal

logger = logging.getLogger("acuity.predict")

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
        One whose regime is ``fit``.
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


def load_learned(method_class, settings, task, model, card):
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
        Maps a tile (z, y, x) to a restored tile; has the weights' `digest`.

    Raises
    ------
    AcuityError
        If the model is not one of this method and task, or does not belong to its card; if a
        device is demanded that is not there.
    """
    if model is None or card is None:
        raise AcuityError(f"method {method_class.name()} is learned and needs a model and its card")
    content = read_card(card)
    _check_task(content, card, method_class, task)
    own = check_settings(method_class, settings).predict
    method = method_class({**content["settings"], "predict": own.model_dump()}, task)
    if method.regime == "fit":
        return method, Fitted(method, *_weights(model, card, content))
    network, content, digest = load_network(method, model, card)
    method.halo, method.stride = (tuple(content["execution"][key]) for key in ("halo", "stride"))
    run = _runner(method, network, content["normalisation"], _execution(content, own))
    run.digest = digest
    return method, run


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


def _runner(method, network, normalisation, execution):
    from acuity.engine.execution import Runner
    from acuity.engine.planes import PlanesRunner

    if method.regime == "planes":
        run = PlanesRunner(network, normalisation, execution)
    else:
        stacked = bool(method.slices_per_stack)
        run = Runner(network, normalisation, execution, stacked=stacked)
    run.execution = execution
    return run

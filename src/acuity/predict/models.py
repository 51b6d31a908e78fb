"""Trained models: a card that says what a model is, and the weights that it describes."""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from acuity.errors import AcuityError, error_reason
from acuity.methods.base import FittedMethod, LearnedMethod, MethodJob, Task, check_settings, load
from acuity.model_card import CARD_VERSION
from acuity.seals import again, check_seal, seal_path
from acuity.volume import Grid
from acuity.writing import write_bytes

logger = logging.getLogger("acuity.predict")

CARD, WEIGHTS = "model.json", "model.safetensors"
_EXECUTIONS = {
    "device": ("cpu", "cuda", "mps"),
    "precision": ("float32", "bfloat16"),
    "layout": ("contiguous", "channels_last"),
}


_COPY = f"copy {CARD} and {WEIGHTS} from the folder of their training again"


def model_files(path: str | PathLike) -> tuple[Path, Path]:
    """Return weights and card of a model that is named by its folder, or by one of the two.

    Parameters
    ----------
    path : path

    Returns
    -------
    model, card : pathlib.Path
    """
    folder = Path(path)
    folder = folder.parent if folder.name in (CARD, WEIGHTS) else folder
    return folder / WEIGHTS, folder / CARD


def figures_beside(path: str | PathLike) -> list[Path]:
    """Return the table of figures of the study that a model was trained in, and its seal.

    Parameters
    ----------
    path : path
        As for `model_files`.

    Returns
    -------
    list of pathlib.Path
        Empty where the model does not lie in a study's folder, or the study has no table yet.
    """
    folder = model_files(path)[0].parent
    if folder.parent.parent.name != "train":
        return []
    table = folder.parents[2] / "metrics.tsv"
    both = [table, seal_path(table)]
    return both if all(file.is_file() for file in both) else []


def read_travelled(path: str | PathLike, *, whole: bool = True) -> dict[str, Any]:
    """Read the card of a model that is to be taken, and hold the weights against it.

    Parameters
    ----------
    path : path
        As for `model_files`.
    whole : bool
        Read the weights too.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    AcuityError
        If card or weights are missing, damaged, edited, do not belong together, or are of a later version.
    """
    model, card = model_files(path)
    if not card.exists():
        there = "there are weights without it" if model.exists() else "the folder holds no model"
        raise AcuityError(
            f"{card}: is not there, {there}; a model is the folder with {WEIGHTS} and {CARD} that its "
            "training wrote, RESULTS/train/METHOD/levelLEVEL"
        )
    content = read_card(card, _COPY, sealed=True)
    if whole:
        _weights(model, card, content, _COPY)
    return content


def take_model(
    path: str | PathLike, job: MethodJob, output: str | PathLike, card: str | PathLike
) -> None:
    """Copy a model that was trained elsewhere, byte for byte, after a look at it.

    Parameters
    ----------
    path : path
        As for `model_files`.
    job : acuity.methods.base.MethodJob
        The method that it is to be a model of, and what it is to undo; settings count for nothing.
    output, card : path
        Where weights and card go; the card is written last.

    Raises
    ------
    AcuityError
        As `read_travelled`, and if it is of another method, factor or phase.
    """
    own = model_files(path)
    content = read_travelled(path)
    check_task(content, own[1], load(job.method_name), job.task, {"level"})
    for source, target in zip(own, (output, card), strict=True):
        write_bytes(target, source.read_bytes())


def read_card(
    card: str | PathLike, remedy: str | None = None, *, sealed: bool = False
) -> dict[str, Any]:
    """Read a model's card.

    Parameters
    ----------
    card : path
    remedy : str, optional
        What to do where it is no good; by default it is made anew.
    sealed : bool
        Refuse a card without a seal.

    Raises
    ------
    AcuityError
        If it is missing, is no card, or is of a later version.
    """
    remake = remedy or "remove it to train again"
    remedy = remedy or again(card)
    try:
        content = json.loads(Path(card).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AcuityError(f"{card}: no such model card; train the model first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise AcuityError(
            f"{card}: cannot be read as a model card ({error_reason(error)}); {remedy}."
        ) from None
    if isinstance(content, dict):
        check_seal(content, card, remedy, must=sealed)
        version = content.get("card", CARD_VERSION)
        if not isinstance(version, int) or version > CARD_VERSION:
            raise AcuityError(
                f"{card}: found a card of version {version}, allowed is up to {CARD_VERSION}: it was "
                "written by a later version of Acuity; install that one"
            )
    wanted = {"method", "settings", "level", "scale", "normalisation", "execution", "weights"}
    if not isinstance(content, dict) or not wanted <= content.keys():
        raise AcuityError(
            f"{card}: is no model card, or one of another version of Acuity; it needs the keys "
            f"{sorted(wanted)}; {remake}"
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
            f"another version of Acuity; {remake}"
        )
    return content


def _weights(model, card, content, remedy=None):
    """Read a model's bytes, which must be those that its card describes; return their digest too."""
    try:
        data = Path(model).read_bytes()
    except OSError as error:
        raise AcuityError(
            f"{model}: no such model ({error.strerror}); {remedy or 'train it first'}"
        ) from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != content["weights"]:
        raise AcuityError(
            f"{model}: its content is not the one that its card {card} describes; {remedy or again(model)}."
        )
    return data, digest


def load_learned(
    method_class: type[LearnedMethod],
    settings: Mapping[str, Any],
    task: Task,
    model: str | PathLike | None,
    card: str | PathLike | None,
    accept: Collection[str] = (),
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
    accept : collection of str
        ``level``: the model may have been trained at another level, and works as for its own.

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
    task = check_task(content, card, method_class, task, accept)
    wanted: Any = check_settings(method_class, settings).predict
    data, digest = _weights(model, card, content)
    return *made_ready(method_class, content, task, wanted, data, model), digest


def read_weights(model: str | PathLike, card: str | PathLike) -> tuple[bytes, str]:
    """Return a model's file, which must be the one that its card describes, and its SHA-256.

    Raises
    ------
    AcuityError
        If it is missing or another one.
    """
    return _weights(model, card, read_card(card))


def made_ready(
    method_class: type[LearnedMethod],
    content: Mapping[str, Any],
    task: Task,
    wanted: Any,
    data: bytes,
    model: str | PathLike,
) -> tuple[LearnedMethod, Callable[..., np.ndarray]]:
    """Make a method ready from what was read of its model.

    Parameters
    ----------
    method_class : type
        A learned method.
    content : mapping
        The model's card.
    task : acuity.methods.base.Task
        What the model undoes.
    wanted : acuity.methods.base.PredictSettings
        How it is to run.
    data : bytes
        Its weights.
    model : path
        Their file, for errors.

    Returns
    -------
    method : acuity.methods.base.LearnedMethod
    run : callable
        Maps a tile (z, y, x) to a restored tile.

    Raises
    ------
    AcuityError
        If the weights do not fit the network.
    """
    method = method_class({**content["settings"], "predict": wanted.model_dump()}, task)
    if isinstance(method, FittedMethod):
        from safetensors.numpy import load as load_arrays

        method.use(load_arrays(data))
        return method, method
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
    return method, run


def check_task(
    content: dict[str, Any],
    card: str | PathLike,
    method_class: type[LearnedMethod],
    task: Task,
    accept: Collection[str] = (),
) -> Task:
    """Refuse a card of another method, or of one that was trained for another task.

    Parameters
    ----------
    content : dict
        The card.
    card : path
        Its file, for errors.
    method_class : type
        The method that is to be run.
    task : acuity.methods.base.Task
        What it is to undo.
    accept : collection of str
        ``level``, where that may differ.

    Returns
    -------
    acuity.methods.base.Task
        That of the model.
    """
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
        if content[key] != wanted and key not in accept:
            called = "factors (z, y, x)" if key == "scale" else key
            raise AcuityError(
                f"{card}: the model was trained at {called} {content[key]}; found {wanted}"
            )
    return replace(task, level=float(content["level"]))


def field_of_view(card: Mapping[str, Any], grid: Grid) -> float | None:
    """Return the radius of the circle that a tomograph saw, in voxels of a restored grid.

    It is that of the model's own scans, where the volume has their square planes; of other volumes it
    is not known, and None.

    Parameters
    ----------
    card : mapping
        The model's card.
    grid : acuity.volume.Grid
        The restored grid.
    """
    radius = card.get("fov_radius")
    square = radius is not None and set(grid.shape[1:]) == {round(2 * radius)}
    return radius if square else None


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

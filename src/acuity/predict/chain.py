"""A chain: trained models that are applied in turn, each to what the one before has made.

Its card says of each model what that one's own card says, and of the whole what the first one was made for
and how much finer the last one's volume is. Its weights are the files of all of them, byte for byte.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, prod
from operator import mul
from os import PathLike
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.made_for import Comparison, Input, compare
from acuity.methods.base import LearnedMethod, MethodJob, Task, check_settings, load, scaled
from acuity.model_card import CARD_VERSION
from acuity.predict.models import (
    check_task,
    made_ready,
    model_files,
    read_travelled,
    read_weights,
    take_model,
)
from acuity.seals import write_sealed
from acuity.tables import TOLD
from acuity.units import convert
from acuity.writing import write_bytes

_MEET = 0.05  # relative difference of a voxel's side, as of volumes to restore
_KERNEL = 8  # voxels that an interpolation of a model's volume sees beyond its network


@dataclass(frozen=True)
class Link:
    """A model of a chain, ready to run.

    Attributes
    ----------
    method : acuity.methods.base.LearnedMethod
    run : callable
        Maps a tile (z, y, x) to a restored tile.
    card : mapping
        Of the model.
    """

    method: LearnedMethod
    run: Callable[..., np.ndarray]
    card: Mapping[str, Any]


def models_of(stated: str | Sequence[str], level: str = "{level}") -> list[str]:
    """Return where the models lie that a method takes: one, or those of a chain, in turn.

    Parameters
    ----------
    stated : str or sequence of str
        As a study says it.
    level : str
        What ``{level}`` in it stands for.
    """
    paths = [stated] if isinstance(stated, str) else stated
    return [path.replace("{level}", level) for path in paths]


def read_taken(paths: Sequence[str | PathLike], *, whole: bool = True) -> dict[str, Any]:
    """Read the card of a model that is to be taken, or make that of a chain.

    Parameters
    ----------
    paths : sequence of path
        One, or those of a chain, in turn.
    whole : bool
        Read the weights too.

    Returns
    -------
    dict
        A card; of a chain without ``weights``.

    Raises
    ------
    AcuityError
        As `acuity.predict.models.read_travelled`, and as `joined_card`.
    """
    cards = [read_travelled(path, whole=whole) for path in paths]
    return cards[0] if len(cards) == 1 else joined_card(cards, paths)


def take_models(
    paths: Sequence[str | PathLike], job: MethodJob, output: str | PathLike, card: str | PathLike
) -> None:
    """Copy a model that was trained elsewhere, or join those of a chain into one; see `take_model`.

    Parameters
    ----------
    paths : sequence of path
        One, or those of a chain, in turn.
    job, output, card
        As for `acuity.predict.models.take_model`.
    """
    if len(paths) == 1:
        take_model(paths[0], job, output, card)
        return
    content = read_taken(paths)
    check_task(content, model_files(paths[-1])[1], load(job.method_name), job.task)
    files = [model_files(path)[0] for path in paths]
    data = joined_weights([file.read_bytes() for file in files])
    write_bytes(output, data)
    write_sealed(card, content | {"weights": hashlib.sha256(data).hexdigest()})


def joined_card(cards: Sequence[Mapping[str, Any]], paths: Sequence[Any]) -> dict[str, Any]:
    """Make the card of a chain, after a look at whether its models fit each other.

    Parameters
    ----------
    cards : sequence of mapping
        Those of its models, in turn.
    paths : sequence of path
        Where these lie, for errors.

    Returns
    -------
    dict
        Without ``weights``.

    Raises
    ------
    AcuityError
        If they are of several methods, a model is itself a chain or normalises each volume by itself, a level is not the
        factor between the grids, or a model learned from other voxels than the one before makes.
    """
    for card, path in zip(cards, paths, strict=True):
        _check_model(card, path, cards[0])
    for number in range(1, len(cards)):
        _check_meeting(cards[number - 1 : number + 1], paths[number - 1 : number + 1])
    first, last = cards[0], cards[-1]
    scale = [prod(factors) for factors in zip(*(card["scale"] for card in cards), strict=True)]
    ends = {"low": first, "target": last}
    origins = [one for card in cards for one in card.get("origins", [])]
    return {
        "card": CARD_VERSION,
        "method": last["method"],
        "level": float(prod(card["level"] for card in cards)),
        "scale": scale,
        "phase": [(f - 1) / 2 for f in scale],
        "settings": last["settings"],
        "normalisation": {
            key: card["normalisation"][key] for key, card in ends.items() if card["normalisation"]
        },
        "execution": last["execution"],
        "parameters": sum(card.get("parameters", 0) for card in cards),
        "data_range": last.get("data_range"),
        "origins": [one for number, one in enumerate(origins) if one not in origins[:number]],
        "made_for": first.get("made_for") or {},
        "versions": last.get("versions") or {},
        "chain": list(cards),
    }


def _check_model(card, path, first):
    """Refuse what cannot be a link of a chain."""
    name, method = model_files(path)[1], load(card["method"])
    scale = card["scale"]
    if card.get("chain"):
        raise AcuityError(f"{name}: is a chain itself; name its models, one by one")
    if card["method"] != first["method"]:
        raise AcuityError(
            f"{name}: is a model of {card['method']} in a chain of {first['method']}; allowed are models of "
            "one method"
        )
    if method.by_planes or (card["normalisation"] or {}).get("own"):
        raise AcuityError(
            f"{name}: is a model of {card['method']}, which restores planes or brings each volume to its own "
            "grey values; allowed in a chain are models of volumes that keep them"
        )
    if scale != [card["level"]] * 3 or card.get("phase", [(f - 1) / 2 for f in scale]) != [
        (f - 1) / 2 for f in scale
    ]:
        raise AcuityError(
            f"{name}: was trained at level {card['level']:g} with the factors {scale} (z, y, x); allowed in a chain "
            "are models of pairs of volumes, whose level is the factor along each axis"
        )


def _check_meeting(cards, paths):
    """Refuse two models of which the second learned from other voxels than the first makes."""
    names = [str(model_files(path)[1]) for path in paths]
    for card, name in zip(cards, names, strict=True):
        if not card.get("made_for"):
            raise AcuityError(
                f"{name}: does not say which voxels its model is for; allowed in a chain is one that does"
            )
    made, taken = (card["made_for"] for card in cards)
    unit, scale = made["unit"], cards[0]["scale"]
    # Least and largest side along each axis, of what the first makes and of what the second learned from.
    ends = [
        [side / f for side, f in zip(sizes, scale, strict=True)] for sizes in made["voxel_size"]
    ]
    own = [[convert(side, taken["unit"], unit) for side in sizes] for sizes in taken["voxel_size"]]
    fits = all(
        own[0][axis] * (1 - _MEET) <= ends[0][axis] and ends[1][axis] <= own[1][axis] * (1 + _MEET)
        for axis in range(3)
    )
    if not fits:
        raise AcuityError(
            f"the voxel sizes of the chain do not meet: {names[0]} makes voxels of {_sizes(ends, unit)}, and "
            f"{names[1]} learned from voxels of {_sizes(own, unit)}; allowed is a model that learned within "
            f"{100 * _MEET:g} % of what the one before makes"
        )


def _sizes(ends, unit):
    sides = dict.fromkeys(f"{side:.4g}" for sizes in ends for side in sizes)
    return f"{' x '.join(sides)} {unit}"


def joined_weights(files: Sequence[bytes]) -> bytes:
    """Put the files of several models into one (safetensors), byte for byte."""
    from safetensors.numpy import save

    return save({f"{n}": np.frombuffer(data, np.uint8) for n, data in enumerate(files)})


def split_weights(data: bytes) -> list[bytes]:
    """Return the files that `joined_weights` has put together."""
    from safetensors.numpy import load as load_arrays

    arrays = load_arrays(data)
    return [arrays[f"{n}"].tobytes() for n in range(len(arrays))]


def link_task(card: Mapping[str, Any]) -> Task:
    """Return what a model of a chain undoes, by its card."""
    return Task(float(card["level"]), tuple(card["scale"]), card.get("phase"))


def gap(card: Mapping[str, Any], found: Input) -> list[dict[str, str]]:
    """Say what a model of a chain has learned from, beside what the one before has made for it.

    Parameters
    ----------
    card : mapping
        Of the model that comes next.
    found : acuity.made_for.Input
        What the volume between is to it.

    Returns
    -------
    list of dict
        One finding: columns `acuity.tables.TOLD`.
    """
    asked = ("noise", "grey_values")
    compared = [one for one in compare(card["made_for"], found) if one.key in asked]
    measured = "; ".join(map(_beside, compared))
    size, unit = card["made_for"]["voxel_size"][0], card["made_for"]["unit"]
    finding = (
        f"a chain: the model for voxels of {_sizes([size], unit)} learned from real scans of that size, and was "
        f"applied to what the model before it made{f' ({measured})' if measured else ''}"
    )
    effect = (
        "errors of the first model are input to the second, which has seen none like them: beside a model that "
        "learned from coarse to fine at once, this one may show structure that is not there"
    )
    return [dict(zip(TOLD, ("input", finding, effect), strict=True))]


def _beside(one: Comparison) -> str:
    name = {"noise": "noise", "grey_values": "grey values"}[one.key]
    return f"{name} {one.found} there, and {one.taught} in the scans that it learned from"


def ready_links(
    job: MethodJob, model: str | PathLike, card: str | PathLike, content: Mapping[str, Any]
) -> tuple[list[Link], str]:
    """Make the models of a chain ready to run.

    Parameters
    ----------
    job : acuity.methods.base.MethodJob
        What the chain is to undo, and how it runs.
    model, card : path
        The chain's files.
    content : mapping
        Its card.

    Returns
    -------
    links : list of Link
        In turn.
    digest : str
        SHA-256 of the weights.

    Raises
    ------
    AcuityError
        As `acuity.predict.models.load_learned`.
    """
    method_class = load(job.method_name)
    check_task(dict(content), card, method_class, job.task)
    wanted: Any = check_settings(method_class, job.settings).predict
    data, digest = read_weights(model, card)
    links = []
    for own, part in zip(content["chain"], split_weights(data), strict=True):
        made = made_ready(method_class, own, link_task(own), wanted, part, model)
        links.append(Link(*made, own))
    return links, digest


def boxes_in_turn(
    links: Sequence[Link], shape: Sequence[int], box: Sequence[slice]
) -> list[tuple[slice, ...]]:
    """Return what each model of a chain must restore, so that the last one sees all that it looks at.

    Parameters
    ----------
    links : sequence of Link
        In turn.
    shape : sequence of int
        (z, y, x) of the first one's volume.
    box : sequence of slice
        What is asked for, in voxels of that.

    Returns
    -------
    list of tuple of slice
        Of each model a part of its whole input volume, in its voxels.
    """
    finer = [(1, 1, 1)]
    for link in links[:-1]:
        finer.append(tuple(map(mul, finer[-1], link.method.task.scale)))
    boxes = [scaled(box, finer[-1])]
    for number in range(len(links) - 1, 0, -1):
        link, before = links[number], links[number - 1].method.task.scale
        ends = [n * f for n, f in zip(shape, finer[number - 1], strict=True)]
        seen = zip(
            boxes[0], _reach(link.method), _raster(link.method, before), before, ends, strict=True
        )
        boxes.insert(0, tuple(_before(*one) for one in seen))
    return boxes


def _reach(method):
    """How far a model sees (z, y, x), voxels of its volume."""
    finer = [t // s for t, s in zip(method.task.scale, method.scale, strict=True)]
    halo = (max(method.halo[0], method.depth or 0), *method.halo[1:])
    return [-(-h // f) + _KERNEL for h, f in zip(halo, finer, strict=True)]


def _raster(method, before):
    """Steps (z, y, x), voxels of the volume before, from one place to the next on which its tiles may start."""
    finer = [f * t // s for f, t, s in zip(before, method.task.scale, method.scale, strict=True)]
    return [s // gcd(s, f) for s, f in zip(method.stride, finer, strict=True)]


def _before(part, reach, step, scale, end):
    """The part of an axis that the model before must restore."""
    start, stop = (part.start - reach) // scale, -(-(part.stop + reach) // scale)
    return slice(max(0, start // step * step), min(end, stop))

"""The card of a model: what was trained, from what and how, as its training has written it."""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from acuity.errors import AcuityError
from acuity.seals import again
from acuity.volume import read_sealed_json

CARD_VERSION = 1  # of what a card holds; those before it say nothing of it


@dataclass(frozen=True)
class ModelCard:
    """What a model says of itself.

    Parameters
    ----------
    method : str
        NAME or NAME@VARIANT.
    level : float
    settings : dict
        Of the method, those of its training under ``train``.
    parameters : int
        Numbers that were learned.
    training : dict
        How it went: steps, patch, ``skipped_steps``, ``rollbacks``.
    scores : dict
        PSNR on what was held out, of the restored and of the unrestored.
    normalisation : dict
        Mean and standard deviation of ``low`` and ``target``.
    data_range : float or None
        Within which 99.8 % of the target's values lie.
    execution : dict
        Device, precision and layout.
    data : dict
        Digests of the volumes that it learned from.
    study : str
        The study that it was trained in.
    origins : list of dict
        What the volumes that it learned from began as, see `acuity.seen.origin`.
    made_for : dict
        Range of the inputs that it learned from, see `acuity.made_for.together`.
    weights : str
        SHA-256 of the weights' file.
    versions : dict
        Of the libraries.
    chain : list of dict
        The cards of the models that are applied in turn, where it is a chain; see `acuity.predict.chain`.
    """

    method: str
    level: float
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: int = 0
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    normalisation: dict[str, Any] = field(default_factory=dict)
    data_range: float | None = None
    execution: dict[str, Any] = field(default_factory=dict)
    data: Any = field(default_factory=dict)
    study: str = ""
    origins: list[dict[str, Any]] = field(default_factory=list)
    made_for: dict[str, Any] = field(default_factory=dict)
    weights: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    chain: list[dict[str, Any]] = field(default_factory=list)

    @property
    def links(self) -> list["ModelCard"]:
        """The cards of the models of a chain, in turn; none of a single model."""
        return [_card(content) for content in self.chain]

    @property
    def image(self) -> tuple[str, float]:
        """Method and level, by which what it restores is found."""
        return self.method, float(self.level)


def read_model_card(path: str | os.PathLike) -> ModelCard:
    """Read a model's card.

    Parameters
    ----------
    path : path
        ``model.json``.

    Returns
    -------
    ModelCard

    Raises
    ------
    AcuityError
        If it is missing, damaged or no card.
    """
    content = read_sealed_json(Path(path), "nothing can be said of its model", again(path))
    if not {"method", "level"} <= content.keys():
        raise AcuityError(
            f"{path}: is no model card, it names no method and level; remove it to train again"
        )
    return _card(content)


def _card(content: dict[str, Any]) -> ModelCard:
    """Return what is known of a card's content."""
    known = {one.name for one in fields(ModelCard)}
    return ModelCard(**{name: value for name, value in content.items() if name in known})

"""The page of what was restored along z: tables by slice interval, sections, graphs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from acuity.keys import by_kind
from acuity.model_card import ModelCard, read_model_card
from acuity.report.further_page import MeasuredPage, head, read_measured
from acuity.report.sections.axial import SECTIONS


@dataclass(frozen=True, kw_only=True)
class AxialPage(MeasuredPage):
    """What the page of methods along one axis shows.

    Parameters
    ----------
    models : mapping of (str, float) to ModelCard
        By method and level.
    """

    about = "methods by n"
    header = head("along the milling direction", "methods by slice interval")
    sections = SECTIONS

    models: Mapping[tuple[str, float], ModelCard] = field(default_factory=dict)


def read(files, cfg):
    """Read what the page shows: ``metrics``, ``drawings`` and, named by key, ``cards`` of models."""
    cards = map(read_model_card, by_kind(files.items()).get("cards", {}).values())
    return AxialPage(models={card.image: card for card in cards}, **read_measured(files, cfg))

"""What was restored along z: volumes, metrics -> PNG, SVG, tables and what its page shows of them."""

from collections.abc import Mapping
from typing import Any

from acuity.keys import by_image, by_kind
from acuity.model_card import read_model_card
from acuity.report.axial import axial_figures
from acuity.report.images import stamp
from acuity.report.sources import TEXT, told_of
from acuity.tables import read_keyed, read_table


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw it from a job's named files."""
    kinds = by_kind(files.items())
    cards = map(read_model_card, kinds.get("cards", {}).values())
    drawn = axial_figures(
        read_table(files["metrics"], dtype=TEXT),
        by_image(kinds["volumes"]),
        read_keyed(kinds.get("scattering_curve", {})),
        by_image(kinds.get("disagreements", {})),
        read_keyed(kinds.get("fsc_curve", {})),
        {card.image: card for card in cards},
        out_dir=cfg["folder"],
        samples=[cfg["sample"]],
        data_range=cfg["data_range"],
    )
    stamp(drawn, told_of(files, cfg["sample"])[0])

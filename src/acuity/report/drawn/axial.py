"""What was restored along z: volumes, metrics -> PNG, SVG, tables and what its page shows of them."""

from collections.abc import Mapping
from typing import Any

from acuity.keys import by_kind
from acuity.report.axial import axial_figures, axial_sources
from acuity.report.images import stamp
from acuity.report.sources import TEXT, told_of
from acuity.tables import read_table


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw it from a job's named files."""
    drawn = axial_figures(
        read_table(files["metrics"], dtype=TEXT),
        **axial_sources(by_kind(files.items())),
        out_dir=cfg["folder"],
        samples=[cfg["sample"]],
        data_range=cfg["data_range"],
    )
    stamp(drawn, told_of(files, cfg["sample"])[0])

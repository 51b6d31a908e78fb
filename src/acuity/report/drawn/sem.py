"""What became of SEM images: pair, images, tables -> PNG, SVG, a table and what their page shows."""

from collections.abc import Mapping
from typing import Any

from acuity.keys import by_kind
from acuity.report.images import stamp
from acuity.report.sem import sem_figures, sem_sources
from acuity.report.sources import TEXT, told_of
from acuity.tables import read_table


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw it from a job's named files."""
    drawn = sem_figures(
        read_table(files["metrics"], dtype=TEXT),
        **sem_sources(files, by_kind(files.items()), limits=cfg["limits"]),
        out_dir=cfg["folder"],
        samples=[cfg["sample"]],
    )
    stamp(drawn, told_of(files, cfg["sample"])[0])

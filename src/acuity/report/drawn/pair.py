"""How a pair of volumes was registered: volumes, map, blocks -> PNG, SVG and what their page shows."""

from collections.abc import Mapping
from typing import Any

from acuity.report.images import stamp
from acuity.report.paired import pair_figures, pair_sources
from acuity.report.sources import told_of


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw it from a job's named files."""
    drawn = pair_figures(pair_sources(files), cfg["folder"])
    stamp(drawn, told_of(files, cfg["sample"])[0])

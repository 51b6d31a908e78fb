"""What was done to a stack: tables, volumes before and after -> PNG, SVG, verdict."""

from collections.abc import Mapping
from typing import Any

from acuity.report.images import stamp
from acuity.report.sources import read_slices, seen_note
from acuity.report.stack import stack_figures


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw it from a job's named files."""
    tables = read_slices(files["slices"]), read_slices(files["pairs"])
    volumes = files["before"], files["after"]
    drawn = stack_figures(cfg["sample"], *tables, *volumes, out_dir=cfg["folder"])
    stamp(drawn, seen_note(files["seen"], cfg["sample"]))

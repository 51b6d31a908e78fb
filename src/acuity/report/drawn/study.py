"""The study's figures: tables -> PNG, SVG and what pages show of them."""

from collections.abc import Mapping
from typing import Any

from acuity.keys import by_kind
from acuity.report.figures import study_figures
from acuity.report.images import stamp
from acuity.report.sources import seen_note, study_tables
from acuity.report.style import Words


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw them from a job's named files."""
    tables = study_tables(files, by_kind(files.items()).get("histories"))
    cfg |= {"words": Words(**cfg["words"]), "out_dir": cfg.pop("folder")}
    stamp(study_figures(**tables, **cfg), seen_note(files["seen"]))

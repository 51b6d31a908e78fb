"""The study's figures: tables -> PNG, SVG and what pages show of them."""

from collections.abc import Mapping
from typing import Any

from acuity.keys import by_kind
from acuity.report.figures import study_figures
from acuity.report.images import stamp
from acuity.report.plots.base import load
from acuity.report.sources import seen_note, study_tables
from acuity.report.style import Words


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw them from a job's named files."""
    further = map(load, cfg.pop("further"))
    tables = study_tables(files, by_kind(files.items()).get("histories"))
    # What was restored without a truth is compared with nothing.
    restored = cfg.pop("restored_samples", ())
    tables = {
        name: table[~table["sample"].isin(restored)] if "sample" in table else table
        for name, table in tables.items()
    }
    cfg |= {"words": Words(**cfg["words"]), "out_dir": cfg.pop("folder")}
    drawn = study_figures(**tables, **cfg)
    for figure in further:
        drawn += figure.plot(**tables, words=cfg["words"]).save(cfg["out_dir"])
    stamp(drawn, seen_note(files["seen"]))

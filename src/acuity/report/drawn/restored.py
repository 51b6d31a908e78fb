"""A restored sample's pictures and graphs: volumes, labels -> PNG, SVG and what its page shows of them."""

from collections.abc import Mapping
from typing import Any

from acuity.keys import by_kind
from acuity.report.images import stamp
from acuity.report.plots.base import load
from acuity.report.restored import restored_figures
from acuity.report.sources import input_file, sample_sources, told_of
from acuity.report.style import Words


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw them from a job's named files."""
    seen, framed = told_of(files, cfg["sample"])
    sources, words = sample_sources(by_kind(files.items())), Words(**cfg["words"])
    drawn = restored_figures(
        sources["volumes"],
        files["low"],
        labels=sources["labels"],
        out_dir=cfg["folder"],
        words=words,
        about=input_file(sources["volumes"]),
        framed=framed,
    )
    for figure in map(load, cfg["further"]):
        drawn += figure.plot(**sources, words=words).save(cfg["folder"])
    stamp(drawn, seen)

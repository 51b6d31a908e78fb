"""One sample's pictures: volumes, labels, maps -> PNG and what its page shows of them."""

from collections.abc import Mapping
from typing import Any

from acuity.keys import by_kind
from acuity.report.images import sample_figures, stamp
from acuity.report.plots.base import load
from acuity.report.sources import input_file, sample_sources, told_of
from acuity.report.style import Words


def draw(files: Mapping[str, Any], cfg: dict[str, Any]) -> None:
    """Draw them from a job's named files."""
    seen, cfg["framed"] = told_of(files, cfg.pop("sample"))
    further = map(load, cfg.pop("further"))
    sources = sample_sources(by_kind(files.items()))
    cfg["words"] = Words(**cfg["words"])
    cfg |= {"about": input_file(sources["volumes"]), "out_dir": cfg.pop("folder")}
    drawn = sample_figures(**sources, **cfg)
    for figure in further:
        drawn += figure.plot(**sources, words=cfg["words"]).save(cfg["out_dir"])
    stamp(drawn, seen)

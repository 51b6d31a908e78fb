"""The page of a stack: verdict, sections, path, faulty slices."""

from dataclasses import dataclass

from acuity.report.further_page import head, read_further
from acuity.report.judged import read_judged
from acuity.report.page import FurtherPage
from acuity.report.sections.stack import SECTIONS
from acuity.report.verdict import Line


@dataclass(frozen=True, kw_only=True)
class StackPage(FurtherPage):
    """What the page of a stack shows.

    Parameters
    ----------
    verdict : Line
    mode : str
        Mode of the alignment, for what it claims about true shape.
    """

    about = "alignment"
    header = head(about, "the stack of slices", "stack_views")
    sections = SECTIONS

    verdict: Line
    mode: str = ""


def read(files, cfg):
    """Read what the page of a stack shows: ``drawings``, ``judged`` and, for its day, ``slices``."""
    said, _ = read_judged([files["judged"]])
    return StackPage(verdict=said[cfg["sample"]][0], **read_further(files, cfg, "slices"))

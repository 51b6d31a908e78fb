"""The page of a stack: verdict, sections, path, faulty slices."""

from dataclasses import dataclass

from acuity.report.further import head, read_further
from acuity.report.judged import read_judged
from acuity.report.page import FurtherPage, write_page
from acuity.report.sections.faulty_slices import FAULTY_SLICES
from acuity.report.sections.stack_graphs import STACK_GRAPHS
from acuity.report.sections.stack_verdict import STACK_VERDICT
from acuity.report.sections.stack_views import STACK_VIEWS
from acuity.report.verdict import Line

SECTIONS = (STACK_VERDICT, STACK_VIEWS, STACK_GRAPHS, FAULTY_SLICES)
HEADER = head("alignment", "the stack of slices", "stack_views")


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

    verdict: Line
    mode: str = ""


def read_stack(files, cfg):
    """Read what the page of a stack shows: ``drawings``, ``judged`` and, for its day, ``slices``."""
    said, _ = read_judged([files["judged"]])
    return StackPage(verdict=said[cfg["sample"]][0], **read_further(files, cfg, "slices"))


def stack_page(page, output):
    """Write the page of a stack.

    Parameters
    ----------
    page : StackPage
    output : path-like
    """
    write_page(page, HEADER, SECTIONS, output)

"""The page of a stack: verdict, sections, path, faulty slices."""

from dataclasses import dataclass

from acuity.report.drawing import read_drawings
from acuity.report.judged import read_judged
from acuity.report.page import FurtherPage, Section, seen_of, write_page
from acuity.report.sections.faulty_slices import FAULTY_SLICES
from acuity.report.sections.stack_graphs import STACK_GRAPHS
from acuity.report.sections.stack_verdict import STACK_VERDICT
from acuity.report.sections.stack_views import STACK_VIEWS
from acuity.report.sources import run_date
from acuity.report.verdict import Line

SECTIONS = (STACK_VERDICT, STACK_VIEWS, STACK_GRAPHS, FAULTY_SLICES)


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


HEADER = Section(
    "head",
    """
<header>
<p class="muted">{% if page.index %}<a href="{{ page.index }}">{{ page.name }}</a>{% else %}{{ page.name }}{% endif %} › alignment</p>
<h1>{{ page.sample }}: the stack of slices</h1>
<p class="muted">{{ page.drawings.stack_views.more.summary }}</p>
</header>
""",
)


def read_stack(files, cfg):
    """Read what the page of a stack shows: ``drawings``, ``judged`` and, for its day, ``slices``."""
    drawings = read_drawings(files["drawings"])
    said, _ = read_judged([files["judged"]])
    told = {"seen": seen_of(drawings), "ran": run_date(files["slices"]), **cfg}
    return StackPage(drawings=drawings, verdict=said[cfg["sample"]][0], **told)


def stack_page(page, output):
    """Write the page of a stack.

    Parameters
    ----------
    page : StackPage
    output : path-like
    """
    write_page(page, HEADER, SECTIONS, output)

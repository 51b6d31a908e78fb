"""The page of an image: table of methods, places close up, spectra, registration of its pair."""

from acuity.report.further import MeasuredPage, head, read_measured
from acuity.report.page import write_page
from acuity.report.sections.close_up import CLOSE_UP
from acuity.report.sections.registration import REGISTRATION
from acuity.report.sections.sem_graphs import SEM_GRAPHS
from acuity.report.sections.sem_methods import SEM_METHODS
from acuity.report.sections.sem_verdict import SEM_VERDICT

SECTIONS = (SEM_VERDICT, SEM_METHODS, CLOSE_UP, SEM_GRAPHS, REGISTRATION)
HEADER = head("scanning electron microscopy", "what became resolvable", "sem_crops")


class SemPage(MeasuredPage):
    """What the page of an image shows."""

    about = "SEM"


def read_sem(files, cfg):
    """Read what the page shows: ``metrics`` and ``drawings``."""
    return SemPage(**read_measured(files, cfg))


def sem_page(page, output):
    """Write the page of an image.

    Parameters
    ----------
    page : SemPage
    output : path-like
    """
    write_page(page, HEADER, SECTIONS, output)

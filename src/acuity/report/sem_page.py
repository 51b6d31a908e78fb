"""The page of an image: table of methods, places close up, spectra, registration of its pair."""

from acuity.report.further_page import MeasuredPage, head, read_measured
from acuity.report.sections.sem import SECTIONS


class SemPage(MeasuredPage):
    """What the page of an image shows."""

    about = "SEM"
    header = head("scanning electron microscopy", "what became resolvable", "sem_crops")
    sections = SECTIONS


def read(files, cfg):
    """Read what the page shows: ``metrics`` and ``drawings``."""
    return SemPage(**read_measured(files, cfg))

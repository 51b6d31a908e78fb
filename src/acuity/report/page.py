"""A page of a report: self-contained HTML for people who never open a terminal, made of sections."""

import os
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

from acuity.report.drawing import Drawing
from acuity.report.sections.base import Section, templates
from acuity.report.style import PLAIN, Words
from acuity.report.verdict import Line
from acuity.writing import write_text

NOTHING = [Line("", "none", "Nothing was measured.")]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page of any kind says of itself, and what its sections show.

    Attributes
    ----------
    header : Section
        What stands above all others.
    sections : tuple of Section
        In reading order.

    Parameters
    ----------
    study, title : str
        Name of the study, and its title if it has one.
    seen : str
        What is said on top and below each figure where models learned from what is shown.
    ran : str
        The day on which the study was run.
    provenance : mapping
        Headings to what stands under them: nested mappings, lists, texts and numbers.
    drawings : mapping of str to Drawing
        Its figures by name.
    command : str
        What to type to repeat the study.
    words : acuity.report.style.Words
        How levels, lengths and objects are written.
    """

    header: ClassVar[Section]
    sections: ClassVar[tuple[Section, ...]]

    study: str
    title: str = ""
    seen: str = ""
    ran: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    drawings: Mapping[str, Drawing] = field(default_factory=dict)
    command: str = ""
    words: Words = PLAIN

    @property
    def name(self) -> str:
        """The study as it is called on the page."""
        return self.title or self.study

    @property
    def page_title(self) -> str:
        """What stands in the browser's title."""
        raise NotImplementedError

    @property
    def linked(self) -> bool:
        """Whether the page has links to others."""
        return False

    def figures(self, *names: str) -> list[Drawing]:
        """Return those of its figures that have these names, in their order."""
        return [self.drawings[name] for name in names if name in self.drawings]

    def drawn(self, *names: str) -> list[Drawing]:
        """Return those of them that have panels."""
        return [drawing for drawing in self.figures(*names) if drawing.svgs]

    def write(self, output: str | os.PathLike) -> None:
        """Write the page in one step; its folder is made."""
        shown = {"header": self.header.render(self)}
        shown["sections"] = [section.render(self) for section in self.sections]
        template = templates().get_template("base.html")
        write_text(output, template.render(page=self, **shown))


@dataclass(frozen=True, kw_only=True)
class FurtherPage(Page):
    """A further page of a sample, made of its figures.

    Parameters
    ----------
    sample : str
        Heading: a sample's name, or that of the study.
    index : str, optional
        Link to the study's first page.
    """

    about: ClassVar[str] = ""

    sample: str
    index: str | None = None

    @property
    def page_title(self) -> str:
        """Sample, what the page is about, and study."""
        return f"{self.sample}, {self.about} – {self.name}"

    @property
    def linked(self) -> bool:
        """Whether it leads back to the first page."""
        return bool(self.index)


def seen_of(drawings: Mapping[str, Drawing]) -> str:
    """Return what is said of figures that show what models learned from."""
    return next((drawing.seen for drawing in drawings.values() if drawing.seen), "")


def link(sample: str) -> str:
    """Return the address of a sample's page, from the pages beside it."""
    # A leading ./ keeps a name with a colon from being read as a scheme.
    return f"./{quote(sample, safe='')}.html"


def count(things: Sized, word: str) -> str:
    """Return how many things there are, in words."""
    return f"{len(things)} {word}{'s' if len(things) != 1 else ''}"

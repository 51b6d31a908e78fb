"""A page of a report: self-contained HTML for people who never open a terminal, made of sections.

Everything that comes from a table or a study is escaped; style, script and pictures are inside the
page, and its content policy forbids any request and any script but its own.
"""

import base64
import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar
from urllib.parse import quote

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from acuity.report.drawing import Drawing
from acuity.report.style import PLAIN, Words
from acuity.report.verdict import CARE, GOOD, GRADES, TRUSTED_RECALL, Line, percent
from acuity.writing import write_text

NOTHING = [Line("", "none", "Nothing was measured.")]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    html : str
        Its template (Jinja), which knows ``page``, the macros of parts.html as ``parts`` and what
        `build` returns.
    build : callable
        Takes the page and returns what the template shows.
    when : callable
        Takes the page and tells whether the section has a place on it.
    """

    html: str
    build: Callable[[Any], Mapping[str, Any]] = lambda page: {}
    when: Callable[[Any], bool] = lambda page: True

    def render(self, page: "Page") -> Markup:
        """Return the section of a page as HTML, empty where it has no place."""
        if not self.when(page):
            return Markup("")
        head = '{% import "parts.html" as parts with context %}\n'
        shown = {"page": page, "seen": page.seen, "noun": page.words.noun}
        shown |= {"level_title": page.words.level_title, **self.build(page)}
        return Markup(_environment().from_string(head + self.html).render(shown))


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
        template = _environment().get_template("base.html")
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


@cache
def _environment() -> Environment:
    folder = files("acuity.report.sections") / "templates"
    sources = {
        file.name: file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".html")
    }
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (folder / "script.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    try:
        version = importlib.metadata.version("acuity")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    environment.globals.update(
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        version=version,
        grades=GRADES,
        good={key: percent(value) for key, value in GOOD.items()},
        care={key: percent(value) for key, value in CARE.items()},
        trusted=percent(TRUSTED_RECALL),
    )
    return environment

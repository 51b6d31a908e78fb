"""Sections of pages: what they are, and those of more than one page.

Everything that comes from a table or a study is escaped; style, script and pictures are inside the
page, and its content policy forbids any request and any script but its own.
"""

import base64
import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from acuity.report.verdict import CARE, GOOD, GRADES, TRUSTED_RECALL, percent


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

    def render(self, page: Any) -> Markup:
        """Return the section of a page as HTML, empty where it has no place."""
        if not self.when(page):
            return Markup("")
        head = '{% import "parts.html" as parts with context %}\n'
        shown = {"page": page, "seen": page.seen, "noun": page.words.noun}
        shown |= {"level_title": page.words.level_title, **self.build(page)}
        return Markup(templates().from_string(head + self.html).render(shown))


@cache
def templates() -> Environment:
    """Return what fills templates, with what all of them know."""
    folder = files("acuity.report.sections") / "templates"
    environment = Environment(
        loader=PackageLoader("acuity.report.sections"),
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


def graphs(find, heading="Graphs", label="Graphs"):
    """Return a section of figures, which has no place where there are none.

    Parameters
    ----------
    find : callable
        Takes the page and returns drawings.
    heading, label : str
        What stands above them, and what says it to who does not see it.

    Returns
    -------
    Section
    """
    return Section(
        """
{% if drawings %}
{% call parts.part(heading, label) %}
{{ parts.figures(drawings) }}
{% endcall %}
{% endif %}
""",
        lambda page: {"label": label, "heading": heading, "drawings": find(page)},
    )


def further_figures(own):
    """Return the section of the figures that are none of a page's own.

    Parameters
    ----------
    own : collection of str
        Names of those that have another place on it.

    Returns
    -------
    Section
    """

    def drawn(page):
        return page.drawn(*(name for name in page.drawings if name not in own))

    return graphs(drawn, heading="Further figures", label="Further figures")


PROVENANCE = Section(
    """
{% call parts.part("How this was made", "Provenance") %}
{% if page.command %}<p>To repeat it:</p><pre><code>{{ page.command }}</code></pre>{% endif %}
{% for name, value in page.provenance.items() %}
<details{% if page.command and loop.first %} open{% endif %}><summary>{{ name }}</summary>{% if value is mapping %}{{ parts.tree(value) }}{% else %}<p>{{ parts.tree(value, 1) }}</p>{% endif %}</details>
{% endfor %}
{% endcall %}
""",
    when=lambda page: bool(page.provenance or page.command),
)

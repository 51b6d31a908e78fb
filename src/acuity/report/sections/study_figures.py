"""The study's figures, as their rule has drawn them."""

from acuity.report.figures import NAMES
from acuity.report.page import Section
from acuity.report.sections.pooled import figures_note


def _names(page):
    return [*NAMES, *(name for name in page.drawings if name not in NAMES)]


def _tells(page):
    """Whether it is worth telling what was not measured: where there was something to measure."""
    return not page.said and (page.judged_samples or not page.restored_samples)


def _build(page):
    absent = [drawing.title for drawing in page.figures(*_names(page)) if not drawing.svgs]
    return {
        "drawings": page.drawn(*_names(page)),
        "absent": "" if not _tells(page) else ", ".join(t[:1].lower() + t[1:] for t in absent),
        "figures_note": figures_note(page),
    }


STUDY_FIGURES = Section(
    "figures",
    """
<section aria-label="Figures">
<h2>Figures</h2>
<p class="muted">{{ figures_note }}</p>
{{ parts.figures(drawings) }}
{% if absent %}<p class="note">Not measured in this study: {{ absent }}.</p>{% endif %}
</section>
""",
    _build,
    when=lambda page: bool((page.figures if _tells(page) else page.drawn)(*_names(page))),
)

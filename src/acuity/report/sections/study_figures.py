"""The study's figures, as their rule has drawn them."""

from acuity.report.figures import NAMES
from acuity.report.page import Section
from acuity.report.sections.pooled import figures_note


def _drawings(page):
    own = [name for name in NAMES if name in page.drawings]
    return [page.drawings[name] for name in dict.fromkeys([*own, *page.drawings])]


def _build(page):
    absent = [drawing.title for drawing in _drawings(page) if not drawing.svgs]
    return {
        "drawings": [drawing for drawing in _drawings(page) if drawing.svgs],
        "absent": "" if page.said else ", ".join(t[:1].lower() + t[1:] for t in absent),
        "figures_note": figures_note(page),
    }


def _there(page):
    return any(drawing.svgs or not page.said for drawing in _drawings(page))


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
    when=_there,
)

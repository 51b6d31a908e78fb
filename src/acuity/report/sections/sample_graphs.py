"""Graphs of one sample; its page alone has them, and draws them."""

from acuity.report.drawing import drawing_of
from acuity.report.figures import plots
from acuity.report.page import Section


def _build(page):
    drawn = plots(page.figures_of, **page.tables, samples=page.sample, words=page.written)
    return {"drawings": [drawing_of(plot) for plot in drawn if plot.panels]}


SAMPLE_GRAPHS = Section(
    "graphs",
    """
{% if drawings %}
<section aria-label="Graphs">
<h2>Graphs</h2>
{{ parts.figures(drawings) }}
</section>
{% endif %}
""",
    _build,
)

"""The head of a sample's page, with links to the samples before and after it."""

from acuity.report.page import link
from acuity.report.sections.base import Section


def _neighbours(page):
    names = [None, *(page.samples or ()), None]
    here = names.index(page.sample) if page.sample in names else 0
    beside = (names[here - 1], names[here + 1]) if here else (None, None)
    found = [name and {"name": name, "link": link(name)} for name in beside]
    return dict(zip(("before", "after"), found, strict=True))


SAMPLE_HEAD = Section(
    """
{% call parts.head("index.html" if page.linked else "", "sample", page.sample) %}
{% if before or after %}<p class="muted">{% if before %}<a href="{{ before.link }}" rel="prev">← {{ before.name }}</a>{% endif %}{% if before and after %} · {% endif %}{% if after %}<a href="{{ after.link }}" rel="next">{{ after.name }} →</a>{% endif %}</p>{% endif %}
{% endcall %}
""",
    _neighbours,
)

"""Sections through a stack before and after its alignment."""

from acuity.report.page import Section

STACK_VIEWS = Section(
    "views",
    """
<section aria-label="Sections through the stack">
<h2>{{ views.title }}</h2>
{% for row in views.more.rows %}
<h3>{{ row.title }}</h3>
<div class="side">{% for picture in row.pictures %}<div class="reference"><img src="{{ picture.src }}" width="{{ picture.width }}" height="{{ picture.height }}" alt="{{ picture.alt }}"><span class="name {{ "after" if loop.index > 1 else "before" }}">{{ picture.label }}</span></div>{% endfor %}</div>
{% endfor %}
<p class="note">{{ views.caption }}</p>
</section>
""",
    lambda page: {"views": page.drawings["stack_views"]},
    when=lambda page: bool(page.drawings["stack_views"].more["rows"]),
)

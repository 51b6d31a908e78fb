"""The list of samples, with links to their pages."""

from acuity.report.page import Section

_MANY = 12  # samples from which on their list scrolls and can be searched

SAMPLES = Section(
    "samples",
    """
<section aria-label="Samples">
<h2>Sample by sample</h2>
{% if many %}<div class="tools" hidden><label>Find a sample <input type="search" id="filter" autocomplete="off"></label></div>{% endif %}
<ul class="samples{% if many %} long{% endif %}"{% if many %} tabindex="0"{% endif %}>
{% for sample in page.listed %}<li data-name="{{ sample.name }}">{% if sample.link %}<a href="{{ sample.link }}">{{ sample.name }}</a>{% else %}<b>{{ sample.name }}</b>{% endif %} {% if sample.lines | length == 1 %}{{ parts.badge(sample.lines[0].grade) }}{% else %}{{ parts.badges(sample.lines) }}{% endif %}<br>{{ sample.sentence }}{% for text, path in sample.further %} <a href="{{ path }}">{{ text }}</a>{% endfor %}{% if sample.training %} <span class="muted">Models were trained on this sample, so its figures flatter.</span>{% endif %}{% if sample.seen %} <span class="muted">Seen in training.</span>{% endif %}</li>
{% endfor %}</ul>
</section>
""",
    lambda page: {"many": len(page.names) > _MANY},
)

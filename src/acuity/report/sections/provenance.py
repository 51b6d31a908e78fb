"""How what a page shows was made, and how to repeat it."""

from acuity.report.page import Section

PROVENANCE = Section(
    """
<section aria-label="Provenance">
<h2>How this was made</h2>
{% if page.command %}<p>To repeat it:</p><pre><code>{{ page.command }}</code></pre>{% endif %}
{% for name, value in page.provenance.items() %}
<details{% if page.command and loop.first %} open{% endif %}><summary>{{ name }}</summary>{% if value is mapping %}{{ parts.tree(value) }}{% else %}<p>{{ parts.tree(value, 1) }}</p>{% endif %}</details>
{% endfor %}
</section>
""",
    when=lambda page: bool(page.provenance or page.command),
)

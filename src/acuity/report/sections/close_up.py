"""Places of an image close up, among them where a method fails."""

from acuity.report.page import Section

CLOSE_UP = Section(
    "close_up",
    """
<section aria-label="Close up">
<h2>{{ crops.title }}</h2>
{% for row in crops.more.rows %}
<h3 style="margin-top: 1.4rem">{{ row.title }}</h3>
<div class="sheet" tabindex="0" role="region" aria-label="{{ row.title }}"><table>
<tbody><tr>{% for picture in row.pictures %}<td><img src="{{ picture.src }}" width="{{ picture.width }}" height="{{ picture.height }}" alt="{{ picture.alt }}"><span class="note">{{ picture.label }}{% if picture.more %}<br>{{ picture.more }}{% endif %}</span></td>{% endfor %}</tr></tbody>
</table></div>
{% endfor %}
<p class="note">{{ crops.caption }}</p>
{{ parts.figures(profiles) }}
</section>
""",
    lambda page: {"crops": page.drawings["sem_crops"], "profiles": page.drawn("sem_profiles")},
    when=lambda page: bool(page.drawings["sem_crops"].more["rows"]),
)

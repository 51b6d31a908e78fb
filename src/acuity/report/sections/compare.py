"""Pictures of a sample: two to compare by a boundary that is drawn across, and all side by side."""

from markupsafe import Markup

from acuity.report.page import Section
from acuity.report.style import look, ordered

PICTURES = ("slices", "maps", "pores")  # in reading order


def _there(page):
    return [drawing for drawing in page.figures(*PICTURES) if drawing.more["pictures"]]


def _build(page):
    shown = _there(page)
    pictures = [picture for drawing in shown for picture in drawing.more["pictures"]]
    levels = sorted({p["level"] for p in pictures if p["level"] is not None})
    methods = ordered(p["method"] for p in pictures)
    reference, sheets = None, []
    for drawing in shown:
        cells = {(p["method"], p["level"]): p for p in drawing.more["pictures"]}
        reference = cells.pop(("truth", None), reference)
        rows = [
            {"name": look(m).name, "pictures": [cells.get((m, level)) for level in levels]}
            for m in ordered(m for m, _ in cells)
        ]
        if rows:
            sheets.append((drawing, Markup(drawing.more["key"]), rows))
    columns = [page.words.level_format.format(level) for level in levels]
    best = page.verdicts[page.verdicts["best"] & page.verdicts["method"].isin(methods)]
    names = [method for method in methods if method not in ("truth", "input")]
    chosen = str(best.iloc[-1]["method"]) if len(best) else (names or methods)[-1]
    return {
        "where": shown[0].more["where"],
        "reference": reference,
        "kinds": [(d.more["kind"], d.title, Markup(d.more["key"])) for d in shown],
        "levels": [(f"{v:g}", text) for v, text in zip(levels, columns, strict=True)]
        or [("", "–")],
        "level_choice": f"{levels[-1]:g}" if levels else "",
        "methods": [(method, look(method).name) for method in methods],
        "before_choice": "input" if "input" in methods else methods[0],
        "after_choice": chosen,
        "columns": columns,
        "sheets": sheets,
    }


COMPARE = Section(
    "pictures",
    """
<section aria-label="Pictures">
<h2>Look and compare</h2>
{{ parts.chooser(kinds, levels, level_choice, methods, before_choice, after_choice, where) }}
<div class="side">
{{ parts.boundary() }}
{% if reference %}
<div class="reference">
{{ parts.picture(reference) }}
<span class="name before">Truth, for reference</span>
</div>
{% endif %}
</div>
{% for kind, name, key in kinds %}<div data-for="{{ kind }}" hidden>{{ key }}</div>{% endfor %}
{% for drawing, key, rows in sheets %}{{ parts.sheet(drawing.more.heading, drawing.caption, key, columns, rows, loop.first) }}{% endfor %}
</section>
""",
    _build,
    when=lambda page: bool(_there(page)),
)

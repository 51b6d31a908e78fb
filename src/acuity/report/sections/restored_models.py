"""The models by which a sample was restored: what they were made for, and their figures of other specimens."""

import math
import re
from dataclasses import replace

from acuity.made_for import ACCEPTABLE
from acuity.report.pages import VerdictTable, glossary
from acuity.report.sections.base import Section
from acuity.report.style import look
from acuity.report.verdict import ALL, POOLED, length_unit, unit_text, verdicts

_AXES = {"zyx": "a volume", "yx": "an image"}


def _build(page):
    models = [_model(page, model) for model in page.models]
    columns = {c.key: c for model in models for table in model["tables"] for c in table["columns"]}
    return {"models": models, "glossary": glossary(columns.values()) if columns else None}


def _model(page, model):
    return {
        "name": look(model.method).name,
        "facts": _facts(page, model),
        "accepted": model.accepted,
        "seen": model.seen,
        "rows": [
            _compared(page, model, one) for one in model.comparison if one.key != "unrecorded"
        ],
        "recorded": all(one.key != "unrecorded" for one in model.comparison),
        "tables": [_table(page, *judged) for judged in model.figures],
        "scores": _scores(model.card),
    }


def _facts(page, model):
    card, train = model.card, model.card.settings.get("train") or {}
    if model.given:
        trained = (
            f"in the study {card.study}; taken from {model.given}"
            if card.study
            else f"elsewhere; taken from {model.given}"
        )
    else:
        trained = "in this study"
    versions = [
        f"{name} {card.versions[name]}" for name in ("acuity", "torch") if name in card.versions
    ]
    facts = {
        "Trained": trained,
        "Chain": _chain(card.links),
        "Method": card.method,
        "Level": _level(page, model, card.level),
        "Steps": f"{train['steps']:,}" if "steps" in train else "",
        "Parameters": f"{card.parameters:,}" if card.parameters else "",
        "Versions": ", ".join(versions),
        "Weights (SHA-256)": card.weights[:16],
    }
    return [(name, said) for name, said in facts.items() if said]


def _chain(cards):
    """Say which models are applied in turn, and what the later ones have never seen; empty for one model."""
    if not cards:
        return ""
    told = []
    for card in cards:
        size, unit = card.made_for["voxel_size"][0][0], unit_text(card.made_for["unit"])
        study = f", learned in the study {card.study}" if card.study else ""
        told.append(f"{card.level:g}:1 from voxels of {size:.4g} {unit}{study}")
    return (
        f"{len(cards)} models, applied in turn: {'; '.join(told)}. Each later one learned from real scans of its "
        "voxels, and restores here what the one before has made, which is not like them"
    )


def _level(page, model, level):
    """Write a level; what those of another study are is not known."""
    return f"{level:g}" if model.given else page.words.level_format.format(level)


def _compared(page, model, one):
    """A row of the table of what a model was made for."""

    def told(text):
        if one.key == "level":
            return _level(page, model, float(text))
        text = re.sub(r"\bum\b", unit_text("um"), text)
        return _AXES.get(text, re.sub(r"(?<![\w.])-(?=\d)", "−", text))

    name = ACCEPTABLE[one.key]
    state = "within" if one.within else "accepted" if model.accepted else "differs"
    marks = {"within": "good", "accepted": "care", "differs": "poor"}
    return {
        "name": name[:1].upper() + name[1:],
        "taught": told(one.taught),
        "found": told(one.found),
        "state": state,
        "mark": marks[state],
    }


def _scores(card):
    """PSNR on what was held out of the training, in words; empty where it is not known."""
    restored, given = card.scores.get("psnr"), card.scores.get("psnr_input")
    if restored is None:
        return ""
    before = "" if given is None else f", where its input had {given:.1f} dB"
    return f"a PSNR of {restored:.1f} dB{before}"


def _table(page, study, rows):
    """A table of what a study has found of a model, without a grade: it is of other specimens."""
    words = replace(page.words, unit=length_unit(rows))
    table = verdicts(rows).assign(best=False)
    columns, cells = VerdictTable(words).write(table, sample=False, left_out=("level", "grade"))
    figures = rows[(rows["sample"] == POOLED) & (rows["subset"] == ALL)]
    # Means are over samples, counts over objects.
    number = figures.loc[figures["metric"].isin(["psnr", "porosity", "data_range"]), "n"].max()
    several = "" if math.isnan(number) else f"{number:.0f} "
    return {
        "of": f"{several}test sample{'' if number == 1 else 's'} of {f'the study {study}' if study else 'this study'}",
        "columns": columns,
        "rows": cells,
    }


RESTORED_MODELS = Section(
    """
<style>
.warn { max-width: 56rem; background: var(--card); border-left: 5px solid var(--care); border-radius: 6px; padding: 0.5rem 1.1rem; }
h4 { font-size: 1rem; margin: 1.4rem 0 0.3rem; }
.scroll:has(> .made) { width: fit-content; max-width: 100%; }
.made th, .made td { text-align: left; white-space: normal; padding: 0.32rem 0.7rem; }
</style>
<section aria-label="Models">
<h2>{{ "Model" if models | length == 1 else "Models" }}</h2>
{% for model in models %}
<h3>{{ model.name }}</h3>
<dl>{% for name, said in model.facts %}<dt>{{ name }}</dt> <dd>{{ said }}</dd>{% endfor %}</dl>
<h4>What it was made for</h4>
{% if model.seen %}<p class="warn">This model learned from voxels of this very sample, or of a part of it: there its result flatters.</p>{% endif %}
{% for said in model.accepted %}<p class="warn">Accepted by the study, and outside of what the model was made for: {{ said }}. Nothing tells what it makes of such a volume.</p>{% endfor %}
{% if not model.recorded %}<p class="warn">Its card does not say what it was made for, so nothing tells whether this volume is like what it learned from.</p>{% endif %}
<div class="scroll" tabindex="0" role="region" aria-label="What {{ model.name }} was made for"><table class="made">
<thead><tr><td></td><th scope="col">It learned from</th><th scope="col">This volume</th><th scope="col">Is it like that?</th></tr></thead>
<tbody>{% for row in model.rows %}<tr><td>{{ row.name }}</td> <td>{{ row.taught }}</td> <td>{{ row.found }}</td> <td><span class="grade {{ row.mark }}">{{ {"within": "✓ within", "accepted": "! differs, accepted", "differs": "✗ differs"}[row.state] }}</span></td></tr>
{% endfor %}</tbody>
</table></div>
{% for table in model.tables %}
<h4>Judged on other specimens: {{ table.of }}, pooled</h4>
<p class="note">These figures are not of {{ page.sample }}. They hold for it as far as it is like those specimens.</p>
{{ parts.table(table.columns, table.rows, model.name ~ ", judged on other specimens") }}
{% endfor %}
{% if not model.tables %}
<h4>Never judged</h4>
<p>No test sample was judged with this model, so there are no figures of other specimens either.{% if model.scores %} On what was held out of its own training it reached {{ model.scores }}: patches of the specimens that it learned from, which say little of another one.{% endif %}</p>
{% endif %}
{% endfor %}
{% if glossary is not none %}{{ parts.words(glossary) }}{% endif %}
</section>
""",
    _build,
    when=lambda page: bool(page.models),
)

"""The page of a pair of volumes: how it was registered, what of it is learned from and judged."""

from acuity.report.further_page import MeasuredPage, head, read_measured
from acuity.report.pages import Cell, Column
from acuity.report.paired import CARE, GOOD
from acuity.report.sections.base import Section, graphs
from acuity.report.verdict import percent


def _true_words(page):
    """Say how far the map is off, where the true one is known."""
    rows = page.metrics[page.metrics["sample"] == page.sample].set_index("metric")["value"]
    if "tre" not in rows:
        return []
    rms, most = float(rows["tre"]), float(rows["tre_most"])
    return [
        f"Both scans are simulated and the true map is known: over the fine field the one above is off by {rms:.2f} "
        f"voxels of the fine scan (rms), {most:.2f} at most."
    ]


VERDICT = Section(
    """
<div class="verdict {{ pair.more.grade }}"><p>{{ parts.badge(pair.more.grade) }} {{ pair.more.registered }}</p></div>
<p class="note">{{ limits }}</p>
{% for line in known + pair.more.found %}<p>{{ line }}</p>
{% endfor %}
""",
    lambda page: {
        "known": _true_words(page),
        "pair": page.drawings["pair_overlay"],
        "limits": f"Good: an estimated error of at most {GOOD['error']:g} voxels of the fine scan, and at most "
        f"{percent(GOOD['apart'])} of the blocks off by more than half a coarse voxel; with care: {CARE['error']:g} voxels "
        f"and {percent(CARE['apart'])}. The error is half the difference of two maps, each found from every other block.",
    },
)

OVERLAYS = Section(
    """
{% call parts.part(pair.title, "Overlays") %}
<p class="note">In a good pair edges run on from field to field, and overlays are grey. What is black lies beyond the part of the fine scan that is known.</p>
<div class="side">{% for picture in pair.more.pictures %}<div><img src="{{ picture.src }}" width="{{ picture.width }}" height="{{ picture.height }}" alt="{{ picture.alt }}" style="display: block; max-width: 100%; height: auto"><p class="note">{{ picture.label }}</p></div>{% endfor %}</div>
{% endcall %}
""",
    lambda page: {"pair": page.drawings["pair_overlay"]},
)

BLOCKS = graphs(lambda page: page.drawn("pair_blocks"), "What is left between the scans", "Blocks")

_COLUMNS = (
    Column("place", "Place (z, y, x), coarse voxels", text=True),
    Column("turn", "Turn about z, y, x (°)", text=True),
    Column("coarse", "Correlation, search"),
    Column("final", "Correlation, refined"),
    Column("agreeing", "Blocks that agree", "%"),
)


def _candidate(number, one):
    def cell(value, digits, times=1.0):
        return Cell("–", "") if value is None else Cell(f"{times * value:.{digits}f}", f"{value}")

    places = [", ".join(f"{v:.{d}f}" for v in one[key]) for key, d in (("place", 1), ("turn", 2))]
    cells = [Cell(text, text, text_column=True) for text in places]
    cells += [cell(one["coarse"], 3), cell(one["final"], 3), cell(one["agreeing"], 0, 100)]
    return {"cells": cells, "kind": "", "name": f"{number}"}


CANDIDATES = Section(
    """
{% if rows %}
{% call parts.part("Places that were tried", "Candidates") %}
<p class="note">The first one is the map. A second place that comes near it would mean that the structure repeats.</p>
{{ parts.table(columns, rows, "Candidates") }}
{% endcall %}
{% endif %}
""",
    lambda page: {
        "columns": _COLUMNS,
        "rows": [
            _candidate(n, one)
            for n, one in enumerate(page.drawings["pair_overlay"].more["candidates"], 1)
        ],
    },
)


class PairPage(MeasuredPage):
    """What the page of a pair of volumes shows."""

    about = "Pair"
    header = head("two scans of one object", "how they were registered")
    sections = (VERDICT, OVERLAYS, BLOCKS, CANDIDATES)


def read(files, cfg):
    """Read what the page shows: ``metrics`` and ``drawings``."""
    return PairPage(**read_measured(files, cfg))

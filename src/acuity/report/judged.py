"""What is judged beside objects, handed from the rule that judges it to the pages that say it."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from acuity.report.pages import Cell, Column
from acuity.report.verdict import POOLED, UNMEASURED, Line, tidy
from acuity.seals import again, write_sealed
from acuity.volume import read_sealed_json


def judged(metrics, say):
    """Say of each sample what was restored in it.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    say : callable
        Takes metrics and, as ``samples``, some samples, and returns a sentence.

    Returns
    -------
    dict of str to list of Line
        ``unseen`` for all unseen samples together. What is restored along z, or of images, has figures
        and no grade.
    """
    # A sentence needs a sample's own rows and the pooled ones: not the whole table each time.
    rows = dict(iter(tidy(metrics).groupby("sample")))
    pooled = rows.pop(POOLED, None)
    said = {} if pooled is None else {POOLED: say(pooled)}
    for sample, own in rows.items():
        said[sample] = say(pd.concat([own, pooled]), samples=[sample])
    return {sample: [_line(sentence)] for sample, sentence in said.items()}


def _line(sentence):
    grade = "none" if sentence == UNMEASURED else "measured"
    return Line("Restoration", grade, sentence)


def write_judged(path, said, pooled=None):
    """Write what is judged of samples.

    Parameters
    ----------
    path : path-like
        A JSON file.
    said : dict of str to list of Line
    pooled : (list of Column, list of dict), optional
        Table of all unseen samples together, for the first page.
    """
    content = {"said": {sample: [line._asdict() for line in own] for sample, own in said.items()}}
    if pooled is not None:
        columns, rows = pooled
        rows = [row | {"cells": list(map(asdict, row["cells"]))} for row in rows]
        content["pooled"] = {"columns": list(map(asdict, columns)), "rows": rows}
    write_sealed(path, content)


def read_judged(paths):
    """Read what is judged of samples.

    Parameters
    ----------
    paths : iterable of path-like
        Files of `write_judged`; of one sample, lines of earlier files stand above those of later ones.

    Returns
    -------
    said : dict of str to list of Line
    pooled : (list of Column, list of dict) or None
    """
    said, pooled = {}, None
    for path in map(Path, paths):
        content = read_sealed_json(path, "no page can say what is judged", again(path))
        for sample, own in content["said"].items():
            said.setdefault(sample, []).extend(Line(**line) for line in own)
        if table := content.get("pooled"):
            for row in table["rows"]:
                row["cells"] = [_cell(**cell) for cell in row["cells"]]
            pooled = [Column(**column) for column in table["columns"]], table["rows"]
    return said, pooled


def _cell(key, **cell):
    return Cell(key=key and Markup(key), **cell)

"""What the figures and tables of images, of stacks and of one refined axis share."""

import math

import numpy as np
import pandas as pd
from PIL import Image

from acuity.errors import AcuityError
from acuity.report.drawing import marker
from acuity.report.pages import Cell
from acuity.report.style import look, ordered
from acuity.report.verdict import best_grade


def check_table(name, table, columns, row=""):
    """Refuse a table that lacks a column or holds no row.

    Parameters
    ----------
    name : str
        What it is a table of.
    table : pandas.DataFrame
    columns : set of str
        Those that are needed.
    row : str
        What a row is of; empty where there may be none.

    Raises
    ------
    AcuityError
        If it does.
    """
    if missing := sorted(columns - set(table)):
        raise AcuityError(f"{name} table: column {missing[0]!r} is missing")
    if row and not len(table):
        raise AcuityError(f"{name} table: found no {row}, allowed is at least one")


def graded(found, good, care):
    """Return the best grade whose limits are kept by all of what was found; what is NaN keeps none."""
    return best_grade(good, care, lambda most: all(found[key] <= most[key] for key in most))


def rms(values):
    """Return the root mean square of values, NaN of none."""
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else math.nan


# Places and pictures


def middle(count, part):
    """Return the slice of the middle of an axis, no longer than a part of so many voxels."""
    start = max(0, count - part) // 2
    return slice(start, min(count, start + part))


def chosen_places(score, side, shares, rank):
    """Choose squares by the mean of a score in them, among all that half overlap.

    Parameters
    ----------
    score : numpy.ndarray
        (y, x).
    side : int
        Pixels along a side of a square.
    shares : dict of str to float
        Letter to how many of the squares have a lower score.
    rank : callable
        Makes a whole rank of a share of all squares.

    Returns
    -------
    dict of str to (int, int)
        Letter to first row and column; each square once.
    """
    starts = [range(0, count - side + 1, max(1, side // 2)) for count in score.shape]
    mean = {(y, x): score[y : y + side, x : x + side].mean() for y in starts[0] for x in starts[1]}
    ranked = sorted(mean, key=lambda place: (mean[place], place))
    letters = {}
    for letter, share in shares.items():
        letters.setdefault(ranked[rank(share * (len(ranked) - 1))], letter)
    return {letter: place for place, letter in letters.items()}


def enlarged(image, times):
    """Return a Pillow image with each pixel repeated so many times along each side."""
    return image.resize(tuple(times * n for n in image.size), Image.Resampling.NEAREST)


# Figures


def method_line(axes, method, x, y, width):
    """Draw a method's line without markers; the truth's is wider and lies below the others."""
    truth = method == "truth"
    axes.plot(x, y, **look(method).line, lw=width + truth, zorder=2 if truth else 3)


def curve_lines(axes, curves, x, y, width):
    """Draw a line a method, in the order of the legend."""
    for method in ordered(curves["method"]):
        own = curves[curves["method"] == method]
        method_line(axes, method, own[x], own[y], width)


def show(axes, picture, title, size=8.5, pad=3):
    """Show a picture with its title, without axes."""
    axes.set_axis_off()
    axes.imshow(picture.pixels(), interpolation="nearest")
    axes.set_title(title, fontsize=size, pad=pad)


# Tables


def method_row(method, cells, name=None):
    """Return the row of a method, or of an image of its own name, in a page's table."""
    first = Cell(name or look(method).name, key=marker(method), text_column=True)
    return {"cells": [first, *cells], "kind": "input" if method == "input" else "", "name": ""}


def number_cell(value, digits):
    """Return the cell of a number of so many decimals; None is a dash."""
    if value is None:
        return Cell("–", "NaN")
    return Cell(f"{value:.{digits}f}", f"{value:.5g}")


def text_table(columns, rows):
    """Turn a page's table into one of texts, for other programs.

    Parameters
    ----------
    columns : list of acuity.report.pages.Column
    rows : list of dict

    Returns
    -------
    pandas.DataFrame
        Index: the first column.
    """
    first, *others = (f"{c.title} ({c.unit})" if c.unit else c.title for c in columns)
    texts = [[cell.text for cell in row["cells"]] for row in rows]
    return pd.DataFrame(texts, columns=[first, *others]).set_index(first)

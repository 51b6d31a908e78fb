"""The figures of a study that a table shows, in rows of text: for a terminal, a page, or the docs."""

from acuity.measure.collect import method_names
from acuity.measure.trainings import spread
from acuity.measures.base import declared


def training_rows(table):
    """Arrange mean and range over trainings as rows of text.

    Parameters
    ----------
    table : pandas.DataFrame
        As `acuity.measure.trainings.trainings` gives it.

    Returns
    -------
    list of list of str
        A heading, and a row a level and method: mean and, in brackets, the smallest and the largest.
    """
    over = named(spread(table))
    rows = shown_rows(over, every_interval=True)
    number = over.groupby(["level", "method"], sort=False)["n"].max()
    images = _images(over)
    rows[0][2:2] = ["trainings"]
    for row, image in zip(rows[1:], images, strict=True):
        row[2:2] = [f"{number[image]:.0f}"]
    return rows


def shown_rows(metrics, *, every_interval=False):
    """Arrange the figures that were measured, and that measures declare, as rows of text.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Rows of ``metrics.tsv`` with the method's whole name.
    every_interval : bool
        Show ``low`` and ``high`` of all figures, and not of those alone whose heading says 95 %.

    Returns
    -------
    list of list of str
        A heading, and a row a level and method.
    """
    known = {(metric.source or metric.key, metric.subset): metric for metric in declared("summary")}
    rows = metrics[metrics["subset"].isin({subset for _, subset in known})]
    cells, there = {}, set()
    for row in rows.itertuples():
        metric = known.get((row.metric, row.subset))
        if metric:
            there.add(metric)
            key = (row.level, row.method, metric.name)
            cells[key] = _cell(row, metric.digits, metric.interval or every_interval)
    columns = []
    for metric in known.values():
        own = {tuple(i): text for (*i, name), text in cells.items() if name == metric.name}
        # A column that would say the same again as another one is left out.
        same = all(cells.get((*image, metric.unlike)) == text for image, text in own.items())
        if metric in there and not same:
            columns.append((metric.name, metric.headed(interval=not every_interval)))
    return image_rows(rows, columns, cells)


def image_rows(rows, columns, cells):
    """Arrange cells as rows of text: a heading, and a row a level and method.

    Parameters
    ----------
    rows : pandas.DataFrame
        With the columns ``level`` and ``method``.
    columns : list of (str, str)
        Key and heading of each column behind those two.
    cells : dict of (float, str, str) to str
        By level, method and key.

    Returns
    -------
    list of list of str
    """
    found = [["level", "method", *(heading for _, heading in columns)]]
    for level, method in _images(rows):
        named = f"{level:g}" if level else ""
        found.append([named, method, *(cells.get((level, method, key), "") for key, _ in columns)])
    return found


def _images(rows):
    """Level and method of each image, by level."""
    images = rows[["level", "method"]].drop_duplicates().sort_values("level", kind="stable")
    return list(images.itertuples(index=False, name=None))


def named(metrics):
    """Give rows the method's whole name as its method, and the truth, which has no level, the level 0.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Rows of ``metrics.tsv``.

    Returns
    -------
    pandas.DataFrame
    """
    # NaN is no key.
    return metrics.assign(level=metrics["level"].fillna(0), method=method_names(metrics))


def _cell(row, digits, interval):
    text = f"{row.value:.{digits}f}"
    if interval and row.low == row.low:
        text += f" ({row.low:.{digits}f}-{row.high:.{digits}f})"
    return text

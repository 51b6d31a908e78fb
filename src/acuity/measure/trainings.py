"""How far the figures of a method swing from one training to the next: other seeds, same data."""

from collections.abc import Sequence

import pandas as pd

from acuity.errors import require
from acuity.measure.collect import POOLED, collect
from acuity.methods.base import split_training

KEYS = ["study", "method", "variant", "level", "metric", "subset"]
COLUMNS = [*KEYS, "seed", "value", "unit"]


def trainings(images: Sequence[dict], *, study: str, unseen: Sequence[str], seed: int):
    """Pool the measures of each training over the unseen samples.

    Parameters
    ----------
    images : list of dict
        As `acuity.measure.collect.collect` takes them: those of the methods that learn, ``method`` with
        +SEED behind for a further training, and those of the input, to which factors are relative.
    study : str
        Name of the study.
    unseen : list of str
        The samples that no model has learned from.
    seed : int
        Seed of the study, which its own training has.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`: one row a training and pooled measure.

    Raises
    ------
    AcuityError
        If no training is among the images.
    """
    inputs: list[dict] = []
    groups: dict[int, list[dict]] = {}
    for image in images:
        if image["method"] == "input":
            inputs.append(image)
        else:
            method, further = split_training(image["method"])
            own = seed if further is None else further
            groups.setdefault(own, []).append(image | {"method": method})
    require(len(groups) > 0, f"study {study}: no training was measured")
    tables = []
    for own, group in groups.items():
        table = collect([*inputs, *group], study=study, unseen=unseen)["metrics"]
        table = table[(table["sample"] == POOLED) & (table["method"] != "input")]
        tables.append(table.assign(seed=own))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def spread(table: pd.DataFrame):
    """Give mean and range of each measure over trainings.

    Parameters
    ----------
    table : pandas.DataFrame
        As `trainings` gives it.

    Returns
    -------
    pandas.DataFrame
        ``study method variant level metric subset unit``, ``value`` (the mean), ``low`` and ``high``
        (the smallest and the largest), ``n`` (trainings).
    """
    groups = table.groupby([*KEYS, "unit"], dropna=False, sort=False)["value"]
    found = groups.agg(value="mean", low="min", high="max", n="count")
    return found.reset_index()

"""What another study has found of a model."""

import os

import pandas as pd

from acuity.measure.collect import COLUMNS, JUDGED, POOLED, method_names
from acuity.predict.models import figures_beside, model_files
from acuity.tables import read_table

_BESIDE = ("input", "truth")  # what a model's figures are held against


def take_judged(model: str | os.PathLike, *further: str | os.PathLike) -> pd.DataFrame:
    """Pick the pooled figures of a model from those of the study that it was trained in.

    Parameters
    ----------
    model : path
        As for `acuity.predict.models.model_files`; in a study's folder, RESULTS/train/METHOD/levelLEVEL.
    *further : path
        Those of a chain that follow it: what was found of its models tells nothing of the chain.

    Returns
    -------
    pandas.DataFrame
        Columns `acuity.measure.collect.COLUMNS`: the rows pooled over that study's judged samples, of the
        model, of the unrestored input at its level and of the truth. No rows where the model lies in no
        study's folder, or nothing was judged there.

    Raises
    ------
    AcuityError
        If the study's table is not what its seal says.
    """
    found = [] if further else figures_beside(model)
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    table = read_table(found[0], dtype={"variant": str, "subset": str, "unit": str})
    folder = model_files(model)[0].parent
    names, levels = method_names(table), pd.to_numeric(table["level"])
    here = levels.isna() | (levels.map("level{:g}".format) == folder.name)
    pooled = table["sample"].isin([POOLED, JUDGED]) & here
    own = pooled & (names == folder.parent.name)
    rows = table[own | (pooled & names.isin(_BESIDE))] if own.any() else table.iloc[:0]
    return rows.reindex(columns=COLUMNS)

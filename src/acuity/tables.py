"""Tab-separated tables on disk: read whole, written whole or not at all, and sealed."""

import io
import math
import os
from collections.abc import Mapping
from typing import Any

import pandas as pd

from acuity.errors import AcuityError
from acuity.keys import Key
from acuity.seals import again, read_sealed, sealing

WARNING = "warning"  # the metric of a row that is a finding and no figure
TOLD = ("volume", "finding", "effect")


def write_table(table: pd.DataFrame, path: str | os.PathLike, *, index: bool = False) -> None:
    """Write a table as tab-separated text with its seal beside it, replacing both in one step.

    Parameters
    ----------
    table : pandas.DataFrame
        Missing values become empty fields.
    path : path-like
        The file; its folder is made.
    index : bool
        Write the index too.
    """
    with sealing(path) as part:
        table.to_csv(part, sep="\t", index=index, lineterminator="\n")


def read_table(path: str | os.PathLike, **kwargs: Any) -> pd.DataFrame:
    """Read a tab-separated table, after its seal was checked.

    A sample named NA or 007 keeps its name: of fields, only an empty one is missing.

    Parameters
    ----------
    path : path-like
        The file.
    **kwargs
        Passed to `pandas.read_csv`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    AcuityError
        If the file is absent, has no seal, is not what its seal says, or is no table.
    """
    kwargs = {"keep_default_na": False, "na_values": [""], **kwargs}
    kwargs["dtype"] = {"sample": str, "study": str, **kwargs.get("dtype", {})}
    try:
        return pd.read_csv(io.BytesIO(read_sealed(path)), sep="\t", **kwargs)
    except FileNotFoundError:
        raise AcuityError(f"{path}: no such table") from None
    except OSError as error:
        raise AcuityError(
            f"{path}: cannot be read as a table ({error.strerror}); {again(path)}."
        ) from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise AcuityError(
            f"{path}: not a tab-separated table ({str(error).splitlines()[0]}); {again(path)}."
        ) from None


TIDY = ["metric", "subset", "value", "unit"]


def write_rows(rows: list[dict], path: str | os.PathLike) -> None:
    """Write a list of dicts as a table; see `write_table`. Of no rows, a tidy table's head."""
    write_table(pd.DataFrame(rows, columns=None if rows else TIDY), path)


def tidy(
    values: Mapping[str, float | None],
    prefix: str = "",
    units: Mapping[str, str] | None = None,
) -> list[dict]:
    """Turn named figures into tidy rows.

    Parameters
    ----------
    values : dict of str to float or None
        Figures by name; those that are None are left out.
    prefix : str
        Put before each name.
    units : dict of str to str, optional
        Units by name; none for what is not in it.

    Returns
    -------
    list of dict
        metric, subset, value, unit.
    """
    units = units or {}
    return [
        tidy_row(f"{prefix}{name}", value, units.get(name, ""))
        for name, value in values.items()
        if value is not None
    ]


def read_keyed(files: Mapping[Key, str | os.PathLike], **kwargs: Any) -> pd.DataFrame | None:
    """Read tables of images and put them under each other, with method and level in their rows.

    Parameters
    ----------
    files : dict of acuity.keys.Key to path-like
        Tables with the same columns.
    **kwargs
        Passed to `pandas.read_csv`.

    Returns
    -------
    pandas.DataFrame or None
        None where there are no tables. The level of a truth is NaN.
    """
    tables = [
        read_table(path, **kwargs).assign(
            method=key.method, level=math.nan if key.level is None else key.level
        )
        for key, path in files.items()
    ]
    if not tables:
        return None
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def tidy_row(metric: str, value: float, unit: str = "", subset: str = "all", **more) -> dict:
    """Return a row of a tidy table of figures.

    Parameters
    ----------
    metric : str
        What was measured.
    value : float
        The figure.
    unit : str
        Its unit.
    subset : str
        What part of the image it is of.
    **more
        Further columns, as ``low``, ``high`` and ``n``.

    Returns
    -------
    dict
    """
    return {"metric": metric, "subset": subset, "value": float(value), "unit": unit, **more}

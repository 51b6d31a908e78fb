"""Measured constants of the cost of jobs, and how they are fitted."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

TABLE = Path(__file__).with_name("constants.tsv")
MIB = 2**20
# A kind of job that was never measured; wide rather than tight.
UNKNOWN = "other"


@dataclass(frozen=True)
class Quantity:
    """What a job does, in units of its own physics.

    Attributes
    ----------
    kind : str
        Row of the table of constants.
    like : str
        Row that stands in where no job of the kind was measured.
    held : float
        Bytes that the code holds at its peak besides the interpreter and its libraries.
    work : float
        Steps that its time is proportional to: voxels, voxels times views, multiply-adds.
    written : float
        Bytes that it writes, before compression.
    uncompressed : float
        Bytes that must be free before it begins; it is refused where they are not.
    gpu : bool
        Whether the work may run on a GPU.
    """

    kind: str
    held: float = 0.0
    work: float = 0.0
    written: float = 0.0
    uncompressed: float = 0.0
    gpu: bool = False
    like: str = UNKNOWN


@dataclass(frozen=True)
class Cost:
    """What a job is expected to need.

    Attributes
    ----------
    memory : float
        Peak memory, MiB.
    cpu : float
        Core seconds on the CPU alone.
    gpu : float
        Seconds on a GPU, where the job can use one; 0 else. It needs `start` on the CPU besides.
    start : float
        Core seconds before the work begins (imports).
    written : float
        Bytes on disk.
    uncompressed : float
        As of `Quantity`.
    guessed : str
        The kind and the row that stands in for it, where none of its jobs was measured.
    """

    memory: float
    cpu: float
    gpu: float
    start: float
    written: float
    uncompressed: float = 0.0
    guessed: str = ""


@cache
def constants() -> dict[str, dict]:
    """Read the table of constants.

    Returns
    -------
    dict of str to dict
        By kind of job.
    """
    table = pd.read_csv(TABLE, sep="\t", comment="#")
    return {row["kind"]: row for row in table.to_dict("records")}


def cost(quantity: Quantity, rows: dict[str, dict] | None = None) -> Cost:
    """Give the cost of a job.

    Parameters
    ----------
    quantity : Quantity
        What it does.
    rows : dict of str to dict, optional
        Constants by kind; those of `constants` by default.

    Returns
    -------
    Cost
    """
    rows = constants() if rows is None else rows
    kind = next(k for k in (quantity.kind, quantity.like, UNKNOWN) if k in rows)
    row = rows[kind]
    start = float(row["start_s"])
    graphics = rows["gpu"]["ns_per_work"] * quantity.work * 1e-9 if quantity.gpu else 0.0
    return Cost(
        memory=row["base_mib"] + row["memory_factor"] * quantity.held / MIB,
        cpu=start + row["ns_per_work"] * quantity.work * 1e-9,
        gpu=graphics,
        start=start,
        written=row["stored_share"] * quantity.written,
        uncompressed=quantity.uncompressed,
        guessed=_guess(quantity, kind, row),
    )


def _guess(quantity, kind, row):
    """What stands in for the constants of a job's kind, where it has none that were measured."""
    if kind != quantity.kind:
        return f"{quantity.kind}: no job of it was measured; planned as {kind}"
    return "" if row["jobs"] else f"{kind}: its constants are assumed"

"""Measured constants of the cost of jobs, and how they are fitted."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from acuity.errors import AcuityError

TABLE = Path(__file__).with_name("constants.tsv")
MIB = 2**20
# A kind of job that was never measured; wide rather than tight.
UNKNOWN = "other"
# Share of what the code holds below which jobs that hold little tell nothing of large ones.
TOLD = 0.25
COLUMNS = (
    "kind",
    "base_mib",
    "memory_factor",
    "start_s",
    "ns_per_work",
    "stored_share",
    "jobs",
    "date",
    "machine",
)


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
    gpu : bool
        Whether the work may run on a GPU.
    """

    kind: str
    held: float = 0.0
    work: float = 0.0
    written: float = 0.0
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
    guessed : str
        The kind and the row that stands in for it, where none of its jobs was measured.
    """

    memory: float
    cpu: float
    gpu: float
    start: float
    written: float
    guessed: str = ""


@cache
def constants():
    """Read the table of constants.

    Returns
    -------
    dict of str to dict
        By kind of job.
    """
    table = pd.read_csv(TABLE, sep="\t", comment="#")
    return {row["kind"]: row for row in table.to_dict("records")}


def cost(quantity, rows=None):
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
        guessed=_guess(quantity, kind, row),
    )


def _guess(quantity, kind, row):
    """What stands in for the constants of a job's kind, where it has none that were measured."""
    if kind != quantity.kind:
        return f"{quantity.kind}: no job of it was measured; planned as {kind}"
    return "" if row["jobs"] else f"{kind}: its constants are assumed"


def fit(measured, known=None):
    """Fit constants to measured jobs.

    Memory is base + factor x held and time start + rate x work, both with the least squares of
    relative errors and no negative constant; then the base of memory is raised until no job held
    more. Where the jobs of a kind are all of one size, or so small that nothing grows with it, the
    growth is that of `known`; of a kind that it lacks, what is held counts once, as it stands; the
    start is that of `known`, as far as it lies below what was measured, and the rest of the time
    counts as work: a larger job must not come out as free.

    Parameters
    ----------
    measured : pandas.DataFrame
        Columns ``kind like held work written`` (expected) and ``memory cpu stored`` (measured: MiB,
        core seconds, bytes), one row a job.
    known : dict of str to dict, optional
        Constants so far; those of `constants` by default.

    Returns
    -------
    pandas.DataFrame
        Columns ``kind base_mib memory_factor start_s ns_per_work stored_share jobs``.

    Raises
    ------
    AcuityError
        If there is nothing to fit.
    """
    if measured.empty:
        raise AcuityError("found no measured job; run a study first, its logs tell what jobs used")
    known = constants() if known is None else known
    # A row of its own for each kind, and one for those of its like that were never measured.
    several = measured[measured["like"] != UNKNOWN].assign(kind=lambda jobs: jobs["like"])
    rows = []
    for kind, jobs in pd.concat([measured, several]).groupby("kind"):
        like = jobs["like"].iloc[0]
        told = known.get(kind) or (known.get(like, {}) if like != UNKNOWN else {})
        before = told or known[UNKNOWN]
        held, work = jobs["held"] / MIB, jobs["work"] * 1e-9
        base, factor = _line(held, jobs["memory"])
        # Never below what an interpreter holds by itself, where size has not told.
        least = min(before["base_mib"], 0.9 * float(jobs["memory"].min()))
        if 0 < factor < TOLD and held.max() < jobs["memory"].max():
            factor, base = 1.0, max(least, float((jobs["memory"] - held).min()))
        elif factor == 0 and told.get("memory_factor"):
            factor, base = before["memory_factor"], least
        elif factor == 0:
            base = max(least, float((jobs["memory"] - held).max()))
            factor = (
                min(1.0, float((jobs["memory"] - base).max() / held.max()))
                if base == least
                else 1.0
            )
        # Never less than any of the jobs held: one that is killed costs more than one that waits.
        base += max(0.0, float((jobs["memory"] - base - factor * held).max()))
        start, rate = _line(work, jobs["cpu"])
        if rate == 0 and told.get("ns_per_work"):
            # Jobs of one size tell how fast the machine is, and not how time grows.
            start, rate = before["start_s"], before["ns_per_work"]
            faster = float((jobs["cpu"] / (start + rate * work)).median())
            start, rate = start * faster, rate * faster
        elif rate == 0 and work.max() > 0:
            start = min(before["start_s"], 0.9 * float(jobs["cpu"].min()))
            rate = float((jobs["cpu"] - start).median() / work.max())
        written = jobs["written"].sum()
        rows.append(
            {
                "kind": kind,
                "base_mib": base,
                "memory_factor": factor,
                "start_s": start,
                "ns_per_work": rate,
                "stored_share": jobs["stored"].sum() / written if written else 1.0,
                "jobs": len(jobs),
            }
        )
    return pd.DataFrame(rows)


def _line(x, y):
    """Offset and slope, neither negative, of least relative squares; slope 0 where x hardly differs."""
    x, y = x.to_numpy(float), y.to_numpy(float)
    if x.max() < 1.5 * x.min() or x.max() <= 0:
        return float(y.max()), 0.0
    weights = 1 / y**2
    mean_x, mean_y = (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()
    spread = (weights * (x - mean_x) ** 2).sum()
    slope = (weights * (x - mean_x) * (y - mean_y)).sum() / spread
    if slope <= 0:
        return float(mean_y), 0.0
    offset = mean_y - slope * mean_x
    if offset < 0:
        return 0.0, float((weights * x * y).sum() / (weights * x**2).sum())
    return float(offset), float(slope)


def write_table(rows, path=TABLE, note=""):
    """Write a table of constants, with three figures a number.

    Parameters
    ----------
    rows : pandas.DataFrame
        With the columns `COLUMNS`.
    path : path
        The table.
    note : str
        Lines put before it, each behind a ``#``.
    """
    rows = rows.loc[:, list(COLUMNS)].sort_values("kind")
    text = "".join(f"# {line}\n" for line in note.splitlines())
    text += "\t".join(COLUMNS) + "\n"
    for row in rows.to_dict("records"):
        text += "\t".join(_short(row[name]) for name in COLUMNS) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def _short(value):
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "1"
    return str(value)

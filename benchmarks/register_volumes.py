"""Registration of pairs of volumes: error against exact truth, refusals, time, and peers from the same start.

Run from the project's root; what is done already is not done again::

    export OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 PYTHONPATH=src
    python -m benchmarks.register_volumes --set judge --cache CACHE --table TABLE.tsv --real ../shared/data/ct
    python -m benchmarks.register_volumes ... --methods simpleitk hipct-reg elastix --groups foam "any turn"
    python -m benchmarks.register_volumes --table TABLE.tsv --summary

The cases: benchmarks/volumes/sets.py. ``--set choose`` is the set that settings are chosen on. Scans are simulated once
and kept in the cache (about 8 MB each). Pairs of real files are left out, with a word, where ``--real`` is not given.
itk-elastix lives in an environment of its own, whose interpreter the variable ACUITY_ELASTIX_PYTHON names.

TRE: rms distance over the high field, in high voxels, between where a method and the truth put a point. Seconds are
processor seconds of the call alone, memory is its peak beyond what was held before. Each table row is one case and
one method.
"""

import argparse
import csv
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from acuity.errors import AcuityError
from benchmarks.volumes import peers
from benchmarks.volumes.cases import GROUPS, Case, Group, Pair, back, forth
from benchmarks.volumes.sets import SETS, cases

PEERS = {
    "simpleitk": peers.simpleitk,
    "simpleitk mattes": peers.simpleitk_mattes,
    "hipct-reg": peers.hipct,
    "elastix": peers.elastix,
}
OURS = "acuity"
# A peer's result farther off than one low voxel at 3:1 is called a failure.
FAILED = 3.0
# True cases, and false ones, from which on the summary says that none was judged wrongly.
LEAST = 60


class Row(NamedTuple):
    """One line of the table.

    Lengths in high voxels; `affine` is the error without the displacement field where one was found.
    """

    set: str
    case: str
    group: str
    method: str
    accepted: bool
    tre: float = np.nan
    affine: float = np.nan
    error: float = np.nan
    scale: float = np.nan
    true_scale: float = np.nan
    held: str = ""
    bent: str = ""
    correlation: float = np.nan
    seconds: float = np.nan
    memory: float = np.nan
    warnings: str = ""
    message: str = ""
    commit: str = ""


def scale_of(matrix: np.ndarray, ratio) -> float:
    """Return the scale of a matrix over the stated one."""
    return float(np.cbrt(abs(np.linalg.det(matrix[:, :3])) / np.prod(ratio)))


def rms(points: np.ndarray) -> float:
    """Return the rms length of vectors (n, 3)."""
    return float(np.sqrt(np.square(points).sum(axis=1).mean()))


def ours(pair: Pair, case: Case):
    """Register by this project."""
    from acuity.register.volumes import register_volumes

    return register_volumes(
        pair.low, pair.high, pair.ratio, settings(case), place=pair.place, where=case.name
    )


def settings(case: Case):
    """Return the settings of a case's group."""
    from acuity.register.volumes import VolumeSettings

    group = GROUPS[case.group]
    # Nothing else is told: turns of any size are searched where the small ones give nothing.
    return VolumeSettings(transform="rigid" if group.hold else "similarity")


def judged(case: Case, pair: Pair, method: str) -> dict:
    """Register a pair and give the fields of its row."""
    if method == OURS:
        return _by_us(case, pair)
    grid = pair.grid()
    try:
        if method == "elastix":
            matrix, seconds, memory = peers.elastix(pair)
        else:
            matrix, seconds, memory = peers.timed(PEERS[method], pair)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {"accepted": False, "message": " ".join(str(error).split())[-200:]}
    tre = rms(forth(matrix, pair.low_points(grid)) - grid)
    scale = scale_of(matrix, pair.ratio)
    return dict(accepted=True, tre=tre, affine=tre, scale=scale, seconds=seconds, memory=memory)


def _by_us(case, pair):
    def call(pair):
        try:
            return ours(pair, case)
        except AcuityError as error:
            return error

    found, seconds, memory = peers.timed(call, pair)
    row = {"seconds": seconds, "memory": memory}
    if isinstance(found, AcuityError):
        return row | {"accepted": False, "message": str(found)}
    grid = pair.grid()
    low = pair.low_points(grid)
    affine = rms(forth(found.matrix, low) - grid)
    return row | dict(
        accepted=True,
        tre=affine if found.field is None else rms(found.map(low) - grid),
        affine=affine,
        error=found.error,
        scale=found.scale,
        held="held" if found.scale_held else "",
        bent="" if found.field is None else "field",
        correlation=found.correlation,
        warnings=" ".join(found.warnings),
    )


class Sandstone:
    """The map of the real pair as a method finds it, which stands for the truth of the moved one."""

    def __init__(self, cache: Path, real: Path) -> None:
        self._where, self._found = (cache, real), {}

    def true(self, case: Case, pair: Pair, method: str) -> Pair:
        """Return a moved pair with the map that was found of the unmoved one, composed with the motion."""
        unmoved = replace(case, name="sandstone, not moved", changes=())
        if method not in self._found:
            still = unmoved.pair(*self._where)
            if method == OURS:
                matrix = ours(still, unmoved).matrix
            elif method == "elastix":
                matrix = peers.elastix(still)[0]
            else:
                matrix = PEERS[method](still)
            self._found[method] = still.matrix, matrix
        nominal, matrix = self._found[method]
        # Where the nominal map puts a point, the found one is asked for the point of the unmoved block.
        corners = np.vstack([np.zeros(3), np.eye(3)])
        points = forth(matrix, back(nominal, forth(pair.matrix, corners)))
        composed = np.column_stack([(points[1:] - points[0]).T, points[0]])
        return replace(pair, matrix=composed)


def run(arguments) -> None:
    """Run what is not in the table yet."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
    ).stdout.strip()
    done = {(row.set, row.case, row.method) for row in read(arguments.table)}
    stone = Sandstone(arguments.cache, arguments.real)
    wanted = [case for case in cases(arguments.set) if _wanted(case, arguments)]
    for case in wanted:
        methods = [m for m in arguments.methods if (arguments.set, case.name, m) not in done]
        if GROUPS[case.group].true is False:
            methods = [m for m in methods if m == OURS]  # the peers refuse nothing
        if not methods:
            continue
        pair = case.pair(arguments.cache, arguments.real)
        for method in methods:
            known = stone.true(case, pair, method) if case.group == "moved pair" else pair
            row = Row(
                arguments.set,
                case.name,
                case.group,
                method,
                **judged(case, known, method),
                true_scale=scale_of(known.matrix, known.ratio),
                commit=commit,
            )
            append(arguments.table, row)
            verdict = f"TRE {row.tre:.3f}" if row.accepted else f"refused: {row.message}"
            print(f"{row.case}, {method}, {row.seconds:.1f} s: {verdict}", flush=True)


def _wanted(case, arguments):
    if arguments.groups and case.group not in arguments.groups:
        return False
    if isinstance(case.source, str) and arguments.real is None:
        print(f"{case.name} is left out: --real names no folder")
        return False
    return True


def append(path: Path, row: Row) -> None:
    """Add a row to the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        if new:
            writer.writerow(Row._fields)
        writer.writerow(
            f"{value:.5g}" if isinstance(value, float) else " ".join(str(value).split())
            for value in row
        )


def read(path: Path) -> list[Row]:
    """Read the table; none is an empty one."""
    if not path.exists():
        return []
    kinds = Row.__annotations__
    with open(path, newline="", encoding="utf-8") as file:
        return [
            Row(
                **{
                    name: value == "True" if kinds[name] is bool else kinds[name](value)
                    for name, value in line.items()
                }
            )
            for line in csv.DictReader(file, delimiter="\t")
        ]


# The summary.


def line(text: str, passed: bool | None) -> None:
    """Print one line of what must be reached."""
    print({True: "pass", False: "FAIL", None: "few "}[passed], text)


def enough(wrong: list[Row], rows: list[Row]) -> bool | None:
    """Tell whether none is wrong; None, not judged, while there are too few cases to say so."""
    if wrong:
        return False
    return True if len(rows) >= LEAST else None


def summary(rows: list[Row]) -> None:
    """Print the tables and the lines of what must be reached, set by set."""
    for name in dict.fromkeys(row.set for row in rows):
        chosen = [row for row in rows if row.set == name]
        print(f"\n## Set {name}\n")
        by_group(chosen)
        print()
        must_reach([row for row in chosen if row.method == OURS])


def by_group(rows: list[Row]) -> None:
    """Print a table: a row for each group and method."""
    print(
        "| group | method | cases | accepted | TRE median | worst | seconds, median | worst | MB, worst |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for group in (g for g in GROUPS if any(row.group == g for row in rows)):
        for method in dict.fromkeys(row.method for row in rows if row.group == group):
            part = [row for row in rows if row.group == group and row.method == method]
            found = [row.tre for row in part if row.accepted]
            good = [row for row in part if row.accepted and row.tre <= FAILED]
            accepted = len(found) if method == OURS else len(good)
            tre = f"{np.median(found):.3f} | {max(found):.3f}" if found else "- | -"
            seconds = [row.seconds for row in part if np.isfinite(row.seconds)] or [np.nan]
            memory = max([row.memory for row in part if np.isfinite(row.memory)], default=np.nan)
            cells = f"{np.median(seconds):.1f} | {max(seconds):.1f} | {memory:.0f}"
            print(f"| {group} | {method} | {len(part)} | {accepted} | {tre} | {cells} |")
    print(f"\nOf a peer, accepted means within {FAILED:g} high voxels.")


def must_reach(rows: list[Row]) -> None:
    """Print the bars of the registration, each with pass or FAIL."""
    if not rows:
        return
    true = [row for row in rows if GROUPS[row.group].true]
    false = [row for row in rows if GROUPS[row.group].true is False]
    for group, expected in GROUPS.items():
        part = [row for row in rows if row.group == group]
        if not part or expected.true is False or expected.bar is None:
            continue
        worst = max((row.tre for row in part if row.accepted), default=np.nan)
        over = [row for row in part if row.accepted and row.tre > expected.bar]
        line(
            f"{group}: TRE <= {expected.bar:g} in every accepted case: worst {worst:.3f} of {len(part)}"
            + (f", {len(over)} above" if over else ""),
            not over if any(row.accepted for row in part) else False,
        )
    alike = [row for row in true if not row.accepted and "repeats every" in row.message]
    if alike:
        line(f"refused because the object repeats, counted apart: {len(alike)}", None)
    refused = [row for row in true if not row.accepted and row not in alike]
    line(f"false refusals: {len(refused)} of {len(true)} true cases", enough(refused, true))
    for row in refused:
        print(f"       {row.case}: {row.message}")
    accepted = [row for row in false if row.accepted]
    line(f"false accepts: {len(accepted)} of {len(false)} false cases", enough(accepted, false))
    for row in accepted:
        print(f"       {row.case}: correlation {row.correlation:g}")
    _repeats(rows)
    _scales(rows)
    _warps(rows)
    pairs = [row for row in true if row.accepted and np.isfinite(row.error)]
    if pairs:
        share = np.mean([row.tre <= 3 * row.error for row in pairs])
        line(f"TRE at most 3 times the reported error: {share:.1%} of {len(pairs)}", share >= 0.95)
    for group in dict.fromkeys(row.group for row in rows):
        slow = GROUPS[group].seconds
        worst = max(row.seconds for row in rows if row.group == group)
        if worst > slow:
            line(f"{group}: at most {slow:g} processor seconds: worst {worst:.1f}", False)
    worst = max(row.seconds for row in rows if GROUPS[row.group].seconds == Group.seconds)
    line(
        f"ordinary groups: at most {Group.seconds:g} processor seconds: worst {worst:.1f}",
        worst <= 10,
    )
    for row in rows:
        if row.group == "large":
            text = f"{row.case}: 180 s and 2,048 MB: {row.seconds:.0f} s, {row.memory:.0f} MB"
            line(text, row.seconds <= 180 and row.memory <= 2048)


def _repeats(rows):
    part = [row for row in rows if row.group == "repeats"]
    if part:
        off = [row for row in part if row.accepted and row.tre > GROUPS["repeats"].bar]
        refused = sum(not row.accepted for row in part)
        line(f"repeats: {len(off)} a period off, {refused} refused, of {len(part)}", not off)


def _scales(rows):
    part = [row for row in rows if row.group == "small field" and row.accepted]
    if part:
        said = [row for row in part if row.held and "scale" in row.warnings]
        line(
            f"small field: scale held and said in {len(said)} of {len(part)}",
            len(said) == len(part),
        )
    part = [row for row in rows if row.group == "size 5 % wrong" and row.accepted]
    if part:
        near = [row for row in part if abs(row.scale / row.true_scale - 1) < 0.005 and row.warnings]
        line(
            f"size 5 % wrong: found and warned of in {len(near)} of {len(part)}",
            len(near) == len(part),
        )
    part = [row for row in rows if row.group == "axis reversed" and not row.accepted]
    if part:
        named = [row for row in part if "revers" in row.message or "flip" in row.message]
        line(f"axis reversed: named in {len(named)} of {len(part)}", len(named) == len(part))


def _warps(rows):
    part = [row for row in rows if row.group == "warp"]
    if part:
        seen = [row for row in part if row.bent]
        line(f"warp: noticed in {len(seen)} of {len(part)}", len(seen) == len(part))
        still = [row for row in rows if row.group != "warp" and row.bent]
        line(f"no warp: corrected in {len(still)} of {len(rows) - len(part)}", not still)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=SETS, default="choose")
    parser.add_argument("--cache", type=Path, help="folder of the simulated scans")
    parser.add_argument("--table", type=Path, required=True, help="TSV that rows are added to")
    parser.add_argument("--real", type=Path, help="folder with the sand and the sandstone")
    parser.add_argument("--methods", nargs="+", choices=[OURS, *PEERS], default=[OURS])
    parser.add_argument("--groups", nargs="+", choices=GROUPS)
    parser.add_argument("--summary", action="store_true", help="print the tables and run nothing")
    arguments = parser.parse_args()
    if "elastix" in arguments.methods and peers.ELASTIX not in os.environ:
        print(f"elastix is left out: {peers.ELASTIX} does not name an interpreter with itk-elastix")
        arguments.methods.remove("elastix")
    if not arguments.summary:
        if arguments.cache is None:
            parser.error("--cache is needed")
        run(arguments)
    summary(read(arguments.table))


if __name__ == "__main__":
    main()

"""Run two commits on the same studies and compare their tables, value by value, as text.

    python benchmarks/compare.py BASE HEAD --results FOLDER               # the six of benchmarks/compare
    python benchmarks/compare.py BASE HEAD --results FOLDER tiny.yaml     # or others
    python benchmarks/compare.py --tables metrics-1.tsv metrics-2.tsv     # two tables alone

Each commit is checked out into a temporary folder (git worktree), and its own Snakefile makes the tables of each
study below FOLDER/COMMIT. A study that is finished there is not run again, and one that was broken off goes on. Prints
every row that differs and ends with 1 if there is one. Rows that are known to differ are listed, with the reason, in
benchmarks/compare/known.tsv: they are counted and not printed.

The studies are those of config/, with the keys that both commits read. Networks are trained and run in float32, since
`auto` chooses by the clock. Those of the names -small have 50 steps.
"""

import argparse
import contextlib
import csv
import os
import subprocess
import sys
import tempfile
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "compare"
KNOWN = FOLDER / "known.tsv"
TABLES = ("metrics.tsv", "pores.tsv")
# What says of which image a row is, and of what in it.
KEYS = ("study", "sample", "method", "variant", "level", "kind", "metric", "subset", "label")
ABSENT = "(none)"


class Difference(NamedTuple):
    """A value that two tables do not share; `ABSENT` where one has no such row or column."""

    study: str
    table: str
    row: str
    column: str
    base: str
    head: str


def read(path):
    """Read a table as text.

    Parameters
    ----------
    path : path-like
        Tab-separated, with a head.

    Returns
    -------
    columns : list of str
    rows : list of dict of str to str
    """
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return list(rows.fieldnames or ()), list(rows)


def keyed(rows, keys):
    """Name each row by its keys, and by its number where several have the same."""
    count, found = Counter(), {}
    for row in rows:
        name = "/".join(row[key] or "" for key in keys)
        count[name] += 1
        found[name if count[name] == 1 else f"{name}#{count[name]}"] = row
    return found


def differences(base, head, study="", table=""):
    """Compare two tables.

    Parameters
    ----------
    base, head : path-like
    study, table : str
        What they are of, for the result.

    Returns
    -------
    list of Difference
        A row or a column that only one of them has counts once.
    """
    (old, before), (new, after) = read(base), read(head)
    keys = [key for key in KEYS if key in old and key in new]
    found = [
        Difference(study, table, "", name, *((name, ABSENT) if name in old else (ABSENT, name)))
        for name in dict.fromkeys([*old, *new])
        if (name in old) != (name in new)
    ]
    before, after = keyed(before, keys), keyed(after, keys)
    shared = [name for name in old if name in new]
    for name in dict.fromkeys([*before, *after]):
        if name not in before or name not in after:
            sides = ["row" if name in side else ABSENT for side in (before, after)]
            found.append(Difference(study, table, name, "", *sides))
            continue
        found += [
            Difference(study, table, name, column, before[name][column], after[name][column])
            for column in shared
            if before[name][column] != after[name][column]
        ]
    return found


def split_known(found, known):
    """Part differences into those that are known, each with its reason, and the others.

    Parameters
    ----------
    found : list of Difference
    known : list of dict
        ``study table row column reason``; ``*`` stands for any text.

    Returns
    -------
    new : list of Difference
    reasons : collections.Counter
        How many have each reason.
    """
    new, reasons = [], Counter()
    for difference in found:
        columns = ("study", "table", "row", "column")
        for line in known:
            if all(fnmatchcase(getattr(difference, key), line[key]) for key in columns):
                reasons[line["reason"]] += 1
                break
        else:
            new.append(difference)
    return new, reasons


def git(*arguments):
    """Run git in this checkout; return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextlib.contextmanager
def checked_out(commit):
    """Check a commit out into a temporary folder, which goes at the end."""
    with tempfile.TemporaryDirectory(prefix="acuity-compare-") as folder:
        tree = Path(folder) / commit
        git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def tables_of(folder, study):
    """The tables of a study below a folder."""
    name = yaml.safe_load(study.read_text(encoding="utf-8"))["study"]
    return [folder / "results" / name / table for table in TABLES]


def run(commit, studies, results, cores):
    """Make the tables of studies by a commit, those that are not finished yet.

    Parameters
    ----------
    commit : str
    studies : list of pathlib.Path
        Study files.
    results : pathlib.Path
        Where its results lie.
    cores : int

    Raises
    ------
    SystemExit
        If a run fails; another call goes on with it.
    """
    results.mkdir(parents=True, exist_ok=True)
    todo = [study for study in studies if not (results / f"{study.stem}.done").exists()]
    if not todo:
        return
    with checked_out(commit) as tree:
        environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": ""}
        for study in todo:
            print(f"{commit[:12]}: {study.stem}", flush=True)
            targets = [str(path.relative_to(results)) for path in tables_of(results, study)]
            command = [sys.executable, "-m", "snakemake", "--snakefile", str(tree / "Snakefile")]
            command += ["--directory", str(results), "--configfile", str(study.resolve())]
            command += ["--cores", str(cores), "--rerun-incomplete", "--nolock", *targets]
            log = results / f"{study.stem}.log"
            with log.open("a", encoding="utf-8") as file:
                done = subprocess.run(
                    command, cwd=tree, env=environment, stdout=file, stderr=file, check=False
                )
            if done.returncode:
                raise SystemExit(f"{commit[:12]}: {study.stem} failed; see {log}")
            (results / f"{study.stem}.done").touch()


def show(found, known):
    """Print differences and what is known of them; return 1 if there are others."""
    new, reasons = split_known(found, known)
    for difference in new:
        row, column = difference.row or "(all rows)", difference.column or "(row)"
        print(f"{difference.study} {difference.table} {row} {column}: ", end="")
        print(f"{difference.base} -> {difference.head}")
    for reason, count in reasons.items():
        print(f"{count} known to differ: {reason}")
    print(f"{len(new)} differ" if new else "no other value differs" if reasons else "all is equal")
    return int(bool(new))


def main(arguments=None):
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", help="commit, or a table with --tables")
    parser.add_argument("head", help="commit, or a table with --tables")
    parser.add_argument("studies", nargs="*", type=Path, help="study files; the six by default")
    parser.add_argument("--results", type=Path, help="where results lie, and are found again")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--tables", action="store_true", help="compare two tables and run nothing")
    options = parser.parse_args(arguments)
    known = read(KNOWN)[1]
    if options.tables:
        return show(differences(options.base, options.head, table=Path(options.head).name), known)
    if options.results is None:
        parser.error("--results is missing")
    studies, folder = options.studies or sorted(FOLDER.glob("*.yaml")), options.results.resolve()
    commits = [git("rev-parse", f"{name}^{{commit}}") for name in (options.base, options.head)]
    found, lines = [], 0
    for study in studies:
        for commit in commits:
            run(commit, [study], folder / commit[:12], options.cores)
        both = zip(*(tables_of(folder / commit[:12], study) for commit in commits), strict=True)
        for base, head in both:
            lines += len(read(base)[1])
            found += differences(base, head, study.stem, base.name)
    print(f"{len(studies)} studies, {lines} rows")
    return show(found, known)


if __name__ == "__main__":
    sys.exit(main())

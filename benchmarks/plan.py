"""Compare what jobs used with what was planned, and fit the constants of the plan.

    python benchmarks/plan.py STUDY.yaml [STUDY.yaml ...] [--folder FOLDER ...]
    python benchmarks/plan.py STUDY.yaml ... --keep --commit COMMIT --machine "2 cores, AMD EPYC"
    python benchmarks/plan.py STUDY.yaml ... --recount
    python benchmarks/plan.py --halves
    python benchmarks/plan.py --fit

The studies must have been run, in the working folder or in the FOLDER of the same place in the
list. --keep writes their jobs to benchmarks/plan/jobs.tsv, in place of those that it has of the same
studies (--second: of a second size, at which kinds of few jobs are judged), but for the first of a kind
where they compiled its code; --recount needs no logs, and
counts anew what the jobs of the table do, after a change of planner.py. --halves fits constants to one
half of the table and judges them by the other: exit code 1, and names, where the time of a kind of job is off
by more than a factor of 2. --fit writes those constants to src/acuity/plan/constants.tsv: kinds that the
table has no job of keep their row.
"""

import argparse
import datetime
import sys
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from acuity.plan.constants import COLUMNS, constants, fit, write_table
from acuity.plan.measured import (
    LONG,
    compare,
    compiled,
    halves,
    judged_by_kind,
    measured,
    planned,
    recounted,
)
from acuity.study.reading import read_study

NOTE = """\
Cost of a job: memory = base_mib + memory_factor x what its code holds (MiB); core seconds =
start_s + ns_per_work x its work / 1e9; bytes on disk = stored_share x what it writes. What is held,
computed and written is counted in planner.py. Fitted by benchmarks/plan.py to `jobs` measured jobs; 0 jobs: assumed."""
JOBS = Path(__file__).with_name("plan") / "jobs.tsv"
WITHIN = 2.0


def read_jobs():
    """Read the table of measured jobs."""
    return pd.read_csv(JOBS, sep="\t", dtype={"commit": str})


def write_jobs(jobs):
    """Write it, sorted, with four figures a number."""
    jobs = jobs.sort_values(["study", "job"])
    jobs.to_csv(JOBS, sep="\t", index=False, float_format="%.4g", lineterminator="\n")


def off(table):
    """The kinds of job whose time, that of all their long jobs, is off."""
    ratios = table["cpu_planned"] / table["cpu"]
    return table[(ratios > WITHIN) | (ratios < 1 / WITHIN)]


def unjudged(fitted, table):
    """The kinds that have long jobs, and none but those that were fitted to."""
    return sorted(set(fitted.loc[fitted["cpu"] >= LONG, "kind"]) - set(table["kind"]))


def markdown(table):
    """Write the comparison as docs/scale.md has it."""
    text = [
        "| kind of job | judged by | jobs | measured, core s | planned | ratio | median | furthest | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        size = "a second size" if row.second else "the other half"
        ratios = row.cpu_planned / row.cpu, row.median, row.worst, row.memory
        text.append(
            f"| {row.kind} | {size} | {row.jobs} | {row.cpu:,.0f} | {row.cpu_planned:,.0f} | "
            + " | ".join(f"{ratio:.2f}" for ratio in ratios)
            + " |"
        )
    return "\n".join(text)


def constants_of(jobs):
    """Constants fitted to jobs, and those that are kept of kinds that have none."""
    known = constants()
    return known | {row["kind"]: row for row in fit(jobs, known).to_dict("records")}


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--folder", nargs="*", default=[])
    parser.add_argument("--keep", action="store_true", help="write the jobs to the table")
    parser.add_argument("--second", action="store_true", help="they are of a second size")
    parser.add_argument("--recount", action="store_true", help="count the table's jobs anew")
    parser.add_argument("--halves", action="store_true", help="fit to one half, judge by the other")
    parser.add_argument("--fit", action="store_true", help="write the table of constants")
    parser.add_argument("--commit", default="", help="that the jobs ran at, for the table")
    parser.add_argument("--machine", default="", help="class of the machine, for the table")
    options = parser.parse_args()
    for path, folder in zip_longest(options.studies, options.folder):
        study, samples = read_study(path)
        if options.recount:
            jobs = read_jobs()
            own = jobs["study"] == study.study
            write_jobs(pd.concat([jobs[~own], recounted(jobs[own], study, samples)]))
            continue
        found = measured(study, samples, folder or ".")
        first = compiled(found)
        print(
            f"\n{path}; left out, since they compiled: {', '.join(found.loc[first, 'job']) or '-'}"
        )
        found = found[~first]
        print(compare(planned(found)).to_string(index=False, float_format=lambda x: f"{x:.1f}"))
        if options.keep:
            about = {"second": options.second, "commit": options.commit, "machine": options.machine}
            found.insert(0, "study", study.study)
            jobs = read_jobs() if JOBS.exists() else found.iloc[:0]
            write_jobs(pd.concat([jobs[jobs["study"] != study.study], found.assign(**about)]))
    if not (options.halves or options.fit):
        return
    fitted, judged = halves(read_jobs())
    rows = constants_of(fitted)
    if options.fit:
        about = {"date": datetime.date.today().isoformat(), "machine": fitted["machine"].iloc[0]}
        table = pd.DataFrame([about | row for row in rows.values()])
        write_table(table[list(COLUMNS)], note=NOTE)
    table = judged_by_kind(planned(judged, rows))
    print(markdown(table))
    missing = unjudged(fitted, table)
    print(f"\nmeasured at one size alone, and not judged: {', '.join(missing) or '-'}")
    wrong = off(table)
    if len(wrong):
        sys.exit(f"off by more than a factor of {WITHIN:g}: {', '.join(wrong['kind'])}")


if __name__ == "__main__":
    main()

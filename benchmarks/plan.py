"""Compare what jobs used with what was planned, and fit the constants of the plan.

    python benchmarks/plan.py STUDY.yaml [STUDY.yaml ...] [--folder FOLDER ...]
    python benchmarks/plan.py STUDY.yaml STUDY.yaml ... --unseen
    python benchmarks/plan.py STUDY.yaml ... --fit --machine "4 cores, AMD EPYC (Zen 4)"

The studies must have been run, in the working folder or in the FOLDER of the same place in the
list. --fit writes src/acuity/plan/constants.tsv: kinds of jobs that none of the studies has keep
their row.
"""

import argparse
import datetime
from itertools import zip_longest

import pandas as pd

from acuity.plan.constants import COLUMNS, constants, fit, write_table
from acuity.plan.measured import compare, measured
from acuity.study import read_study

NOTE = """\
Cost of a job: memory = base_mib + memory_factor x what its code holds (MiB); core seconds =
start_s + ns_per_work x its work / 1e9; bytes on disk = stored_share x what it writes. What is held,
computed and written is counted in planner.py. Fitted by benchmarks/plan.py to `jobs` measured jobs; 0 jobs: assumed."""


ASSUMED = ("other", "gpu", "join")


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+")
    parser.add_argument("--folder", nargs="*", default=[])
    parser.add_argument("--fit", action="store_true", help="write the table of constants")
    parser.add_argument(
        "--unseen",
        action="store_true",
        help="plan each study by constants fitted to the others alone; kinds of jobs that only one "
        "study has are left out",
    )
    parser.add_argument("--machine", default="", help="class of the machine, for the table")
    options = parser.parse_args()
    studies = [
        (path, *read_study(path), folder or ".")
        for path, folder in zip_longest(options.studies, options.folder)
    ]
    tables = [measured(*study) for _, *study in studies]
    for n, (path, *study) in enumerate(studies):
        found = tables[n]
        if options.unseen:
            others = pd.concat(tables[:n] + tables[n + 1 :], ignore_index=True)
            rows = fit(others, {name: constants()[name] for name in ASSUMED}).to_dict("records")
            rows = {name: constants()[name] for name in ASSUMED} | {r["kind"]: r for r in rows}
            found = measured(*study, rows)
            found = found[found["kind"].isin(others["kind"])]
        print(f"\n{path}")
        if not found.empty:
            print(compare(found).to_string(index=False, float_format=lambda x: f"{x:.1f}"))
    if options.fit:
        old = pd.DataFrame(list(constants().values()))
        new = fit(pd.concat(tables, ignore_index=True))
        new["date"], new["machine"] = datetime.date.today().isoformat(), options.machine
        kept = old[~old["kind"].isin(new["kind"])]
        write_table(pd.concat([kept, new], ignore_index=True)[list(COLUMNS)], note=NOTE)


if __name__ == "__main__":
    main()

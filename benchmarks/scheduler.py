"""What Snakemake's own process costs while jobs run: with our profile, and with its defaults.

    python benchmarks/scheduler.py                      # 500 jobs of a second on two cores, each way
    python benchmarks/scheduler.py --jobs 150 --profiles default none

Every fifth job asks for both cores, so that at times a core is free and no ready job fits it. The share is
the processor time of Snakemake's main process and of the solver that it starts, over the time from the
start of the first job to the end of the last; exit is what follows until the process is gone.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
JOBS = """
rule all:
    input: expand("out/{n}", n=range(int(config["jobs"])))

rule one:
    output: "out/{n}"
    threads: lambda w: 2 if int(w.n) % 5 == 0 else 1
    shell: "date +%s.%N > {output}.start; sleep 1; date +%s.%N > {output}"
"""


def used(process):
    """Processor seconds of one process."""
    times = process.cpu_times()
    return times.user + times.system


def run(profile, jobs):
    """Run the jobs; give the share, seconds of all, seconds until exit, and processor seconds."""
    options = ["--workflow-profile", "none"]
    if profile != "none":
        options = ["--workflow-profile", str(ROOT / "profiles" / profile)]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "Snakefile").write_text(JOBS)
        begin = time.time()
        main = psutil.Popen(
            [
                sys.executable,
                "-m",
                "snakemake",
                "--cores",
                "2",
                "--config",
                f"jobs={jobs}",
                *options,
            ],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before, at, solvers = None, 0.0, {}
        while main.poll() is None:
            try:
                at = used(main)
                for child in main.children():
                    if "cbc" in child.name():
                        solvers[child.pid] = used(child)
            except psutil.Error:
                pass  # it ended meanwhile
            if before is None and list(folder.glob("out/*.start")):
                before = at
            time.sleep(0.05)
        end = time.time()
        read = [float(file.read_text()) for file in folder.glob("out/*.start")]
        last = max(float((folder / "out" / str(n)).read_text()) for n in range(jobs))
        cost = at - before + sum(solvers.values())
        return cost / (last - min(read)), end - begin, end - last, cost


def main():
    """Run and print a line for each profile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--profiles", nargs="+", default=["default", "none"])
    options = parser.parse_args()
    print("profile | share of a core | wall, s | until exit, s | processor, s")
    for profile in options.profiles:
        share, wall, leave, cost = run(profile, options.jobs)
        print(f"{profile} | {share:.1%} | {wall:.1f} | {leave:.1f} | {cost:.1f}", flush=True)


if __name__ == "__main__":
    main()

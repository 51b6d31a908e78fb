"""Time the DAG of a study of many samples, or of many slabs.

    python benchmarks/dag.py --samples 1000 [--done]
    python benchmarks/dag.py --slabs 10000 [--done]

Each sample is a volume of its own (one tiny file stands for all), degraded at one level, restored
by a classical method, measured, drawn and reported: nine jobs. The slabs are those of one volume
that is refined along z, and nothing else of that study is asked for. Prints core seconds and wall
time, starts included, of building the DAG (--rulegraph), of a dry run, which also writes a message
for each job, and, with --done, of a run where nothing is left to be done (results are touched, not
made). --profile FILE writes a cProfile of the dry run.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import yaml

ROOT = Path(__file__).parents[1]
REFINED = "results/many/predict/s0/level4/cubic.ome.zarr/zarr.json"
QUIET = ("--quiet", "rules", "reason")  # all but the number of jobs


def write_study(folder, samples, slabs=1):
    """Write a study of that many samples of one file, or of slabs, into a folder; give its path."""
    tifffile.imwrite(folder / "one.tif", np.zeros((32, 32, 32), np.uint8), photometric="minisblack")
    kind = "test\tone.tif\t1 um" if slabs == 1 else "restore\tone.tif\t4 1 1 um"
    rows = [f"s{n}\t{kind}" for n in range(samples)]
    text = "\n".join(["sample\trole\tpath\tvoxel_size", *rows, ""])
    (folder / "many.tsv").write_text(text)
    study = {
        "study": "many",
        "samples": "many.tsv",
        "levels": [2],
        "methods": {"richardson_lucy": {}},
        "segment": False,
    }
    if slabs > 1:
        study |= {"levels": [4], "degrade": {"mode": "average"}, "methods": {"cubic": {}}}
        study["slabs"] = slabs
    path = folder / "many.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def workflow(folder):
    """Link the workflow into a folder, so that results come to lie there."""
    for name in ("Snakefile", "rules", "scripts", "profiles", "config", "envs"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)


def snakemake(folder, study, *arguments, profile=None):
    """Run snakemake; give its output, core seconds and wall time."""
    command = [sys.executable]
    command += ["-m", "cProfile", "-o", str(Path(profile).absolute())] if profile else []
    command += ["-m", "snakemake", *arguments, "--configfile", str(study)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    if ran.returncode:
        raise SystemExit(ran.stdout[-2000:] + ran.stderr[-2000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ran.stdout, cpu, wall


def fabricate(folder, study, *targets):
    """Make an empty file for each result and let Snakemake take them for done."""
    listed, *_ = snakemake(folder, study, *targets, "--summary", "--cores", "1")
    lines = listed.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("output_file\t"))
    for line in lines[first + 1 :]:
        path = folder / line.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    snakemake(folder, study, *targets, "--touch", "--quiet", "--cores", "1")


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--slabs", type=int, default=1)
    parser.add_argument("--done", action="store_true", help="also a run with nothing to do")
    parser.add_argument("--profile", help="write a profile of the dry run here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = write_study(folder, options.samples, options.slabs)
        workflow(folder)
        targets = [REFINED] if options.slabs > 1 else []
        _, cpu, wall = snakemake(folder, study, *targets, "--rulegraph")
        print(f"built: {cpu:.1f} core s, {wall:.1f} s", flush=True)
        text, cpu, wall = snakemake(folder, study, *targets, "-n", *QUIET, profile=options.profile)
        jobs = [line.split()[1] for line in text.splitlines() if line.startswith("total")]
        print(
            f"dry run: {jobs[0] if jobs else '?'} jobs, {cpu:.1f} core s, {wall:.1f} s", flush=True
        )
        if options.done:
            fabricate(folder, study, *targets)
            text, cpu, wall = snakemake(folder, study, *targets, "-n")
            if "Nothing to be done" not in text:
                raise SystemExit("something was left to do: " + text[-500:])
            print(f"nothing to do: {cpu:.1f} core s, {wall:.1f} s")


if __name__ == "__main__":
    main()

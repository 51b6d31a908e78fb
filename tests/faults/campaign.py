"""Inject faults into runs of a tiny study, one after another, and write down what came of each.

    python -m tests.faults.campaign --count 200 --table docs/faults.tsv

A fault is a function of the seed and its number, so a campaign that was stopped goes on where it was:
faults that the table already has are left out. Each begins with a copy of one undisturbed, finished run
in which the outputs of one job are missing; the fault is injected while (or before) that job runs
again. One that came too late, or met nothing, is drawn again. After it, one plain rerun must end with
the bytes of the undisturbed run, at one thread; where a run cannot go on, it must say in one sentence
what to do, and after that was done the bytes must be the same. Disk full and read-only folders need the right to mount; what happens on a cluster is done to a
Slurm of one node on this machine, by runs and reruns through the executor for Slurm.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import TINY_FOAM, TINY_SHEET, Workflow
from tests.faults.test_bad_input import sentences
from tests.slurm.loopback import DAEMONS, MISSING, REASON, loopback

STEPS = 120
TRAIN = {
    "steps": STEPS,
    "batch": 2,
    "validate_every": 40,
    "validation_patches": 2,
    "precision": "float32",
    "checkpoint_seconds": 0,
}
PREDICT = {"precision": "float32"}
STUDY = TINY_FOAM | {
    "slabs": 2,
    "methods": {
        "richardson_lucy": {"iterations": 3},
        "srcnn3d": {
            "features": [4, 4],
            "train": {**TRAIN, "patch": [16, 16, 16]},
            "predict": PREDICT,
        },
        "deepnet": {"features": 4, "train": {**TRAIN, "patch": [5, 32, 32]}, "predict": PREDICT},
    },
}
# In proportion to how often they happen to users; a prefix of a campaign has a bit of each.
KINDS = (
    "kill job",
    "kill snakemake",
    "kill training",
    "flipped byte",
    "disk full",
    "kill job",
    "kill training",
    "truncated shard",
    "future",
    "kill snakemake",
    "kill job",
    "read-only",
    "two runs",
    "kill training",
    "flipped byte",
    "kill job",
    "future",
    "kill snakemake",
    "disk full",
    "truncated shard",
    "scancel",
    "kill job",
    "flipped byte",
    "kill slurmd",
    "kill training",
    "truncated shard",
    "time limit",
    "disk full",
    "read-only",
    "two runs",
)
# What need not end a run: Slurm's daemon comes back and finds its job, a date is only a date.
HARMLESS = ("kill slurmd", "future")
ON_SLURM = ("scancel", "kill slurmd", "time limit")
SLURM = [
    *("--workflow-profile", "profiles/slurm", "--jobs", "4", "--max-threads", "1"),
    *("--default-resources", "slurm_partition=main", "mem_mb=1000", "runtime=20"),
    *("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10", "--retries", "0"),
]
COLUMNS = ("number", "kind", "job", "moment", "first_exit", "said", "outcome", "runs", "seconds")
LOCKED = "cannot be locked"
SAME = "same bytes"


class MissedError(Exception):
    """The fault met nothing: the job had ended, or does not read what was damaged."""


@dataclass
class Job:
    """One job of the study: its rule, a name for people, its outputs and inputs."""

    rule: str
    name: str
    outputs: list = field(default_factory=list)
    inputs: set = field(default_factory=set)


class Run:
    """A folder in which a study is run at one thread, here or on a cluster."""

    def __init__(self, folder, cluster=None):
        self.folder = folder
        self.results = folder / "results"
        self.cluster, variables = cluster or (None, {})
        self.how = SLURM if cluster else ["--cores", "1"]
        self.count = 0
        self.environment = os.environ | {
            "PYTHONPATH": str(folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            **variables,
        }

    def ask(self, question):
        """What Snakemake answers without running a job."""
        return subprocess.run(
            [sys.executable, "-m", "snakemake", question, "--configfile", "tiny.yaml"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def start(self, *targets):
        """Start a run in a process group of its own, its output in the file ``said``."""
        self.count += 1
        with open(self.folder / f"said-{self.count}", "w") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", *targets, *self.how]
                + ["--configfile", "tiny.yaml"],
                cwd=self.folder,
                env=self.environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *targets):
        """Run to the end; the exit status and what was said."""
        status = self.start(*targets).wait()
        return status, self.said()

    def said(self):
        return (self.folder / f"said-{self.count}").read_text(errors="replace")

    def jobs(self):
        """All jobs of the study, by name."""
        table = self.ask("--detailed-summary")
        found = {}
        for row in csv.DictReader(table.splitlines(), delimiter="\t"):
            name = row["log-file(s)"].removeprefix("logs/tiny/").removesuffix(".log") or row["rule"]
            job = found.setdefault((row["rule"], name), Job(row["rule"], f"{row['rule']}: {name}"))
            job.outputs.append(row["output_file"])
            job.inputs |= set(row["input-file(s)"].split(","))
        return [found[key] for key in sorted(found) if key[0] != "all"]

    def working(self):
        """The process of the job that runs now, or none."""
        mark = str(self.folder / ".snakemake" / "scripts")
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                if any(word.startswith(mark) for word in words[1:]):
                    return int(entry.name)
        return None

    def ask_slurm(self, *command):
        """What a command of Slurm answers."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def remove(self, job):
        """Remove the declared outputs of a job, as Snakemake does before it runs it again.

        A volume is not there either while one of its slabs is made.
        """
        for output in job.outputs:
            (self.folder / output).unlink()
            store, inside, _ = output.partition("/.slabs/")
            if inside:
                root = self.folder / store.replace("/numbers/", "/") / "zarr.json"
                root.unlink(missing_ok=True)


def contents(folder):
    """Digest of every result; times that were measured do not count."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or "/checkpoints/" in name or name.endswith(".snakemake_timestamp"):
            continue
        if path.name == "history.tsv.seal":  # of the times too
            continue
        data = path.read_bytes()
        if path.name == "model.json":
            card = json.loads(data)
            card["training"].pop("seconds", None)
            card["execution"] = card["seal"] = None
            data = json.dumps(card, sort_keys=True).encode()
        if path.name == "history.tsv":
            rows = [line.split("\t") for line in data.decode().splitlines()]
            drop = rows[0].index("seconds")
            data = "\n".join("\t".join(r[:drop] + r[drop + 1 :]) for r in rows).encode()
        if path.name == "index.html":  # the models' records, of which times are a part
            data = re.sub(rb"<summary>Models</summary>.*?</details>", b"", data, flags=re.S)
        found[name] = hashlib.sha256(data).hexdigest()
    return found


def prepare(folder):
    """Run the study once, undisturbed."""
    workflow = Workflow(folder)
    workflow.write_study(STUDY, TINY_SHEET, name="tiny")
    run = Run(folder)
    status, said = run.run()
    assert status == 0, said[-3000:]
    return run


def wait(condition, running, seconds=300):
    """Wait until something holds; whether it came to hold before the run ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if running.poll() is not None:
            return False
        time.sleep(0.01)
    return False


# ---- one function a kind: inject the fault, give the moment, the exit status and what was said


def kill_job(run, job, chance):
    """Kill the job's process at a moment after its start."""
    moment = chance.uniform(0.1, 3.0)
    for _ in range(4):
        running = run.start(*job.outputs)
        if wait(run.working, running):
            time.sleep(moment)
            pid = run.working()
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                return f"{moment:.2f} s", running.wait(), run.said()
        running.wait()  # it was quicker: once more, and earlier
        run.remove(job)
        moment /= 2
    raise MissedError


def kill_snakemake(run, job, chance):
    """Kill Snakemake, with its job or alone; then the job runs on."""
    moment, alone = chance.uniform(0.1, 2.0), chance.random() < 0.5
    running = run.start(*job.outputs)
    wait(run.working, running)
    time.sleep(moment)
    if running.poll() is not None:
        raise MissedError
    (os.kill if alone else os.killpg)(running.pid, signal.SIGKILL)
    status = running.wait()
    while run.working() is not None:
        time.sleep(0.05)
    return f"{moment:.2f} s, {'alone' if alone else 'with its job'}", status, run.said()


def hit(run, running, number):
    """Send a signal to the job's process."""
    pid = run.working()
    if pid is None:
        running.wait()
        raise MissedError
    os.kill(pid, number)


def kill_training(run, job, chance):
    """Kill a training behind a step; it goes on from its checkpoint."""
    step = chance.randrange(1, STEPS - 1)
    folder = (run.folder / job.outputs[0]).parent / "checkpoints"
    running = run.start(*job.outputs)

    def reached():
        steps = [int("".join(filter(str.isdigit, p.stem)) or 0) for p in folder.glob("*")]
        return max(steps, default=0) >= step

    wait(reached, running)
    hit(run, running, signal.SIGKILL)
    return f"step {step}", running.wait(), run.said()


def damage(change):
    def inject(run, job, chance):
        stores = [run.folder / path for path in sorted(job.inputs) if path.endswith("zarr.json")]
        store = chance.choice(stores).parent
        shard = chance.choice(sorted(p for p in (store / "0" / "c").rglob("*") if p.is_file()))
        data = bytearray(shard.read_bytes())
        place = chance.randrange(len(data))
        shard.write_bytes(change(data, place))
        return f"{shard.relative_to(run.results)} at {place}", *run.run(*job.outputs)

    return inject


def flip(data, place):
    data[place] ^= 0x40
    return data


@contextmanager
def mounted(run):
    """The results on a file system of their own."""
    aside = run.folder / "aside"
    run.results.rename(aside)
    run.results.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", run.results], check=True)
    try:
        shutil.copytree(aside, run.results, dirs_exist_ok=True)
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", run.results], check=True
        )
        shutil.rmtree(aside)
        shutil.copytree(run.results, aside)
    finally:
        subprocess.run(["umount", run.results], check=True)
        run.results.rmdir()
        aside.rename(run.results)


def disk_full(run, job, chance):
    """Leave room for a part of what the job writes; more room comes before the rerun."""
    with mounted(run) as remount:
        for output in job.outputs:
            if output.endswith("zarr.json"):
                shutil.rmtree((run.folder / output).parent)
        free = chance.randrange(0, 16) * 4096
        used = os.statvfs(run.results)
        taken = (used.f_blocks - used.f_bfree) * used.f_frsize
        remount(f"size={taken + free}")
        found = run.run(*job.outputs)
        remount("size=1g")
    return f"{free} bytes free", *found


def read_only(run, job, chance):
    """The results cannot be written; they can before the rerun."""
    with mounted(run) as remount:
        remount("ro")
        found = run.run(*job.outputs)
        remount("rw")
    return "", *found


def two_runs(run, job, chance):
    """A second run starts while the first has the folder."""
    first = run.start(*job.outputs)
    wait(run.working, first)
    found = run.run(*job.outputs)
    if first.wait():
        raise RuntimeError(f"the first of two runs ended with {first.returncode}")
    if "FileNotFoundError" in found[1] and ".snakemake/locks/" in found[1]:
        raise MissedError  # Snakemake's own: the first run was just removing its locks
    return "", *found


def future(run, job, chance):
    """A file, of the results or of the study, is dated a day ahead."""
    files = [path for path in contents(run.results) if "/0/c/" not in path]
    path = chance.choice([run.results / name for name in files] + [run.folder / "tiny.tsv"])
    ahead = time.time() + 86_400
    os.utime(path, (ahead, ahead))
    return str(path.relative_to(run.folder)), *run.run()


def scancel(run, job, chance):
    """Cancel the job of Slurm, while it waits, starts or works."""
    moment = chance.uniform(0.0, 8.0)
    running = run.start(*job.outputs)
    number = []

    def queued():
        number[:] = run.ask_slurm("squeue", "--noheader", "--format", "%i").split()
        return number

    wait(queued, running)
    time.sleep(moment)
    if running.poll() is not None or number[0] not in run.ask_slurm("squeue", "--noheader"):
        running.wait()
        raise MissedError
    run.ask_slurm("scancel", number[0])
    return f"{moment:.2f} s", running.wait(), run.said()


def kill_slurmd(run, job, chance):
    """Kill the node's daemon while it has the job, alone or with the job; it comes back."""
    moment, alone = chance.uniform(0.0, 2.0), chance.random() < 0.5
    running = run.start(*job.outputs)
    wait(run.working, running)
    time.sleep(moment)
    hit(run, running, 0 if alone else signal.SIGKILL)
    os.kill(int((run.cluster / "slurmd.pid").read_text()), signal.SIGKILL)
    time.sleep(5)
    slurmd = shutil.which("slurmd", path=DAEMONS)
    run.ask_slurm(slurmd, "-f", run.environment["SLURM_CONF"])
    return f"{moment:.2f} s, {'alone' if alone else 'with the job'}", running.wait(), run.said()


def time_limit(run, job, chance):
    """Let the job stand still until its minute is over."""
    running = run.start(*job.outputs, "--set-resources", f"{job.rule}:runtime=1")
    moment = chance.uniform(0.0, 0.5)
    wait(run.working, running)
    time.sleep(moment)
    hit(run, running, signal.SIGSTOP)
    return f"{moment:.2f} s", running.wait(), run.said()


INJECT = {
    "kill job": kill_job,
    "kill snakemake": kill_snakemake,
    "kill training": kill_training,
    "flipped byte": damage(flip),
    "truncated shard": damage(lambda data, place: data[:place]),
    "disk full": disk_full,
    "read-only": read_only,
    "two runs": two_runs,
    "future": future,
    "scancel": scancel,
    "kill slurmd": kill_slurmd,
    "time limit": time_limit,
}


def choose(kind, jobs, chance):
    """The job that a fault of this kind hits."""
    if kind == "kill training":
        jobs = [job for job in jobs if job.rule == "train"]
    if kind in ("flipped byte", "truncated shard"):
        jobs = [job for job in jobs if any(path.endswith("zarr.json") for path in job.inputs)]
    return chance.choice(jobs)


def told(text):
    """What a run said of why it could not go on: one of our sentences, or Snakemake's on a lock."""
    # Above the logs of a failed job stands why: the only place where it does for a job of Slurm.
    said = sentences(text) + re.findall(r"^(results/.*|rule \w+: Slurm .*)\n  \(log: ", text, re.M)
    if LOCKED in text:
        said.append("Directory cannot be locked: another run has it, or --unlock")
    return said


def recover(run, job, wanted, said):
    """Rerun until the bytes are those of the undisturbed run, doing what a run's sentence asks for.

    Gives the outcome, and the sentences that were heeded.
    """
    advice, heeded = [], []
    for attempt in range(3):
        text = " ".join(said)
        if LOCKED in text and attempt:  # by a rerun, not by the second of two runs
            run.ask("--unlock")
            advice.append("unlock")
            heeded = heeded or said
        for path in re.findall(r"remove (results/\S+?)[.,;]? ", f"{text} "):
            wrong = run.folder / path
            shutil.rmtree(wrong) if wrong.is_dir() else wrong.unlink(missing_ok=True)
            advice.append("remove")
            heeded = heeded or said
        status, output = run.run()
        said = told(output)
        if status == 0:
            found = contents(run.results)
            differ = sorted(
                k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k)
            )
            if differ:
                return f"DIFFERENT: {' '.join(differ[:4])}", heeded
            return ", ".join([SAME, *dict.fromkeys(advice)]), heeded
        if not said or "Traceback" in output:
            return "NO SENTENCE", heeded
    return "NOT RECOVERED", heeded


def right(run, job, wanted):
    """Whether the outputs of a job are those of the undisturbed run."""
    found = contents(run.results)
    names = [str(Path(output).relative_to("results")) for output in job.outputs]
    return all(found.get(name) == wanted[name] for name in names)


def inject(number, seed, base, jobs, wanted, folder, cluster):
    """One fault: a row of the table."""
    kind = KINDS[number % len(KINDS)]
    chance = random.Random(f"{seed}/{number}")
    started = time.monotonic()
    for _ in range(20):
        job = choose(kind, jobs, chance)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base.folder, folder)
        run = Run(folder, cluster if kind in ON_SLURM else None)
        if kind != "future":
            run.remove(job)
        try:
            moment, status, text = INJECT[kind](run, job, chance)
        except MissedError:
            continue
        # A run that ended well met nothing, if it also left the right bytes.
        if status or kind in HARMLESS or not right(run, job, wanted):
            break
    else:
        raise RuntimeError(f"fault {number}, {kind}, met nothing in 20 attempts")
    said = told(text)
    if "Traceback" in text:
        outcome = "TRACEBACK"
    elif not status and kind not in HARMLESS:
        outcome = "UNNOTICED"
    elif status and not said and not kind.startswith("kill"):
        outcome = "NO SENTENCE"
    else:
        outcome, heeded = recover(run, job, wanted, said)
        said = said or heeded
    if not outcome.startswith(SAME):  # what was said is kept
        lost = folder.with_name(f"lost-{number}")
        lost.mkdir(exist_ok=True)
        for path in folder.glob("said-*"):
            shutil.copy(path, lost)
    return {
        "number": number,
        "kind": kind,
        "job": job.name if kind != "future" else "",
        "moment": moment,
        "first_exit": status,
        "said": said[0].replace("\t", " ")[:200] if said else "",
        "outcome": outcome,
        "runs": run.count,
        "seconds": f"{time.monotonic() - started:.0f}",
    }


def campaign(count, seed, table, work, kinds=None):
    """Inject faults until the table has `count`; give its rows."""
    rows = []
    if table.exists():
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    done = {int(row["number"]) for row in rows}
    left = [
        n for n in range(count) if n not in done and (not kinds or KINDS[n % len(KINDS)] in kinds)
    ]
    base = Run(work / "base")
    if not (base.folder / "results/tiny/metrics.tsv").exists():
        shutil.rmtree(base.folder, ignore_errors=True)
        base.folder.mkdir(parents=True)
        base = prepare(base.folder)
    wanted, jobs = contents(base.results), base.jobs()
    with ExitStack() as stack:
        cluster = None
        if any(KINDS[number % len(KINDS)] in ON_SLURM for number in left):
            if MISSING:
                raise SystemExit(REASON)
            cluster = stack.enter_context(loopback())
        for number in left:
            row = inject(number, seed, base, jobs, wanted, work / "fault", cluster)
            new = not table.exists()
            with open(table, "a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerow(row)
            rows.append(row)
            print(*(row[k] for k in ("number", "kind", "job", "moment", "outcome")), flush=True)
    return rows


def summary(rows):
    """A Markdown table of a campaign, a row a kind."""
    outcomes = {
        "same bytes after one plain rerun": lambda row: row["outcome"] == SAME,
        "same bytes after what the sentence said": lambda row: row["outcome"].startswith(
            f"{SAME},"
        ),
        "lost": lambda row: not row["outcome"].startswith(SAME),
    }
    lines = [f"| fault | number | {' | '.join(outcomes)} |", "|---|" + "---|" * (1 + len(outcomes))]
    for kind in [*INJECT, "all"]:
        own = [row for row in rows if kind in (row["kind"], "all")]
        counts = [len(own), *(sum(map(holds, own)) for holds in outcomes.values())]
        lines.append(f"| {' | '.join([kind, *map(str, counts)])} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path, default=Path("docs/faults.tsv"))
    parser.add_argument("--work", type=Path, required=True, help="a folder for runs, kept")
    parser.add_argument("--kinds", nargs="*", choices=sorted(INJECT))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = campaign(
        options.count, options.seed, options.table, options.work.resolve(), options.kinds
    )
    lost = [row for row in rows if not row["outcome"].startswith(SAME)]
    print(summary(rows))
    return bool(lost)


if __name__ == "__main__":
    raise SystemExit(main())

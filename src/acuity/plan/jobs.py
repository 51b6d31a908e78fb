"""The jobs of a study that are still to do, their sums, and whether a machine can hold them."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acuity.errors import AcuityError
from acuity.plan.constants import MIB, Cost, constants
from acuity.plan.planner import Planner, check_device
from acuity.seals import SUFFIX
from acuity.study.paths import read_result
from acuity.study.project import Project
from acuity.study.reading import read_study
from acuity.study.study import Study
from acuity.threads import cores
from acuity.writing import LARGE, bytes_text, free_space

GIB = 2**30
GPU_HOURS = (
    "GPU hours: by one rate for all networks, that of the slowest of 27 trainings on an NVIDIA H200"
)


@dataclass(frozen=True)
class Job:
    """A job: its rule, its wildcards and its outputs."""

    rule: str
    wildcards: tuple[tuple[str, str], ...]
    outputs: tuple[str, ...]


def jobs_of(study_file: str | os.PathLike, study: Study, *, all_jobs: bool = False) -> list[Job]:
    """List the jobs of a study that are still to do, as Snakemake itself counts them.

    Parameters
    ----------
    study_file : path
        The study file.
    study : acuity.study.study.Study
        The same study, read.
    all_jobs : bool
        Whether jobs that are done count too.

    Returns
    -------
    list of Job

    Raises
    ------
    AcuityError
        If there is no Snakefile in the working folder, or Snakemake refuses the study.
    """
    if not Path("Snakefile").is_file():
        raise AcuityError(
            "Snakefile: not found in this folder; run acuity plan where snakemake is run"
        )
    command = [sys.executable, "-m", "snakemake", "--summary", "--nolock", "--cores", "1"]
    ran = subprocess.run(
        [*command, "--configfile", os.fspath(study_file)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = ran.stdout.splitlines()
    heads = [n for n, line in enumerate(lines) if line.startswith("output_file\t")]
    if ran.returncode or not heads:
        said = [line for line in ran.stderr.strip().splitlines() if line.strip()]
        raise AcuityError(said[-1].strip() if said else "snakemake --summary told nothing")
    outputs = defaultdict(list)
    for line in lines[heads[0] + 1 :]:
        path, _, rule, *_, todo = line.split("\t")
        if all_jobs or todo != "no update":
            inner = path.removeprefix(f"results/{study.study}/").removesuffix(SUFFIX)
            outputs[rule, tuple(sorted(read_result(inner).items()))].append(path)
    return [Job(*key, tuple(paths)) for key, paths in outputs.items()]


@dataclass
class Machine:
    """Where a study is to run.

    Attributes
    ----------
    cores, gpus : int
    memory, disk : float
        Bytes; of the disk, those that are free.
    """

    cores: int
    memory: float
    disk: float
    gpus: int

    @classmethod
    def here(cls, folder: str | os.PathLike = "results") -> "Machine":
        """Describe this machine and the disk of its results folder."""
        try:
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError):
            memory = float("inf")
        return cls(cores(), memory, free_space(folder), _gpus())


def _gpus():
    """GPUs of this machine, without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return min(found, len([v for v in visible.split(",") if v])) if visible is not None else found


@dataclass
class Line:
    """Sums over the jobs of one rule; memory and what must be free at once are those of the largest."""

    jobs: int = 0
    memory: float = 0.0
    cpu: float = 0.0
    gpu: float = 0.0
    written: float = 0.0
    uncompressed: float = 0.0

    def add(self, cost: Cost, gpus: int) -> None:
        """Add a job."""
        gpu = cost.gpu if gpus else 0.0
        cpu = cost.start + gpu if gpu else cost.cpu
        self.join(Line(1, cost.memory, cpu, gpu, cost.written, cost.uncompressed))

    def join(self, other: "Line") -> None:
        """Add the jobs of another line."""
        self.jobs += other.jobs
        self.memory = max(self.memory, other.memory)
        self.cpu += other.cpu
        self.gpu += other.gpu
        self.written += other.written
        self.uncompressed = max(self.uncompressed, other.uncompressed)


def plan(
    study_file: str | os.PathLike, machine: Machine
) -> tuple[dict[str, Line], list[str], list[str]]:
    """Work out what a study still needs.

    Parameters
    ----------
    study_file : path
        The study file.
    machine : Machine
        Where it is to run.

    Returns
    -------
    lines : dict of str to Line
        By rule, in the order of the jobs.
    guessed : list of str
        What the plan could not read and was never measured, a sentence each.
    restored : list of str
        What each restoration of a sample without truth makes, a sentence each.

    Raises
    ------
    AcuityError
        If the study is not sound or demands a GPU that is not there.
    """
    study, samples = read_study(study_file)
    try:
        check_device(study, machine.gpus)
    except AcuityError as error:
        raise AcuityError(f"{study_file}: {error}") from None
    planner, lines, guessed = Planner(Project(study, samples)), {}, {}
    restored: dict[tuple[str, str, str], Line] = {}
    for job in jobs_of(study_file, study):
        wildcards = dict(job.wildcards)
        cost = planner.cost(job.rule, wildcards)
        lines.setdefault(job.rule, Line()).add(cost, machine.gpus)
        if job.rule.startswith("predict") and wildcards["sample"] in planner.project.restore:
            key = wildcards["sample"], wildcards["method"], wildcards["level"]
            restored.setdefault(key, Line()).add(cost, machine.gpus)
        if cost.guessed:
            guessed[cost.guessed] = None
    if machine.gpus and any(line.gpu for line in lines.values()):
        guessed[GPU_HOURS] = None
    made = [_restored(planner, *key, line) for key, line in restored.items() if line.uncompressed]
    return lines, [*planner.unread, *guessed], made


def _restored(planner, sample, method, level, line):
    """Say what a restoration of a sample without truth makes, and how long it takes."""
    shape = " x ".join(map(str, planner.high(sample, level)[0]))
    gpu = f", {line.gpu / 3600:.2f} GPU hours" if line.gpu else ""
    return (
        f"{sample} by {method} at level {level}: {shape} voxels, {bytes_text(line.uncompressed)} "
        f"uncompressed, {line.cpu / 3600:.2f} core hours{gpu}"
    )


def total(lines: Mapping[str, Line]) -> Line:
    """Sum up a plan; memory is that of its largest job."""
    whole = Line()
    for line in lines.values():
        whole.join(line)
    return whole


def check(lines: Mapping[str, Line], machine: Machine, study_file: str | os.PathLike) -> None:
    """Refuse a plan that a machine cannot hold.

    Parameters
    ----------
    lines : dict of str to Line
        As `plan` gives it.
    machine : Machine
        Where it is to run.
    study_file : path
        For the error.

    Raises
    ------
    AcuityError
        Naming what is short, how much is needed and how much is there.
    """
    whole = total(lines)
    if whole.memory * MIB > machine.memory:
        rule = max(lines, key=lambda name: lines[name].memory)
        raise AcuityError(
            f"{study_file}: the largest job ({rule}) needs about {_bytes(whole.memory * MIB)} of "
            f"memory and the machine has {_bytes(machine.memory)}; use smaller volumes (region) or "
            "a machine with more memory"
        )
    if whole.uncompressed > machine.disk:
        raise AcuityError(
            f"{study_file}: its largest restored volume needs {bytes_text(whole.uncompressed)} of disk, "
            f"uncompressed, and {bytes_text(machine.disk)} are free; {LARGE}"
        )
    if whole.written > machine.disk:
        raise AcuityError(
            f"{study_file}: its results need about {_bytes(whole.written)} of disk and "
            f"{_bytes(machine.disk)} are free; free some space or choose another folder"
        )


def table(
    lines: Mapping[str, Line],
    machine: Machine,
    guessed: Sequence[str] = (),
    restored: Sequence[str] = (),
) -> str:
    """Write a plan as text.

    Parameters
    ----------
    lines : dict of str to Line
        As `plan` gives it.
    machine : Machine
        Where it is to run.
    guessed : sequence of str
        What the plan guessed, a line each.
    restored : sequence of str
        What restorations make, a line each.

    Returns
    -------
    str
    """
    if not lines:
        return "nothing to be done"
    whole = total(lines)
    rows = [("rule", "jobs", "memory", "disk", "core hours", "GPU hours")]
    for name, line in [*lines.items(), ("total", whole)]:
        sizes = _bytes(line.memory * MIB), _bytes(line.written)
        hours = f"{line.cpu / 3600:.2f}", f"{line.gpu / 3600:.2f}"
        rows.append((name, str(line.jobs), *sizes, *hours))
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    text = ["  ".join([name.ljust(first), *map(str.rjust, cells, others)]) for name, *cells in rows]
    # Each job starts Snakemake anew.
    cpu = whole.cpu + whole.jobs * constants()["snakemake"]["start_s"]
    wall = max(cpu / machine.cores, whole.gpu / max(1, machine.gpus)) / 3600
    text += [
        "",
        f"at least {wall:.2f} h on {machine.cores} cores"
        + (f" and {machine.gpus} GPUs" if machine.gpus else "")
        + f"; {_bytes(machine.memory)} of memory, {_bytes(machine.disk)} of disk are there",
        *(f"restored: {sentence}" for sentence in restored),
        *(f"guessed: {sentence}" for sentence in guessed),
    ]
    return "\n".join(text)


def _bytes(count):
    for unit, size in (("TiB", 2**40), ("GiB", GIB)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / MIB:.0f} MiB"

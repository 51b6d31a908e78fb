"""What several tests share: a copy of the workflow to run tiny studies in."""

import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest
import yaml
from filelock import FileLock

from acuity.digest import digest
from acuity.threads import WAITING
from tests.zygote import Zygote

ROOT = Path(__file__).parents[1]

# Several processes test at a time: a second thread of torch in each of them only waits, and one of
# numba's that spins while it waits takes a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(WAITING)
# Without its filters, whether that extra is installed or not: once loaded they stay.
sys.modules["hdf5plugin"] = None

ZYGOTE = Zygote()
KERNELS = FileLock(ROOT / ".pytest_cache" / "kernels.lock")
TINY_TRAINING = {"steps": 6, "batch": 2, "validate_every": 3, "validation_patches": 2}
TINY_FOAM = {
    "study": "tiny",
    "samples": "tiny.tsv",
    "foam": {"size": 48, "diameter": [5, 16], "small_below": 7, "min_gap": 1, "truth_views": 2},
    "levels": [2],
    "methods": {
        "richardson_lucy": {"iterations": 3},
        "srcnn3d": {"features": [4, 4], "train": {**TINY_TRAINING, "patch": [16, 16, 16]}},
        "deepnet": {"features": 4, "train": {**TINY_TRAINING, "patch": [5, 32, 32]}},
    },
    "evaluate_on_train": ["deepnet"],
}
TINY_SHEET = "sample\trole\tseed\na\ttrain\t1\nb\ttest\t2\n"


_status = 0


def pytest_configure(config):
    """Compile the package once: all copies of it take what was compiled along.

    By the content of the sources and not by their times, since tests edit them.
    """
    if hasattr(config, "workerinput") or "ACUITY_NOT_COMPILED" in os.environ:  # of mutants
        return
    by_content = PycInvalidationMode.CHECKED_HASH
    compile_dir(ROOT / "src", quiet=2, force=True, invalidation_mode=by_content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", False)
        for script in (ROOT / "scripts").glob("*.py"):
            digest(script)


def pytest_sessionfinish(exitstatus):
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    ZYGOTE.end()
    # ITK, VTK and torch in one process may crash while the interpreter tears them down, after all
    # tests are done and reported; leave with pytest's own verdict before that.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


# Real images, which a clone on its own does not have: tests that need them are marked `real`.
REAL = ROOT.parent / "shared" / "data"
# restore-stack cannot be read before heinrich-small has trained; test_restore.py reads and runs it after a small one.
NO_RUN = "its model is one that another study trains"
NO_REAL = "the real images are not beside the project"
# What a test may skip for; anything else fails it.
MAY_SKIP = (
    NO_REAL,
    NO_RUN,
    "no GPU that torch can use",
    "there is a GPU",
    "no slurmctld",  # or others of its daemons
    "needs a device that is always full",
    "no right to mount",
    "reads peaks of memory from /proc, which Linux has",
    "limits memory by RLIMIT_DATA, which Linux alone applies to mmap",
    "needs the extra storage",
    "needs moto, a stand-in for S3",
    "could not import 'itk'",  # ITK has no wheel for every machine
    "could not import 'pygments'",
)
# A full disk cannot be had otherwise without rights: Linux has /dev/full, macOS has not.
needs_full_device = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="needs a device that is always full"
)
# What the tests compare are peaks as Linux tells them; getrusage counts in other units elsewhere.
needs_peaks = pytest.mark.skipif(
    sys.platform != "linux", reason="reads peaks of memory from /proc, which Linux has"
)
_running = None


def pytest_runtest_setup(item):
    global _running
    _running = item
    if item.get_closest_marker("real") and not REAL.is_dir():
        pytest.skip(NO_REAL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(MAY_SKIP):
            report.outcome = "failed"
            report.longrepr = f"skipped for a reason that MAY_SKIP does not list: {reason}"
    return report


def shared(name):
    """A real image; only a test that is marked `real` may ask for it."""
    assert _running.get_closest_marker("real"), "mark the test as `real`"
    path = REAL / name
    assert path.exists(), f"{path}: not there, though others are"
    return path


def needs_real(study):
    """Whether the sample sheet of a study that comes with it names real images."""
    content = yaml.safe_load(study.read_text())
    sheet = content.get("samples")
    return bool(sheet) and "../shared/data" in (study.parent / sheet).read_text()


def needs_run(study):
    """Whether a study that comes with it takes a model of another one."""
    methods = (yaml.safe_load(study.read_text()).get("methods") or {}).values()
    return any("model" in (settings or {}) for settings in methods)


def with_marks(studies):
    """Studies as parameters: those on real images are marked so; those on results of others are skipped."""
    skip = pytest.mark.skip(reason=NO_RUN)
    return [
        pytest.param(
            study,
            marks=[pytest.mark.real] * needs_real(study) + [skip] * needs_run(study),
            id=study.stem,
        )
        for study in studies
    ]


def traced(run):
    """The most memory that Python and NumPy hold while something runs, bytes."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Workflow:
    """A copy of the workflow in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        with KERNELS:
            for name in ("Snakefile", "rules", "scripts", "profiles", "config", "envs", "src"):
                source = ROOT / name
                # Compiled kernels travel along (times are kept): nothing is compiled again.
                copy = shutil.copytree if source.is_dir() else shutil.copy2
                copy(source, folder / name)

    @classmethod
    def copy_of(cls, source, folder):
        """One that was run already, with its results, copied to another folder."""
        copy = cls.__new__(cls)
        copy.folder = shutil.copytree(source, folder)
        return copy

    def write_study(self, study=TINY_FOAM, sheet=TINY_SHEET, name="tiny"):
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(study, sort_keys=False))
        (self.folder / study["samples"]).write_text(sheet)
        return path

    def start(self, *arguments, **options):
        """Start snakemake in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *self._arguments(arguments)],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(self, *arguments, check=True):
        """Run snakemake to its end; its whole output is in ``stdout``."""
        code, text = ZYGOTE.run(self._arguments(arguments), self.folder, self._environment())
        self._keep_kernels()
        if check:
            assert code == 0, text[-6000:]
        return subprocess.CompletedProcess(arguments, code, text)

    def _arguments(self, arguments):
        return ["--cores", "1", *map(str, arguments)]

    def _environment(self):
        return os.environ | {
            "PYTHONPATH": str(self.folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def _keep_kernels(self):
        """Give what was compiled here, and nowhere yet, to the copies to come."""
        for index in (self.folder / "src").rglob("*.nbi"):
            kept = ROOT / index.relative_to(self.folder)
            if kept.exists():
                continue
            with KERNELS:
                kept.parent.mkdir(exist_ok=True)
                for file in (*index.parent.glob(f"{index.stem}.*.nbc"), index):  # the index last
                    shutil.copy2(file, kept.with_name(file.name))

    def planned(self, *arguments):
        """The jobs that a dry run would do: rule name and count."""
        text = self.run("-n", *arguments).stdout
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:", 1)[1].split("\n\n", 1)[0]
        counts = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+)\s+(\d+)\s*$", table, re.M)}
        counts.pop("total")
        counts.pop("all", None)
        return counts


def made(tmp_path_factory, worker_id):
    """A folder in which the tiny foam study has been run, once for all processes of pytest."""
    folder = tmp_path_factory.getbasetemp()
    made = (folder if worker_id == "master" else folder.parent) / "made" / "finished"
    made.parent.mkdir(exist_ok=True)
    with FileLock(made.parent / "lock"):
        if not made.exists():
            begun = made.with_name("begun")
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            workflow = Workflow(begun)
            workflow.run("--configfile", workflow.write_study())
            begun.rename(made)
    return made


@pytest.fixture
def workflow(tmp_path, tmp_path_factory, worker_id):
    if not list((ROOT / "src" / "acuity" / "measure").glob("__pycache__/*.nbi")):
        # A clone in which nothing is compiled yet: once, and not by all processes at a time.
        made(tmp_path_factory, worker_id)
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A workflow whose tiny foam study has been run; tests must leave it as they found it.

    Each process has a copy.
    """
    copy = tmp_path_factory.mktemp("copy") / "finished"
    workflow = Workflow.copy_of(made(tmp_path_factory, worker_id), copy)
    workflow.study = workflow.folder / "tiny.yaml"
    return workflow

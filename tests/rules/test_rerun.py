"""The rerun matrix: what is edited, and exactly which rules run again.

The study is the tiny foam of `conftest`: one train and one test sample, one level, three methods.
It is run once; each case then edits one thing, asks for a dry run, and puts the thing back.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from acuity.plan.planner import SLABBED
from acuity.study.paths import read_log, read_result
from acuity.study.project import Project
from acuity.study.sample import Sample
from acuity.study.study import Study
from tests.conftest import ROOT, TINY_FOAM, TINY_SHEET, Workflow

# Modules that no rule runs: the command line with what it calls, and what Snakemake itself asks.
UNUSED_BY_RULES = {
    "cli",
    "digest",
    "failures",
    "formats.export",
    "formats.headers",
    "ingest.look",
    "predict.apply",
    "report.summary",
    "simulate.fill",  # exact voxels, to hold scans to
} | {
    ".".join(path.relative_to(ROOT / "src/acuity").with_suffix("").parts)
    for room in ("plan", "study", "workflow")
    for path in (ROOT / "src/acuity" / room).rglob("*.py")
    if path.name != "__init__.py"
}

# Rule -> rules whose output it reads, for this study.
READS = {
    "exact_truth": {"spheres"},
    "projections": {"spheres"},
    "reconstruct": {"projections"},
    "reconstruct_truth": {"spheres"},
    "train": {"reconstruct"},
    "predict": {"reconstruct", "train"},
    "smooth_for_segmentation": {"predict"},
    "segment": {"reconstruct", "reconstruct_truth", "predict", "smooth_for_segmentation"},
    "quality": {"reconstruct", "reconstruct_truth", "predict"},
    "count_objects": {"segment", "exact_truth"},
    "collect_metrics": {"smooth_for_segmentation", "segment", "quality", "count_objects"},
    "figures": {"collect_metrics", "train"},
    "sample_figures": {"segment", "quality", "count_objects", "reconstruct", "predict"},
    "report_sample": {"collect_metrics", "sample_figures"},
    "report": {"collect_metrics", "train", "figures", "report_sample", "sample_figures"},
}
# The measures of this study that have no rule of their own, from what each declares that it reads.
MAKERS = {
    "image": {"reconstruct", "predict"},
    "truth": {"reconstruct_truth"},
    "labels": {"segment"},
}
HEAD, *SHEET = (line.split("\t") for line in TINY_SHEET.splitlines())
TINY = Project(Study(**TINY_FOAM), [Sample(**dict(zip(HEAD, row, strict=True))) for row in SHEET])
MEASURES = {m.name: m for m in TINY.measures_of("b", "level2/deepnet") if not m.own_rule}
READS |= {
    name: set().union(*(MAKERS[need] for need in measure.needs))
    for name, measure in MEASURES.items()
}
READS["collect_metrics"] |= set(MEASURES)
# Rules that share a script, which loads by name what it runs: their modules in acuity.report.
PAGES = {
    "report": "index",
    "report_sample": "sample",
    **{f"report_{kind}": f"{kind}_page" for kind in ("restored", "stack", "axial", "sem", "pair")},
}
FIGURES = {
    "figures": "drawn.study",
    **{
        f"{kind}_figures": f"drawn.{kind}"
        for kind in ("sample", "restored", "stack", "axial", "sem", "pair")
    },
}
SCRIPTS = {
    **{measure.name: "measure" for measure in TINY.measures.values() if not measure.own_rule},
    **dict.fromkeys(PAGES, "page"),
    **dict.fromkeys(FIGURES, "figures"),
    "predict_planes": "predict",
    "reconstruct_scan": "reconstruct",
}
RULES = {"spheres", *READS}


def and_after(*first):
    """These rules and all that follow from them."""
    found = set(first)
    while True:
        more = {rule for rule, reads in READS.items() if reads & found} - found
        if not more:
            return found
        found |= more


# Modules of every stage, and the rules that reach them; all others are covered by their digests.
MODULES = {
    "cli": set(),
    "study.study": set(),
    "study.project": set(),
    "digest": set(),
    "errors": RULES,
    "job": RULES,
    "units": {"exact_truth", "projections", "reconstruct", "reconstruct_truth", "train", "predict"}
    | {
        "smooth_for_segmentation",
        "segment",
        "quality",
        "resolution",
        "count_objects",
        "pore_space",
        "sample_figures",
    }
    | {"report_sample", "report", "figures"},
    "slabs": {"reconstruct", "reconstruct_truth", "predict"},
    "simulate.foam": {"spheres", "exact_truth"},
    "simulate.voxelise": {"exact_truth"},
    "simulate.project": {"projections", "reconstruct_truth"},
    "reconstruct.reconstruct": {"reconstruct", "reconstruct_truth"},
    "reconstruct.fdk": {"reconstruct", "reconstruct_truth"},
    "reconstruct.rtk": {"reconstruct", "reconstruct_truth"},
    "train.train": {"train"},
    "engine.sampling": {"train"},
    "engine.schedule": {"predict"},
    "train.trainer": {"train"},
    "train.checkpoint": {"train"},
    "train.deadline": {"train"},
    "train.distributed": {"train"},
    "segment.segment": {"segment"},
    "segment.separate": {"segment"},
    "segment.nlm": {"smooth_for_segmentation"},
    "measure.quality": {"quality"},
    "measure.resolution": {"resolution"},
    "measure.census": {"count_objects"},
    "measure.objects": set(),
    "measure.pore_space": {"pore_space"},
    "measure.collect": {"collect_metrics"},
    "report.page": {"report", "report_sample"},
    "report.pages": {"report", "report_sample"},
    "report.sample": {"report_sample"},
    "report.index": {"report"},
    "report.figures": {"figures", "report", "report_sample"},
    "report.restored": set(),
    "report.restored_page": set(),
    "report.sections.restored_models": set(),
    "report.sem": set(),
    "report.axial": set(),
    "report.stack": set(),
    "report.sources": {"figures", "sample_figures", "report", "report_sample"},
}


@contextmanager
def edited(path, old=None, new="", append=""):
    """Edit a file and put it back, times included, so that cases do not disturb each other."""
    content, status = path.read_bytes(), path.stat()
    text = content.decode()
    if old is not None:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text + append)
    try:
        yield
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rerun(finished, *arguments):
    return finished.planned(*arguments, "--configfile", finished.study)


def test_nothing_to_do_and_quickly(finished):
    start = time.monotonic()
    assert rerun(finished) == {}
    # The promise is 10 s for the demo on a quiet machine; here others may be running.
    assert time.monotonic() - start < 30


# One module for each set of rules; that the others count for the same is told by digests, below.
ONE_OF_A_KIND = {frozenset(rules): module for module, rules in MODULES.items()}


@pytest.mark.parametrize("module", sorted(ONE_OF_A_KIND.values()))
def test_library_edit(finished, module):
    path = finished.folder / "src" / "acuity" / (module.replace(".", "/") + ".py")
    with edited(path, append="\nEDITED = True\n"):
        wanted = and_after(*MODULES[module])
        if MODULES[module] == {"train"}:
            wanted -= {
                "smooth_for_segmentation"
            }  # what is smoothed comes from a method that does not learn
        assert set(rerun(finished)) == wanted


DIGESTS = """
import json, sys
from pathlib import Path
from acuity import digest
root = Path.cwd()
package = root / "src" / "acuity"
assert Path(digest.__file__).is_relative_to(root), digest.__file__
scripts = {s.stem: (s, {}) for s in sorted((root / "scripts").glob("*.py"))}
(of_measures, _) = scripts.pop("measure")
of = {name: scripts.pop(name)[0] for name in ("page", "figures")}
names = {p.stem for p in (package / "measures").glob("*.py")} - {"__init__", "base"}
scripts = {name: (of_measures, {"measure": name}) for name in names} | scripts
for name, loads in json.loads(sys.argv[1]).items():
    scripts |= {rule: (of[name], {"page": module}) for rule, module in loads.items()}
read, known = digest._read.__wrapped__, {}
def once(path):  # a file is read again where its content is another one
    key = path, path.read_bytes()
    if key not in known:
        known[key] = read(path)
    return known[key]
digest._read = once
def digests():
    return {name: digest.digest(s, **loaded) for name, (s, loaded) in scripts.items()}
before, changed = digests(), {}
for path in sorted(package.rglob("*.py")):
    content = path.read_bytes()
    if not content:
        continue
    path.write_bytes(content + b"\\nEDITED = True\\n")
    try:
        after = digests()
    finally:
        path.write_bytes(content)
    name = ".".join(path.relative_to(package).with_suffix("").parts)
    changed[name] = [s for s in before if before[s] != after[s]]
print(json.dumps(changed))
"""

LOADED = """
import ast, importlib, json, os, sys
from pathlib import Path
# What is large and not ours, once for all; then a process a script.
import matplotlib.pyplot, numba, pandas, pydantic, scipy.ndimage, torch, zarr
found = {}
for said in sys.argv[1:]:
    script, *loads = said.split(":")  # a script, and what it loads by name
    script = Path(script)
    end, start = os.pipe()
    if not os.fork():
        tree = ast.parse(script.read_text())
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), script.name, "exec"), {})
        for module in loads:
            importlib.import_module(module)
        names = [n.removeprefix("acuity.") for n in sys.modules if n.startswith("acuity.")]
        os.write(start, json.dumps(names).encode())
        os._exit(0)
    os.close(start)
    with open(end) as text:
        found[said] = json.loads(text.read())
    os.wait()
print(json.dumps(found))
"""


def python(code, *arguments, folder):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_each_module_counts_for_the_scripts_that_load_it(tmp_path):
    """What Python loads is the oracle: an edit of any module changes the digest of its users."""
    for name in ("src", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    by_module = {"page": PAGES, "figures": FIGURES}
    changed = python(DIGESTS, json.dumps(by_module), folder=tmp_path)
    scripts = {path.stem: path for path in sorted((tmp_path / "scripts").glob("*.py"))}
    assert set(scripts) >= RULES - set(SCRIPTS)
    for name, loads in by_module.items():
        script = scripts.pop(name)
        scripts |= {rule: f"{script}:acuity.report.{module}" for rule, module in loads.items()}
    filled = {name for name, users in changed.items()}
    everything = python(LOADED, *scripts.values(), folder=tmp_path)
    for name, script in scripts.items():
        loaded = set(everything[str(script)]) & filled
        assert loaded, script
        for rule in [name] if name != "measure" else MEASURES:
            missing = {name for name in loaded if rule not in changed[name]}
            assert not missing, f"{rule} loads {missing}, and its digest does not hold them"
    idle = {name for name, users in changed.items() if not users}
    rooms = (
        "methods.",
        "simulate.specimens.",
        "simulate.hydrogel",
        "report.plots.",
    )  # what is loaded by its name
    by_name = {name for name in idle if name.startswith(rooms)}
    assert idle - by_name == UNUSED_BY_RULES
    assert "count_objects" not in changed["measure.quality"]  # not everything for everyone
    for module, rules in MODULES.items():
        assert and_after(*RULES & set(changed[module])) == and_after(*rules), module


@pytest.mark.parametrize("method", ["richardson_lucy", "srcnn3d", "deepnet"])
def test_method_edit_reruns_that_method_alone(finished, method):
    path = finished.folder / "src" / "acuity" / "methods" / f"{method}.py"
    learned = method != "richardson_lucy"
    # One test sample; DeepNet is shown on the training sample too.
    images = 2 if method == "deepnet" else 1
    with edited(path, append="\nEDITED = True\n"):
        jobs = rerun(finished)
    # What is smoothed comes from the method that does not learn.
    assert set(jobs) == (
        and_after("train") - {"smooth_for_segmentation"} if learned else and_after("predict")
    )
    assert jobs.get("train", 0) == int(learned)
    for rule in ("predict", "segment", "quality", "resolution", "count_objects", "pore_space"):
        assert jobs.pop(rule) == images, rule


def test_template_edit(finished):
    path = finished.folder / "src" / "acuity" / "report" / "sections" / "templates" / "style.css"
    with edited(path, append="\n/* edited */\n"):
        jobs = set(rerun(finished))
    # A file that is no module counts for all that load its package: pages, and no figure.
    assert jobs == {"report", "report_sample"}


@pytest.mark.parametrize("module", ["simulate.foam", "measure.quality", "volume"])
def test_comment_docstring_and_touch(finished, module):
    path = finished.folder / "src" / "acuity" / (module.replace(".", "/") + ".py")
    with edited(path, old='"""', new='"""Edited: ', append="\n# edited\n"):
        assert rerun(finished) == {}


def test_touched_script(finished):
    path = finished.folder / "scripts" / "quality.py"
    with edited(path):
        assert rerun(finished) == {}


def test_script_edit(finished):
    with edited(finished.folder / "scripts" / "quality.py", append="\nEDITED = True\n"):
        assert set(rerun(finished)) == and_after("quality")


def test_study_key_reruns_what_uses_it(finished):
    with edited(finished.study, old="iterations: 3", new="iterations: 4"):
        jobs = rerun(finished)
    assert set(jobs) == and_after("predict")
    assert jobs["predict"] == jobs["smooth_for_segmentation"] == jobs["segment"] == 1


def test_swapped_parameters(finished):
    # The values stay the same set: only keys tell the change.
    with edited(finished.study, old="validate_every: 3", new="validate_every: 2"):
        with edited(finished.study, old="validation_patches: 2", new="validation_patches: 3"):
            jobs = rerun(finished)
    assert set(jobs) == and_after("train") - {"smooth_for_segmentation"}
    assert jobs["train"] == 1


def test_level_added(finished):
    with edited(finished.study, old="levels:\n- 2", new="levels:\n- 2\n- 3"):
        jobs = rerun(finished)
    assert set(jobs) == and_after("projections")
    assert jobs["projections"] == 2
    assert jobs["train"] == 2


def test_sample_seed_changed_reruns_that_sample(finished):
    with edited(finished.folder / "tiny.tsv", old="b\ttest\t2", new="b\ttest\t3"):
        jobs = rerun(finished)
    assert set(jobs) == RULES - {"train"}
    assert jobs["spheres"] == jobs["exact_truth"] == jobs["reconstruct_truth"] == 1


def test_deleted_output_comes_back(finished):
    path = finished.folder / "results/tiny/report/b.html"
    saved = path.read_bytes()
    status = path.stat()
    path.unlink()
    try:
        assert rerun(finished) == {"report_sample": 1, "report": 1}
    finally:
        path.write_bytes(saved)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_job_that_failed_after_an_edit_is_asked_for(finished, tmp_path):
    """Its files are gone, and those that were made of its earlier ones look finished."""
    workflow = Workflow.copy_of(finished.folder, tmp_path / "copy")
    study = workflow.folder / "tiny.yaml"
    # Its settings are noted when it begins; they and its code are the same when it is mended.
    dies = workflow.folder / "src/sitecustomize.py"
    dies.write_text(
        "import os, sys\n"
        "if any(word.endswith('.projections.py') for word in sys.orig_argv):\n    os._exit(1)\n"
    )
    with edited(study, old="min_gap: 1", new="min_gap: 1\n  photons: 4000"):
        failed = workflow.run("--keep-going", "--configfile", study, check=False)
        dies.unlink()
        assert failed.returncode
        assert not (workflow.folder / "results/tiny/simulate/b/level2.h5").exists()
        table = "results/tiny/metrics.tsv"  # control: Snakemake itself sees nothing to do
        assert workflow.planned(table, "--configfile", study) == {}
        jobs = workflow.planned("--configfile", study)
        assert set(jobs) == and_after("projections")


LISTED = """
import json
include: "Snakefile"
print("LISTED", json.dumps({
    r.name: {
        "script": r.script,
        "params": sorted(r.params.keys()),
        "log": [str(file) for file in r.log],
        "output": [str(file) for file in r.output],
        "wildcards": sorted(r.wildcard_names),
    }
    for r in workflow.rules if r.script
}))
"""
BLURRED = {
    "study": "tiny",
    "samples": "tiny.tsv",
    "levels": [2],
    "methods": {"lanczos": {}},
    "segment": False,
    "slabs": 2,
}
VOLUMES = "sample\trole\tpath\tvoxel_size\nb\ttest\tb.tif\t2 um\n"
KINDS = {
    "foam": ({**TINY_FOAM, "slabs": 2}, TINY_SHEET),
    "blur": ({**BLURRED, "degrade": {"photons": 500}, "methods": {"richardson_lucy": {}}}, VOLUMES),
    "axial": ({**BLURRED, "degrade": {"mode": "decimate"}, "methods": {"cubic": {}}}, VOLUMES),
    "images": ({**BLURRED, "degrade": {"mode": "random"}}, VOLUMES),
    "xrm": (
        {
            **BLURRED,
            "levels": [3],
            "xrm": {"specimen": "seed", "columns": [112, 128, 128]},
            "pair": {},
        },
        "sample\trole\tseed\nb\ttrain\t1\nc\ttest\t2\n",
    ),
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The rules that Snakemake itself lists, in studies of several kinds."""
    workflow = Workflow(tmp_path_factory.mktemp("listed"))
    (workflow.folder / "b.tif").touch()
    (workflow.folder / "probe.smk").write_text(LISTED)
    found = {}
    for kind, (study, sheet) in KINDS.items():
        path = workflow.write_study(study, sheet)
        text = workflow.run("-s", "probe.smk", "--list", "--configfile", path).stdout
        (line,) = [line for line in text.splitlines() if line.startswith("LISTED ")]
        found[kind] = json.loads(line.removeprefix("LISTED "))
    return found


def test_every_rule_has_a_script_of_its_name_and_two_params(listed):
    names, scripts = set(), set()
    for rules in listed.values():
        for name, rule in rules.items():
            whole = re.sub("_(init|slab)$", "", name)
            names.add(whole)
            script = SCRIPTS.get(whole, whole) + (rule["script"][16:-3] if whole == "judge" else "")
            assert rule["script"] == f"../scripts/{script}.py"
            scripts.add(script)
            assert {"cfg", "code"} <= set(rule["params"]), name
    assert names >= RULES
    assert {path.stem for path in (ROOT / "scripts").glob("*.py")} == scripts


def test_a_stage_has_its_slabs_and_a_kind_its_way_to_degrade(listed):
    slabs = {name for rules in listed.values() for name in rules if name.endswith("_slab")}
    assert {name.removesuffix("_slab") for name in slabs} == SLABBED
    ways = {"degrade", "degrade_axial", "degrade_images"}
    kinds = {
        "foam": set(),
        "blur": {"degrade"},
        "axial": {"degrade_axial"},
        "images": {"degrade_images"},
        "xrm": set(),
    }
    assert {kind: ways & set(rules) for kind, rules in listed.items()} == kinds


EXAMPLES = {
    "sample": "a.b",
    "level": "2.5",
    "method": "srgan@x+3",
    "image": "level2.5/srgan@x+3",
    "scan": "low/a.b",
    "exposure": "coarse",
    "stack": "disturbed",
    "slab": "12",
}


def filled(path):
    return re.sub(r"\{(\w+)[^{}]*\}", lambda match: EXAMPLES[match[1]], path)


def test_what_the_planner_reads_from_paths_is_what_rules_write(listed):
    for rules in listed.values():
        for name, rule in rules.items():
            own = {key: EXAMPLES[key] for key in rule["wildcards"]}
            for path in rule["output"]:
                path = filled(path.removeprefix("results/tiny/")).removesuffix(".seal")
                assert read_result(path) == own, (name, path)
            (path,) = rule["log"]
            log = filled(path.removeprefix("logs/tiny/").removesuffix(".log"))
            found, wildcards, _ = read_log(log)
            # Rules that one log may be of: which, tells the study.
            found = (
                re.sub("^predict(?!_planes)", "predict_planes", found)
                if "_planes" in name
                else found
            )
            found = re.sub("^degrade", name.split("_slab")[0].split("_init")[0], found)
            assert found == name, (name, log)
            own.pop("slab", None)
            assert wildcards == own, (name, log)


def test_killed_run_goes_on_and_ends_with_the_same_bytes(finished, tmp_path):
    # The trained models stay: which arithmetic they use was chosen by timing and is recorded.
    copy = Workflow.copy_of(finished.folder, tmp_path / "copy")
    study = copy.folder / finished.study.name
    results = copy.folder / "results/tiny"
    tables = [results / name for name in ("metrics.tsv", "pores.tsv")]
    restored, labels = (results / f"{s}/b/level2/srcnn3d.ome.zarr" for s in ("predict", "segment"))
    for folder in (restored, labels, results / "measure/b/level2/srcnn3d"):
        shutil.rmtree(folder)
    for path in tables:
        path.unlink()
    running = copy.start("--configfile", study)
    wait_for((labels / "zarr.json").exists, running)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert not tables[0].exists()
    copy.run("--unlock", "--configfile", study)
    copy.run("--configfile", study)
    assert (restored / "zarr.json").exists()
    for path in tables:
        assert path.read_bytes() == (finished.folder / "results/tiny" / path.name).read_bytes()


def test_damage_is_told_and_a_plain_rerun_mends_it(finished, tmp_path):
    copy = Workflow.copy_of(finished.folder, tmp_path / "copy")
    study = copy.folder / finished.study.name
    image = "results/tiny/measure/b/level2/richardson_lucy"
    census, root = f"{image}/census.tsv", f"{image}/ms_ssim.ome.zarr/zarr.json"
    wanted = {path: (copy.folder / path).read_bytes() for path in (census, root)}
    (copy.folder / census).write_bytes(b"")
    (copy.folder / root).write_bytes(wanted[root][:300])
    for path in (census, root):
        said = copy.run("--keep-going", "--configfile", study, check=False).stdout
        assert f"error: {path}: " in said
        assert f"; remove {path} and run" in said
        (copy.folder / path).unlink()
        copy.run(
            "--until",
            *(["count_objects"] if path == census else ["quality"]),
            "--configfile",
            study,
        )
        assert (copy.folder / path).read_bytes() == wanted[path]
    copy.run("--configfile", study)
    for name in ("metrics.tsv", "metrics.tsv.seal", "pores.tsv"):
        made, before = (f.folder / "results/tiny" / name for f in (copy, finished))
        assert made.read_bytes() == before.read_bytes()
    # A seal that is lost comes back with its table when the next job reads both.
    (copy.folder / f"{census}.seal").unlink()
    (copy.folder / "results/tiny/metrics.tsv").unlink()
    jobs = copy.planned("--configfile", study)
    assert jobs["count_objects"] == jobs["collect_metrics"] == 1
    assert "segment" not in jobs


def wait_for(condition, running, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert running.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.05)

"""What docs/extending.md shows: its code is added to a copy of the project, counted and run."""

import importlib
import re
import subprocess
import sys

import numpy as np
import pytest

from acuity.errors import AcuityError
from acuity.tables import read_table
from acuity.volume import open_volume
from tests.conftest import ROOT, Workflow

PAGE = (ROOT / "docs" / "extending.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
BLOCK = re.compile(r"^File `([^`]+)`:\n\n```(\w+)\n(.*?)^```$", re.M | re.S)
# What the page says that each takes.
FILES = {
    "A measure": 1,
    "A method": 1,
    "A reader of files": 1,
    "A figure": 1,
    "A kind of specimen": 1,
    "A kind of study": 2,
}
STUDY = "A study that uses them"

SPECIMEN = """
from acuity.settings import call
from acuity.simulate.specimen import Outputs, specimen
from acuity.study.study import Study, schema
from acuity.volume import open_volume
names = ("high.ome.zarr", "low.ome.zarr", "particles.tsv", "warp.tsv")
call(specimen, "checkerboard", Outputs(*names), seed=1, noise=False, shape=(64, 96))
image = open_volume("high.ome.zarr").read()[0]
print(image.shape, image.max() > image.min() + 100)
study = Study(study="x", samples="x.tsv", levels=[2], methods={"nearest": {}}, pair={},
              specimen={"kind": "checkerboard"})
print(study.specimen.shape)
print("checkerboard" in str(schema()["$defs"]["Specimen"]))
"""

PAGE_ALONE = """
from acuity.errors import AcuityError
from acuity.plugins import load
try:
    load("acuity.report.index", "a page")
except AcuityError as error:
    print(error)
"""


def add(folder, section):
    """Add what a section of the page shows; return what it touches of the project."""
    touched = set()
    for name, language, text in BLOCK.findall(SECTIONS[section]):
        path = folder / name
        if language == "diff":
            old, new = (
                "".join(line[1:] for line in text.splitlines(True) if line[0] == sign)
                for sign in "-+"
            )
            assert path.read_text().count(old) == 1, f"{name}: {old}"
            path.write_text(path.read_text().replace(old, new))
        else:
            assert not path.exists()
            path.write_text(text)
        touched.add(name)
    return touched


def files_of(folder):
    every = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in every if "__pycache__" not in path.parts}


def write_inrimage(path, values):
    """Write a volume (z, y, x) of 16 bits as INRIMAGE-4."""
    z, y, x = values.shape
    head = (
        f"#INRIMAGE-4#{{\nXDIM={x}\nYDIM={y}\nZDIM={z}\nVDIM=1\nTYPE=unsigned fixed\n"
        "PIXSIZE=16 bits\nCPU=sun\nVX=10\nVY=10\nVZ=10\n"
    )
    padding = "\n" * (-(len(head) + 4) % 256)
    path.write_bytes((head + padding + "##}\n").encode() + values.astype(">u2").tobytes())


def texture(seed):
    """Bright and dark parts of a size of some voxels, from 1,000 to 3,000."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).normal(size=(24, 40, 40)), 2)
    return (1000 + 2000 * (field > 0)).astype(np.uint16)


def python(workflow, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=workflow.folder,
        env=workflow._environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def acuity(workflow, *arguments):
    return python(workflow, "-c", "from acuity.cli import main; main()", *arguments)


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A project to which all of the page was added, whose study was run; and what was counted."""
    workflow = Workflow(tmp_path_factory.mktemp("extended"))
    counted = {}
    for section in FILES:
        before = files_of(workflow.folder)
        touched = add(workflow.folder, section)
        after = files_of(workflow.folder)
        changed = {path for path in after if after[path] != before.get(path)}
        assert changed == {workflow.folder / name for name in touched}
        counted[section] = len(changed)
    add(workflow.folder, STUDY)
    for seed, sample in enumerate("ab"):
        write_inrimage(workflow.folder / f"{sample}.inr", texture(seed))
    workflow.jobs = workflow.planned("--configfile", "dose.yaml")
    workflow.run("--configfile", "dose.yaml")
    workflow.counted = counted
    return workflow


def test_each_addition_touches_as_few_files_as_the_page_says(extended):
    assert extended.counted == FILES
    table = dict(re.findall(r"^\| (an? [a-z ]+) \|.*\| (\d) \|$", PAGE, re.M))
    assert {name.capitalize(): int(count) for name, count in table.items()} == FILES


def test_the_reader_reads(extended):
    volume = open_volume(extended.folder / "results/dose/ingest/b.ome.zarr")
    assert np.array_equal(volume.read(), texture(1))
    assert volume.grid.spacing == (10, 10, 10)
    assert volume.provenance[-1]["format"] == "INRIMAGE-4"
    said = acuity(extended, "check", "dose.yaml")
    assert "study 'dose' is sound" in said
    assert "24 40 40" in said
    (extended.folder / "b.inr").rename(extended.folder / "whole.inr")
    try:
        (extended.folder / "b.inr").write_bytes((extended.folder / "whole.inr").read_bytes()[:-2])
        said = acuity(extended, "check", "dose.yaml")
    finally:
        (extended.folder / "whole.inr").rename(extended.folder / "b.inr")
    assert "b.inr: has 77054 bytes where its header asks for 77056" in said
    assert "Traceback" not in said


def test_the_kind_of_study_reduces_the_dose_alone(extended):
    truth = texture(1).astype(float)
    low = open_volume(extended.folder / "results/dose/degrade/b/level4.ome.zarr").read()
    error = (low - truth)[truth == 3000]
    # Poisson noise of 2,000 / 4 photons where the volume is brightest
    assert error.std() == pytest.approx(3000 / 500**0.5, rel=0.05)
    assert abs(error.mean()) < 4


def test_the_method_learns_and_restores(extended):
    folder = extended.folder / "results/dose"
    low = open_volume(folder / "degrade/b/level4.ome.zarr").read()
    restored = open_volume(folder / "predict/b/level4/dncnn3d.ome.zarr").read()
    assert restored.shape == low.shape
    assert np.abs(restored - low).max() > 0
    history = read_table(folder / "train/dncnn3d/level4/history.tsv")
    assert history["step"].max() == 20


def test_the_measure_has_rows_a_column_and_words(extended):
    folder = extended.folder / "results/dose"
    # one job for each image but the truth, as the measures that come with Acuity
    assert extended.jobs["contrast"] == extended.jobs["resolution"] == 2
    table = read_table(folder / "metrics.tsv")
    rows = table[table["metric"] == "contrast"].set_index(["sample", "method"])["value"]
    files = {"input": "degrade/b/level4.ome.zarr", "dncnn3d": "predict/b/level4/dncnn3d.ome.zarr"}
    for method, file in files.items():
        dark, bright = np.percentile(open_volume(folder / file).read(), [5, 95])
        assert rows["b", method] == pytest.approx((bright - dark) / (bright + dark), rel=1e-6)
    assert ("unseen", "dncnn3d") in rows.index
    said = acuity(extended, "summary", "results/dose")
    assert f"{rows['b', 'dncnn3d']:.2f}" in said
    assert "contrast (1)" in said
    page = (folder / "report/index.html").read_text()
    assert "<dt>Contrast</dt><dd>(b - d) / (b + d), where d and b" in page


def test_the_figure_is_drawn_and_shown(extended):
    folder = extended.folder / "results/dose"
    assert (folder / "figures/b/grey_values.png").stat().st_size > 1000
    page = (folder / "report/b.html").read_text()
    figure = page[page.index('<figure id="grey_values">') :].split("</figure>")[0]
    assert "<h3>Grey values</h3>" in figure
    assert "dose 1/4" in figure
    assert figure.count('role="img"') == 1
    assert "Share of the voxels" in figure
    assert "How often each grey value is found." in figure
    assert "Grey values" not in (folder / "report/index.html").read_text()


def test_an_edit_reruns_what_uses_the_new_file(extended):
    """Whatever is found by its place counts in the digests of its jobs, and of no others."""
    others = {"ingest", "degrade", "train", "predict", "quality", "resolution"}
    for name, own, more in (
        ("measures/contrast.py", "contrast", {"sample_figures"}),
        ("report/plots/grey_values.py", "sample_figures", {"contrast", "figures"}),
    ):
        path = extended.folder / "src" / "acuity" / name
        text = path.read_text()
        try:
            path.write_text(text + "\nEDITED = True\n")
            rules = set(extended.planned("--configfile", "dose.yaml"))
        finally:
            path.write_text(text)
        assert {own, "report_sample", "report"} <= rules, name
        assert not rules & (others | more), name
    path = extended.folder / "src/acuity/formats/readers/inrimage.py"
    path.write_text(path.read_text() + "\nEDITED = True\n")
    assert extended.planned("--configfile", "dose.yaml")["ingest"] == 2


def test_the_specimen_is_drawn_and_a_study_may_ask_for_it(extended):
    assert python(extended, "-c", SPECIMEN) == "(64, 96) True\n(256, 256)\nTrue\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [("import nothing_of_that_name\n", "No module named"), ("no Python\n", "invalid syntax")],
)
def test_a_section_that_cannot_be_loaded_is_told_in_one_sentence(extended, text, why):
    path = extended.folder / "src/acuity/report/sections/base.py"
    before = path.read_text()
    try:
        path.write_text(text)
        said = python(extended, "-c", PAGE_ALONE)
    finally:
        path.write_text(before)
    assert said.startswith(f"{path}: cannot be loaded as a page: {why}")
    assert said.count("\n") == 1


# Modules that cannot be


MISSING = "import nothing_of_that_name\n"
BROKEN = "this is no Python\n"
(MEASURE,), (METHOD,), (FIGURE,) = (
    [text for _, _, text in BLOCK.findall(SECTIONS[section])]
    for section in ("A measure", "A method", "A figure")
)
TWICE = METHOD.replace(
    "    layers: int", '    features: int = setting(8, "Channels", "1", ge=1)\n    layers: int'
)


def all_measures():
    from acuity.measures import base

    base.load.cache_clear()
    try:
        base.measures()
    finally:
        base.load.cache_clear()


def one_method():
    importlib.import_module("acuity.methods.base").load("other")


def all_figures():
    importlib.import_module("acuity.report.plots.base").further("sample", ["slices", "maps"])


def all_readers():
    from acuity.formats.readers.base import readers

    readers.cache_clear()
    try:
        readers()
    finally:
        readers.cache_clear()


ROOMS = {
    "measures": ("a measure", all_measures),
    "methods": ("a method", one_method),
    "report.plots": ("a figure", all_figures),
    "formats.readers": ("a reader", all_readers),
}
BAD = [
    *((room, "other", MISSING, "No module named") for room in ROOMS),
    *((room, "other", BROKEN, "invalid syntax") for room in ROOMS),
    *((room, "other", "VALUE = 1", "module 'acuity") for room in ROOMS),
    ("methods", "other", TWICE, "declares the key 'features' twice"),
]


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Add a module to a room."""
    added = []

    def write(package, name, text):
        (tmp_path / f"{name}.py").write_text(text)
        package = importlib.import_module(f"acuity.{package}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        added.append(f"{package.__name__}.{name}")
        return tmp_path / f"{name}.py"

    yield write
    for name in added:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("package", "name", "text", "why"), BAD)
def test_a_module_that_cannot_be_loaded_is_told_in_one_sentence(room, package, name, text, why):
    path = room(package, name, text)
    what, load = ROOMS[package]
    with pytest.raises(AcuityError) as told:
        load()
    assert str(told.value).startswith(f"{path}: cannot be loaded as {what}: {why}")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("package", "name", "text", "wanted"),
    [
        (
            "measures",
            "other",
            MEASURE.replace('"contrast"', '"psnr"'),
            "declares the metric 'psnr', which quality.py declares too",
        ),
        (
            "measures",
            "other",
            MEASURE.replace("    needs", '    tables = ("edges",)\n    needs'),
            "declares the table 'edges', which edges.py declares too",
        ),
        (
            "measures",
            "other",
            MEASURE.replace("    metrics = (", '    metrics = (\n        Metric("contrast", "C"),'),
            "declares the metric 'contrast', which other.py declares too",
        ),
        (
            "report.plots",
            "maps",
            FIGURE,
            "declares the figure 'maps', which the page of the sample has already",
        ),
    ],
)
def test_a_key_that_is_taken_is_told_in_one_sentence(room, package, name, text, wanted):
    path = room(package, name, text)
    with pytest.raises(AcuityError) as told:
        ROOMS[package][1]()
    assert str(told.value) == f"{path}: {wanted}"


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("measures/other.py", MISSING, "cannot be loaded as a measure: No module named"),
        ("methods/other.py", TWICE, "cannot be loaded as a method: declares the key 'features'"),
        ("report/plots/other.py", BROKEN, "cannot be loaded as a figure: invalid syntax"),
    ],
)
def test_snakemake_says_it_and_no_traceback(tmp_path, file, text, wanted):
    workflow = Workflow(tmp_path)
    (tmp_path / "src" / "acuity" / file).write_text(text)
    study = workflow.write_study()
    study.write_text(study.read_text().replace("richardson_lucy:", "other: {}\n  richardson_lucy:"))
    if not file.startswith("methods"):
        workflow.write_study()
    said = workflow.run("-n", "--configfile", study, check=False)
    assert said.returncode != 0
    assert f"src/acuity/{file}: {wanted}" in said.stdout
    assert "Traceback" not in said.stdout

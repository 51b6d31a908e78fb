"""A measure is added in one file: it has a rule, a place in the tables, a column and words on pages."""

import os
import subprocess
import sys

import pytest

from tests.conftest import Workflow

MEAN = '''"""Mean grey value of an image."""

from acuity.measures.base import Measure, Metric


class Mean(Measure):
    """Mean of all voxels of an image."""

    needs = ("image",)
    metrics = (
        Metric("grey_mean", "Mean grey", unit="1", digits=1, help="Mean of all voxels."),
    )

    def run(self, image):
        """Return one row."""
        value = float(image.read().mean())
        return [{"metric": "grey_mean", "subset": "all", "value": value, "unit": "1"}]


MEASURE = Mean()
'''

SHOWN = """
import numpy as np, pandas as pd
from pathlib import Path
from acuity.report.shown import named, shown_rows
from acuity.measures.base import load, measured
from acuity.report.index import IndexPage, index_page
from acuity.report.style import Words
from acuity.volume import Grid, Volume
volume = Volume(np.full((4, 8, 8), 2.26, np.float32), Grid((4, 8, 8), (1, 1, 1)))
[[row]] = measured(load("mean"), {"image": volume}, {})
keys = {"study": "tiny", "sample": "b", "method": "deepnet", "variant": "", "level": 2.0}
table = pd.DataFrame([keys | row | {"low": np.nan, "high": np.nan, "n": np.nan}])
print(shown_rows(named(table)))
index_page(IndexPage(study="tiny", metrics=table, words=Words()), "page.html")
"""


def files_of(folder):
    found = (
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {path: path.read_bytes() for path in found}


def python(folder, code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_a_measure_is_added_in_one_file(tmp_path):
    workflow = Workflow(tmp_path)  # no job runs: nothing need be compiled
    study, before = workflow.write_study(), files_of(workflow.folder)
    own = workflow.folder / "src" / "acuity" / "measures" / "mean.py"
    own.write_text(MEAN)
    after = files_of(workflow.folder)
    assert {path for path in after if after[path] != before.get(path)} == {own}
    # the rule: one job for each image but the truth, as the measures that come with Acuity
    jobs = workflow.planned("--configfile", study)
    assert jobs["mean"] == jobs["resolution"] > 1
    said = python(workflow.folder, SHOWN)
    assert said == "[['level', 'method', 'mean grey (1)'], ['2', 'deepnet', '2.3']]\n"
    page = (workflow.folder / "page.html").read_text()
    assert "<dt>Mean grey</dt><dd>Mean of all voxels.</dd>" in page
    assert page.count("Mean grey") == 2  # the heading of a column besides
    assert ">2.3</" in page


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (
            "mean.py",
            "import nothing_of_that_name",
            "cannot be loaded as a measure: No module named",
        ),
        ("mean.py", "VALUE = 1", "cannot be loaded as a measure: module"),
        (
            "other.py",
            MEAN.replace("grey_mean", "psnr"),
            "declares the metric 'psnr', which quality.py declares too",
        ),
        (
            "other.py",
            MEAN.replace("    needs", '    tables = ("edges",)\n    needs'),
            "declares the table 'edges', which edges.py declares too",
        ),
    ],
)
def test_a_measure_that_cannot_be_is_told_in_one_sentence(
    tmp_path, monkeypatch, name, text, wanted
):
    from acuity.errors import AcuityError
    from acuity.measures import base

    (tmp_path / name).write_text(text)
    monkeypatch.setattr(base, "__file__", str(tmp_path / "base.py"))
    monkeypatch.setattr("acuity.measures.__path__", [str(tmp_path), *base_path()])
    own = name.removesuffix(".py")
    monkeypatch.setattr(base, "known", lambda: sorted([own, "edges", "quality"]))
    base.load.cache_clear()
    try:
        with pytest.raises(AcuityError) as told:
            base.measures()
    finally:
        base.load.cache_clear()
        sys.modules.pop(f"acuity.measures.{own}", None)
    assert str(told.value).startswith(f"{tmp_path / name}: {wanted}")
    assert "\n" not in str(told.value)


def base_path():
    import acuity.measures

    return list(acuity.measures.__path__)

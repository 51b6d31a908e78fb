"""Whole studies at their smallest: simulated, and on a user's own file."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from acuity.tables import read_table
from acuity.volume import open_volume
from tests.conftest import TINY_SHEET, TINY_TRAINING, Workflow
from tests.rules.test_rerun import edited

COLUMNS = [
    "study",
    "sample",
    "method",
    "variant",
    "level",
    "metric",
    "subset",
    "value",
    "unit",
    "low",
    "high",
    "n",
]
METRICS = set(
    [
        "mse",
        "psnr",
        "ssim",
        "ms_ssim_matlab",
        "ms_ssim_wang",
        "pores_found_ratio",
        "pore_recall",
        "pore_precision",
        "pore_f1",
        "pore_f1_iou10",
        "porosity",
        "sphericity_mesh",
        "sphericity_lindblad",
        "resolution_fwhm",
    ]
)


def results(workflow, study):
    folder = workflow.folder / "results" / study
    return folder, read_table(folder / "metrics.tsv", dtype={"variant": str})


def test_foam(finished):
    folder, metrics = results(finished, "tiny")
    assert list(metrics.columns) == COLUMNS
    assert set(metrics["sample"]) == {"a", "b", "unseen"}
    assert set(metrics[metrics["sample"] == "a"]["method"]) == {"truth", "input", "deepnet"}
    shown = {"truth", "input", "richardson_lucy", "srcnn3d", "deepnet"}
    assert set(metrics[metrics["sample"] == "b"]["method"]) == shown
    assert set(metrics["metric"]) >= METRICS
    truth = metrics[(metrics["sample"] == "b") & (metrics["method"] == "truth")]
    recall = truth[(truth["metric"] == "pore_recall") & (truth["subset"] == "all")]["value"]
    assert recall.item() > 0.8
    assert not (finished.folder / "results" / "demo").exists()
    card = json.loads((folder / "train/deepnet/level2/model.json").read_text())
    assert card["study"] == "tiny"
    assert card["data"]


def test_jobs_wait_passively(finished):
    """A policy that is not the one of `acuity.threads` would be noted."""
    text = (finished.folder / "logs/tiny/train/deepnet/level2.log").read_text()
    assert "core seconds" in text
    assert "threads wait as the environment says" not in text


def test_report_is_self_contained(finished):
    for page in ("index", "a", "b"):
        text = (finished.folder / f"results/tiny/report/{page}.html").read_text()
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
        assert "<title>" in text
    assert "b.html" in (finished.folder / "results/tiny/report/index.html").read_text()


def test_snakemake_report(finished):
    pytest.importorskip("pygments")
    finished.run("--report", "report.zip", "--configfile", finished.study)
    assert (finished.folder / "report.zip").stat().st_size > 100_000


def grains(shape=(32, 64, 112)):
    """Bright blobs on a dark ground, 8 bits."""
    rng = np.random.default_rng(3)
    field = gaussian_filter(rng.standard_normal(shape), 4)
    image = 60 + 120 * (field > 0) + 5 * rng.standard_normal(shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def test_own_volume_on_a_coarser_grid(workflow):
    tifffile.imwrite(workflow.folder / "data.tif", grains(), photometric="minisblack")
    small = {"features": 4, "pools": 2, "train": {**TINY_TRAINING, "patch": [5, 32, 32]}}
    study = {
        "study": "own",
        "samples": "own.tsv",
        "degrade": {"downsample": 2, "photons": 500, "noise": 0.01},
        "levels": [1],
        "methods": {
            "nearest": None,
            "cubic": None,
            "deepnet": small,
            "deepnet@deep": small | {"pools": 3},
        },
        "segment": {"objects": "bright"},
    }
    sheet = (
        "sample\trole\tpath\tvoxel_size\tregion\n"
        "left\ttrain\tdata.tif\t2 um\t:,:,:64\nright\ttest\tdata.tif\t2 um\t:,:,64:\n"
    )
    path = workflow.write_study(study, sheet, name="own")
    workflow.run("--configfile", path)
    folder, metrics = results(workflow, "own")
    low = open_volume(folder / "degrade/right/level1.ome.zarr")
    restored = open_volume(folder / "predict/right/level1/cubic.ome.zarr")
    assert low.grid.spacing == (4, 4, 4)
    assert restored.grid == open_volume(folder / "ingest/right.ome.zarr").grid
    here = metrics[(metrics["sample"] == "right") & (metrics["metric"] == "psnr")]
    assert set(here["method"]) == {"input", *(key.split("@")[0] for key in study["methods"])}
    assert set(here[here["method"] == "deepnet"]["variant"].fillna("")) == {"", "deep"}
    psnr = here.set_index("method")["value"]
    assert psnr["input"] == psnr["nearest"]
    assert psnr["cubic"] > psnr["nearest"]
    porosity = metrics[(metrics["metric"] == "porosity") & (metrics["method"] == "truth")]
    assert abs(porosity["value"].iloc[0] - (grains() < 120).mean()) < 0.05
    ranges = metrics[metrics["metric"] == "data_range"]["value"]
    assert set(ranges) == {255}
    # A changed input reruns its own sample alone, from the import on.
    changed = grains()
    changed[3] = changed[4]
    other = workflow.folder / "other.tif"
    tifffile.imwrite(other, changed, photometric="minisblack")
    path = workflow.write_study(
        study, sheet.replace("right\ttest\tdata", "right\ttest\tother"), "own"
    )
    jobs = workflow.planned("--configfile", path)
    assert jobs["ingest"] == 1
    assert jobs["degrade"] == 1
    assert "train" not in jobs


def test_restored_samples_are_shown_and_a_model_travels(finished, tmp_path):
    """A third foam without a truth, in a study of the other two, and in one of its own with their model."""
    workflow = Workflow.copy_of(finished.folder, tmp_path / "copy")
    judged = results(workflow, "tiny")[1]
    path = workflow.write_study(sheet=TINY_SHEET + "c\trestore\t3\n")
    workflow.run("--configfile", path)
    folder, metrics = results(workflow, "tiny")
    own = metrics["sample"] == "c"
    assert {name.split("_")[0] for name in metrics.loc[own, "metric"]} == {"objects", "segment"}
    # Nothing else of the study has changed: no model, no figure, no pooled row.
    pd.testing.assert_frame_equal(metrics[~own].reset_index(drop=True), judged)
    page = (folder / "report/c.html").read_text()
    assert "No truth: not judged" in page
    assert "Judged on other specimens: 1 test sample of this study" in page
    first = (folder / "report/index.html").read_text()
    assert "c was restored and has no truth: shown, and not judged." in first
    assert not (folder / "simulate/c/exact.ome.zarr").exists()
    with edited(workflow.folder / "src/acuity/report/restored.py", append="\nEDITED = True\n"):
        jobs = workflow.planned("--configfile", path)
    assert jobs == {"restored_figures": 1, "report_restored": 1, "report": 1}
    # Two of such samples alone, with a model of that study, and no objects sought.
    study = {
        "study": "apply",
        "samples": "apply.tsv",
        "levels": [2],
        "methods": {"deepnet": {"model": "results/tiny/train/deepnet/level2"}},
        "segment": False,
    }
    coarse = "results/tiny/reconstruct/{}/level2.ome.zarr"
    sheet = (
        f"sample\trole\tpath\nc\trestore\t{coarse.format('c')}\nd\trestore\t{coarse.format('b')}\n"
    )
    path = workflow.write_study(study, sheet, name="apply")
    workflow.run("--configfile", path)
    apply, metrics = results(workflow, "apply")
    assert not len(metrics)
    restored = [
        open_volume(f / "predict/c/level2/deepnet.ome.zarr").read() for f in (folder, apply)
    ]
    np.testing.assert_array_equal(*restored)
    table = read_table(
        apply / "train/deepnet/level2/judged.tsv", dtype={"variant": str, "subset": str}
    )
    pooled = judged[(judged["sample"] == "unseen") & (judged["method"] == "deepnet")]
    assert len(table[table["method"] == "deepnet"]) == len(pooled)
    assert "1 test sample of the study tiny, pooled" in (apply / "report/c.html").read_text()
    first = (apply / "report/index.html").read_text()
    assert "No truth: not judged. 2 samples were restored by DeepNet." in first
    assert "Nothing was measured" not in first
    assert workflow.planned("--configfile", path) == {}

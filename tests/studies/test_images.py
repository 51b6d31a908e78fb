"""Whole studies of images: pairs at two magnifications, and images degraded at random."""

import numpy as np
import tifffile

from acuity.tables import read_table
from acuity.volume import open_volume
from tests.conftest import TINY_TRAINING
from tests.studies.test_stacks import after_edit, metrics_of, texture

TRAIN = TINY_TRAINING | {"patch": [1, 64, 64], "precision": "float32"}
GAN = {
    "features": 4,
    "pools": 2,
    "discriminator": 4,
    "discriminator_blocks": 3,
    "dense": 8,
    "train": TRAIN,
}


def test_pairs_of_specimens_and_of_files(workflow):
    study = {
        "study": "pairs",
        "samples": "pairs.tsv",
        "specimen": {"size": [224, 256]},
        "pair": {"patch": 64},
        "levels": [2],
        "methods": {"lanczos": None, "sem_gan": GAN},
        "measure": {"gaps": {"chosen": 50}},
        "segment": False,
    }
    sheet = (
        "sample\trole\tseed\tpath\tvoxel_size\tlow_path\tlow_voxel_size\na\ttrain\t1\nb\ttest\t2\n"
    )
    path = workflow.write_study(study, sheet, name="pairs")
    workflow.run("pair_all", "--configfile", path)
    folder = workflow.folder / "results/pairs"
    # The two scans of the first specimen, as a user has them: TIFF files with no pixel size.
    for scan in ("high", "low"):
        image = open_volume(folder / f"simulate/a/{scan}.ome.zarr").read()[0]
        tifffile.imwrite(workflow.folder / f"{scan}.tif", image, photometric="minisblack")
    sheet += "c\ttrain\t\thigh.tif\t7.1 nm\tlow.tif\t14.2 nm\nnew\trestore\t\tlow.tif\t14.2 nm\n"
    workflow.write_study(study, sheet, name="pairs")
    workflow.run("--configfile", path)
    folder, metrics = metrics_of(workflow, "pairs")
    for scan in ("low", "high", "valid"):
        same = [open_volume(folder / f"pair/{s}/{scan}.ome.zarr").read() for s in "ac"]
        np.testing.assert_array_equal(*same)
    low, high = (open_volume(folder / f"pair/b/{scan}.ome.zarr") for scan in ("low", "high"))
    assert low.dtype == np.uint8
    assert high.grid.shape == (1, *(2 * n for n in low.grid.shape[1:]))
    for method in ("lanczos", "sem_gan"):
        restored = open_volume(folder / f"predict/b/level2/{method}.ome.zarr")
        assert restored.grid == high.grid
        assert restored.dtype == np.uint8
        new = open_volume(folder / f"predict/new/level2/{method}.ome.zarr")
        assert new.grid.spacing[1:] == (7.1, 7.1)
    assert set(metrics["method"]) == {"truth", "input", "pair", "lanczos", "sem_gan"}
    unseen = metrics[(metrics["sample"] == "unseen") & (metrics["subset"] == "all")]
    found = unseen.set_index(["method", "metric"])["value"]
    assert found["truth", "gaps_unresolved"] == 0 < found["input", "gaps_unresolved"]
    assert found["input", "gap_error"] > 1
    assert found["lanczos", "psnr"] == found["input", "psnr"] > found["sem_gan", "psnr"]
    assert {"edge_spread", "ssim", "gaps_unresolved_factor"} <= set(unseen["metric"])
    pair = metrics[(metrics["sample"] == "b") & (metrics["method"] == "pair")]
    assert pair.set_index("metric")["value"]["registration_rms"] < 0.3
    assert len(read_table(folder / "gaps.tsv")["gap"]) > 200
    for page in ("index", "b", "new", "sem/b", "sem/new"):
        assert "<title>" in (folder / f"report/{page}.html").read_text()
    assert workflow.planned("--configfile", path) == {}
    # The field that the pair was learned on is restored, too: that part is told.
    page = (folder / "report/new.html").read_text()
    assert "Models learned from a part of this volume" in page
    assert "No truth: not judged" in page
    pages = {"figures", "sem_figures", "judge", "report_sample", "report_sem", "report"}
    pages |= {"report_restored"}
    measured = after_edit(workflow, path, "measure/spectrum.py")
    assert (
        {"spectrum", "collect_metrics"} <= set(measured) <= {"spectrum", "collect_metrics", *pages}
    )
    assert measured["spectrum"] == 3
    learned = after_edit(workflow, path, "methods/sem_gan.py")
    assert learned["train"] == 1
    assert learned["predict"] == 2
    assert "pair" not in learned
    registered = after_edit(workflow, path, "register/elastic.py")
    assert registered["pair"] == 3
    assert "specimen" not in registered


def test_images_degraded_at_random(workflow):
    images = texture((3, 96, 112))
    for name, image in zip(("one", "two", "three"), images, strict=True):
        tifffile.imwrite(workflow.folder / f"{name}.tif", image, photometric="minisblack")
    study = {
        "study": "random",
        "samples": "random.tsv",
        "degrade": {"mode": "random"},
        "levels": [2],
        "training_seeds": [5],
        "methods": {
            "bicubic_gaussian": None,
            "semnet": {
                "features": 8,
                "growth": 4,
                "blocks": 1,
                "train": TRAIN | {"patch": [1, 24, 24]},
            },
        },
        "segment": False,
    }
    sheet = (
        "sample\trole\tpath\tvoxel_size\n"
        "one\ttrain\tone.tif\t5 nm\ntwo\ttrain\ttwo.tif\t5 nm\nthree\ttest\tthree.tif\t5 nm\n"
    )
    path = workflow.write_study(study, sheet, name="random")
    workflow.run("--configfile", path)
    folder, metrics = metrics_of(workflow, "random")
    low = open_volume(folder / "degrade/three/level2.ome.zarr")
    assert low.grid.shape == (1, 48, 56)
    assert low.dtype == np.uint8
    unseen = metrics[(metrics["sample"] == "unseen") & (metrics["metric"] == "psnr")]
    psnr = unseen.set_index("method")["value"]
    assert psnr["bicubic_gaussian"] > psnr["input"]
    for page in ("index", "three", "sem/three"):
        assert "<title>" in (folder / f"report/{page}.html").read_text()
    # Two trainings of each method that learns: the first one's figures are the study's.
    trainings = read_table(folder / "trainings.tsv")
    trainings = trainings[trainings["metric"] == "psnr"]
    values = trainings.groupby(["method", "seed"])["value"].sum().to_dict()
    assert set(values) == {(m, s) for m in ("semnet", "bicubic_gaussian") for s in (1, 5)}
    assert values["semnet", 1] == psnr["semnet"] != values["semnet", 5]
    assert values["bicubic_gaussian", 1] == values["bicubic_gaussian", 5]  # it draws nothing
    said = (folder / "report/index.html").read_text()
    assert "are of the first of 2 trainings" in said
    assert "From one training to the next" in said
    assert "semnet+5" not in said
    assert workflow.planned("--configfile", path) == {}
    changed = after_edit(workflow, path, "degrade/images.py")
    assert changed["degrade_images"] == 1  # the networks learn from targets alone
    assert changed["train"] == 4

"""A whole study of a simulated X-ray microscope: scanned twice, paired, learned from, judged by a noise-free scan."""

import numpy as np

from acuity.tables import read_table
from acuity.volume import open_volume

STUDY = {
    "study": "scans",
    "samples": "scans.tsv",
    "xrm": {
        "specimen": "seed",
        "coarse": "middle",
        "fine": "high",
        "columns": [64, 40, 42],
        "photons": [0, 500_000, 500_000],
        "rays": 1,
        "density": 30,
        "most": 200,
        "shift": 0,
        "place": [-8, 0, 0],
        "map": "true",
        "doses": [1, 100],
    },
    "pair": {"margin": 0},
    "levels": [3],
    "methods": {"cubic": None, "linear_patch": {"patch": [3, 3, 3]}},
    "segment": False,
    "measure": {"pore_space": False},
}
SHEET = "sample\trole\tseed\na\ttrain\t1\n"


def test_a_specimen_is_scanned_twice_and_judged_without_noise(workflow):
    path = workflow.write_study(STUDY, SHEET, name="scans")
    workflow.run("results/scans/metrics.tsv", "--configfile", path)
    folder = workflow.folder / "results/scans"
    coarse, fine, truth, field, judged = (
        open_volume(folder / f"{name}.ome.zarr")
        for name in (
            "reconstruct/a/coarse", "reconstruct/a/fine", "reconstruct/a/noise_free",
            "simulate/a/field", "judged/a/truth",
        )
    )  # fmt: skip
    assert coarse.grid.spacing == (3.0,) * 3
    assert fine.grid.spacing == (1.0,) * 3
    # The truth lies on the coarse grid divided, and shows what the coarse scan shows, in another beam.
    assert truth.grid.shape[1:] == (120, 120)
    first = round((truth.grid.origin[0] - coarse.grid.origin[0] + 1) / 3)
    part = coarse.read(slice(first, first + truth.grid.shape[0] // 3))
    mean = truth.read().reshape(-1, 3, 40, 3, 40, 3).mean(axis=(1, 3, 5))
    inner = np.s_[2:-2, 9:31, 9:31]
    found = np.corrcoef(mean[inner].ravel(), part[inner].ravel())[0, 1]
    moved = np.corrcoef(np.roll(mean, 1, 2)[inner].ravel(), part[inner].ravel())[0, 1]
    assert found > 0.75
    assert moved < found - 0.05
    assert judged.grid.shape[0] >= 24
    assert field.grid.shape[0] < 40 or field.grid.shape[1] < 40
    # The fine scan, by the true map, agrees with the truth where both are.
    high, valid = (open_volume(folder / f"pair/a/{name}.ome.zarr") for name in ("high", "valid"))
    known = valid.read() > 0
    same = truth.within(high.grid).read()[known]
    assert np.corrcoef(same, high.read()[known])[0, 1] > 0.6
    metrics = read_table(folder / "metrics.tsv", dtype={"sample": str, "subset": str})
    value = metrics[metrics["sample"] == "a"].set_index(["method", "metric", "subset"])["value"]
    assert value["pair", "tre", "all"] < 1e-9
    assert value["cubic", "psnr", "all"] > value["input", "psnr", "all"] - 0.5
    assert sum(key[:2] == ("cubic", "cone_error") for key in value.index) == 4
    assert value["pair", "dose_equivalent", "linear_patch"] >= 1
    assert workflow.planned("results/scans/metrics.tsv", "--configfile", path) == {}

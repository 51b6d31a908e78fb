"""Tables on disk, the study's gathered tables, and what stands around a script."""

import errno
import logging
import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from acuity.errors import AcuityError
from acuity.job import job, logger
from acuity.keys import Key
from acuity.measure.collect import COLUMNS, collect
from acuity.report.summary import summary
from acuity.seals import sealing
from acuity.settings import call
from acuity.simulate.foam import exact_labels, foam
from acuity.simulate.voxelise import voxelise
from acuity.tables import read_keyed, read_table, tidy, write_rows, write_table
from acuity.volume import open_volume
from tests.unit.test_recovery import matched


def test_round_trip(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.1, np.nan]})
    write_table(table, tmp_path / "deep" / "t.tsv")
    back = read_table(tmp_path / "deep" / "t.tsv")
    assert back["a"].tolist() == [1, 2]
    assert back["c"].isna().tolist() == [False, True]
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"t.tsv", "t.tsv.seal"}


def test_failed_write_leaves_nothing(tmp_path):
    class Broken:
        def to_csv(self, path, **_):
            path.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with pytest.raises(
        AcuityError, match=r"t\.tsv: disk full while writing; nothing of it was kept"
    ):
        write_table(Broken(), tmp_path / "t.tsv")
    assert not list(tmp_path.iterdir())


def test_what_is_no_table(tmp_path):
    with pytest.raises(
        AcuityError, match=r": cannot be read as a table \(Is a directory\); remove \S+ and run"
    ):
        read_table(tmp_path)
    with pytest.raises(AcuityError, match=r"none\.tsv: no such table"):
        read_table(tmp_path / "none.tsv")
    with sealing(tmp_path / "empty.tsv") as part:
        part.write_text("")
    with pytest.raises(AcuityError, match=r"empty\.tsv: not a tab-separated table"):
        read_table(tmp_path / "empty.tsv")


def test_tidy_and_stack(tmp_path):
    write_rows(tidy({"a": 1, "b": None}, "x_"), tmp_path / "1.tsv")
    write_rows(tidy({"a": 2}), tmp_path / "2.tsv")
    keys = Key("s", "truth", None), Key("s", "net", 3.0)
    both = read_keyed(dict(zip(keys, (tmp_path / "1.tsv", tmp_path / "2.tsv"), strict=True)))
    assert both["metric"].tolist() == ["x_a", "a"]
    assert both["method"].tolist() == ["truth", "net"]
    assert both["level"].isna().tolist() == [True, False]
    assert read_keyed({}) is None


def image(sample, method, level, value, found):
    """Tables of one image with one pore, found or missed."""
    truth = np.zeros((12, 12, 12), np.uint32)
    truth[3:8, 3:8, 3:8] = 1
    rows, status = matched(truth if found else 0 * truth, truth, classes=(0, 5, 10))
    table = pd.DataFrame(
        [
            {"metric": "psnr", "subset": "all", "value": value, "unit": "dB"},
            {
                "metric": "ms_ssim_wang",
                "subset": "all",
                "value": 0.5,
                "unit": "",
                "variant": "2 scales",
            },
        ]
    )
    return {
        "sample": sample,
        "method": method,
        "level": level,
        "tables": [table, pd.DataFrame(rows)],
        "pores": pd.DataFrame({"label": [1]}),
        "status": status,
        "curves": pd.DataFrame({"sigma": [0.0], "mse": [1.0]}),
    }


def test_collect_pools_unseen_samples_only(tmp_path):
    images = [
        image("a", "deepnet", "3", 90.0, True),
        image("b", "deepnet", "3", 20.0, True),
        image("c", "deepnet", "3", 24.0, False),
        image("b", "deepnet@wide", "3", 30.0, True),
        image("b", "truth", None, 50.0, True),
    ]
    gathered = collect(images, study="s", unseen=["b", "c"])
    metrics = gathered["metrics"]
    assert list(metrics.columns) == COLUMNS
    pooled = metrics[(metrics["sample"] == "unseen") & (metrics["method"] == "deepnet")]
    plain = pooled[pooled["variant"] == ""]
    psnr = plain[plain["metric"] == "psnr"].iloc[0]
    assert psnr["value"] == 22
    assert psnr["n"] == 2
    assert psnr["low"] < 20 < 24 < psnr["high"]
    recall = plain[(plain["metric"] == "pore_recall") & (plain["subset"] == "all")].iloc[0]
    assert recall["value"] == 0.5
    assert recall["n"] == 2
    assert 0 < recall["low"] < 0.5 < recall["high"] < 1
    wide = pooled[pooled["variant"].str.startswith("wide")]
    assert set(wide["variant"]) == {"wide", "wide, 2 scales"}
    assert len(gathered["pores"]) == 5
    assert gathered["curves"]["level"].isna().sum() == 1
    write_table(metrics, tmp_path / "metrics.tsv")
    text = summary(tmp_path / "metrics.tsv")
    assert "| 3 | deepnet | 22.00 |" in text
    assert "| 3 | deepnet@wide | 30.00 |" in text
    assert "|  | truth |" in text
    shares = [
        ("gaps_unresolved_bootstrap", "all", 0.131, 0.122, 0.142),
        ("spectrum_ratio_error", "below low Nyquist", 0.07, math.nan, math.nan),
        ("spectrum_ratio_error", "aliased", 0.23, math.nan, math.nan),
    ]
    names = ["metric", "subset", "value", "low", "high"]
    images = pd.DataFrame(shares, columns=names).assign(sample="unseen", method="cubic", level=2)
    write_table(pd.concat([metrics, images]), tmp_path / "metrics.tsv")
    text = summary(tmp_path / "metrics.tsv")
    assert (
        "| gaps unresolved (95 %) | spectrum deviation, below low Nyquist | spectrum deviation, al"
        in text
    )
    assert "| 2 | cubic | 0.131 (0.122-0.142) | 0.07 | 0.23 |" in text
    walls = plain.assign(metric="pore_f1", subset="all", value=0.5).head(1)
    for off, shown in ((0.5, False), (0.6, True)):  # a column that would say the same is left out
        wall = walls.assign(metric="pore_f1_off_rim", value=off)
        write_table(pd.concat([walls, wall]), tmp_path / "walls.tsv")
        assert ("F1 off the wall" in summary(tmp_path / "walls.tsv")) == shown
    with pytest.raises(AcuityError, match="nobody"):
        summary(tmp_path / "metrics.tsv", sample="nobody")


def test_collect_needs_images():
    with pytest.raises(AcuityError, match="no image"):
        collect([], study="s", unseen=[])


def test_voxelise_writes_truth_on_the_grid_of_reconstructions(tmp_path):
    spheres = call(foam, size=40, seed=1, diameter=(6, 14), small_below=8)
    paths = tmp_path / "solid.ome.zarr", tmp_path / "labels.ome.zarr"
    voxelise(spheres, *paths, size=40, cylinder_radius=0.45, voxel_size=2.0, unit="um")
    solid, labels = map(open_volume, paths)
    assert solid.grid == labels.grid
    assert solid.grid.spacing == (2, 2, 2)
    assert solid.grid.origin == (-39, -39, -39)
    assert np.array_equal(labels.read(), exact_labels(spheres, size=40))
    # A voxel whose centre lies in a pore is mostly not solid.
    assert solid.read()[labels.read() > 0].mean() < 0.15


@pytest.fixture
def script(tmp_path):
    before = list(logger.handlers), logger.level, logger.propagate
    yield SimpleNamespace(rule="quality", log=[str(tmp_path / "logs" / "x.log")], threads=1)
    for handler in logger.handlers:
        handler.close()
    logger.handlers, logger.level, logger.propagate = before
    logging.captureWarnings(False)


@pytest.mark.parametrize(
    ("error", "sentence", "traceback"),
    [
        (AcuityError("a.tif: slice 3 is blank"), "error: a.tif: slice 3 is blank", False),
        (OSError(errno.ENOSPC, "No space", "out"), "disk full while writing out", False),
        (MemoryError(), "out of memory", False),
        (torch.OutOfMemoryError("CUDA out of memory"), "the memory of the GPU is full", False),
        (RuntimeError("boom\nmore"), "unexpected RuntimeError: boom", True),
    ],
)
def test_errors_of_a_script(script, capsys, error, sentence, traceback):
    with pytest.raises(SystemExit) as caught, job(script):
        raise error
    assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert sentence in shown
    assert "Traceback" not in shown
    with open(script.log[0]) as file:
        text = file.read()
    assert sentence in text
    assert ("Traceback" in text) == traceback


def test_ctrl_c_in_a_script(script, capsys):
    with pytest.raises(SystemExit) as caught, job(script):
        raise KeyboardInterrupt
    assert caught.value.code == 130
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.endswith(" error: rule quality: interrupted; run the same command again to go on\n")


def test_a_file_where_the_folder_of_logs_is_to_be(script, capsys, tmp_path):
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(SystemExit) as caught, job(script):
        raise AssertionError("the body is not reached")
    assert caught.value.code == 1
    assert re.fullmatch(
        r"[\d:]{8} error: \S+/logs/x\.log: the log cannot be written \(File exists: \S+/logs\); .*\n",
        capsys.readouterr().err,
    )
    assert (tmp_path / "logs").read_text() == "mine"


def test_a_script_that_ends_well_says_what_it_used(script, capsys):
    with job(script):
        pass
    said = capsys.readouterr().err
    assert re.fullmatch(r"[\d:]{8} used [\d.]+ MiB of memory, [\d.]+ core seconds\n", said), said

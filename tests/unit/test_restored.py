"""Samples without a truth: their objects, their graphs and their pages, on which nothing looks judged."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from acuity.errors import AcuityError
from acuity.keys import Key
from acuity.made_for import Comparison
from acuity.measure.collect import COLUMNS, WARNED, collect
from acuity.measure.elsewhere import take_judged
from acuity.measure.objects import volume_objects
from acuity.measure.pores import pore_table
from acuity.measure.power import power_spectrum
from acuity.model_card import ModelCard
from acuity.report.restored import FIGURES, graphs, views
from acuity.report.restored_page import FIGURES as OF_PAGE
from acuity.report.restored_page import UsedModel
from acuity.report.sources import image_warnings
from acuity.report.verdict import Line, tidy
from acuity.study.project import Project
from acuity.study.sample import Sample
from acuity.study.study import Study
from acuity.tables import write_table
from acuity.volume import Grid, Volume, remove_store, write_volume
from tests.conftest import TINY_FOAM
from tests.unit.drawn import index_page, restored_page
from tests.unit.test_report import assert_self_contained, make_study, read

BADGES = ("✓ Good", "! With care", "✗ Unreliable", "· Measured")


def volume(array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    return Volume(array, Grid(array.shape, spacing, origin, "um"))


# ---------------------------------------------------------------------------------------- objects


def balls(radii, side=40, cut=False):
    """Labels of balls in a row along x, the last one at the volume's edge where that is asked for."""
    z, y, x = np.indices((side, side, side * len(radii)))
    labels = np.zeros(z.shape, np.uint32)
    for n, radius in enumerate(radii):
        middle = side * len(radii) - 1 if cut and n == len(radii) - 1 else side * n + side // 2
        labels[(z - side // 2) ** 2 + (y - side // 2) ** 2 + (x - middle) ** 2 <= radius**2] = n + 1
    return labels


def figures_of(rows):
    return {row["metric"]: row["value"] for row in rows}


def test_objects_without_truth_are_those_of_balls():
    labels = balls([5, 8, 11, 8], cut=True)
    rows, table = volume_objects(volume(labels, (2.0, 2.0, 2.0)))
    found = figures_of(rows)
    assert found["objects_number"] == 4
    assert found["objects_edge_share"] == 0.25
    assert found["objects_diameter_median"] == pytest.approx(2 * 2 * 8, rel=0.02)
    assert found["objects_sphericity"] == pytest.approx(0.995, abs=0.005)
    assert found["objects_porosity"] == (labels > 0).mean()
    assert {row["metric"]: row["n"] for row in rows if "n" in row}["objects_sphericity"] == 3
    assert table["edge"].tolist() == [False, False, False, True]
    assert not table["rim"].any()
    alike = [name for name in pore_table(labels) if name not in ("edge", "rim")]
    pd.testing.assert_frame_equal(table[alike], pore_table(labels, (2.0, 2.0, 2.0))[alike])
    bright = figures_of(volume_objects(volume(labels), objects="bright")[0])
    assert bright["objects_porosity"] == pytest.approx(1 - found["objects_porosity"])
    # The wall of a cylinder cuts none, and such an object is told apart.
    rows, table = volume_objects(volume(balls([8])), mask_radius=10)
    assert table["rim"].tolist() == [False]
    rows, table = volume_objects(volume(balls([8])), mask_radius=8)
    assert (table["rim"].tolist(), table["edge"].tolist()) == ([True], [False])
    assert figures_of(rows)["objects_edge_share"] == 1


def test_no_object_has_no_size():
    rows, table = volume_objects(volume(np.zeros((8, 8, 8), np.uint32)))
    assert figures_of(rows) == {"objects_number": 0, "objects_porosity": 0}
    assert not len(table)


def project(sheet, **changes):
    content = {k: v for k, v in (TINY_FOAM | changes).items() if v is not ...}
    return Project(Study(**content), [Sample(**row) for row in sheet])


SHEET = (
    {"sample": "a", "role": "train", "seed": 1},
    {"sample": "b", "role": "test", "seed": 2},
    {"sample": "c", "role": "restore", "seed": 3, "level": 2},
)


def test_what_is_restored_is_measured_and_never_judged():
    made = project(SHEET, evaluate_on_train=...)
    assert [m.name for m in made.measures_of("c", "level2/deepnet")] == ["objects"]
    assert "objects" not in [m.name for m in made.measures_of("b", "level2/deepnet")]
    tables = made.tables("c", "level2/richardson_lucy")
    folder = "measure/c/level2/richardson_lucy"
    assert tables["tables"] == [f"{folder}/{name}.tsv" for name in ("segment", "objects", "nlm")]
    assert tables["pores"] == [f"{folder}/object_table.tsv"]
    assert "status" not in tables
    files = made.image_volumes("c", "level2/deepnet")
    assert "segment/c/level2/deepnet.ome.zarr/zarr.json" in files
    assert not any("ms_ssim" in file for file in files)
    assert {name.split("/")[0] for name in made.shown_files("c")} == {"volumes", "labels"}
    assert made.compared == []
    # Nothing sought, nothing found; and it is gathered all the same.
    alone = project(SHEET[:1] + SHEET[2:], segment=False, evaluate_on_train=...)
    assert {sample for sample, _ in alone.measured} == {"c"}
    assert alone.tables("c", "level2/deepnet") == {"tables": []}


def test_a_study_of_restored_samples_alone_is_gathered():
    images = [{"sample": "c", "method": "deepnet", "level": 2.0, "tables": []}]
    found = collect(images, study="s", unseen=[])
    assert list(found["metrics"].columns) == COLUMNS
    assert not any(map(len, found.values()))
    rows, table = volume_objects(volume(balls([5])))
    images[0] |= {"tables": [pd.DataFrame(rows)], "pores": table}
    found = collect(images, study="s", unseen=["b"])
    assert set(found["metrics"]["sample"]) == {"c"}
    assert len(found["pores"]) == 1
    with pytest.raises(AcuityError, match=r"^study s: no image was measured$"):
        collect([], study="s", unseen=[])


def test_the_part_of_a_field_that_a_pair_taught_is_told(tmp_path):
    rows = [
        {"sample": "a", "role": "train", "path": "high.tif", "low_path": "low.tif", "level": 2},
        {"sample": "new", "role": "restore", "path": "low.tif", "level": 2},
    ]
    content = {"study": "p", "samples": "p.tsv", "levels": [2], "pair": {}, "segment": False}
    made = Project(Study(**content, methods={"sem_gan": None}), [Sample(**row) for row in rows])
    assert made.learned_from("new") == {
        "imported": "ingest/new.ome.zarr/zarr.json",
        "learned": [f"{name}.ome.zarr/zarr.json" for name in ("pair/a/low", "ingest/a")],
    }
    assert made.learned_from("a") == {}


# ---------------------------------------------------------------------------------------- spectra


def test_white_noise_is_flat_and_has_its_variance():
    noise = np.random.default_rng(3).normal(0, 2.0, (24, 48, 64)).astype(np.float32)
    for spacing in ((1.0, 1.0, 1.0), (3.0, 0.5, 0.5)):
        curve = power_spectrum(noise, spacing)
        whole = np.average(curve["power"][2:])
        assert whole == pytest.approx(4.0 * np.prod(spacing), rel=0.05)
        assert curve["frequency"].iloc[-1] <= 0.5 / max(spacing) + curve["frequency"].iloc[0]
    plane = power_spectrum(noise[:1], (9.0, 0.5, 0.5))
    assert np.average(plane["power"][2:]) == pytest.approx(4.0 * 0.25, rel=0.1)


def test_one_structure_has_one_spectrum_whatever_its_voxels():
    def wave(n, size):
        z, y, x = (size * (np.arange(k) + 0.5) for k in n)
        cycle = 2 * np.pi * 0.05
        values = (
            np.sin(cycle * z)[:, None, None] + np.sin(cycle * x)[None, None] + 0 * y[None, :, None]
        )
        return values.astype(np.float32)

    fine, coarse = (
        power_spectrum(wave((n,) * 3, size), (size,) * 3) for n, size in ((80, 1.0), (40, 2.0))
    )
    peaks = [curve.loc[curve["power"].idxmax()] for curve in (fine, coarse)]
    assert [peak["frequency"] for peak in peaks] == pytest.approx([0.05] * 2, abs=0.01)
    assert peaks[0]["power"] == pytest.approx(peaks[1]["power"], rel=0.05)
    along = power_spectrum(wave((80,) * 3, 1.0), (1.0,) * 3, along_z=True)
    across = power_spectrum(wave((80,) * 3, 1.0).swapaxes(0, 1), (1.0,) * 3, along_z=True)
    # The control: the wave along z lies across after the swap.
    assert along["power"].max() > 100 * across["power"].max()


# ----------------------------------------------------------------------------------------- pictures


def scene(shape=(20, 60, 70), factor=(1, 1, 1), seed=1):
    """An input and two results on a grid that is finer by a factor."""
    low = np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)
    fine = low
    for axis, times in enumerate(factor):
        fine = fine.repeat(times, axis)
    spacing = tuple(2.0 / f for f in factor)
    origin = tuple(-(f - 1) / f for f in factor)
    volumes = {
        ("input", 2.0): volume(fine, spacing, origin),
        ("deepnet", 2.0): volume(0.8 * fine + 20, spacing, origin),
        ("cubic", 2.0): volume(fine + 3, spacing, origin),
    }
    return volumes, volume(low, (2.0, 2.0, 2.0))


@pytest.mark.parametrize(
    ("shape", "factor", "kinds"),
    [
        ((20, 60, 70), (1, 1, 1), ["xy", "xz"]),
        ((20, 60, 70), (4, 1, 1), ["xz", "xy"]),
        ((20, 60, 70), (2, 2, 2), ["xz", "xy"]),
        ((1, 60, 70), (1, 2, 2), ["xy"]),
        ((8, 60, 300), (1, 1, 1), ["xy", "xy_close", "xz", "xz_close"]),
    ],
)
def test_the_plane_that_matters_comes_first(shape, factor, kinds):
    volumes, low = scene(shape, factor)
    labels = {
        key: volume(np.ones(v.grid.shape, np.uint32), v.grid.spacing, v.grid.origin)
        for key, v in volumes.items()
    }
    shown = views(volumes, low, labels)
    assert [view.kind for view in shown] == [*kinds, "objects"]
    for view in shown:
        assert [p.method for p in view.pictures] == ["input", "cubic", "deepnet"]
    if factor[0] == 4:
        assert shown[0].where == "row 31 of 60"
        # in the sample's proportions: 40 um along z, 140 um along x
        width, height = shown[0].pictures[0].size
        assert width / height == pytest.approx(140 / 40, rel=0.02)
    assert [view.kind for view in views(volumes, low)] == kinds


def test_one_grey_window_is_taken_from_the_input():
    volumes, low = scene()
    before, after = (
        np.asarray(Image.open(io.BytesIO(p.png)), float)[:200]
        for p in views(volumes, low)[0].pictures[::2]
    )
    # 0.8 of the contrast, about the same mean: a window of its own would hide that.
    assert after.std() / before.std() == pytest.approx(0.8, abs=0.03)


def test_a_part_that_was_learned_from_is_framed_in_both_planes():
    volumes, low = scene()
    box = ((10.0, 30.0), (20.0, 90.0), (40.0, 100.0))
    for plain, framed in zip(views(volumes, low), views(volumes, low, framed=[box]), strict=True):
        pictures = [
            np.asarray(Image.open(io.BytesIO(v.pictures[0].png)), int) for v in (plain, framed)
        ]
        changed = np.argwhere(pictures[0] != pictures[1])
        times = pictures[0].shape[1] / 70
        first = (10.5, 20.5) if framed.kind == "xy" else (5.5, 20.5)
        assert changed.min(axis=0) / times == pytest.approx(first, abs=0.6)


def test_graphs_mark_what_the_input_could_not_show():
    volumes, low = scene((20, 60, 70), (4, 1, 1))
    plot = graphs(volumes, low)
    assert [panel.title for panel in plot.panels] == ["Grey values", "Power spectrum, along z"]
    assert plot.legend == ["input", "cubic", "deepnet"]
    assert "the method has added" in plot.caption
    plot.figure()
    volumes, low = scene()
    plain = graphs(volumes, low)
    assert plain.panels[1].title == "Power spectrum, all directions"
    assert "has added" not in plain.caption
    assert not plain.extra
    # What is constant has no spectrum.
    volumes["deepnet", 2.0] = volume(np.zeros((20, 60, 70), np.float32), (2.0,) * 3)
    assert graphs(volumes, low).legend == ["input", "cubic"]


# -------------------------------------------------------------------------------------------- page

CARD = ModelCard(
    "deepnet", 2.0, study="other", parameters=1234, weights="ab" * 32,
    scores={"psnr": 21.34, "psnr_input": 19.1}, versions={"acuity": "0.1.0", "torch": "2"},
)  # fmt: skip
LIKE = Comparison("noise", "4.1", "4 to 5", True)
UNLIKE = Comparison("voxel_size", "1.2 um", "1 um")


def shown(tmp_path, name="c", models=(), **told):
    volumes, low = scene()
    rows, _ = volume_objects(volume(balls([5])))
    metrics = make_study(samples=("foam2",), levels=(2,), count=60)["metrics"]
    own = pd.DataFrame(rows).assign(study="s", sample=name, variant="", level=2.0)
    metrics = pd.concat([metrics, *(own.assign(method=m) for m in ("input", "deepnet"))])
    output = tmp_path / f"{name}.html"
    common = {"study": "s", "level": 2.0, "methods": ["cubic", "deepnet"], "metrics": metrics}
    restored_page(name, volumes, low, output=output, models=models, **common, **told)
    text, reader = read(output)
    assert_self_contained(text, reader)
    return text, reader.text


def of_other_specimens():
    metrics = tidy(make_study(samples=("foam2", "foam3"), levels=(2,), count=60)["metrics"])
    return metrics[(metrics["sample"] == "unseen") & metrics["method"].isin(["deepnet", "input"])]


def test_a_page_without_truth_judges_nothing(tmp_path):
    assert OF_PAGE == FIGURES
    text, said = shown(tmp_path)
    assert (
        "– Not judged No truth: not judged. Restored by Cubic interpolation and DeepNet at 2:1."
        in said
    )
    assert "Pores – no truth: not judged" in said
    assert not any(badge in said for badge in BADGES)
    assert "Input and results" in said
    assert "Grey values and spatial frequencies" in said
    # Classical methods alone: no model is spoken of.
    assert ">Model" not in text
    assert 'data-kind="xy"' in text
    assert "air around the specimen" not in said
    assert "air around the specimen too." in shown(tmp_path, surroundings=True)[1]
    aligned = Line("Alignment", "good", "60 slices agree.")
    assert "✓ Good Alignment 60 slices agree." in shown(tmp_path, lines=[aligned])[1]


def test_a_given_model_says_what_it_was_made_for_and_who_judged_it(tmp_path):
    figures = of_other_specimens()
    given = UsedModel(
        method="deepnet", card=CARD, given="results/other/train/deepnet/level2",
        comparison=[Comparison("level", "2", "2", True), UNLIKE, LIKE], accepted=[str(UNLIKE)],
        figures=[("other", figures)],
    )  # fmt: skip
    said = shown(tmp_path, models=[given])[1]
    assert "in the study other; taken from results/other/train/deepnet/level2" in said
    warned = "voxel size 1.2 um, and the model learned from 1 um"
    assert (
        f"DeepNet was used outside of what its model was made for, as the study accepts: {warned}."
        in said
    )
    assert f"outside of what the model was made for: {warned}." in said
    assert "Voxel size 1 µm 1.2 µm ! differs, accepted" in said
    assert "Noise 4 to 5 4.1 ✓ within" in said
    assert "Level 2 2 ✓ within" in said
    assert "Judged on other specimens: 2 test samples of the study other, pooled" in said
    assert "These figures are not of c." in said
    assert "Never judged" not in said
    # Figures without a grade: that is of other specimens.
    assert not any(badge in said for badge in BADGES)
    assert "✗ differs" not in said
    own = UsedModel(method="deepnet", card=CARD, comparison=[LIKE], figures=[("", figures)])
    said = shown(tmp_path, models=[own])[1]
    assert "Trained in this study" in said
    assert "2 test samples of this study, pooled" in said
    assert "accepts" not in said


def test_a_model_that_no_one_has_judged_says_so(tmp_path):
    none = UsedModel(method="deepnet", card=CARD, comparison=[UNLIKE], seen=True)
    said = shown(tmp_path, models=[none])[1]
    assert "No test sample was judged with this model" in said
    assert (
        "a PSNR of 21.3 dB, where its input had 19.1 dB: patches of the specimens that it learned from"
        in said
    )
    assert "Voxel size 1 µm 1.2 µm ✗ differs" in said
    assert "learned from voxels of this very sample" in said
    unknown = Comparison("unrecorded", "of an earlier version", "volumes that it does not describe")
    silent = UsedModel(method="deepnet", card=ModelCard("deepnet", 2.0), comparison=[unknown])
    said = shown(tmp_path, models=[silent])[1]
    assert "Its card does not say what it was made for" in said
    assert "held out" not in said


@pytest.mark.parametrize("nasty", ["<img src=x>", "a&b\"'"])
def test_what_a_card_holds_is_text(tmp_path, nasty):
    card = ModelCard(nasty, 2.0, study=nasty, versions={"acuity": nasty})
    told = UsedModel(method="deepnet", card=card, given=nasty, comparison=[LIKE], accepted=[nasty])
    text, said = shown(tmp_path, models=[told])
    assert nasty in said
    assert nasty not in text


# -------------------------------------------------------------------------------------- first page


def test_the_first_page_of_restored_samples_alone(tmp_path):
    empty = pd.DataFrame(columns=COLUMNS)
    common = {"study": "s", "methods": ["deepnet"]}
    index_page(
        empty, output=tmp_path / "one.html", samples=["c"], restored_samples={"c": "2"}, **common
    )
    said = read(tmp_path / "one.html")[1].text
    assert "– Not judged No truth: not judged. Restored by DeepNet at 2:1." in said
    assert not any(
        words in said
        for words in (
            "Nothing was measured",
            "Not measured",
            "no results yet",
            "pooled",
            "In this study no",
        )
    )
    both = {"c": "2", "d": "3"}
    index_page(
        empty, output=tmp_path / "two.html", samples=["c", "d"], restored_samples=both, **common
    )
    said = read(tmp_path / "two.html")[1].text
    assert "No truth: not judged. 2 samples were restored by DeepNet." in said


def test_the_first_page_tells_who_was_restored_beside_who_was_judged(tmp_path):
    study = make_study(samples=("foam2", "foam3"), levels=(2,), count=60)
    own = pd.DataFrame(volume_objects(volume(balls([5])))[0]).assign(
        sample="c", method="deepnet", level=2.0
    )
    plain, more = tmp_path / "plain.html", tmp_path / "more.html"
    common = {"study": "s", "methods": ["deepnet"]}
    index_page(study["metrics"], output=plain, samples=["foam2", "foam3"], **common)
    index_page(
        pd.concat([study["metrics"], own]), output=more, samples=["foam2", "foam3", "c"],
        restored_samples={"c": "2"}, **common,
    )  # fmt: skip
    before, after = (read(path)[1].text for path in (plain, more))
    assert "c was restored and has no truth: shown, and not judged." in after
    assert "Judged on 2 samples that no model has seen." in after
    # The table of every sample has no row of it, and no column of its objects.
    assert before.count("DeepNet") + 1 == after.count("DeepNet")
    assert "Median diameter" not in after


def test_the_first_page_warns_of_what_was_accepted(tmp_path):
    table, path = tmp_path / "warnings.tsv", tmp_path / "c.ome.zarr"
    write_table(pd.DataFrame(columns=WARNED), table)
    said = "voxel size 1.2 um, and the model learned from 1 um"
    for accepted, count in (([said], 1), ([], 0)):
        step = {"step": "predict", "accepted": accepted}
        write_volume(
            path,
            Volume(np.ones((2, 2, 2), np.float32), Grid((2, 2, 2), (1, 1, 1)), provenance=(step,)),
        )
        found = image_warnings(table, {Key("c", "deepnet", 2.0): path})
        assert len(found) == count
        remove_store(path)
    assert image_warnings(table, {}) == []


# ---------------------------------------------------------------------------------------- elsewhere


def other_study(tmp_path):
    metrics = make_study(samples=("foam2",), levels=(2, 3), count=60)["metrics"].reindex(
        columns=COLUMNS
    )
    write_table(metrics, tmp_path / "other" / "metrics.tsv")
    return metrics


def test_the_figures_of_a_given_model_are_those_of_its_study(tmp_path):
    metrics = other_study(tmp_path)
    folder = tmp_path / "other/train/deepnet/level2"
    for path in (folder, folder / "model.json"):
        found = take_judged(path)
        assert set(found["sample"]) == {"unseen"}
        assert set(found["method"]) == {"deepnet", "input"}
        assert set(found["level"].astype(float)) == {2.0}
    wanted = metrics[
        (metrics["sample"] == "unseen") & (metrics["method"] == "deepnet") & (metrics["level"] == 2)
    ]
    assert len(found[found["method"] == "deepnet"]) == len(wanted)
    # Of a method or a level that was not judged, and of a model that lies alone, there is nothing.
    for where in (
        "other/train/fsrcnn3d/level2",
        "other/train/deepnet@wide/level2",
        "other/train/deepnet/level5",
        "models/deepnet",
        "deepnet",
    ):
        assert not len(take_judged(tmp_path / where)), where
        assert list(take_judged(tmp_path / where).columns) == COLUMNS


def test_a_damaged_table_of_another_study_is_refused(tmp_path):
    other_study(tmp_path)
    table = tmp_path / "other/metrics.tsv"
    table.write_text(table.read_text().replace("unseen", "unsaen", 1))
    with pytest.raises(AcuityError, match=r"metrics\.tsv: found other values"):
        take_judged(tmp_path / "other/train/deepnet/level2")
    table.with_name("metrics.tsv.seal").unlink()
    assert not len(take_judged(tmp_path / "other/train/deepnet/level2"))

"""Studies that simulate an X-ray microscope: their settings, what jobs are told, maps, boxes and doses."""

import numpy as np
import pandas as pd
import pytest
import yaml

from acuity.errors import AcuityError
from acuity.measure.dose import equivalent
from acuity.pair.division import write_judged_box
from acuity.pair.field import write_field
from acuity.pair.grids import apply, inverse
from acuity.pair.true_map import map_error
from acuity.report.plots.pore_volumes import PoreVolumes, cumulative
from acuity.report.style import Words
from acuity.simulate.magnifications import map_between, poses, scan_settings, specimen_table
from acuity.simulate.microscope import Magnifications
from acuity.study.project import Project
from acuity.study.reading import read_study
from acuity.volume import Grid, Volume, open_volume

SHEET = "sample\trole\tseed\na\ttrain\t1\nb\ttest\t2\n"
XRM = {"specimen": "seed", "columns": [112, 128, 128], "place": [-24, 0, 0]}
GOOD = {
    "study": "scans",
    "samples": "scans.tsv",
    "xrm": XRM,
    "pair": {},
    "levels": [3],
    "methods": {"cubic": None, "linear_patch": None},
}
SCANS = Magnifications("seed", columns=(112, 128, 128), place=(-24, 0, 0))


@pytest.fixture
def read(tmp_path):
    def read(sheet=SHEET, **changes):
        content = {key: value for key, value in (GOOD | changes).items() if value is not ...}
        (tmp_path / "scans.yaml").write_text(yaml.safe_dump(content))
        (tmp_path / "scans.tsv").write_text(sheet)
        return read_study(tmp_path / "scans.yaml")

    return read


def test_a_pair_is_learned_from_and_another_specimen_judged(read):
    project = Project(*read())
    kind = project.kind
    assert (project.train, project.test) == (["a"], ["b"])
    assert kind.scans("a", "3") == ["simulate/a/coarse.h5", "simulate/a/fine.h5"]
    assert kind.scans("b", "3") == ["simulate/b/coarse.h5"]
    # What is learned from is the pair; what is restored, the part about it and about what is judged.
    assert project.learned_low("a", "3") == "pair/a/low.ome.zarr/zarr.json"
    assert project.low("b", "3") == "simulate/b/field.ome.zarr/zarr.json"
    inputs = kind.judging_inputs("b", "level3/cubic")
    assert inputs["restored"] == "predict/b/level3/cubic.ome.zarr/zarr.json"
    assert inputs["fitted"] == ["predict/a/level3/cubic.ome.zarr/zarr.json"]
    assert inputs["high"] == ["reconstruct/a/noise_free.ome.zarr/zarr.json"]
    assert kind.pair_tables("a") == ["measure/a/pair.tsv", "measure/a/map.tsv"]
    assert kind.pair_tables("b") == ["measure/b/dose.tsv"]
    assert kind.given_map("a") == []
    assert "cone_angle" in [m.name for m in project.measures_of("b", "level3/cubic")]


def test_without_a_test_sample_another_part_of_the_same_field_is_judged(read):
    project = Project(*read("sample\trole\tseed\na\ttrain\t1\n", xrm=XRM | {"map": "true"}))
    assert project.test == ["a"]
    assert project.kind.given_map("a") == ["simulate/a/map.json"]
    # The default box lies above all that the fine scan may show: 128 fine voxels are 43 coarse ones.
    box = np.array(project.kind.microscope.box)
    assert box[0, 0] >= 56 - 24 + 128 / 6 + 10
    assert (box >= 0).all()
    assert (box <= 112).all()


def test_noise_free_scans_have_no_dose(read):
    project = Project(*read(xrm=XRM | {"photons": [0, 5000, 5000]}))
    assert project.kind.pair_tables("b") == []
    assert ("b", "pair") not in project.kind.registered()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"xrm": XRM | {"specimen": "nut"}}, ["xrm.specimen", "'nut'", "'seed'"]),
        ({"xrm": XRM | {"coarse": "high"}}, ["coarse scan is high", "finer one after"]),
        ({"xrm": XRM | {"columns": [10, 128, 128]}}, ["xrm.columns", "24 to 8192"]),
        ({"xrm": XRM | {"photons": [0.5, 1, 1]}}, ["xrm.photons", "1 to 1e9"]),
        ({"xrm": XRM | {"place": [20, 0, 0]}}, ["judged", "slices", "state a box"]),
        ({"xrm": XRM | {"judged": "0:200,0:9,0:9"}}, ["judged", "112"]),
        ({"xrm": XRM | {"doses": [4, 1]}}, ["xrm.doses", "rising"]),
        ({"pair": ...}, ["needs a pair section"]),
        ({"pair": {"held_out": "x 0:9"}}, ["held_out", "xrm.judged"]),
        ({"pair": {"volumes": False}}, ["pair.volumes", "leave it out"]),
        ({"levels": [2]}, ["levels", "found 2", "allowed is 3"]),
        ({"xrm": XRM | {"fine": "high"}}, ["levels", "9:1", "allowed is 9"]),
        ({"specimen": {"size": [128, 160]}}, ["found specimen and xrm"]),
    ],
)
def test_mistakes_are_told_in_a_sentence(read, changes, words):
    with pytest.raises(AcuityError) as error:
        read(**changes)
    said = str(error.value)
    assert "\n" not in said
    for word in words:
        assert word in said


def test_a_simulated_sample_needs_a_seed(read):
    with pytest.raises(AcuityError, match="needs a seed and no path"):
        read("sample\trole\tpath\na\ttrain\thigh.tif\n")


# ----------------------------------------------------------------------------------- scans


def test_the_truth_lies_on_the_coarse_grid_divided():
    coarse, truth = scan_settings(SCANS, "coarse"), scan_settings(SCANS, "truth")
    assert SCANS.ratio == 3
    assert truth.columns == 3 * coarse.columns == 336
    assert truth.voxel == coarse.voxel / 3
    assert truth.photons is None
    # The beam is the fine scan's, the way of the rays the coarse one's.
    assert truth.filters == scan_settings(SCANS, "fine").filters != coarse.filters
    assert truth.source_to_axis == coarse.source_to_axis == SCANS.distance("low")
    assert SCANS.views("low") == coarse.views


@pytest.mark.parametrize(
    ("coarse", "fine"), [("low", "middle"), ("middle", "high"), ("low", "high")]
)
def test_the_fine_scan_lies_where_the_stage_was_told_within_its_errors(coarse, fine):
    scans = Magnifications(
        "seed", coarse, fine, columns=(112, 128, 128), place=(-10, 4, 2), shift=0, turn=0, scale=0
    )
    middle = apply(inverse(map_between(scans, 3)), np.full((3, 1), 127 / 2))[:, 0]
    steps = {("low", "middle"): 1, ("middle", "high"): 1, ("low", "high"): 1 + 1 / 3}
    side = scans.side(coarse)
    place = np.array([-10, 4, 2]) * steps[coarse, fine]
    np.testing.assert_allclose(middle, (side - 1) / 2 + place, atol=1e-9)
    found = poses(scans, 3)
    assert found["truth"] is found["coarse"]
    # Negative control: with its errors the stage misses, and each specimen is missed anew.
    wrong = [map_between(Magnifications("seed", coarse, fine), n) for n in (3, 4)]
    assert np.abs(wrong[0] - wrong[1]).max() > 1


def test_pores_that_only_the_high_scan_shows_are_there_where_it_looks():
    few = {"columns": (64, 40, 48), "most": 40}
    without = specimen_table(Magnifications("seed", **few), 1)
    with_ = specimen_table(Magnifications("seed", "middle", "high", **few), 1)
    assert len(with_) > len(without)


def test_the_error_of_a_map_is_its_distance_over_the_field():
    true = np.column_stack([3 * np.eye(3), [-90.0, -80, -70]])
    assert max(map_error(true, true, (64, 64, 64))) < 1e-12
    moved = true + np.column_stack([np.zeros((3, 3)), [0.3, 0, 0.4]])
    np.testing.assert_allclose(map_error(moved, true, (64, 64, 64)), 0.5)
    # A scale that is 1 % off about the middle: .01 r, over a cylinder as high as it is wide.
    middle = np.full(3, 31.5)
    scaled = np.column_stack([1.01 * true[:, :3], 1.01 * (true[:, 3] - middle) + middle])
    rms, most = map_error(scaled, true, (64, 64, 64))
    assert rms == pytest.approx(0.01 * np.sqrt(32**2 / 2 + 63**2 / 12), rel=0.05)
    assert most == pytest.approx(0.01 * np.hypot(32, 31.5), rel=0.05)


# ------------------------------------------------------------------------------ what is judged


def cube(side, voxel=3.0):
    start = -(side - 1) / 2 * voxel
    data = np.arange(side**3, dtype=np.float32).reshape((side,) * 3)
    return Volume(data, Grid((side,) * 3, (voxel,) * 3, (start,) * 3, "um"))


def test_the_judged_box_and_the_restored_field_lie_over_each_other(tmp_path):
    coarse = cube(24)
    fine = coarse.grid.refine((3, 3, 3))
    truth = Volume(np.zeros(fine.shape, np.float32), fine)
    box = [[10, 20], [8, 16], [8, 16]]
    write_judged_box(truth, tmp_path / "judged.ome.zarr", factor=3, box=box)
    judged = open_volume(tmp_path / "judged.ome.zarr")
    part = truth.crop((slice(27, 66), slice(0, 72), slice(0, 72)))  # from coarse slice 9 on
    write_judged_box(part, tmp_path / "again.ome.zarr", factor=3, box=box, first=9)
    assert open_volume(tmp_path / "again.ome.zarr").grid == judged.grid
    assert judged.grid.shape == (30, 24, 24)
    assert judged.read().all()
    pair = Volume(
        coarse.data[2:7, 9:18, 4:9], coarse.grid.crop((slice(2, 7), slice(9, 18), slice(4, 9)))
    )
    for given, first, shape in ((None, (8, 7, 7), (14, 10, 10)), (pair, (0, 7, 3), (22, 12, 14))):
        path = tmp_path / f"{given is None}.ome.zarr"
        write_field(coarse, path, box=box, reach=(2, 1, 1), pair=given)
        field = open_volume(path)
        assert field.grid.shape == shape
        part = tuple(slice(a, a + n) for a, n in zip(first, shape, strict=True))
        np.testing.assert_array_equal(field.read(), coarse.data[part])
        # What is judged lies within what is restored, voxel on voxel.
        restored = Volume(np.zeros([3 * n for n in shape], np.uint8), field.grid.refine((3, 3, 3)))
        assert restored.within(judged.grid).grid == judged.grid


@pytest.mark.parametrize(
    ("box", "words"),
    [([[10, 30], [8, 16], [8, 16]], "24 x 24 x 24"), ([[10, 14], [8, 16], [8, 16]], "8 and more")],
)
def test_a_box_that_is_none_is_refused(tmp_path, box, words):
    fine = cube(24).grid.refine((3, 3, 3))
    with pytest.raises(AcuityError, match=words):
        write_judged_box(
            Volume(np.zeros(fine.shape, np.float32), fine), tmp_path / "judged", factor=3, box=box
        )
    assert not list(tmp_path.iterdir())


def test_the_dose_that_gives_an_error():
    doses, errors = [1, 4, 16], [0.4, 0.2, 0.1]
    assert equivalent(0.5, doses, errors) == 1
    assert equivalent(0.2, doses, errors) == pytest.approx(4)
    assert equivalent(0.3, doses, errors) == pytest.approx(2)
    assert equivalent(0.05, doses, errors) == np.inf


def test_the_volume_of_pores_adds_up_by_size():
    at, total = cumulative([3.0, 1.0, 2.0], [30.0, 1.0, 8.0])
    assert at.tolist() == [1, 2, 3]
    assert total.tolist() == [1, 9, 39]


def test_the_figure_of_pore_volumes_has_a_panel_a_level(tmp_path):
    words = Words(unit="um")
    rows = [("truth", None), ("cubic", 3.0), ("cubic", 9.0)]
    table = pd.DataFrame(
        [(m, n, d, d**3) for m, n in rows for d in (2.0, 5.0)],
        columns=["method", "level", "diameter", "volume"],
    )
    plot = PoreVolumes().plot(pores=table, words=words)
    assert len(plot.panels) == 2
    assert [file.suffix for file in plot.save(tmp_path)]
    # Negative control: without a truth there is nothing to compare with.
    assert not PoreVolumes().plot(pores=table[table["method"] != "truth"], words=words).panels
    assert not PoreVolumes().plot(pores=None, words=words).panels

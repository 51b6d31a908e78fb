"""Pairs of volumes: grids, the one resampling, what is learned from and what is judged."""

import numpy as np
import pytest

from acuity.errors import AcuityError
from acuity.pair.blocks import Block, parse_block
from acuity.pair.division import divide_pair, learned_beside
from acuity.pair.grids import (
    FieldOfView,
    apply,
    fine_matrix,
    inverse,
    largest_box,
    low_places,
    overlap,
)
from acuity.pair.inputs import check_volumes
from acuity.pair.judge import fit_grey, judge_part
from acuity.pair.place import recorded_place, stated_place
from acuity.pair.resample import Resampler
from acuity.segment.segment import stated_threshold
from acuity.study.study import Study
from acuity.volume import Grid, Volume, open_volume, write_volume


def generator(seed):
    return np.random.Generator(np.random.Philox(seed))


def turned(angle, scale, shift):
    """A map (3, 4): turned about z, scaled, moved."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = scale * np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.column_stack([matrix, shift])


def wave(points):
    z, y, x = points
    return 100 + 20 * np.sin(0.11 * z + 0.3) + 15 * np.cos(0.09 * y - 0.05 * x)


# ---- grids


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_low_voxel_and_the_fine_ones_under_it_have_one_centre(factor):
    places = low_places(7, 5 * factor, factor)
    assert places[0] == pytest.approx(7 - (factor - 1) / 2 / factor)
    np.testing.assert_allclose(places.reshape(5, factor).mean(axis=1), 7 + np.arange(5), atol=1e-12)
    grid = Grid((20, 20, 20), (6.0,) * 3).crop([slice(7, 12)] * 3)
    fine = grid.refine((factor,) * 3)
    np.testing.assert_allclose(fine.origin[0] + np.arange(5 * factor) * fine.spacing[0], places * 6)


def test_the_fine_map_is_the_low_one_at_the_same_places():
    matrix = turned(0.2, 2.8, (3.0, -4.0, 5.0))
    first, factor = (4, 5, 6), 3
    voxels = generator(1).integers(0, 30, (3, 50)).astype(float)
    places = np.reshape(first, (3, 1)) + (voxels - 1) / 3
    np.testing.assert_allclose(
        apply(fine_matrix(matrix, first, factor), voxels), apply(matrix, places), atol=1e-10
    )
    np.testing.assert_allclose(apply(inverse(matrix), apply(matrix, places)), places, atol=1e-10)


def test_the_part_of_the_low_volume_in_which_the_high_one_lies():
    # A high voxel q lies at (q - 1) / 3 + 4: the first one's low voxel is 4.
    matrix = turned(0, 3.0, (-11.0, -11.0, -11.0))
    box = overlap(matrix, (40, 40, 12), (30, 36, 90), "pair")
    assert box == (slice(4, 14), slice(4, 16), slice(4, 12))
    with pytest.raises(AcuityError, match="beyond the low one along z"):
        overlap(matrix, (4, 40, 40), (30, 30, 30), "pair")


def test_the_field_of_view_is_a_box_or_a_cylinder_less_a_margin():
    points = np.array([[0.0, 0.0, 0.0], [10, 10, 10], [-0.4, 10, 10], [10, 0, 0]]).T
    box = FieldOfView((21, 21, 21), 0, cylinder=False)
    assert box.inside(points).tolist() == [True, True, True, True]
    assert FieldOfView((21, 21, 21), 1, cylinder=False).inside(points).tolist() == [
        False,
        True,
        False,
        False,
    ]
    # The corner along z is no part of the cylinder.
    assert FieldOfView((21, 21, 21), 0, cylinder=True).inside(points).tolist() == [
        False,
        True,
        True,
        False,
    ]


def test_the_largest_box_of_a_cylinder_is_about_its_inscribed_one():
    y, x = np.mgrid[:40, :40] - 19.5
    mask = np.broadcast_to(y**2 + x**2 <= 19**2, (12, 40, 40)).copy()
    mask[0, 20, 20] = False
    box = largest_box(mask)
    assert mask[box].all()
    sizes = [part.stop - part.start for part in box]
    assert sizes[0] == 11
    assert np.prod(sizes[1:]) >= 0.9 * 2 * 19**2
    assert largest_box(np.zeros((3, 3, 3), bool)) == (slice(0, 0),) * 3


# ---- the one resampling


@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_the_high_volume_is_sampled_where_the_map_says(angle):
    matrix = turned(angle, 3.0, (1.0, 4.0, -3.0))
    at = np.indices((40, 60, 60)).astype(float)
    high = Volume(wave(at).astype(np.float32), Grid(at.shape[1:], (1.0,) * 3))
    box = (slice(1, 12), slice(2, 17), slice(2, 15))
    field = FieldOfView(high.grid.shape, 3, cylinder=False)
    resampler = Resampler(high, matrix, box, 3, field)
    values, inside = (
        np.concatenate(parts)
        for parts in zip(*((v, i) for _, v, i in resampler.slabs(32)), strict=True)
    )
    places = np.meshgrid(
        *(low_places(b.start, 3 * (b.stop - b.start), 3) for b in box), indexing="ij"
    )
    q = apply(matrix, np.array(places))
    assert inside.mean() > 0.3
    np.testing.assert_allclose(values[inside], wave(q)[inside], atol=0.02)
    assert (values[~inside] == 0).all()
    # Whatever the slabs: the spline depends on nothing farther off than they see.
    again = np.concatenate([v for _, v, _ in resampler.slabs(5)])
    np.testing.assert_allclose(again, values, atol=1e-3)
    # Negative control: half a voxel off is seen.
    assert np.abs(values[inside] - wave(q + 0.5)[inside]).max() > 0.5


def test_finer_voxels_are_blurred_by_the_variance_of_binning():
    high = Volume(np.zeros((30, 30, 30), np.float32), Grid((30,) * 3, (1.0,) * 3))
    field = FieldOfView((30,) * 3, 0, cylinder=False)
    box = (slice(0, 5),) * 3
    assert Resampler(high, turned(0.3, 6.0, (0, 0, 0)), box, 3, field).blur == pytest.approx(0.5)
    assert not Resampler(high, turned(0.0, 2.8, (0, 0, 0)), box, 3, field).blur.any()


# ---- what is a pair


def volume(size, shape=(30, 30, 30)):
    return Volume(np.zeros(shape, np.uint8), Grid(shape, np.broadcast_to(size, 3), unit="um"))


def test_the_factor_is_the_whole_number_nearest_to_the_ratio():
    assert check_volumes(volume(1.0), volume(2.8), 3, "pair") == pytest.approx(2.8)
    for low, level, words in (
        (2.8, 2, "the level 3, found the level 2"),
        (1.02, 2, "one magnification"),
        (0.5, 2, "swapped"),
        ((3.0, 3.0, 2.0), 3, "a whole number"),
    ):
        with pytest.raises(AcuityError, match=words):
            check_volumes(volume(1.0), volume(low), level, "pair")


# ---- where the search begins


def test_a_place_is_a_length_or_counted_in_voxels():
    low = Grid((40, 50, 60), (4.0, 4.0, 4.0), unit="um")
    for text in ("80 100.8 0.12 mm", "10 20 200 voxel", "10 20 um", "10 um", "here", "1 2 3"):
        with pytest.raises(AcuityError, match="place"):
            stated_place(text, low, "place")
    for text in ("80 0.1 120 um", "20 .025 30 voxel", "0.08,0.0001,0.12 mm", "20 .025 30 Voxels"):
        assert stated_place(text, low, "place") == pytest.approx((19.5, -0.475, 29.5))


def test_files_that_tell_their_positions_say_where_the_search_begins():
    def at(origin, shape=(20, 20, 20), size=2.0, unit="um"):
        return Volume(np.zeros(shape, np.uint8), Grid(shape, (size,) * 3, origin, unit))

    low = at((100.0, 100.0, 100.0))
    # The middle of 9 voxels of 1 um, the first at 110 um, is 114 um: low voxel 7.
    high = at((0.11, 0.11, 0.11), (9, 9, 9), 0.001, "mm")
    assert recorded_place(low, high) == pytest.approx((7, 7, 7))
    assert recorded_place(at((0.0, 0.0, 0.0)), high) is None
    assert recorded_place(low, at((900.0, 900.0, 900.0))) is None


# ---- what is learned from, and what is judged


def test_slices_are_read_as_people_write_them():
    assert parse_block(" x 100:140") == Block(2, 100, 140)
    assert str(Block(0, 3, 9)) == "z 3:9"
    for text in ("100:140", "x 5:5", "w 1:2", "x 1:2,y 3:4"):
        with pytest.raises(AcuityError, match="an axis with the first slice"):
            parse_block(text)


def test_the_gap_is_a_receptive_field_and_never_more_than_half():
    assert learned_beside(Block(2, 75, 100), 100, 10) == (Block(2, 0, 65), 10)
    assert learned_beside(Block(2, 0, 20), 100, 10) == (Block(2, 30, 100), 10)
    assert learned_beside(Block(2, 75, 100), 100, 60) == (Block(2, 0, 38), 37)


@pytest.fixture
def registered(tmp_path):
    """A pair as it is written: low voxels from 5 on along x, the fine scan unknown in one corner."""
    low = Grid((12, 12, 60), (3.0,) * 3).crop([slice(0, 12), slice(0, 12), slice(5, 53)])
    step = {"step": "pair", "low_crop": [0, 0, 5, 12, 12, 48]}
    valid = np.ones((24, 24, 96), np.uint8)
    valid[:4] = 0
    valid[:, :, -1] = 0
    write_volume(tmp_path / "low.ome.zarr", Volume(np.ones(low.shape, np.uint8), low, "", (step,)))
    write_volume(tmp_path / "valid.ome.zarr", Volume(valid, low.refine((2, 2, 2))))
    return tmp_path


def divided(folder, **settings):
    paths = [str(folder / f"{name}.ome.zarr") for name in ("low", "valid", "learned", "judged")]
    told = divide_pair(*paths[:2], tuple(paths[2:]), factor=2, name="a", **settings)
    return told, *map(open_volume, paths[2:])


def test_some_slices_are_learned_from_and_others_judged(registered):
    told, learned, judged = divided(registered, divided=True, held_out="x 40:60", learned="x 0:30")
    assert told["held_out"] == "x 40:53"  # what the pair has of them
    assert told["learned"] == "x 5:30"
    assert told["gap"] == 10
    assert learned.grid.shape == (24, 24, 50)
    assert (learned.read()[:4] == 0).all()
    assert (learned.read()[4:] == 1).all()
    # A box of whole low voxels in which the fine scan is known.
    assert judged.grid.shape == (20, 24, 24)
    assert (judged.read() == 1).all()
    shared = learned.grid.origin[2] + learned.grid.shape[2] * 1.5
    assert shared < judged.grid.origin[2]
    assert judged.provenance[-1]["held_out"] == "x 40:53"


def test_a_quarter_of_the_longest_axis_is_held_out_behind_a_gap(registered):
    told, learned, judged = divided(registered, divided=True, reach=(3, 3, 6))
    assert told == {
        "step": "divide_pair",
        "held_out": "x 41:53",
        "learned": "x 5:35",
        "gap": 6,
        "reach": 6,
    }
    assert learned.grid.shape[2] == 60
    assert judged.grid.shape[2] == 22


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"held_out": "x 80:90"}, "the fine scan covers the slices 5:53"),
        ({"held_out": "z 0:4", "learned": "z 6:12"}, "left to be judged"),
        ({"held_out": "x 10:53", "learned": "x 5:6"}, "nothing is left to learn from"),
    ],
)
def test_what_cannot_be_divided_leaves_nothing(registered, settings, words):
    with pytest.raises(AcuityError, match=words):
        divided(registered, divided=True, **settings)
    assert not (registered / "learned.ome.zarr").exists()
    assert not (registered / "judged.ome.zarr").exists()


# ---- grey values


def test_gain_and_offset_are_those_of_least_squares():
    one = generator(2).normal(100, 30, 5000)
    other = 1.7 * one - 40 + generator(3).normal(0, 5, 5000)
    found = fit_grey(iter([(one[:1000], other[:1000]), (one[1000:], other[1000:])]))
    gain, offset = np.polyfit(one, other, 1)
    assert (found.gain, found.offset) == pytest.approx((gain, offset), rel=1e-9)
    assert found.correlation == pytest.approx(np.corrcoef(one, other)[0, 1])
    assert found.voxels == 5000
    with pytest.raises(AcuityError, match="constant where models learn"):
        fit_grey(iter([(np.full(9, 3.0), np.arange(9.0))]))


def written(path, values, first=(0, 0, 0), *more):
    grid = Grid((24, 24, 24), (1.0,) * 3, unit="um").crop(
        [slice(a, a + n) for a, n in zip(first, values.shape, strict=True)]
    )
    write_volume(path, Volume(values, grid, "grey", more))
    return str(path)


def judged_by(tmp_path, high, restored):
    learned = written(tmp_path / "learned.ome.zarr", np.ones((24, 24, 10), np.uint8))
    part = written(tmp_path / "part.ome.zarr", np.ones((8, 8, 8), np.uint8), (2, 2, 14))
    fine = written(tmp_path / "high.ome.zarr", high)
    image = written(tmp_path / "image.ome.zarr", restored, (0, 0, 0), {"warnings": ["w"]})
    for name, source, fitted in (("truth", fine, []), ("out", image, [image])):
        output = tmp_path / f"{name}.ome.zarr"
        judge_part(part, source, output, fitted=fitted, high=[fine], learned=[learned])
    return [open_volume(tmp_path / f"{name}.ome.zarr") for name in ("truth", "out")]


def test_an_image_is_judged_by_a_map_of_where_models_learn(tmp_path):
    high = generator(4).normal(100, 20, (24, 24, 24)).astype(np.float32)
    high[generator(5).random(high.shape) < 0.3] -= 80
    restored = (0.5 * high + 7).astype(np.float32)
    truth, out = judged_by(tmp_path, high, restored)
    np.testing.assert_allclose(out.read(), high[2:10, 2:10, 14:22], atol=1e-3)
    np.testing.assert_array_equal(truth.read(), high[2:10, 2:10, 14:22])
    step = out.provenance[-1]
    assert (step["gain"], step["offset"]) == pytest.approx((2.0, -14.0), abs=1e-3)
    assert step["warnings"] == ["w"]
    assert stated_threshold(out) == step["threshold"] == truth.provenance[-1]["threshold"]
    assert stated_threshold(out, 5.0) == 5.0
    least, most = step["threshold_between"]
    assert least < step["threshold"] < most
    # Negative control: what is judged has no part in gain, offset and threshold.
    high[:, :, 12:] = 3 * high[:, :, 12:] + 500
    _, other = judged_by(tmp_path, high, restored)
    kept = ("gain", "offset", "threshold", "threshold_between")
    assert [other.provenance[-1][key] for key in kept] == [step[key] for key in kept]


# ---- the section of the study


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ({"volumes": True, "patch": 64}, "patch: found in a study of pairs of volumes"),
        ({"volumes": False, "margin": 2}, "margin: found in a study of pairs of images"),
        ({"learned": "x 0:9"}, "learned: found without held_out"),
        ({"held_out": "x 3:9", "learned": "x 0:4"}, "slices of the same axis"),
        ({"held_out": "3:9"}, "an axis with the first slice"),
    ],
)
def test_what_the_section_refuses(pair, words):
    content = {"study": "p", "samples": "p.tsv", "levels": [3], "methods": {"cubic": {}}}
    with pytest.raises(ValueError, match=words):
        Study.model_validate(content | {"pair": pair})


def test_the_scale_of_volumes_is_that_of_all_axes():
    content = {"study": "p", "samples": "p.tsv", "levels": [3], "methods": {"cubic": {}}}
    scales = [
        Study.model_validate(content | {"pair": {"volumes": volumes}}).scale(3)
        for volumes in (True, False, None)
    ]
    assert scales == [(3, 3, 3), (1, 3, 3), (1, 3, 3)]


# ---- training


@pytest.fixture
def to_learn(tmp_path):
    """A pair of which the first 20 of 32 low slices along x are learned from."""
    low = generator(6).normal(100, 10, (12, 16, 32)).astype(np.float32)
    grid = Grid(low.shape, (2.0,) * 3)
    fine = low.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    mask = np.ones((24, 32, 40), np.uint8)
    mask[:2] = 0
    paths = [str(tmp_path / f"{name}.ome.zarr") for name in ("low", "high", "learned")]
    for path, values, own in zip(
        paths,
        (low, fine, mask),
        (
            grid,
            grid.refine((2, 2, 2)),
            grid.crop([slice(0, 12), slice(0, 16), slice(0, 20)]).refine((2,) * 3),
        ),
        strict=True,
    ):
        write_volume(path, Volume(values, own))
    return paths, low, fine


def test_nothing_is_read_of_what_is_held_out(to_learn):
    from acuity.methods.base import Task, load
    from acuity.train.job import TrainingFiles, TrainingJob
    from acuity.train.volumes import read_volumes

    (low, high, mask), coarse, fine = to_learn
    method = load("srcnn3d")({}, Task(2.0, (2, 2, 2)))
    job = TrainingJob("srcnn3d", {}, level=2.0, scale=(2, 2, 2), seed=1)
    files = TrainingFiles([(low, high)], "m", "c", "h", "p", [mask])
    _, (pair,) = read_volumes(job, files, method)
    np.testing.assert_array_equal(pair.target, fine[:, :, :40])
    assert pair.mask.shape == pair.target.shape
    assert not pair.mask[:2].any()
    assert pair.mask[2:].all()
    # The slices behind them are not even neighbours that an interpolation sees.
    coarse[:, :, 20:] = 1e6
    write_volume(low, Volume(coarse, open_volume(low).grid))
    _, (again,) = read_volumes(job, files, method)
    np.testing.assert_array_equal(again.low, pair.low)
    # Control: without the mask all is read.
    _, (whole,) = read_volumes(job, TrainingFiles([(low, high)], "m", "c", "h", "p"), method)
    assert whole.target.shape == fine.shape

"""The parts of registration against what they are by definition, on tiny oblong arrays.

Numbers called pins have no closed form: they are as they came out once, and a change of them is to be
looked at.
"""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.interpolate
import scipy.ndimage

from acuity.errors import AcuityError
from acuity.register import affine, elastic, place
from acuity.register.affine import apply_affine, compose, fit_affine, refine_affine, take_apart
from acuity.register.blocks import Blocks, Shifts, spread
from acuity.register.correlate import Correlator
from acuity.register.elastic import Field, refine_elastic
from acuity.register.place import find_place
from acuity.register.robust import robust_weights
from acuity.register.sampling import Sampler, rectangle
from acuity.settings import call
from tests.pairs import generator

MATRIX = np.array([[1.1, 0.2, -3.0], [-0.3, 0.9, 5.5]])


def smooth(seed, shape, sigma=2.0):
    image = scipy.ndimage.gaussian_filter(generator(seed).standard_normal(shape), sigma)
    return 100 + 20 * image / image.std()


def bspline(t, derivative=0):
    """The cubic B-spline on whole knots about 0."""
    spline = scipy.interpolate.BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    return np.nan_to_num((spline.derivative(derivative) if derivative else spline)(t))


# ---- weights of residuals


def test_tukeys_weight_of_each_residual():
    residuals = np.array([0.0, 0.5, 1.0, 2.0, 30.0])
    scale = 1.0 / 1.1774  # of the median
    expected = [(1 - min(r / (4.685 * scale), 1) ** 2) ** 2 for r in residuals]
    np.testing.assert_allclose(robust_weights(residuals), expected, rtol=1e-12)
    assert expected[3] > 0 == expected[4]


def test_residuals_without_a_weight_do_not_tell_the_scale():
    residuals = np.array([0.5, 9.0, 0.7, 9.0, 9.0, 0.9])
    base = np.array([1e-3, 0, 2, 0, 0, 1])
    expected = [(1 - min(r / (4.685 * 0.7 / 1.1774), 1) ** 2) ** 2 for r in residuals]
    np.testing.assert_allclose(robust_weights(residuals, base), expected, rtol=1e-12)


def test_the_scale_has_a_floor():
    residuals = np.array([0.0, 0.0, 0.01, 0.01, 0.05, 0.0936, 0.0938])
    for scale, given in ((0.02, {}), (0.03, {"smallest": 0.03})):
        expected = [(1 - min(r / (4.685 * scale), 1) ** 2) ** 2 for r in residuals]
        np.testing.assert_allclose(robust_weights(residuals, **given), expected, rtol=1e-12)
    assert robust_weights(residuals)[5] > 0 == robust_weights(residuals)[6]
    assert robust_weights([0.05], [0])[0] == pytest.approx((1 - (0.05 / 0.0937) ** 2) ** 2)


def test_weights_by_the_inverse_of_the_length():
    residuals = np.array([0.0, 0.01, 0.02, 0.04, 5.0])
    found = robust_weights(residuals, lengths=True)
    np.testing.assert_allclose(found, [1, 1, 1, 0.5, 0.004], rtol=1e-12)
    found = robust_weights(residuals, np.zeros(5), lengths=True, smallest=0.1)
    np.testing.assert_allclose(found, [1, 1, 1, 1, 0.02], rtol=1e-12)


# ---- affine maps


def test_a_map_of_a_point_and_of_a_raster():
    assert apply_affine(MATRIX, 2.0, 3.0).tolist() == pytest.approx([-0.2, 7.6])
    y, x = np.arange(3.0)[:, None], np.arange(4.0)[None]
    raster = apply_affine(MATRIX, y, x)
    assert raster.shape == (2, 3, 4)
    np.testing.assert_allclose(raster[0], 1.1 * y + 0.2 * x - 3, rtol=1e-12)
    np.testing.assert_allclose(raster[1], -0.3 * y + 0.9 * x + 5.5, rtol=1e-12)


def test_maps_in_their_order():
    then = np.array([[0.5, -0.1, 2.0], [0.4, 1.2, -7.0]])
    whole = np.vstack([then, [0, 0, 1]]) @ np.vstack([MATRIX, [0, 0, 1]])
    np.testing.assert_allclose(compose(MATRIX, then), whole[:2], rtol=1e-12)


def test_an_affine_map_taken_apart_and_put_together():
    rotation, shear, tall, wide = np.deg2rad(25), np.deg2rad(-4), 1.3, 0.8
    c, s = np.cos(rotation), np.sin(rotation)
    # the images of a step along y and along x, as (y, x)
    along_x = wide * np.array([s, c])
    along_y = tall * np.array(
        [c * np.cos(shear) + s * np.sin(shear), c * np.sin(shear) - s * np.cos(shear)]
    )
    parts = take_apart(np.column_stack([along_y, along_x, [9, 9]]))
    assert dataclasses.astuple(parts) == pytest.approx((tall, wide, 25, -4), rel=1e-12)
    assert parts.scale == pytest.approx(np.sqrt(tall * wide), rel=1e-12)
    with pytest.raises(dataclasses.FrozenInstanceError):
        parts.shear = 0


def fitted_affine(points, images, weights):
    """The fit, once more: rounds that minimise lengths, then Tukey's, until weights settle."""
    middle = points.mean(axis=0)
    size = np.abs(points - middle).max()
    design = np.column_stack([(points - middle) / size, np.ones(len(points))])
    used = weights
    for turn in range(20):
        normal = design.T @ (used[:, None] * design) + 1e-9 * used.sum() * np.eye(3)
        solved = np.linalg.inv(normal) @ design.T @ (used[:, None] * images)
        lengths = np.linalg.norm(images - design @ solved, axis=1)
        before, used = used, weights * robust_weights(lengths, weights, lengths=turn < 10)
        if turn > 10 and np.abs(used - before).max() < 1e-6:
            break
    linear = solved[:2].T / size
    return np.column_stack([linear, solved[2] - linear @ middle]), used, turn


@pytest.mark.parametrize(
    ("seed", "noise", "turns"),
    [(1, 2e-6, 11), (2, 0.005, 13), (3, 0.05, 19), (4, 0.5, 19), (5, 3.0, 19)],
)
def test_an_affine_fit_to_all_digits(seed, noise, turns):
    random = generator(seed)
    points = random.uniform((3, -50), (40, 200), (15, 2))
    images = apply_affine(MATRIX, *points.T).T + noise * random.standard_normal((15, 2))
    weights = random.uniform(0.2, 3, 15)
    weights[4] = 0
    images[4] += 70
    matrix, used = fit_affine(points, images, weights)
    again, kept, turn = fitted_affine(points, images, weights)
    assert turn == turns
    np.testing.assert_allclose(matrix, again, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(used, kept, rtol=1e-9, atol=1e-11)


def test_a_fit_to_less_than_it_needs_stays_finite():
    # one point, or none that counts: the least of what fits
    matrix, used = fit_affine([[3.0, 4.0]], [[5.0, 6.0]], [2.0])
    np.testing.assert_allclose(matrix, [[0, 0, 5], [0, 0, 6]], atol=1e-6)
    assert used == pytest.approx([2])
    matrix, used = fit_affine(np.eye(2), np.eye(2), np.zeros(2))
    np.testing.assert_allclose(matrix, 0, atol=1e-12)
    assert used.tolist() == [0, 0]


def pulled(shape, matrix, seed=7, noise=0.0):
    """An image and a larger one that holds it: fixed(q) = moving(matrix q)."""
    moving = smooth(seed, tuple(n + 24 for n in shape))
    y, x = np.indices(shape)
    fixed = scipy.ndimage.map_coordinates(
        moving, apply_affine(matrix, y, x), order=3, mode="mirror"
    )
    fixed += noise * generator(seed + 1).standard_normal(shape)
    return fixed.astype(np.float32), moving


NEAR = np.array([[1.02, 0.015, 9.0], [-0.01, 0.99, 14.0]])


def test_an_affine_map_found_from_blocks():
    fixed, moving = pulled((60, 83), NEAR)
    start = NEAR + [[0, 0, 1.3], [0, 0, -1.1]]
    matrix, region, found = refine_affine(
        fixed, Sampler(moving), start, bands=((1.0, 6.0), (1.0, 5.0)), counts=(2, 3)
    )
    y, x = np.mgrid[:60, :83]
    assert np.abs(apply_affine(matrix, y, x) - apply_affine(NEAR, y, x)).max() < 0.02
    assert region == (slice(0, 60), slice(0, 83))
    assert isinstance(found, Shifts)
    assert len(found.centres) == 3 * 5
    assert np.abs(found.shifts).max() < 0.02  # of the last pass
    assert found.weights.max() == pytest.approx(50, rel=0.05)
    assert found.weights.min() > 10


@pytest.fixture
def passes(monkeypatch):
    """Regions, and bands of blocks, one for each pass over them."""
    made = []
    original = Blocks.spread.__func__

    def spread(cls, region, count=None, **given):
        one = original(cls, region, count, **given)
        made.append((region, count, one.side, one.most, given["band"]))
        return one

    monkeypatch.setattr(Blocks, "spread", classmethod(spread))
    return made


def test_passes_of_an_affine_map_end_where_nothing_moves(passes):
    fixed, moving = pulled((48, 60), NEAR)
    bands = ((1.0, 6.0), (1.2, 6.0), (1.0, 5.0))
    start = NEAR + [[0, 0, 0.4], [0, 0, -0.3]]
    refine_affine(fixed, Sampler(moving), start, bands=bands, least=1e9)
    assert [(count, band) for _, count, *_, band in passes] == list(
        zip((3, 4, 5), bands, strict=True)
    )
    passes.clear()
    refine_affine(fixed, Sampler(moving), start, bands=bands[:1], counts=(1,), least=0.0)
    assert len(passes) == 8


def test_an_affine_map_is_found_to_a_hundredth_of_a_pixel(monkeypatch, passes):
    moves = iter([0.5, 0.011, 0.009, 9.0])
    monkeypatch.setattr(
        affine,
        "fit_affine",
        lambda *given: (np.eye(2, 3) + [[0, 0, next(moves)], [0, 0, 0]], given[2]),
    )
    fixed, moving = pulled((48, 60), NEAR)
    refine_affine(fixed, Sampler(moving), NEAR, bands=((1, 6),), counts=(1,))
    assert len(passes) == 3


def test_a_band_for_each_count_of_blocks():
    fixed, moving = pulled((40, 44), NEAR)
    with pytest.raises(ValueError, match="zip"):
        refine_affine(fixed, Sampler(moving), NEAR, bands=((1, 6), (1, 5)), counts=(1,))


def test_an_affine_map_moves_its_region_and_stops_at_the_corners(monkeypatch, passes):
    # What passes return is put in here, so that only how they are joined is tried. Of the region,
    # rows 0 to 48 and columns 3 to 60 after the first, each moves the corners by:
    updates = [
        [[1, 0, 2.0], [0, 1, -3.0]],
        [[1.001, 0, 0], [0, 1, 0]],  # 0.048 at the bottom
        [[1 - 0.0157 / 48, 0, 0.0157], [0, 1, 0]],  # 0.0157 at the top
        [[1, 0, 0], [0, 1 + 0.0157 / 60, 0]],  # at the right
        [[1, 0, 0], [0, 1 - 0.0157 / 60, 0.0157]],  # 0.0149 at the left, and it ends
        [[1, 0, 0], [0, 1, 1 / 64]],  # just what ends no pass
        [[1, 0, 0], [0, 1, 0.0156]],
    ]
    seen = []

    def fit(points, images, weights):
        seen.append((points.copy(), images.copy()))
        return np.array(updates[len(seen) - 1]), 0.5 * weights

    monkeypatch.setattr(affine, "fit_affine", fit)
    fixed, moving = pulled((48, 60), NEAR)
    start = np.array([[1, 0, 0.0], [0, 1, 0.0]])
    matrix, region, found = refine_affine(
        fixed, Sampler(moving), start, bands=((1, 6), (1, 5)), counts=(2, 2), least=1 / 64
    )
    assert len(seen) == len(updates)
    assert [band for *_, band in passes] == [(1, 6)] * 5 + [(1, 5)] * 2
    expected = start
    for update in updates:
        expected = compose(update, expected)
    np.testing.assert_allclose(matrix, expected, rtol=1e-12)
    # columns before the third lie beyond the moving image
    assert region == (slice(0, 48), slice(3, 60))
    points, images = seen[-1]
    np.testing.assert_allclose(found.centres, points)
    np.testing.assert_allclose(found.shifts, images - points, atol=1e-12)
    square = found.ncc**2
    np.testing.assert_allclose(found.weights, 0.5 * square / (1.02 - square))
    assert points.min(axis=0).tolist() == [15.5, 18.5]  # blocks of 38 x 38, and of 32


# ---- sampling


def test_a_sampler_blurs_first_along_either_axis():
    image = smooth(11, (21, 34), 1.0)
    y, x = generator(12).uniform((-3, -4), (24, 38), (60, 2)).T
    for blur, sigma in (
        (0.0, (0, 0)),
        ((0.0, 1.5), (0, 1.5)),
        ((1.5, 0), (1.5, 0)),
        (0.8, (0.8, 0.8)),
    ):
        blurred = scipy.ndimage.gaussian_filter(image, sigma, mode="reflect")
        expected = scipy.ndimage.map_coordinates(blurred, (y, x), order=3, mode="mirror")
        sampler = Sampler(image.astype(np.float32), blur)
        np.testing.assert_allclose(sampler.at(y, x), expected, rtol=2e-5)
    assert sampler.at(y, x).dtype == np.float32
    assert sampler.shape == (21, 34)
    np.testing.assert_allclose(
        Sampler(image).at(y, x),
        scipy.ndimage.map_coordinates(image, (y, x), order=3, mode="mirror"),
        rtol=2e-5,
    )


def test_inside_ends_at_the_centres_of_the_outermost_pixels():
    sampler = Sampler(np.zeros((5, 9)))
    y = np.array([0, -0.01, 4, 4.01, 2, 2, 2, 2, 0, 4])
    x = np.array([0, 3, 8, 3, 0, -0.01, 8, 8.01, 8, 0])
    inside = [True, False, True, False, True, False, True, False, True, True]
    assert sampler.inside(y, x).tolist() == inside


def test_places_of_a_raster_through_field_and_map():
    field = Field((-2.0, 1.0), (3.0, 4.5), generator(13).standard_normal((2, 7, 8)))
    sampler = Sampler(smooth(14, (40, 50)))
    y, x = np.arange(2, 9), np.arange(4, 15)
    np.testing.assert_allclose(
        sampler.places(MATRIX, y, x), apply_affine(MATRIX, y[:, None], x[None]), rtol=1e-12
    )
    dy, dx = field.on(y, x)
    expected = apply_affine(MATRIX, y[:, None] + dy, x[None] + dx)
    np.testing.assert_allclose(sampler.places(MATRIX, y, x, field), expected, rtol=1e-12)
    warped = sampler.warped(MATRIX, (slice(2, 9), slice(4, 15)), field)
    np.testing.assert_array_equal(warped, sampler.at(*expected))


def test_a_region_with_a_field():
    sampler = Sampler(np.zeros((50, 60)))
    still = np.array([[1.0, 0, -4], [0, 1.0, -7]])
    assert sampler.region(still, (49, 65)) == (slice(4, 49), slice(7, 65))
    moved = Field((0.0, 0.0), (30.0, 30.0), np.stack([np.full((6, 6), -2.5), np.full((6, 6), 3.0)]))
    assert sampler.region(still, (49, 65), moved) == (slice(7, 49), slice(4, 64))


def test_the_worst_side_goes_first():
    mask = np.ones((40, 50), bool)
    mask[:, -2:] = False  # whole columns
    mask[0, 5:30] = False
    mask[-1, 7:20] = False
    mask[3:20, 0] = False
    assert rectangle(mask) == (slice(1, 39), slice(1, 48))
    mask = np.zeros((60, 70), bool)
    mask[10:47, 20:58] = True
    mask[9, 25] = True  # lonely, and it goes
    assert rectangle(mask) == (slice(10, 47), slice(20, 58))
    mask[46, 20:38] = False  # half a row
    mask[30:46, 57] = False  # less than half a column
    assert rectangle(mask) == (slice(10, 46), slice(20, 57))


def peeled(mask):
    """The same, sums taken anew each time."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    while not mask[y0:y1, x0:x1].all():
        box = mask[y0:y1, x0:x1]
        missing = [1 - side.mean() for side in (box[0], box[-1], box[:, 0], box[:, -1])]
        worst = missing.index(max(missing))
        y0, y1, x0, x1 = y0 + (worst == 0), y1 - (worst == 1), x0 + (worst == 2), x1 - (worst == 3)
    return slice(y0, y1), slice(x0, x1)


def test_a_rectangle_is_what_is_left_after_the_worst_sides():
    y, x = np.mgrid[:61, :83]
    for a, b, c, d in generator(15).uniform(-0.07, 0.07, (12, 4)):
        mask = (y + a * x > 8) & (y + b * x < 52) & (x + c * y > 9) & (x + d * y < 74)
        assert rectangle(mask) == peeled(mask)


def test_the_least_rectangle():
    mask = np.zeros((40, 50), bool)
    mask[2:34, 3:35] = True
    assert rectangle(mask) == (slice(2, 34), slice(3, 35))
    for y, x, size in (
        (slice(2, 33), slice(3, 40), "31 x 37"),
        (slice(2, 38), slice(3, 34), "36 x 31"),
    ):
        mask = np.zeros((40, 50), bool)
        mask[y, x] = True
        with pytest.raises(AcuityError) as error:
            rectangle(mask)
        assert str(error.value) == (
            f"register: the two images have {size} pixels in common; at least 32 x 32 are needed"
        )
    mask = np.eye(45, dtype=bool)  # no rectangle at all
    with pytest.raises(AcuityError, match="have 1 x 1 pixels"):
        rectangle(mask)
    assert type(rectangle(np.ones((33, 32)) > 0)[0].stop) is int


# ---- blocks


@pytest.mark.parametrize(
    ("size", "side", "step", "starts"),
    [
        (100, 40, 30, [0, 30, 60]),
        (100, 40, 29.9, [0, 20, 40, 60]),
        (41, 40, 20, [0, 1]),
        (40, 40, 20, [0]),
        (39, 40, 20, [0]),
        (47, 20, 10, [0, 9, 18, 27]),
        (45, 20, 11, [0, 8, 17, 25]),
    ],
)
def test_parts_of_a_length(size, side, step, starts):
    found = spread(size, side, step)
    assert found.dtype == int
    assert found.tolist() == [starts[0], *starts[1:-1], size - side][: len(starts)] or size <= side
    assert found.tolist() == (starts if size >= side else found.tolist())
    assert len(found) == len(starts)


def test_sides_of_blocks():
    region = (slice(5, 65), slice(-3, 87))
    made = Blocks.spread(region, 4, band=(1, 6))
    assert (made.side, made.most) == (24, 6)  # 2 * 60 // 5
    assert made.rows.tolist() == [5, 17, 29, 41]
    assert made.columns.tolist() == [-3, 8, 19, 30, 41, 52, 63]
    assert Blocks.spread(region, 20, band=(1, 6)).side == 16
    made = Blocks.spread(region, side=30, step=20, band=(1, 6), most=3.5)
    assert (made.side, made.most) == (30, 3.5)
    assert made.rows.tolist() == [5, 20, 35]
    assert made.columns.tolist() == [-3, 17, 37, 57]
    made = Blocks.spread((slice(0, 90), slice(0, 40)), side=70, band=(1, 6))
    assert (made.side, made.rows.tolist(), made.columns.tolist()) == (40, [0, 17, 33, 50], [0])
    assert Blocks.spread((slice(0, 16), slice(0, 40)), 9, band=(1, 6)).side == 16
    with pytest.raises(AcuityError) as error:
        Blocks.spread((slice(0, 15), slice(3, 40)), 9, band=(1, 6))
    assert str(error.value) == "register: a region of 15 x 37 pixels holds no block of 16 x 16"
    with pytest.raises(AcuityError, match="no block"):
        Blocks.spread(region, side=15, band=(1, 6))


def test_blocks_measure_what_the_correlator_does_on_each():
    band, side, origin = (1.1, 4.0), 19, (7, -4)
    fixed, moving = smooth(21, (39, 53))[:37, :52], smooth(21, (39, 53))[2:, 1:]
    moving = moving + 20 * generator(22).standard_normal(moving.shape)
    made = Blocks([7, 16, 25], [-4, 10, 29], side, band=band, most=2.5)
    found = made.shifts(fixed, moving, origin)
    one = Correlator((19, 19), low=1.1, high=4.0, taper=(0.5, 0.5), drop_streaks=0)
    low, high = (scipy.ndimage.gaussian_filter(fixed, s, mode="reflect") for s in band)
    gradient = np.gradient(low - high)
    hann = np.sin(np.pi * np.arange(1, 20) / 20) ** 2
    window = np.outer(hann, hann) ** 2
    left_out = 0
    for n, (row, column) in enumerate(itertools.product((7, 16, 25), (-4, 10, 29))):
        box = slice(row - 7, row + 12), slice(column + 4, column + 23)
        shift = one.shift(one.spectrum(fixed[box]), one.spectrum(moving[box]), most=2.5)
        expected = (shift.dy, shift.dx, shift.ncc)
        if shift.sign < 0 or max(np.abs(expected[:2])) > 2.5:
            expected, left_out = (0, 0, 0), left_out + 1
        np.testing.assert_allclose(found.centres[n], (row + 9, column + 9))
        np.testing.assert_allclose((*found.shifts[n], found.ncc[n]), expected, rtol=1e-12)
        assert found.weights[n] == pytest.approx(expected[2] ** 2 / (1.02 - expected[2] ** 2))
        square = (window * (low - high)[box] ** 2).sum()
        for i, j in itertools.product((0, 1), (0, 1)):
            mean = (window * gradient[i][box] * gradient[j][box]).sum() / square
            assert found.tensors[n, i, j] == pytest.approx(mean, rel=2e-3, abs=1e-4)
    assert 0 < left_out < 9
    faint = made.shifts(1e-3 * fixed, 1e-3 * moving, origin)
    np.testing.assert_allclose(faint.tensors, found.tensors, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(faint.weights, found.weights, rtol=1e-2)
    assert found.weighed(np.arange(9)).weights.tolist() == list(range(9))
    assert found.weighed(np.arange(9)).ncc is found.ncc
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.ncc = 0


def test_blocks_of_one_grey_value_tell_nothing():
    blank = np.full((30, 40), 7.0)
    found = Blocks([0, 12], [3, 20], 18, band=(1, 6)).shifts(blank, blank)
    for one in (found.shifts, found.ncc, found.weights, found.tensors):
        np.testing.assert_array_equal(one, 0)


def test_a_block_counts_up_to_the_largest_shift(monkeypatch):
    from acuity.register.correlate import Shift

    image = smooth(23, (18, 18))
    cases = [
        (Shift(2.5, -1.0, 0.5, 1), (2.5, -1.0, 0.5)),
        (Shift(-2.5, 2.5, 0.5, 1), (-2.5, 2.5, 0.5)),
        (Shift(2.51, 0.0, 0.5, 1), (0, 0, 0)),
        (Shift(0.0, -2.51, 0.5, 1), (0, 0, 0)),
        (Shift(1.0, 1.0, 0.5, -1), (0, 0, 0)),
        (Shift(1.0, 1.0, 0.5, 0), (0, 0, 0)),
        (Shift(0.1, -0.2, 0.999, 1), (0.1, -0.2, 0.999)),
    ]
    for shift, expected in cases:
        monkeypatch.setattr(Correlator, "shift", lambda *_, found=shift, **__: found)
        found = Blocks([0], [0], 18, band=(1, 6), most=2.5).shifts(image, image)
        assert (*found.shifts[0], found.ncc[0]) == expected
        assert found.weights[0] == pytest.approx(expected[2] ** 2 / (1.02 - expected[2] ** 2))


# ---- fields


def test_a_field_over_a_region():
    field = Field.over((slice(3, 20), slice(5, 40)), 4.5)
    assert field.step == (4.0, 4.25)
    assert field.origin == (-1.0, 0.75)
    assert field.coefficients.shape == (2, 7, 11)
    assert not field.coefficients.any()
    np.testing.assert_allclose(field.nodes[0], [-1, 3, 7, 11, 15, 19, 23])
    np.testing.assert_allclose(field.nodes[1], 0.75 + 4.25 * np.arange(11))
    assert Field.over((slice(3, 20), slice(5, 40)), 16).step == (16, 34 / 3)
    assert Field.over((slice(3, 20), slice(5, 40)), 100).step == (16, 34)
    assert Field.over((slice(3, 4), slice(5, 10)), 4).step == (0, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        field.step = (1, 1)
    with pytest.raises(ValueError, match="zip"):
        _ = dataclasses.replace(field, origin=(0.0, 0.0, 0.0)).nodes


FIELD = Field((-2.0, 1.5), (3.0, 4.5), generator(31).standard_normal((2, 7, 9)))


def expected_field(y, x, dy=0, dx=0):
    """Sums of splines at points that lie between the nodes but one at either end."""
    along = [
        bspline((p[..., None] - o) / s - np.arange(n), d) / s**d
        for p, o, s, n, d in zip((y, x), FIELD.origin, FIELD.step, (7, 9), (dy, dx), strict=True)
    ]
    return np.einsum("cij,...i,...j->c...", FIELD.coefficients, *along)


def test_a_field_is_a_sum_of_splines():
    y = np.array([1.0, 1.5, 4, 6.2, 11, 12.7, 13])  # the first and the last on nodes
    x = np.array([6.0, 7.1, 10.5, 19.5, 22.25, 31, 32.9, 33])
    expected = expected_field(*np.meshgrid(y, x, indexing="ij"))
    np.testing.assert_allclose(FIELD.on(y, x), expected, rtol=1e-12, atol=1e-13)
    points = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(FIELD.at(points), expected.reshape(2, -1).T, rtol=1e-12, atol=1e-13)


def test_a_field_goes_on_as_at_its_border():
    y, x = np.array([-50.0, 0.9, 5, 13.1, 99]), np.array([-9.0, 5.9, 20, 33.1, 80])
    near = [np.clip(y, 1, 13), np.clip(x, 6, 33)]
    np.testing.assert_allclose(FIELD.on(y, x), FIELD.on(*near), rtol=1e-12)
    np.testing.assert_allclose(
        FIELD.at(np.stack([y, x], 1)), FIELD.at(np.stack(near, 1)), rtol=1e-12
    )


def test_the_jacobian_of_a_field_with_shear():
    y, x = np.linspace(1, 13, 8), np.linspace(6, 33, 11)
    raster = np.meshgrid(y, x, indexing="ij")
    (yy, xy), (yx, xx) = expected_field(*raster, dy=1), expected_field(*raster, dx=1)
    determinant = [
        [np.linalg.det([[1 + yy[i, j], yx[i, j]], [xy[i, j], 1 + xx[i, j]]]) for j in range(11)]
        for i in range(8)
    ]
    assert np.abs(yx * xy).max() > 0.05
    np.testing.assert_allclose(FIELD.jacobian(y, x), determinant, rtol=1e-10, atol=1e-12)


def bending(c):
    """Sum of squared second differences, the mixed one twice."""
    mixed = np.diff(np.diff(c, axis=0), axis=1)
    return (
        (np.diff(c, 2, axis=0) ** 2).sum()
        + (np.diff(c, 2, axis=1) ** 2).sum()
        + 2 * (mixed**2).sum()
    )


def test_bending_energy():
    matrix = FIELD._bending().toarray()
    for c in FIELD.coefficients:
        assert c.ravel() @ matrix @ c.ravel() == pytest.approx(bending(c), rel=1e-12)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12)


def fitted_field(field, points, values, weights, tensors, smoothness, smallest):
    """The fit once more, dense: coefficients, weights and the last turn."""
    count = field.coefficients[0].size
    design = np.stack(
        [
            np.outer(
                *(
                    bspline((p - o) / s - np.arange(n))
                    for p, o, s, n in zip(
                        point, field.origin, field.step, field.coefficients.shape[1:], strict=True
                    )
                )
            ).ravel()
            for point in points
        ]
    )
    unit = np.eye(count).reshape(count, *field.coefficients.shape[1:])
    differences = [
        np.diff(unit, 2, axis=1),
        np.diff(unit, 2, axis=2),
        np.sqrt(2) * np.diff(np.diff(unit, axis=1), axis=2),
    ]
    rough = np.concatenate([d.reshape(count, -1) for d in differences], axis=1)
    penalty = smoothness * rough @ rough.T + 1e-6 * np.eye(count)
    traces = np.trace(tensors, axis1=1, axis2=2) / 2
    own = np.divide(
        tensors, traces[:, None, None], where=traces[:, None, None] > 0, out=np.zeros_like(tensors)
    )
    told = tensors / (np.sum(traces * (weights + 1e-12)) / np.sum(weights + 1e-12))
    used = weights
    for turn in range(12):
        w = told * used[:, None, None]
        normal = np.block(
            [[design.T @ (w[:, i, j, None] * design) for j in (0, 1)] for i in (0, 1)]
        )
        normal += np.kron(np.eye(2), penalty)
        right = np.einsum("np,nij,nj->ip", design, w, values).ravel()
        solved = np.linalg.solve(normal, right).reshape(2, -1)
        rest = values - design @ solved.T
        lengths = np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", rest, own, rest), 0))
        before = used
        used = weights * robust_weights(lengths, weights, lengths=turn < 3, smallest=smallest)
        if turn > 3 and np.abs(used - before).max() < 1e-3 * used.max():
            break
    return solved.reshape(field.coefficients.shape), used, turn


@pytest.mark.parametrize(
    ("seed", "noise", "turns"),
    [(41, 0.004, 4), (42, 0.02, 4), (43, 0.3, 10), (44, 1.0, 11), (45, 0.15, 7)],
)
def test_a_field_fitted_to_all_digits(seed, noise, turns):
    random = generator(seed)
    points = random.uniform((1, 6), (13, 33), (40, 2))
    values = noise * random.standard_normal((40, 2)) + [0.3, -2] + 0.05 * points[:, ::-1]
    halves = random.standard_normal((40, 2, 2))
    tensors = np.einsum("nij,nkj->nik", halves, halves)
    tensors[3] = 0  # a block that tells nothing
    tensors[7] = [[1, 0], [0, -0.01]]  # as rounding may leave it: no length, and no outlier
    values[7, 1] += 2
    weights = random.uniform(0, 4, 40)
    weights[5] = 0
    zero = Field(FIELD.origin, FIELD.step, np.zeros((2, 7, 9)))
    field, used = zero.fitted(points, values, weights, tensors, 0.07, 0.1)
    coefficients, kept, turn = fitted_field(zero, points, values, weights, tensors, 0.07, 0.1)
    assert turn == turns
    np.testing.assert_allclose(field.coefficients, coefficients, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(used, kept, rtol=1e-7, atol=1e-9)
    assert (field.origin, field.step) == (FIELD.origin, FIELD.step)
    # what tensors tell is relative
    again, _ = zero.fitted(points, values, weights, 1e-3 * tensors, 0.07, 0.1)
    np.testing.assert_allclose(again.coefficients, field.coefficients, rtol=1e-6, atol=1e-7)


def test_a_field_of_which_nothing_is_told_stays_zero():
    points, values = np.array([[3.0, 10], [8, 20]]), np.ones((2, 2))
    told = np.tile(np.eye(2), (2, 1, 1))
    for weights, tensors in (([0.0, 0.0], told), ([1.0, 2.0], 0 * told)):
        field, used = FIELD.fitted(points, values, np.array(weights), tensors, 0.1, 0.1)
        np.testing.assert_array_equal(field.coefficients, 0)
        assert used.shape == (2,)
    # one point alone moves all by what it says, less what holds the field
    field, _ = FIELD.fitted(points[:1], values[:1], np.ones(1), told[:1], 0.1, 0.1)
    np.testing.assert_allclose(field.at(points[:1]), 1, atol=1e-4)


# ---- elastic registration


def bent(shape, seed, noise):
    """An image, the larger one that holds it, the map, and the displacement before it."""
    matrix = np.array([[1.01, 0.01, 7.0], [-0.01, 0.99, 9.0]])
    moving = smooth(seed, tuple(n + 16 for n in shape))
    y, x = np.indices(shape).astype(float)
    truth = np.stack([0.8 * np.sin(x / 17 + 0.3), 0.6 * np.cos(y / 13)])
    places = apply_affine(matrix, y + truth[0], x + truth[1])
    fixed = scipy.ndimage.map_coordinates(moving, places, order=3, mode="mirror")
    fixed += noise * generator(seed + 1).standard_normal(shape)
    return fixed.astype(np.float32), moving, matrix, truth


def summed(field):
    c = field.coefficients
    return [
        *c.sum(axis=(1, 2)),
        *(c**2).sum(axis=(1, 2)),
        *(np.diff(c, axis=1) ** 2).sum(axis=(1, 2)),
        *c[:, 2, 3],
    ]


def test_elastic_registration_by_default(passes):
    fixed, moving, matrix, truth = bent((62, 79), 71, 12.0)
    field, history = call(refine_elastic, fixed, Sampler(moving), matrix)
    assert np.abs(field.on(np.arange(8, 54), np.arange(8, 71)) - truth[:, 8:-8, 8:-8]).max() < 0.7
    assert [(side, most, band) for _, _, side, most, band in passes] == [(32, 4, (1, 6))] * 3
    assert (field.origin, field.step) == ((-15.25, -15.6), (15.25, 15.6))
    assert [one.side for one in history] == [32] * 3
    # pins
    np.testing.assert_allclose(
        [one.update for one in history], [0.6508857, 0.0582758, 0.008776394], rtol=2e-4, atol=2e-6
    )
    np.testing.assert_allclose(
        summed(field),
        [-10.37521, 3.72323, 36.1041, 58.80226, 1.978934, 14.97671, 0.4337678, -0.05000117],
        rtol=1e-4,
        atol=1e-5,
    )


def test_elastic_registration_over_a_pyramid(passes):
    fixed, moving, matrix, _ = bent((59, 86), 71, 20.0)
    settings = {"blocks": 3, "smallest": 9, "band": (1.2, 5.0), "smoothness": 0.3, "update": 0.2}
    field, history = call(refine_elastic, fixed, Sampler(moving), matrix, passes=3, **settings)
    levels = [(side, most, band) for _, _, side, most, band in passes]
    sides = [29, 29, 16, 16]  # 15 would be the next half, and 16 is the least
    assert levels == [(side, max(side / 8, 2), (1.2, 5.0)) for side in sides]
    assert [one.side for one in history] == sides
    # pins
    np.testing.assert_allclose(
        [one.update for one in history],
        [0.7370205, 0.07964754, 0.3299904, 0.07748774],
        rtol=2e-4,
        atol=2e-6,
    )
    np.testing.assert_allclose(
        summed(field),
        [-40.73221, 16.34488, 119.6455, 81.80459, 17.89012, 17.55933, 0.9665661, 0.8540274],
        rtol=1e-4,
        atol=1e-5,
    )


def test_passes_of_a_level_are_counted():
    fixed, moving, matrix, _ = bent((40, 43), 72, 0.0)
    for given, sides in (({}, [32] * 6), ({"passes": 2, "smallest": 20}, [20] * 2)):
        _, history = call(
            refine_elastic, fixed, Sampler(moving), matrix, blocks=4, update=0.0, **given
        )
        assert [one.side for one in history] == sides
    _, history = call(
        refine_elastic, fixed, Sampler(moving), matrix, blocks=1, smallest=20, update=1e9
    )
    assert [one.side for one in history] == [40, 20]
    with pytest.raises(dataclasses.FrozenInstanceError):
        history[0].side = 1


def test_a_blank_image_moves_nothing():
    field, history = call(
        refine_elastic, np.full((40, 50), 3.0, np.float32), Sampler(np.ones((40, 50))), np.eye(2, 3)
    )
    assert history == [elastic.Level(32, 0.0)]
    np.testing.assert_allclose(field.coefficients, 0, atol=1e-12)


# ---- place


def test_candidates_lie_evenly_about_zero():
    np.testing.assert_allclose(
        place._around_zero(0.5, 0.2), [-0.5, -1 / 3, -1 / 6, 0, 1 / 6, 1 / 3, 0.5]
    )
    np.testing.assert_allclose(place._around_zero(0.4, 0.2), [-0.4, -0.2, 0, 0.2, 0.4])
    assert place._around_zero(0.0, 0.2).tolist() == [0]


def test_a_candidate_turns_and_stretches():
    linear = place._linear(np.array([2.0, 3.0]), np.deg2rad(30), 0.1)
    half, root = 0.5, np.sqrt(0.75)
    np.testing.assert_allclose(linear, [[2.2 * root, 2.2 * half], [-3.3 * half, 3.3 * root]])


def differences_of_gaussians(image):
    return scipy.ndimage.gaussian_filter(image, 1.0) - scipy.ndimage.gaussian_filter(image, 6.0)


def test_the_reduced_image():
    image = smooth(51, (33, 47))
    np.testing.assert_allclose(
        place._reduced(image, 1.0), differences_of_gaussians(image), atol=2e-4
    )
    for step, ny, nx in ((1.5, 22, 31), (2.6, 12, 18)):
        middle = (step - 1) / 2
        y, x = np.meshgrid(
            np.arange(ny) * step + middle, np.arange(nx) * step + middle, indexing="ij"
        )
        blurred = scipy.ndimage.gaussian_filter(image, step / 2)
        coarse = scipy.ndimage.map_coordinates(blurred, (y, x), order=3, mode="mirror")
        np.testing.assert_allclose(
            place._reduced(image, step), differences_of_gaussians(coarse), atol=2e-4
        )


def test_the_template_is_drawn_about_its_middle():
    image = smooth(52, (25, 36))
    linear = np.array([[1.9, 0.3], [-0.2, 2.1]])
    drawn, mask = place._drawn(Sampler(image), linear, (14, 19))
    y, x = np.meshgrid(np.arange(14) - 6.5, np.arange(19) - 9.0, indexing="ij")
    v, u = 12 + 1.9 * y + 0.3 * x, 17.5 - 0.2 * y + 2.1 * x
    known = (v >= 0) & (v <= 24) & (u >= 0) & (u <= 35)
    np.testing.assert_array_equal(mask, known)
    assert 0.5 < known.mean() < 0.95
    sampled = scipy.ndimage.map_coordinates(image, (v, u), order=3, mode="mirror")
    np.testing.assert_allclose(drawn, differences_of_gaussians(sampled) * known, atol=2e-4)


def test_correlation_over_the_overlap_at_all_shifts():
    random = generator(53)
    image, template = random.standard_normal((13, 17)), random.standard_normal((6, 9))
    template[2, 3] = 0
    image[:, 11:] = 0  # shifts whose overlap is blank
    mask = np.ones((6, 9), bool)
    mask[:2, -3:] = mask[5, 0] = False
    template = template * mask
    search = place._Search(image.astype(np.float32), (6, 9))
    score, ncc = search.correlate(template.astype(np.float32), mask)
    assert score.shape == ncc.shape == (18, 25)
    sums = np.zeros((4, 18, 25))
    for i, j in np.ndindex(18, 25):
        first = search.place((i, j))
        assert tuple(first) == (i - 5, j - 8)
        for y, x in np.ndindex(6, 9):
            v, u = y + first[0], x + first[1]
            if 0 <= v < 13 and 0 <= u < 17:
                t, m, g = template[y, x], mask[y, x], image[v, u]
                sums[:, i, j] += m, m * g * g, t * t, t * g
    overlap, squares, own, products = sums
    energy = squares * own
    enough = (overlap > 0.4 * mask.sum()) & (energy > 1e-9 * energy.max())
    expected = np.where(enough, products / np.sqrt(np.where(enough, energy, 1)), 0)
    np.testing.assert_allclose(ncc, expected, atol=1e-6)
    np.testing.assert_allclose(score, expected * np.sqrt(overlap / mask.sum()), atol=1e-6)
    assert (enough & (overlap < 30)).any()
    assert (overlap > 0.4 * mask.sum()).sum() > enough.sum()
    assert place._Search(np.ones((40, 41)), (10, 15))._sizes == [50, 60]  # not 49 and 55
    with pytest.raises(AcuityError) as error:
        search.correlate(np.zeros((6, 9)), mask)
    assert str(error.value) == "register: an image has nothing to correlate; it is blank"


def test_the_overlap_must_pass_two_fifths():
    image = np.ones((9, 9), np.float32)
    mask = np.ones((5, 4))
    score, ncc = place._Search(image, (5, 4)).correlate(np.ones((5, 4)), mask)
    counts = np.outer([1, 2, 3, 4, *[5] * 5, 4, 3, 2, 1], [1, 2, 3, *[4] * 6, 3, 2, 1])
    # 8 of 20 pixels are just too few, but for what transforms leave of them
    clear = counts != 8
    np.testing.assert_allclose(ncc[clear], (counts > 8)[clear], atol=1e-9)
    np.testing.assert_allclose(
        score[clear], (np.sqrt(counts / 20) * (counts > 8))[clear], atol=1e-9
    )


def test_the_second_place_lies_beyond_an_ellipse():
    score = np.zeros((12, 15))
    score[4, 6] = 9
    score[7, 6] = 5  # three rows off: on a radius of 3, and so not near
    score[6, 6] = 7
    score[4, 10] = 4
    score[5, 9] = 6
    search = place._Search(np.ones((9, 9), np.float32), (4, 7))
    assert search.second(score, (4, 6), (3, 4.5)) == 5
    assert search.second(score, (4, 6), (3.1, 4.5)) == 0
    assert search.second(score, (4, 6), (3.1, 3.9)) == 4
    assert search.second(score, (4, 6), (2.5, 3)) == 6
    assert search.second(score, (4, 6), (2, 9)) == 7
    assert search.second(score - 10, (4, 6), (30, 30)) == 0


@pytest.fixture
def lengths(monkeypatch):
    """Pixels of the coarse grid and turns and sizes that a search made use of."""
    made = {"steps": [], "spans": []}
    reduced, around = place._reduced, place._around_zero

    def spied(image, step):
        made["steps"].append(step)
        return reduced(image, step)

    def about(most, step):
        made["spans"].append((most, step))
        return around(most, step)

    monkeypatch.setattr(place, "_reduced", spied)
    monkeypatch.setattr(place, "_around_zero", about)
    return made


def planted(shape, ratios, extent, rotation, scale, shift, seed):
    """An image, and one with smaller pixels that shows a part of it; and the map between them."""
    image = smooth(seed, shape, 3.0)
    c, s = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    linear = (1 + scale) * np.array(ratios)[:, None] * np.array([[c, s], [-s, c]])
    size = [round(e * r) for e, r in zip(extent, ratios, strict=True)]
    middle = (np.array(shape) - 1) / 2 + shift
    centre = (np.array(size) - 1) / 2
    matrix = np.column_stack([linear, centre - linear @ middle])
    back = np.linalg.inv(linear)
    y, x = np.indices(size)
    places = np.einsum("ij,jyx->iyx", back, np.stack([y, x]) - matrix[:, 2, None, None])
    return image, scipy.ndimage.map_coordinates(image, places, order=3, mode="mirror"), matrix


@pytest.mark.parametrize(
    ("given", "limits", "step", "turn", "pin"),
    [
        (
            {
                "shape": (60, 74),
                "ratios": (2.0, 1.6),
                "extent": (40, 52),
                "rotation": 2,
                "scale": 0.02,
                "shift": (4, -6),
                "seed": 61,
            },
            {},
            1.0,
            0.06106325395161031,
            (
                0.9706017,
                0.3476217,
                [
                    1.9980964431637156,
                    0.08723877473067199,
                    -29.14158464105344,
                    -0.0697910197845376,
                    1.5984771545309726,
                    -6.249688137570409,
                ],
            ),
        ),
        (
            {
                "shape": (66, 395),
                "ratios": (1.5, 1.5),
                "extent": (60, 62),
                "rotation": -1.5,
                "scale": -0.03,
                "shift": (2, 130),
                "seed": 62,
            },
            {"most_rotation": 2.0, "most_scale": 0.03},
            1.0286458333333333,
            0.04768949025500728,
            (
                0.9699687,
                0.3408924,
                [
                    1.4541136533127843,
                    -0.05077876770213891,
                    11.729768745475695,
                    0.05077876770213891,
                    1.4541136533127843,
                    -431.39946390086413,
                ],
            ),
        ),
        (
            {
                "shape": (60, 900),
                "ratios": (1.5, 1.5),
                "extent": (56, 50),
                "rotation": -1.5,
                "scale": 0,
                "shift": (2, 130),
                "seed": 62,
            },
            {"most_rotation": 2.0, "most_scale": 0.0},
            1.0416666666666667,
            0.05550131410907104,
            (
                0.984244,
                0.4410177,
                [
                    1.4990862405286436,
                    -0.05234924505375145,
                    24.188843537895373,
                    0.05234924505375145,
                    1.4990862405286436,
                    -833.697055768793,
                ],
            ),
        ),
        (
            {
                "shape": (120, 140),
                "ratios": (1.25, 1.5),
                "extent": (100, 108),
                "rotation": 1,
                "scale": 0.0,
                "shift": (-4, 10),
                "seed": 63,
            },
            {"most_rotation": 1.5, "most_scale": 0.02},
            1.25,
            0.03397040157491525,
            (
                0.9738031,
                0.2291395,
                [
                    1.2495716562194465,
                    0.03272118538484144,
                    -10.28540481319456,
                    -0.03926542246180973,
                    1.499485987463336,
                    -37.4572674432539,
                ],
            ),
        ),
    ],
)
def test_a_place_is_found(given, limits, step, turn, pin, lengths):
    image, template, truth = planted(**given)
    found = find_place(image, template, given["ratios"], **limits)
    assert lengths["steps"] == pytest.approx([step], rel=1e-12)
    (rotation, by), (scale, same) = lengths["spans"]
    assert (rotation, scale) == pytest.approx(
        (np.deg2rad(limits.get("most_rotation", 5)), limits.get("most_scale", 0.06))
    )
    assert by == same == pytest.approx(turn, rel=1e-9)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.ncc = 1
    y, x = np.indices(image.shape)
    apart = apply_affine(
        np.linalg.inv(np.vstack([truth, [0, 0, 1]]))[:2], *apply_affine(found.matrix, y, x)
    ) - np.stack([y, x])
    v, u = apply_affine(truth, y, x)
    shown = (v >= 0) & (v < template.shape[0]) & (u >= 0) & (u < template.shape[1])
    assert np.hypot(*apart)[shown].max() < 2 * step
    # pins
    assert (found.ncc, found.second) == pytest.approx(pin[:2], rel=1e-4)
    np.testing.assert_allclose(found.matrix.ravel(), pin[2], rtol=1e-9)

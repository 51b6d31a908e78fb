import numpy as np
import pytest
import scipy.ndimage

from acuity.errors import AcuityError
from acuity.register.affine import apply_affine, compose, fit_affine, refine_affine, take_apart
from acuity.register.blocks import Blocks, spread
from acuity.register.elastic import Field, refine_elastic
from acuity.register.place import find_place
from acuity.register.robust import robust_weights
from acuity.register.sampling import Sampler, rectangle
from acuity.settings import call
from tests.pairs import discs, generator, make_pair, texture

REGION = (slice(10, 110), slice(20, 180))


def turned(degrees, scale=1.0, shift=(0.0, 0.0)):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.column_stack([scale * np.array([[c, s], [-s, c]]), shift])


# ---- affine maps


def test_a_map_after_another():
    first, then = turned(3, 1.1, (2, 5)), turned(-1, 0.9, (-4, 1))
    points = generator(1).uniform(0, 50, (2, 6))
    np.testing.assert_allclose(
        apply_affine(compose(first, then), *points),
        apply_affine(then, *apply_affine(first, *points)),
    )


def test_parts_of_a_map():
    parts = take_apart(turned(2.5, 1.03))
    assert (parts.scale, parts.rotation, parts.shear) == pytest.approx((1.03, 2.5, 0))
    matrix = np.array([[2.0, 0.0, 0.0], [2.0 * np.tan(np.deg2rad(1)), 3.0, 0.0]])
    parts = take_apart(matrix)
    assert parts.scale_x == pytest.approx(3)
    assert parts.rotation == pytest.approx(0)
    assert parts.shear == pytest.approx(1)


def test_a_fit_is_not_pulled_by_outliers():
    random = generator(2)
    points = random.uniform(0, 200, (60, 2))
    truth = turned(1.2, 1.01, (3, -2))
    images = apply_affine(truth, *points.T).T
    images[:20] += random.uniform(10, 40, (20, 2))
    matrix, weights = fit_affine(points, images, np.ones(60))
    np.testing.assert_allclose(matrix, truth, atol=1e-6)
    assert weights[:20].max() == 0
    assert weights[20:].min() > 0.99


def test_weights_fall_with_the_residual():
    weights = robust_weights(np.array([0.0, 0.1, 0.2, 5.0]))
    assert weights[0] == 1
    assert np.all(np.diff(weights) < 0)
    assert weights[-1] == 0


# ---- sampling


def test_samples_are_those_of_scipys_spline():
    image = texture(3, 64)
    y, x = generator(3).uniform(2, 61, (2, 50))
    np.testing.assert_allclose(
        Sampler(image).at(y, x),
        scipy.ndimage.map_coordinates(image, (y, x), order=3, mode="mirror"),
        rtol=1e-5,
    )


def test_the_region_in_common():
    sampler = Sampler(np.zeros((80, 100)))
    region = sampler.region(turned(0, 1, (-10.5, 5)), (200, 60))
    assert region == (slice(11, 90), slice(0, 60))


def test_a_rectangle_within_a_turned_one():
    y, x = np.mgrid[:120, :150]
    mask = (np.abs(y - 60 + 0.1 * x) < 40) & (np.abs(x - 75 - 0.1 * y) < 60)
    found = rectangle(mask)
    assert mask[found].all()
    assert mask[found].size > 0.6 * mask.sum()


def test_images_with_little_in_common_are_refused():
    with pytest.raises(AcuityError, match="at least 32 x 32"):
        Sampler(np.zeros((80, 100))).region(turned(0, 1, (-170, 0)), (200, 200))
    with pytest.raises(AcuityError, match="nothing in common"):
        rectangle(np.zeros((50, 50), bool))


# ---- blocks


def test_parts_cover_a_length_evenly():
    np.testing.assert_array_equal(spread(100, 40, 40), [0, 30, 60])
    np.testing.assert_array_equal(spread(40, 40, 40), [0])


def test_blocks_find_a_shift_and_an_edge_tells_nothing_along_itself():
    image = texture(4, 128)
    blocks = Blocks.spread((slice(0, 100), slice(0, 128)), 3, band=(1, 6))
    found = blocks.shifts(
        image[:100],
        Sampler(image).warped(turned(0, 1, (-1.5, 0.5)), (slice(0, 100), slice(0, 128))),
    )
    assert found.centres.min() == (blocks.side - 1) / 2
    np.testing.assert_allclose(np.median(found.shifts, axis=0), (1.5, -0.5), atol=0.05)
    edge = np.broadcast_to(np.where(np.arange(128) > 64, 200.0, 20.0), (100, 128))
    tensors = blocks.shifts(edge, edge).tensors
    across = tensors[:, 1, 1].max()
    assert np.abs(tensors[:, 0, 0]).max() < 1e-6 * across


# ---- fields


def plane(points):
    return np.column_stack([0.5 + 0.02 * points[:, 0], -1 + 0.01 * points[:, 1]])


def test_a_field_of_a_plane_is_that_plane_and_its_jacobian():
    points = np.stack(np.meshgrid(np.arange(10, 110, 9.0), np.arange(20, 180, 9.0)), -1).reshape(
        -1, 2
    )
    tensors = np.broadcast_to(np.eye(2), (len(points), 2, 2))
    field, used = Field.over(REGION, 20).fitted(
        points, plane(points), np.ones(len(points)), tensors, 0.1, 0.1
    )
    inside = generator(5).uniform((12, 22), (105, 175), (40, 2))
    np.testing.assert_allclose(field.at(inside), plane(inside), atol=1e-3)
    y, x = np.arange(15.0, 100), np.arange(25.0, 170)
    np.testing.assert_allclose(field.on(y, x)[1, 3], -1 + 0.01 * x, atol=1e-3)
    np.testing.assert_allclose(field.jacobian(y, x), 1.02 * 1.01, atol=1e-4)
    assert used.min() > 0.9


def test_a_field_fills_gaps_and_leaves_outliers_out():
    random = generator(6)
    points = random.uniform((10, 20), (109, 179), (300, 2))
    points = points[np.hypot(points[:, 0] - 60, points[:, 1] - 100) > 20]
    values = plane(points)
    values[::10] += 8.0
    tensors = np.broadcast_to(np.eye(2), (len(points), 2, 2))
    field, used = Field.over(REGION, 12).fitted(
        points, values, np.ones(len(points)), tensors, 0.1, 0.1
    )
    np.testing.assert_allclose(field.at([[60, 100]]), plane(np.array([[60, 100]])), atol=0.02)
    assert used[::10].max() < 0.01


def test_blocks_on_an_edge_take_the_other_direction_from_their_neighbours():
    points = np.stack(np.meshgrid(np.arange(10, 110, 9.0), np.arange(20, 180, 9.0)), -1).reshape(
        -1, 2
    )
    values, tensors = plane(points), np.tile(np.eye(2), (len(points), 1, 1))
    edge = np.abs(points[:, 1] - 100) < 30
    values[edge, 0] += 0.5  # along the edge anything may be measured
    tensors[edge] = [[1e-6, 0], [0, 2]]
    field, _ = Field.over(REGION, 20).fitted(
        points, values, np.ones(len(points)), tensors, 0.1, 0.1
    )
    np.testing.assert_allclose(field.at(points), plane(points), atol=0.02)


# ---- place, affine, elastic


@pytest.mark.parametrize("scene", [texture, discs])
def test_an_affine_map_to_a_tenth_of_a_pixel(scene):
    made = make_pair(scene, side=224, amplitude=0, rotation=1.3, scale=1.01, shear=0.3)
    place = find_place(made.low, made.high, (2, 2), most_rotation=2, most_scale=0.03)
    assert place.ncc > 0.5 > place.second
    matrix, region, _ = refine_affine(
        made.low.astype(np.float32),
        Sampler(made.high, 0.8),
        place.matrix,
        bands=((2, 12), (1.5, 8), (1, 6)),
    )
    y, x = np.mgrid[region]
    error = 2 * (made.truth(apply_affine(matrix, y, x)) - np.stack([y, x]))
    assert np.hypot(*error).max() < 0.1


def test_passes_go_on_until_nothing_moves():
    side = 128
    image = texture(8, side)
    y, x = np.indices((side, side)).astype(float)
    bent = scipy.ndimage.map_coordinates(
        image, (y + 1.5 * np.sin(x / 25), x), order=3, mode="mirror"
    )
    # image(q) = bent(q + u), u = -1.5 sin(x / 25) as far as it is constant along y
    field, history = call(
        refine_elastic, image.astype(np.float32), Sampler(bent), turned(0), blocks=3, update=0.02
    )
    inner = np.arange(16.0, side - 16)
    dy, dx = field.on(inner, inner)
    assert np.sqrt(np.mean((dy + 1.5 * np.sin(inner / 25)) ** 2)) < 0.05
    assert np.sqrt(np.mean(dx**2)) < 0.05
    assert history[-1].update < 0.02
    assert history[0].side > history[-1].side == 32

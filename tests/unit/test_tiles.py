"""Where tiles lie: cores, halos and weights, worked out by hand."""

import dataclasses

import numpy as np
import pytest

from acuity.engine.tiles import Tile, blended_tiles, core_length, exact_tiles, spans, triangle
from acuity.errors import AcuityError


def ends(parts):
    return [tuple((s.start, s.stop) for s in pair) for pair in parts]


@pytest.mark.parametrize(
    ("count", "part", "most", "halo", "stride", "core"),
    [
        (90, 512, 96, 16, 8, 96),  # all in one tile, up to the next whole stride
        (96, 96, 96, 16, 8, 96),
        (96, 96, 95, 16, 8, 48),  # one voxel too large: in two
        (97, 97, 96, 16, 8, 56),  # 64 would fit, two of 56 do
        (96, 95, 96, 16, 8, 96),  # a part of a volume that fits into a tile
        (500, 200, 90, 16, 8, 56),  # room 56: four of 50, up to the stride
        (500, 200, 79, 16, 8, 40),  # room 47, of which 40 on the raster
        (500, 64, 98, 17, 1, 64),  # room 64, just one
        (500, 65, 98, 17, 1, 33),
        (21, 512, 20, 3, 5, 10),  # room 14, of which 10
        (500, 7, 20, 6, 8, 8),  # room for one stride, and just that
    ],
)
def test_few_equal_cores_fill_a_region(count, part, most, halo, stride, core):
    assert core_length(count, part, most, halo, stride) == core


def test_the_least_room_is_one_stride():
    assert core_length(500, 64, 39, 16, 7) == 7
    with pytest.raises(AcuityError) as error:
        core_length(500, 64, 38, 16, 7)
    assert str(error.value) == (
        "tile: 38 voxels are too few for a halo of 16 on each side; allowed are 39 and more"
    )


def test_spans_of_a_region_have_a_halo_but_beyond_the_volume():
    assert ends(spans(0, 23, 10, 3, 23)) == [
        ((0, 13), (0, 10)),
        ((7, 23), (10, 20)),
        ((17, 23), (20, 23)),
    ]
    assert ends(spans(12, 30, 9, 4, 40)) == [((8, 25), (12, 21)), ((17, 34), (21, 30))]
    assert ends(spans(1, 6, 5, 4, 9)) == [((0, 9), (1, 6))]
    assert spans(5, 5, 4, 1, 9) == []


def test_exact_tiles_row_by_row():
    tiles = exact_tiles((slice(0, 12), slice(20, 33)), (14, 40), (8, 7), (1, 3))
    assert ends(tile.read for tile in tiles) == [
        ((0, 9), (17, 30)),
        ((0, 9), (24, 36)),
        ((7, 13), (17, 30)),
        ((7, 13), (24, 36)),
    ]
    assert ends(tile.core for tile in tiles) == [
        ((0, 8), (20, 27)),
        ((0, 8), (27, 33)),
        ((8, 12), (20, 27)),
        ((8, 12), (27, 33)),
    ]
    assert ends(tile.inner for tile in tiles) == [
        ((0, 8), (3, 10)),
        ((0, 8), (3, 9)),
        ((1, 5), (3, 10)),
        ((1, 5), (3, 9)),
    ]
    assert all(tile.weights is None for tile in tiles)


def test_a_tile_cannot_be_changed():
    tile = Tile((slice(0, 3), slice(0, 4)), (slice(1, 2), slice(2, 4)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        tile.core = None


@pytest.mark.parametrize(
    ("read", "core", "overlap", "count", "weights"),
    [
        ((2, 11), (4, 9), 2, 20, [1, 3, 5, 7, 8, 7, 5, 3, 1]),  # eighths
        ((0, 7), (0, 5), 2, 20, [8, 8, 8, 7, 5, 3, 1]),  # the volume begins
        ((2, 9), (4, 9), 2, 9, [1, 3, 5, 7, 8, 8, 8]),  # and ends
        ((0, 9), (0, 9), 2, 9, [8] * 9),
        ((0, 8), (1, 6), 2, 8, [3, 5, 7, 8, 7, 5, 3, 1]),  # cut by the volume, not its slope
        ((2, 7), (2, 7), 0, 20, [8] * 5),
        ((3, 9), (4, 7), 2, 20, [3, 5, 7, 5, 3, 1]),
        ((1, 6), (4, 6), 2, 6, [0, 1, 3, 5, 7]),  # none beyond the slope
        ((2, 12), (4, 8), 2, 20, [1, 3, 5, 7, 7, 5, 3, 1, 0, 0]),
    ],
)
def test_weights_along_one_axis(read, core, overlap, count, weights):
    found = triangle(slice(*read), slice(*core), overlap, count)
    np.testing.assert_array_equal(found, np.divide(weights, 8))


def test_a_slope_over_one_voxel_either_side():
    np.testing.assert_array_equal(
        triangle(slice(0, 6), slice(1, 5), 1, 6), [0.25, 0.75, 1, 1, 0.75, 0.25]
    )


def test_blended_tiles_of_an_oblong_plane():
    # 17 rows in cores of 6 leave 5; 27 columns in cores of 8 leave 3 = the overlap, which is enough
    tiles = blended_tiles((17, 27), (6, 8), 3)
    rows = [((0, 9), (0, 6)), ((3, 15), (6, 12)), ((9, 17), (12, 17))]
    columns = [((0, 11), (0, 8)), ((5, 19), (8, 16)), ((13, 27), (16, 24)), ((21, 27), (24, 27))]
    assert ends(tile.read for tile in tiles) == [(y, x) for y, _ in rows for x, _ in columns]
    total = np.zeros((17, 27))
    parts = [(y, x) for y in rows for x in columns]
    for tile, ((y, v), (x, u)) in zip(tiles, parts, strict=True):
        assert tile.core == tile.read
        along = [triangle(slice(*r), slice(*c), 3, n) for r, c, n in ((y, v, 17), (x, u, 27))]
        assert tile.weights.dtype == np.float32
        np.testing.assert_allclose(tile.weights, along[0][:, None] * along[1], rtol=1e-7)
        total[tile.read] += tile.weights
    np.testing.assert_allclose(total, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("count", "reads"),
    [
        (15, [(0, 9), (3, 15), (9, 15)]),  # the last core as long as the overlap
        (14, [(0, 9), (3, 14)]),  # one voxel shorter: its neighbour takes it
        (8, [(0, 8)]),  # the neighbour is the first
        (2, [(0, 2)]),  # shorter than the overlap, but alone
    ],
)
def test_a_last_core_shorter_than_the_overlap_joins_its_neighbour(count, reads):
    tiles = blended_tiles((count, 6), (6, 6), 3)
    assert ends(tile.read for tile in tiles) == [(read, (0, 6)) for read in reads]
    total = np.zeros((count, 6))
    for tile in tiles:
        total[tile.read] += tile.weights
    np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_axes_that_are_missing_are_noticed():
    region = (slice(0, 6), slice(0, 6))
    with pytest.raises(ValueError, match="zip"):
        exact_tiles(region, (6, 6), (6, 6), (1, 1, 1))
    with pytest.raises(ValueError, match="zip"):
        blended_tiles((6, 6), (6, 6, 6), 1)
    with pytest.raises(ValueError, match="zip"):
        _ = Tile(region, (slice(0, 6), slice(0, 6), slice(0, 6))).inner

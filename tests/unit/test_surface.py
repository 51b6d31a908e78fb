"""Isosurfaces, against bodies whose outlines are known."""

import math

import numpy as np
import pytest

from acuity.report.surface import AZIMUTH, CUT, EDGE, ELEVATION, WHITE, isosurface


def ball(radius, shape=(64, 64, 64), spacing=(1, 1, 1)):
    places = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)),
        indexing="ij",
    )
    return radius - np.sqrt(sum(place**2 for place in places))


def area(image, pixel):
    return ((image != WHITE) & (image != EDGE)).sum() * pixel**2


@pytest.mark.parametrize(
    ("shape", "spacing"), [((64, 64, 64), (1, 1, 1)), ((32, 64, 64), (2, 1, 1))]
)
def test_a_ball_shows_a_disc(shape, spacing):
    image, pixel = isosurface(ball(20, shape, spacing), 0.0, spacing)
    # Edges of the box behind it are hidden; those that cross the picture are not solid.
    assert area(image, pixel) == pytest.approx(math.pi * 20**2, rel=0.02)
    rows, columns = np.nonzero((image != WHITE) & (image != EDGE))
    middle = (len(image) - 1) / 2
    assert abs(rows.mean() - middle) < 1
    assert abs(columns.mean() - middle) < 1
    # Control: a ball a tenth larger.
    other, _ = isosurface(ball(22, shape, spacing), 0.0, spacing)
    assert area(other, pixel) > 1.15 * area(image, pixel)


def test_light_comes_from_above_on_the_left():
    image, _ = isosurface(ball(20), 0.0)
    middle = len(image) // 2
    assert image[middle - 40, middle - 20] > image[middle + 40, middle + 20] + 50


def test_a_full_box_shows_its_faces():
    full = np.ones((20, 30, 40))
    image, pixel = isosurface(full, 0.5)
    z, y, x = 19, 29, 39
    turn, rise = math.radians(AZIMUTH), math.radians(ELEVATION)
    seen = (
        y * x * math.sin(rise)
        + z * x * math.cos(rise) * math.cos(turn)
        + z * y * math.cos(rise) * math.sin(turn)
    )
    assert area(image, pixel) == pytest.approx(seen, rel=0.03)
    solid = image[(image != WHITE) & (image != EDGE)]
    assert set(np.unique(solid)) == {CUT, round(0.94 * CUT), round(0.97 * CUT)}


def test_what_is_darker_can_be_the_solid():
    bright, _ = isosurface(ball(20), 0.0)
    dark, _ = isosurface(-ball(20), 0.0, below=True)
    assert np.array_equal(bright, dark)
    inverse, _ = isosurface(-ball(20), 0.0)  # the box with a hole inside
    assert not np.array_equal(bright, inverse)


def test_nothing_solid_is_an_empty_box():
    image, _ = isosurface(np.zeros((8, 8, 8)), 1.0)
    assert set(np.unique(image)) == {WHITE, EDGE}


def test_z_points_down():
    low = np.zeros((40, 40, 40))
    low[30:] = 1.0
    rows, _ = np.nonzero(~np.isin(isosurface(low, 0.5)[0], (WHITE, EDGE)))
    assert rows.mean() > 320 / 2 + 20

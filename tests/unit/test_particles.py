"""Simulated gold particles against a second way to compute them, point by point and pair by pair."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.settings import call
from acuity.simulate import particles
from acuity.simulate.particles import partners

layout, render = partial(call, particles.layout), partial(call, particles.render)

COLUMNS = ["y", "x", "diameter_nm", "brightness", *(f"{p}{k}" for k in range(2, 7) for p in "cs")]


def table_of(*particles):
    """A table from (y, x, diameter, brightness, {name of a harmonic: amplitude})."""
    rows = [
        dict.fromkeys(COLUMNS, 0.0) | dict(zip(COLUMNS[:4], row[:4], strict=True)) | row[4]
        for row in particles
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def depth_of(row, dy, dx):
    """How deep points lie inside an outline along the line to its centre."""
    angle = np.arctan2(dy, dx)
    away = np.hypot(dy, dx)
    total = np.ones_like(away)
    for k in range(2, 7):
        total += row[f"c{k}"] * np.cos(k * angle) + row[f"s{k}"] * np.sin(k * angle)
    # At the centre itself no direction is defined: the mean radius.
    return np.where(away > 0, 0.5 * row["diameter_nm"] * total - away, 0.5 * row["diameter_nm"])


def rendered(
    table,
    *,
    origin,
    shape,
    step,
    seed,
    carbon=0.22,
    carbon_grain=0.12,
    grain_size=9.0,
    rim=1.0,
    rim_length=7.0,
    shadow=0.25,
    shadow_length=12.0,
    groove=0.3,
):
    """What `render` gives, every particle at every point."""
    y = origin[0] + step * np.arange(shape[0])[:, None]
    x = origin[1] + step * np.arange(shape[1])[None, :]
    depths = np.full((len(table) + 2, *shape), -1e9)
    for n, row in table.iterrows():
        dy, dx = y - row["y"], x - row["x"]
        furthest = 0.5 * row["diameter_nm"]
        furthest *= 1 + sum(np.hypot(row[f"c{k}"], row[f"s{k}"]) for k in range(2, 7))
        seen = np.hypot(dy, dx) <= furthest + 2.5 * shadow_length
        depths[n][seen] = depth_of(row, dy, dx)[seen]
    which = depths.argmax(0)
    s2, s1 = np.sort(depths, 0)[-2:]

    spacing = max(step, grain_size / 3)
    random = np.random.Generator(np.random.Philox(key=[seed, 12]))
    size = [int((n - 1) * step / spacing) + 2 for n in shape]
    grain = random.standard_normal((1, *size), np.float32)
    grain = gaussian(grain, (0, grain_size / spacing, grain_size / spacing))[0].astype(float)
    grain /= grain.std()
    gy, gx = (np.arange(n) * step / spacing for n in shape)
    texture = np.array(
        [
            np.interp(
                gx,
                np.arange(size[1]),
                line,
            )
            for line in grain
        ]
    )
    texture = np.array([np.interp(gy, np.arange(size[0]), line) for line in texture.T]).T

    inside = np.clip(s1 / step + 0.5, 0, 1)
    ground = carbon * np.maximum(1 + carbon_grain * texture, 0)
    for s in (s1, s2):
        ground = ground * (1 - shadow * np.exp(np.minimum(s, 0) / shadow_length))
    row = {name: np.append(table[name], [0.0, 0.0])[which] for name in COLUMNS}
    gold = 1 + rim * np.exp(-np.maximum(s1, 0) / rim_length) + 0.02 * texture
    gold = gold * row["brightness"] * (1 - np.exp(-row["diameter_nm"] / 15))
    seam = np.clip((s2 + 6) / 6, 0, 1) * np.exp(-(((s1 - s2) / 6) ** 2))
    gold = gold * (1 - groove * seam)
    return (1 - inside) * ground + inside * np.maximum(gold, carbon)


CROWD = table_of(
    (30.0, 44.0, 60.0, 1.1, {"c2": 0.1, "s2": -0.05, "c3": 0.06, "s3": 0.03}),
    (64.0, 90.0, 48.0, 0.9, {"c4": 0.03, "s4": -0.04, "c5": 0.02, "s5": 0.03}),
    (84.0, 40.0, 41.0, 1.0, {"c6": -0.03, "s6": 0.02, "s2": 0.11}),
    (68.0, 60.0, 13.0, 1.3, {"c3": -0.08}),
    (20.0, 84.0, 9.0, 0.8, {}),
    (150.0, 56.0, 37.0, 0.95, {"s3": 0.07, "c5": -0.01}),
    (168.0, 85.0, 34.0, 1.2, {"s5": -0.02, "c2": -0.08}),
    (-25.0, 140.0, 50.0, 1.0, {"s2": 0.05}),
    (250.0, -10.0, 90.0, 1.05, {"c3": 0.1}),
)


@pytest.mark.parametrize(
    "settings",
    [
        # One row more than two strips of the kernel, and points between those of the grain.
        {"origin": (-3.5, 11.25), "shape": (129, 77), "step": 1.4, "seed": 5},
        {
            "origin": (4.0, -8.0),
            "shape": (67, 61),
            "step": 4.0,
            "seed": 6,
            "carbon": 0.6,
            "carbon_grain": 0.9,
            "grain_size": 6.0,
            "rim": 0.4,
            "rim_length": 3.0,
            "shadow": 0.5,
            "shadow_length": 7.0,
            "groove": 0.7,
        },
    ],
    ids=["as it is", "other settings"],
)
def test_every_point_is_what_the_two_nearest_outlines_make_it(settings):
    expected = rendered(CROWD, **settings)
    found = render(table=CROWD, **settings)
    assert found.dtype == np.float32
    assert found.shape == settings["shape"]
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_of_two_particles_as_near_the_first_one_is_shown():
    table = table_of((0.0, -12.0, 30.0, 1.0, {}), (0.0, 12.0, 30.0, 2.0, {}))
    settings = {"origin": (-2.0, -3.0), "shape": (5, 7), "step": 1.0, "seed": 1}
    found = render(table, **settings)
    np.testing.assert_allclose(found, rendered(table, **settings), rtol=2e-5)
    assert (found[:, 3] < 1.5).all()


def test_at_its_centre_a_particle_is_as_deep_as_its_mean_radius():
    table = table_of((6.0, 8.0, 40.0, 1.0, {"c2": 0.3, "s5": 0.1}))
    settings = {"origin": (0.0, 0.0), "shape": (7, 9), "step": 2.0, "seed": 1}
    settings |= {"rim": 3.0, "rim_length": 30.0}
    np.testing.assert_allclose(render(table, **settings), rendered(table, **settings), rtol=2e-5)


def test_bare_carbon_is_its_yield():
    found = render(
        table_of((0.0, 0.0, 5.0, 1.0, {})).iloc[:0],
        origin=(0.0, 0.0),
        shape=(4, 6),
        step=2.0,
        seed=1,
        carbon_grain=0.0,
    )
    np.testing.assert_allclose(found, 0.22, rtol=1e-6)


# ---- touching


def test_particles_touch_at_less_than_the_distance_along_the_line_of_centres():
    # Outlines that reach as far as they may towards each other, 14 nm each.
    long = {"c2": 0.3, "c4": 0.1}
    table = table_of(
        (0.0, 0.0, 20.0, 1.0, long),
        (0.0, 28.4, 20.0, 1.0, long),
        (100.0, 3.0, 20.0, 1.0, {}),
        (100.0, 23.5, 20.0, 1.0, {}),
        (120.25, 3.0, 20.0, 1.0, {"s2": 0.1, "s3": 0.2}),
    )
    assert partners(table) == ["1", "0", "4", "", "2"]
    assert partners(table=table, nearer=0.51) == ["1", "0", "3,4", "2", "2"]
    assert partners(table, nearer=0.35) == ["", "", "4", "", "2"]
    # c, s of a circle and of s3 on its side: 100 + 10 to 120.25 - 10 (1 + 0.2).
    assert partners(table, nearer=-1.74) == ["", "", "4", "", "2"]
    assert partners(table, nearer=-1.76) == ["", "", "", "", ""]


def test_the_partners_of_one_particle_are_in_the_order_of_their_rows():
    places = [(0.0, 10.0), (0.0, -10.0), (10.0, 0.0), (0.0, 0.0), (-10.0, 0.0)]
    table = table_of(*((*place, 10.0, 1.0, {}) for place in places))
    assert partners(table) == ["3", "3", "3", "0,1,2,4", "3"]


def test_particles_of_one_centre_overlap_by_their_mean_radii():
    table = table_of((3.0, 4.0, 8.0, 1.0, {}), (3.0, 4.0, 12.0, 1.0, {}))
    assert partners(table, nearer=-9.9) == ["1", "0"]
    assert partners(table, nearer=-10.0) == ["", ""]


def test_one_particle_or_none_touches_nothing():
    table = table_of((3.0, 4.0, 8.0, 1.0, {}))
    assert partners(table) == [""]
    assert partners(table.iloc[:0]) == []


# ---- layouts


BARE = {"diameter": (40.0, 120.0), "typical": 70.0, "covered": 0.3, "bare_size": 500.0}


@pytest.mark.parametrize(
    ("field", "settings", "count", "sums"),
    [
        # Pins: what came out when these tests were written. Any other draw, order or bound along
        # the way gives other particles.
        (
            (-310.0, 125.0, 415.5, 1102.25),
            {"seed": 3, "covered": 0.8, "bare_size": 230.0},
            79,
            [
                1607.607732,
                48716.27901,
                6198.193507,
                79.23528077,
                10.71501056,
                353.724315,
                1097.81944,
            ],
        ),
        (
            (50.0, -20.0, 510.0, 330.0),
            {
                "seed": 4,
                "diameter": (12.0, 60.0),
                "typical": 31.0,
                "spread": 0.6,
                "gap": (2.5, 7.0),
                "touching": 0.5,
                "covered": 1.0,
                "facets": 0.3,
            },
            213,
            [
                58002.1007,
                34404.97697,
                4843.272384,
                211.8016837,
                11.48660112,
                116.2496828,
                21.89300016,
            ],
        ),
        # More particles than the table and the cells have room for at first.
        (
            (0.0, 0.0, 440.0, 470.0),
            {
                "seed": 5,
                "diameter": (5.0, 50.0),
                "typical": 5.5,
                "spread": 0.2,
                "gap": (0.2, 0.1),
                "touching": 0.0,
                "covered": 1.0,
            },
            4463,
            [
                984412.0553,
                1050383.121,
                26648.29231,
                4464.409902,
                640.1462386,
                435.5050183,
                34.49903483,
            ],
        ),
        # Starts on a little over and on a little under 5 and 6 square micrometres.
        (
            (0.0, 0.0, 2501.0, 2000.0),
            {"seed": 6, **BARE},
            271,
            [
                263217.8793,
                270131.4564,
                17536.38708,
                272.1690813,
                39.54611506,
                34.94749062,
                1230.738973,
            ],
        ),
        (
            (0.0, 0.0, 2000.0, 2999.25),
            {"seed": 7, **BARE},
            299,
            [
                210011.9131,
                381806.5245,
                19562.3548,
                298.9778173,
                42.55099296,
                11.47533231,
                1029.608936,
            ],
        ),
    ],
    ids=["default", "other settings", "many", "over five", "under six"],
)
def test_layouts_are_as_they_were(field, settings, count, sums):
    table = layout(field=field, **settings)
    assert list(table.columns) == COLUMNS
    found = [*table.sum()[:4], table.iloc[:, 4:].abs().sum(axis=None), *table.iloc[-1, :2]]
    assert len(table) == count
    np.testing.assert_allclose(found, sums, rtol=1e-8)


FIELD = (0.0, 0.0, 300.0, 300.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"diameter": (150, 5)}, "diameter is 150 to 5 nm; 0 < smallest < largest is needed"),
        ({"diameter": (95, 95)}, "diameter is 95 to 95 nm; 0 < smallest < largest is needed"),
        ({"diameter": (0, 150)}, "diameter is 0 to 150 nm; 0 < smallest < largest is needed"),
        ({"diameter": (-5, 150)}, "diameter is -5 to 150 nm; 0 < smallest < largest is needed"),
        ({"typical": 4.9}, "typical is 4.9 nm; 5 to 150 is allowed"),
        ({"typical": 151}, "typical is 151 nm; 5 to 150 is allowed"),
        ({"spread": 0}, "spread is 0; numbers above 0 are allowed"),
        ({"spread": -0.5}, "spread is -0.5; numbers above 0 are allowed"),
        ({"gap": (0, 1)}, "gap is (0, 1) nm; two numbers above 0 are needed"),
        ({"gap": [2.0, 0.0]}, "gap is (2.0, 0.0) nm; two numbers above 0 are needed"),
        ({"gap": (-0.5, 1.0)}, "gap is (-0.5, 1.0) nm; two numbers above 0 are needed"),
        ({"touching": 1}, "touching is 1; 0 to below 1 is allowed"),
        ({"touching": 1.5}, "touching is 1.5; 0 to below 1 is allowed"),
        ({"touching": -0.5}, "touching is -0.5; 0 to below 1 is allowed"),
        ({"covered": 0}, "covered is 0; above 0 to 1 is allowed"),
        ({"covered": -0.5}, "covered is -0.5; above 0 to 1 is allowed"),
        ({"covered": 1.5}, "covered is 1.5; above 0 to 1 is allowed"),
        ({"bare_size": 0}, "bare_size is 0 nm; numbers above 0 are allowed"),
        ({"bare_size": -0.5}, "bare_size is -0.5 nm; numbers above 0 are allowed"),
        ({"facets": -0.5}, "facets is -0.5; 0 to 1 is allowed"),
        ({"facets": 1.5}, "facets is 1.5; 0 to 1 is allowed"),
    ],
)
def test_settings_beyond_their_bounds_are_refused(change, message):
    with pytest.raises(AcuityError, match=f"^{re.escape(f'specimen: {message}')}$"):
        layout(FIELD, seed=1, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"diameter": (0.5, 150.0)},
        {"typical": 150.0, "diameter": (100.0, 150.0)},
        {"typical": 90.0, "diameter": (90.0, 150.0)},
        {"spread": 0.01},
        {"gap": (0.5, 0.5)},
        {"touching": 0.0, "covered": 1.0},
        {"touching": 0.99},
        {"bare_size": 60.0, "covered": 0.5},
        {"facets": 0.0},
        {"facets": 1.0},
    ],
)
def test_settings_at_their_bounds_are_allowed(change):
    table = layout(FIELD, seed=1, **change)
    assert len(table) > 0
    assert table["diameter_nm"].is_unique

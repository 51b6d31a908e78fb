"""Foam phantoms: placement, sizes, and exact voxel volumes against closed forms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acuity.errors import AcuityError
from acuity.settings import call
from acuity.simulate.foam import exact, exact_labels, foam, porosity

SMALL = {"size": 64, "diameter": (4, 20), "small_below": 7}


def gaps(spheres):
    """Smallest distance between the surfaces of any two pores."""
    centres = spheres[["z", "y", "x"]].to_numpy()
    r = spheres["radius"].to_numpy()
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) - r[:, None] - r[None]
    return apart[np.triu_indices(len(r), 1)].min()


def to_wall(spheres, size, fraction=0.45):
    return (fraction * size - np.hypot(spheres.y, spheres.x) - spheres.radius).min()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), min_gap=st.sampled_from([0.0, 1.0, 2.0, 3.5]))
def test_gap_holds_and_is_used(seed, min_gap):
    spheres = call(foam, seed=seed, min_gap=min_gap, **SMALL)
    assert gaps(spheres) >= min_gap - 1e-9
    assert to_wall(spheres, 64) >= min_gap - 1e-9
    # Negative control: the foam is dense, so a larger gap does not hold.
    assert gaps(spheres) < min_gap + 0.5


def test_centres_lie_between_the_ends_and_some_pores_are_cut():
    spheres = call(foam, seed=1, **SMALL)
    assert spheres.z.abs().max() <= 32
    assert (spheres.z.abs() + spheres.radius > 32).any()


def test_same_seed_same_foam_and_other_seed_another():
    one, again, other = (call(foam, seed=s, **SMALL) for s in (5, 5, 6))
    pd.testing.assert_frame_equal(one, again, check_exact=True)
    assert not np.array_equal(one.iloc[:5], other.iloc[:5])


def test_sizes_are_those_of_the_study():
    pooled = pd.concat(call(foam, size=256, seed=s, max_pores=175) for s in (1, 2, 3))
    d = 2 * pooled.radius
    assert len(pooled) == 525
    assert d.min() >= 6
    assert d.max() <= 70
    assert d.min() < 8
    assert d.max() > 65
    assert (d < 15).mean() == pytest.approx(0.1, abs=0.02)
    # Every 10 voxels of diameter from 15 to 65 has its share.
    counts = np.histogram(d, np.arange(15, 66, 10))[0]
    assert counts.min() > 0.03 * len(d)
    for seed in (1, 2, 3):
        spheres = call(foam, size=256, seed=seed, max_pores=175)
        assert porosity(spheres, size=256) > 0.42


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_share_of_small_pores_is_kept(fraction):
    spheres = call(foam, seed=3, small_fraction=fraction, **SMALL)
    assert (2 * spheres.radius < 7).mean() == pytest.approx(fraction, abs=1.5 / len(spheres))


def test_stops_at_pores_or_porosity():
    assert len(call(foam, seed=1, max_pores=7, **SMALL)) == 7
    reached = call(foam, seed=1, porosity=0.2, **SMALL)
    assert porosity(reached, size=64) >= 0.2
    assert porosity(reached.iloc[:-1], size=64) < 0.2


def test_exact_volume_has_the_closed_form_porosity():
    spheres = call(foam, seed=2, **SMALL)
    solid = exact(spheres, size=64)
    cylinder = np.pi * (0.45 * 64) ** 2 * 64
    assert solid.min() == 0
    assert solid.max() == 1
    assert 1 - solid.sum(dtype=float) / cylinder == pytest.approx(
        porosity(spheres, size=64), abs=2e-4
    )


def test_exact_fraction_of_one_sphere_by_brute_force():
    spheres = pd.DataFrame({"z": [1.3], "y": [-2.2], "x": [0.4], "radius": [4.7]})
    fine = (np.arange(24 * 4) + 0.5) / 4 - 12
    inside = (
        (fine[:, None, None] - 1.3) ** 2
        + (fine[None, :, None] + 2.2) ** 2
        + (fine[None, None, :] - 0.4) ** 2
    ) <= 4.7**2
    pore = inside.reshape(24, 4, 24, 4, 24, 4).mean(axis=(1, 3, 5))
    near = slice(5, 19)
    found = 1 - exact(spheres, size=24)[:, near, near]
    np.testing.assert_allclose(found, pore[:, near, near], atol=1e-6)
    # Negative control: the check sees a shift of a tenth of a voxel.
    moved = spheres.assign(x=0.5)
    assert abs(1 - exact(moved, size=24)[:, near, near] - pore[:, near, near]).max() > 0.01


def test_slabs_equal_the_whole():
    spheres = call(foam, seed=2, **SMALL)
    whole, labels = exact(spheres, size=64), exact_labels(spheres, size=64)
    for z0, z1 in ((0, 10), (10, 33), (33, 64)):
        assert np.array_equal(exact(spheres, size=64, z0=z0, z1=z1), whole[z0:z1])
        assert np.array_equal(exact_labels(spheres, size=64, z0=z0, z1=z1), labels[z0:z1])


def test_labels_are_rows_and_match_the_fractions():
    spheres = call(foam, seed=2, **SMALL)
    labels, solid = exact_labels(spheres, size=64), exact(spheres, size=64)
    assert labels.dtype == np.uint32
    assert set(np.unique(labels)) == set(range(len(spheres) + 1))
    axis = np.arange(64) - 31.5
    for row, s in list(enumerate(spheres.itertuples()))[::7]:
        inside = (
            (axis[:, None, None] - s.z) ** 2
            + (axis[None, :, None] - s.y) ** 2
            + (axis[None, None, :] - s.x) ** 2
        ) <= s.radius**2
        assert np.array_equal(labels == row + 1, inside)
    assert solid[labels > 0].max() < 0.75


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 4}, "size"),
        ({"diameter": (20, 4)}, "diameter"),
        ({"small_below": 2}, "small_below"),
        ({"small_fraction": 1.0}, "small_fraction"),
        ({"min_gap": -1}, "min_gap"),
        ({"cylinder_radius": 0.7}, "cylinder_radius"),
        ({"max_pores": 0}, "max_pores"),
        ({"diameter": (60, 70), "small_below": 65}, "does not fit"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(change, words):
    with pytest.raises(AcuityError, match=words):
        call(foam, **{**SMALL, "seed": 1, **change})


def test_bad_tables_and_slices_are_refused():
    spheres = call(foam, seed=1, max_pores=3, **SMALL)
    with pytest.raises(AcuityError, match="slices 60 to 70"):
        exact(spheres, size=64, z0=60, z1=70)
    with pytest.raises(AcuityError, match="lacks the column radius"):
        exact_labels(spheres.drop(columns="radius"), size=64)
    with pytest.raises(AcuityError, match="not finite"):
        exact(spheres.assign(z=np.nan), size=64)


def test_more_pores_than_the_table_begins_with():
    setting = {
        "size": 64,
        "seed": 2,
        "diameter": (0.5, 1.0),
        "small_below": 0.7,
        "trial_points": 1000,
        "min_gap": 0,
    }
    many = call(foam, max_pores=4100, **setting)
    assert len(many) == 4100
    pd.testing.assert_frame_equal(
        many.iloc[:4096], call(foam, max_pores=4096, **setting), check_exact=True
    )
    assert (2 * many.radius).between(0.5 - 1e-12, 1.0).all()
    assert gaps(many.iloc[3600:]) >= -1e-12
    assert many.iloc[4096:].nunique().eq(4).all()

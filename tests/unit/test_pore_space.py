import numpy as np
import pytest
import scipy.ndimage as ndi

from acuity.errors import AcuityError
from acuity.measure.pore_space import (
    chord_lengths,
    local_thickness,
    pore_space,
    two_point_correlation,
)


def layers(n=48, pore=6, period=16):
    binary = np.zeros((n, n, n), bool)
    for start in range(5, n - pore, period):
        binary[start : start + pore] = True
    return binary


def values(rows):
    return {(r["metric"], r["subset"]): r["value"] for r in rows}


def test_layers():
    rows, curve = pore_space(layers(), spacing=(0.5, 0.5, 0.5), unit="um")
    v = values(rows)
    assert v["chord_length_mean", "z"] == v["chord_length_median", "z"] == 3.0
    assert ("chord_length_mean", "x") not in v  # no chord ends within the volume
    assert v["local_thickness_mean", "all"] == pytest.approx(3.0, abs=0.5)
    assert curve["distance"].iloc[0] == 0
    assert curve["two_point"].iloc[0] == pytest.approx(layers().mean(), rel=1e-4)
    assert {r["unit"] for r in rows if r["metric"] != "pore_share"} == {"um"}
    assert v["pore_share", "all"] == layers().mean()


def test_sphere():
    grid = np.indices((64, 64, 64)) - 31.5
    ball = (grid**2).sum(0) <= 20.0**2
    v = values(pore_space(ball)[0])
    assert v["local_thickness_median", "all"] == pytest.approx(40, abs=2.5)
    for axis in "zyx":
        # The mean chord of a sphere is two thirds of its diameter.
        assert v["chord_length_mean", axis] == pytest.approx(80 / 3, rel=0.03)


def blobs(shape, sigma, seed=3):
    return ndi.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma) > 0


def test_local_thickness_is_that_of_every_ball_that_fits():
    binary = blobs((15, 17, 19), 1.5)
    distance = ndi.distance_transform_edt(binary)
    voxels = np.indices(binary.shape)
    wanted = np.zeros(binary.shape)
    for centre in np.argwhere(binary):
        radius = distance[tuple(centre)]
        inside = ((voxels - centre[:, None, None, None]) ** 2).sum(0) < round(radius**2)
        wanted[inside] = np.maximum(wanted[inside], 2 * radius)
    found = local_thickness(binary)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert len(np.unique(found)) > 10
    # Control: the distance map alone is another field.
    assert (wanted > 2 * distance).mean() > 0.2


def test_local_thickness_beside_porespy():
    """PoreSpy rounds radii down to whole voxels: never more than ours, on average by less than one."""
    from porespy import filters  # takes seconds

    binary = blobs((48, 50, 52), 3)
    rounded = 2 * filters.local_thickness(binary)[binary]
    found = local_thickness(binary)[binary]
    assert (found - rounded).min() > -1e-4
    assert 0.2 < (found - rounded).mean() < 2
    assert np.corrcoef(found, rounded)[0, 1] > 0.95


def test_chords_count_each_run_once():
    binary = np.zeros((1, 1, 12), bool)
    binary[0, 0, [0, 2, 3, 5, 6, 7, 11]] = True
    counts = chord_lengths(binary, 2)
    assert counts[:5].tolist() == [0, 0, 1, 1, 0]  # those at the border are cut
    assert chord_lengths(binary, 0).sum() == 0


def test_two_point_of_independent_voxels():
    rng = np.random.default_rng(0)
    binary = rng.random((48, 50, 52)) < 0.3
    distance, value = two_point_correlation(binary, 10)
    share = binary.mean()
    assert value[0] == pytest.approx(share, rel=1e-5)
    np.testing.assert_allclose(value[1:], share**2, rtol=0.01)
    assert distance[0] == 0
    assert (np.diff(distance) > 0).all()


def test_two_point_equals_counting_pairs():
    rng = np.random.default_rng(1)
    binary = ndi.gaussian_filter(rng.random((7, 8, 9)), 0.7) > 0.5
    distance, value = two_point_correlation(binary, 3)
    total, pairs, length = np.zeros(4), np.zeros(4), np.zeros(4)
    for shift in np.ndindex(7, 7, 7):
        d = np.array(shift) - 3
        k = round(float(np.linalg.norm(d)))
        if k > 3:
            continue
        a = binary[
            tuple(slice(max(0, -s), min(n, n - s)) for s, n in zip(d, binary.shape, strict=True))
        ]
        b = binary[
            tuple(slice(max(0, s), min(n, n + s)) for s, n in zip(d, binary.shape, strict=True))
        ]
        total[k] += (a & b).mean()
        pairs[k] += 1
        length[k] += np.linalg.norm(d)
    np.testing.assert_allclose(value, total / pairs, atol=1e-5)
    np.testing.assert_allclose(distance, length / pairs)


def test_finer_structure_has_a_shorter_correlation():
    rng = np.random.default_rng(2)
    noise = rng.random((64, 64, 64))
    found = []
    for sigma in (1.5, 3.0):
        binary = ndi.gaussian_filter(noise, sigma) > 0.5
        found.append(values(pore_space(binary)[0])["correlation_length", "all"])
    assert found[1] == pytest.approx(2 * found[0], rel=0.2)


def test_mask_is_not_solid():
    # All pore outside the cylinder or none: the figures are those of the box inside it.
    binary = layers()
    outside = np.hypot(*(np.mgrid[:48, :48] - 23.5)) > 20
    full, none = binary.copy(), binary.copy()
    full[:, outside] = True
    none[:, outside] = False
    a, b = (values(pore_space(v, mask_radius=20.0)[0]) for v in (full, none))
    assert a == b
    assert a["chord_length_mean", "z"] == 6.0


def test_anisotropic_voxels_have_chords_only():
    rows, curve = pore_space(layers(), spacing=(2.0, 1.0, 1.0))
    assert values(rows) == {
        ("pore_share", "all"): layers().mean(),
        ("chord_length_mean", "z"): 12.0,
        ("chord_length_median", "z"): 12.0,
    }
    assert len(curve) == 0


@pytest.mark.parametrize("value", [True, False])
def test_one_phase_alone_has_its_share_only(value):
    rows, curve = pore_space(np.full((8, 8, 8), value))
    assert values(rows) == {("pore_share", "all"): float(value)}
    assert len(curve) == 0


def test_pores_between_bright_objects():
    labels = layers().astype(np.uint32) * 3
    a = values(pore_space(labels == 0)[0])
    assert values(pore_space(labels, pores="background")[0]) == a
    assert a != values(pore_space(labels)[0])


def test_mistakes():
    with pytest.raises(AcuityError, match="shape"):
        pore_space(np.zeros((8, 8), bool))
    with pytest.raises(AcuityError, match="background"):
        pore_space(np.zeros((8, 8, 8), bool), pores="holes")

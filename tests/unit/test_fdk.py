"""FDK against closed forms, RTK and itself: values, positions, handedness, slabs, subsets, units."""

from dataclasses import replace

import numba
import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.geometry import ConeBeam, full_circle
from acuity.reconstruct.fdk import Cube, Slab, angular_weights, fdk, quarter_turns, ramp
from acuity.reconstruct.reconstruct import blocks, reconstruct, reconstruct_truth
from acuity.settings import call
from acuity.simulate.acquire import acquire
from acuity.simulate.foam import exact, foam
from acuity.simulate.project import project
from acuity.volume import open_volume

N = 64
GEOMETRY = ConeBeam.standard(N)


def spheres(*rows):
    return pd.DataFrame(rows, columns=["z", "y", "x", "radius"], dtype=float)


MARKER = spheres((9.3, -12.6, 15.2, 4.0), (-14.8, 3.1, -11.7, 3.0), (4.4, 17.3, 6.9, 5.0))


@pytest.fixture(scope="module")
def table():
    return call(foam, size=N, seed=1, diameter=(5, 20), small_below=8)


@pytest.fixture(scope="module")
def lines(table):
    return project(table, GEOMETRY, full_circle(N), size=N)


@pytest.fixture(scope="module")
def whole(lines):
    return call(fdk, lines, GEOMETRY, full_circle(N))


def centroid(volume, place, reach):
    """Centroid of the signal within `reach` voxels of a place (z, y, x) from the centre."""
    centre = np.round(np.array(place) + (np.array(volume.shape) - 1) / 2).astype(int)
    box = tuple(slice(c - reach, c + reach + 1) for c in centre)
    part = volume[box].astype(float)
    grid = (
        np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"))
        - (np.array(volume.shape) - 1).reshape(3, 1, 1, 1) / 2
    )
    return (grid * part).sum(axis=(1, 2, 3)) / part.sum()


@pytest.mark.parametrize("views", [256, 255])
def test_three_pores_stand_where_they_should(views):
    """In the fast way (256 views) and the general one (255)."""
    angles = full_circle(views)
    volume = call(fdk, project(MARKER, GEOMETRY, angles, size=0), GEOMETRY, angles)
    for s in MARKER.itertuples():
        found = centroid(volume, (s.z, s.y, s.x), round(s.radius) + 3)
        assert abs(found - (s.z, s.y, s.x)).max() < 0.1
    # Negative control: no mirror image and no turn of it has all three pores.
    image = volume - volume.mean()
    truth = 1 - exact(MARKER, size=N)
    truth = (truth - truth.mean()) * (exact(MARKER.iloc[:0], size=N) > 0)
    score = (image * truth).sum()
    for axis in range(3):
        assert (np.flip(image, axis) * truth).sum() < 0.5 * score
    for turns in (1, 2, 3):
        assert (np.rot90(image, turns, (1, 2)) * truth).sum() < 0.5 * score


def test_offset_detector_gives_the_same_place():
    geometry = replace(GEOMETRY, offset_u=5.0, offset_v=-7.0, rows=90, columns=80)
    angles = full_circle(128)
    volume = call(fdk, project(MARKER, geometry, angles, size=0), geometry, angles, size=N)
    for s in MARKER.itertuples():
        found = centroid(volume, (s.z, s.y, s.x), round(s.radius) + 3)
        assert abs(found - (s.z, s.y, s.x)).max() < 0.1
    # Negative control: unaware of the offset, the places are wrong.
    wrong = call(
        fdk,
        project(MARKER, geometry, angles, size=0),
        replace(geometry, offset_u=0.0, offset_v=0.0),
        angles,
        size=N,
    )
    s = MARKER.iloc[2]
    assert abs(centroid(wrong, (s.z, s.y, s.x), 8) - (s.z, s.y, s.x)).max() > 0.5


def test_solid_value_near_the_central_plane():
    """Within 0.5 % below 1 degree of cone angle; its fall beyond is the method's own."""
    ball = spheres((0, 0, 0, 26))
    angles = full_circle(360)
    volume = call(fdk, project(ball, GEOMETRY, angles, size=0), GEOMETRY, angles)
    z, y, x = (np.indices((N,) * 3) - (N - 1) / 2).astype(float)
    inside = z**2 + y**2 + x**2 < 22**2
    cone = np.rad2deg(np.arctan2(abs(z), GEOMETRY.source_to_axis))
    assert volume[inside & (cone < 1)].mean() == pytest.approx(1, abs=0.005)
    assert volume[inside & (cone > 3)].mean() < 0.999
    outside = (z**2 + y**2 + x**2 > 29**2) & (y**2 + x**2 < 30**2) & (cone < 1)
    assert volume[outside].mean() == pytest.approx(0, abs=0.005)


def test_same_as_rtk(lines, whole):
    pytest.importorskip("itk")
    theirs = call(fdk, lines, GEOMETRY, full_circle(N), backend="rtk")
    _z, y, x = np.indices((N,) * 3) - (N - 1) / 2
    inner = np.broadcast_to(y**2 + x**2 < (N / 2 - 4) ** 2, whole.shape)
    assert abs(whole - theirs)[inner].max() < 2e-5
    # RTK drops what lies between the centre and the edge of the outermost pixels; on a detector
    # with room to spare that makes no difference.
    wide = replace(GEOMETRY, columns=N + 32)
    angles = full_circle(24)
    seen = project(MARKER, wide, angles, size=0)
    # RTK rounds the window's cut-off to a whole frequency.
    for hann, tolerance in ((0.0, 2e-5), (0.7, 4e-3)):
        ours = call(fdk, seen, wide, angles, size=N, hann=hann)
        theirs = call(fdk, seen, wide, angles, size=N, hann=hann, backend="rtk")
        assert abs(ours - theirs).max() < tolerance
    # Negative control: the window is seen.
    assert abs(ours - call(fdk, seen, wide, angles, size=N)).max() > 1e-2
    slab = call(fdk, seen, wide, angles, size=N, hann=0.7, backend="rtk", z0=20, z1=30)
    assert abs(slab - theirs[20:30]).max() < 1e-6


def test_same_as_rtk_off_the_middle():
    pytest.importorskip("itk")
    from acuity.reconstruct import rtk

    pores = spheres((0.8, -1.1, 2.3, 1.7), (-2.3, 1.9, 0.4, 1.3))
    wide = ConeBeam(60.0, 84.0, 1.3, 40, 36, offset_v=2.2, offset_u=-1.7)
    angles = full_circle(21, offset=-400.0)
    seen = project(pores, wide, angles, size=0).astype(np.float64)
    for z0, z1, radius in ((1, 8, 5.0), (0, 11, np.inf)):
        settings = {"size": 11, "voxel": 0.8, "z0": z0, "z1": z1, "radius": radius, "hann": 0.0}
        theirs = call(rtk.fdk, seen, wide, angles, **settings)
        ours = call(fdk, seen, wide, angles, **settings)
        assert theirs.dtype == np.float32
        assert theirs.shape == (z1 - z0, 11, 11)
        assert theirs.max() > 0.5
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-5)
        if radius == 5:
            assert theirs[0, 5, 0] != 0  # on the very edge of the field of view
            assert not theirs[:, 4, 0].any()
    # An overlap counts twice.
    pores = spheres((0.8, -1.1, 2.3, 1.7), (0.9, -1.0, 2.1, 2.9))
    lines = rtk.project(pores, wide, angles[:5])
    np.testing.assert_allclose(lines, project(pores, wide, angles[:5], size=0), atol=2e-5)


def test_slabs_equal_the_whole_bit_for_bit(lines, whole):
    for z0, z1 in ((0, 1), (1, 17), (17, 41), (41, 64)):
        slab = call(fdk, lines, GEOMETRY, full_circle(N), z0=z0, z1=z1)
        assert np.array_equal(slab, whole[z0:z1])


def test_threads_do_not_matter(lines, whole):
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert np.array_equal(call(fdk, lines, GEOMETRY, full_circle(N)), whole)
    finally:
        numba.set_num_threads(threads)


def test_fast_and_general_ways_agree(lines, whole):
    angles = full_circle(N)
    slab = Slab(GEOMETRY, Cube(N, 1.0, 0, N, radius=N / 2))
    first, end = slab.rows
    filtered = slab._filter(lines[:, first:end], angular_weights(angles))
    slab._add_general(filtered, angles, np.arange(N))
    assert abs(slab.volume() - whole).max() < 1e-5
    # An odd volume has no sets of four voxels and goes the general way.
    odd = call(fdk, lines, GEOMETRY, angles, size=N - 1)
    assert abs(odd[20:40].mean() - whole[20:40].mean()) < 0.02


def test_interleaved_subsets_average_to_the_whole(lines, whole):
    angles = full_circle(N)
    parts = [call(fdk, lines[k::2], GEOMETRY, angles[k::2]) for k in range(2)]
    assert abs((parts[0] + parts[1]) / 2 - whole).max() < 5e-6
    # Negative control: one subset is not the whole.
    assert abs(parts[0] - whole).max() > 1e-2


def test_order_and_origin_of_the_angles_do_not_matter(lines, whole):
    order = np.random.default_rng(1).permutation(N)
    angles = full_circle(N)[order] - 720
    assert abs(call(fdk, lines[order], GEOMETRY, angles) - whole).max() < 5e-6


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_units_only_scale_the_result(lines, whole, factor):
    scaled = call(fdk, lines / factor * factor, GEOMETRY.scaled(factor), full_circle(N))
    assert abs(scaled * factor - whole).max() < 2e-6 * abs(whole).max()


def test_field_of_view(whole, lines):
    _z, y, x = np.indices((N,) * 3) - (N - 1) / 2
    beyond = y**2 + x**2 > (N / 2) ** 2
    assert not whole[beyond].any()
    open_ = call(fdk, lines, GEOMETRY, full_circle(N), radius=np.inf)
    assert np.array_equal(open_[~beyond], whole[~beyond])
    assert open_[beyond].any()


def test_angular_weights():
    assert angular_weights(full_circle(36)) == pytest.approx(np.full(36, np.pi / 18))
    uneven = angular_weights(np.array([0, 10, 15, *range(30, 360, 15)], float))
    assert uneven.sum() == pytest.approx(2 * np.pi)
    assert uneven[1] == pytest.approx(np.deg2rad(7.5))


def test_quarter_turns():
    sets, rest = quarter_turns(full_circle(24, offset=0.7))
    assert len(sets) == 6
    assert len(rest) == 0
    for found in sets:
        assert np.allclose(np.diff(full_circle(24)[found]) % 360, 90)
    assert sorted(sets.ravel()) == list(range(24))
    sets, rest = quarter_turns(full_circle(25))
    assert len(sets) == 0
    assert len(rest) == 25
    sets, rest = quarter_turns(np.array([5.0, 95, 185, 275, 6, 96, 186]))
    assert sets.tolist() == [[0, 1, 2, 3]]
    assert rest.tolist() == [4, 5, 6]


def test_blocks_hold_each_view_once():
    for views in (256, 250):
        found = blocks(full_circle(views), 20 << 20)
        assert len(found) > 1
        assert sorted(np.concatenate(found)) == list(range(views))


def test_ramp_of_a_constant_and_its_mean():
    transfer, length = ramp(100)
    assert length >= 199
    # Sampled in space, the filter keeps a little of the mean; sampled in frequency it would be 0.
    assert 0 < transfer[0] < 2 / length
    assert transfer[-1] == pytest.approx(0.5, abs=1e-2)
    assert ramp(100, 1.0)[0][-1] == pytest.approx(0, abs=1e-6)


def test_bad_input_is_refused(lines):
    angles = full_circle(N)
    with pytest.raises(AcuityError, match="shape"):
        call(fdk, lines[:, :-1], GEOMETRY, angles)
    with pytest.raises(AcuityError, match="same angle"):
        call(fdk, lines, GEOMETRY, np.linspace(0, 360, N))
    with pytest.raises(AcuityError, match="gap of"):
        call(fdk, lines, GEOMETRY, np.linspace(0, 180, N))
    with pytest.raises(AcuityError, match="backend"):
        call(fdk, lines, GEOMETRY, angles, backend="astra")
    with pytest.raises(AcuityError, match="slices"):
        call(fdk, lines, GEOMETRY, angles, z0=60, z1=70)
    with pytest.raises(AcuityError, match="not finite"):
        call(fdk, np.full_like(lines, np.nan), GEOMETRY, angles)
    with pytest.raises(AcuityError, match="hann"):
        call(fdk, lines, GEOMETRY, angles, hann=1.5)
    with pytest.raises(AcuityError, match="beyond the axis"):
        ConeBeam(100, 50, 1, 10, 10)
    with pytest.raises(AcuityError, match="above 0"):
        ConeBeam(0, 50, 1, 10, 10)


def test_file_to_volume(table, tmp_path, monkeypatch):
    call(acquire, table, tmp_path / "a.h5", size=N, level=0, seed=1, photons=None, voxel_size=0.5)
    reconstruct(tmp_path / "a.h5", tmp_path / "a.ome.zarr")
    volume = open_volume(tmp_path / "a.ome.zarr")
    assert volume.grid.shape == (N, N, N)
    assert volume.grid.spacing == pytest.approx((0.5,) * 3)
    assert volume.grid.origin == pytest.approx((-(N - 1) / 4,) * 3)
    assert volume.grid.unit == "um"
    found = volume.read()
    solid = exact(table, size=N)
    # The peak attenuation of 2 over a diameter of 0.9 * 64 voxels of 0.5 um.
    mu = 2 / (0.9 * N * 0.5)
    core = solid[24:40] > 0.999
    assert found[24:40][core].mean() == pytest.approx(mu, rel=0.03)
    # Slabs and blocks of views change nothing that matters: slabs not a bit.
    monkeypatch.setattr("acuity.reconstruct.reconstruct.SUMS", 11 * 4 * N * N)
    reconstruct(tmp_path / "a.h5", tmp_path / "b.ome.zarr")
    assert np.array_equal(open_volume(tmp_path / "b.ome.zarr").read(), found)
    monkeypatch.setattr("acuity.reconstruct.reconstruct.SUMS", 1 << 18)
    reconstruct(tmp_path / "a.h5", tmp_path / "d.ome.zarr")
    assert np.array_equal(open_volume(tmp_path / "d.ome.zarr").read(), found)
    monkeypatch.setattr("acuity.reconstruct.reconstruct.VIEWS", 1 << 20)
    reconstruct(tmp_path / "a.h5", tmp_path / "c.ome.zarr")
    assert abs(open_volume(tmp_path / "c.ome.zarr").read() - found).max() < 2e-6


def test_rtk_backend_from_file(table, tmp_path):
    pytest.importorskip("itk")
    call(acquire, table, tmp_path / "a.h5", size=32, level=1, seed=1)
    reconstruct(tmp_path / "a.h5", tmp_path / "a.ome.zarr")
    reconstruct(tmp_path / "a.h5", tmp_path / "b.ome.zarr", backend="rtk")
    ours, theirs = (open_volume(tmp_path / f"{k}.ome.zarr").read() for k in "ab")
    assert abs(ours - theirs)[:, 6:-6, 6:-6].max() < 1e-5


def test_truth_from_many_views(table, tmp_path):
    call(reconstruct_truth, table, tmp_path / "a.ome.zarr", size=N, views=4 * N)
    truth = open_volume(tmp_path / "a.ome.zarr").read()
    angles = full_circle(4 * N)
    solid = 2 / (0.9 * N)
    direct = call(fdk, project(table, GEOMETRY, angles, size=N, solid=solid), GEOMETRY, angles)
    assert abs(truth - direct).max() < 2e-6 * solid * 10
    few = call(
        fdk, project(table, GEOMETRY, angles[::4], size=N, solid=solid), GEOMETRY, angles[::4]
    )
    image = exact(table, size=N) * solid
    centre = slice(N // 2 - 8, N // 2 + 8)
    # More views are nearer to the exact volume.
    assert np.square(truth - image)[centre].mean() < np.square(few - image)[centre].mean()

"""Analytic projections against closed forms and RTK, and the simulated raw file."""

import h5py
import numba
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

import acuity.simulate.acquire as module
from acuity.errors import AcuityError
from acuity.geometry import ConeBeam, full_circle
from acuity.settings import call
from acuity.simulate.acquire import acquire, open_scan
from acuity.simulate.foam import foam
from acuity.simulate.project import project
from tests.conftest import needs_full_device

GEOMETRY = ConeBeam(200.0, 400.0, 2.0, 60, 48)
NOTHING = pd.DataFrame({"z": [], "y": [], "x": [], "radius": []}, dtype=float)


def spheres(*rows):
    return pd.DataFrame(rows, columns=["z", "y", "x", "radius"], dtype=float)


def rays(geometry, angle):
    """Source and unit direction of every ray, in the axes of the sample."""
    t = np.deg2rad(angle)
    v = geometry.offset_v + (np.arange(geometry.rows) - (geometry.rows - 1) / 2) * geometry.pixel
    u = (
        geometry.offset_u
        + (np.arange(geometry.columns) - (geometry.columns - 1) / 2) * geometry.pixel
    )
    v, u = np.meshgrid(v, u, indexing="ij")
    # across = x cos t - y sin t and depth = x sin t + y cos t, the other way round.
    back = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    source = np.array([*(back @ [0, geometry.source_to_axis]), 0.0])
    depth = np.full_like(u, geometry.source_to_axis - geometry.source_to_detector)
    x, y = np.einsum("ij,jkl->ikl", back, np.stack([u, depth]))
    way = np.stack([x, y, v], axis=-1) - source
    return source, way / np.linalg.norm(way, axis=-1, keepdims=True)


def chord(geometry, angle, sphere):
    source, way = rays(geometry, angle)
    away = np.array([sphere.x, sphere.y, sphere.z]) - source
    distance2 = (np.cross(way, away) ** 2).sum(axis=-1)
    return 2 * np.sqrt(np.maximum(sphere.radius**2 - distance2, 0))


@pytest.mark.parametrize("geometry", [GEOMETRY, ConeBeam(150, 170, 1.5, 50, 64, 5.0, -7.0)])
def test_sphere_is_its_chord(geometry):
    table = spheres((3.2, -7.1, 9.4, 6.3), (-14, 11, 2, 9.5))
    angles = np.array([0.0, 33.3, 90.0, 181.0, 290.7])
    found = project(table, geometry, angles, size=0, dtype=np.float64)
    for view, angle in enumerate(angles):
        truth = sum(chord(geometry, angle, s) for s in table.itertuples())
        assert abs(found[view] - truth).max() < 1e-9 * truth.max()
    # Negative control: turned the other way it is another image.
    other = project(table, geometry, -angles, size=0, dtype=np.float64)
    assert abs(other - found)[1:].max() > 1


def test_cylinder_with_pores_by_walking_along_the_rays():
    size, radius = 40, 18.0
    table = spheres((-19, 2, 3, 6), (4, -8, 6, 5), (18.5, -3, -9, 4))
    geometry, angle = ConeBeam.standard(size), 41.0
    found = project(table, geometry, [angle], size=size, dtype=np.float64)[0]
    source, way = rays(geometry, angle)
    step = 1 / 64
    s = np.arange(geometry.source_to_axis - 30, geometry.source_to_axis + 32, step)
    for j in (0, 1, 3, 10, 22, geometry.rows - 2):
        for i in (4, 13, 20, 31):
            x, y, z = source[:, None] + way[j, i][:, None] * s
            solid = (np.hypot(x, y) <= radius) & (abs(z) <= size / 2)
            for p in table.itertuples():
                solid &= (x - p.x) ** 2 + (y - p.y) ** 2 + (z - p.z) ** 2 > p.radius**2
            assert found[j, i] == pytest.approx(solid.sum() * step, abs=4 * step)


def test_agrees_with_rtk():
    pytest.importorskip("itk")
    from acuity.reconstruct import rtk

    table = spheres((3.2, -7.1, 9.4, 6.3), (-14, 11, 2, 9.5), (9, 0, -12, 3))
    angles = np.array([0.0, 33.3, 90.0, 200.0])
    ours = project(table, GEOMETRY, angles, size=0)
    theirs = rtk.project(table, GEOMETRY, angles)
    assert abs(ours - theirs).max() < 1e-6 * theirs.max()


def test_every_voxel_of_the_cylinder_is_seen():
    for size in (64, 256, 512, 1024):
        geometry = ConeBeam.standard(size)
        first, end = geometry.rows_for(-(size - 1) / 2, (size - 1) / 2, 0.45 * size)
        # The range has one row to spare on each side.
        assert first >= -1
        assert end <= geometry.rows + 1
        assert geometry.rows < 1.13 * size + 4
        assert geometry.voxel == 1


def test_views_are_independent_and_threads_do_not_matter():
    table = call(foam, size=32, seed=1, diameter=(4, 12), small_below=6)
    geometry, angles = ConeBeam.standard(32), full_circle(7)
    whole = project(table, geometry, angles, size=32)
    assert np.array_equal(whole[3:5], project(table, geometry, angles[3:5], size=32))
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert np.array_equal(whole, project(table, geometry, angles, size=32))
    finally:
        numba.set_num_threads(threads)
    cropped = project(table, geometry.cropped(5, 20), angles, size=32)
    np.testing.assert_allclose(cropped, whole[:, 5:20], atol=1e-5)


def test_full_circle_does_not_repeat_its_end():
    assert full_circle(4).tolist() == [0, 90, 180, 270]


def test_source_inside_the_sample_is_refused():
    with pytest.raises(AcuityError, match="reaches the source"):
        project(spheres((0, 190, 0, 20)), GEOMETRY, [0.0], size=0)
    with pytest.raises(AcuityError, match="not finite"):
        project(NOTHING, GEOMETRY, [np.nan], size=10)


@pytest.fixture(scope="module")
def table():
    return call(foam, size=32, seed=1, diameter=(4, 12), small_below=6)


def scan(table, path, **change):
    settings = {"size": 32, "level": 1.0, "seed": 3, **change}
    call(acquire, table, path, **settings)
    return open_scan(path)


def test_peak_attenuation_and_geometry(tmp_path):
    clear = scan(NOTHING, tmp_path / "a.h5", level=0, photons=None, voxel_size=2.5, unit="nm")
    assert clear.unit == "nm"
    assert clear.geometry == ConeBeam.standard(32).scaled(2.5)
    assert clear.angles.tolist() == full_circle(32).tolist()
    lines = clear.read(slice(None))
    # Off the central rows the rays are oblique, and a little longer.
    assert lines[:, lines.shape[1] // 2].max() == pytest.approx(2, rel=1e-3)
    assert lines.max() == pytest.approx(2, rel=1e-2)
    assert lines.min() == 0


def test_intensities_are_blurred_on_a_detector_that_has_no_edge(table, tmp_path):
    found = scan(table, tmp_path / "a.h5", level=3, photons=None).read(slice(4, 5))[0]
    geometry = ConeBeam.standard(32).padded(40)
    lines = project(table, geometry, full_circle(32)[4:5], size=32, solid=2 / (0.9 * 32))[0]
    truth = -np.log(gaussian_filter(np.exp(-lines.astype(float)), 3))[40:-40, 40:-40]
    np.testing.assert_allclose(found, truth, atol=2e-5)
    # Negative control: blurring the line integrals is something else.
    other = scan(table, tmp_path / "b.h5", level=3, photons=None, blur_domain="attenuation")
    wrong = gaussian_filter(lines, 3)[40:-40, 40:-40]
    np.testing.assert_allclose(other.read(slice(4, 5))[0], wrong, atol=2e-5)
    assert abs(found - wrong).max() > 0.01


def test_variance_of_the_logarithm_is_one_over_the_counts(table, tmp_path):
    clean = scan(table, tmp_path / "clean.h5", photons=None).read(slice(None))
    noisy = scan(table, tmp_path / "noisy.h5", photons=5000).read(slice(None))
    expected = 1 / (5000 * np.exp(-clean.astype(float)))
    ratio = (noisy - clean).astype(float) ** 2 / expected
    # 36864 pixels: the mean of a squared normal has a standard error of 0.0074.
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    thick = clean > np.quantile(clean, 0.9)
    assert ratio[thick].mean() == pytest.approx(1, abs=0.1)


def test_noise_has_its_seed_view_and_level(table, tmp_path):
    def noise(name, **change):
        path = tmp_path / f"{name}.h5"
        scan(table, path, **change)
        with h5py.File(path) as file:
            return file["exchange/data"][()]

    one = noise("one")
    assert one.dtype == np.uint16
    assert np.array_equal(one, noise("again", block=5))
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert np.array_equal(one, noise("single"))
    finally:
        numba.set_num_threads(threads)
    assert not np.array_equal(one, noise("seed", seed=4))
    clean = 5000 * noise("clean", photons=None)
    residual = one - clean

    def related(a, b):
        return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) > 0.05

    assert related(residual, one - clean)
    assert not related(residual[:-1], residual[1:])
    assert not related(residual, noise("level", level=1.001) - clean)


def test_pixels_without_photons_stay_finite(table, tmp_path):
    dim = scan(table, tmp_path / "dim.h5", photons=2, peak_attenuation=8)
    lines = dim.read(slice(None))
    assert np.isfinite(lines).all()
    assert lines.max() == pytest.approx(np.log(2 / 0.5))


def test_reads_rows_and_views_in_any_order(table, tmp_path):
    found = scan(table, tmp_path / "a.h5")
    whole = found.read(slice(None))
    views = np.array([7, 3, 4, 5, 30, 0])
    assert np.array_equal(found.read(views, (4, 9)), whole[views, 4:9])


def test_failed_acquisition_leaves_nothing(table, tmp_path, monkeypatch):
    import acuity.simulate.acquire as module

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "project", fail)
    with pytest.raises(KeyboardInterrupt):
        call(acquire, table, tmp_path / "a.h5", size=32, level=1, seed=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": -1}, "level"),
        ({"level": float("nan")}, "level"),
        ({"photons": 0}, "photons"),
        ({"peak_attenuation": 0}, "peak_attenuation"),
        ({"blur_domain": "log"}, "blur_domain"),
        ({"voxel_size": 0}, "voxel_size"),
        ({"unit": "parsec"}, "parsec"),
    ],
)
def test_bad_settings_are_refused(table, tmp_path, change, words):
    with pytest.raises(AcuityError, match=words):
        scan(table, tmp_path / "a.h5", **change)
    assert list(tmp_path.iterdir()) == []


def test_damaged_raw_files_are_refused(table, tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(AcuityError, match="no such file"):
        open_scan(path)
    scan(table, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AcuityError, match=r"a\.h5"):
        open_scan(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        del file["exchange/theta"]
    with pytest.raises(AcuityError, match="exchange/theta is missing"):
        open_scan(path)
    with h5py.File(path, "a") as file:
        file["exchange/theta"] = np.zeros(5)
    with pytest.raises(AcuityError, match="must agree"):
        open_scan(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file["exchange/data_white"][0, 3, 4] = 0
    with pytest.raises(AcuityError, match="white field"):
        open_scan(path).read(slice(0, 1))


@needs_full_device
def test_disk_full_inside_of_hdf5_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    pores = spheres((16, 16, 16, 4))
    call(acquire, pores, tmp_path / "whole.h5", size=32, level=1, seed=1, photons=500)
    with h5py.File(tmp_path / "whole.h5") as file:
        assert file["exchange/data"][()].std() > 0  # the control

    class Full(module._Patient):
        def __init__(self, path):
            super().__init__("/dev/full")

    monkeypatch.setattr(module, "_Patient", Full)
    with pytest.raises(AcuityError, match=r"full\.h5: disk full while writing"):
        call(acquire, pores, tmp_path / "full.h5", size=32, level=1, seed=1, photons=500)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.h5"]

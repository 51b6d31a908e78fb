"""Projections and raw files in numbers: every ray in closed form, every count and attribute."""

import io
import math

import h5py
import numpy as np
import pandas as pd
import pytest

import acuity.simulate.acquire as module
import acuity.simulate.project as projecting
from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.geometry import ConeBeam, full_circle
from acuity.settings import call
from acuity.simulate.acquire import acquire, open_scan
from acuity.simulate.project import project


def spheres(*rows):
    return pd.DataFrame(rows, columns=["z", "y", "x", "radius"], dtype=float)


NOTHING = spheres()


def refused(run):
    with pytest.raises(AcuityError) as caught:
        run()
    return str(caught.value)


# ------------------------------------------------------------------------------------ projections


def crossing(a, b, c):
    """Between which k the parabola a k^2 - 2 b k + c lies below 0; an empty stretch if it does not."""
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    return (b - root) / a, np.where(b**2 > a * c, (b + root) / a, -np.inf)


def plain(table, g, angles, half, radius):
    """Lengths along the rays, from the source (k = 0) to the detector (k = 1)."""
    v = g.offset_v + (np.arange(g.rows) - (g.rows - 1) / 2) * g.pixel
    u = g.offset_u + (np.arange(g.columns) - (g.columns - 1) / 2) * g.pixel
    v, u = np.meshgrid(v, u, indexing="ij")
    sid, sdd = g.source_to_axis, g.source_to_detector
    with np.errstate(divide="ignore"):
        last = half / abs(v) if half else np.full(v.shape, np.inf)

    def length(enter, leave):
        return np.maximum(np.minimum(leave, last) - enter, 0) * np.sqrt(u**2 + sdd**2 + v**2)

    found = np.zeros((len(angles), *v.shape))
    for view, t in zip(found, np.deg2rad(angles), strict=True):
        if half:
            view += length(*crossing(u**2 + sdd**2, sdd * sid, sid**2 - radius**2))
        for s in table.itertuples():
            across = s.x * np.cos(t) - s.y * np.sin(t)
            away = sid - (s.x * np.sin(t) + s.y * np.cos(t))
            chord = length(
                *crossing(
                    u**2 + sdd**2 + v**2,
                    u * across + sdd * away + v * s.z,
                    across**2 + away**2 + s.z**2 - s.radius**2,
                )
            )
            view += -chord if half else chord
    return found


PORES = spheres(
    (-10.3, 2.1, 3.4, 4.2),
    (3.2, -6.8, 5.7, 3.5),
    (11.4, -2.6, -6.3, 2.9),
    (8.8, 6.1, -1.7, 3.2),
    (-0.6, -3.3, -7.2, 2.2),
    (0.9, 1.4, 2.3, 12.9),
    (0.1, 14.3, -6.2, 1.1),
)


@pytest.mark.parametrize(
    "geometry",
    [
        # A row and a column in the middle; all is seen, and what lies around it.
        ConeBeam(80.0, 130.0, 1.5, 45, 51),
        # Only a part is seen; not in the middle; the sample reaches far towards the source.
        ConeBeam(27.0, 46.0, 0.9, 24, 37, offset_v=-12.3, offset_u=7.7),
        ConeBeam(27.0, 27.0, 1.1, 31, 16, offset_v=9.1, offset_u=-15.4),
    ],
)
def test_rays_through_cylinder_and_pores(geometry):
    angles = np.array([0.0, 37.1, 90.0, 161.4, -95.3])
    found = project(
        PORES,
        geometry,
        angles,
        size=24,
        cylinder_radius=0.7,
        solid=0.37,
        dtype=np.float64,
    )
    truth = 0.37 * plain(PORES, geometry, angles, 12.0, 16.8)
    np.testing.assert_allclose(found, truth, rtol=1e-9, atol=1e-8)
    assert truth.max() > 3
    # The cylinder alone, of its usual radius; and the pores alone.
    found = project(NOTHING, geometry, angles[:2], size=24, dtype=np.float64)
    truth = plain(NOTHING, geometry, angles[:2], 12.0, 10.8)
    np.testing.assert_allclose(found, truth, rtol=1e-9, atol=1e-8)
    found = project(PORES, geometry, angles, size=0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain(PORES, geometry, angles, 0, 0), rtol=1e-6, atol=1e-5)


def test_a_pore_beyond_the_end_is_seen_from_the_middle_row():
    """Its centre lies above the sample, and its lower part crosses the plane of the source."""
    geometry = ConeBeam(100.0, 150.0, 1.5, 21, 21)
    pore = spheres((6.5, 0.0, 0.0, 8.0))
    found = project(pore, geometry, np.zeros(1), size=12, cylinder_radius=0.9, dtype=np.float64)
    truth = plain(pore, geometry, np.zeros(1), 6.0, 10.8)
    np.testing.assert_allclose(found, truth, rtol=1e-9, atol=1e-8)


def test_only_the_pixels_that_a_sphere_shades_are_walked_through():
    random = np.random.default_rng(1)
    empty = 0
    for _ in range(300):
        radius = random.uniform(0.1, 8)
        across, toward = random.uniform(-30, 30), random.uniform(9, 60)
        distance, first, pixel = (
            random.uniform(60, 90),
            random.uniform(-40, 5),
            random.uniform(0.5, 3),
        )
        number = int(random.integers(1, 40))
        u = first + np.arange(number) * pixel
        apart = abs(across * distance - toward * u) / np.hypot(distance, u)
        shaded = np.flatnonzero(apart <= radius)
        low, high = projecting._bounds(across, toward, radius, distance, first, pixel, number)
        assert 0 <= low <= number
        assert 0 <= high <= number
        if len(shaded):
            assert (low, high) == (shaded[0], shaded[-1] + 1)
        else:
            assert low >= high
            empty += 1
    assert 30 < empty < 200


def test_a_sample_as_far_as_the_source_is_refused():
    g = ConeBeam(40.0, 80.0, 2.0, 5, 5)
    sentence = "the sample reaches the source, which is 40 voxels from the axis"
    assert refused(lambda: project(NOTHING, g, [0.0], size=80, cylinder_radius=0.5)) == sentence
    assert project(NOTHING, g, [0.0], size=79, cylinder_radius=0.5).shape == (1, 5, 5)
    # The orbit of its centre and its radius: 5 x (3, 4, 5) and 15.
    assert refused(lambda: project(spheres((0, 15, -20, 15)), g, [0.0], size=0)) == sentence
    assert project(spheres((0, 15, -20, 14.9)), g, [0.0], size=0).shape == (1, 5, 5)
    assert project(spheres((90, 0, 0, 1)), g, [0.0], size=0).shape == (1, 5, 5)
    for angle in (np.nan, np.inf):
        assert refused(lambda angle=angle: project(NOTHING, g, [0.0, angle], size=0)) == (
            "an angle of the scan is not finite"
        )


def test_kernels_are_compiled_once_and_run_on_all_threads():
    for name in ("_bounds", "_project"):
        found = getattr(projecting, name)
        assert type(found._cache).__name__ == "FunctionCache"
        assert found.targetoptions.get("parallel", False) == (name == "_project")


# ------------------------------------------------------------------------------------- raw files


SIZE = 9
FEW = spheres((1.2, -0.4, 1.1, 1.9), (-2.2, 0.9, -1.3, 1.2))


def intensities(level, domain, radius=0.4, peak=1.5, views=5):
    """What falls on the detector, of an open beam of 1."""
    geometry = ConeBeam.standard(SIZE, radius)
    margin = 9
    lines = project(
        FEW,
        geometry.padded(margin),
        full_circle(views),
        size=SIZE,
        cylinder_radius=radius,
        solid=peak / (2 * radius * SIZE),
    )
    if domain == "intensity":
        lines = np.exp(-lines)
    if level:
        lines = gaussian(lines, (0, level, level))
    if domain == "attenuation":
        lines = np.exp(-lines)
    return lines[:, margin:-margin, margin:-margin].astype(float)


@pytest.mark.parametrize("domain", ["intensity", "attenuation"])
@pytest.mark.parametrize("level", [0, 0.6, 2.0])
def test_counts_are_drawn_for_each_view_and_level(tmp_path, level, domain):
    settings = {
        "size": SIZE,
        "level": level,
        "seed": 11,
        "views": 5,
        "peak_attenuation": 1.5,
        "cylinder_radius": 0.4,
        "blur_domain": domain,
    }
    call(acquire, FEW, tmp_path / "a.h5", photons=300.0, block=2, **settings)
    expected = intensities(level, domain)
    counts = [
        np.random.Generator(
            np.random.Philox(np.random.SeedSequence([11, round(level * 1e6), view]))
        ).poisson(300 * image)
        for view, image in enumerate(expected)
    ]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["exchange/data"].dtype == np.uint16
        # Where the last digit of an intensity differs, a draw may, seldom.
        assert (file["exchange/data"][()] == counts).mean() > 0.99
    call(acquire, FEW, tmp_path / "b.h5", photons=None, **settings)
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["exchange/data"].dtype == np.float32
        np.testing.assert_allclose(file["exchange/data"][()], expected, rtol=1e-5)


def test_what_the_raw_file_says(tmp_path):
    def read(**change):
        settings = {"size": SIZE, "level": 0.5, "seed": 12, "views": 3, **change}
        call(acquire, FEW, tmp_path / "a.h5", **settings)
        with h5py.File(tmp_path / "a.h5") as file:
            values = {}
            file.visititems(
                lambda name, item: (
                    values.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
            attributes = dict(file["process/simulation"].attrs)
            units = {name: dict(file[name].attrs) for name in values}
            dtypes = {name: file[name].dtype for name in values}
        return values, attributes, units, dtypes

    values, attributes, units, dtypes = read(voxel_size=0.25, unit="micron", peak_attenuation=3)
    rows = ConeBeam.standard(SIZE).rows
    place = "measurement/instrument/geometry"
    lengths = {
        "source_to_axis": 9.0,
        "source_to_detector": 18.0,
        "pixel_size": 0.5,
        "offset_v": 0.0,
        "offset_u": 0.0,
    }
    assert {name: values.pop(f"{place}/{name}") for name in lengths} == lengths
    assert all(units.pop(f"{place}/{name}") == {"units": "um"} for name in lengths)
    assert values.pop("implements") == b"exchange:measurement:process"
    assert values.pop("exchange/theta").tolist() == [0, 120, 240]
    assert units["exchange/theta"] == {"units": "degrees"}
    assert units["exchange/data"] == {"units": "counts", "axes": "theta:y:x"}
    assert values.pop("exchange/data").shape == (3, rows, SIZE)
    white, dark = values.pop("exchange/data_white"), values.pop("exchange/data_dark")
    assert (white == 5000).all()
    assert (dark == 0).all()
    assert white.shape == dark.shape == (1, rows, SIZE)
    assert dtypes["exchange/data_white"] == dtypes["exchange/data_dark"] == np.float32
    assert not values
    assert attributes == {
        "program": "acuity",
        "steps": "line integrals; exp(-p), blur; Poisson",
        "blur_sigma_pixels": 0.5,
        "blur_domain": "intensity",
        "photons": 5000.0,
        "peak_attenuation": 3.0,
        "cylinder_radius": 0.45,
        "volume_size": SIZE,
        "seed": 12,
    }
    values, attributes, *_ = read(photons=None, blur_domain="attenuation", cylinder_radius=0.3)
    assert (values["exchange/data_white"] == 1).all()
    assert values[f"{place}/pixel_size"] == 2
    assert attributes["steps"] == "line integrals; blur, exp(-p); no noise"
    assert math.isnan(attributes["photons"])
    assert attributes["peak_attenuation"] == 2
    assert attributes["cylinder_radius"] == 0.3
    assert open_scan(tmp_path / "a.h5").provenance == {
        "program": "acuity",
        "steps": "line integrals; blur, exp(-p); no noise",
        "blur_sigma_pixels": 0.5,
        "blur_domain": "attenuation",
        "photons": None,
        "peak_attenuation": 2.0,
        "cylinder_radius": 0.3,
        "volume_size": SIZE,
        "seed": 12,
    }


def test_views_are_projected_in_blocks_on_a_detector_with_a_margin(tmp_path, monkeypatch):
    calls = []

    def lines(spheres, geometry, angles, **settings):
        calls.append((geometry, list(angles), settings))
        return np.zeros((len(angles), geometry.rows, geometry.columns), np.float32)

    monkeypatch.setattr(module, "project", lines)
    settings = {"size": SIZE, "seed": 1, "photons": None}
    call(acquire, FEW, tmp_path / "a.h5", level=0.6, views=70, **settings)
    standard = ConeBeam.standard(SIZE)
    assert [geometry for geometry, *_ in calls] == [standard.padded(3)] * 3
    assert [angles for _, angles, _ in calls] == [
        full_circle(70)[a:b].tolist() for a, b in ((0, 32), (32, 64), (64, 70))
    ]
    assert calls[0][2] == {"size": SIZE, "cylinder_radius": 0.45, "solid": 2 / (0.9 * SIZE)}
    calls.clear()
    # As many views as columns by default; four standard deviations of half a pixel are two.
    call(acquire, FEW, tmp_path / "a.h5", level=0.5, block=4, **settings)
    assert [geometry for geometry, *_ in calls] == [standard.padded(2)] * 3
    assert [len(angles) for _, angles, _ in calls] == [4, 4, 1]
    calls.clear()
    call(acquire, FEW, tmp_path / "a.h5", level=0, block=9, **settings)
    assert [(geometry, len(angles)) for geometry, angles, _ in calls] == [(standard, 9)]


def test_bounds_of_the_settings(tmp_path):
    path = tmp_path / "a.h5"

    def run(**change):
        call(acquire, NOTHING, path, **{"size": 8, "level": 0, "seed": 1, "views": 1, **change})

    for change in (
        {"photons": 1},
        {"photons": 1e9},
        {"peak_attenuation": 50},
        {"peak_attenuation": 0.01},
        {"level": 0.01},
        {"voxel_size": 1e-9},
    ):
        run(**change)
    for value in (-1e-9, np.nan, np.inf):
        assert refused(lambda value=value: run(level=value)) == (
            f"level is {value}; a blur of 0 detector pixels or more is needed"
        )
        assert refused(lambda value=value: run(voxel_size=value)) == (
            f"voxel_size is {value}; a finite number above 0 is needed"
        )
    assert refused(lambda: run(voxel_size=0)).startswith("voxel_size is 0;")
    for value in (0.99, 1e9 + 1, np.nan):
        assert refused(lambda value=value: run(photons=value)) == (
            f"photons is {value}; 1 to 1e9 is allowed, or none for no noise"
        )
    for value in (0, -1, 50.01, 51, np.nan):
        assert refused(lambda value=value: run(peak_attenuation=value)) == (
            f"peak_attenuation is {value}; above 0 to 50 is allowed"
        )
    assert refused(lambda: run(blur_domain="x")) == (
        "blur_domain is 'x'; allowed are 'intensity' and 'attenuation'"
    )


def test_counts_are_kept_in_the_smallest_type_that_holds_them(tmp_path):
    # Ten standard deviations above the open beam: 65535.5 and 65536.5.
    for photons, dtype in ((1, np.uint16), (63025, np.uint16), (63026, np.uint32)):
        call(
            acquire,
            NOTHING,
            tmp_path / "a.h5",
            size=8,
            level=0,
            seed=1,
            views=1,
            photons=float(photons),
        )
        with h5py.File(tmp_path / "a.h5") as file:
            assert file["exchange/data"].dtype == dtype


class Stub(io.FileIO):
    """Writes three bytes at a time, and nothing once it is full."""

    room = 8

    def write(self, data):
        data = data[: min(3, self.room)]
        if not self.room:
            raise OSError("full")
        self.room -= len(data)
        return super().write(data)

    def truncate(self, size=None):
        if size is None or size > 100:
            raise OSError("too long")
        return super().truncate(size)


def test_a_failed_write_is_kept_for_later(tmp_path):
    class Patient(module._Patient, Stub):
        pass

    with Patient(tmp_path / "a") as file:
        assert file.write(np.frombuffer(b"abcdef", np.uint16)) == 6
        assert file.error is None
        assert file.tell() == 6
        assert file.write(b"ghijkl") == 6
        first = file.error
        assert str(first) == "full"
        file.room = 5
        assert file.write(b"mn") == 2  # nothing more is written after that
        assert file.truncate(101) == 101
        assert file.truncate() == 0
        assert file.error is first
        assert file.truncate(7) == 7
    assert (tmp_path / "a").read_bytes() == b"abcdefg"
    with Patient(tmp_path / "a") as file:
        assert file.truncate(200) == 200
        assert str(file.error) == "too long"


# ------------------------------------------------------------------------------- reading raw files


def write(path, **change):
    """A raw file by hand: 6 views of 4 rows and 3 columns, with two white and three dark fields."""
    random = np.random.default_rng(2)
    values = {
        "exchange/data": random.integers(40, 900, (6, 4, 3)).astype(np.uint16),
        "exchange/data_white": random.integers(1000, 1100, (2, 4, 3)).astype(np.uint16),
        "exchange/data_dark": random.integers(10, 30, (3, 4, 3)).astype(np.uint16),
        "exchange/theta": np.arange(6) * 60.0,
        **{
            f"measurement/instrument/geometry/{name}": value
            for name, value in (
                ("source_to_axis", 30.0),
                ("source_to_detector", 50.0),
                ("pixel_size", 1.5),
                ("offset_v", -2.0),
                ("offset_u", 0.75),
            )
        },
    }
    units = change.pop("units", {})
    for name, value in change.items():
        full = next(key for key in values if key.rsplit("/", 1)[1] == name)
        values[full] = value
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            if value is not None:
                file[name] = value
            if value is not None and "geometry" in name:
                file[name].attrs["units"] = units.get(name.rsplit("/", 1)[1], "mm")
    return values


def test_counts_become_line_integrals(tmp_path):
    path = tmp_path / "a.h5"
    values = write(path)
    scan = open_scan(str(path))
    assert scan.path == path
    assert scan.geometry == ConeBeam(30.0, 50.0, 1.5, 4, 3, -2.0, 0.75)
    assert scan.unit == "mm"
    assert scan.angles.tolist() == [0, 60, 120, 180, 240, 300]
    assert scan.provenance == {}
    dark = values["exchange/data_dark"].mean(axis=0)
    beam = values["exchange/data_white"].mean(axis=0) - dark
    truth = -np.log(np.maximum(values["exchange/data"] - dark, 0.5) / beam)
    found = scan.read(slice(None))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        scan.read(slice(1, 5), (1, 3)), truth[1:5, 1:3], rtol=1e-5, atol=1e-6
    )
    for views in ([0], [5, 4], [3, 1, 2, 5], [2, 2, 0, 3], [1, 0, 5, 3, 4, 2]):
        for rows in (None, (0, 4), (2, 3), (3, 4)):
            part = slice(*(rows or (0, 4)))
            assert np.array_equal(scan.read(np.array(views), rows), found[views, part])


def test_pixels_without_signal(tmp_path):
    path = tmp_path / "a.h5"
    dark, white = np.full((1, 4, 3), 10.0), np.full((1, 4, 3), 110.0)
    counts = np.full((6, 4, 3), 60, np.int32)
    counts[0, 0] = 10, 5, 11
    write(path, data=counts, data_dark=dark, data_white=white)
    # Counts: half a photon at least.
    found = open_scan(path).read(slice(None))
    assert found[0, 0] == pytest.approx(-np.log([0.005, 0.005, 0.01]), rel=1e-6)
    assert found[1, 1, 1] == pytest.approx(np.log(2), rel=1e-6)
    # Without noise: what is above 0 is left as it is.
    measured = counts.astype(np.float32)
    measured[0, 0] = 10, 5, 10.25
    write(path, data=measured, data_dark=dark, data_white=white)
    found = open_scan(path).read(slice(None))
    least = np.log(100) - np.log(float(np.finfo(np.float32).tiny))
    assert found[0, 0] == pytest.approx([least, least, np.log(400)], rel=1e-5)
    for value in (np.nan, np.inf):
        measured[5, 3, 2] = value
        write(path, data=measured, data_dark=dark, data_white=white)
        scan = open_scan(path)
        assert np.isfinite(scan.read(slice(0, 5))).all()
        assert refused(lambda scan=scan: scan.read(slice(None))) == (
            f"{path}: exchange/data holds values that are not finite"
        )
    for value in (10.0, 9.0, np.nan, np.inf):
        wrong = white.copy()
        wrong[0, 2, 1] = value
        write(path, data_dark=dark, data_white=wrong)
        scan = open_scan(path)
        assert np.isfinite(scan.read(slice(None), (0, 2))).all()
        assert refused(lambda scan=scan: scan.read(slice(None))) == (
            f"{path}: the white field is not above the dark field in every pixel"
        )
    path.write_bytes(b"no more")
    assert refused(lambda: scan.read(slice(None))).startswith(
        f"{path}: the raw data cannot be read"
    )
    with h5py.File(path, "w") as file:
        file["exchange/data"] = counts
    assert refused(lambda: scan.read(slice(None))).startswith(
        f"{path}: the raw data cannot be read"
    )


def test_incomplete_raw_files(tmp_path):
    path = tmp_path / "a.h5"
    assert refused(lambda: open_scan(path)) == (
        f"{path}: no such file; a Data Exchange HDF5 file is needed"
    )
    assert refused(lambda: open_scan(tmp_path)).endswith("a Data Exchange HDF5 file is needed")
    for name in ("data", "data_white", "data_dark", "theta"):
        write(path, **{name: None})
        assert refused(lambda: open_scan(path)) == (
            f"{path}: exchange/{name} is missing; projections, white and dark fields, angles and "
            "the geometry are needed"
        )
    for name in module._LENGTHS:
        write(path, **{name: None})
        assert f"measurement/instrument/geometry/{name} is missing" in refused(
            lambda: open_scan(path)
        )
    for change in (
        {"data": np.ones((6, 12))},
        {"data_white": np.ones((4, 3))},
        {"data_dark": np.ones((4, 3))},
        {"data": np.ones((6, 0, 3))},
        {"data_white": np.ones((0, 4, 3))},
        {"data_dark": np.ones((0, 4, 3))},
    ):
        values = write(path, **change)
        shapes = [values[f"exchange/{name}"].shape for name in ("data", "data_white", "data_dark")]
        assert refused(lambda: open_scan(path)) == (
            f"{path}: exchange/data, data_white and data_dark have shapes {shapes[0]}, {shapes[1]} "
            f"and {shapes[2]}; (view, row, column) without an empty axis is needed"
        )
    for change in (
        {"data": np.ones((5, 4, 3))},
        {"data_white": np.ones((1, 3, 3))},
        {"data_white": np.ones((1, 4, 2))},
        {"data_dark": np.ones((1, 3, 3))},
        {"data_dark": np.ones((1, 4, 2))},
        {"theta": np.zeros(7)},
        {"theta": np.zeros((6, 1))},
    ):
        values = write(path, **change)
        shapes = [
            values[f"exchange/{name}"].shape
            for name in ("data", "data_white", "data_dark", "theta")
        ]
        assert refused(lambda: open_scan(path)) == (
            f"{path}: exchange/data has shape {shapes[0]}, data_white {shapes[1]}, data_dark "
            f"{shapes[2]} and theta {shapes[3]}; they must agree"
        )
    write(path)
    path.write_bytes(path.read_bytes()[:-100])
    said = refused(lambda: open_scan(path))
    assert said.startswith(f"{path}: not a readable HDF5 file")
    assert said.endswith(f"remove {path} and run the same command again, which makes it anew.")
    write(path, units={"offset_u": "um"})
    assert refused(lambda: open_scan(path)) == (
        f"{path}: the lengths of the geometry have different units ['mm', 'um']"
    )
    write(path, units=dict.fromkeys(module._LENGTHS, "parsec"))
    assert refused(lambda: open_scan(path)).startswith(f"{path}: unit of the geometry: found")


def test_attributes_become_what_json_holds():
    assert module._plain(np.int64(3)) == 3
    assert type(module._plain(np.int64(3))) is int
    assert type(module._plain(np.float32(0.5))) is float
    assert module._plain(np.float64("nan")) is None
    assert module._plain("text") == "text"
    assert module._plain(np.inf) == np.inf

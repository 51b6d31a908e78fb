"""Scans at several magnifications: spectra, poses, truncated rows, and the two specimens."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.geometry import full_circle
from acuity.measure.cone import error_by_height
from acuity.reconstruct.fdk import Cube, fdk, shadow_of, truncated_shadow
from acuity.reconstruct.reconstruct import reconstruct
from acuity.simulate import chip as chips
from acuity.simulate import seed as seeds
from acuity.simulate.acquire import open_scan
from acuity.simulate.bodies import KINDS, pack, rows
from acuity.simulate.fill import fill
from acuity.simulate.spectrum import attenuation, spectrum
from acuity.simulate.xrm import (
    Exposures,
    Pose,
    ScanSettings,
    acquire_xrm,
    scan,
    stage,
    table_scan,
    true_map,
)
from acuity.volume import open_volume

PLAIN = ScanSettings(
    voxel=2.0, columns=32, views=64, source_to_axis=400.0, axis_to_detector=800.0, voltage=50.0,
    photons=None, blur=0.0, rays=1,
)  # fmt: skip
MATERIALS = ("air", "cellulose", "copper")


def centroid(volume):
    weight = np.maximum(volume, 0.4 * volume.max()) - 0.4 * volume.max()
    return np.array([(weight * g).sum() / weight.sum() for g in np.indices(volume.shape)])


# ------------------------------------------------------------------------------------- spectrum


def test_coefficients_are_those_of_nist():
    """Hubbell and Seltzer's table (NIST), cm2/g: copper, silicon, tin and carbon."""
    for material, density, energy, truth in (
        ("copper", 8.96, 40.0, 4.862),
        ("copper", 8.96, 100.0, 0.4584),
        ("silicon", 2.33, 30.0, 1.436),
        ("solder", 7.37, 50.0, 0.965 * 10.70 + 0.035 * 9.444),
    ):
        found = attenuation(material, np.array([energy]))[0] / density * 1e4
        assert found == pytest.approx(truth, rel=0.01)
    # Above its K edge (29.2 keV) tin absorbs over five times what it does below.
    low, high = attenuation("solder", np.array([29.0, 29.4]))
    assert high > 4.5 * low


def test_bins_add_up_and_one_bin_is_monochromatic():
    of = {name: spectrum(50, ("air", "cellulose"), bins=name) for name in (1, 8)}
    assert of[8].weights.sum() == pytest.approx(1)
    assert of[8].effective[1] == pytest.approx(of[1].effective[1])
    lengths = np.zeros((1, 2, 1, 3))
    lengths[0, 0], lengths[0, 1, 0] = 1e6, [0, 4e3, 8e3]
    lines = {name: -np.log(of[name].transmission(lengths))[0, 0] for name in of}
    assert lines[1][2] == pytest.approx(2 * lines[1][1])
    assert lines[1][0] == 0
    # Hardening: twice the length gives less than twice the line integral; a filter lessens it.
    assert lines[8][2] < 1.9 * lines[8][1]
    filtered = spectrum(50, ("air", "cellulose"), filters=(("aluminium", 2000.0),))
    harder = -np.log(filtered.transmission(lengths))[0, 0]
    assert harder[2] / harder[1] > lines[8][2] / lines[8][1] + 0.02
    assert filtered.energies @ filtered.weights > of[8].energies @ of[8].weights + 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"voltage": 500}, "10 to 160"),
        ({"materials": ("air", "unobtainium")}, "allowed are air"),
        ({"filters": (("copper", -1.0),)}, "0 or more"),
        ({"density": 0.0}, "above 0"),
    ],
)
def test_bad_beams_are_refused(change, words):
    with pytest.raises(AcuityError, match=words):
        spectrum(**{"voltage": 50, "materials": ("air",)} | change)


# ------------------------------------------------------------------------------------ geometry


def test_the_table_is_kept_small():
    """Views per column and cone angle are those of the paper, and the pixel follows the voxel."""
    asked = {("seed", "low"): 1.17, ("seed", "middle"): 2.9, ("seed", "high"): 1.7}
    asked |= {("chip", "low"): 1.17, ("chip", "middle"): 2.0, ("chip", "high"): 1.2}
    for (specimen, level), views in asked.items():
        whole, small = table_scan(specimen, level), table_scan(specimen, level, 128)
        assert small.views / small.columns == pytest.approx(views, abs=0.05)
        cone = [s.columns * s.voxel / s.source_to_axis for s in (whole, small)]
        assert cone[1] == pytest.approx(cone[0], rel=1e-3)
        assert small.geometry.voxel == pytest.approx(small.voxel)
        assert small.voxel == whole.voxel
        assert small.views % 4 == 0
    assert table_scan("seed", "low").source_to_axis == 39e3
    with pytest.raises(AcuityError, match="allowed are seed low"):
        table_scan("seed", "highest")


def test_every_voxel_of_the_field_is_seen_in_every_view():
    g = table_scan("seed", "low", 96).geometry
    half, r = 9.0 * 95 / 2, 9.0 * 95 / 2
    v = g.source_to_detector * half / (g.source_to_axis - r)
    assert v <= g.pixel * (g.rows - 1) / 2 <= v + 3 * g.pixel


def test_the_stage_errs_within_its_bounds():
    before = stage((0, 0, 0), Pose(), PLAIN, 1)
    for number in range(40):
        pose = stage((5.0, -8.0, 3.0), before, PLAIN, number)
        assert abs(pose.scale / before.scale - 1) <= 0.02
        turn = pose.rotation @ before.rotation.T
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) <= 2 * np.sqrt(3) + 1e-6
        np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-12)
        # Where the new origin lies in the earlier scan.
        place = before.scale * before.rotation @ (np.array(pose.aim) - before.aim)
        assert abs(place - [5, -8, 3]).max() <= 10 * PLAIN.voxel
    again = Pose.read(pose.record())
    assert again.aim == pose.aim
    assert (again.rotation == pose.rotation).all()


def test_the_true_map_takes_what_one_scan_shows_to_where_the_other_shows_it():
    """Balls in two reconstructions: their centroids lie where the map says, to a tenth of a voxel."""
    places = np.array([[-6.0, 8.0, 5.0], [5.0, -7.0, 9.0], [9.0, 3.0, -8.0]])
    low, high = PLAIN, replace(PLAIN, voxel=1.0, columns=48, views=96)
    poses = (
        Pose((1.0, -2.0, 0.5)),
        stage((2.0, 1.0, -1.0), Pose(), replace(PLAIN, voxel=0.3), 4, turn=9),
    )
    matrix = true_map(poses[0], low, poses[1], high)
    for place in places:
        body = pack(rows("ellipsoid", 1, z=place[0], y=place[1], x=place[2], a=4.5))
        found = []
        for settings, pose in ((low, poses[0]), (high, poses[1])):
            lines = scan(body, MATERIALS, replace(settings, rays=2), pose, 0)
            angles = full_circle(settings.views)
            found.append(centroid(fdk(lines, settings.geometry, angles, Cube(radius=np.inf))))
        mapped = matrix @ [*found[0], 1]
        assert np.linalg.norm(mapped - found[1]) < 0.2
        # Negative control: the stated factor alone misses it.
        plain = 2 * (found[0] - 15.5) + 23.5
        assert np.linalg.norm(plain - found[1]) > 1
    back = np.vstack([true_map(poses[1], high, poses[0], low), [0, 0, 0, 1]])
    np.testing.assert_allclose(np.vstack([matrix, [0, 0, 0, 1]]) @ back, np.eye(4), atol=1e-9)


def test_a_wrong_magnification_changes_sizes_and_not_what_is_absorbed():
    body = pack(rows("tube", 1, a=20.0, c=25.0))
    lines = [scan(body, MATERIALS, PLAIN, Pose(scale=s), 0) for s in (1.0, 1.02)]
    middle = lines[0].shape[1] // 2
    np.testing.assert_allclose(lines[1][:, middle, 15:17], lines[0][:, middle, 15:17], rtol=1e-3)
    assert lines[1].sum() > 1.015 * lines[0].sum()


def test_counts_follow_the_dose_and_their_seed(tmp_path):
    body = pack(rows("tube", 1, a=20.0, c=25.0))
    settings = replace(PLAIN, photons=400.0, columns=24, views=32, blur=0.4)
    clean = scan(body, MATERIALS, replace(settings, photons=None), Pose(), 0)
    noisy = scan(body, MATERIALS, settings, Pose(), 1)
    assert np.var((noisy - clean)[:, 10:-10]) == pytest.approx(np.exp(clean).mean() / 400, rel=0.1)
    acquire_xrm(body, MATERIALS, tmp_path / "a.h5", settings, Pose((1, 2, 3)), seed=1)
    opened = open_scan(tmp_path / "a.h5")
    np.testing.assert_allclose(
        opened.read(slice(None)), scan(body, MATERIALS, settings, Pose((1, 2, 3)), 1), atol=1e-5
    )
    assert opened.unit == "um"
    assert '"aim": [1.0, 2.0, 3.0]' in opened.provenance["pose"]
    assert opened.geometry == settings.geometry
    again = scan(body, MATERIALS, settings, Pose(), 2)
    assert (again != noisy).any()
    with pytest.raises(AcuityError, match="photons is 0"):
        scan(body, MATERIALS, replace(settings, photons=0), Pose(), 1)


def test_a_truth_is_the_high_scan_over_the_low_field():
    low, high = table_scan("seed", "low", 96), table_scan("seed", "middle", 128)
    truth = high.truth_for(low, 3)
    assert truth.voxel == 3.0
    assert truth.columns == 288
    assert truth.photons is None
    assert truth.filters == high.filters
    assert truth.source_to_axis == low.source_to_axis
    assert truth.views == 452
    identity = true_map(Pose(), low, Pose(), truth)
    np.testing.assert_allclose(identity, [[3, 0, 0, 1], [0, 3, 0, 1], [0, 0, 3, 1]], atol=1e-9)


# ------------------------------------------------------------------------------- truncated rows


@pytest.fixture(scope="module")
def interior():
    """A cylinder with pores seen whole and by a third of the detector: lines, geometries, angles."""
    whole = replace(
        PLAIN, columns=120, views=120, source_to_axis=1500.0, axis_to_detector=1500.0, bins=1
    )
    random = np.random.default_rng(2)
    r, t = 88 * np.sqrt(random.uniform(0, 1, 80)), random.uniform(0, 2 * np.pi, 80)
    pores = rows("tube", 0, y=r * np.sin(t), x=r * np.cos(t), a=random.uniform(2, 7, 80), c=400.0)
    body = pack(pd.concat([rows("tube", 1, a=100.0, b=92.0, c=400.0), pores]))
    wide = Exposures(body, MATERIALS, whole, Pose(), 0)
    rows_seen = wide.geometry.rows // 2 - 4, wide.geometry.rows // 2 + 4
    lines = wide.lines(slice(None), rows_seen)
    g = wide.geometry.cropped(*rows_seen)
    return lines, g, lines[:, :, 40:80].copy(), replace(g, columns=40), wide.angles


def profiles(volume, reference):
    """Values by distance from the axis, in shares of those of a reference."""
    axis = np.arange(40) - 19.5
    r = np.hypot(axis[:, None], axis) / 20
    rings = [(r >= a) & (r < b) for a, b in ((0, 0.5), (0.5, 0.8), (0.8, 0.9), (0.9, 0.97))]
    return np.array([volume[:, ring].mean() / reference[:, ring].mean() for ring in rings])


def test_the_edge_of_an_interior_scan_is_within_five_percent(interior):
    lines, wide, part, narrow, angles = interior
    how = {"size": 40, "voxel": 2.0, "z0": 18, "z1": 22}
    reference = fdk(lines, wide, angles, Cube(**how))
    # The sample's radius is known, as from the scan with the larger field.
    shadow = shadow_of(narrow, 100.0)
    found = profiles(fdk(part, narrow, angles, Cube(**how, shadow=shadow)), reference)
    assert abs(found - 1).max() < 0.05
    # Estimated from the narrow scan alone the radius is less sure, and the edge with it.
    guess = truncated_shadow(part.mean(axis=(0, 1)))
    assert guess == pytest.approx(shadow, rel=0.15)
    guessed = profiles(fdk(part, narrow, angles, Cube(**how, shadow=guess)), reference)
    assert 0.05 < abs(guessed - 1).max() < 0.2
    # Negative control: as they are, the rows give a bright rim.
    assert profiles(fdk(part, narrow, angles, Cube(**how)), reference)[-1] > 1.5
    with pytest.raises(AcuityError, match="numba alone"):
        fdk(part, narrow, angles, Cube(**how, shadow=shadow), backend="rtk")
    with pytest.raises(AcuityError, match="radius of the sample"):
        shadow_of(narrow, 1e9)


def test_a_scan_that_holds_its_sample_is_reconstructed_as_before(interior):
    lines, wide, _, _, angles = interior
    assert truncated_shadow(lines.mean(axis=(0, 1))) == 0.0
    noisy = lines + np.random.default_rng(1).normal(0, 0.2, lines.shape)
    assert truncated_shadow(noisy.mean(axis=(0, 1))) == 0.0
    how = {"size": 40, "voxel": 2.0, "z0": 18, "z1": 22}
    plain = fdk(lines, wide, angles, Cube(**how))
    # A shadow that ends on the detector continues nothing.
    np.testing.assert_array_equal(fdk(lines, wide, angles, Cube(**how, shadow=55.0)), plain)


def test_a_raw_file_is_continued_where_it_is_cut_off(tmp_path):
    settings = replace(PLAIN, columns=24, views=32)
    values = {}
    for name, radius in (("whole", 18.0), ("cut", 45.0)):
        body = pack(rows("tube", 1, a=radius, c=90.0))
        acquire_xrm(body, MATERIALS, tmp_path / f"{name}.h5", settings, Pose(), seed=0)
        reconstruct(tmp_path / f"{name}.h5", tmp_path / f"{name}.ome.zarr", sample_radius=radius)
        volume = open_volume(tmp_path / f"{name}.ome.zarr")
        values[name] = volume.read()[10:14, 2:22, 12].mean()
        assert ("shadow_columns" in str(volume.provenance)) == (name == "cut")
    # A sample that is held whole gives the same volume whether its radius is stated or not.
    reconstruct(tmp_path / "whole.h5", tmp_path / "plain.ome.zarr")
    plain, stated = (open_volume(tmp_path / f"{n}.ome.zarr").read() for n in ("plain", "whole"))
    np.testing.assert_array_equal(plain, stated)
    flat = settings.spectrum(MATERIALS).effective[1]
    assert values["cut"] == pytest.approx(flat, rel=0.06)


# ----------------------------------------------------------------------------- cone angle


def test_the_error_by_cone_angle_finds_where_it_grows():
    truth = np.zeros((20, 8, 8))
    wrong = truth + abs(np.arange(20) - 9.5)[:, None, None] * np.where(np.arange(8) % 2, 1, -1)
    table = error_by_height(wrong, truth, voxel=1.0, source_to_axis=50.0, bands=5)
    np.testing.assert_allclose(
        table["rms"],
        [
            np.sqrt(np.mean(h**2))
            for h in np.array([[0.5, 1.5], [2.5, 3.5], [4.5, 5.5], [6.5, 7.5], [8.5, 9.5]])
        ],
    )
    assert table["bias"].abs().max() < 1e-12
    assert table["angle_high"].iloc[-1] == pytest.approx(np.degrees(np.arctan(10 / 50)))
    mask = np.zeros(truth.shape, bool)
    mask[9:11] = True
    masked = error_by_height(wrong, truth, voxel=1.0, source_to_axis=50.0, bands=5, mask=mask)
    assert masked["voxels"].tolist() == [128, 0, 0, 0, 0]
    assert np.isnan(masked["rms"].iloc[1])


# ---------------------------------------------------------------------------------- specimens


SMALL = {
    "seed": lambda n: seeds.seed(seeds.Seed(width=576.0, fine_radius=40.0, most=2000), number=n),
    "chip": lambda n: chips.chip(chips.Chip(width=648.0, fine_radius=40.0, most=2000), number=n),
}


@pytest.mark.parametrize("name", SMALL)
def test_specimens_are_random_by_seed_and_fit_the_field(name):
    table = SMALL[name](5)
    pd.testing.assert_frame_equal(table, SMALL[name](5))
    assert len(SMALL[name](6)) != len(table) or not SMALL[name](6).equals(table)
    bodies = pack(table)
    materials = {"seed": seeds.MATERIALS, "chip": chips.MATERIALS}[name]
    assert bodies.materials == len(materials)
    assert set(table["kind"]) <= set(KINDS)
    settings = table_scan(name, "low", {"seed": 64, "chip": 96}[name], photons=None)
    # The low scan sees all of it across: its rows end in air.
    lines = Exposures(bodies, materials, settings, Pose(), 0).lines([0, 9, 25, 40])
    assert abs(lines[:, :, [0, -1]]).max() < 1e-6 < lines.max()


@pytest.mark.parametrize("name", SMALL)
def test_specimens_have_structure_at_all_three_scales(name):
    """Around the fine place each voxel size finds surfaces that the next coarser one averages."""
    bodies = pack(SMALL[name](7))
    voxels = {"seed": (9.0, 3.0, 1.0), "chip": (6.75, 2.25, 0.75)}[name]
    values = np.linspace(0, 1, bodies.materials)
    for coarse, fine in pairwise(voxels):
        inner = fill(bodies, (24, 24, 24), fine, values, supersample=3)
        means = inner.reshape(8, 3, 8, 3, 8, 3).mean(axis=(1, 3, 5))
        np.testing.assert_allclose(
            means, fill(bodies, (8, 8, 8), coarse, values, supersample=6), atol=0.06
        )
        lost = inner - means.repeat(3, 0).repeat(3, 1).repeat(3, 2)
        assert lost.std() > 0.02


def test_a_field_too_small_is_refused():
    with pytest.raises(AcuityError, match="64 low voxels"):
        seeds.seed(seeds.Seed(width=100.0), number=1)
    with pytest.raises(AcuityError, match="96 low voxels"):
        chips.chip(chips.Chip(width=100.0), number=1)

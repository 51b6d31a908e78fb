"""Simulated pairs: what is passed on, what is recorded of it, and what is refused, to all digits."""

import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.settings import call
from acuity.simulate import hydrogel
from acuity.simulate import specimen as module
from acuity.simulate.sem import Scan, drift_modes, elastic_modes
from acuity.simulate.specimen import Outputs, specimen
from acuity.simulate.specimens import gold
from acuity.simulate.specimens.base import known
from acuity.simulate.specimens.hydrogel import Hydrogel, Network, Zones
from acuity.tables import read_table
from acuity.volume import open_volume

SETTINGS = {
    "shape": (70, 83),
    "pixel_size": 0.009,
    "unit": "um",
    "factor": 3.0,
    "margin": 0.15,
    "supersample": 2,
    "spot": 14.0,
    "dwell": 20.0,
    "current": 0.7,
    "detected": 0.01,
    "noise": False,
    "streaks": 0.1,
    "shading": 0.08,
    "charging": 0.05,
    "rotation": 1.5,
    "scale": 0.02,
    "shift": 5.0,
    "elastic": 2.0,
    "elastic_wavelength": 90.0,
    "drift": 1.5,
}


def make(folder, kind, **settings):
    names = ("high.ome.zarr", "low.ome.zarr", "particles.tsv", "warp.tsv")
    outputs = Outputs(*(folder / name for name in names))
    step = call(specimen, kind, outputs, **settings)
    high, low = (open_volume(path) for path in (outputs.high, outputs.low))
    return high, low, read_table(outputs.particles), read_table(outputs.warp), step


def scans(seed):
    """The two scans of `SETTINGS`, drawn once more."""
    random = np.random.Generator(np.random.Philox(key=[seed, 1]))
    found = []
    # Of 70 x 83 pixels and 15 % more on each side a third is 30 x 36.
    for shape, pixel, factor in (((70, 83), 9.0, 0.0), ((30, 36), 27.0, 1.0)):
        turn, zoom, up, right = random.uniform(-1, 1, 4)
        elastic = elastic_modes(
            random, greatest=9.0, wavelength=810.0, field=(30 * 27.0, 36 * 27.0)
        )
        drift = drift_modes(random, greatest=13.5)
        found.append(
            Scan(
                shape,
                pixel,
                (34.5 * 9, 41 * 9.0),
                rotation=factor * 1.5 * turn,
                scale=1 + factor * 0.02 * zoom,
                shift=(factor * 45 * up, factor * 45 * right),
                elastic=elastic,
                drift=drift,
            )
        )
    return found


def warp_of(high, low, moved=None):
    y, x = np.meshgrid([0, 16, 32, 48, 64, 69], [0, 16, 32, 48, 64, 80, 82], indexing="ij")
    y, x = y.ravel(), x.ravel()
    at = high.places(y, x)
    weight = np.zeros(len(y)) if moved is None else moved.weight(*at)
    low_y, low_x = low.pixels(*(at if moved is None else moved.displace(*at)))
    return pd.DataFrame({"y": y, "x": x, "low_y": low_y, "low_x": low_x, "damage": weight})


def numbers(volumes, step):
    """What a pin holds of two images: gain, offset, mean, and mean square of differences along x."""
    found = []
    for volume, name in zip(volumes, ("high", "low"), strict=True):
        image = volume.read()[0].astype(float)
        contrast = step["contrast"][name]
        found += [contrast["gain"], contrast["offset"], image.mean()]
        found.append(np.mean(np.diff(image) ** 2))
    return found


def of(settings):
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


RECORD = {
    "step": "specimen",
    "factor": 3,
    "margin": 0.15,
    "supersample": 2,
    "spot_nm": 14.0,
    "dwell_us": 20.0,
    "current_nA": 0.7,
    "detected": 0.01,
    "noise": False,
    "streaks": 0.1,
    "shading": 0.08,
    "charging": 0.05,
    "elastic_px": 2.0,
    "elastic_wavelength_px": 90.0,
    "drift_px": 1.5,
}


def check(made, kind, seed, moved=None, **further):
    """Check all but the images and the particles of a pair made with `SETTINGS`."""
    high, low, _, warp, step = made
    high_scan, low_scan = scans(seed)
    for volume, shape, spacing in ((high, (70, 83), 0.009), (low, (30, 36), 0.027)):
        assert volume.grid.shape == (1, *shape)
        assert volume.grid.spacing == pytest.approx((spacing,) * 3, rel=1e-12)
        assert volume.grid.unit == "um"
        assert volume.dtype == np.uint8
        assert volume.intensity == "secondary electrons"
        assert volume.provenance == (step,)
    pd.testing.assert_frame_equal(warp, warp_of(high_scan, low_scan, moved), rtol=1e-9, atol=1e-9)
    assert {k: v for k, v in step.items() if k in RECORD} == RECORD
    drawn = {"rotation_degrees": low_scan.rotation, "scale": low_scan.scale}
    assert {k: step[k] for k in drawn} == pytest.approx(drawn, rel=1e-12)
    assert step["shift_nm"] == pytest.approx(low_scan.shift, rel=1e-12)
    said = {"kind": kind, "seed": seed} | further
    assert {k: v for k, v in step.items() if k in said} == said
    assert step.keys() == {*RECORD, *drawn, *said, "shift_nm", "contrast"}


def test_gold_is_laid_out_scanned_and_recorded_as_set(tmp_path):
    surface = {"rim": 0.8, "grain_size": 12.0}
    kind = gold.Gold(
        layout=gold.Layout(diameter=(20.0, 120.0), typical=60.0), surface=gold.Surface(**surface)
    )
    made = make(tmp_path, kind, seed=12, **SETTINGS)
    check(
        made,
        "gold",
        12,
        layout=of(gold.Layout()) | {"diameter": [20.0, 120.0], "typical": 60.0},
        surface=of(gold.Surface()) | surface,
        damage={},
    )
    high, low, particles, _, step = made
    assert list(particles.columns) == ["particle", "y", "x", "diameter_nm", "touching"]
    # Pins: what came out when this test was written.
    expected = [0.21983078, -3.5224376, 133.27177, 1889.5866]
    expected += [0.20456929, -5.8626451, 120.16204, 6575.9048]
    found = numbers((high, low), step)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    found = [len(particles), *particles[["particle", "y", "x", "diameter_nm"]].sum()]
    np.testing.assert_allclose(
        found, [118, 33074, 36126.788026, 45072.742512, 5934.708904], rtol=1e-8
    )


def test_the_hydrogel_is_made_damaged_and_recorded_as_set(tmp_path):
    surface = {"pore": 300.0, "thickness": 60.0}
    damage = {"zones": 2, "radius": 22.0}
    kind = Hydrogel(surface=Network(**surface), damage=Zones(**damage))
    made = make(tmp_path, kind, seed=13, **SETTINGS)
    said = {"zones": 2, "radius": 22.0, "greatest": 6.0, "fine": 8.0, "wavelength": 25.0}
    moved = hydrogel.damage(
        (0.0, 0.0, 69 * 9.0, 82 * 9.0),
        seed=13,
        zones=2,
        radius=22 * 9.0,
        greatest=54.0,
        fine=72.0,
        wavelength=225.0,
    )
    check(
        made,
        "hydrogel",
        13,
        moved,
        layout={},
        surface=of(Network()) | surface,
        damage=said,
    )
    high, low, particles, _, step = made
    assert list(particles.columns) == ["y", "x", "diameter_nm", "touching"]
    assert len(particles) == 0
    # Pins: what came out when this test was written.
    expected = [0.19955056, 6.1581039, 85.772806, 484.43763]
    expected += [0.20926513, 13.685848, 84.137037, 2504.361]
    found = numbers((high, low), step)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_a_kind_is_by_default():
    keys = ("shape", "pixel_size", "spot", "dwell", "detected")
    found = {name: {key: getattr(kind, key) for key in keys} for name, kind in known().items()}
    assert found == {
        "gold": {
            "shape": (780, 924),
            "pixel_size": 7.1,
            "spot": 12.5,
            "dwell": 30.0,
            "detected": 0.006,
        },
        "hydrogel": {
            "shape": (418, 492),
            "pixel_size": 28.4,
            "spot": 25.0,
            "dwell": 10.0,
            "detected": 0.006,
        },
    }
    assert of(Network()) == {
        "pore": 700.0,
        "thickness": 150.0,
        "coat": 0.08,
        "coat_size": 18.0,
    }


def test_without_settings_a_kind_has_its_own(tmp_path, monkeypatch):
    # The smallest image and the greatest seed that are allowed; counted electrons.
    monkeypatch.setattr(Hydrogel, "shape", (64, 65))
    high, low, _, _, step = make(tmp_path, "hydrogel", seed=2**63 - 1, unit="um")
    assert high.grid.shape == (1, 64, 65)
    assert low.grid.shape == (1, 38, 39)
    assert high.grid.spacing == (28.4,) * 3
    assert low.grid.spacing == (56.8,) * 3
    assert high.grid.unit == "nm"
    said = {
        "seed": 2**63 - 1,
        "factor": 2,
        "margin": 0.1,
        "supersample": 3,
        "spot_nm": 25.0,
        "dwell_us": 10.0,
        "current_nA": 0.54,
        "detected": 0.006,
        "noise": True,
        "streaks": 0.06,
        "shading": 0.06,
        "charging": 0.04,
        "elastic_px": 3.0,
        "elastic_wavelength_px": 400.0,
        "drift_px": 1.0,
        "damage": {"zones": 3, "radius": 60.0, "greatest": 6.0, "fine": 8.0, "wavelength": 25.0},
    }
    assert {k: step[k] for k in said} == said
    # A pin: what came out when this test was written; 0.6 degrees, 0.5 % and 6 pixels at most.
    found = [step["rotation_degrees"], step["scale"], *step["shift_nm"]]
    np.testing.assert_allclose(
        found, [-0.540600679, 0.9980244017, 138.0043851, -35.77350631], rtol=1e-8
    )


def test_without_noise_misalignment_or_a_margin_a_pair_is_simulated(tmp_path):
    # The least of what is allowed, which is nothing, or little.
    names = ("margin", "streaks", "shading", "charging", "rotation", "scale", "shift", "elastic")
    none = dict.fromkeys((*names, "drift"), 0)
    little = dict.fromkeys(("dwell", "current", "detected", "elastic_wavelength"), 0.75)
    _, low, _, warp, step = make(
        tmp_path, "gold", seed=0, shape=(64, 64), spot=0.75, pixel_size=0.75, supersample=1,
        noise=False, **none, **little,
    )  # fmt: skip
    assert low.grid.shape == (1, 32, 32)
    assert low.grid.unit == "nm"
    np.testing.assert_allclose(warp["low_y"], (warp["y"] - 0.5) / 2, atol=1e-9)
    assert (step["rotation_degrees"], step["scale"], step["shift_nm"]) == (0.0, 1.0, [0.0, 0.0])


def test_particles_are_listed_where_the_high_image_has_them():
    scan = Scan((11, 21), 4.0, (20.0, 40.0))
    places = [
        (0.0, 0.0),
        (40.0, 80.0),
        (-0.1, 40.0),
        (40.1, 40.0),
        (20.0, -0.1),
        (20.0, 80.1),
        (2.0, 76.5),
        (37.5, 78.0),
        (39.0, 1.0),
    ]
    table = pd.DataFrame(np.zeros((9, 14)), columns=["y", "x", "diameter_nm", *"abcdefghijk"])
    table[["y", "x"]] = places
    table["diameter_nm"] = [3.0, 3.5, 4.0, 3.25, 3.0, 3.0, 4.5, 2.0, 2.5]
    found = module._particles(table, scan)
    seen = [0, 1, 6, 7, 8]
    assert found["particle"].tolist() == seen
    np.testing.assert_allclose(found[["y", "x"]], [places[n] for n in seen], atol=1e-12)
    assert found["diameter_nm"].tolist() == [3.0, 3.5, 4.5, 2.0, 2.5]
    # By their rows in the whole table, 0.45 nm apart.
    assert found["touching"].tolist() == ["", "7", "", "1", ""]


# ---- refused


def above(name, value):
    return {name: value}, f"{name} is {value}; numbers above 0 are allowed"


def from_0(name, value):
    return {name: value}, f"{name} is {value}; numbers from 0 up are allowed"


POSITIVE = ("pixel_size", "spot", "dwell", "current", "detected", "elastic_wavelength")
NOT_NEGATIVE = (
    "margin",
    "streaks",
    "shading",
    "charging",
    "rotation",
    "scale",
    "shift",
    "elastic",
    "drift",
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "silver"}, "kind is 'silver'; allowed are gold, hydrogel"),
        ({"shape": (63, 64)}, "shape is 63 x 64; 64 x 64 or more is allowed"),
        ({"shape": (64, 63)}, "shape is 64 x 63; 64 x 64 or more is allowed"),
        ({"factor": 1}, "factor is 1; 2 or more is allowed"),
        ({"factor": 2.5}, "factor is 2.5; 2 or more is allowed"),
        ({"factor": -2}, "factor is -2; 2 or more is allowed"),
        ({"supersample": 0}, "supersample is 0; 1 or more is allowed"),
        ({"supersample": 0.5}, "supersample is 0.5; 1 or more is allowed"),
        ({"seed": 1.5}, "seed is 1.5; whole numbers from 0 up are allowed"),
        ({"seed": -1}, "seed is -1; whole numbers from 0 up are allowed"),
        ({"seed": 2**63}, f"seed is {2**63}; whole numbers from 0 up are allowed"),
        ({"seed": 2**63 + 1}, f"seed is {2**63 + 1}; whole numbers from 0 up are allowed"),
        *(above(name, value) for name in POSITIVE for value in (0.0, -0.5, np.inf, np.nan)),
        *(from_0(name, value) for name in NOT_NEGATIVE for value in (-0.5, np.inf, np.nan)),
    ],
)
def test_settings_beyond_their_bounds_are_refused(tmp_path, change, message):
    settings = {"kind": "gold", "seed": 1, "shape": (64, 64)} | change
    with pytest.raises(AcuityError, match=f"^{re.escape(f'specimen: {message}')}$"):
        make(tmp_path, **settings)
    assert not list(tmp_path.iterdir())

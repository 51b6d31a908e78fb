import json
from dataclasses import replace

import numpy as np
import pytest

from acuity.errors import AcuityError
from acuity.formats.read import read_volume
from acuity.pair.pair import Outputs, pair
from acuity.pair.settings import PairSettings
from acuity.register.affine import apply_affine
from acuity.register.elastic import Field
from acuity.settings import call
from acuity.simulate import specimen
from acuity.tables import read_table
from acuity.volume import Volume, open_volume
from tests.conftest import shared
from tests.pairs import as_volume, discs, make_pair, rms, texture

# Fewer candidates of rotation: time alone.
QUICK = {"max_rotation": 2.0}


def run(folder, high, low, factor=2, name="", **settings):
    outputs = Outputs(
        low=folder / "low.ome.zarr",
        high=folder / "high.ome.zarr",
        valid=folder / "valid.ome.zarr",
        transform=folder / "transform.json",
        patches=folder / "patches.tsv",
        table=folder / "pair.tsv",
    )
    # A copy is not checked, so that a limit can be left out.
    settings = PairSettings(**QUICK).model_copy(update=settings)
    return pair(high, low, outputs, settings, factor=factor, name=name)


def refused(tmp_path, message, high, low, **settings):
    with pytest.raises(AcuityError, match=message) as error:
        run(tmp_path, high, low, **settings)
    assert str(error.value).startswith("pair")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def bent(tmp_path_factory):
    """A pair of particles with an elastic warp, registered."""
    made = make_pair(discs, side=320, noise=0.05)
    folder = tmp_path_factory.mktemp("bent")
    return made, folder, run(folder, *made.volumes(), name="a")


# ---- accuracy


@pytest.mark.parametrize("scene", [texture, discs])
def test_affine_within_a_tenth_of_a_voxel(tmp_path, scene):
    made = make_pair(scene, side=256, amplitude=0, shear=0)
    content = run(tmp_path, *made.volumes())
    assert np.hypot(*made.error(content)).max() < 0.1
    assert content["accepted"] == content["patches"]
    assert content["found_scale"] == pytest.approx(2 / 1.004, rel=2e-4)
    assert content["rotation_degrees"] == pytest.approx(-0.7, abs=0.01)


def test_elastic_clean(bent):
    made, _, content = bent
    assert rms(made.error(content)) < 0.15
    # The negative control: the affine map alone leaves pixels.
    still = content | {"field": content["field"] | {"coefficients": np.zeros((2, 9, 9))}}
    assert rms(made.error(still)) > 1


@pytest.mark.parametrize("scene", [texture, discs])
def test_elastic_with_a_noisy_low_image(tmp_path, scene):
    made = make_pair(scene, 5, side=320, noise=0.5)
    content = run(tmp_path, *made.volumes())
    assert rms(made.error(content)) < 0.5


def test_a_simulated_specimen_is_registered_as_its_warp_says(tmp_path):
    """The simulator's own table against the map that was found, through all that it does to images."""
    names = ("high", "low", "particles", "warp")
    scans = specimen.Outputs(*(tmp_path / f"scan_{name}" for name in names))
    call(specimen.specimen, "gold", scans, shape=(320, 320), factor=2, seed=11)
    volumes = (open_volume(path) for path in (scans.high, scans.low))
    content = run(tmp_path, *volumes)
    y0, x0, n, m = content["low_crop"]
    warp = read_table(scans.warp)
    warp = warp[warp["low_y"].between(y0, y0 + n - 1) & warp["low_x"].between(x0, x0 + m - 1)]
    places = 2 * (warp[["low_y", "low_x"]].to_numpy() - (y0, x0)) + 0.5
    field = Field(**{k: np.asarray(v) for k, v in content["field"].items()})
    moved = np.array([field.on([y], [x])[:, 0, 0] for y, x in places])
    truth = warp[["y", "x"]].to_numpy().T
    assert len(warp) > 100
    assert rms(apply_affine(content["affine"], *(places + moved).T) - truth) < 0.5
    # The negative control: without what is elastic it lies elsewhere.
    assert rms(apply_affine(content["affine"], *places.T) - truth) > 0.6


# ---- what is written


def test_grids_fit_and_the_low_image_is_only_cropped(bent):
    made, folder, content = bent
    low, high, valid = (
        open_volume(folder / f"{name}.ome.zarr") for name in ("low", "high", "valid")
    )
    y0, x0, n, m = content["low_crop"]
    np.testing.assert_array_equal(low.read()[0], made.low[y0 : y0 + n, x0 : x0 + m])
    assert (low.dtype, high.dtype, valid.dtype) == (np.uint8, np.float32, np.uint8)
    assert high.grid.shape == valid.grid.shape == (1, 2 * n, 2 * m)
    coarse = high.grid.downsample((1, 2, 2))
    assert coarse.shape == low.grid.shape
    assert coarse.spacing == pytest.approx(low.grid.spacing)
    assert coarse.origin == pytest.approx(low.grid.origin)
    assert low.grid.origin[1:] == pytest.approx((y0 * 14.2, x0 * 14.2))
    assert high.provenance[-1]["step"] == "pair"


def test_the_high_image_shows_the_scene_where_the_low_one_does(bent):
    made, folder, content = bent
    high = open_volume(folder / "high.ome.zarr").read()[0]
    y0, x0, n, m = content["low_crop"]
    first = np.array([y0, x0])[:, None, None]
    truth = made.scene(first + (np.indices((2 * n, 2 * m)) - 0.5) / 2)
    assert np.corrcoef(truth.ravel(), high.ravel())[0, 1] > 0.99
    # one voxel off, it would not
    assert np.corrcoef(truth[:, 1:].ravel(), high[:, :-1].ravel())[0, 1] < 0.97


def test_normalisation_patches_and_figures(bent):
    _, folder, content = bent
    low, high, valid = (
        open_volume(folder / f"{name}.ome.zarr").read()[0] for name in ("low", "high", "valid")
    )
    table = read_table(folder / "patches.tsv")
    assert list(table.columns) == [
        "y",
        "x",
        "dy_before",
        "dx_before",
        "dy",
        "dx",
        "ncc",
        "accepted",
    ]
    assert (len(table), table.accepted.sum()) == (content["patches"], content["accepted"])
    side = content["patch"]
    expected = np.zeros_like(valid)
    for row in table[table.accepted == 1].itertuples():
        expected[row.y : row.y + side, row.x : row.x + side] = 1
    np.testing.assert_array_equal(valid, expected)
    inside = valid > 0
    coarse = inside[::2, ::2]
    assert high[inside].mean() == pytest.approx(low[coarse].mean(), rel=1e-4)
    assert high[inside].std() == pytest.approx(low[coarse].std(), rel=1e-4)
    assert content["normalisation"]["low"]["mean"] == pytest.approx(low[coarse].mean())
    assert json.loads((folder / "transform.json").read_text())["verdict"] == content["verdict"]
    assert content["verdict"].startswith("pair a: ")
    figures = read_table(folder / "pair.tsv").set_index("metric").value
    kept = table[table.accepted == 1]
    assert figures.registration_rms == pytest.approx(np.sqrt((kept.dy**2 + kept.dx**2).mean()))
    assert figures.registration_rms < 0.15 < 1 < figures.registration_rms_before
    assert 0 < figures.jacobian_least < 1 < figures.jacobian_greatest
    assert figures.elastic_update == content["passes"][-1]["update"] < 0.05
    assert "still moved" not in content["verdict"]


def test_a_registration_that_has_not_settled_says_so(tmp_path):
    made = make_pair(texture, 6, side=224, amplitude=1.0)
    content = run(tmp_path, *made.volumes(), update=1e-9)
    assert "voxels rms (its last pass still moved the blocks by " in content["verdict"]


def test_16_bits_stay_and_give_the_same_bytes_again(tmp_path):
    made = make_pair(texture, 6, side=224, amplitude=1.0, dtype=np.uint16)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        run(tmp_path / name, *made.volumes())
    first, second = (open_volume(tmp_path / name / "high.ome.zarr") for name in ("first", "second"))
    assert first.digest == second.digest
    low = open_volume(tmp_path / "first" / "low.ome.zarr")
    assert low.dtype == np.uint16
    assert low.read().max() > 30000
    assert first.dtype == np.float32
    assert first.grey_range == low.grey_range == 65535  # PSNR and SSIM of the study
    assert (tmp_path / "first" / "transform.json").read_bytes() == (
        tmp_path / "second" / "transform.json"
    ).read_bytes()


def test_a_factor_that_is_not_the_ratio_of_the_pixels(tmp_path):
    made = make_pair(texture, 7, side=256, amplitude=1.0)
    content = run(tmp_path, *made.volumes(), factor=3)
    assert content["stated_scale"] == pytest.approx(2)
    assert open_volume(tmp_path / "high.ome.zarr").grid.spacing[1] == pytest.approx(14.2 / 3)
    assert rms(made.error(content)) < 0.2


@pytest.mark.parametrize(
    ("limits", "accepted"),
    [
        ({}, False),
        ({"max_residual": 1e9, "min_ncc": 0.5}, False),  # by their correlation alone
        ({"min_ncc": -1.0}, False),  # by their displacement alone
        ({"max_residual": 1e9, "min_ncc": -1.0}, True),
    ],
)
def test_patches_of_another_content_are_rejected(tmp_path, limits, accepted):
    made = make_pair(discs, 8, side=384, amplitude=1.0)
    high = made.high.copy()
    high[:150, :150] = make_pair(discs, 9, side=160).high[:150, :150]
    content = run(tmp_path, as_volume(high, 7.1), made.volumes()[1], **limits)
    table = read_table(tmp_path / "patches.tsv")
    corner = (table.y < 64) & (table.x < 64)
    assert (table[corner].accepted == accepted).all()
    assert table[(table.y > 100) & (table.x > 100)].accepted.all()
    assert content["accepted"] > 0
    assert (content["accepted"] == content["patches"]) == accepted


# ---- pairs that are refused


@pytest.mark.parametrize("scene", [texture, discs])
def test_two_different_fields(tmp_path, scene):
    one, other = (make_pair(scene, seed, side=224) for seed in (10, 11))
    refused(tmp_path, "cannot be registered", other.volumes()[0], one.volumes()[1])


def test_a_scale_that_is_not_the_stated_one(tmp_path):
    made = make_pair(texture, 12, side=224, amplitude=0, scale=1.04)
    refused(tmp_path, r"state a scale of 2 and .* 0.02 of it", *made.volumes())


def changed(high=None, low=None, pixel=14.2, ratio=2.0):
    made = as_volume(texture(13, 160).astype(np.uint8), pixel)
    other = as_volume(texture(13, 160).astype(np.uint8), pixel / ratio)
    return (high or (lambda v: v))(other), (low or (lambda v: v))(made)


def filled(value, part):
    def change(volume):
        image = volume.read().copy()
        image[0, : int(part * image.shape[1])] = value
        return replace(volume, data=image)

    return change


def nan(volume):
    image = volume.read().astype(np.float32)
    image[0, 5, 5] = np.nan
    return replace(volume, data=image)


def stacked(volume):
    return Volume(np.repeat(volume.read(), 3, axis=0), replace(volume.grid, shape=(3, 160, 160)))


@pytest.mark.parametrize(
    ("images", "message", "settings"),
    [
        (changed(low=filled(40, 1)), "the low image is blank, all its pixels are 40", {}),
        (
            changed(high=filled(255, 0.5)),
            "high image is saturated, 50 % .* greatest value, 255",
            {},
        ),
        (changed(high=filled(0, 0.9)), "high image is saturated, 90 % .* least value, 0", {}),
        (changed(low=nan), "the low image: found NaN", {}),
        (changed(high=stacked), "the high image has 3 slices, allowed is one", {}),
        (changed(ratio=0.5), "14.2 nm and the high image of 28.4 nm; .* swapped", {}),
        (changed(ratio=4), "covers 40 x 40 pixels", {"factor": 4}),
        (changed(), "factor is 4 .* up to 1.5 times", {"factor": 4}),
        (changed(), "factor is 0", {"factor": 0}),
    ],
)
def test_what_is_no_pair(tmp_path, images, message, settings):
    refused(tmp_path, message, *images, **settings)


def test_a_high_field_that_is_larger_than_the_low_one(tmp_path):
    high, low = changed()
    low = low.crop((slice(0, 1), slice(0, 70), slice(0, 160)))
    message = "high image, 1.136 x 1.136 um, is larger than that of the low image, 0.994 x 2.272 um"
    refused(tmp_path, message, high, low)


def test_the_file_is_named(tmp_path):
    high, low = changed(high=filled(3, 1))
    high = replace(high, provenance=({"step": "ingest", "source": "gold_20000x.tif"},))
    refused(tmp_path, r"the high image \(gold_20000x.tif\) is blank", high, low)


def test_a_common_field_below_a_patch(tmp_path):
    made = make_pair(texture, 14, side=224, amplitude=0)
    refused(tmp_path, "a patch is 256 x 256", *made.volumes(), patch=256)


# ---- the real pair


@pytest.mark.real
def test_the_real_pair_is_found_at_its_place(tmp_path):
    low = read_volume(shared("sem/autoliftout_ib_HFW400um_260nm.tif"))
    high = read_volume(shared("sem/autoliftout_ib_HFW80um_52nm.tif"))
    content = run(
        tmp_path,
        high,
        low,
        factor=5,
        patch=320,
        max_residual=5.0,
        smallest_block=320,
        smoothness=1.0,
    )
    y0, x0 = content["low_crop"][:2]
    (a, b, c), (d, e, f) = content["affine"]
    # low pixel on which the first raw pixel lies
    y, x = np.linalg.solve([[a, b], [d, e]], [-c, -f])
    assert y0 + (y - 2) / 5 == pytest.approx(292, abs=2)
    assert x0 + (x - 2) / 5 == pytest.approx(556, abs=2)
    assert content["found_scale"] == pytest.approx(5, rel=0.005)
    assert open_volume(tmp_path / "high.ome.zarr").grid.unit == "um"

"""Alignment of stacks: shifts, faults, refusals, and the volume that comes of it."""

import json
import tracemalloc
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import tifffile
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from acuity.align.align import Outputs, _Window, align
from acuity.align.check import check
from acuity.align.disturb import disturb
from acuity.align.faults import FAULTS, figures, find_faults
from acuity.align.settings import AlignSettings, Perturb
from acuity.align.transform import transform
from acuity.errors import AcuityError
from acuity.register.transforms import read_transforms, to_type, write_transforms
from acuity.report.stack import stack_residuals, stack_verdict
from acuity.settings import call
from acuity.study.align import Align
from acuity.tables import write_table
from acuity.volume import Grid, LazyArray, Volume, open_volume
from tests.conftest import shared

SIX = {
    "blank": [5],
    "duplicate": [11],
    "swapped": [17],
    "inverted": [24],
    "saturated": [30],
    "noisy": [36],
}


def specimen(count=44, side=128, sigma=(3, 2, 2), seed=0):
    # one period more along z, so that the two ends have nothing in common
    white = np.random.default_rng(seed).standard_normal((count + 30, side, side), np.float32)
    data = gaussian_filter(white, sigma)[:count]
    return np.clip(np.rint(128 + 35 * data / data.std()), 0, 255).astype(np.uint8)


def stack(data, spacing=(10, 10, 10)):
    return Volume(data, Grid(data.shape, spacing, unit="nm"), "grey value")


STILL = specimen()


@pytest.fixture
def paths(tmp_path):
    names = {"transforms": "t.json", "slices": "slices.tsv", "pairs": "pairs.tsv"}
    return SimpleNamespace(**{key: tmp_path / name for key, name in names.items()})


@pytest.fixture
def run(tmp_path, paths):
    def run(volume, **options):
        outputs = Outputs(paths.transforms, paths.slices, paths.pairs)
        verdict = call(align, volume, outputs, **options)
        return verdict, pd.read_csv(paths.slices, sep="\t", keep_default_na=False)

    return run


@pytest.fixture
def disturbed(tmp_path):
    def disturbed(data, **options):
        options = {"seed": 1} | options
        told = call(
            disturb, stack(data), tmp_path / "d.ome.zarr", tmp_path / "added.tsv", **options
        )
        added = pd.read_csv(tmp_path / "added.tsv", sep="\t", keep_default_na=False)
        return open_volume(tmp_path / "d.ome.zarr"), added, told["margin"]

    return disturbed


@pytest.fixture
def measured(tmp_path, run, paths, disturbed):
    """Figures of the error on added shifts."""

    def measured(data, **options):
        volume, _, margin = disturbed(data, **options)
        verdict, _ = run(volume)
        reference = tmp_path / "reference"
        reference.mkdir(exist_ok=True)
        files = reference / "r.ome.zarr", reference / "none.tsv"
        disturb(stack(data), *files, Perturb(), margin=margin, seed=1)
        still = open_volume(reference / "r.ome.zarr")
        call(align, still, Outputs(*(reference / name for name in ("t.json", "s.tsv", "p.tsv"))))
        rows, table = check(paths.slices, reference / "s.tsv", tmp_path / "added.tsv")
        return verdict, {(r["metric"], r["subset"]): r["value"] for r in rows}, table

    return measured


@pytest.mark.parametrize(("noise", "most"), [(0, 0.1), (0.3, 0.1), (1.0, 0.2)])
def test_shifts_are_found_to_a_fraction_of_a_voxel(measured, noise, most):
    verdict, figures, _ = measured(STILL, jitter=1.5, noise=noise, drift=(3, 5))
    assert figures["stack_rms", "all"] < most
    assert figures["faults_false", "all"] == 0
    assert verdict["flagged_count"] == 0


def test_a_jump_of_20_voxels_is_recovered_and_named(measured):
    verdict, figures, table = measured(STILL, jitter=0.5, noise=0.3, jumps={20: [20, -12]})
    assert verdict["jumps"] == [20]
    assert verdict["largest_step_at"] == 20
    assert table["step"][20] < 0.5
    assert figures["stack_rms", "all"] < 0.2


def test_six_kinds_of_bad_slices_in_one_stack(measured):
    verdict, figures, table = measured(STILL, jitter=1.0, noise=0.3, faults=SIX)
    assert verdict["flagged"] == SIX | {"swapped": [17, 18]}
    assert list(table["flag"]) == list(table["fault"])
    assert figures["faults_found", "all"] == figures["faults_named", "all"] == 7
    assert figures["faults_missed", "all"] == figures["faults_false", "all"] == 0
    assert figures["stack_rms_neighbours", "all"] < 0.15
    for name in FAULTS:
        assert name in verdict["verdict"]


@pytest.mark.real
def test_six_kinds_of_bad_slices_in_one_stack_of_real_slices(measured):
    slices = tifffile.imread(shared("em/flyem_medulla_ts1_250x250x250_u8.tif"))[:64]
    faults = {name: [9 + 9 * n] for n, name in enumerate(SIX)}
    verdict, figures, table = measured(slices, jitter=1.5, noise=0.3, faults=faults)
    assert verdict["flagged"] == faults | {"swapped": [27, 28]}
    assert list(table["flag"]) == list(table["fault"])
    assert figures["stack_rms_neighbours", "all"] < 0.15
    assert figures["stack_rms", "all"] < 0.1


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_a_short_stack(run, disturbed, kind):
    volume, added, _ = disturbed(STILL[:10], jitter=1, noise=0.1, faults={kind: [4]})
    _, slices = run(volume)
    assert list(slices["flag"]) == list(added["fault"])


def test_the_share_of_bad_slices_counts_from_twenty_slices_on(run, disturbed):
    volume, added, _ = disturbed(STILL[:10], jitter=1, noise=0.1, faults={"blank": [2, 5, 8]})
    _, slices = run(volume)
    assert list(slices["flag"]) == list(added["fault"])


def test_a_good_stack_has_no_faults_and_a_whole_one_of_reversed_contrast_neither(run):
    for data in (STILL, 255 - STILL):
        assert run(stack(data))[0]["flagged"] == {}


def test_faulty_slices_are_carried_over_by_interpolation(run, disturbed, paths):
    volume, _, _ = disturbed(STILL, drift=(10, 0), faults={"blank": [10, 11]})
    _, slices = run(volume)
    assert np.allclose(slices["dy"][9:13], np.linspace(slices["dy"][9], slices["dy"][12], 4))
    pairs = pd.read_csv(paths.pairs, sep="\t")
    bad = pairs["a"].isin([10, 11]) | pairs["b"].isin([10, 11])
    assert (pairs["weight"][bad] == 0).all()
    assert (pairs["counts"][bad] == 0).all()
    assert (pairs["weight"][~bad] > 0).all()
    # across the gap further neighbours help
    reach = pairs["b"] - pairs["a"]
    assert reach[pairs["a"].between(6, 9) & pairs["b"].between(12, 15)].max() > 3
    assert reach[(pairs["b"] < 8) | (pairs["a"] > 15)].max() == 3


def test_wrong_pairs_count_neither_in_the_table_nor_on_the_page(run, paths, monkeypatch):
    right, calls = _Window.shift, []

    def sometimes_wrong(self, *spectra):
        shift = right(self, *spectra)
        calls.append(shift)
        away = 20 * (len(calls) % 10 == 0)
        return type(shift)(shift.dy + away, shift.dx - away, shift.ncc, shift.sign)

    monkeypatch.setattr(_Window, "shift", sometimes_wrong)
    verdict, slices = run(stack(STILL), mode="full")
    pairs = pd.read_csv(paths.pairs, sep="\t")
    assert 0.05 < verdict["pairs_rejected"] / len(pairs) < 0.15
    assert verdict["pairs"] == pairs["counts"].sum()
    sentence = stack_verdict(slices, pairs)[1]
    assert f"agree to {verdict['residual_rms']:.2f} px RMS" in sentence
    assert verdict["residual_rms"] < 0.5
    drawn = stack_residuals(slices, pairs)
    assert drawn.panels[0].title.startswith(f"{verdict['pairs']} pairs")


def test_curtains_do_not_pull(measured):
    _, figures, _ = measured(STILL, jitter=1.5, noise=0.3, curtains=0.7)
    assert figures["stack_rms", "all"] < 0.1


@pytest.fixture
def tilted():
    """A specimen that leans by 24 voxels over 120 slices, beside a strip that stands still."""
    z = np.linspace(0, 24, 120)
    body = specimen(120, 128, (4, 2, 2), seed=3).astype(np.float32)
    strip = specimen(1, 128, (0, 2, 2), seed=4)[0, :40]
    data = np.empty_like(STILL, shape=(120, 128, 128))
    for number, lean in enumerate(z):
        whole = round(lean)
        data[number] = np.roll(body[number], whole, axis=0)
        data[number, 88:] = strip
    return data


def test_what_the_modes_keep_of_a_tilt(run, disturbed, tilted):
    volume, added, margin = disturbed(tilted, jitter=1.0, noise=0.3)
    top, left = margin[0][0], margin[1][0]
    roi = f"{92 - top}:{120 - top},{8 - left}:{112 - left}"
    lost = {}
    for mode in get_args(Align.model_fields["mode"].annotation):
        _, slices = run(volume, mode=mode, roi=roi if mode == "template_roi" else None)
        rest = (slices["used_dy"] - added["dy"]).to_numpy()
        lost[mode] = np.ptp(rest - np.median(rest))
    assert lost["template_roi"] < 1
    assert lost["full"] > 8
    assert lost["template_roi"] < min(lost["jitter"], lost["detrend_linear"]) < lost["full"]


def test_the_window_follows_a_region_that_drifts(run, disturbed, tilted):
    volume, added, margin = disturbed(tilted, drift=(0, 50), noise=0.1)
    roi = f"{92 - margin[0][0]}:120,4:40"
    _, slices = run(volume, mode="template_roi", roi=roi)
    assert np.ptp(slices["used_dx"] - added["dx"]) < 1


def test_files_and_their_figures(run, disturbed, paths):
    volume, _, _ = disturbed(STILL, jitter=1, noise=0.1)
    verdict, slices = run(volume, name="rock", mode="full")
    moves = read_transforms(paths.transforms)
    assert moves["mode"] == "full"
    assert moves["source"] == volume.digest
    assert np.allclose(moves["dy"], slices["used_dy"])
    assert np.allclose(slices["dy"], slices["trend_dy"] + slices["used_dy"])
    assert list(slices) == ["z", "dy", "dx", "trend_dy", "trend_dx", "used_dy", "used_dx"] + [
        "ncc",
        "flag",
    ]
    assert list(pd.read_csv(paths.pairs, sep="\t")) == ["a", "b", "dy", "dx"] + [
        "ncc",
        "weight",
        "residual",
        "counts",
    ]
    assert verdict["verdict"].startswith("align rock: 44 slices, mode full, residual 0.")
    json.dumps(verdict)
    before = [path.read_bytes() for path in vars(paths).values()]
    run(volume, name="rock", mode="full")
    assert before == [path.read_bytes() for path in vars(paths).values()]


# ------------------------------------------------------------------------------------- refusals


def unrelated():
    data = STILL.copy()
    data[20:] = specimen(24, seed=9)
    return data


def shaken():
    # a jump of 0.7 of the field
    wide = np.concatenate([STILL, specimen(seed=9)], axis=2)
    return np.concatenate([wide[:20, :, :128], wide[20:, :, 90:218]])


def with_nan():
    data = STILL.astype(np.float32)
    data[7, 3, 3] = np.nan
    return data


def many_blank():
    data = STILL.copy()
    data[2::4] = 7
    return data


def long_gap():
    data = STILL.copy()
    data[20:26] = 7
    return data


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (STILL[:1], {}, "found 1 slice, a stack has at least two"),
        (unrelated(), {}, "falls apart at slice 20"),
        (
            shaken(),
            {},
            r"falls apart at slice 20 \(the first is 0\): no shift of up to half of the field",
        ),
        (long_gap(), {}, "slice 26.*blank slices from 20 on lie between"),
        (np.stack([STILL[0], specimen(1, seed=9)[0]]), {}, "falls apart at slice 1"),
        (with_nan(), {}, "NaN in slice 7"),
        (many_blank(), {}, r"11 of 44 slices are faulty \(11 blank; the first of them is slice 2,"),
        (np.full((3, 32, 32), 7, np.uint8), {}, "needs at least two good ones"),
        (STILL, {"mode": "template_roi"}, "template_roi needs a roi"),
        (STILL, {"roi": "0:50,0:50"}, "no other mode has one"),
        (STILL, {"mode": "template_roi", "roi": "0:10,0:50"}, "at least 16 x 16"),
        (STILL, {"mode": "template_roi", "roi": "0:50,100:129"}, "128 x 128 of a slice"),
        (STILL, {"mode": "template_roi", "roi": "all"}, "roi is 'all'"),
        (STILL, {"bridge": 2}, "bridge is 2, allowed are whole numbers from 3"),
    ],
)
def test_what_is_refused_in_one_sentence(run, paths, data, options, words):
    with pytest.raises(AcuityError, match=words) as caught:
        run(stack(data), name="rock", **options)
    assert str(caught.value).startswith("align rock: ") or "NaN" in words
    assert "\n" not in str(caught.value)
    assert not any(path.exists() for path in vars(paths).values())


def test_a_jump_within_half_of_the_field_is_no_reason_to_refuse(run):
    wide = specimen(30, 192)
    data = np.concatenate([wide[:15, :128, :128], wide[15:, :128, 35:163]])
    _, slices = run(stack(data))
    assert slices["dx"][15] - slices["dx"][14] == pytest.approx(-35, abs=1)


# ---------------------------------------------------------------------------------- the volume


def test_the_aligned_volume(run, disturbed, paths, tmp_path):
    volume, _, margin = disturbed(STILL, jitter=1.5)
    run(volume, mode="full")
    out, mask = tmp_path / "a.ome.zarr", tmp_path / "m.ome.zarr"
    share = transform(volume, paths.transforms, out, mask, fill=3)
    aligned, valid = open_volume(out), open_volume(mask)
    assert aligned.grid == volume.grid == valid.grid
    assert aligned.dtype == np.uint8
    assert aligned.provenance[-1]["mode"] == "full"
    data, valid = aligned.read(), valid.read()
    assert set(np.unique(valid)) == {0, 1}
    assert valid.mean() == pytest.approx(share)
    assert (data[valid == 0] == 3).all()
    moves = read_transforms(paths.transforms)
    reach = np.ceil(np.abs(moves["dy"])).astype(int)
    assert (valid[:, 12:-12, 12:-12] == 1).all()
    assert all(
        valid[z, : reach[z]].sum() + valid[z, -reach[z] or 999 :].sum() < valid[z].size
        for z in range(44)
    )
    # nearer to the specimen at rest than before
    inner = (slice(None), slice(20, 90), slice(20, 90))
    top, left = margin[0][0], margin[1][0]
    rest = STILL[:, top : top + data.shape[1], left : left + data.shape[2]][inner].astype("f4")

    def rough(block):
        return np.abs(np.diff(block.astype("f4"), axis=0)).mean()

    assert rough(data[inner]) < 1.1 * rough(rest) < 0.7 * rough(volume.read()[inner])


def test_the_crop_is_what_every_slice_reaches(paths, tmp_path):
    head = {"unit": "nm", "voxel_size": (10, 10, 10), "mode": "full", "source": ""}
    moves = {"dy": [0, 2.5, -1], "dx": [0, 0, -3], "flagged": {"blank": [1]}}
    write_transforms(paths.transforms, head | moves)
    whole, part = ([tmp_path / f"{kind}{n}.ome.zarr" for n in "am"] for kind in ("whole", "part"))
    transform(stack(STILL[:3]), paths.transforms, *whole)
    share = transform(stack(STILL[:3]), paths.transforms, *part, crop=True)
    assert share == 1
    box = (slice(None), slice(1, 125), slice(3, 128))
    field, aligned, mask = (open_volume(path) for path in (whole[0], *part))
    assert aligned.grid == mask.grid == field.grid.crop(box)
    assert aligned.grid.origin == (0, 10, 30)
    assert np.array_equal(aligned.read(), field.read()[box])
    assert mask.read().all()
    valid = open_volume(whole[1]).read().all(axis=0)
    assert valid.sum() == mask.read()[0].size  # not a voxel more could have stayed


def test_a_crop_that_leaves_too_little_is_refused(paths, tmp_path):
    head = {"unit": "nm", "voxel_size": (10, 10, 10), "mode": "full", "source": ""}
    out, mask = tmp_path / "a.ome.zarr", tmp_path / "m.ome.zarr"
    for far, reached in ((100, "28 x 96"), (200, "0 x 96")):
        write_transforms(paths.transforms, head | {"dy": [0, 9, far], "dx": [0, -32, 0]})
        with pytest.raises(AcuityError, match=f"t.json: all slices together reach {reached} of"):
            transform(stack(STILL[:3]), paths.transforms, out, mask, crop=True)
        assert not out.exists()
        assert not mask.exists()
        transform(stack(STILL[:3]), paths.transforms, out, mask)
        out, mask = tmp_path / "b.ome.zarr", tmp_path / "n.ome.zarr"


def test_whole_voxels_move_values_unchanged(paths, tmp_path):
    head = {"unit": "nm", "voxel_size": (10, 10, 10), "mode": "full", "source": ""}
    write_transforms(paths.transforms, head | {"dy": [0, 2, -1], "dx": [0, 0, 3]})
    transform(stack(STILL[:3]), paths.transforms, tmp_path / "a.ome.zarr", tmp_path / "m.ome.zarr")
    data = open_volume(tmp_path / "a.ome.zarr").read()
    assert np.array_equal(data[0], STILL[0])
    assert np.array_equal(data[1, :-2], STILL[1, 2:])
    assert np.array_equal(data[2, 1:, :-3], STILL[2, :-1, 3:])


@pytest.mark.parametrize(
    ("volume", "options", "words"),
    [
        (stack(STILL[:4]), {}, "has 3 slices, the volume has 4"),
        (stack(STILL[:3], (20, 10, 10)), {}, r"\[10.0, 10.0, 10.0\] nm, the volume has \[20"),
        (stack(STILL[:3]), {"fill": 300}, "fill is 300, allowed are values of the type uint8"),
        (stack(STILL[:3]), {"fill": float("nan")}, "fill is nan"),
    ],
)
def test_transforms_of_another_stack_are_refused(paths, tmp_path, volume, options, words):
    head = {"unit": "nm", "voxel_size": (10, 10, 10), "mode": "full", "source": ""}
    write_transforms(paths.transforms, head | {"dy": [0, 2, -1], "dx": [0, 0, 3]})
    out, mask = tmp_path / "a.ome.zarr", tmp_path / "m.ome.zarr"
    with pytest.raises(AcuityError, match=words):
        transform(volume, paths.transforms, out, mask, **options)
    assert not out.exists()
    assert not mask.exists()


def test_values_are_rounded_and_clipped():
    values = np.array([-3.2, 0.4, 0.6, 300, 2.0**33], np.float32)
    assert to_type(values, np.uint8).tolist() == [0, 0, 1, 255, 255]
    assert to_type(values, np.uint32)[-1] == 2**32 - 1
    assert to_type(values, np.float32) is values


# ------------------------------------------------------------------------------------- disturb


def test_whole_voxels_added_are_the_same_values_elsewhere(disturbed):
    volume, added, margin = disturbed(STILL, jumps={3: [4, -2], "9": [-4, 2]})
    assert list(added["dy"]) == [0] * 3 + [4] * 6 + [0] * 35
    top, left = margin[0][0], margin[1][0]
    _, ny, nx = volume.grid.shape
    assert volume.grid.origin == (0, top * 10, left * 10)
    expected = STILL[5, top - 4 : top - 4 + ny, left + 2 : left + 2 + nx]
    assert np.array_equal(volume.read()[5], expected)
    assert np.array_equal(volume.read()[20], STILL[20, top : top + ny, left : left + nx])


def test_faults_are_what_their_names_say(disturbed):
    volume, added, _ = disturbed(STILL, faults=SIX)
    data = volume.read()
    assert np.ptp(data[5]) < 12
    assert np.array_equal(data[11], STILL[10])
    assert np.array_equal(data[17], STILL[18])
    assert np.array_equal(data[18], STILL[17])
    assert np.array_equal(data[24], 255 - STILL[24])
    assert (data[30] == 255).mean() > 0.4
    assert np.corrcoef(data[36].ravel(), STILL[36].ravel())[0, 1] < 0.4
    good = (added["fault"] == "").to_numpy()
    assert np.array_equal(data[good], STILL[good])


def test_noise_has_its_size_and_its_seed(disturbed):
    one = disturbed(STILL[:6], noise=0.3)[0].read().astype("f4") - STILL[:6]
    assert one.std() == pytest.approx(0.3 * STILL[:6].std(), rel=0.05)
    assert np.array_equal(one, disturbed(STILL[:6], noise=0.3)[0].read().astype("f4") - STILL[:6])
    other = disturbed(STILL[:6], noise=0.3, seed=2)[0].read().astype("f4") - STILL[:6]
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"faults": {"blank": [44]}}, "names the slice 44, allowed are slices from 0 to 43"),
        ({"faults": {"blank": [3], "swapped": [2]}}, "slice 3 is blank and swapped"),
        ({"faults": {"duplicate": [0]}}, "slice before it is not there"),
        ({"faults": {"swapped": [43]}}, "slice behind it is not there"),
        ({"faults": {"duplicate": [4], "blank": [3]}}, "slice 3, which is blank itself"),
        ({"jumps": {50: [1, 1]}}, "jumps names the slice 50"),
        ({"drift": (90, 0)}, "of 128 voxels off along y, allowed is up to half"),
        ({"margin": [[1, 2]]}, "margin is"),
        ({"margin": [[1, -2], [0, 0]]}, "margin is"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_disturbance_out_of_range_is_refused(disturbed, tmp_path, options, words):
    with pytest.raises(AcuityError, match=words):
        disturbed(STILL, **options)
    assert not (tmp_path / "d.ome.zarr").exists()
    assert not (tmp_path / "added.tsv").exists()


@pytest.mark.parametrize(
    ("section", "change"),
    [
        (AlignSettings, {"mode": "both"}),
        (AlignSettings, {"neighbours": 0}),
        (AlignSettings, {"smooth": -1}),
        (AlignSettings, {"most_flagged": 2}),
        (Perturb, {"faults": {"torn": [3]}}),
        (Perturb, {"faults": {"blank": ["x"]}}),
        (Perturb, {"jumps": {5: [1]}}),
        (Perturb, {"drift": (float("nan"), 0)}),
        (Perturb, {"jitter": -1}),
        (Perturb, {"noise": float("inf")}),
        (Perturb, {"curtains": -1}),
    ],
)
def test_a_setting_out_of_its_declared_range_is_refused(section, change):
    (key,) = change
    with pytest.raises(ValidationError) as caught:
        section(**change)
    assert caught.value.errors()[0]["loc"][0] == key


# --------------------------------------------------------------------------------------- check


def test_check_in_closed_form(tmp_path):
    def write(name, **columns):
        count = len(columns["dy"])
        write_table(pd.DataFrame({"z": range(count)} | columns), tmp_path / name)
        return tmp_path / name

    flags = ["", "", "blank", "", "noisy"]
    found = write("f.tsv", dy=[1.0, 2, 9, 4.3, 5], dx=[0.0] * 5, flag=flags)
    without = write("w.tsv", dy=[0.0] * 5, dx=[7.0] * 5, flag=[""] * 5)
    added = write("a.tsv", dy=[0.0, 1, 2, 3, 4], dx=[0.0] * 5, fault=["", "", "noisy", "", ""])
    rows, table = check(found, without, added)
    figures = {(row["metric"], row["subset"]): row["value"] for row in rows}
    # errors of the good slices 0 1 3 4: 0, 0, 0.3, 0
    assert figures["stack_rms", "all"] == pytest.approx(np.sqrt(2 * 0.09 / 3))
    assert figures["stack_rms", "x"] == 0
    assert figures["stack_rms_neighbours", "all"] == pytest.approx(0.3 * np.sqrt(2 / 3))
    assert figures["faults_found", "all"] == 1
    assert figures["faults_named", "all"] == 0
    assert figures["faults_false", "all"] == 1
    assert table["step"].isna().tolist() == [True, False, True, False, False]
    with pytest.raises(AcuityError, match=r"f.tsv: lacks the column fault"):
        check(found, without, found)
    short = write("s.tsv", dy=[0.0] * 4, dx=[0.0] * 4, fault=[""] * 4)
    with pytest.raises(AcuityError, match="has 5 slices where"):
        check(found, without, short)
    spoilt = write("n.tsv", dy=[0.0] * 5, dx=[0.0] * 5, fault=["noisy"] * 4 + [""])
    with pytest.raises(AcuityError, match="only 1 slices are good"):
        check(found, without, spoilt)


def test_a_slice_by_itself():
    flat = figures(np.full((4, 5), 3, np.uint8))
    assert (flat.sd, flat.share) == (0, 1)
    assert figures(STILL[0]).digest == figures(STILL[0].copy()).digest != figures(STILL[1]).digest


def test_contrast_that_turns_half_way_flags_the_smaller_part():
    slices = [SimpleNamespace(sd=1.0, share=0.0, digest=str(z)) for z in range(9)]
    shifts = {
        (a, b): SimpleNamespace(dy=0.5, dx=0.0, ncc=0.9, sign=1 if (a < 6) == (b < 6) else -1)
        for a in range(9)
        for b in range(a + 1, min(9, a + 4))
    }
    assert find_faults(slices, shifts) == [""] * 6 + ["inverted"] * 3


class Endless(LazyArray):
    """Slices that exist while they are read: one texture, moved a little each time."""

    def __init__(self, count):
        self.shape, self.dtype = (count, 120, 120), np.dtype(np.uint8)

    def read_box(self, box):
        z, y, x = box
        return np.stack([self.slice(n) for n in range(z.start, z.stop)])[:, y, x]

    def slice(self, n):
        noise = np.random.default_rng(n).normal(0, 5, (128, 128))
        moved = np.roll(STILL[7] + noise, n % 3, axis=1)[:120, :120]
        return np.clip(moved, 0, 255).astype(np.uint8)


def test_memory_does_not_grow_with_the_number_of_slices(run):
    peaks = []
    for count in (40, 40, 320):  # the first run warms up
        tracemalloc.start()
        run(stack(Endless(count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_slice = 120 * 120 * 8
    assert peaks[2] < peaks[1] + 40 * one_slice, peaks
    # The control: what 280 spectra more would have taken.
    assert 40 * one_slice < 280 * 120 * 61 * 8

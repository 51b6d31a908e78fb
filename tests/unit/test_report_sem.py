"""Figures and page of SEM pairs, on images and tables that are made up."""

import io
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.keys import Key
from acuity.measure.spectrum import spectrum
from acuity.report import sem
from acuity.report.judged import judged
from acuity.report.verdict import POOLED
from acuity.tables import write_table
from acuity.volume import Grid, Volume, write_volume
from tests.unit.drawn import sem_page

SIZE = 7.1
SHAPE = (192, 256)
LEVEL = 2.0
IMAGES = [[None, "truth"], ["2", "input"], ["2", "lanczos"], ["2", "sem_gan"]]


def specimen(shape=SHAPE, seed=1, radius=9, pitch=24):
    """Discs on a raster, shaken: particles with gaps between them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    image = np.full(shape, 40.0)
    for cy in range(pitch // 2, shape[0], pitch):
        for cx in range(pitch // 2, shape[1], pitch):
            r = radius + rng.uniform(-1, 3.5)
            away = np.hypot(y - cy - rng.uniform(-2, 2), x - cx - rng.uniform(-2, 2))
            image = np.maximum(image, 40 + 140 * np.clip(r + 0.5 - away, 0, 1))
    return image


def fine(data):
    return Volume(
        data[None].astype(np.float32), Grid((1, *data.shape), (SIZE,) * 3, (0, 0, 0), "nm")
    )


def coarse(data):
    size = 2 * SIZE
    grid = Grid((1, *data.shape), (SIZE, size, size), (0, SIZE / 2, SIZE / 2), "nm")
    return Volume(data[None].astype(np.uint8), grid)


def images(seed=1, shape=SHAPE):
    rng = np.random.default_rng(seed)
    clean = specimen(shape, seed)
    truth = ndimage.gaussian_filter(clean, 0.9) + rng.normal(0, 4, shape)
    blocks = ndimage.gaussian_filter(clean, 1.6).reshape(shape[0] // 2, 2, shape[1] // 2, 2)
    low = blocks.mean((1, 3)) + rng.normal(0, 4, (shape[0] // 2, shape[1] // 2))
    places = (np.arange(n) / 2 - 0.25 for n in shape)
    smooth = ndimage.map_coordinates(low, np.meshgrid(*places, indexing="ij"), mode="mirror")
    found = {
        ("truth", None): truth,
        ("input", LEVEL): low.repeat(2, 0).repeat(2, 1),
        ("lanczos", LEVEL): smooth,
        ("sem_gan", LEVEL): ndimage.gaussian_filter(clean, 1.0) + rng.normal(0, 3, shape),
    }
    return {key: fine(data) for key, data in found.items()}, coarse(np.clip(low, 0, 255))


def gap_table(missed, error, invented, count=120, seed=3):
    """Gaps between neighbours on the raster; some missed, some invented."""
    rng = np.random.default_rng(seed)
    own = np.random.default_rng(int(1000 * missed) + 7)
    cells = [(y, x) for y in range(7) for x in range(9)]
    rows = []
    for number in range(count):
        y, x = cells[number % len(cells)]
        width = rng.normal(24, 9)
        touching = width < 8 or number % 11 == 0
        width = np.nan if touching else width
        shown = own.random() < (invented if touching else 1 - missed * 3 * (width < 20))
        middle = np.array([y * 24 + 12, x * 24 + 24]) * SIZE
        half = (0 if touching else width) / 2 + 3
        rows.append(
            {
                "gap": number + 1,
                "kind": "touching" if touching else "gap",
                "y1": middle[0],
                "x1": middle[1] - half,
                "y2": middle[0],
                "x2": middle[1] + half,
                "uy": 0.0,
                "ux": 1.0,
                "width_truth": width,
                "width": (0 if touching else width) + abs(own.normal(0, error) + 4 * touching)
                if shown
                else np.nan,
                "resolved": int(shown),
                "touching": int(touching),
                "chosen": int(number < 60),
            }
        )
    return pd.DataFrame(rows)


GAPS = {
    ("input", LEVEL): (0.14, 3.8, 0.0),
    ("lanczos", LEVEL): (0.12, 3.5, 0.0),
    ("sem_gan", LEVEL): (0.04, 2.1, 0.15),
}


def gap_tables():
    return {key: gap_table(*how) for key, how in GAPS.items()}


def spectra(volumes):
    truth = volumes["truth", None].read()
    tables = []
    for (method, level), volume in volumes.items():
        if method != "truth":
            _, curve = spectrum(volume.read(), truth, spacing=(SIZE,) * 3, low_nyquist=0.25 / SIZE)
            tables.append(curve.assign(method=method, level=level))
    return pd.concat(tables, ignore_index=True)


def metrics(*, gaps=True, quality=True):
    rows = []
    for method, level, lost, error, made, below, aliased, spread, psnr in (
        ("input", LEVEL, 0.139, 3.8, 0.0, 0.31, 0.8, 21.3, 22.1),
        ("lanczos", LEVEL, 0.121, 3.5, 0.0, 0.35, 0.97, 20.2, 23.4),
        ("sem_gan", LEVEL, 0.037, 2.1, 0.021, 0.12, 0.33, 12.4, 27.9),
        ("truth", math.nan, 0.0, 0.0, 0.0, math.nan, math.nan, 11.6, math.inf),
    ):
        own = []
        if gaps:
            own += [
                ("gaps_unresolved", "all", lost, lost - 0.001, lost + 0.002),
                ("gaps_unresolved_bootstrap", "all", lost, lost - 0.01, lost + 0.012),
                ("gaps_unresolved", "chosen", lost, lost - 0.04, lost + 0.04),
                ("gap_error", "all", error, error - 0.2, error + 0.2),
                ("gaps_invented", "all", made, made / 2, made + 0.01),
                ("gaps_unresolved_matched", "all", lost / 2, lost / 3, lost),
            ]
        own += [
            ("spectrum_ratio_error", "below low Nyquist", below, math.nan, math.nan),
            ("spectrum_ratio_error", "aliased", aliased, math.nan, math.nan),
            ("edge_spread", "all", spread, spread - 1, spread + 1),
        ]
        if quality:
            own += [("psnr", "all", psnr, math.nan, math.nan)]
            own += [("ssim", "all", psnr / 30 if psnr < 99 else 1.0, math.nan, math.nan)]
        rows += [(method, level, *row) for row in own]
    columns = ["method", "level", "metric", "subset", "value", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(sample="gold1", variant="", unit="", n=300)


def patches(count=(3, 4), side=64, bad=((0, 1),)):
    rng = np.random.default_rng(5)
    rows = []
    for y in range(count[0]):
        for x in range(count[1]):
            wrong = (y, x) in bad
            dy, dx = rng.normal(0, 1.1 if wrong else 0.12, 2)
            rows.append(
                {
                    "y": side * y,
                    "x": side * x,
                    "dy_before": 1.5 + rng.normal(0, 0.4),
                    "dx_before": -0.8 + rng.normal(0, 0.4),
                    "dy": dy,
                    "dx": dx + 0.9 * wrong,
                    "ncc": 0.31 if wrong else 0.9 + rng.normal(0, 0.02),
                    "accepted": int(not wrong),
                }
            )
    return pd.DataFrame(rows)


def transform(flat=False):
    y, x = np.arange(-32, 224, 32), np.arange(-32, 288, 32)
    grid = np.meshgrid(y, x, indexing="ij")
    dy, dx = 1.6 * np.sin(grid[0] / 60), 1.1 * np.cos(grid[1] / 80)
    nodes = {"y": y, "x": x, "dy": dy, "dx": dx}
    if flat:
        nodes = {"y": grid[0].ravel(), "x": grid[1].ravel(), "dy": dy.ravel(), "dx": dx.ravel()}
    return {
        "factor": 2,
        "stated_scale": 2.0,
        "found_scale": 2.0043,
        "rotation_degrees": 0.21,
        "nodes": {name: value.tolist() for name, value in nodes.items()},
        "jacobian": [0.981, 1.024],
        "patch": 64,
        "accepted": 11,
        "patches": 12,
        "verdict": "Registered: 11 of 12 patches agree to 0.17 px RMS.",
    }


def a_pair(volumes, low, **more):
    limits = {"residual": 0.5, "ncc": 0.5}
    how = {"transform": transform(), "patches": patches(), "limits": limits} | more
    return sem.Pair(low=low, high=volumes["truth", None], **how)


@pytest.fixture(scope="module")
def made():
    return images()


# ----------------------------------------------------------------------------------- registration


@pytest.mark.parametrize(
    ("residual", "rejected", "grade"),
    [(0.2, 0, "good"), (0.2, 2, "good"), (0.2, 4, "care"), (0.4, 0, "care"), (0.6, 0, "poor")],
)
def test_a_pair_is_graded_by_residuals_and_rejected_patches(made, residual, rejected, grade):
    table = patches(bad=())
    table[["dy", "dx"]] = residual / math.sqrt(2)
    table.loc[: rejected - 1, "accepted"] = 0
    pair = a_pair(*made, patches=table, transform={})
    assert sem.pair_verdict(pair)[0] == grade
    assert f"{12 - rejected} of 12 patches accepted" in sem.pair_verdict(pair)[1]
    none = a_pair(*made, patches=table.assign(accepted=0), transform={})
    assert sem.pair_verdict(none)[0] == "poor"
    assert sem.pair_verdict(a_pair(*made))[1] == transform()["verdict"]


def test_tables_that_lack_a_column_or_a_patch_are_refused(made):
    with pytest.raises(AcuityError, match="patches table: column 'ncc' is missing"):
        sem.sem_patches(a_pair(*made, patches=patches().drop(columns="ncc")))
    with pytest.raises(AcuityError, match="found no patch"):
        sem.pair_verdict(a_pair(*made, patches=patches().iloc[:0]))


def test_low_resolution_is_laid_onto_the_fine_grid_at_its_phase():
    """A plane is a plane again: pixel (y, x) of the fine grid lies at (y / 2 - 1 / 4)."""
    y, x = np.mgrid[:40, :60].astype(float)
    slope = 2 * y + 2 * x
    low = slope.reshape(20, 2, 30, 2).mean((1, 3))
    found = sem.interpolated(coarse(low), fine(slope).grid)
    assert np.allclose(found[6:-6, 6:-6], slope[6:-6, 6:-6], atol=0.3)


def test_overlays_are_grey_where_alike_and_coloured_where_not():
    same = np.tile(np.linspace(0, 255, 160), (120, 1)).astype(np.float32)
    grey = np.asarray(sem.mixed(same, same, (0, 255)).convert("RGB")).astype(int)
    assert np.ptp(grey, axis=2).max() == 0
    shown = np.asarray(sem.mixed(same, 0 * same, (0, 255)).convert("RGB")).astype(int)
    assert (shown[:, -1] == [255, 0, 255]).all()
    shown = np.asarray(sem.mixed(0 * same, same, (0, 255)).convert("RGB")).astype(int)
    assert (shown[:, -1] == [0, 255, 0]).all()


def test_details_are_those_of_the_median_and_the_worst_patch(made):
    pictures = sem.pair_pictures(a_pair(*made), side=64)
    kinds = [picture.kind for picture, _ in pictures]
    assert kinds == ["board", "overlay", "detail", "detail"]
    table = patches()
    residual = np.sort(np.hypot(table["dy"], table["dx"])[table["accepted"] > 0])
    for (_, words), value in zip(pictures[2:], (residual[5], residual[-1]), strict=True):
        assert f"{value:.2f} px" in words
    none = a_pair(*made, patches=patches().assign(accepted=0))
    assert len(sem.pair_pictures(none)) == 2


@pytest.mark.parametrize("flat", [False, True])
def test_arrows_tell_pixels_and_the_caption_the_jacobian(made, flat):
    plot = sem.sem_displacement(a_pair(*made, transform=transform(flat)))
    assert "0.981 to 1.024" in plot.caption
    assert "px RMS" in plot.caption
    axes = plot.figure().axes[0]
    assert axes.get_xlabel() == "x (nm)"
    assert axes.get_ylim()[0] > 192 * SIZE > 0 > axes.get_ylim()[1]
    assert len(axes.collections[0].U) == 6 * 8
    nothing = a_pair(*made, transform={"nodes": {k: [0.0] for k in ("y", "x", "dy", "dx")}})
    assert "0.00 px at most" in sem.sem_displacement(nothing).caption
    assert not sem.sem_displacement(a_pair(*made, transform={})).panels


def test_patches_are_counted_and_limits_drawn(made):
    table = patches()
    table.loc[3, ["dy", "dx", "ncc"]] = np.nan
    table.loc[3, "accepted"] = 0
    table.loc[7, "dy"] = 30.0
    table.loc[7, "accepted"] = 0
    plot = sem.sem_patches(a_pair(*made, patches=table))
    assert plot.panels[0].title == "9 of 12 accepted"
    axes = [axes for axes in plot.figure().axes if axes.get_ylabel() == "Patches"]
    assert "1 not measured" in axes[0].get_xlabel()
    heights = [sum(bar.get_height() for bar in axes[0].containers[n]) for n in (0, 1)]
    assert heights == [9, 2]
    assert "Dashed" in plot.caption
    assert "Dashed" not in sem.sem_patches(a_pair(*made, limits={})).caption


# ------------------------------------------------------------------------------------------- gaps


def test_gap_histograms_count_what_is_not_resolved():
    tables = gap_tables()
    plot = sem.sem_gaps(tables)
    gaps = tables["input", LEVEL]
    gaps = gaps[gaps["kind"] == "gap"]
    assert [panel.title.split(":")[0] for panel in plot.panels] == [
        "Truth",
        "Input",
        "Lanczos",
        "SEM-GAN",
    ]
    share = 100 * (gaps["resolved"] == 0).mean()
    assert plot.panels[1].title.endswith(f"{share:.1f} % unresolved")
    axes = plot.figure().axes
    assert {a.get_ylim() for a in axes[:4]} == {axes[0].get_ylim()}
    lost = axes[1].containers[1][0].get_height()
    shown = sum(bar.get_height() for bar in axes[1].containers[0])
    assert lost == (gaps["resolved"] == 0).sum()
    assert lost + shown == len(gaps)
    assert f"Widths of the {len(gaps)} gaps" in plot.caption
    assert not sem.sem_gaps({}).panels


def test_places_are_chosen_by_rules_that_show_failures(made):
    planes, grid = sem._planes(made[0])
    tables = gap_tables()
    shown = {case.letter: case for case in sem.cases(planes, tables, grid)}
    assert set(shown) == {"A", "B", "C"}
    own, before = tables["sem_gan", LEVEL], tables["input", LEVEL]
    open_ = own["kind"] == "gap"
    won = own[open_ & (own["resolved"] == 1) & (before["resolved"] == 0)]
    assert f"({len(won)} such gaps" in shown["A"].title
    assert shown["A"].said["input", LEVEL] == "no gap"
    assert re.fullmatch(r"gap of \d+\.\d nm", shown["A"].said["sem_gan", LEVEL])
    lost = own[open_ & (own["resolved"] == 0)].sort_values("width_truth").iloc[-1]
    assert np.allclose(shown["B"].line[0] * SIZE, lost[["y1", "x1"]].to_numpy(float))
    assert shown["C"].said["truth", None] == "no gap"
    assert shown["C"].said["sem_gan", LEVEL].startswith("gap of")
    for case in shown.values():
        assert all(
            0 <= part.start < part.stop <= n for part, n in zip(case.box, SHAPE, strict=True)
        )


def test_a_method_without_failures_has_no_such_place(made):
    planes, grid = sem._planes(made[0])
    tables = gap_tables()
    best = tables["sem_gan", LEVEL]
    best["resolved"] = 1 - best["touching"]
    best["width"] = best["width_truth"]
    assert [case.letter for case in sem.cases(planes, tables, grid)] == ["A"]


def test_without_gaps_places_are_chosen_by_detail(made):
    planes, grid = sem._planes(made[0])
    shown = sem.cases(planes, {}, grid)
    assert [case.letter for case in shown] == ["A", "B", "C"]
    assert all(case.line is None for case in shown)
    assert not sem.sem_profiles(planes, shown, grid).panels


def test_crops_share_one_window_and_have_scale_bars(made):
    planes, grid = sem._planes(made[0])
    shown = sem.cases(planes, {}, grid)
    pictures = sem.crop_pictures(planes, shown, grid)
    assert {p.size for p in pictures.values()} == {(256, 256)}
    inside = {key: np.where(plane > 100, 200.0, 0.0) for key, plane in planes.items()}
    inside["input", LEVEL] = inside["input", LEVEL] / 2
    pictures = sem.crop_pictures(inside, shown, grid)
    tops = [
        np.asarray(Image.open(io.BytesIO(pictures["A", key].png)))[:150].max()
        for key in (("truth", None), ("input", LEVEL))
    ]
    assert tops[0] == 255
    assert tops[1] == 128


@pytest.mark.parametrize("half", [10.0, 0.0])  # 0: particles that touch
def test_a_profile_is_the_truth_s_grey_values(made, half):
    planes, grid = sem._planes(made[0])
    step = np.zeros(SHAPE, np.float32)
    step[:, 100:] = 80.0
    planes = dict.fromkeys(planes, step)
    line = np.array([[50.0, 100 - half], [50.0, 100 + half]])
    case = sem.Case("A", "", (slice(0, 64), slice(60, 124)), line, np.array([0.0, 1.0]))
    plot = sem.sem_profiles(planes, [case], grid)
    axes = plot.figure().axes[0]
    assert axes.get_xlabel() == "Distance from the first outline (nm)"
    x, y = axes.lines[-1].get_data()
    assert y[0] == pytest.approx(0, abs=1)
    assert y[-1] == pytest.approx(80, abs=1)
    assert np.interp(40, y, x) == pytest.approx((half - 0.5) * SIZE, abs=0.3 * SIZE)
    assert axes.get_ylim()[0] <= 0


# ---------------------------------------------------------------------------------------- spectra


def test_spectra_mark_the_low_nyquist_frequency(made):
    curves = spectra(made[0])
    plot = sem.sem_spectra(curves, low_nyquist={LEVEL: 0.25 / SIZE}, nyquist=0.5 / SIZE)
    assert [panel.title for panel in plot.panels] == ["Magnitude", "Ratio to the truth"]
    figure = plot.figure()
    for axes in figure.axes[:2]:
        assert axes.get_xlabel() == "Spatial frequency (1/µm)"
        assert axes.get_xlim() == (0, 500 / SIZE)
        marks = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
        assert marks == [pytest.approx(250 / SIZE)]
    assert "dotted" not in plot.caption
    told = sem.sem_spectra(curves, nyquist=0.07, signal=0.05)
    assert "more noise than signal" in told.caption
    loud = curves.assign(ratio=9.0)
    assert "Ratios above 2.5 are cut" in sem.sem_spectra(loud, nyquist=0.07).caption
    power = curves.drop(columns=["magnitude", "magnitude_truth"])
    assert len(sem.sem_spectra(power, nyquist=0.07).figure().axes) == 2
    assert not sem.sem_spectra(None).panels


# ------------------------------------------------------------------------------ table and sentence


def test_the_table_has_intervals_and_only_what_was_measured():
    table = sem.sem_table(metrics())
    assert list(table.index) == ["Truth", "Input", "Lanczos", "SEM-GAN"]
    assert table.loc["Input", "Gaps unresolved"] == "13.9 % (12.9–15.1)"
    assert table.loc["SEM-GAN", "Gap error (nm)"] == "2.1 (1.9–2.3)"
    assert table.loc["SEM-GAN", "Spectrum deviation, aliased"] == "33 %"
    fair = "Unresolved if as many were invented as in the input"
    assert table.loc["SEM-GAN", fair].startswith("1.8 % (")
    assert table.loc["Truth", "Edge spread (nm)"] == "11.6"
    assert table.loc["Truth", "Gaps unresolved"] == table.loc["Truth", "PSNR (dB)"] == "–"
    plain = sem.sem_table(metrics(gaps=False, quality=False))
    assert [name for name in plain if "Gap" in name or "PSNR" in name] == []
    rows = metrics()
    rows.loc[(rows["metric"] == "edge_spread") & (rows["method"] == "input"), "value"] = math.inf
    assert sem.sem_table(rows).loc["Input", "Edge spread (nm)"] == "lost"
    assert sem.sem_table(rows.iloc[:0]).empty


def test_the_sentence_says_what_was_gained_and_what_invented():
    sentence = sem.sem_sentence(metrics())
    assert sentence.startswith("SEM-GAN leaves 3.7 % of the gaps unresolved, the input 13.9 %")
    assert "2.1 nm (input: 3.8 nm)" in sentence
    assert "2.1 % of the pairs of particles that touch" in sentence
    assert "invented as many as the input, 1.8 % would be unresolved" in sentence
    plain = sem.sem_sentence(metrics(gaps=False))
    assert plain == "Nearest to the truth by PSNR: SEM-GAN (27.90 dB; the input 22.10 dB)."
    assert sem.sem_sentence(metrics().iloc[:0]) == "Nothing was measured against a truth."


@pytest.mark.parametrize(
    ("worse", "said"),
    [
        ({}, ""),
        (
            {"spectrum_ratio_error": 0.45},
            "; but its spectrum below the low Nyquist frequency is further off than the input's (45 % "
            "against 31 %)",
        ),
        (
            {"edge_spread": 30.0},
            "; but its edges are wider than the input's (30.0 against 21.3 nm)",
        ),
        (
            {"spectrum_ratio_error": 0.45, "edge_spread": 30.0},
            "; but its spectrum below the low Nyquist frequency is further off than the input's (45 % "
            "against 31 %) and its edges are wider than the input's (30.0 against 21.3 nm)",
        ),
    ],
)
def test_the_sentence_says_what_the_best_by_psnr_is_worse_in(worse, said):
    rows = metrics(gaps=False)
    for metric, value in worse.items():
        own = (rows["method"] == "sem_gan") & (rows["metric"] == metric)
        rows.loc[own & (rows["subset"] != "aliased"), "value"] = value
        # what lies above the low Nyquist frequency, and other methods, are no matter
        rows.loc[own & (rows["subset"] == "aliased"), "value"] = 9.0
        rows.loc[(rows["method"] == "lanczos") & (rows["metric"] == metric), "value"] = 99.0
    sentence = sem.sem_sentence(rows)
    assert (
        sentence == f"Nearest to the truth by PSNR: SEM-GAN (27.90 dB; the input 22.10 dB){said}."
    )


def test_the_pages_of_all_images_name_one_method():
    """Only over all images is it known what would be unresolved at the input's inventions."""
    own = metrics()
    own = own[own["metric"] != "gaps_unresolved_matched"]
    pooled = metrics().assign(sample=POOLED)
    matched = pooled["metric"] == "gaps_unresolved_matched"
    pooled.loc[matched & (pooled["method"] == "lanczos"), "value"] = 0.01
    table = pd.concat([own, pooled])
    assert sem.sem_sentence(table).startswith("Lanczos")
    assert sem.sem_sentence(table, samples=["gold1"]).startswith("Lanczos")
    # The first page says of each what its own page says.
    said = judged(table, sem.sem_sentence)
    for sample, chosen in (("gold1", ["gold1"]), (POOLED, None)):
        sentence = sem.sem_sentence(table, samples=chosen)
        assert said[sample] == [("Restoration", "measured", sentence)]
    # Of a registration alone nothing is known of the restoration.
    registered = own.assign(method="pair", metric="accepted")
    assert judged(registered, sem.sem_sentence)["gold1"][0].grade == "none"
    # Control: alone, the image's own shares decide.
    assert sem.sem_sentence(own, samples=["gold1"]).startswith("SEM-GAN")


# ------------------------------------------------------------------------------------------- files


def test_sem_figures_are_the_same_twice(made, tmp_path):
    volumes, low = made
    how = {"pair": a_pair(volumes, low), "gaps": gap_tables(), "spectra": spectra(volumes)}
    files = sem.sem_figures(metrics(), volumes, **how, out_dir=tmp_path / "one", samples=["gold1"])
    assert {f"{name}.png" for name in sem.FIGURES} <= {file.name for file in files}
    again = sem.sem_figures(metrics(), volumes, **how, out_dir=tmp_path / "two", samples=["gold1"])
    assert [a.read_bytes() for a in files] == [b.read_bytes() for b in again]
    bare = sem.sem_figures(metrics(), out_dir=tmp_path / "three")
    assert {file.name for file in bare} == {file.name for file in files}


def test_images_of_other_shapes_are_refused(made, tmp_path):
    volumes = dict(made[0])
    volumes["lanczos", LEVEL] = volumes["truth", None].crop((slice(None), slice(9), slice(9)))
    with pytest.raises(AcuityError, match="all must be on the truth's grid"):
        sem.sem_figures(metrics(), volumes, out_dir=tmp_path)


def test_the_page_from_files(made, tmp_path):
    volumes, low = made
    kinds = {"volumes": {}, "gaps": {}, "spectra": {}}
    curves = spectra(volumes)
    for level, method in IMAGES:
        key = method, level and float(level)
        stem = tmp_path / method
        write_volume(f"{stem}.ome.zarr", volumes[key])
        kinds["volumes"][Key("gold1", *key)] = f"{stem}.ome.zarr"
        if method != "truth":
            write_table(gap_tables()[key], f"{stem}.gaps.tsv")
            own = curves[curves["method"] == method].drop(columns=["method", "level"])
            write_table(own, f"{stem}.spectrum.tsv")
            kinds["spectra"][Key("gold1", *key)] = f"{stem}.spectrum.tsv"
            kinds["gaps"][Key("gold1", *key)] = f"{stem}.gaps.tsv"
    write_volume(tmp_path / "low.ome.zarr", low)
    (tmp_path / "transform.json").write_text(json.dumps(transform()))
    write_table(patches(), tmp_path / "patches.tsv")
    paths = {
        "low": tmp_path / "low.ome.zarr",
        "high": tmp_path / "truth.ome.zarr",
        "transform": tmp_path / "transform.json",
        "patches": tmp_path / "patches.tsv",
    }
    found = sem.sem_sources(paths, kinds, limits={"residual": 0.5})
    page = tmp_path / "gold1.html"
    sem_page(
        "gold<1>",
        metrics(),
        **found,
        output=page,
        study="dehaan",
        index="../index.html",
        samples=["gold1"],
    )
    text = page.read_text()
    assert "gold&lt;1&gt;" in text
    assert "gold<1>" not in text
    assert "SEM-GAN leaves 3.7 % of the gaps unresolved" in text
    assert "Registered: 11 of 12 patches agree" in text
    assert "scale 2.0043 (stated 2.0000)" in text
    assert text.count("data:image/png") == 3 * 4 + 4 + 1  # and a colour bar
    assert text.count("<svg") > 12
    # the page's drawings are cut to two decimals, labels among them
    assert not re.search(r">\d+\.\d{3,}</text>", text)
    assert ">0.5</text>" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


@pytest.mark.parametrize("without", ["pair", "gaps", "spectra", "truth", "all"])
def test_every_part_is_optional(made, tmp_path, without):
    volumes, low = made
    how = {"pair": a_pair(volumes, low), "gaps": gap_tables(), "spectra": spectra(volumes)}
    rows = metrics()
    if without == "truth":
        volumes = {key: volume for key, volume in volumes.items() if key[0] != "truth"}
    elif without == "all":
        volumes, how, rows = None, {}, rows.iloc[:0]
    else:
        how.pop(without)
    page = tmp_path / "page.html"
    sem_page("gold1", rows, volumes, **how, output=page, study="dehaan")
    text = page.read_text()
    assert ("Registration of the pair" in text) == (without not in ("pair", "all"))
    assert ("Gaps between particles" in text) == (without not in ("gaps", "all"))
    assert ("Spatial frequencies" in text) == (without not in ("spectra", "all"))
    assert ("Close up" in text) == (without != "all")

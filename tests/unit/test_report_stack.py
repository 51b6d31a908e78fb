"""Figures and pages of a stack of slices and of the methods along one axis."""

import io
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from acuity.errors import AcuityError
from acuity.model_card import ModelCard, read_model_card
from acuity.report import axial, stack
from acuity.volume import Grid, Volume, write_volume
from tests.unit.drawn import axial_page, stack_page

GRID = Grid((60, 40, 50), (20, 10, 10), (0, 0, 0), "nm")


def slices(count=60, faulty=None, jump=0.0, seed=1):
    rng = np.random.default_rng(seed)
    z = np.arange(count)
    table = {"z": z}
    for axis in "yx":
        kept = 0.1 * z if axis == "y" else 0.0 * z
        used = rng.normal(0, 0.5, count) + jump * (z >= 30)
        table |= {f"d{axis}": kept + used, f"trend_d{axis}": kept, f"used_d{axis}": used}
    flag = [(faulty or {}).get(n, np.nan) for n in z]
    return pd.DataFrame({**table, "ncc": np.where(pd.isna(flag), 0.95, -0.8), "flag": flag})


def pairs(count=60, residual=0.05):
    rows = [(a, a + k, residual, 1) for a in range(count) for k in (1, 2) if a + k < count]
    return pd.DataFrame(rows, columns=["a", "b", "residual", "counts"])


def volume(seed=1, grid=GRID):
    data = np.random.default_rng(seed).integers(0, 200, grid.shape).astype(np.uint8)
    return Volume(data, grid)


# ----------------------------------------------------------------------------------------- verdict


@pytest.mark.parametrize(
    ("residual", "faulty", "grade"),
    [
        (0.1, 0, "good"),
        (0.1, 3, "good"),
        (0.1, 4, "care"),
        (0.3, 0, "care"),
        (0.6, 0, "poor"),
        (0.1, 13, "poor"),
        (math.nan, 0, "poor"),
    ],
)
def test_a_stack_is_graded_by_residuals_and_faulty_slices(residual, faulty, grade):
    table = slices(faulty=dict.fromkeys(range(3, 3 + faulty), "blank"))
    assert stack.stack_verdict(table, pairs(residual=residual))[0] == grade


def test_the_verdict_is_one_line_that_names_what_was_found():
    table = slices(faulty={7: "blank", 20: "noisy", 21: "noisy"}, jump=20.0)
    sentence = stack.stack_verdict(table, pairs())[1]
    assert "\n" not in sentence
    assert "60 slices whose pairs agree to 0.05 px RMS" in sentence
    assert re.search(r"1 jump, the largest 2[789]\.\d px at slice 30", sentence)
    assert "drift of 5.9 px left in" in sentence
    assert "3 faulty slices (1 blank, 2 noisy), bridged." in sentence
    quiet = stack.stack_verdict(slices(), pairs())[1]
    assert "jump" not in quiet
    assert quiet.endswith("no faulty slice.")


def test_only_pairs_that_count_are_graded():
    measured = pairs()
    touched = (measured["a"] == 7) | (measured["b"] == 7)
    measured.loc[touched, "residual"] = 90.0
    assert stack.stack_verdict(slices(), measured)[0] == "poor"
    measured.loc[touched, "counts"] = 0
    assert stack.stack_verdict(slices(faulty={7: "blank"}), measured)[0] == "good"
    assert stack.stack_verdict(slices(), measured)[0] == "good"


def test_tables_that_lack_a_column_or_a_slice_are_refused():
    with pytest.raises(AcuityError, match="slices table: column 'used_dy' is missing"):
        stack.stack_path(slices().drop(columns="used_dy"))
    with pytest.raises(AcuityError, match="pairs table: column 'residual' is missing"):
        stack.stack_residuals(slices(), pairs().drop(columns="residual"))
    with pytest.raises(AcuityError, match="found no slice"):
        stack.stack_ncc(slices().iloc[:0])


# ----------------------------------------------------------------------------------------- figures


def test_axes_carry_units():
    svgs = stack.stack_path(slices(), grid=GRID).svgs()
    assert len(svgs) == 3
    assert all("Slice (20 nm apart)" in svg for svg in svgs)
    assert "Displacement (px of 10 nm)" in svgs[0]
    assert "Step from the slice before (px)" in svgs[2]
    assert "Residual (px)" in stack.stack_residuals(slices(), pairs()).svgs()[0]


def test_the_likeness_begins_at_zero_unless_all_is_well():
    fine = stack.stack_ncc(slices(), grid=GRID)
    assert "The axis begins at 0.9, not at 0." in fine.caption
    assert len(fine.panels) == 1
    bad = stack.stack_ncc(slices(faulty={7: "inverted", 9: "blank"}))
    assert "begins" not in bad.caption
    figure = bad.figure()
    low, high = figure.axes[0].get_ylim()
    assert low <= -0.8
    assert high > 1
    names = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert names == ["blank (1)", "inverted (1)"]


def test_residuals_beyond_the_axis_are_counted():
    measured = pairs()
    measured.loc[3, "residual"] = 40.0
    measured.loc[(measured["a"] == 9) | (measured["b"] == 9), "counts"] = 0
    plot = stack.stack_residuals(slices(faulty={9: "blank"}), measured)
    assert plot.panels[0].title.endswith("1 further right")
    assert "4 pairs do not count" in plot.caption
    none = stack.stack_residuals(slices(), measured.assign(counts=0))
    assert not none.panels
    assert none.figure().texts[0].get_text() == "Not measured in this study"


def test_a_long_path_is_thinned_and_keeps_its_extremes():
    values = np.random.default_rng(1).normal(size=20_000)
    values[12_345], values[777] = 50.0, -40.0
    z, kept = stack._envelope(np.arange(20_000), values)
    assert len(z) <= 600
    assert (kept.max(), kept.min()) == (50.0, -40.0)
    assert np.all(np.diff(z) > 0)


def test_sections_are_in_proportion_and_of_one_window():
    before = np.zeros(GRID.shape, np.uint8)
    before[:, 20, :25] = 100
    before[:, 20, 25:] = 200
    pictures = stack.stack_pictures(Volume(before, GRID), Volume(before // 2, GRID))
    sizes = {(p.kind, p.method): p.size for p in pictures}
    assert set(sizes) == {
        (kind + detail, name)
        for kind in ("xz", "yz")
        for detail in ("", " detail")
        for name in ("before", "after")
    }
    for (kind, _), (width, height) in sizes.items():
        across = 50 if kind.startswith("xz") else 40
        assert height / width == pytest.approx(60 * 20 / (across * 10), rel=0.03)
    shown = {(p.kind, p.method): np.asarray(Image.open(io.BytesIO(p.png))) for p in pictures}
    # the window is that of the stack before: 100 is black and 200 white
    assert shown["xz", "before"][2, -3] == 255
    assert shown["xz", "after"][2, -3] == 0


def test_sections_of_a_flat_stack_stay_legible():
    flat = volume(grid=Grid((10, 300, 400), (20, 10, 10), (0, 0, 0), "nm"))
    sizes = {p.kind: p.size for p in stack.stack_pictures(flat, flat)}
    assert sizes["xz"][0] / sizes["xz"][1] == pytest.approx(5, rel=0.03)
    assert sizes["yz detail"][0] / sizes["yz detail"][1] == pytest.approx(3, rel=0.03)
    assert min(min(size) for size in sizes.values()) >= 60  # room for a scale bar


def test_sections_need_one_grid():
    other = Volume(np.zeros((60, 40, 51), np.uint8), Grid((60, 40, 51), (20, 10, 10)))
    with pytest.raises(AcuityError, match="both must be on one grid"):
        stack.stack_pictures(volume(), other)


def test_stack_figures_and_page(tmp_path):
    table, measured = slices(faulty={7: "blank", 20: "swapped"}), pairs()
    paths = {}
    for name, seed in (("before", 1), ("after", 2)):
        made = volume(seed)
        paths[name] = tmp_path / f"{name}.ome.zarr"
        write_volume(paths[name], made)
    files = stack.stack_figures("a", table, measured, **paths, out_dir=tmp_path / "figures")
    assert {file.stem for file in files} == set(stack.FIGURES)
    assert all(file.stat().st_size > 2000 for file in files)
    again = stack.stack_figures("a", table, measured, **paths, out_dir=tmp_path / "again")
    assert [a.read_bytes() for a in files] == [b.read_bytes() for b in again]
    page = tmp_path / "a-stack.html"
    stack_page(
        "<b>a&b",
        table,
        measured,
        **paths,
        output=page,
        study="shale",
        mode="jitter",
        index="index.html",
    )
    text = page.read_text()
    assert "<b>a&b" not in text
    assert "&lt;b&gt;a&amp;b" in text
    assert "2 faulty slices (1 blank, 1 swapped), bridged." in text
    assert "Mode jitter: only what changes" in text
    assert text.count("data:image/png") == 8
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "swapped</td>" in text


def test_a_cropped_stack_is_shown_where_it_is_left(tmp_path):
    before = volume()
    after = before.crop((slice(None), slice(4, 36), slice(6, 50)))
    pictures = stack.stack_pictures(before, after)
    shown = {(p.kind, p.method): p.png for p in pictures}
    assert all(shown[kind, "before"] == shown[kind, "after"] for kind in ("xz", "yz"))
    page = tmp_path / "page.html"
    stack_page("a", slices(), pairs(), before, after, output=page, study="s")
    text = page.read_text()
    assert "rims that not every slice reaches were cut off, 60 x 32 x 44 voxels are left" in text
    stack_page("a", slices(), pairs(), before, before, output=page, study="s")
    assert "black at the rims" in page.read_text()


# -------------------------------------------------------------------------------- tables by n


def metrics(*, spread=None):
    rows = []
    values = {"input": 17.3, "nearest": 17.25, "bilinear_planes": 9.0, "srgan": 8.5}
    for level in (2, 4, 8):
        for method, value in values.items():
            value = value * level / 8
            rows.append((method, level, "rms", "all", value))
            rows.append((method, level, "psnr_8bit", "all", 20 * math.log10(255 / value)))
            if spread == "sd":
                rows.append((method, level, "rms_sd", "all", 0.4))
            if spread == "octants":
                rows += [
                    (method, level, "rms", f"octant {n + 1}", value + (0.4 if n % 2 else -0.4))
                    for n in range(8)
                ]
    rows.append(("truth", 8, "rms", "all", 0.0))
    table = pd.DataFrame(rows, columns=["method", "level", "metric", "subset", "value"])
    return table.assign(sample="ts2", variant="", unit="")


def test_axial_table_is_laid_out_as_the_papers():
    table = axial.axial_table(metrics())
    assert list(table.columns) == ["n = 2", "n = 4", "n = 8"]
    assert list(table.index) == [
        "Input",
        "Nearest neighbour",
        "Bilinear, plane by plane",
        "SRGAN",
    ]
    assert table.loc["Input", "n = 8"] == "17.3 (23.4 dB)"
    assert table.loc["SRGAN", "n = 2"] == "2.12 (41.6 dB)"


@pytest.mark.parametrize(("spread", "error"), [("sd", "0.4"), ("octants", "0.4")])
def test_axial_table_tells_the_spread(spread, error):
    table = axial.axial_table(metrics(spread=spread))
    assert table.loc["Input", "n = 8"] == f"17.3 ± {error} (23.4 dB)"


def test_axial_table_of_what_is_missing_equal_or_pooled():
    rows = metrics()
    rows = rows[~((rows["method"] == "srgan") & (rows["level"] == 4))]
    rows.loc[rows["metric"] == "psnr_8bit", "value"] = math.inf
    table = axial.axial_table(rows)
    assert table.loc["SRGAN", "n = 4"] == "–"
    assert table.loc["Input", "n = 8"].endswith("(∞ dB)")
    pooled = rows.assign(sample="unseen")
    pooled.loc[pooled["metric"] == "rms", "value"] = 5.0
    both = pd.concat([rows, pooled], ignore_index=True)
    assert axial.axial_table(both).loc["Input", "n = 8"].startswith("5.00")
    assert axial.axial_table(both, samples="ts2").loc["Input", "n = 8"].startswith("17.3")
    assert axial.axial_table(both, axial.TABLES[2]).empty


def test_axial_sentence_and_graph():
    sentence = axial.axial_sentence(metrics())
    assert sentence.startswith("Nearest to the truth by PSNR: SRGAN at n = 2 (41.6 dB), n = 4")
    assert axial.axial_sentence(metrics().iloc[:0]) == "Nothing was measured against a truth."
    # Its spectrum may be worse than the input's: at one interval of them, and then it is said.
    rows = metrics()
    one = rows[(rows["metric"] == "rms") & (rows["subset"] == "all")]
    one = one.assign(metric="scattering_log_rms", value=0.1)
    for value, said in ((0.2, True), (0.1, False)):
        own = one.copy()
        own.loc[(own["method"] == "srgan") & (own["level"] == 4), "value"] = value
        told = axial.axial_sentence(pd.concat([rows, own]))
        end = "; but its scattering function is further off than the input's at n = 4 (0.200 against 0.100 decades)."
        assert told == (sentence.removesuffix(".") + end if said else sentence)
    plot = axial.axial_error(metrics(spread="sd"))
    assert [panel.title for panel in plot.panels] == ["RMS difference, 8 bits", "PSNR, 8 bits"]
    figure = plot.figure()
    assert figure.axes[0].get_ylim()[0] == 0
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["2", "4", "8"]


# ----------------------------------------------------------------------------------- sections by n


def decimated(truth, n):
    count = truth.grid.shape[0] // n
    low = truth.read()[: count * n].reshape(count, n, *truth.grid.shape[1:])[:, n // 2]
    grid = truth.grid
    origin = (grid.origin[0] + n // 2 * grid.spacing[0], *grid.origin[1:])
    spacing = (grid.spacing[0] * n, *grid.spacing[1:])
    return Volume(low, Grid(low.shape, spacing, origin, grid.unit))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8])
def test_the_input_is_repeated_as_hagita_does(n):
    truth = volume(grid=Grid((61, 40, 50), (10, 10, 10), (30, 0, 0), "nm"))
    cut = axial.sections({("truth", None): truth, ("input", n): decimated(truth, n)})
    plane = truth.read()[:, 20].astype(np.float32)
    z = np.arange(61 // n * n)
    assert np.array_equal(cut.planes["input", float(n)], plane[z // n * n + n // 2])
    assert np.array_equal(cut.planes["truth", None], plane[z])


def test_sections_share_an_extent():
    truth = volume(grid=Grid((50, 40, 50), (10, 10, 10), (0, 0, 0), "nm"))
    part = truth.crop((slice(0, 48), slice(None), slice(5, 50)))
    cut = axial.sections({("truth", None): truth, ("srgan", 4): part})
    assert cut.planes["truth", None].shape == (48, 45)
    assert np.array_equal(cut.planes["truth", None], cut.planes["srgan", 4.0])
    away = Volume(part.read(), Grid(part.grid.shape, (10, 10, 10), (9000, 0, 0), "nm"))
    with pytest.raises(AcuityError, match="share no section"):
        axial.sections({("truth", None): truth, ("srgan", 4): away})
    with pytest.raises(AcuityError, match="found none"):
        axial.sections({})


def test_sections_without_a_truth_lie_on_the_finest_grid():
    fine = volume(grid=Grid((48, 40, 50), (10, 10, 10), (0, 0, 0), "nm"))
    low = decimated(fine, 4)
    shown, cut = axial.axial_pictures({("input", 4): low, ("cubic", 4): fine})
    assert cut.planes["input", 4.0].shape == cut.planes["cubic", 4.0].shape == (48, 50)
    assert np.array_equal(cut.planes["cubic", 4.0], fine.read()[:, 20])
    assert [picture.method for picture in shown["views"]] == ["input", "cubic"]
    assert shown["differences"] == []
    assert shown["surface"] == []  # no threshold without binary errors
    assert set(shown) == {"views", "differences", "disagreement", "surface"}


def restored(truth, levels=(2, 4)):
    volumes = {("truth", None): truth}
    for n in levels:
        volumes["input", n] = decimated(truth, n)
        wrong = truth.read().astype(np.float32)
        wrong[32:64, :, 32:64] += 3.0 * n
        volumes["cubic", n] = Volume(wrong, truth.grid)
        volumes["srunet3d", n] = truth
    return volumes


def test_patches_are_chosen_by_the_plain_interpolation_s_error():
    truth = volume(grid=Grid((128, 8, 128), (10, 10, 10), (0, 0, 0), "nm"))
    cut = axial.sections(restored(truth))
    chosen = axial._patches(cut, 32)
    assert chosen["A"] == (32, 32)
    assert len(set(chosen.values())) == len(chosen)


def test_differences_are_signed_and_share_one_range():
    truth = volume(grid=Grid((64, 8, 64), (10, 10, 10), (0, 0, 0), "nm"))
    shown, cut = axial.axial_pictures(restored(truth), side=64)
    real = cut.planes["truth", None]
    assert np.array_equal(cut.planes["srunet3d", 4.0], real)
    pictures = {(p.method, p.level): p for p in shown["differences"]}
    assert ("truth", None) not in pictures
    same = np.asarray(Image.open(io.BytesIO(pictures["srunet3d", 4.0].png)).convert("RGB"))
    assert tuple(same[5, -5]) == tuple(same[100, -5])
    assert min(same[5, -5]) > 240  # white where alike
    wrong = np.asarray(Image.open(io.BytesIO(pictures["cubic", 4.0].png)).convert("RGB"))
    bright = wrong[-40, -5].astype(int)
    assert bright[0] > bright[2]  # orange: too bright
    assert np.array_equal(wrong[5, -5], same[5, -5])


def test_axial_figures_and_page(tmp_path):
    truth = volume(grid=Grid((64, 8, 64), (10, 10, 10), (0, 0, 0), "nm"))
    volumes = restored(truth, levels=(4,))
    files = axial.axial_figures(metrics(), volumes, out_dir=tmp_path / "one", side=48, patch=24)
    names = {file.name for file in files}
    assert {f"{table.name}.tsv" for table in axial.TABLES} <= names
    assert {f"{name}.png" for name in axial.FIGURES} <= names
    networks = (tmp_path / "one" / "axial_networks.tsv").read_text()
    assert networks == "Method\tn\tparameters\tpsnr\twpsnr\tsettings\n"
    once, twice = (axial.axial_pictures(volumes, side=48, patch=24)[0] for _ in range(2))
    assert once == twice
    text = (tmp_path / "one" / "axial_rms.tsv").read_text()
    assert text.splitlines()[0] == "Method\tn = 2\tn = 4\tn = 8"
    page = tmp_path / "page.html"
    axial_page("ts<2>", metrics(), volumes, output=page, study="h", side=48, patch=24)
    text = page.read_text()
    assert "ts&lt;2&gt;" in text
    assert "ts<2>" not in text
    assert "17.3 (23.4 dB)" in text
    assert "Difference from the truth: Cubic interpolation, n = 4, row 5 of 8" in text
    axial_page("ts2", metrics(), output=page, study="h")
    assert "data:image/png" not in page.read_text()


CARDS = {
    card.image: card
    for card in (
        ModelCard(
            "fsrcnn3d@d240s48m2",
            4.0,
            {"filters": 240, "kernels": [3], "predict": None, "train": {"steps": 9}},
            1_870_000,
        ),
        ModelCard("sparse_coding", 4.0, {"patch": 8, "atoms": 256}, 131_072),
    )
}


def reached():
    """Metrics of one network, in the shape of Heinrich's tables."""
    rows = [("fsrcnn3d@d240s48m2", "psnr", 34.52), ("fsrcnn3d@d240s48m2", "wpsnr", 37.28)]
    table = pd.DataFrame(rows, columns=["method", "metric", "value"])
    table[["method", "variant"]] = table["method"].str.split("@", expand=True)
    return table.assign(sample="ts2", level=4, subset="all", unit="dB")


def test_networks_are_told_with_what_they_learned_and_reach(tmp_path):
    table = axial.network_table(reached(), CARDS, samples="ts2")
    first, second = table.loc["fsrcnn3d@d240s48m2"], table.loc["sparse_coding"]
    assert first["settings"] == "filters 240, kernels [3], steps 9"
    assert (first["parameters"], first["psnr"], first["wpsnr"]) == (1.87, 34.52, 37.28)
    assert second["parameters"] == 0.131072
    assert math.isnan(second["psnr"])
    page = tmp_path / "page.html"
    axial_page("ts2", reached(), models=CARDS, output=page, study="h")
    text = page.read_text()
    assert "Networks and dictionaries" in text
    assert all(
        f">{cell}<" in text
        for cell in ("1.870", "34.52", "37.28", "filters 240, kernels [3], steps 9")
    )
    axial_page("ts2", reached(), output=page, study="h")
    assert "Networks and dictionaries" not in page.read_text()


def test_cards_are_read_by_method_and_level(tmp_path):
    files = [tmp_path / f"{level}.json" for level in (2, 4)]
    for level, file in zip((2, 4), files, strict=True):
        card = {"parameters": level * 1_000_000, "settings": {"features": 32}, "more": 1}
        file.write_text(json.dumps(card | {"method": "srgan", "level": level}))
    models = {card.image: card for card in map(read_model_card, files[::-1])}
    table = axial.network_table(metrics(), models)
    assert list(table["n"]) == list(table["parameters"]) == [2, 4]
    assert table["psnr"].isna().all()  # on 8 bits alone


def test_isosurfaces_lie_at_the_threshold_of_the_binary_errors(tmp_path):
    data = np.full((24, 20, 20), 50, np.uint8)
    data[8:16, 5:15, 5:15] = 200
    truth = Volume(data, Grid(data.shape, (10, 10, 10), (0, 0, 0), "nm"))
    volumes = {("truth", None): truth, ("input", 4): decimated(truth, 4)}
    shown, cut = axial.axial_pictures(volumes, threshold=90)
    assert [picture.method for picture in shown["surface"]] == ["truth", "input"]
    assert not cut.below  # a tenth of the voxels are brighter
    # What is at the threshold is not above it, as for the binary errors; a grey value more is.
    for grey, there in ((90, False), (91, True)):
        even = Volume(np.full_like(data, grey), truth.grid)
        cut = axial.sections({("truth", None): even}, threshold=90)
        assert (cut.level < grey) == there
    assert axial.sections({("truth", None): Volume(255 - data, truth.grid)}, threshold=90).below
    known = metrics()
    shown = known.iloc[:1].assign(metric="threshold", value=90.0)
    page = tmp_path / "page.html"
    for table, there in ((pd.concat([known, shown]), True), (known, False)):
        axial_page("ts2", table, volumes, output=page, study="h", samples="ts2")
        text = re.sub(r"\s+", " ", page.read_text())
        assert ("What is brighter than 90 of 255" in text) == there
        assert ("Isosurface: Input, n = 4, the middle of the volume" in text) == there


def colour(picture, y, x):
    return tuple(
        int(v) for v in np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))[y, x]
    )


def test_where_planes_disagree_and_what_the_error_is_there(tmp_path):
    truth = volume(grid=Grid((64, 8, 64), (10, 10, 10), (0, 0, 0), "nm"))
    wrong, spread = truth.read().astype(np.float32), np.zeros(truth.grid.shape, np.float32)
    wrong[:8] += 12
    wrong[8:16, :, :8] -= 3
    spread[:6] = 5
    volumes = {("truth", None): truth, ("srgan", 4): Volume(wrong, truth.grid)}
    spreads = {("srgan", 4): Volume(spread, truth.grid)}
    shown, cut = axial.axial_pictures(volumes, spreads, side=64)
    amount, error = shown["disagreement"]
    assert (amount.kind, error.kind) == ("disagreement", "error")
    assert cut.ends == {"disagreement": 5, "error": 15}
    assert colour(amount, 10, 128) != colour(error, 10, 128) == colour(error, 30, 128)
    assert colour(amount, 30, 128) == colour(error, 200, 128) != colour(error, 10, 128)
    page = tmp_path / "page.html"
    axial_page("s", metrics(), volumes, None, spreads, output=page, study="h", side=64)
    text = page.read_text()
    rest = math.sqrt((2 * 144 + 9 * 8 / 64 * 8) / 58)  # rows 6 and 7, and a corner, of the other 58
    assert f"SRGAN, n = 4, 12 against {rest:.3g}." in re.sub(r"\s+", " ", text)
    assert "disagreement 5, error 15 grey values" in text
    assert "Size of the error: SRGAN, n = 4" in text
    # Without a truth the map stands alone; without such a method there is none.
    del volumes["truth", None]
    shown, _ = axial.axial_pictures(volumes, spreads)
    assert [picture.kind for picture in shown["disagreement"]] == ["disagreement"]
    axial_page("s", metrics(), volumes, output=page, study="h")
    assert "disagree" not in page.read_text()


def test_shell_correlations_are_drawn_by_interval_and_direction():
    frequency = np.linspace(0, 0.05, 20)
    curves = pd.concat(
        pd.DataFrame(
            {
                "method": method,
                "level": level,
                "subset": subset,
                "frequency": frequency,
                "fsc": np.exp(-frequency * 40 * (2 if subset == "z" else 1)),
            }
        )
        for method, level in (("truth", math.nan), ("cubic", 2.0), ("cubic", 4.0))
        for subset in ("all", "z", "xy")
    )
    plot = axial.axial_shells(curves)
    assert [panel.title for panel in plot.panels] == [
        f"n = {n}, {where}" for n in (2, 4) for where in ("along z", "across")
    ]
    assert plot.legend == ["truth", "cubic"]
    figure = Figure()
    axes = figure.subplots(1, 2)
    for one, panel in zip(axes, plot.panels, strict=False):
        panel.draw(one)
    along, across = (one.lines[-1].get_ydata() for one in axes)
    assert (along[1:] < across[1:]).all()
    assert "1/nm" in axes[0].get_xlabel()
    assert axial.axial_shells(None).panels == []


def test_anisotropic_voxels_keep_their_proportions():
    truth = volume(grid=Grid((32, 8, 64), (20, 10, 10), (0, 0, 0), "nm"))
    shown, _ = axial.axial_pictures({("truth", None): truth, ("nearest", 2): truth}, side=64)
    assert {p.size for p in shown["views"]} == {(256, 256)}

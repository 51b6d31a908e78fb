"""Volumes that are not as a method or a measure assumes: shifted, or said; and the others untouched."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from acuity import threshold
from acuity.assumptions import Assumes, check, offset, survey, warning_rows
from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.keys import Key
from acuity.measure.collect import WARNED, collect
from acuity.measures.base import load as load_measure
from acuity.measures.base import measures
from acuity.methods.base import known, load
from acuity.report import sources
from acuity.segment.segment import ASSUMES as SEGMENT
from acuity.slabs import join
from acuity.tables import write_table
from acuity.threshold import otsu
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.conftest import ROOT
from tests.runs import predict, restore
from tests.unit.drawn import index_page
from tests.unit.test_predict import ready
from tests.unit.test_slab_scripts import Files, run
from tests.unit.test_study_tables import image, table

NEEDS_ZERO = Assumes(sign="non-negative")


def blocks(side=40, noise=0.002, seed=0):
    """Two phases, 0 and 0.02, under a blur of one voxel and noise."""
    z, y, x = np.indices((side,) * 3, sparse=True)
    solid = ((z // 8 + y // 8 + x // 8) % 2 * np.float32(0.02)).astype(np.float32)
    rough = np.random.default_rng(seed).normal(0, noise, solid.shape)
    return gaussian(solid, 1.0) + rough.astype(np.float32)


def volume(array, spacing=(1.0, 1.0, 1.0), **about):
    return Volume(array, Grid(array.shape, spacing, unit="um"), **about)


def stored(folder, name, array, **about):
    path = folder / f"{name}.ome.zarr"
    write_volume(path, volume(array, **about))
    return path


def hot(array, value=50.0):
    array = array.copy()
    array[5, 6, 7] = value
    return array


# ------------------------------------------------------------------------------------------ survey


def test_a_survey_reads_once_and_tells_what_a_volume_holds(tmp_path):
    array = blocks()
    found = survey(open_volume(stored(tmp_path, "low", array)).data)
    assert (found.least, found.most, found.count) == (array.min(), array.max(), array.size)
    np.testing.assert_allclose([found.low, found.high], np.percentile(array, [0.1, 99.9]))
    assert abs(found.dark) < 0.004
    assert abs(found.bright - 0.018) < 0.003
    assert found.singles is None
    # only what lies in the mask counts
    assert survey(hot(array), mask_radius=10).singles is None
    assert survey(hot(array)).singles["count"] == 1


def test_a_survey_names_file_and_slice_of_what_is_not_finite():
    array = blocks()
    array[33, 1, 1] = np.nan
    with pytest.raises(AcuityError, match=r"low\.ome\.zarr.*slice 33"):
        survey(array, name="low.ome.zarr")
    with pytest.raises(AcuityError, match=r"no voxel lies in the mask"):
        survey(blocks(), mask_radius=0.1)


# -------------------------------------------------------------------------------------------- sign


def restored(folder, name, array, **how):
    out = folder / f"{name}_out.ome.zarr"
    low = stored(folder, name, array)
    predict("richardson_lucy", {"iterations": 4}, low, out, level=1.0, **how)
    return open_volume(out)


def test_richardson_lucy_shifts_ct_numbers_and_says_so(tmp_path):
    array = np.maximum(blocks(), 0)  # air is 0, solid about 0.02
    plain = restored(tmp_path, "attenuation", array)
    numbers = restored(tmp_path, "numbers", array * np.float32(50_000) - np.float32(1000))
    told = numbers.provenance[-1]
    assert told["shifted"] == pytest.approx(-1000)
    [said] = told["warnings"]
    assert said["volume"] == "input"
    assert said["effect"].startswith("VALUES SHIFTED: -1,000 counted as 0")
    expected = plain.read() * 50_000 - 1000
    np.testing.assert_allclose(numbers.read(), expected, atol=0.05)
    # The control: with negatives cut at 0 nothing of the solid would be left.
    assert np.ptp(np.maximum(array * 50_000 - 1000, 0)) < 0.5 * np.ptp(numbers.read())


def test_noise_about_zero_is_no_sign_of_another_zero(tmp_path):
    array = blocks()
    assert (array < 0).mean() > 0.05
    plain = restored(tmp_path, "noisy", array)
    assert plain.provenance[-1].keys() == {"step", "method", "level"}
    method = load("richardson_lucy")({"iterations": 4})
    np.testing.assert_array_equal(plain.read(), method.restore(array))
    found = survey(array)
    assert offset(NEEDS_ZERO, found) == 0
    assert offset(Assumes(), survey(array - 1)) == 0
    assert offset(NEEDS_ZERO, survey(array - 1)) == pytest.approx(array.min() - 1)
    dead = hot(array - 1, -1e6)  # one dead voxel is not the new zero
    assert -1.1 < offset(NEEDS_ZERO, survey(dead)) < -1


def test_slabs_shift_by_what_the_first_job_found(tmp_path):
    array = blocks(96) * np.float32(50_000) - np.float32(1000)
    settings = {"iterations": 2, "predict": {"voxels": 96 * 96 * 20, "halo": 2}}
    low, one, several = stored(tmp_path, "low", array), *(tmp_path / f"{n}.ome.zarr" for n in "ab")
    predict("richardson_lucy", settings, low, one, level=1.0)
    for number in range(4):
        predict("richardson_lucy", settings, low, several, level=1.0, part=(number, 3))
    join(several)
    first, second = open_volume(one), open_volume(several)
    assert first.digest == second.digest
    assert first.provenance == second.provenance
    assert "shifted" in first.provenance[-1]


# ---------------------------------------------------------------------------------- single voxels


def test_a_hot_voxel_is_said_with_what_it_does_to_psnr():
    truth, count = blocks(), 40**3
    assert check(load_measure("quality").assumes, volume(truth), data_range=0.02) == []
    [(found, effect)] = check(load_measure("quality").assumes, volume(hot(truth)), data_range=0.02)
    assert found.startswith("1 voxel lies far out, at 50; the 0.1st and the 99.9th percentile")
    cap = 10 * math.log10(0.02**2 * count / 50**2)
    assert effect.endswith(f"PSNR is {cap:.1f} dB at most")
    # what the measure itself finds of an image without it
    mse = np.mean((hot(truth).astype(float) - truth) ** 2)
    assert 10 * math.log10(0.02**2 / mse) == pytest.approx(cap, abs=0.02)
    [(_, effect)] = check(load_measure("resolution").assumes, volume(hot(truth)))
    assert effect == "the fit of least squares follows them"
    assert check(Assumes(), volume(hot(truth))) == []


def test_rare_objects_are_no_single_voxels():
    array = np.zeros((40, 40, 40), np.float32)
    array[10:14, 10:14, 10:14] = 1  # a thousandth of all, in front of nothing
    assert survey(array).singles is None
    assert survey(hot(np.zeros_like(array), 1)).singles["count"] == 1


def test_a_hot_voxel_that_a_filter_has_spread_leaves_the_threshold():
    plain = blocks(64, noise=0.0005)
    spread = plain + gaussian(hot(np.zeros_like(plain), 200), 2.0)
    cut = otsu(plain)
    assert otsu(spread) == pytest.approx(cut, rel=0.05)
    # The control: over the range of all but a ten-thousandth it follows the spot.
    low, high = np.percentile(spread, [0.01, 99.99])
    assert threshold._cut(lambda: [spread.ravel()], 1024, low, high)[0] > 2 * cut


def test_one_phase_and_rare_bright_objects_keep_their_threshold():
    """Noise alone is no two phases: what lies far out is then what is sought."""
    array = np.random.default_rng(1).normal(0, 0.01, (64, 64, 64)).astype(np.float32)
    array[10:18, 10:18, 10:18] += 1
    assert np.array_equal(array > otsu(array), array > 0.5)


# ------------------------------------------------------------------------------------------- range


@pytest.mark.parametrize(
    ("top", "dtype", "said"),
    [
        (4095, np.uint16, "it uses 0 to 4,095 of a range of 65,535, which 12 bits would hold"),
        (16383, np.uint16, "it uses 0 to 16,383 of a range of 65,535, which 14 bits would hold"),
        (32767, np.uint16, None),
        (65535, np.uint16, None),
        (40, np.uint8, "it uses 0 to 40 of a range of 255, which 6 bits would hold"),
        (255, np.uint8, None),
    ],
)
def test_a_range_that_is_barely_used_is_said(top, dtype, said):
    truth = np.random.default_rng(0).integers(0, top + 1, (8, 32, 32)).astype(dtype)
    truth[0, 0, :2] = 0, top
    range_ = volume(truth).grey_range
    seen = {"data_range": range_, "image": volume(truth), "truth": volume(truth)}
    assert warning_rows(load_measure("quality").assumes, stated=True, **seen) == []
    rows = warning_rows(load_measure("quality").assumes, stated=False, **seen)
    assert [(row["volume"], row["finding"]) for row in rows] == [("truth", said)] * bool(said)
    if top == 4095:
        assert "PSNR by 65,535 stands 24 dB above that by 4,095" in rows[0]["effect"]


def test_values_beyond_the_range_are_said_where_they_are_cut():
    array = np.linspace(-20, 280, 4096, dtype=np.float32).reshape(16, 16, 16)
    assumes = load_measure("fibsem_errors").assumes
    [(found, effect)] = check(assumes, volume(array), data_range=255.0)
    assert found == "its values go from -20 to 280, beyond 0 to 255"
    assert "cut" in effect
    assert check(assumes, volume(np.clip(array, -2, 258)), data_range=255.0) == []


def test_a_network_is_told_values_on_another_scale(tmp_path):
    method, runner = ready("srcnn3d", {"features": [4, 4]})  # normalised by 0.4 and 0.8
    low = np.random.default_rng(0).normal(0.4, 0.8, (16, 16, 16)).astype(np.float32)
    step = ({"step": "predict"},)
    for name, array in (("like", low), ("unlike", 1000 * low)):
        out = tmp_path / f"{name}_out.ome.zarr"
        held = open_volume(stored(tmp_path, name, array))
        restore(held, out, method, runner, name=name, provenance=step)
        said = open_volume(out).provenance[-1].get("warnings", [])
        assert len(said) == (name == "unlike")
    assert said[0]["effect"].startswith("the network has seen nothing like it")


# ----------------------------------------------------------------------------------- voxels, no cubes


def test_voxels_that_are_no_cubes_are_said_once():
    assumes = load("richardson_lucy").assumes
    array = blocks()
    assert check(assumes, volume(array)) == []
    [(found, _)] = check(assumes, volume(array, (4.0, 1.0, 1.0)))
    assert found == "its voxels are no cubes (4 x 1 x 1 um)"
    assert check(assumes, volume(array[:1], (4.0, 1.0, 1.0))) == []
    assert check(Assumes(), volume(array, (4.0, 1.0, 1.0))) == []


# ----------------------------------------------------------------------------------------- pooling


def ranged(sample, data_range, psnr):
    rows = [("data_range", "all", data_range, ""), ("psnr", "all", psnr, "dB")]
    return image(sample, "net", 3, table(*rows, ("edges_found", "all", 7.0, "")))


@pytest.mark.parametrize(("other", "pooled"), [(65535.0, False), (255.0, True), (260.0, True)])
def test_psnr_is_pooled_over_one_data_range_alone(tmp_path, other, pooled):
    images = [ranged("b", 255.0, 20.0), ranged("c", other, 40.0)]
    found = collect(images, study="s", unseen=["b", "c"])
    metrics = found["metrics"]
    own = metrics[metrics["sample"] == "unseen"].set_index("metric")["value"]
    assert own["edges_found"] == 7
    assert ("psnr" in own, "data_range" in own, len(found["warnings"])) == (
        pooled,
        pooled,
        not pooled,
    )
    assert (metrics["metric"] == "psnr").sum() == 2 + pooled
    if not pooled:
        [row] = found["warnings"].to_dict("records")
        assert row["finding"] == "the data ranges of its samples are 255 (b) and 65,535 (c)"
    write_table(found["warnings"], tmp_path / "warnings.tsv")
    said = sources.image_warnings(tmp_path / "warnings.tsv", {})
    index_page(metrics, output=tmp_path / "index.html", study="s", warnings=said)
    text = (tmp_path / "index.html").read_text()
    assert ("Unseen samples, pooled: the data ranges" in text) == (not pooled)
    assert "40.00" in text or "40.0" in text


# ---------------------------------------------------------------------------------- onto the page


def test_findings_travel_from_the_jobs_to_the_first_page(tmp_path):
    truth, plain = hot(blocks()), blocks()
    files = {
        "image": str(stored(tmp_path, "image", plain)),
        "truth": str(stored(tmp_path, "truth", truth)),
    }
    output = Files(table=str(tmp_path / "quality.tsv"), map=str(tmp_path / "map.ome.zarr"))
    cfg = {"mask_radius": None, "data_range": 0.02}
    run("quality", files, output, cfg)
    curve = str(tmp_path / "curve.tsv")
    fitted = Files(resolution=str(tmp_path / "resolution.tsv"), curve=curve)
    run("measure", files, fitted, {"mask_radius": None}, measure="resolution")
    read = [pd.read_csv(part, sep="\t") for part in (output.table, fitted.resolution)]
    keys = {"sample": "b", "method": "richardson_lucy", "level": "3"}
    found = collect([{**keys, "tables": read}], study="s", unseen=["b"])
    assert "warning" not in set(found["metrics"]["metric"])
    assert list(found["warnings"].columns) == WARNED
    write_table(found["warnings"], tmp_path / "warnings.tsv")
    shifted = restored(tmp_path, "numbers", plain * 50_000 - 1000)
    volumes = {Key("b", "richardson_lucy", 3.0): tmp_path / "numbers_out.ome.zarr"}
    said = sources.image_warnings(tmp_path / "warnings.tsv", volumes)
    assert len(said) == 2  # one voxel, found by two measures, is said once
    assert re.match(r"b, the truth: 1 voxel lies far out.*dB at most; the fit of least", said[0])
    assert re.match(r"b, Richardson-Lucy, level 3, its input: .*VALUES SHIFTED: -1,", said[1])
    assert shifted.provenance[-1]["shifted"] < -1000
    page = tmp_path / "index.html"
    metrics = found["metrics"]
    index_page(metrics, output=page, study="s", warnings=said)
    assert "VALUES SHIFTED" in page.read_text()
    # The control: without the voxel the tables are those of the measures alone.
    files["truth"] = files["image"]
    files["image"] = str(stored(tmp_path, "other", blocks(seed=1)))
    run("quality", files, output, cfg)
    assert list(pd.read_csv(output.table, sep="\t").columns) == [
        *("metric", "subset", "value", "unit", "variant"),
    ]


def test_no_finding_no_sentence(tmp_path):
    write_table(pd.DataFrame([], columns=WARNED), tmp_path / "warnings.tsv")
    out = restored(tmp_path, "noisy", blocks())
    volumes = {Key("b", "richardson_lucy", 3.0): tmp_path / "noisy_out.ome.zarr"}
    assert "warnings" not in out.provenance[-1]
    assert sources.image_warnings(tmp_path / "warnings.tsv", volumes) == []


# -------------------------------------------------------------------------------------------- docs


def documented(page):
    text = (ROOT / "docs" / page).read_text()
    rows = re.findall(
        r"^\| `(\w+)` \|(.*)\|$", text.split("## Assumptions")[1].split("\n## ")[0], re.M
    )
    return {name: [cell.strip() for cell in cells.split(" | ")] for name, cells in rows}


def declared(assumes):
    fields = vars(assumes)
    return [fields[key] or "-" for key in ("sign", "values", "single", "cubes", "units", "size")]


def test_the_docs_say_what_methods_assume():
    assert documented("methods.md") == {name: declared(load(name).assumes) for name in known()}


def test_the_docs_say_what_measures_assume():
    found = {name: declared(measure.assumes) for name, measure in measures().items()}
    found["segment"] = declared(SEGMENT)
    assert documented("measures.md") == found

import base64
import io
import math
import os
import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.model_card import read_model_card
from acuity.report import figures, images, pages, sources, style, verdict
from acuity.seals import write_sealed
from acuity.volume import Grid, Volume, write_volume
from tests.unit.drawn import index_page, sample_page

METHODS = ("input", "richardson_lucy", "srcnn3d", "deepnet")
CLASSES = ((0, 10), (10, 15), (15, 20), (20, 30), (30, 50), (50, 1000))

# Smallest diameter that each method still sees at half strength, as a multiple of the level.
REACH = {"input": 3.4, "richardson_lucy": 2.6, "srcnn3d": 1.7, "deepnet": 1.0}
SHARP = {"input": 2.4, "richardson_lucy": 1.8, "srcnn3d": 0.8, "deepnet": 0.35}


def make_study(samples=("foam2", "foam3", "foam4"), levels=(3, 5, 7, 9), count=330, seed=7):
    """Tables as a study of foams leaves them: made up, but shaped like measured ones."""
    rng = np.random.default_rng(seed)
    metrics, pores, curves, histories, spaces = [], [], [], [], []

    def put(sample, method, level, metric, value, subset="all", low="", high="", n="", unit="1"):
        variant = "4 scales" if metric.startswith("ms_ssim") else ""
        metrics.append(
            ("study", sample, method, variant, level, metric, subset, value, unit, low, high, n)
        )

    pooled = {}
    for sample in samples:
        sizes = np.concatenate(
            [rng.uniform(15, 62, int(0.85 * count)), rng.uniform(6, 15, int(0.15 * count))]
        )
        porosity = sizes.size * 0.00041
        put(sample, "truth", "", "porosity", porosity)
        put(sample, "truth", "", "sphericity_mesh", 0.991)
        for d in sizes:
            shape = 0.994 - 0.05 / d - abs(rng.normal(0, 0.003))
            pores.append((sample, "truth", "", d, min(shape, 1.0), rng.random() < 0.05))
        far = np.arange(0, 40, 2.0)
        put(sample, "truth", "", "local_thickness_mean", 26, unit="um")
        spaces += [(sample, "truth", "", d, 0.02 + 0.11 * math.exp(-d / 9)) for d in far]
        for level in levels:
            for method in METHODS:
                reach, sharp = REACH[method] * level, SHARP[method] * level
                chance = 1 / (1 + np.exp(-(sizes - reach) / 1.6))
                found = rng.random(sizes.size) < chance
                false = rng.poisson(1.5 * sharp)
                shown = found.sum() + false
                recall, precision = found.mean(), found.sum() / shown
                pooled.setdefault((method, level), []).append((found, sizes, false, sharp))
                put(sample, method, level, "mse", 0.0006 * (1 + sharp) ** 1.6, unit="intensity^2")
                put(sample, method, level, "psnr", 33 - 8 * math.log10(1 + sharp), unit="dB")
                put(sample, method, level, "ssim", 0.985 - 0.03 * sharp)
                put(sample, method, level, "ms_ssim_matlab", 0.995 - 0.012 * sharp)
                put(sample, method, level, "pore_recall", recall, n=sizes.size)
                put(sample, method, level, "pore_precision", precision)
                put(sample, method, level, "pores_found_ratio", shown / sizes.size)
                missed = int((~found).sum())
                merged, split = missed // 4, missed // 10
                for name, number in (
                    ("missed", missed - merged - split),
                    ("merged", merged),
                    ("split", split),
                    ("false", false),
                ):
                    put(sample, method, level, f"pores_{name}", number)
                put(sample, method, level, "porosity", porosity * (1 - 0.006 * sharp))
                put(sample, method, level, "sphericity_mesh", 0.991 - 0.006 * sharp)
                wide = 9 * (1 + 0.05 * sharp)
                put(
                    sample,
                    method,
                    level,
                    "local_thickness_mean",
                    26 * (1 + 0.02 * sharp),
                    unit="um",
                )
                for along in "zyx":
                    put(sample, method, level, "chord_length_mean", 2 * wide, along, unit="um")
                spaces += [
                    (sample, method, level, d, 0.02 + 0.1 * math.exp(-d / wide)) for d in far
                ]
                put(sample, method, level, "resolution_fwhm", 2.355 * sharp, unit="um")
                for lower, upper in CLASSES:
                    own = (sizes >= lower) & (sizes < upper)
                    if own.any():
                        name = f"{lower}-{upper} um"
                        put(
                            sample,
                            method,
                            level,
                            "pore_recall",
                            found[own].mean(),
                            name,
                            n=own.sum(),
                        )
                for d in sizes[found]:
                    shape = 0.994 - 0.06 / d - abs(rng.normal(0, 0.002 + 0.006 * sharp))
                    d = d * (1 + rng.normal(0, 0.004 * sharp))
                    pores.append((sample, method, level, d, shape, rng.random() < 0.05))
                for _ in range(false):
                    d, shape = rng.uniform(4, 12), rng.uniform(0.72, 0.97)
                    pores.append((sample, method, level, d, shape, False))
                for sigma in np.linspace(0, 10, 41):
                    mse = 0.0003 * (1 + sharp) + 0.0007 * abs(sigma - sharp) ** 1.5 / (
                        1 + sigma / 5
                    )
                    curves.append((sample, method, level, sigma, mse))
    for (method, level), parts in pooled.items():
        found = np.concatenate([p[0] for p in parts])
        sizes = np.concatenate([p[1] for p in parts])
        false, sharp = sum(p[2] for p in parts), parts[0][3]
        real = found.sum() / (found.sum() + false)
        for metric, value, n in (
            ("pore_recall", found.mean(), found.size),
            ("pore_precision", real, found.sum() + false),
        ):
            half = 1.96 * math.sqrt(max(value * (1 - value), 1e-4) / n)
            put(
                "unseen", method, level, metric, value, "all", value - half, min(value + half, 1), n
            )
        ratio = (found.sum() + false) / found.size
        put("unseen", method, level, "pores_found_ratio", ratio)
        for metric in (
            "mse",
            "psnr",
            "ssim",
            "ms_ssim_matlab",
            "porosity",
            "resolution_fwhm",
            "local_thickness_mean",
        ):
            own = [r[7] for r in metrics if (r[2], r[4], r[5]) == (method, level, metric)]
            put("unseen", method, level, metric, np.mean(own), n=len(own))
        for metric in ("pores_missed", "pores_merged", "pores_split", "pores_false"):
            own = [r[7] for r in metrics if (r[2], r[4], r[5]) == (method, level, metric)]
            put("unseen", method, level, metric, sum(own))
        for lower, upper in CLASSES:
            own = (sizes >= lower) & (sizes < upper)
            if own.any():
                name = f"{lower}-{upper} um"
                put("unseen", method, level, "pore_recall", found[own].mean(), name, n=own.sum())
    for method, top, last in (("srcnn3d", 29, 0.02), ("deepnet", 32, 0.01)):
        for level in levels:
            for step in range(0, 2001, 100):
                rise = 1 - math.exp(-step / 350)
                for split in ("train", "validation"):
                    psnr = 18 + (top - 18 - 0.6 * level) * rise + rng.normal(0, 0.15)
                    loss = last * level * (1.02 - rise) * math.exp(rng.normal(0, 0.05))
                    histories.append((method, level, step, split, loss, psnr, step * 0.3))
    columns = [
        "study",
        "sample",
        "method",
        "variant",
        "level",
        "metric",
        "subset",
        "value",
        "unit",
        "low",
        "high",
        "n",
    ]
    return {
        "metrics": pd.DataFrame(metrics, columns=columns),
        "pores": pd.DataFrame(
            pores, columns=["sample", "method", "level", "diameter", "sphericity_mesh", "edge"]
        ),
        "curves": pd.DataFrame(curves, columns=["sample", "method", "level", "sigma", "mse"]),
        "spaces": pd.DataFrame(
            spaces, columns=["sample", "method", "level", "distance", "two_point"]
        ),
        "histories": pd.DataFrame(
            histories, columns=["method", "level", "step", "split", "loss", "psnr", "seconds"]
        ),
    }


def make_volumes(levels=(3, 9), shape=(12, 128, 128), seed=3, spacing=(1.0, 1.0, 1.0)):
    """A small foam: images, MS-SSIM maps and labels of every method and level."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    middle = [(n - 1) / 2 for n in shape]
    scale = shape[1] / 256
    truth = (np.hypot(y - middle[1], x - middle[2]) < 0.45 * shape[1]).astype(np.float32)
    labels = np.zeros(shape, np.uint32)
    for label in range(1, 90):
        radius = scale * rng.choice([4, 8, 14, 22], p=[0.3, 0.3, 0.25, 0.15])
        angle, far = rng.uniform(0, 2 * np.pi), 0.40 * shape[1] * np.sqrt(rng.random())
        cy, cx = middle[1] + far * np.sin(angle), middle[2] + far * np.cos(angle)
        cz = rng.uniform(0, shape[0])
        ball = (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        near = (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < (radius + 2 * scale) ** 2
        if not labels[near].any():
            labels[ball] = label
    truth[labels > 0] = 0
    grid = Grid(shape=shape, spacing=spacing, origin=(0.0, 0.0, 0.0), unit="um")
    volumes = {("truth", None): Volume(truth, grid)}
    marked = {("truth", None): Volume(labels, grid)}
    maps, statuses = {}, {}
    for level in levels:
        for method in METHODS:
            sigma = SHARP[method] * level * scale * 0.5
            noise = 0.16 if method == "input" else 0.02
            image = ndimage.gaussian_filter(truth, (0, sigma, sigma))
            image = (image + rng.normal(0, noise, shape)).astype(np.float32)
            volumes[(method, level)] = Volume(image, grid)
            wrong = ndimage.gaussian_filter((image - truth) ** 2, (0, 4 * scale, 4 * scale))
            maps[(method, level)] = Volume((1 - 2 * wrong).clip(0, 1).astype(np.float32), grid)
            smooth = ndimage.gaussian_filter(image, (0, 1.5 * scale, 1.5 * scale))
            inside = np.hypot(y - middle[1], x - middle[2]) < 0.43 * shape[1]
            marked[(method, level)] = Volume(
                ndimage.label((smooth < 0.5) & inside)[0].astype(np.uint32), grid
            )
            statuses[(method, level)] = fates(labels, marked[(method, level)].data)
    return {"volumes": volumes, "maps": maps, "labels": marked, "statuses": statuses}


def fates(truth, found):
    """A simple stand-in for the recovery measure's table."""
    rows = []
    for label in np.unique(truth[truth > 0]):
        share = (found[truth == label] > 0).mean()
        status = "found" if share > 0.6 else "merged" if share > 0.35 else "missed"
        rows.append(("truth", label, status))
    for label in np.unique(found[found > 0]):
        status = "found" if (truth[found == label] > 0).any() else "false"
        rows.append(("detection", label, status))
    return pd.DataFrame(rows, columns=["kind", "label", "status"])


class Reader(HTMLParser):
    """What a browser would act on: tags, attributes, visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_data(self, data):
        if not self.tags or self.tags[-1] not in ("style", "script"):
            self.words.append(data)


@pytest.fixture(scope="module")
def study():
    return make_study(levels=(3, 9), count=150)


@pytest.fixture(scope="module")
def tiny():
    return make_study(samples=("foam2", "foam3"), levels=(9,), count=60)


@pytest.fixture(scope="module")
def pictures():
    return make_volumes()


def read(path):
    text = path.read_text(encoding="utf-8")
    return text, Reader(text)


def parts(study, *names):
    return {name: study[name] for name in names or ("metrics", "pores", "curves")}


def assert_self_contained(text, reader):
    for tag, name, value in reader.attributes:
        if name in ("src", "xlink:href") or (name == "href" and tag != "a"):
            assert value.startswith(("data:", "#")), (tag, name, value[:80])
        if name == "href" and tag == "a":
            assert value.startswith(("./", "index.html")), value
        assert not name.startswith("on"), (tag, name)
    assert "http://" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", text)
    assert "https://" not in text
    assert "@import" not in text
    assert "url(" not in re.sub(r"url\(#", "", text)
    assert reader.tags.count("script") == 1


# Pages


def test_index_says_the_verdict_first(study, tmp_path):
    page = tmp_path / "report" / "index.html"
    index_page(
        **study,
        output=page,
        study="demo",
        title="Foams",
        samples=["foam2", "foam3", "foam4"],
        provenance={"Software": {"acuity": "0.1", "numpy": "2"}, "Seeds": [1, 2]},
        command="snakemake --cores 2",
    )
    text, reader = read(page)
    assert_self_contained(text, reader)
    first = reader.text.index("found")
    assert first < reader.text.index("Figures") < reader.text.index("snakemake --cores 2")
    assert "t 9:1 DeepNet found" in reader.text
    assert "95 % interval" in reader.text
    assert ("a", "href", "./foam3.html") in reader.attributes
    assert reader.tags.count("figure") >= 8
    assert "src" not in {name for tag, name, _ in reader.attributes if tag == "img"}
    assert [entry for entry in page.parent.iterdir() if entry.is_file()] == [page]


def test_index_is_the_same_every_time(tiny, tmp_path):
    for name in ("a", "b"):
        index_page(**tiny, output=tmp_path / name, study="demo")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_identifiers_are_unique_in_a_page(study, tmp_path):
    index_page(**study, output=tmp_path / "index.html", study="demo")
    text, reader = read(tmp_path / "index.html")
    names = [value for _, name, value in reader.attributes if name == "id"]
    assert len(names) == len(set(names))
    used = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert used
    assert used <= set(names)


def test_the_policy_allows_the_page_s_own_script_alone(tiny, tmp_path):
    import hashlib

    index_page(**tiny, output=tmp_path / "index.html", study="demo")
    text, reader = read(tmp_path / "index.html")
    (policy,) = [value for tag, name, value in reader.attributes if "default-src" in value]
    assert "default-src 'none'" in policy
    assert "unsafe-inline'; script" in policy  # styles only
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.endswith(f"script-src 'sha256-{digest}'")


@pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", '"><img src=x onerror=y>a&$b$'])
def test_what_users_type_is_text(tiny, pictures, tmp_path, nasty):
    metrics = tiny["metrics"].assign(sample=tiny["metrics"]["sample"].replace("foam2", nasty))
    pores = tiny["pores"].assign(sample=tiny["pores"]["sample"].replace("foam2", nasty))
    metrics = pd.concat(
        [metrics, metrics[metrics["method"] == "deepnet"].assign(method=nasty)], ignore_index=True
    )
    common = {"study": nasty, "title": nasty, "samples": [nasty, "foam3"]}
    provenance = {nasty: {nasty: [nasty, {"deep": nasty}]}}
    index_page(
        metrics,
        pores,
        tiny["curves"],
        output=tmp_path / "index.html",
        provenance=provenance,
        command=nasty,
        level_title=nasty,
        unit=nasty,
        **common,
    )
    volumes = {key: pictures["volumes"][key] for key in [("truth", None), ("deepnet", 9)]}
    volumes[(nasty, 9)] = volumes[("deepnet", 9)]
    sample_page(nasty, metrics, pores, output=tmp_path / "s.html", volumes=volumes, **common)
    for name in ("index.html", "s.html"):
        text, reader = read(tmp_path / name)
        assert reader.tags.count("script") == 1
        assert_self_contained(text, reader)
        assert nasty in reader.text


def test_a_hundred_samples_stay_quick(tmp_path):
    small = make_study(samples=("s",), levels=(3, 5, 7, 9), count=60)
    one = small["metrics"][small["metrics"]["sample"] == "s"]
    pooled = small["metrics"][small["metrics"]["sample"] == "unseen"]
    names = [f"sample-{n:03d}" for n in range(100)]
    metrics = pd.concat([one.assign(sample=name) for name in names] + [pooled], ignore_index=True)
    pores = pd.concat([small["pores"].assign(sample=name) for name in names], ignore_index=True)
    start = time.process_time()
    index_page(
        metrics,
        pores,
        small["curves"],
        small["histories"],
        small["spaces"],
        output=tmp_path / "index.html",
        study="batch",
        samples=names,
    )
    seconds = time.process_time() - start
    text, reader = read(tmp_path / "index.html")
    assert len(text) < 1_000_000
    assert "img" not in reader.tags
    assert seconds < 30
    assert text.count("sample-099.html") == 1 + 4  # its sentence, and its best row of each level
    assert "best method of each sample and level" in reader.text
    assert 'type="search"' in text


def test_sample_page_shows_and_compares(study, pictures, tmp_path):
    page = tmp_path / "foam3.html"
    sample_page(
        "foam3",
        **parts(study),
        output=page,
        **pictures,
        study="demo",
        samples=["foam2", "foam3", "foam4"],
        training_samples=["foam3"],
    )
    text, reader = read(page)
    assert_self_contained(text, reader)
    shown = [
        tuple(value for tag, name, value in group)
        for group in _images(reader)
        if any(name == "data-kind" for _, name, _ in group)
    ]
    kinds = [value for tag, name, value in reader.attributes if name == "data-kind"]
    assert len(shown) == len(kinds) == 1 + 8 + 8 + 8
    assert kinds.count("slice") == 9
    assert "Models were trained on this sample" in reader.text
    for other in ("index.html", "./foam2.html", "./foam4.html"):
        assert ("a", "href", other) in reader.attributes
    # Every picture is described, and the boundary can be moved from the keyboard.
    alts = [value for tag, name, value in reader.attributes if tag == "img" and name == "alt"]
    assert sum(bool(alt) for alt in alts) == len(kinds)
    assert ("input", "type", "range") in reader.attributes
    assert "slice 7 of 12" in reader.text


def _images(reader):
    group = []
    for tag, name, value in reader.attributes:
        if tag == "img":
            if name == "src" or (group and name == "class"):
                if group:
                    yield group
                group = []
            group.append((tag, name, value))
    if group:
        yield group


def test_pages_do_with_what_there_is(study, pictures, tmp_path):
    metrics = study["metrics"]
    few = metrics[metrics["metric"].isin(["psnr", "ssim"]) & (metrics["level"] == 9)]
    few = few[few["sample"] == "foam2"]
    index_page(few, output=tmp_path / "a.html", study="imported")
    _, reader = read(tmp_path / "a.html")
    assert "closer to the truth than the unrestored input" in reader.text
    assert "trust is not judged" in reader.text
    assert "Not measured in this study" in reader.text
    assert "nan" not in reader.text.lower().split()
    only = {key: value for key, value in pictures["volumes"].items() if key == ("input", 9)}
    sample_page(
        "foam2",
        few[few["method"] == "input"],
        output=tmp_path / "b.html",
        volumes=only,
        study="imported",
    )
    _, reader = read(tmp_path / "b.html")
    assert "No restoration was measured" in reader.text
    assert [v for _, n, v in reader.attributes if n == "data-kind"] == ["slice"]
    empty = metrics.iloc[:0]
    index_page(empty, output=tmp_path / "c.html", study="empty", samples=["x"])
    _, reader = read(tmp_path / "c.html")
    assert "Nothing was measured" in reader.text
    broken = metrics.assign(value=np.nan)
    index_page(broken, output=tmp_path / "d.html", study="broken")
    assert "nan" not in read(tmp_path / "d.html")[1].text.lower().split()


def test_a_sample_without_truth_says_what_the_first_page_says(study, pictures, tmp_path):
    said = [
        verdict.Line("Alignment", "good", "60 slices whose pairs agree to 0.05 px RMS."),
        verdict.Line("Restoration", "none", "SRGAN made the slices four times as many."),
    ]
    empty, common = study["metrics"].iloc[:0], {"study": "stack", "samples": ["own"]}
    index_page(empty, output=tmp_path / "index.html", said={"own": said}, **common)
    shown = {key: value for key, value in pictures["volumes"].items() if key[0] != "truth"}
    sample_page("own", empty, output=tmp_path / "own.html", volumes=shown, said=said, **common)
    texts = [" ".join(read(tmp_path / name)[1].text.split()) for name in ("index.html", "own.html")]
    index_page(
        study["metrics"],
        output=tmp_path / "two.html",
        study="pair",
        samples=["foam2", "foam3", "new"],
        training_samples=["foam1"],
        restored_samples={"new": "3"},
        methods=["srgan"],
    )
    note = " ".join(read(tmp_path / "two.html")[1].text.split())
    assert (
        "2 samples that no model has seen. new was restored and has no truth: shown, and not judged."
        in note
    )
    # What was restored does not take the grade of what was aligned.
    both = [f"✓ Good Alignment {said[0].sentence}", f"– Not judged Restoration {said[1].sentence}"]
    assert all(" ".join(both) in text for text in texts)
    assert not any("Nothing was measured." in text for text in texts)
    assert "taken from the first of them, since there is no truth" in texts[1]
    sample_page("foam3", empty, output=tmp_path / "t.html", **pictures, study="demo")
    assert "taken from the truth" in " ".join(read(tmp_path / "t.html")[1].text.split())


def test_a_table_without_its_columns_is_refused(study, tmp_path):
    with pytest.raises(AcuityError, match="column 'level' is missing"):
        index_page(study["metrics"].drop(columns="level"), output=tmp_path / "x.html", study="x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.figures"]  # no page, and none begun


def test_tables_survive_a_round_trip_through_files(tiny, tmp_path):
    from acuity.tables import read_table, write_table

    for name, table in tiny.items():
        write_table(table, tmp_path / name)
    again = {name: read_table(tmp_path / name) for name in tiny}
    index_page(**tiny, output=tmp_path / "a.html", study="demo")
    index_page(**again, output=tmp_path / "b.html", study="demo")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


# Figures


def test_study_figures_writes_every_file_always(tiny, tmp_path):
    for tables in (tiny, {"metrics": tiny["metrics"].iloc[:0]}):
        out = tmp_path / str(len(tables))
        files = figures.study_figures(**tables, out_dir=out)
        wanted = {f"{name}.{ending}" for name in figures.NAMES for ending in ("png", "svg", "json")}
        assert {path.name for path in files} == wanted == {path.name for path in out.iterdir()}


def test_a_method_looks_the_same_in_all_figures(study):
    drawn = {plot.name: plot for plot in figures.plots(**study)}
    for name in ("quality", "pores_found", "resolution", "pore_sizes"):
        for svg in drawn[name].svgs():
            assert style.look("deepnet").colour in svg
            assert style.look("srcnn3d").colour in svg
    colours = [style.look(m).colour for m in METHODS] + [
        style.look(m).colour for m in ("truth", "linear", "cubic", "nearest")
    ]
    assert len(set(colours)) == len(colours)
    assert style.look("deepnet@wide").colour == style.look("deepnet").colour
    assert style.look("deepnet@wide").marker != style.look("deepnet").marker
    assert style.look("own_method") == style.look("own_method")


def test_pooled_figures_keep_training_samples_apart(study):
    metrics = study["metrics"]
    without = metrics[metrics["sample"] != "unseen"]
    (quality,) = [p for p in figures.plots(without) if p.name == "quality"]
    apart = figures.plots(without, training_samples=["foam2"])[0]
    assert not quality.extra
    assert apart.extra
    beside = [svg.count("stroke-dasharray") for svg in apart.svgs()]
    assert all(n > 0 for n in beside)


def test_panels_title_axes_with_units(study):
    for plot in figures.plots(**study):
        for axes in plot.figure().axes:
            if axes.axison:
                assert axes.get_xlabel() or plot.name == "sphericity"
                assert axes.get_ylabel() or plot.name == "pore_fates"


def test_caption_names_other_objects(tiny):
    for plot in figures.plots(**tiny, words=style.Words(noun="grain")):
        words = f"{plot.title} {plot.caption} {[panel.title for panel in plot.panels]}".lower()
        if plot.name != "pore_space":
            assert not re.search(r"\bpores?\b", words.replace("pore space", "")), plot.name
        written = re.sub(r"<[^>]*>", " ", "".join(plot.svgs()[:1]))
        assert "pores" not in written.lower(), plot.name


def test_the_least_of_a_gaussian_fit_is_dropped_to_the_axis_only_inside(study):
    sigma = np.linspace(0, 10, 11)
    inside = pd.DataFrame({"sigma": sigma, "mse": 0.1 + (sigma - 4) ** 2, "method": "deepnet"})
    outside = pd.DataFrame({"sigma": sigma, "mse": 0.1 + (sigma - 12) ** 2, "method": "srcnn3d"})
    curves = pd.concat([inside, outside]).assign(sample="foam2", level=3)
    (plot,) = [p for p in figures.plots(study["metrics"], curves=curves) if p.name == "resolution"]
    (axes,) = plot.figure().axes
    drops = [line for line in axes.lines if len(line.get_xdata()) == 2]
    assert [list(line.get_xdata()) for line in drops] == [[4.0, 4.0]]


def test_histograms_leave_out_cut_pores():
    pores = pd.DataFrame(
        {
            "sample": "s",
            "method": ["truth"] * 3 + ["deepnet"] * 3,
            "level": ["", "", "", 3, 3, 3],
            "diameter": [12.0, 13.0, 33.0, 12.0, 13.0, 33.0],
            "edge": [False, False, True, "True", "False", 0],
        }
    )
    metrics = pd.DataFrame(columns=["sample", "method", "level", "metric", "subset", "value"])
    drawn = figures.plots(metrics, pores, samples="s")
    (plot,) = [plot for plot in drawn if plot.name == "pore_sizes"]
    (axes,) = plot.figure().axes
    assert [bar.get_height() for bar in axes.patches].count(2) == 1
    assert sum(bar.get_height() for bar in axes.patches) == 2
    assert sum(axes.lines[0].get_ydata()) == 2


# Verdict


def test_the_unit_of_length_comes_from_the_table(tiny):
    metrics = tiny["metrics"]
    nm = metrics.assign(unit=metrics["unit"].replace("um", "nm"))
    for table, unit in ((metrics, "µm"), (nm, "nm")):
        drawn = {plot.name: plot for plot in figures.plots(table, tiny["pores"])}
        assert f"Equivalent diameter ({unit})" in drawn["pore_sizes"].svgs()[0]


def rows_of(**metrics):
    return verdict.tidy(
        pd.DataFrame(
            [
                {"sample": "s", "method": m, "level": lv, "metric": k, "subset": "all", "value": v}
                for (m, lv), values in metrics["of"].items()
                for k, v in values.items()
            ]
        )
    )


@pytest.mark.parametrize(
    ("recall", "precision", "porosity", "expected"),
    [
        (0.95, 0.95, 0.103, "good"),
        (0.949, 0.99, 0.100, "care"),
        (0.99, 0.949, 0.100, "care"),
        (0.99, 0.99, 0.104, "care"),
        (0.99, 0.99, 0.112, "poor"),
        (0.84, 0.99, 0.100, "poor"),
        (0.99, 0.84, 0.100, "poor"),
        (math.nan, 0.99, 0.100, "none"),
    ],
)
def test_grades_follow_the_stated_limits(recall, precision, porosity, expected):
    metrics = rows_of(
        of={
            ("truth", ""): {"porosity": 0.1},
            ("deepnet", 9): {
                "pore_recall": recall,
                "pore_precision": precision,
                "porosity": porosity,
            },
        }
    )
    (row,) = verdict.verdicts(metrics).to_dict("records")
    assert row["grade"] == expected
    assert row["porosity_error"] == pytest.approx(porosity / 0.1 - 1)


@pytest.mark.parametrize(
    ("recall", "precision", "error", "expected"),
    [
        (0.95, 0.95, 0.03, "good"),
        (0.95, 0.95, -0.03, "good"),
        (0.95, 0.95, 0.0301, "care"),
        (0.95, 0.95, -0.0301, "care"),
        (0.9499, 0.95, 0.0, "care"),
        (0.95, 0.9499, 0.0, "care"),
        (0.85, 0.85, 0.1, "care"),
        (0.85, 0.85, -0.1, "care"),
        (0.85, 0.85, 0.1001, "poor"),
        (0.85, 0.85, -0.1001, "poor"),
        (0.8499, 0.85, 0.1, "poor"),
        (0.85, 0.8499, 0.1, "poor"),
        (0.85, math.nan, math.nan, "care"),
    ],
)
def test_a_limit_is_met_at_the_limit_itself(recall, precision, error, expected):
    row = {"recall": recall, "precision": precision, "porosity_error": error}
    assert verdict.grade(row) == expected


def test_among_unreliable_ones_who_meets_more_of_the_limits_comes_first():
    scores = {"richardson_lucy": (0.83, 0.98, 0.48), "deepnet": (0.83, 0.96, -0.02)}
    metrics = rows_of(
        of={
            (m, 5): {"pore_recall": r, "pore_precision": p, "porosity_error": e}
            for m, (r, p, e) in scores.items()
        }
    )
    table = verdict.verdicts(metrics).set_index("method")
    assert set(table["grade"]) == {"poor"}
    assert table["f1"].idxmax() == "richardson_lucy"
    assert list(table.index[table["best"]]) == ["deepnet"]


def test_slivers_at_the_wall_are_told_apart_on_the_page(tmp_path):
    def page(off):
        metrics = rows_of(
            of={
                ("deepnet", 5): {
                    "pore_recall": 0.9,
                    "pore_precision": 0.7,
                    "pore_precision_off_rim": off,
                }
            }
        )
        index_page(metrics, output=tmp_path / "index.html", study="s")
        return (tmp_path / "index.html").read_text()

    assert "95.0 %" in page(0.95)
    assert page(0.95).count("Real, wall left out") == page(0.7).count("Real, wall left out") + 1


def test_points_of_the_sphericity_plot_are_drawn():
    figure, axes = plt.subplots(figsize=(3, 3), dpi=100)
    axes.set_xlim(-1, 1)
    axes.set_ylim(0.8, 1)
    values = np.random.default_rng(0).uniform(0.82, 0.98, 60)
    figures._box(axes, 0, values, "#ff0000")
    figure.canvas.draw()
    red = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    # Round points of 2.4 pt and more, half transparent: a good ten pixels each, fewer where they meet.
    assert ((red[..., 0] - red[..., 1]) > 40).sum() > 60 * 6
    plt.close(figure)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_legend_of_many_methods_stays_inside_the_figure(count):
    methods = ["srunet3d@interpolated", "fsrcnn3d@interpolated", "sparse_coding@interpolated"]
    methods += ["nearest", "cubic", "linear", "richardson_lucy", "input", "truth", "srgan"]
    panels = [figures.Panel("", lambda axes: axes.plot([0, 1]))] * count
    figure = figures.Plot("x", "", "", panels, methods).figure()
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert 0 <= box.y0 < min(axes.get_window_extent().y0 for axes in figure.axes)


@pytest.mark.parametrize("values", [(0, 1), (1_000_000.5, 1_000_001.5)])
def test_no_label_of_a_tick_is_cut_on_a_page(values):
    def draw(axes):
        axes.plot([0, 1], values)
        axes.ticklabel_format(useOffset=False)
        axes.set_ylabel("Signal")

    narrow = figures.Panel("a", lambda axes: axes.plot([0, 1]))
    drawn = figures.Plot("x", "", "", [narrow, figures.Panel("b", draw)]).svgs()
    # Ticks' labels end left of the axes; a digit is 5.7 points wide.
    ends = [re.search(r'text-anchor: end; fill: [^"]*" x="([\d.]+)"', svg)[1] for svg in drawn]
    longest = max(len(word) for word in re.findall(r">([\d.]+)</text>", drawn[1]))
    assert float(ends[1]) > 5.7 * (longest - 1) + 9  # beside them the label of y
    assert ends[0] == ends[1]  # axes above one another line up
    # The control: what is narrow keeps the margin that it had.
    assert (float(ends[0]) == pytest.approx(0.68 * 72 - 7, abs=0.1)) == (values == (0, 1))
    label = re.search(r'text-anchor: middle; fill: [^"]*" x="([\d.-]+)"[^>]*>Signal', drawn[1])
    assert float(label[1]) > 8


def drawn_of(name, histories):
    """A figure of trainings."""
    metrics = pd.DataFrame(columns=["sample", "method", "level", "metric", "subset", "value"])
    (plot,) = [p for p in figures.plots(metrics, histories=histories) if p.name == name]
    return plot


@pytest.mark.parametrize("losses", [(0.175, 0.161, 0.157), (0.55, 0.16, 0.05), (3.0, 0.2, 0.01)])
def test_a_course_of_losses_has_numbers_on_its_axis(losses):
    course = pd.DataFrame(
        {"step": [1, 2, 3], "split": "train", "loss": losses, "method": "deepnet", "level": 3.0}
    )
    (axes,) = drawn_of("training_loss", course).figure().axes[:1]
    low, high = axes.get_ylim()
    shown = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert len(shown) >= 2, shown
    assert all(axes.yaxis.get_major_formatter()(tick, 0) for tick in shown)


def test_the_best_is_the_one_with_the_best_f1():
    scores = {"deepnet": (0.9, 0.9), "srcnn3d": (0.99, 0.5), "input": (1.0, 1.0)}
    metrics = rows_of(
        of={
            (m, 5): {"pore_recall": r, "pore_precision": p, "ssim": 0.5}
            for m, (r, p) in scores.items()
        }
    )
    table = verdict.verdicts(metrics).set_index("method")
    assert list(table.index[table["best"]]) == ["deepnet"]
    assert table.loc["deepnet", "f1"] == pytest.approx(0.9)
    [line] = verdict.lines(table.reset_index())["s"]
    assert "the unrestored input does no worse, so nothing was gained" in line.sentence


def test_where_nothing_is_found_the_best_is_told_by_likeness():
    scores = {"cubic": 0.3, "deepnet": 0.5}
    metrics = rows_of(
        of={
            (m, 5): {"pore_recall": 0.0, "pore_precision": 0.0, "pore_f1": 0.0, "ssim": s}
            for m, s in scores.items()
        }
    )
    table = verdict.verdicts(metrics).set_index("method")
    assert list(table.index[table["best"]]) == ["deepnet"]


def test_sentence():
    metrics = rows_of(
        of={
            ("truth", ""): {"porosity": 0.1},
            **{
                ("deepnet", level): {
                    "pore_recall": recall,
                    "pore_precision": 0.96,
                    "porosity": 0.098,
                }
                for level, recall in ((3, 1.0), (5, 0.97), (7, 0.96), (9, 0.882))
            },
        }
    )
    table = verdict.verdicts(metrics)
    table.loc[table["level"] == 9, "floor"] = 12
    judged = verdict.lines(table)["s"]
    assert [(line.label, line.grade) for line in judged] == [
        *((level, "good") for level in ("3:1", "5:1", "7:1")),
        ("9:1", "care"),
    ]
    hardest = (
        "DeepNet found 88 % of the pores, 4.0 % of the pores it shows are not real, porosity is 2.0 % "
        "too low; pores below 12 µm are not to be trusted."
    )
    assert judged[-1].sentence == hardest
    assert judged[0].sentence.startswith("DeepNet found 100 % of the pores, ")
    assert verdict.summary(judged) == f"Good up to 7:1; at 9:1 {hardest}"
    assert verdict.summary(judged[:3]) == f"At 7:1 {judged[2].sentence}"
    # what is good beyond a level that is not does not count
    mixed = [judged[0], judged[-1]._replace(label="5:1"), judged[2]._replace(grade="care")]
    assert verdict.summary(mixed).startswith("Good up to 3:1; at 7:1 ")
    [*_, nm] = verdict.lines(
        table, style.Words(unit="nm", noun="grain", level_format="level {:g}")
    )["s"]
    assert "grains below 12 nm" in nm.sentence
    assert "porosity is 2.0 % too low" in nm.sentence
    assert nm.label == "level 9"


def test_percentages_stand_beside_numbers_of_objects():
    of = {("deepnet", 3): {"pore_recall": 0.5, "pore_precision": 0.75}}
    metrics = rows_of(of=of).assign(
        n=lambda t: t["metric"].map({"pore_recall": 12, "pore_precision": 8})
    )
    table = verdict.verdicts(metrics)
    [line] = verdict.lines(table)["s"]
    assert line.sentence.startswith(
        "DeepNet found 50 % of the 12 pores, 25 % of the 8 pores it shows are not real"
    )
    cells = pages.VerdictTable(style.PLAIN).write(table)[1][0]["cells"]
    assert [cell.text for cell in cells if "%" in cell.text] == ["50.0 % of 12", "75.0 % of 8"]


CARD = {
    "method": "deepnet",
    "level": 5.0,
    "scores": {"psnr": 21.5, "psnr_input": 11.0},
    "training": {"skipped_steps": 0, "rollbacks": 0, "patch": [5, 32, 32]},
    "settings": {"train": {"patch": [5, 32, 32]}},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"scores": {"psnr": None, "psnr_input": None}}, None),
        ({"scores": {"psnr": 11.0, "psnr_input": 11.0}}, None),
        (
            {"scores": {"psnr": 10.99, "psnr_input": 11.0}},
            r"further from the target \(10\.99 dB\) than",
        ),
        ({"training": {"skipped_steps": 3, "rollbacks": 0}}, r"3 steps .* not finite\."),
        ({"training": {"skipped_steps": 9, "rollbacks": 1}}, "9 steps .* earlier weights once"),
        (
            {"training": {"patch": [5, 24, 24]}},
            "patches of 5 x 24 x 24 where 5 x 32 x 32 were asked",
        ),
        ({"training": {"seconds": 3.0}, "settings": {}}, None),
        ({"normalisation": {"target": {"std": 0.03}}, "data_range": 0.02}, None),
        (
            {"normalisation": {"target": {"std": 50.0}}, "data_range": 0.02},
            r"far out; it was normalised by 50, and 99\.8 % .* within 0\.02\.",
        ),
    ],
)
def test_warnings_of_trainings_reach_the_page(tmp_path, study, change, said):
    write_sealed(tmp_path / "model.json", CARD | change)
    found = sources.warnings([read_model_card(tmp_path / "model.json")])
    assert len(found) == (said is not None)
    output = tmp_path / "index.html"
    index_page(study["metrics"], output=output, study="s", warnings=found)
    text = " ".join(read(output)[1].text.split())
    assert ("Warnings" in text) == (said is not None)
    if said is not None:
        assert found[0].startswith("DeepNet, level 5: ")
        assert re.search(said, found[0])
        assert found[0] in text


@pytest.mark.parametrize(
    ("levels", "methods", "rows"),
    [
        ([2.0], "ab", [["truth", "a 2", "b 2"]]),
        ([2.0], "abcd", [["truth", "a 2", "b 2", "c 2", "d 2"]]),
        ([2.0], "abcdef", [["truth", "a 2", "b 2", "c 2"], ["d 2", "e 2", "f 2"]]),
        ([2.0, 3.0], "ab", [["truth", "a 2", "b 2"], ["truth 3", "a 3", "b 3"]]),
        (
            [2.0, 3.0],
            "abcdefg",
            [
                *(["truth", "a 2", "b 2", "c 2"], ["d 2", "e 2", "f 2", "g 2"]),
                *(["truth 3", "a 3", "b 3", "c 3"], ["d 3", "e 3", "f 3", "g 3"]),
            ],
        ),
        ([2.0, 3.0, 5.0], "a", [["truth", "truth 3", "truth 5"], ["a 2", "a 3", "a 5"]]),
        ([], "", [["truth"]]),
    ],
)
def test_pictures_fill_the_page(levels, methods, rows):
    """One or two levels stand in rows; of the truth there is one picture, and it stands first."""
    cells = {("truth", None): 0} | {(m, level): 0 for m in methods for level in levels}
    order = images._order(cells, ["truth", *methods], levels)
    assert [[m if v is None else f"{m} {v:g}" for m, v in row] for row in order] == rows


def test_of_how_many_trainings_the_figures_are(tmp_path, study):
    rows = [
        ("s", "deepnet", "", 9.0, "psnr", "all", seed, value, "dB")
        for seed, value in ((1, 19.0), (2, 21.5), (3, 20.0))
    ]
    columns = ["study", "method", "variant", "level", "metric", "subset", "seed", "value", "unit"]
    options = {"study": "s", "samples": ["foam2"], "learned": ["deepnet", "srcnn3d"]}
    index_page(study["metrics"], output=tmp_path / "one.html", **options)
    options |= {"trainings": 3, "training_table": pd.DataFrame(rows, columns=columns)}
    index_page(study["metrics"], output=tmp_path / "three.html", **options)
    # Control: what has no figures has none of a training.
    options |= {"learned": ["semnet"], "training_table": None}
    index_page(study["metrics"], output=tmp_path / "none.html", **options)
    one, three, none = (
        " ".join(read(tmp_path / f"{name}.html")[1].text.split())
        for name in ("one", "three", "none")
    )
    assert "of one training each: another seed" in one
    assert "From one training to the next" not in one
    assert "are of the first of 3 trainings; mean and range over all of them stand below" in three
    assert re.search(r"9:1 ?DeepNet ?3 ?20\.17 \(19\.00-21\.50\)", three)
    assert "training each" not in none
    assert "of 3 trainings" not in none


def classes(values, n=50):
    bounds = [(0, 10), (10, 15), (15, 20), (20, math.inf)]
    return pd.DataFrame(
        [
            {"lower": lo, "upper": hi, "value": v, "n": n}
            for (lo, hi), v in zip(bounds, values, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("values", "floor"),
    [
        ((0.9, 0.9, 0.95, 1.0), 0),
        ((0.1, 0.9, 0.95, 1.0), 10),
        ((0.95, 0.5, 0.95, 1.0), 15),
        ((0.95, 0.95, 0.95, 0.89), math.inf),
        ((math.nan,) * 4, math.nan),
    ],
)
def test_floor(values, floor):
    assert verdict.floor_size(classes(values)) == pytest.approx(floor, nan_ok=True)


def test_floor_heeds_invented_pores_and_few_counts():
    recalls = classes((0.95,) * 4)
    assert verdict.floor_size(recalls, classes((0.5, 0.95, 0.95, 0.95))) == 10
    recalls.loc[0, ["value", "n"]] = 0.0, 2
    assert verdict.floor_size(recalls) == 10
    # Among larger classes that pass, two pores that are missed do not count, and three do.
    for column in (0, 1):
        few = [classes((0.95,) * 4), classes((0.95,) * 4)]
        few[column].loc[1, "value"] = 0.0
        for n, floor in ((2, 0), (3, 15), (math.nan, 15)):
            few[column].loc[1, "n"] = n
            assert verdict.floor_size(*few) == floor


@pytest.mark.parametrize(
    ("subset", "bounds"),
    [
        ("10-15 um", (10, 15)),
        ("0-10", (0, 10)),
        ("50-1000 um", (50, math.inf)),
        # wide enough for all that is larger, or one of many whose numbers are large
        ("1000-1500 nm", (1000, 1500)),
        ("700-1000 nm", (700, 1000)),
        ("0-1000 nm", (0, 1000)),
        ("0.00001-0.000015 mm", (0.00001, 0.000015)),
        ("<7.5 nm", (0, 7.5)),
        (">=50 um", (50, math.inf)),
        ("all", None),
        ("x", None),
        ("", None),
    ],
)
def test_size_classes(subset, bounds):
    assert verdict.size_class(subset) == bounds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "100 %"),
        (0.9996, "99.96 %"),
        (0.948, "94.8 %"),
        (0.95, "95 %"),
        (0.8499, "84.99 %"),
        (0.123, "12 %"),
        (math.nan, "–"),
    ],
)
def test_percentages_never_round_up_to_a_limit(value, text):
    assert verdict.percent(value) == text


def test_variants_are_told_apart_but_not_by_scales():
    table = verdict.tidy(
        pd.DataFrame(
            {
                "method": ["deepnet", "deepnet", "deepnet", "deepnet"],
                "variant": ["4 scales", "fast, 4 scales", "fast", None],
                "metric": ["ms_ssim_matlab", "ms_ssim_matlab", "psnr", "psnr"],
            }
        )
    )
    assert list(table["method"]) == ["deepnet", "deepnet@fast", "deepnet@fast", "deepnet"]


# Pictures


def decode(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


def test_pictures_share_the_truth_s_window(pictures):
    shown = images.gallery(pictures["volumes"])
    by = {(p.method, p.level): p for p in shown.pictures}
    assert shown.window == (0.0, 1.0)
    truth = decode(by[("truth", None)])
    plane = pictures["volumes"][("truth", None)].data[6]
    back = truth[::4, ::4, 0][: 3 * 128 // 4]
    assert np.array_equal(back[:96] > 127, plane[:96] > 0.5)
    assert by[("truth", None)].size == (512, 512)  # repeated a whole number of times
    brighter = dict(pictures["volumes"])
    image = brighter[("deepnet", 3)]
    brighter[("deepnet", 3)] = Volume(image.data + 0.3, image.grid)
    again = {(p.method, p.level): p for p in images.gallery(brighter).pictures}
    assert decode(again[("deepnet", 3)]).mean() > decode(by[("deepnet", 3)]).mean() + 20


def test_stored_volumes_are_read_slice_by_slice(pictures, tmp_path):
    stored = {}
    for number, (key, volume) in enumerate(list(pictures["volumes"].items())[:3]):
        stored[key] = tmp_path / f"{number}.ome.zarr"
        write_volume(stored[key], volume)
    some = {key: pictures["volumes"][key] for key in stored}
    assert images.gallery(stored) == images.gallery(some)


def test_pictures_keep_proportions_and_scale():
    grid = Grid(shape=(1, 60, 300), spacing=(1.0, 2.0, 0.5), unit="nm")
    data = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    (picture,) = images.gallery({("input", 3): Volume(data, grid)}).pictures
    width, height = picture.size
    assert width / height == pytest.approx(300 * 0.5 / (60 * 2.0), rel=0.01)
    big = Grid(shape=(1, 700, 1400), spacing=(1.0, 1.0, 1.0), unit="nm")
    data = np.random.default_rng(0).random(big.shape).astype(np.float32)
    (picture,) = images.gallery({("input", 3): Volume(data, big)}).pictures
    assert picture.size == (512, 256)


@pytest.mark.parametrize(
    ("width", "unit", "length", "label"),
    [(256, "um", 50, "50 µm"), (2.1, "um", 0.5, "500 nm"), (900, "nm", 200, "200 nm")],
)
def test_scale_bar_is_round(width, unit, length, label):
    assert images.bar_length(width, unit) == (pytest.approx(length), label)


def test_scale_bar_has_its_length():
    grid = Grid(shape=(1, 512, 512), spacing=(0.5, 0.5, 0.5), unit="um")
    (picture,) = images.gallery(
        {
            ("input", 3): Volume(
                np.linspace(0.4, 0.1, 512 * 512, dtype=np.float32).reshape(grid.shape), grid
            )
        }
    ).pictures
    row = decode(picture)[-12:, : 512 // 2, 0] == 255
    runs = [
        max(map(len, "".join("x" if v else " " for v in line).split()), default=0) for line in row
    ]
    assert max(runs) == 100  # 50 um of 256


def test_maps_share_one_range_and_show_what_is_unknown(pictures):
    maps = dict(pictures["maps"])
    volume = maps[("deepnet", 3)]
    data = volume.data.copy()
    data[:, :20] = np.nan
    maps[("deepnet", 3)] = Volume(data, volume.grid)
    shown = images.gallery(pictures["volumes"], maps)
    assert shown.map_range[1] == 1.0
    assert 0 <= shown.map_range[0] < 1
    by = {(p.kind, p.method, p.level): decode(p) for p in shown.pictures}
    assert (by[("map", "deepnet", 3)][:60] == 128).all()
    # Bright where unlike: the input's map is brighter than DeepNet's.
    assert by[("map", "input", 9)].sum() > by[("map", "deepnet", 9)].sum()


@pytest.mark.parametrize("whole", [True, False])
def test_pores_are_tinted_by_their_fate(whole):
    grid = Grid(shape=(1, 200, 200), spacing=(1.0, 1.0, 1.0), unit="um")
    truth, found = np.zeros(grid.shape, np.uint32), np.zeros(grid.shape, np.uint32)
    truth[0, 20:40, 20:40], found[0, 20:40, 20:44] = 1, 5
    truth[0, 60:80, 60:80] = 2
    found[0, 100:120, 100:120] = 7
    image = np.linspace(0, 1, 200 * 200, dtype=np.float32).reshape(grid.shape)
    status = pd.DataFrame(
        {
            "kind": ["truth", "truth", "detection", "detection"],
            "label": [1, 2, 5, 7],
            "status": ["found", "missed", "found", "false"],
        }
    )
    shown = images.gallery(
        {("truth", None): Volume(image, grid), ("deepnet", 3): Volume(image, grid)},
        labels={("truth", None): Volume(truth, grid), ("deepnet", 3): Volume(found, grid)},
        statuses={("deepnet", 3.0): status} if whole else None,
    )
    (picture,) = [p for p in shown.pictures if p.kind == "pores"]
    colours = decode(picture)
    expected = [((60, 60), "found"), ((140, 140), "missed"), ((220, 220), "false")]
    # What a method adds to a found pore is to be seen.
    expected.append(((60, 84), "found" if whole else "false"))
    for (row, column), name in expected:
        tint, alpha, _ = images.TINTS[name]
        ramp = 255 * image[0, row // 2, column // 2]
        wanted = (1 - alpha) * ramp + alpha * np.array(ImageColor.getrgb(tint))
        assert colours[row, column] == pytest.approx(wanted, abs=4)
    grey = colours[10, 300]
    assert grey[0] == grey[1] == grey[2]


def test_mosaics_are_always_written(pictures, tmp_path):
    files = images.sample_figures(**pictures, out_dir=tmp_path / "a")
    bare = {("input", 3): pictures["volumes"][("input", 3)]}
    again = images.sample_figures(bare, out_dir=tmp_path / "b")
    names = [f"{name}.{end}" for name in ("slices", "maps", "pores") for end in ("png", "json")]
    assert [f.name for f in files] == [f.name for f in again] == names
    assert all(f.stat().st_size < 1_500_000 for f in files + again)
    with pytest.raises(AcuityError, match="no volume to show"):
        images.gallery({})


def test_a_generator_is_drawn_against_its_discriminator():
    step = [10, 20, 30]
    rows = {"step": step, "loss": [4.0, 3.0, 2.0], "discriminator": [None, 0.7, 0.5], "level": 2.0}
    rows |= {"real": [None, 0.6, 0.7], "fake": [None, 0.4, 0.3]}
    srgan = pd.DataFrame(rows | {"method": "srgan", "adversarial": [None, 0.5, 0.6]})
    sem_gan = pd.DataFrame(
        rows | {"method": "sem_gan", "adversarial": [None, 0.8, 0.9], "alpha": 1}
    )
    plot = drawn_of("training_adversaries", pd.concat([srgan, sem_gan]))
    assert [panel.title for panel in plot.panels] == ["SEM-GAN, 2:1"] * 2 + ["SRGAN, 2:1"] * 2
    drawn = [axes.lines for axes in plot.figure().axes]
    # sem_gan records a share of the generator's loss, srgan the loss
    np.testing.assert_allclose(drawn[0][0].get_ydata(), [0.8 * 3, 0.9 * 2])
    np.testing.assert_allclose(drawn[2][0].get_ydata(), [0.5, 0.6])
    np.testing.assert_allclose(drawn[3][0].get_ydata(), [0.6, 0.7])
    plain = srgan.drop(columns=["adversarial", "discriminator"])
    assert not drawn_of("training_adversaries", plain).panels


@pytest.mark.parametrize("levels", [[4.0], [2.0, 4.0, 8.0]])
def test_every_method_is_drawn_inside_its_axes(levels):
    words = style.Words(level_format="n = {:g}", level_title="", unit="um", noun="slice")
    methods = ["input", "nearest", "linear", "cubic", *(f"fsrcnn3d@{n}" for n in range(8))]
    rows = pd.DataFrame(
        [
            {"method": method, "level": level, "value": 30.0, "low": np.nan, "high": np.nan}
            for method in methods
            for level in levels
        ]
    )
    figure, axes = plt.subplots()
    figures.method_lines(axes, rows, words)
    drawn = np.concatenate([line.get_xdata() for line in axes.lines])
    assert len(drawn) == len(methods) * len(levels)
    first, last = axes.get_xlim()
    assert first < drawn.min()
    assert drawn.max() < last
    # the control: the levels alone are too narrow where there is one
    figures.level_axis(axes, words, set(levels))
    assert (axes.get_xlim()[0] > drawn.min()) == (len(levels) == 1)
    plt.close(figure)


def test_the_first_page_shows_a_picture(tmp_path, study):
    Image.new("L", (40, 20), 77).save(tmp_path / "slices.png")
    words = "Sample a: <the same> slice."
    for name, picture in (("a.html", (tmp_path / "slices.png", words)), ("b.html", None)):
        index_page(study["metrics"], output=tmp_path / name, study="s", picture=picture)
    shown, bare = ((tmp_path / name).read_text() for name in ("a.html", "b.html"))
    [source] = re.findall(
        r'<img src="data:image/png;base64,([^"]+)" alt="Sample a: &lt;the same', shown
    )
    assert base64.b64decode(source) == (tmp_path / "slices.png").read_bytes()
    assert "data:image/png" not in bare


def test_provenance_names_files_without_folders_and_versions():
    sheet = [
        {"sample": "a", "path": "../../scans/left.h5:/entry/data", "region": ":4"},
        {"sample": "b", "path": "s3://bucket/right/", "low_path": "/data/low.tif"},
    ]
    said = sources.provenance({"study": "own"}, sheet, [])
    assert said["Samples"] == [
        {"sample": "a", "path": "left.h5:/entry/data", "region": ":4"},
        {"sample": "b", "path": "right", "low_path": "low.tif"},
    ]
    assert set(said["Software"]) >= {"python", "acuity", "numpy", "snakemake"}
    assert "/scans" not in str(said)


# Seen in training


def test_a_study_that_judges_what_it_learned_from_says_so_everywhere(tiny, tmp_path):
    note = "Seen in training: a. Figures that hold such a sample flatter."
    names = sorted(set(tiny["metrics"]["sample"]) - {verdict.POOLED})
    shown = {}
    for name, told in {"plain": {}, "seen": {"seen": note, "seen_samples": names[:1]}}.items():
        page = tmp_path / f"{name}.html"
        tables = tiny
        if told:  # as the tables of such a study name what is pooled
            metrics = tiny["metrics"].replace({"sample": {verdict.POOLED: "judged"}})
            assert verdict.POOLED not in set(metrics["sample"])
            tables = tiny | {"metrics": metrics}
        index_page(**tables, **told, samples=names, output=page, study="demo")
        text, reader = read(page)
        assert_self_contained(text, reader)
        shown[name] = text, reader
    text, reader = shown["seen"]
    assert text.count(note) == 1 + reader.tags.count("figure") > 3
    assert f"Judged on {len(names)} sample" in reader.text
    assert ", of which 1 was seen in training." in reader.text
    assert "All judged samples together" in reader.text
    assert "unseen" not in reader.text
    text, reader = shown["plain"]  # the control
    assert note not in text
    assert "of which" not in reader.text
    assert "Test samples, pooled" in reader.text


def test_a_sample_that_was_seen_says_so_below_every_figure(study, tmp_path):
    page, note = tmp_path / "foam3.html", "Seen in training: <it> was."
    for told in (note, ""):
        sample_page("foam3", **parts(study), output=page, study="demo", seen=told)
        text, reader = read(page)
        assert reader.text.count(note) == (1 + reader.tags.count("figure") if told else 0)
        assert "<it>" not in text


def test_figures_are_stamped_below_and_nothing_else_changes(tiny, tmp_path):
    words = "Seen in training: a & b. " + "Figures that hold such a sample flatter. " * 3
    made = {}
    for told in (words, "", words):
        files = figures.study_figures(**tiny, out_dir=tmp_path / "f", names=["quality"])
        (tmp_path / "f" / "t.tsv").write_text("a\n")
        images.stamp([*files, tmp_path / "f" / "t.tsv"], told)
        found = {path.name: path.read_bytes() for path in (tmp_path / "f").iterdir()}
        assert made.setdefault(told, found) == found  # the same every time
    assert made[words]["t.tsv"] == made[""]["t.tsv"]
    plain, told = (Image.open(io.BytesIO(made[key]["quality.png"])) for key in ("", words))
    assert told.width == plain.width
    assert told.height > plain.height
    above = np.asarray(told.convert("RGB"))[: plain.height]
    assert np.array_equal(above, np.asarray(plain.convert("RGB")))
    below = np.asarray(told.convert("RGB"))[plain.height :].reshape(-1, 3)
    assert (below == (163, 59, 0)).all(axis=1).any()
    right = np.asarray(told.convert("RGB"))[plain.height :, -4:]
    assert (right == 255).all()  # the words end before the edge
    text = made[words]["quality.svg"].decode()
    root = ElementTree.fromstring(text)
    lines = [part.text for part in root if part.tag.endswith("}text")]
    assert " ".join(lines) == words.strip()
    heights = [float(r.attrib["height"].removesuffix("pt")) for r in
               (root, ElementTree.fromstring(made[""]["quality.svg"].decode()))]  # fmt: skip
    assert heights[0] > heights[1]
    assert float(root.attrib["viewBox"].split()[3]) == pytest.approx(heights[0])


def test_pages_say_on_which_day_the_study_was_run(tiny, tmp_path):
    table = tmp_path / "metrics.tsv"
    table.write_text("a\n")
    said = {}
    for seconds in (86_399, 86_400, 90_000):  # the last second of a day, and the next day
        os.utime(table, (2e9, seconds))
        ran = sources.run_date(table)
        index_page(**tiny, output=tmp_path / "i.html", study="demo", ran=ran)
        sample_page("foam2", tiny["metrics"], output=tmp_path / "s.html", study="d", ran=ran)
        texts = [read(tmp_path / name)[1].text for name in ("i.html", "s.html")]
        assert all(f"the study was run on {ran} (UTC)." in " ".join(t.split()) for t in texts)
        said[seconds] = ran, (tmp_path / "i.html").read_bytes()
    assert [ran for ran, _ in said.values()] == ["1970-01-01", "1970-01-02", "1970-01-02"]
    assert said[86_400] == said[90_000] != said[86_399]
    # The control: of no table, nothing is said.
    index_page(**tiny, output=tmp_path / "i.html", study="demo")
    assert "was run on" not in read(tmp_path / "i.html")[1].text

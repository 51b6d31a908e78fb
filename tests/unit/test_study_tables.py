"""The tables of a whole study and its summary, written out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.keys import by_kind, name_of
from acuity.measure import collect as module
from acuity.measure import slices
from acuity.measure.collect import COLUMNS, KEYS, collect, read_images
from acuity.measure.slices import slices_at_a_time
from acuity.measure.trainings import COLUMNS as TRAININGS
from acuity.measure.trainings import spread, trainings
from acuity.measures.base import declared
from acuity.report.summary import summary, training_summary
from acuity.tables import write_table

NAN = math.nan


@pytest.mark.parametrize(
    ("shape", "number"),
    [
        ((9, 10, 10), 32),
        ((9, 2048, 2048), 32),  # 512 MiB just so
        ((9, 2048, 2049), 31),
        ((9, 1024, 131072), 1),
        ((9, 2**14, 2**14), 1),
        ((9, 0, 5), 32),
        ((9, 5, 2**23), 3),
    ],
)
def test_slices_that_are_counted_at_a_time(shape, number):
    assert slices_at_a_time(shape) == number
    assert (slices.SLICES, slices.BYTES) == (32, 2**29)


# --- collect


def table(*rows, columns=("metric", "subset", "value", "unit")):
    return pd.DataFrame(rows, columns=columns)


def image(sample, method, level, *tables, **more):
    return {"sample": sample, "method": method, "level": level, "tables": list(tables), **more}


def psnr(value):
    return table(("psnr", "all", value, "dB"))


@pytest.mark.parametrize("turned", [False, True])
def test_tables_are_found_by_their_keys(tmp_path, turned):
    names = ["t1", "t2", "t3", "p1", "p3", "g2"]
    for number, name in enumerate(names):
        write_table(pd.DataFrame({"is": [name], "n": [number]}), tmp_path / name)
    named = {
        name_of("tables", "a", "level2/m"): [tmp_path / "t1", tmp_path / "t2"],
        name_of("pores", "a", "level2/m"): tmp_path / "p1",
        name_of("tables", "b", "truth"): [],
        name_of("gaps", "b", "truth"): tmp_path / "g2",
        name_of("tables", "c", "level3/m"): [tmp_path / "t3"],
        name_of("pores", "c", "level3/m"): tmp_path / "p3",
        "seen": [],
    }
    # The order of other kinds than the first never matters.
    rest = sorted(named.items(), key=lambda item: item[0], reverse=turned)
    rest = sorted(rest, key=lambda item: not item[0].startswith("tables/a"))
    found = {one["sample"]: one for one in read_images(by_kind(rest))}
    assert {name: sorted(one) for name, one in found.items()} == {
        "a": ["level", "method", "pores", "sample", "tables"],
        "b": ["gaps", "level", "method", "sample", "tables"],
        "c": ["level", "method", "pores", "sample", "tables"],
    }
    keys = {name: (one["method"], one["level"]) for name, one in found.items()}
    assert keys == {"a": ("m", 2), "b": ("truth", None), "c": ("m", 3)}
    read = {name: [t["is"].item() for t in one["tables"]] for name, one in found.items()}
    assert read == {"a": ["t1", "t2"], "b": [], "c": ["t3"]}
    assert found["a"]["pores"]["is"].item() == "p1"
    assert found["b"]["gaps"]["is"].item() == "g2"
    assert found["c"]["pores"]["is"].item() == "p3"


def test_metrics_row_by_row():
    scales = table(
        ("ms_ssim", "all", 0.5, "", "2 scales", 0.4, 0.6, 7),
        ("ms_ssim", "all", 0.7, "", None, NAN, NAN, None),
        columns=["metric", "subset", "value", "unit", "variant", "low", "high", "n"],
    )
    images = [
        image("a", "net@wide@2", "3", psnr(90.0), scales),
        image("b", "net", 3, psnr(20.0)),
        image("c", "net", 3.0, psnr(24.0), table()),
        image("b", "truth", None, psnr(50.0)),
        image("c", "align", 3, psnr(1.0)),
        image("c", "pair", 3, psnr(2.0)),
        image("b", "net", 4, psnr(40.0), scales.head(1)),
    ]
    gathered = collect(images, study="s", unseen=["b", "c"])
    assert list(gathered) == ["metrics", "pores", "curves", "spaces", "gaps", "warnings"]
    half = 12.706204736432095 * np.sqrt(8 / 2)
    rows = [
        ("s", "a", "net", "wide@2", 3.0, "psnr", "all", 90.0, "dB", NAN, NAN, NAN),
        ("s", "a", "net", "wide@2, 2 scales", 3.0, "ms_ssim", "all", 0.5, "", 0.4, 0.6, 7),
        ("s", "a", "net", "wide@2", 3.0, "ms_ssim", "all", 0.7, "", NAN, NAN, NAN),
        ("s", "b", "net", "", 3.0, "psnr", "all", 20.0, "dB", NAN, NAN, NAN),
        ("s", "c", "net", "", 3.0, "psnr", "all", 24.0, "dB", NAN, NAN, NAN),
        ("s", "b", "truth", "", NAN, "psnr", "all", 50.0, "dB", NAN, NAN, NAN),
        ("s", "c", "align", "", 3.0, "psnr", "all", 1.0, "dB", NAN, NAN, NAN),
        ("s", "c", "pair", "", 3.0, "psnr", "all", 2.0, "dB", NAN, NAN, NAN),
        ("s", "b", "net", "", 4.0, "psnr", "all", 40.0, "dB", NAN, NAN, NAN),
        ("s", "b", "net", "2 scales", 4.0, "ms_ssim", "all", 0.5, "", 0.4, 0.6, 7),
        ("s", "unseen", "net", "", 3.0, "psnr", "all", 22.0, "dB", 22 - half, 22 + half, 2),
        ("s", "unseen", "truth", "", NAN, "psnr", "all", 50.0, "dB", NAN, NAN, 1),
        ("s", "unseen", "net", "", 4.0, "psnr", "all", 40.0, "dB", NAN, NAN, 1),
        ("s", "unseen", "net", "2 scales", 4.0, "ms_ssim", "all", 0.5, "", NAN, NAN, 1),
    ]
    expected = pd.DataFrame(rows, columns=COLUMNS)
    pd.testing.assert_frame_equal(
        gathered["metrics"].astype({"level": float}), expected, check_dtype=False, rtol=1e-9
    )
    for name in ("pores", "curves", "spaces", "gaps"):
        assert list(gathered[name].columns) == KEYS
        assert len(gathered[name]) == 0


def test_what_is_measured_of_some_images_only():
    images = [
        image("a", "net", 1, psnr(1.0), pores=table(columns=["label"])),
        image("b", "net@x", 2, psnr(1.0), pores=pd.DataFrame({"label": [5, 6], "level": [7, 7]})),
        image("c", "net", 3, psnr(1.0), curves=None, pores=pd.DataFrame({"label": [8]})),
    ]
    found = collect(images, study="s", unseen=[])
    expected = pd.DataFrame(
        [("s", "b", "net", "x", 2.0, 5), ("s", "b", "net", "x", 2.0, 6), ("s", "c", "net", "", 3.0, 8)],
        columns=[*KEYS, "label"],
    )  # fmt: skip
    pd.testing.assert_frame_equal(found["pores"], expected)
    assert found["metrics"]["sample"].tolist() == ["a", "b", "c"]
    assert "label" in collect(images[:1], study="s", unseen=[])["pores"]
    with pytest.raises(AcuityError, match=r"^study s: no image was measured$"):
        collect([], study="s", unseen=[])


def test_what_is_pooled_together(monkeypatch):
    """Status and gaps of one method, variant and level, sample by sample, against the input's."""
    called = []

    def say(name, metric):
        def pool(*tables):
            called.append((name, *([part["n"].tolist() for part in group] for group in tables)))
            return [{"metric": metric, "subset": "all", "value": 1.0, "unit": ""}]

        return pool

    monkeypatch.setattr(module, "pool_recovery", say("recovery", "pore_recall"))
    monkeypatch.setattr(module, "pool_gaps", say("gaps", "gap_error"))
    monkeypatch.setattr(module, "gain_rows", say("gain", "gain"))

    def status(*numbers):
        return pd.DataFrame({"n": numbers})

    recall = table(("pore_recall", "all", 0.5, ""), ("psnr", "all", 3.0, "dB"))
    images = [
        image("a", "net", 1, recall, status=status(1, 2), gaps=status(11)),
        image("b", "net", 1, recall, status=status(3), gaps=status(12, 13)),
        image("seen", "net", 1, recall, status=status(4), gaps=status(14)),
        image("a", "net@x", 1, recall, status=status(5)),
        image("a", "net", 2, recall, gaps=status(15)),
        image("a", "input", 1, recall, gaps=status(16)),
        image("b", "input", 1, recall, gaps=status(17)),
        image("a", "truth", None, recall, status=status(6), gaps=status(18)),
        image("a", "input", None, recall, gaps=status(19)),
        image("b", "net", 3, psnr(4.0)),
    ]
    metrics = collect(images, study="s", unseen=["a", "b"])["metrics"]
    assert called == [
        ("recovery", [[1, 2, 3]]),
        ("gaps", [[11], [12, 13]]),
        ("gain", [[11], [12, 13]], [[16], [17]]),
        ("recovery", [[5]]),
        ("gaps", [[15]]),
        ("gaps", [[16], [17]]),
        ("recovery", [[6]]),
        ("gaps", [[18]]),
        ("gaps", [[19]]),
    ]
    pooled = metrics[metrics["sample"] == "unseen"]
    pooled = list(
        zip(pooled["method"], pooled["variant"], pooled["level"].fillna(0), pooled["metric"], pooled["value"], strict=True)
    )  # fmt: skip
    assert pooled == [
        ("net", "", 1, "pore_recall", 1.0), ("net", "", 1, "gap_error", 1.0),
        ("net", "", 1, "gain", 1.0), ("net", "", 1, "psnr", 3.0),
        ("net", "x", 1, "pore_recall", 1.0), ("net", "x", 1, "psnr", 3.0),
        ("net", "", 2, "gap_error", 1.0), ("net", "", 2, "pore_recall", 0.5), ("net", "", 2, "psnr", 3.0),
        ("input", "", 1, "gap_error", 1.0), ("input", "", 1, "pore_recall", 0.5), ("input", "", 1, "psnr", 3.0),
        ("truth", "", 0, "pore_recall", 1.0), ("truth", "", 0, "gap_error", 1.0), ("truth", "", 0, "psnr", 3.0),
        ("input", "", 0, "gap_error", 1.0), ("input", "", 0, "pore_recall", 0.5), ("input", "", 0, "psnr", 3.0),
        ("net", "", 3, "psnr", 4.0),
    ]  # fmt: skip


# --- summary

HEAD = ["sample", "method", "variant", "level", "metric", "subset", "value", "low", "high", "n"]


def metrics(tmp_path, *rows):
    write_table(pd.DataFrame(rows, columns=HEAD), tmp_path / "metrics.tsv")
    return tmp_path / "metrics.tsv"


def test_every_figure_that_is_shown(tmp_path):
    names = [(metric.source or metric.key, metric.subset) for metric in declared("summary")]
    rows = [
        ("unseen", "net", "", 2, metric, subset, 0.123456, 0.1, 0.98765, 3)
        for metric, subset in names[::-1]
    ]
    other = ("unseen", "net", "", 3, "pore_f1_off_rim", "all", 9.0, NAN, NAN, 3)
    lines = summary(metrics(tmp_path, *rows, other)).splitlines()
    assert lines[0] == (
        "| level | method | gaps unresolved (95 %) | times fewer (95 %) | gap error (nm, 95 %) | "
        "times smaller (95 %) | gaps invented (95 %) | unresolved at the input's invented (95 %) | "
        "gaps told from touching, AUC (95 %) | spectrum deviation, below low Nyquist | "
        "spectrum deviation, aliased | edge spread (nm) | PSNR (dB) | SSIM | MS-SSIM | found ratio | "
        "recall (95 %) | precision (95 %) | F1 | F1 off the wall | porosity error | sphericity | "
        "objects | objects at the edge | median diameter | mean sphericity | porosity | "
        "FWHM | RMS | PSNR, 8 bits (dB) | RMS, binary | PSNR, binary (dB) | wPSNR (dB) | "
        "wPSNR, code (dB) | scattering (decades) |"
    )
    assert lines[1] == "| " + " | ".join(["---"] * 35) + " |"
    three, two = "0.123 (0.100-0.988)", "0.12 (0.10-0.99)"
    assert lines[2].strip("| ").split(" | ") == [
        "2", "net", three, two, two, two, three, three, three, "0.12", "0.12", "0.12", "0.12",
        "0.123", "0.123", "0.123", three, three, "0.123", "0.123", "0.123", "0.1235",
        "0", "0.12", "0.1235", "0.1235", "0.1235",
        "0.12", "0.12", "0.12", "0.123", "0.12", "0.12", "0.12", "0.123",
    ]  # fmt: skip
    assert lines[3].count("|") == 36
    assert lines[3].split("|")[20] == " 9.000 "
    assert len(lines) == 4


def test_one_row_a_level_and_method(tmp_path):
    path = metrics(
        tmp_path,
        ("unseen", "b", "", 3, "psnr", "all", 1.0, NAN, NAN, 1),
        ("unseen", "a", "wide", 2.5, "psnr", "all", 2.0, NAN, NAN, 1),
        ("unseen", "a", "wide, 5 scales", 2.5, "ssim", "all", 0.3, NAN, NAN, 1),
        ("unseen", "a", "1 scale", 2.5, "ssim", "all", 0.4, NAN, NAN, 1),
        ("unseen", "truth", "", None, "psnr", "all", 4.0, NAN, NAN, 1),
        ("unseen", "b", "", 2.5, "pore_recall", "all", 0.5, 0.25, 0.75, 1),
        ("unseen", "b", "", 2.5, "pore_recall", "5-10 um", 0.1, NAN, NAN, 1),
        ("unseen", "b", "", 2.5, "unknown", "all", 0.1, NAN, NAN, 1),
        ("7", "b", "", 2.5, "pore_precision", "all", 0.5, NAN, NAN, 1),
    )
    assert summary(path) == (
        "| level | method | PSNR (dB) | SSIM | recall (95 %) |\n"
        "| --- | --- | --- | --- | --- |\n"
        "|  | truth | 4.00 |  |  |\n"
        "| 2.5 | a@wide | 2.00 | 0.300 |  |\n"
        "| 2.5 | a |  | 0.400 |  |\n"
        "| 2.5 | b |  |  | 0.500 (0.250-0.750) |\n"
        "| 3 | b | 1.00 |  |  |"
    )
    assert summary(path, sample="7") == (
        "| level | method | precision (95 %) |\n| --- | --- | --- |\n| 2.5 | b | 0.500 |"
    )
    with pytest.raises(AcuityError, match=r"metrics\.tsv: no figures of sample '8'$"):
        summary(path, sample="8")


def test_one_metric_by_size(tmp_path):
    path = metrics(
        tmp_path,
        ("unseen", "net", "", 2, "pore_recall", "10-20 um", 0.12345, 0.1, 0.2, 12),
        ("unseen", "net", "", 2, "pore_recall", "9-10 um", 0.5, 0.1, 0.2, 1),
        ("unseen", "net", "", 2, "pore_recall", "all", 0.3, 0.1, 0.2, 13),
        ("unseen", "net", "", 2, "psnr", "all", 0.3, 0.1, 0.2, 13),
        ("unseen", "input", "", 1, "pore_recall", "9-10 um", 0.25, 0.1, 0.2, 4),
    )
    assert summary(path, by_size="pore_recall") == (
        "| level | method | 9-10 um | 10-20 um |\n"
        "| --- | --- | --- | --- |\n"
        "| 1 | input | 0.250 (4) |  |\n"
        "| 2 | net | 0.500 (1) | 0.123 (12) |"
    )
    for metric in ("psnr", "none"):
        with pytest.raises(
            AcuityError, match=rf"metrics\.tsv: metric '{metric}' is not given by size class$"
        ):
            summary(path, by_size=metric)


# --- trainings


def trained(method, sample="t", level="2", **values):
    rows = [{"metric": k, "subset": "all", "value": v, "unit": "1"} for k, v in values.items()]
    return {"sample": sample, "method": method, "level": level, "tables": [pd.DataFrame(rows)]}


def test_each_training_is_pooled_by_itself():
    images = [
        trained("input", psnr=1.0),
        *(
            trained(f"net@x{seed}", psnr=value)
            for seed, value in (("", 4.0), ("+2", 8.0), ("+3", 6.0))
        ),
        trained("net@x+3", sample="u", psnr=10.0),
        trained("net@x+2", sample="seen", psnr=99.0),  # not pooled
    ]
    table = trainings(images, study="s", unseen=["t", "u"], seed=7)
    assert list(table.columns) == TRAININGS
    found = table[["method", "variant", "level", "metric", "seed", "value"]]
    assert found.to_numpy().tolist() == [
        ["net", "x", 2.0, "psnr", 7, 4.0],
        ["net", "x", 2.0, "psnr", 2, 8.0],
        ["net", "x", 2.0, "psnr", 3, 8.0],
    ]
    over = spread(table)
    assert over[["value", "low", "high", "n"]].to_numpy().tolist() == [[20 / 3, 4.0, 8.0, 3]]
    with pytest.raises(AcuityError, match="study s: no training was measured"):
        trainings(images[:1], study="s", unseen=["t"], seed=7)


def test_mean_and_range_over_trainings(tmp_path):
    rows = [
        ("s", "net", "x, 5 scales", 2, "ms_ssim_matlab", "all", seed, value, "1")
        for seed, value in ((1, 0.5), (2, 0.25), (3, 0.75))
    ] + [("s", "net", "x", 2, "gaps_unresolved_bootstrap", "all", 1, 0.1, "1")]
    write_table(pd.DataFrame(rows, columns=TRAININGS), tmp_path / "trainings.tsv")
    assert training_summary(tmp_path) == (
        "| level | method | trainings | gaps unresolved | MS-SSIM |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| 2 | net@x | 3 | 0.100 (0.100-0.100) | 0.500 (0.250-0.750) |"
    )
    metrics(tmp_path, ("unseen", "net", "", 2, "psnr", "all", 1.0, NAN, NAN, 1))
    with pytest.raises(
        AcuityError, match="is not the table of a study's figures, it has no column"
    ):
        training_summary(tmp_path / "metrics.tsv")
    with pytest.raises(AcuityError, match="no such table"):
        training_summary(tmp_path / "absent")


@pytest.mark.parametrize(("off", "shown"), [((0.5, 0.7), False), ((0.5, 0.71), True)])
def test_the_wall_is_shown_where_something_lies_at_it(tmp_path, off, shown):
    rows = [
        ("unseen", "net", "", level, metric, "all", value, NAN, NAN, 1)
        for metric, values in (("pore_f1", (0.5, 0.7)), ("pore_f1_off_rim", off))
        for level, value in enumerate(values, 1)
    ]
    # Other figures, whatever their names, do not come into it.
    for metric in ("gap_auc", "psnr"):
        rows.append(("unseen", "net", "", 1, metric, "all", 9.0, NAN, NAN, 1))
    head = summary(metrics(tmp_path, *rows)).splitlines()[0]
    auc = "gaps told from touching, AUC (95 %)"
    assert head == f"| level | method | {auc} | PSNR (dB) | F1 |" + " F1 off the wall |" * shown

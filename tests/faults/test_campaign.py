"""The campaign of injected faults: what it tells apart, and the table of the one that was run."""

import csv
import json

import pytest

from tests.conftest import ROOT
from tests.faults.campaign import INJECT, KINDS, ON_SLURM, SAME, contents, summary


def test_every_kind_is_drawn_and_few_on_slurm():
    drawn = [KINDS[number % len(KINDS)] for number in range(200)]
    assert set(drawn) == set(INJECT)
    assert sum(kind in ON_SLURM for kind in drawn) <= 20


def test_contents_see_a_byte_and_not_a_measured_time(tmp_path):
    (tmp_path / "volume").write_bytes(b"abc")
    card = {"training": {"seconds": 1.0, "steps": 5}, "execution": "bfloat16"}
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "history.tsv").write_text("step\tloss\tseconds\n1\t0.5\t9\n")
    before = contents(tmp_path)
    card["training"]["seconds"] = 2.0
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "history.tsv").write_text("step\tloss\tseconds\n1\t0.5\t8\n")
    assert contents(tmp_path) == before
    (tmp_path / "volume").write_bytes(b"abd")
    (tmp_path / "history.tsv").write_text("step\tloss\tseconds\n1\t0.6\t8\n")
    changed = contents(tmp_path)
    assert {name for name in before if changed[name] != before[name]} == {"volume", "history.tsv"}


@pytest.fixture(scope="module")
def rows():
    with open(ROOT / "docs" / "faults.tsv", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_campaign_that_was_run_lost_nothing(rows):
    numbers = {int(row["number"]) for row in rows}
    assert len(numbers) == len(rows)
    assert numbers == set(range(200))
    for row in rows:
        assert row["kind"] == KINDS[int(row["number"]) % len(KINDS)]
        assert row["outcome"].startswith(SAME), row
        if row["outcome"] != SAME:
            assert row["said"], row


def test_the_page_has_the_table_of_the_campaign(rows):
    page = (ROOT / "docs" / "faults.md").read_text()
    assert summary(rows) in page
    assert "200 of 200 were injected" in page


def test_the_table_counts_what_was_lost():
    row = {"kind": "future", "outcome": "DIFFERENT: metrics.tsv"}
    assert summary([row]).endswith("| all | 1 | 0 | 0 | 1 |")

"""The command line: what it prints, and how it ends."""

import signal
import subprocess
import sys

import pandas as pd
import pytest

from acuity.cli import main
from acuity.tables import write_table
from tests.conftest import needs_full_device
from tests.faults.cases_command_lines import METRICS

PRINT = [
    sys.executable,
    "-c",
    "from acuity.cli import main; raise SystemExit(main(['summary', 'results/own']))",
]
TABLE = "| level | method | PSNR (dB) |\n| --- | --- | --- |\n| 3 | cubic | 20.50 |\n"


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """The working folder of a study that was run."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "own"
    write_table(
        pd.DataFrame([METRICS, METRICS | {"sample": "a", "value": 1}]), folder / "metrics.tsv"
    )
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.yaml").write_text("study: own\nsamples: gone.tsv\n")


@pytest.mark.parametrize(
    "path", ["results/own/metrics.tsv", "results/own", "results/own/", "studies/mine.yaml"]
)
def test_a_summary_takes_the_table_its_folder_or_the_study(figures, capsys, path):
    assert main(["summary", path]) == 0
    assert capsys.readouterr() == (TABLE, "")


@pytest.mark.parametrize("name", ["NA", "nan", "null", "007", "1e5"])
def test_a_sample_keeps_its_name(figures, capsys, name):
    write_table(pd.DataFrame([METRICS | {"sample": name}]), "named.tsv")
    assert main(["summary", "named.tsv", "--sample", name]) == 0
    assert capsys.readouterr() == (TABLE, "")


def test_a_mistake_is_one_line_and_code_1(figures, capsys):
    assert main(["summary", "results/other"]) == 1
    assert capsys.readouterr() == (
        "",
        "error: results/other: no such table; name results/STUDY/metrics.tsv or the study file\n",
    )


def test_who_reads_may_stop_reading(figures):
    with subprocess.Popen(PRINT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 141


@needs_full_device
def test_a_full_disk_behind_the_output(figures):
    with open("/dev/full", "w") as full:
        done = subprocess.run(PRINT, stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert done.stderr == "error: standard output: No space left on device\n"
    assert done.returncode == 1


def test_ctrl_c(figures, capsys, monkeypatch):
    # shells have programs in the background ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("acuity.report.summary.summary", interrupt)
    assert main(["summary", "results/own"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_standard_output_may_be_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # as Python has it behind `>&-`
    assert main(["schema"]) == 0

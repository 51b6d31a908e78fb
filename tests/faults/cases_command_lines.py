"""Bad command lines: one sentence and a code that is not 0."""

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from functools import partial

import numpy as np
import pandas as pd
import yaml

from acuity.cli import main
from acuity.errors import AcuityError
from acuity.tables import write_table
from acuity.volume import Grid, Volume, write_volume
from tests.faults.case import Case

STUDY = {
    "study": "own",
    "samples": "own.tsv",
    "foam": {"size": 64, "diameter": [6, 20]},
    "levels": [3],
    "methods": {"richardson_lucy": None},
}
METRICS = {
    "study": "own",
    "sample": "unseen",
    "method": "cubic",
    "variant": "",
    "level": 3.0,
    "metric": "psnr",
    "subset": "all",
    "value": 20.5,
    "unit": "dB",
    "n": 1,
    "low": np.nan,
    "high": np.nan,
}
SPECTRUM = METRICS | {"metric": "spectrum_ratio_error", "subset": "aliased"}


def command(arguments):
    """Run a command; what it says, whatever it says it with, becomes an AcuityError."""
    with redirect_stderr(io.StringIO()) as said, redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
    text = said.getvalue().strip()
    assert code in (1, 2), (code, text)
    # argparse shows the usage above its sentence
    raise AcuityError(text.splitlines()[-1] if code == 2 else text.removeprefix("error: "))


def line(arguments, said, also=None):
    """A case: a command line beside own.yaml, own.tsv, metrics.tsv and v.ome.zarr."""

    def make(folder):
        (folder / "own.yaml").write_text(yaml.safe_dump(STUDY))
        (folder / "own.tsv").write_text("sample\trole\tseed\na\ttest\t1\n")
        write_table(pd.DataFrame([METRICS, SPECTRUM]), folder / "metrics.tsv")
        voxels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
        write_volume(
            folder / "v.ome.zarr", Volume(voxels, Grid((4, 4, 4), (1, 1, 1), (0, 0, 0), "um"))
        )
        if also:
            also(folder)
        return partial(command, arguments)

    return Case(f"command line: acuity {' '.join(arguments)[:60]}", make, said)


def write(name, content=b""):
    return lambda folder: (folder / name).write_bytes(content)


def table(name, **columns):
    return lambda folder: write_table(pd.DataFrame([columns]), folder / name)


CASES = [
    line([], r"error: the following arguments are required: COMMAND"),
    line(["chek", "own.yaml"], r"error: argument COMMAND: invalid choice: 'chek'"),
    line(["check"], r"error: the following arguments are required: study"),
    line(["check", "own.yaml", "train_all"], r"error: unrecognized arguments: train_all"),
    line(["check", "--deeep", "own.yaml"], r"error: unrecognized arguments: --deeep"),
    line(["check", "none.yaml"], r"^none\.yaml: no such study file$"),
    line(["check", "none/own.yaml"], r"^none/own\.yaml: no such study file$"),
    line(["check", "own.yaml/x"], r"^own\.yaml/x: no such study file$"),
    line(["check", "."], r"^\.: is a folder; allowed is a study file$"),
    line(["check", "/dev/null"], r"^/dev/null: is a pipe or a device"),
    line(["check", "pipe"], r"^pipe: is a pipe or a device", lambda folder: os.mkfifo(folder / "pipe")),
    line(["check", "s" * 5000], r"cannot be read as a study file \(File name too long\)"),
    line(["check", "a\0b"], r"cannot be read as a study file \(embedded null byte\)"),
    line(["check", "own.tsv"], r"^own\.tsv: not a YAML file"),
    line(["check", "v.ome.zarr"], r"^v\.ome\.zarr: is a folder; allowed is a study file$"),
    line(["check", "metrics.tsv"], r"^metrics\.tsv: not a YAML file"),
    line(["plan", "own.yaml", "--cores", "0"], r"^--cores: found 0; allowed is a whole number from 1 up$"),
    line(["plan", "own.yaml", "--cores", "two"], r"argument --cores: found 'two'; allowed is a whole number"),
    line(["plan", "own.yaml", "--cores", "²"], r"argument --cores: found '²'; allowed is a whole number"),
    line(["plan", "own.yaml", "--cores", "9" * 5000], r"argument --cores: found '9.*; allowed is a whole number"),
    line(["plan", "own.yaml", "--gpus", "1.5"], r"argument --gpus: found '1\.5'; allowed is a whole number"),
    line(["plan", "own.yaml", "--memory", "64 gigabytes"], r"argument --memory: found '64 gigabytes'; allowed is a size"),
    line(["plan", "own.yaml", "--disk", "-1G"], r"argument --disk: .*"),
    line(["plan", "none.yaml"], r"^none\.yaml: no such study file$"),
    line(["summary"], r"error: the following arguments are required: metrics"),
    line(["summary", "none.tsv"], r"^none\.tsv: no such table; name results/STUDY/metrics\.tsv or the study file$"),
    line(["summary", "own.yaml"], r"^results/own/metrics\.tsv: no such table; run it first, in this folder: snakemake --configfile own\.yaml$"),
    line(["summary", "none.yaml"], r"^none\.yaml: no such study file$"),
    line(["summary", "other.yaml"], r"^other\.yaml: is no study file; it has no key 'study' with a name$", write("other.yaml", b"name: own\n")),
    line(["summary", "list.yaml"], r"^list\.yaml: is no study file", write("list.yaml", b"- own\n")),
    line(["summary", "up.yaml"], r"^up\.yaml: is no study file", write("up.yaml", b"study: ../up\n")),
    line(["summary", "v.ome.zarr"], r"^v\.ome\.zarr/metrics\.tsv: no such table; name the folder results/STUDY$"),
    line(["summary", "v.ome.zarr/zarr.json"], r"^v\.ome\.zarr/zarr\.json: "),
    # a user's own file: not to be removed
    line(["summary", "own.tsv"], r"^own\.tsv: is not the table of a study's figures, it has no column 'method'"),
    line(["summary", "image.tif"], r"^image\.tif: is not the table of a study's figures", write("image.tif", bytes(range(256)))),
    line(["summary", "metrics.tsv.seal"], r"^metrics\.tsv\.seal: is not the table of a study's figures"),
    line(["summary", "copy.tsv"], r"^copy\.tsv: its seal copy\.tsv\.seal is not beside it.* copy the seal too", lambda folder: write("copy.tsv", (folder / "metrics.tsv").read_bytes())(folder)),
    line(["summary", "pores.tsv"], r"^pores\.tsv: is not the table of a study's figures, it has no column 'sample'", table("pores.tsv", label=1, volume=3)),
    line(["summary", "words.tsv"], r"^words\.tsv: is not the table .*words in the column 'value'", table("words.tsv", **METRICS | {"value": "good"})),
    line(["summary", "metrics.tsv", "--sample", "nobody"], r"^metrics\.tsv: no figures of sample 'nobody'$"),
    line(["summary", "metrics.tsv", "--by-size", "psnr"], r"^metrics\.tsv: metric 'psnr' is not given by size class$"),
    line(["summary", "metrics.tsv", "--by-size", "spectrum_ratio_error"], r"^metrics\.tsv: metric 'spectrum_ratio_error' is not given by size class$"),
    line(["export", "v.ome.zarr"], r"error: the following arguments are required: output"),
    line(["export", "none.ome.zarr", "o.tif"], r"^none\.ome\.zarr: no such volume"),
    line(["export", "own.yaml", "o.tif"], r"^own\.yaml: is a file, allowed is a volume's folder"),
    line(["export", ".", "o.tif"], r"zarr\.json: is not there"),
    line(["export", "v.ome.zarr", "o.png"], r"^o\.png: found the ending '\.png', allowed are \.tif"),
    line(["export", "v.ome.zarr", "metrics.tif"], r"^metrics\.tif: is there already", write("metrics.tif")),
    line(["export", "v.ome.zarr", "own.tsv/o.tif"], r"^own\.tsv/o\.tif: cannot be written \(File exists: own\.tsv\)\.$"),
    line(["export", "v.ome.zarr", "o" * 300 + ".tif"], r"^o+\.tif: cannot be written \(File name too long"),
]  # fmt: skip

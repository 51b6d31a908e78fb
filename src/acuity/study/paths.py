"""The grammar of result paths, written once: where each thing of a study lies below results/STUDY."""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

# What wildcards in paths stand for; samples and scans are those of a study.
WILDCARDS = {
    "level": r"[0-9]+(\.[0-9]+)?",
    "method": r"[a-z][a-z0-9_]*(@[a-z0-9_]+)?([+][0-9]+)?",
    "image": r"truth|level[0-9.]+/[a-z0-9_@+]+",
    "stack": "recorded|disturbed|undisturbed",
    "exposure": "coarse|fine",
    "slab": "[0-9]+",
}
# The pages of samples.
PAGES = ("sample", "restored", "stack", "axial", "sem", "pair")
# Where it is not known of which study a path is; and what is no wildcard of a rule.
_ANY = {"sample": "[^/]+", "scan": "(low/|middle/)?[^/]+"}
_WORDS = {"rule": "[a-z_]+", "page": "|".join(PAGES[1:]), "stage": "[a-z]+", "name": ".+"}


class Log(NamedTuple):
    """Where the log of a job lies, below logs/STUDY and without ending, and what the job makes.

    Attributes
    ----------
    path : str
        With wildcards; ``{rule}`` is the name of the rule itself.
    rule : str
        The rule, where the path does not name it.
    stored : tuple of str
        What counts as its results below results/STUDY, as patterns; ``{}`` is the path.
    """

    path: str
    rule: str = "{rule}"
    stored: tuple[str, ...] = ()


_STORE = ("{}.ome.zarr",)
LOGS = (
    Log("simulate/{sample}/spheres", "spheres", ("{}.tsv",)),
    Log("simulate/{sample}/exact_truth", "exact_truth", ("simulate/{sample}/exact*.ome.zarr",)),
    Log("simulate/{sample}/specimen", "specimen", ("simulate/{sample}/*.ome.zarr",)),
    Log("simulate/{sample}/level{level}", "projections", ("{}.h5",)),
    Log("simulate/{sample}/bodies", "specimen_bodies", ("{}.tsv",)),
    Log("simulate/{sample}/judged", "judged_region", _STORE),
    Log("simulate/{sample}/field", "restored_field", _STORE),
    Log("simulate/{sample}/{exposure}", "scan_specimen", ("{}.h5",)),
    Log("reconstruct/{sample}/truth", "reconstruct_truth", _STORE),
    Log("reconstruct/{sample}/noise_free", "reconstruct_noise_free", _STORE),
    Log("reconstruct/{sample}/{exposure}", "reconstruct_scan", _STORE),
    Log("pair/{sample}/judge_map", "judge_map"),
    Log("measure/{sample}/dose", "dose"),
    Log("reconstruct/{sample}/level{level}", "reconstruct", _STORE),
    Log("degrade/{sample}/level{level}", "degrade", _STORE),
    Log("ingest/{scan}", "ingest", _STORE),
    Log("describe/{sample}/level{level}", "describe", ("{}.json",)),
    Log("disturb/{sample}", "disturb", ("{}/*.ome.zarr",)),
    Log("align/{sample}/transform", "apply_alignment", ("align/{sample}/*.ome.zarr",)),
    Log("align/{sample}/{stack}", "align"),
    Log("pair/{sample}", "pair", ("{}/*.ome.zarr",)),
    Log("pair/{sample}/divide_pair", "divide_pair"),
    Log("judged/{sample}/{image}", "judge_part", _STORE),
    Log("train/{method}/level{level}", "train"),
    Log("take/{method}/level{level}", "take_model"),
    Log("take/{method}/level{level}/judged", "take_judged"),
    Log(
        "predict/{sample}/level{level}/{method}",
        "predict",
        (*_STORE, "predict/{sample}/level{level}/disagreement/{method}.ome.zarr"),
    ),
    Log("segment/{sample}/smoothed/{image}", "smooth_for_segmentation", _STORE),
    Log("segment/{sample}/{image}", "segment", _STORE),
    Log("measure/{sample}/align/check", "check_alignment"),
    Log(
        "measure/{sample}/{image}/quality",
        "quality",
        ("measure/{sample}/{image}/ms_ssim.ome.zarr",),
    ),
    Log("measure/{sample}/{image}/{rule}"),
    Log("{rule}"),
    Log("figures/{sample}-{page}", "{page}_figures"),
    Log("figures/{sample}", "sample_figures"),
    Log("report/{page}/{sample}", "report_{page}"),
    Log("report/{sample}", "report_sample"),
)
# Where results lie, below results/STUDY and without ending; the first that fits holds.
RESULTS = (
    "simulate/{sample}/level{level}",
    "simulate/{sample}/{exposure}",
    "reconstruct/{sample}/level{level}",
    "reconstruct/{sample}/{exposure}",
    "degrade/{sample}/level{level}",
    "describe/{sample}/level{level}",
    "predict/{sample}/level{level}/{method}",
    "predict/{sample}/level{level}/disagreement/{method}",
    "train/{method}/level{level}/{name}",
    "ingest/{scan}",
    "align/{sample}/{stack}/{name}",
    "judged/{sample}/{image}",
    "segment/{sample}/{image}",
    "segment/{sample}/smoothed/{image}",
    "segment/{sample}/numbers/{image}",
    "measure/{sample}/align/{stack}",
    "measure/{sample}/{image}/census/{slab}",
    "measure/{sample}/{image}/{name}",
    "report/index",
    "report/{page}/{sample}",
    "report/{sample}",
    "{stage}/{sample}/{name}",
)
# Tables of the whole study, by the names that pages and figures know them by.
STUDY_TABLES = {
    "metrics": "metrics.tsv",
    "pores": "pores.tsv",
    "curves": "curves.tsv",
    "spaces": "pore_space.tsv",
}
# How results end; volumes: their root file, what their slabs agree upon, and what each leaves.
_ENDING = re.compile(
    r"\.(ome\.zarr/(zarr\.json|\.slabs/(store|(?P<slab>[0-9]+))\.json)|h5|html|json|npz|png|svg|tsv)$"
)


@cache
def _pattern(path):
    """The regular expression of a path with wildcards."""
    known = WILDCARDS | _ANY | _WORDS
    parts = re.split(r"\{(\w+)\}", path)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [f"(?P<{name}>{known[name]})" for name in parts[1::2]]
    return re.compile("".join(parts))


def _wildcards(match):
    return {k: v for k, v in match.groupdict().items() if k in WILDCARDS or k in _ANY}


def read_log(path: str) -> tuple[str | None, dict[str, str], list[str]]:
    """Return of which job a log is.

    Parameters
    ----------
    path : str
        Below logs/STUDY, without ending.

    Returns
    -------
    rule : str or None
        None where no rule writes such a log. Volumes are made worse by the rule ``degrade``, and
        restored by ``predict``, whatever the rule is called in a kind of study.
    wildcards : dict of str to str
    stored : list of str
        What counts as its results, as patterns below results/STUDY.
    """
    path, *part = re.split(r"/(init|slab)[0-9]*$", path)
    for log in LOGS:
        if match := _pattern(log.path).fullmatch(path):
            words = match.groupdict()
            rule, stored = log.rule.format(**words), [] if part else log.stored
            rule = f"{rule}_{part[0]}" if part else rule
            return rule, _wildcards(match), [name.format(path, **words) for name in stored]
    return None, {}, []


def read_result(path: str) -> dict[str, str]:
    """Return the wildcards of the job that makes a result.

    Parameters
    ----------
    path : str
        Below results/STUDY.

    Returns
    -------
    dict of str to str
    """
    ending = _ENDING.search(path)
    stem, slab = (path[: ending.start()], ending["slab"]) if ending else (path, None)
    match = next(filter(None, (_pattern(place).fullmatch(stem) for place in RESULTS)), None)
    return (_wildcards(match) if match else {}) | ({"slab": slab} if slab else {})


def either(names: Iterable[str]) -> str:
    """Return a regular expression for any of some names; for none, one that matches no wildcard."""
    return "|".join(map(re.escape, names)) or "$."


def wildcards(samples: Iterable[str]) -> dict[str, str]:
    """Return what the wildcards of a study's paths stand for, as regular expressions by name."""
    names = either(samples)
    return WILDCARDS | {"sample": names, "scan": f"(low/|middle/)?({names})"}


def volume(stem: str) -> str:
    """Return the path of a volume: its root zarr.json, which is written last.

    Parameters
    ----------
    stem : str
        Its path without ending, such as ``ingest/a``.

    Returns
    -------
    str
    """
    return f"{stem}.ome.zarr/zarr.json"


def described(sample: str, level: str) -> str:
    """Return the path of what a sample's low-resolution volume is to models."""
    return f"describe/{sample}/level{level}.json"


def model(method: str, level: str, name: str = "model.json") -> str:
    """Return the path of a file of a trained model: card, weights or history."""
    return f"train/{method}/level{level}/{name}"


def table(sample: str, image: str, name: str) -> str:
    """Return the path of a table that was measured of an image."""
    return f"measure/{sample}/{image}/{name}.tsv"

"""The cache between workflows: what may be in it, and that no entry is taken for another."""

import re

import pytest

from tests.conftest import ROOT, Workflow

STUDY = {
    "study": "tiny",
    "samples": "tiny.tsv",
    "foam": {"size": 32, "diameter": [5, 12], "small_below": 7, "min_gap": 1, "max_pores": 20},
    "levels": [2],
    "methods": {"richardson_lucy": {"iterations": 1}},
}
SHEET = "sample\trole\tseed\na\ttest\t1\nb\ttest\t2\n"
CACHE = ("--cache", "spheres", "projections")


def rules():
    return [
        "rule " + block
        for file in sorted((ROOT / "rules").glob("*.smk"))
        for block in file.read_text().split("\nrule ")[1:]
    ]


def part(rule, directive):
    match = re.search(rf"^    {directive}:(.*?)(?=^    \w+:|\Z)", rule, re.M | re.S)
    return match and match[1]


def makes_a_volume(rule):
    return "volume(" in (part(rule, "output") or "")


def reason_against_cache(rule):
    """Why the results of a rule may not be shared between workflows; None where they may."""
    if makes_a_volume(rule):
        return "a hit would bring zarr.json back without its chunks"
    if re.search(r"volume\(|lambda", part(rule, "input") or ""):
        return "the key tells the jobs upstream, not which of their outputs is read"
    if part(rule, "benchmark"):
        return "a hit has no run time"
    params = part(rule, "params")
    missing = [
        name
        for name in set(re.findall(r"\{(\w+)\}", part(rule, "output")))
        if f"w.{name}" not in params
    ]
    if missing:
        return f"the key leaves the wildcard {missing[0]} out"
    return None if "code=" in params else "an edit of the library would not be seen"


def test_rules_with_a_cache_may_have_one():
    cached = {rule.split()[1]: rule for rule in rules() if part(rule, "cache")}
    assert set(cached) == {"spheres:", "projections:", "scan_specimen:"}
    assert [reason_against_cache(rule) for rule in cached.values()] == [None] * 3


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('results("simulate/{sample}/level{level}.h5")', 'volume("{sample}/{level}")', "chunks"),
        ("w.level", "level", "wildcard level"),
        ("w.sample", "sample", "wildcard sample"),
        ("code=", "cod=", "library"),
        ("cache: CACHED", "cache: CACHED\n    benchmark:\n        records('x')", "run time"),
        ('**tables(spheres="', 'spheres=volume("', "outputs is read"),
    ],
)
def test_a_rule_that_must_not_be_cached_is_told(old, new, reason):
    (rule,) = [rule for rule in rules() if rule.split()[1] == "projections:"]
    assert old in rule
    assert reason in reason_against_cache(rule.replace(old, new))


@pytest.mark.parametrize("rule", ["exact_truth", "check_alignment"])
def test_any_other_rule_is_refused(workflow, rule):
    """Snakemake would cache what ``--cache`` names, with the directive or without it."""
    path = workflow.write_study(STUDY, SHEET)
    done = workflow.run("-n", "--cache", "spheres", rule, "--configfile", path, check=False)
    assert done.returncode != 0
    assert (
        f"--cache: found {rule}, allowed are spheres, projections and scan_specimen" in done.stdout
    )


def test_entries_are_reused_and_never_mixed_up(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))

    def run(name, edit=None):
        """Scan both foams in a folder of its own: the files, and the jobs that ran."""
        folder = tmp_path / name
        folder.mkdir()
        workflow = Workflow(folder)
        if edit:
            with (folder / "src" / "acuity" / edit).open("a") as file:
                file.write("\nEDITED = True\n")
        path = workflow.write_study({**STUDY, "study": name}, SHEET)
        made = folder / "results" / name / "simulate"
        files = [f"{made.relative_to(folder)}/{sample}/level2.h5" for sample in "ab"]
        text = workflow.run(*files, *CACHE, "--configfile", path).stdout
        assert workflow.planned(*files, "--configfile", path) == {}  # without the cache as well
        ran = re.findall(r"Moving output file \S+/simulate/(\S+) to cache", text)
        found = {str(f.relative_to(made)): f.read_bytes() for f in made.rglob("*") if f.is_file()}
        return found, set(ran)

    spheres = {f"{sample}/spheres.tsv{end}" for sample in "ab" for end in ("", ".seal")}
    scans = {"a/level2.h5", "b/level2.h5"}
    first, ran = run("first")
    assert ran == spheres | scans
    # Two values of a wildcard have two entries.
    assert len([entry for entry in cache.iterdir() if entry.is_file()]) == 6
    assert first["a/spheres.tsv"] != first["b/spheres.tsv"]
    assert first["a/level2.h5"] != first["b/level2.h5"]

    again, ran = run("second")
    assert ran == set()
    assert again == first

    # An edit of the library: what it reaches is computed, the rest is taken.
    _, ran = run("third", edit="simulate/acquire.py")
    assert ran == scans

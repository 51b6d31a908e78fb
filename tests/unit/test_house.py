"""The house: pins, environments, documentation and layout agree."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from acuity.study.reading import read_keys
from acuity.study.sheet import read_sheet
from tests.conftest import ROOT


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in found.items()}


def requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for group in groups for text in group if "acuity[" not in text]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_dependency_is_pinned_within_its_range(requirement):
    version = pins()[requirement.name.lower()]
    assert requirement.specifier.contains(Version(version), prereleases=True)


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_dependency_has_a_reason(requirement):
    text = (ROOT / "docs" / "dependencies.md").read_text().lower()
    assert requirement.name.lower() in text


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "config" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_each_documentation_page_is_listed():
    listed = (ROOT / "docs" / "README.md").read_text()
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "README.md" or page.name in listed


def loaded(*lines):
    """Which of the libraries that take long to load a piece of code loads."""
    last = "print(*sorted({'numba', 'scipy', 'torch'} & set(sys.modules)))"
    code = "\n".join(["import sys", *lines, last])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.split()


def test_a_start_of_snakemake_loads_nothing_that_computes():
    imports = [
        line
        for line in (ROOT / "rules" / "common.smk").read_text().splitlines()
        if line.startswith("from acuity")
    ]
    plan = [
        "from acuity.study.reading import read_study",
        "from acuity.study.project import Project",
        "plan = Planner(Project(*read_study('config/config.yaml')))",
        "image = {'sample': 'foam-2', 'image': 'level3/deepnet', 'level': '3', 'method': 'deepnet'}",
        "[plan.request(rule, image) for rule in ('reconstruct', 'train', 'predict', 'segment')]",
    ]
    assert loaded(*imports, *plan) == []
    assert loaded("import acuity.reconstruct.reconstruct") == ["numba", "scipy"]


def unlisted(text):
    """Test samples of the studies that come with the project and are not in docs/seeds.md."""
    rows = [[c.strip() for c in line.split("|")] for line in text.splitlines() if line[:2] == "| "]
    missing = []
    for file in [ROOT / "config/config.yaml", *(ROOT / "config/studies").glob("*.yaml")]:
        _, _, samples = read_sheet(file.parent / read_keys(file)["samples"])
        told = [row for row in rows if file.name in row[3]]
        for sample in (sample for _, sample in samples if sample["role"] == "test"):
            if sample.get("seed"):
                found = any(sample["seed"] in row[2].split(", ") for row in told)
            else:
                kinds = [row[1].split(",")[0] for row in told]
                parts = Path(sample["path"]).parts
                found = any(part.startswith(kind) for part in parts for kind in kinds)
            missing += [] if found else [(file.name, sample["sample"])]
    return missing


def test_every_sample_that_is_judged_is_listed():
    text = (ROOT / "docs/seeds.md").read_text()
    assert unlisted(text) == []
    missing = unlisted(text.replace("| 11, 12, 13, 14 |", "| 11, 12, 13 |"))
    assert sorted(missing) == [("semnet-small.yaml", "gold-14"), ("semnet.yaml", "gold-14")]
    assert ("sand.yaml", "sand-test") in unlisted(text.replace("sand_100", "sand_1"))


@pytest.mark.parametrize("page", ["restored", "stack", "axial", "sem"])
def test_each_figure_of_a_page_has_a_caption_by_which_its_rule_finds_it(page):
    figures = importlib.import_module(f"acuity.report.{page}").FIGURES
    captions = (ROOT / "config" / "captions").glob(f"{page}_*.rst")
    assert sorted(path.stem for path in captions) == sorted(figures)

"""The house: pins, environments, documentation and layout agree."""

import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

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
        "from acuity.study import read_study",
        "plan = Planner(*read_study('config/config.yaml'))",
        "image = {'sample': 'foam-2', 'image': 'level3/deepnet', 'level': '3', 'method': 'deepnet'}",
        "[plan.request(rule, image) for rule in ('reconstruct', 'train', 'predict', 'segment')]",
    ]
    assert loaded(*imports, *plan) == []
    assert loaded("import acuity.reconstruct.reconstruct") == ["numba", "scipy"]

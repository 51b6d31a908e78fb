"""Conda environment and images: the pins of constraints.txt and no others."""

import re

import pytest
import yaml

from tests.conftest import ROOT

RECIPES = ["Dockerfile", "acuity.def"]
INSTALL = "pip install --no-cache-dir --requirement /opt/constraints.txt"


def pins(lines):
    lines = [line.strip() for line in lines]
    return sorted(line for line in lines if line and not line.startswith("#"))


def difference(constraints, environment):
    """Pins that stand in one of the two files alone."""
    packages = yaml.safe_load(environment)["dependencies"][-1]["pip"]
    return set(pins(constraints.splitlines())) ^ set(pins(packages))


def text(name):
    return (ROOT / name).read_text()


def test_conda_environment_has_the_pins():
    constraints, environment = text("constraints.txt"), text("envs/acuity.yaml")
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins(constraints.splitlines()))
    assert difference(constraints, environment) == set(), "run: make envs/acuity.yaml"


@pytest.mark.parametrize(
    ("old", "new"),
    [("numpy==", "numpy==1"), ("      - zarr==", "      # zarr=="), ("- numba==", "- numba>=")],
)
def test_a_pin_that_differs_is_told(old, new):
    environment = text("envs/acuity.yaml")
    assert old in environment
    assert difference(text("constraints.txt"), environment.replace(old, new))


def packages_named(recipe):
    """Packages that a recipe installs beside those of the constraints file."""
    lines = [line for line in recipe.splitlines() if not line.startswith("#")]
    installs = [line.strip() for line in lines if re.search(r"\b(pip|apt-get|conda)\b", line)]
    return [line for line in installs if line.removeprefix("RUN ") != INSTALL]


@pytest.mark.parametrize("name", RECIPES)
def test_images_install_the_constraints_and_nothing_else(name):
    recipe = text(f"envs/{name}")
    assert INSTALL in recipe
    assert packages_named(recipe) == []
    assert packages_named(recipe + "\n    pip install numpy==1.0\n")  # the check sees one more


def test_one_python():
    (base,) = {re.search(r"(?mi)^from:? (\S+)", text(f"envs/{name}"))[1] for name in RECIPES}
    conda = re.search(r"python=(\d+\.\d+)", text("envs/acuity.yaml"))[1]
    assert base.startswith(f"python:{conda}-")

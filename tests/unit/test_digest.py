"""The digest changes with the code that a script reaches, and with nothing else."""

import ast
import os
import shutil
import sys
from pathlib import Path

import pytest

from acuity import digest as digest_module
from acuity.digest import closure, digest
from acuity.measures.base import known as measures
from acuity.methods.base import known

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "acuity"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the package and scripts that a test may edit."""
    shutil.copytree(PACKAGE, tmp_path / "acuity", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    monkeypatch.setattr(digest_module, "ROOT", tmp_path / "acuity")
    clear()
    yield tmp_path
    clear()


def clear():
    digest_module._read.cache_clear()
    digest_module._kept.cache_clear()


def edited(tree, file, old="", new="", append=""):
    path = tree / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) + append)
    clear()


def test_comment_docstring_and_touch_do_not_count(tree):
    script = tree / "scripts" / "spheres.py"
    before = digest(script)
    edited(tree, "acuity/simulate/foam.py", append="\n# a remark\n")
    edited(tree, "acuity/tables.py", old='"""Tab-separated', new='"""Any tab-separated')
    edited(tree, "scripts/spheres.py", append="\n\n# another\n")
    assert digest(script) == before


def test_code_counts_in_script_and_library(tree):
    script = tree / "scripts" / "spheres.py"
    before = digest(script)
    edited(tree, "acuity/tables.py", append="\nEXTRA = 1\n")
    after = digest(script)
    assert after != before
    edited(tree, "scripts/spheres.py", append="\nEXTRA = 1\n")
    assert digest(script) != after


def test_what_was_read_is_kept_and_never_taken_for_something_else(tree, monkeypatch):
    script, kept = tree / "scripts" / "spheres.py", digest_module._memory(tree / "acuity")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = digest(script)
    assert not kept.exists()  # as Python is told to keep nothing
    clear()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert digest(script) == before
    assert kept.exists()
    clear()
    with monkeypatch.context() as once:
        once.setattr(digest_module, "_parse", None)  # nothing is read again
        assert digest(script) == before
    # Another content of the same length and time is another content.
    file = tree / "acuity/tables.py"
    status, text = file.stat(), file.read_bytes()
    file.write_bytes(text + b"\nEXTRA = 1\n")
    clear()
    after = digest(script)
    file.write_bytes(text + b"\nEXTRA = 2\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    clear()
    assert len({before, after, digest(script)}) == 3
    file.write_bytes(text)
    # Neither a file that is harmed nor one of another code is believed.
    for harm in (
        lambda old: old[: len(old) // 2],
        lambda old: "[]",
        lambda old: old.replace('"code": "', '"code": "0'),
    ):
        kept.write_text(harm(kept.read_text().replace('"acuity', '"acuityyy')))
        clear()
        assert digest(script) == before
    # A folder that cannot be written: nothing is kept, and nothing is lost.
    shutil.rmtree(kept.parent)
    kept.parent.write_text("")
    clear()
    assert digest(script) == before


def test_unreached_module_does_not_count(tree):
    script = tree / "scripts" / "spheres.py"
    before = digest(script)
    edited(tree, "acuity/measure/quality.py", append="\nEXTRA = 1\n")
    assert digest(script) == before


def test_a_method_counts_for_itself_alone(tree):
    script = tree / "scripts" / "predict.py"
    before = {name: digest(script, method=name) for name in ("deepnet", "richardson_lucy")}
    edited(tree, "acuity/methods/richardson_lucy.py", append="\nEXTRA = 1\n")
    assert digest(script, method="deepnet") == before["deepnet"]
    assert digest(script, method="richardson_lucy") != before["richardson_lucy"]


def test_a_kind_of_specimen_counts_for_itself_alone(tree):
    script = tree / "scripts" / "specimen.py"
    before = {name: digest(script, specimen=name) for name in ("gold", "hydrogel")}
    edited(tree, "acuity/simulate/hydrogel.py", append="\nEXTRA = 1\n")
    assert digest(script, specimen="gold") == before["gold"]
    assert digest(script, specimen="hydrogel") != before["hydrogel"]


def test_a_measure_counts_for_itself_alone(tree):
    script, names = tree / "scripts" / "measure.py", ("edges", "fsc", "gaps")
    before = {name: digest(script, measure=name) for name in names}
    edited(tree, "acuity/measures/edges.py", append="\nEXTRA = 1\n")
    edited(tree, "acuity/measure/fsc.py", append="\nEXTRA = 1\n")
    changed = {name for name in names if digest(script, measure=name) != before[name]}
    assert changed == {"edges", "fsc"}


def test_every_reader_counts_for_who_reads_files(tree):
    scripts = {name: tree / "scripts" / f"{name}.py" for name in ("ingest", "align")}
    before = {name: digest(script) for name, script in scripts.items()}
    edited(tree, "acuity/formats/readers/mrc.py", append="\nEXTRA = 1\n")
    changed = {name for name, script in scripts.items() if digest(script) != before[name]}
    assert changed == {"ingest"}
    clear()
    (tree / "acuity/formats/readers/gipl.py").write_text("EXTRA = 1\n")
    assert "acuity.formats.readers.gipl" in closure(scripts["ingest"])


def test_scripts_never_reach_the_study_nor_all_methods():
    for script in (ROOT / "scripts").glob("*.py"):
        reached = closure(script)
        assert not any(name.startswith("acuity.study") for name in reached), script.name
        methods = {name.removeprefix("acuity.methods.") for name in reached} & set(known())
        assert not methods, script.name
    for name in measures():
        reached = closure(ROOT / "scripts" / "measure.py", measure=name)
        assert not any(name.startswith("acuity.study") for name in reached), name


def test_library_never_imports_snakemake_and_inits_are_empty():
    for path in PACKAGE.rglob("*.py"):
        if path.name == "__init__.py":
            assert path.read_text() == "", path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            else:
                continue
            assert not any(name.split(".")[0] == "snakemake" for name in names), path


def test_the_only_dynamic_imports_are_the_loaders():
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = getattr(node, "func", None)
            name = getattr(called, "attr", getattr(called, "id", None))
            if isinstance(node, ast.Call) and name in {
                "import_module",
                "__import__",
                "exec",
                "eval",
            }:
                # torch's module.eval() is no evaluation of code
                if name == "eval" and isinstance(called, ast.Attribute):
                    continue
                found.append(path.relative_to(PACKAGE).as_posix())
    assert sorted(set(found)) == ["plugins.py", "simulate/specimens/base.py"]


def test_pages_of_foams_count_nothing_that_only_other_pages_show():
    others = {"acuity.report.sem", "acuity.report.axial", "acuity.report.stack"}
    page, figures = ROOT / "scripts" / "page.py", ROOT / "scripts" / "figures.py"
    for name in ("study", "sample"):
        assert not others & set(closure(figures, page=f"drawn.{name}")), name
    for name in ("index", "sample"):
        assert not others & set(closure(page, page=name)), name
    for name in ("sem", "axial", "stack"):
        found = set(closure(page, page=f"{name}_page"))
        assert found & others == {f"acuity.report.{name}"}
    # Figures do not count what lays them out.
    pages = {name for name in closure(figures, page="drawn.sem") if "sections" in name}
    assert not pages

"""Small wrong changes to the library, and whether its tests notice: cosmic-ray's mutants.

    make mutants                                         # 300 mutants of seed 1
    python benchmarks/mutants.py --seed 2 --count 300
    python benchmarks/mutants.py --seed 3 --module measure/pores.py --count 20 --output /tmp/pores.tsv
    python benchmarks/mutants.py --summary               # the tables that lie there, as in docs

A mutant is one operator, number or keyword of one file changed. They are drawn at random by the seed,
from each file in proportion to how many it has; those of earlier tables are not drawn again. Each is
put into a copy of the tree, and the tests that `mutants/tests.tsv` names for its file run until one
fails. A row is written when a mutant is judged, and a run that was stopped goes on from there. What
`mutants/equivalent.tsv` lists was read and changes nothing that a caller could see: it counts as
neither caught nor missed.
"""

import argparse
import contextlib
import csv
import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import cosmic_ray.plugins
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

# What tests import, but for the package itself: loaded once, and each mutant's process is a fork.
os.environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
LIBRARIES = (
    "h5py",
    "matplotlib",
    "numba",
    "pandas",
    "scipy.ndimage",
    "skimage",
    "tifffile",
    "torch",
)
for _library in LIBRARIES:
    importlib.import_module(_library)

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "acuity"
TABLES = ROOT / "benchmarks" / "mutants"
WHERE = (
    "measure",
    "register",
    "reconstruct",
    "simulate",
    "formats",
    "segment",
    "engine/tiles.py",
    "geometry.py",
    "field_of_view.py",
    "threshold.py",
)
COLUMNS = ("file", "line", "operator", "occurrence", "before", "after", "verdict", "seconds", "by")
TREE = ("src", "tests", "scripts", "rules", "config", "profiles", "envs", "benchmarks", "docs")


def modules():
    """Yield the files that are changed, relative to the package."""
    for place in WHERE:
        found = [PACKAGE / place] if place.endswith(".py") else (PACKAGE / place).glob("*.py")
        yield from sorted(str(f.relative_to(PACKAGE)) for f in found if f.name != "__init__.py")


def tests_of(file):
    """The test files of a module, quickest first, as `tests.tsv` says."""
    with (TABLES / "tests.tsv").open() as table:
        rows = {row["file"]: row["tests"].split() for row in csv.DictReader(table, delimiter="\t")}
    return [f"tests/unit/{name}" for name in rows[file]]


def mutants(file):
    """List a module's mutants: operator, occurrence, line, where it begins and ends."""
    tree = get_ast((PACKAGE / file).read_text())
    found = []
    for name in sorted(cosmic_ray.plugins.operator_names()):
        kind = cosmic_ray.plugins.get_operator(name)
        if kind.arguments() or name.endswith("no-op"):
            continue
        operator = kind()
        places = (place for node in ast_nodes(tree) for place in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(places):
            found.append((file, name.removeprefix("core/"), occurrence, start[0]))
    return found


def draw(seed, count, files, without=()):
    """Draw mutants: from each file as many as its share of all, at least one, at random."""
    all_of = {file: mutants(file) for file in files}
    total = sum(map(len, all_of.values()))
    shares = {file: count * len(found) / total for file, found in all_of.items()}
    take = {file: max(1, int(share)) for file, share in shares.items() if all_of[file]}
    by_rest = sorted(take, key=lambda file: (take[file] - shares[file], file))
    while sum(take.values()) < count:
        for file in by_rest:
            if sum(take.values()) < count:
                take[file] += 1
    drawn = []
    for file in sorted(take):
        # A file's draw depends on the seed and its name alone, not on the other files.
        digits = hashlib.sha256(f"{seed} {file}".encode()).digest()
        order = random.Random(digits).sample(all_of[file], len(all_of[file]))
        new = [m for m in order if m[:3] not in without]
        drawn += new[: take[file]]
    random.Random(seed).shuffle(drawn)
    return drawn[:count]


class Tree:
    """A copy of the working tree in which one mutant lives at a time."""

    def __init__(self, folder):
        self.folder = folder
        for name in TREE:
            shutil.copytree(ROOT / name, folder / name)
        for name in ("pyproject.toml", "Snakefile", "Makefile", "constraints.txt", "README.md"):
            shutil.copy2(ROOT / name, folder / name)

    def mutate(self, mutant, pristine):
        """Put a mutant into the sources as they were; gives the first line that differs, twice."""
        file, name, occurrence, _ = mutant
        shutil.rmtree(self.folder / "src")
        shutil.copytree(pristine / "src", self.folder / "src")
        path = self.folder / "src" / "acuity" / file
        before = path.read_text()
        after = mutate_code(before, cosmic_ray.plugins.get_operator(f"core/{name}")(), occurrence)
        path.write_text(after)
        self._forget_kernels(path)
        lines = zip(before.splitlines(), after.splitlines(), strict=False)
        return next(((a.strip(), b.strip()) for a, b in lines if a != b), ("", ""))

    def _forget_kernels(self, file):
        """Drop compiled kernels of a module and of all that import it.

        numba looks at a kernel's own file alone, and what it compiled may hold the body of a kernel
        of another one.
        """
        package = self.folder / "src"
        text = {path: path.read_text() for path in package.rglob("*.py")}
        reached, new = set(), {file}
        while new:
            reached |= new
            names = {".".join(path.relative_to(package).with_suffix("").parts) for path in new}
            new = {
                path
                for path, body in text.items()
                if path not in reached and any(f"from {name} import" in body for name in names)
            }
        for path in reached:
            for kernel in path.parent.glob(f"__pycache__/{path.stem}.*.nb?"):
                kernel.unlink()

    def test(self, files, seconds, notes=None):
        """Run tests, the quickest first, until one fails. Ends this process."""
        notes = notes or self.folder
        with (notes / "output.txt").open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.chdir(self.folder)
        sys.path.insert(0, str(self.folder / "src"))
        sys.path.insert(0, str(self.folder))
        os.environ |= {"PYTHONPATH": str(self.folder / "src"), "ACUITY_NOT_COMPILED": "1"}
        options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
        code = 70
        try:
            code = pytest.main([*options, *files], plugins=[QuickestFirst(notes, seconds)])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def output(self, notes=None):
        """What the tests printed, and the name of the one that failed."""
        text = ((notes or self.folder) / "output.txt").read_text()
        failed = re.search(r"^(?:FAILED|ERROR) ([^\s\[]+)", text, re.M)
        return text, failed[1] if failed else ""


class QuickestFirst:
    """Sort tests by the seconds that they took without a mutant, and note these."""

    def __init__(self, folder, seconds):
        self.folder, self.seconds, self.taken = folder, seconds, {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):  # noqa: D102
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report):  # noqa: D102
        self.taken[report.nodeid] = self.taken.get(report.nodeid, 0) + report.duration

    def pytest_sessionfinish(self):  # noqa: D102
        (self.folder / "seconds.json").write_text(json.dumps(self.taken))


def judge(mutants, path, pristine, trees, alone):
    """Try mutants, a process each and as many at a time as there are trees; write their rows."""
    todo, running = list(reversed(mutants)), {}
    while todo or running:
        while todo and trees:
            mutant, tree = todo.pop(), trees.pop()
            files = tests_of(mutant[0])
            seconds = {k: v for name in files for k, v in alone[name].items()}
            # The quickest fail first, and a hang is no longer than what all of them take.
            limit = 60 + 4 * sum(seconds.values())
            pid = os.fork()
            if pid == 0:
                os.setsid()
                changed = tree.mutate(mutant, pristine.folder)
                (tree.folder / "changed.json").write_text(json.dumps(changed))
                tree.test(files, seconds)
            running[pid] = mutant, tree, time.monotonic(), limit
        time.sleep(0.05)
        for pid, (mutant, tree, start, limit) in list(running.items()):
            late = time.monotonic() - start > limit
            if late:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            ended, status = os.waitpid(pid, 0 if late else os.WNOHANG)
            if ended == 0:
                continue
            del running[pid]
            text, failed = tree.output()
            code = os.waitstatus_to_exitcode(status)
            if code == 5:
                raise SystemExit(f"{mutant[0]}: no test was run:\n{text[-2000:]}")
            file, name, occurrence, line = mutant
            before, after = json.loads((tree.folder / "changed.json").read_text())
            verdict = "timeout" if late else "survived" if code == 0 else "caught"
            taken = f"{time.monotonic() - start:.0f}"
            row = (file, line, name, occurrence, before, after, verdict, taken, failed)
            append(path, dict(zip(COLUMNS, row, strict=True)))
            print(verdict, file, line, after, flush=True)
            trees.append(tree)


def unchanged(names, tree, workers):
    """Without a mutant all tests must pass: their seconds. Kernels are compiled along."""
    todo, running, seconds = sorted(names, reverse=True), {}, {}
    while todo or running:
        while todo and len(running) < workers:
            name = todo.pop()
            notes = tree.folder / "notes" / name
            notes.mkdir(parents=True)
            pid = os.fork()
            if pid == 0:
                tree.test([name], {}, notes)
            running[pid] = name, notes
        pid, status = os.wait()
        name, notes = running.pop(pid)
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"without a mutant, {name}:\n{tree.output(notes)[0][-3000:]}")
        seconds[name] = json.loads((notes / "seconds.json").read_text())
    return seconds


def append(path, row):
    """Add a row to a table."""
    new = not path.exists()
    with path.open("a", newline="") as table:
        writer = csv.DictWriter(table, COLUMNS, delimiter="\t", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def read(path):
    """Read the rows of a table, none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def key(row):
    """A mutant's identity, as `draw` has it."""
    return row["file"], row["operator"], int(row["occurrence"])


def summary():
    """Print one line for each table and part of the library."""
    equivalent = {
        (row["file"], row["before"], row["after"]) for row in read(TABLES / "equivalent.tsv")
    }
    print("| seed | part | mutants | equivalent | caught | survived | caught of the rest |")
    print("|---|---|---|---|---|---|---|")
    for path in sorted(TABLES.glob("seed*.tsv")):
        rows = read(path)
        for part in (*WHERE, ""):
            own = [row for row in rows if row["file"].startswith(part)]
            same = [
                row
                for row in own
                if row["verdict"] == "survived"
                and (row["file"], row["before"], row["after"]) in equivalent
            ]
            counts = Counter(row["verdict"] for row in own)
            caught, missed = counts["caught"] + counts["timeout"], counts["survived"] - len(same)
            if own:
                print(
                    f"| {path.stem.removeprefix('seed')} | {part or '**all**'} | {len(own)} "
                    f"| {len(same)} | {caught} | {missed} | {caught / (caught + missed):.1%} |"
                )


def main():
    """Draw mutants, judge those that are not judged, or print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--module", help="one file alone, such as measure/pores.py")
    parser.add_argument("--output", type=Path, help="the table, mutants/seedN.tsv by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    if options.summary:
        summary()
        return
    path = options.output or TABLES / f"seed{options.seed}.tsv"
    earlier = {key(row) for old in TABLES.glob("seed*.tsv") if old != path for row in read(old)}
    files = [options.module] if options.module else list(modules())
    drawn = draw(options.seed, options.count, files, earlier)
    done = {key(row) for row in read(path)}
    todo = [mutant for mutant in drawn if mutant[:3] not in done]
    print(f"{len(drawn)} mutants, {len(todo)} to judge", flush=True)
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        pristine = Tree(Path(folder) / "pristine")
        names = {name for mutant in todo for name in tests_of(mutant[0])}
        alone = unchanged(names, pristine, options.workers)
        trees = [Tree(Path(folder) / f"tree{n}") for n in range(options.workers)]
        judge(todo, path, pristine, trees, alone)


if __name__ == "__main__":
    main()

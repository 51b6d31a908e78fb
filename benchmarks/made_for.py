"""Whether a model knows its own kind: foams of the kind that it learned from, and of twice and half the noise.

    python benchmarks/made_for.py FOLDER     # runs Snakemake there for the scans; resumes

One foam of the demo's kind is learned from (its low-resolution reconstructions at both levels are described as
a training describes them); twenty others are described as `acuity check` has it before a restoration, as
they are, with four times the photons (half the noise) and with a quarter (twice). Prints for each
level and each kind how many are refused, and the least and largest ratio of their noise.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import yaml

from acuity.made_for import compare, read_input, together
from acuity.simulate.settings import Beam

ROOT = Path(__file__).parents[1]
LEARNED, UNSEEN = 300, range(301, 321)
DEFAULT_PHOTONS = Beam.photons
KINDS = {"as taught": 1.0, "half the noise": 4.0, "twice the noise": 0.25}


def study(folder, kind, photons):
    """Write a study of foams that are scanned with some photons; return its file."""
    keys = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    name = kind.replace(" ", "-")
    samples = folder / f"{name}.tsv"
    rows = [("learned", "restore", LEARNED)] * (photons == 1)
    rows += [(f"foam-{seed}", "restore", seed) for seed in UNSEEN]
    # Each level's own study: a sample to restore is of one.
    samples.write_text(
        "sample\trole\tseed\tlevel\n"
        + "".join(
            f"{sample}-{level}\t{role}\t{seed + 1000 * number}\t{level}\n"
            for number, level in enumerate(keys["levels"])
            for sample, role, seed in rows
        )
    )
    keys |= {"study": name, "samples": samples.name, "methods": {"richardson_lucy": {}}}
    keys["foam"]["photons"] = photons * DEFAULT_PHOTONS
    keys.pop("evaluate_on_train")
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path, name, keys["levels"]


def main():
    """Run the scans and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    found, taught = {}, {}
    for kind, photons in KINDS.items():
        path, name, levels = study(folder, kind, photons)
        names = [f"foam-{seed}" for seed in UNSEEN] + ["learned"] * (photons == 1)
        files = {
            (one, level): f"results/{name}/describe/{one}-{level}/level{level}.json"
            for one in names
            for level in levels
        }
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            ROOT / "Snakefile",
            "--cores",
            "2",
        ]
        command += [
            "--directory",
            folder,
            "--configfile",
            path,
            "--quiet",
            "all",
            "--",
            *files.values(),
        ]
        subprocess.run(list(map(str, command)), check=True)
        for (one, level), file in files.items():
            described = read_input(folder / file)
            if one == "learned":
                taught[level] = described
            else:
                found.setdefault((kind, level), []).append(described)
    print("| level | scans | refused of 20 | noise, by that of the one learned from | why |")
    print("|---|---|---|---|---|")
    for (kind, level), inputs in sorted(found.items(), key=lambda item: item[0][1]):
        made_for = together([taught[level]])
        said = [[c for c in compare(made_for, one) if not c.within] for one in inputs]
        why = sorted({one.key for each in said for one in each})
        ratios = [one.noise / taught[level].noise for one in inputs]
        print(
            f"| {level:g} | {kind} | {sum(map(bool, said))} | {min(ratios):.3f} to {max(ratios):.3f} | "
            f"{', '.join(why) or '-'} |"
        )


if __name__ == "__main__":
    main()

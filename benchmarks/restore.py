"""How near a scan that was restored without truth comes to what its specimen is.

    python benchmarks/restore.py FOLDER     # runs config/studies/restore-foam.yaml there; resumes

The truth of the sample ``coarse`` is no part of the study. It is simulated here, by the rule of the study, and each
image is compared with it as a test sample's are.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from acuity.measure.quality import quality, quality_rows
from acuity.study.project import Project
from acuity.study.reading import read_study
from acuity.volume import open_volume

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "config" / "studies" / "restore-foam.yaml"


def main():
    """Run the study and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    project = Project(*read_study(STUDY))
    results = f"results/{project.study.study}"
    (sample,) = project.restore
    truth = project.kind.truth(sample)
    images = project.images(sample)
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "2"]
    command += ["--directory", folder, "--configfile", STUDY, "--quiet", "all", "--"]
    for targets in ([], [f"{results}/{truth}"]):
        subprocess.run(list(map(str, [*command, *targets])), check=True)
    place = folder / results
    print("| image | PSNR (dB) | SSIM |\n|---|---|---|")
    for image in images:
        pair = [open_volume(place / path) for path in (project.image(sample, image), truth)]
        found = quality(*pair, folder / "map.ome.zarr", **project.quality_cfg())
        rows = {row["metric"]: row["value"] for row in quality_rows([found])}
        print(f"| {image} | {rows['psnr']:.2f} | {rows['ssim']:.3f} |")


if __name__ == "__main__":
    main()

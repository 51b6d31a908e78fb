"""Alignment of real stacks with known shifts and bad slices put in, and of a tilt by mode.

    python benchmarks/align.py --flyem ts1.tif --shale slices/ [--slices 70]

The error on real stacks is (found with) - (found without) - (added) in voxels, from slice to slice:
they move by themselves. On a synthetic stack, whose slices stand still but for what is added, it is
(found) - (added). The last table is absolute as well: a leaning specimen beside a strip that stands
still, the tilt each mode takes away.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter, shift

from acuity.align.align import Outputs, align
from acuity.align.check import check
from acuity.align.disturb import disturb
from acuity.align.settings import Perturb
from acuity.settings import call
from acuity.tables import read_table, write_table
from acuity.volume import Grid, Volume, open_volume

SIX = {
    "blank": [8],
    "duplicate": [17],
    "swapped": [26],
    "inverted": [36],
    "saturated": [45],
    "noisy": [55],
}


def stack(data):
    """Give an array a grid; the voxel size does not matter here."""
    return Volume(data, Grid(data.shape, (10, 10, 10), unit="nm"))


def files(folder, key):
    """Name what `align` writes."""
    return Outputs(*(folder / f"{key}.{kind}" for kind in ("json", "tsv", "pairs")))


def measure(name, data, folder, both=None, **options):
    """Perturb, align, check, print; with what is in `both` in the stack to compare with as well."""
    both = both or {}
    tables = folder / "added.tsv", folder / "still.tsv"
    told = call(disturb, stack(data), folder / "d.ome.zarr", tables[0], seed=1, **options, **both)
    alike = {"margin": told["margin"], "seed": 1, **both}
    call(disturb, stack(data), folder / "s.ome.zarr", tables[1], **alike)
    added, still = map(read_table, tables)
    added[["dy", "dx"]] -= still[["dy", "dx"]]
    write_table(added, tables[0])
    start = time.perf_counter()
    for key in "ds":
        volume = open_volume(folder / f"{key}.ome.zarr")
        call(align, volume, files(folder, key))
        if key == "d":
            spent = (time.perf_counter() - start) / len(data)
    rows, _ = check(folder / "d.tsv", folder / "s.tsv", folder / "added.tsv")
    found = {(row["metric"], row["subset"]): row["value"] for row in rows}
    faults = "/".join(
        f"{found[f'faults_{key}', 'all']:.0f}" for key in ("found", "missed", "false")
    )
    near = found.get(("stack_rms_neighbours", "all"), np.nan)
    print(
        f"{name:36} {found['stack_rms', 'all']:.3f} {found['stack_error_max', 'all']:.3f} "
        f"{near:.3f} {faults:8} {1000 * spent:.0f}"
    )


def synthetic(count, side=512, smooth=(3, 2, 2)):
    """Slices of one random texture that changes along z and moves nowhere, 8 bits."""
    white = np.random.default_rng(7).standard_normal((count + 30, side, side), np.float32)
    data = gaussian_filter(white, smooth, mode="wrap")[:count]
    return np.clip(np.rint(128 + 35 * data / data.std()), 0, 255).astype(np.uint8)


def absolute(data, folder, **options):
    """Perturb a stack that stands still, align it, and print the error against what was added."""
    call(disturb, stack(data), folder / "a.ome.zarr", folder / "a.added", seed=1, **options)
    call(align, open_volume(folder / "a.ome.zarr"), files(folder, "a"), mode="full")
    found, added = read_table(folder / "a.tsv"), read_table(folder / "a.added")
    wrong = np.diff([found[axis] - added[axis] for axis in ("dy", "dx")], axis=1)
    error = np.hypot(*wrong)
    print(
        f"synthetic, noise {options['noise']:4.0%}: rms {np.sqrt(np.mean(error**2)):.3f}, "
        f"largest {error.max():.3f}"
    )


def tilt(data, folder):
    """Print what each mode takes of a tilt of 24 voxels over 120 slices."""
    strip = gaussian_filter(np.random.default_rng(3).standard_normal((60, 250)), 2)
    leaning = np.empty((120, 250, 250), np.float32)
    for z in range(120):
        leaning[z] = shift(data[z].astype(np.float32), (24 * z / 119, 0), mode="mirror")
        leaning[z, 190:] = 132 + 35 * strip / strip.std()
    leaning = np.clip(np.rint(leaning), 0, 255).astype(np.uint8)
    put_in = Perturb(jitter=1.5, noise=0.3)
    disturb(stack(leaning), folder / "l.ome.zarr", folder / "l.added", put_in, seed=1)
    volume = open_volume(folder / "l.ome.zarr")
    _, ny, nx = volume.grid.shape
    added = read_table(folder / "l.added")
    for mode in ("jitter", "detrend_linear", "full", "template_roi"):
        roi = f"{ny - 56}:{ny - 8},8:{nx - 8}" if mode == "template_roi" else None
        call(align, volume, files(folder, "l"), mode=mode, roi=roi)
        wrong = (read_table(folder / "l.tsv")["used_dy"] - added["dy"]).to_numpy()
        lost = np.polyfit(np.arange(120), wrong, 1)[0] * 119
        print(f"{mode:16} tilt taken {lost:7.2f}, largest error {np.ptp(wrong):6.2f}")


def main():
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flyem", required=True)
    parser.add_argument("--shale", required=True)
    parser.add_argument("--slices", type=int, default=70)
    arguments = parser.parse_args()
    flyem = tifffile.imread(arguments.flyem)
    shale = np.stack([tifffile.imread(path) for path in sorted(Path(arguments.shale).iterdir())])
    print(f"{'stack':36} rms   largest neighbours found/missed/false ms a slice")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cut = flyem[: arguments.slices]
        for noise in (0.0, 0.3, 1.0):
            base = {"noise": noise, "jitter": 1.5}
            title = f"noise {noise:.0%}"
            measure(f"flyem, {title}", cut, folder, **base)
            out = {30: [20, -12], 31: [-20, 12]}
            measure(f"flyem, {title}, jump and back", cut, folder, **base, jumps=out)
            measure(f"flyem, {title}, jump", cut, folder, **base, jumps={30: [20, -12]})
            alike = {"jumps": {30: [20, -12]}}
            measure(f"flyem, {title}, jump in both", cut, folder, both=alike, **base)
            measure(f"flyem, {title}, six faults", cut, folder, **base, faults=SIX)
            two = {"blank": [3], "inverted": [7]}
            far = {5: [20, -12]}
            measure(
                f"shale, {title}, jump, two faults", shale, folder, **base, jumps=far, faults=two
            )
        measure("flyem, noise 30%, curtains 50%", cut, folder, noise=0.3, jitter=1.5, curtains=0.5)
        still = synthetic(arguments.slices)
        for noise in (0.0, 0.3, 1.0):
            absolute(still, folder, noise=noise, jitter=1.5, jumps={30: [20, -12]})
        tilt(flyem, folder)


if __name__ == "__main__":
    main()

"""What the low-resolution input reads of the gaps in simulated specimens, before any network.

    python benchmarks/specimen.py [--specimens 4] [--baseline background zero] [--longest 40]

Each specimen is scanned without misalignment, so that pixel (i, j) of the low image lies at
(2 i + 1/2, 2 j + 1/2) of the high one; the low image is brought onto the high grid by Lanczos.
With --warped the scans are misaligned, and the high image is resampled once by the known warp.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import map_coordinates

from acuity.interpolation import interpolate
from acuity.measure.gaps import gaps, pool_gaps
from acuity.settings import call
from acuity.simulate.specimen import Outputs, specimen
from acuity.simulate.specimens.gold import Gold, Layout, Surface
from acuity.tables import read_table
from acuity.volume import open_volume

STILL = dict.fromkeys(("rotation", "scale", "shift", "elastic", "drift"), 0.0)


def pair(seed, folder, warped=False, **settings):
    """Return the low image on the fine grid, the high one on the same, and where it reaches."""
    paths = [folder / name for name in ("h.ome.zarr", "l.ome.zarr", "p.tsv", "w.tsv")]
    settings = settings if warped else {**STILL, **settings}
    kind = Gold(Layout(**settings.pop("layout", {})), Surface(**settings.pop("surface", {})))
    call(specimen, kind, Outputs(*paths), seed=seed, **settings)
    high, low = (open_volume(path).read()[0] for path in paths[:2])
    box = [slice(0, 1), *(slice(0, 2 * n) for n in low.shape)]
    up = interpolate(low[None], (0, 0, 0), (1, *low.shape), (1, 2, 2), box, "lanczos")[0]
    start = [(a - b) // 2 for a, b in zip(up.shape, high.shape, strict=True)]
    if warped:
        return up, *onto_low(high, up.shape, start, read_table(paths[3]))
    part = tuple(slice(a, a + n) for a, n in zip(start, high.shape, strict=True))
    return up[part], high, np.ones(high.shape, bool)


def onto_low(high, shape, start, warp):
    """Resample the high image once, by the known warp, onto the low image's grid refined by 2."""
    rows, cols = np.unique(warp["y"]), np.unique(warp["x"])
    low = [
        RectBivariateSpline(rows, cols, warp[c].to_numpy().reshape(len(rows), len(cols)))
        for c in ("low_y", "low_x")
    ]
    fine = np.mgrid[: shape[0], : shape[1]].astype(float)
    y, x = fine[0] - start[0], fine[1] - start[1]
    for _ in range(12):
        y, x = (v + f - (2 * m.ev(y, x) + 0.5) for v, f, m in zip((y, x), fine, low, strict=True))
    inside = (y >= 2) & (y <= high.shape[0] - 3) & (x >= 2) & (x <= high.shape[1] - 3)
    return map_coordinates(high.astype(float), (y, x), order=3, mode="nearest"), inside


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specimens", type=int, default=4)
    parser.add_argument("--first", type=int, default=1, help="seed of the first specimen")
    parser.add_argument("--baseline", nargs="+", default=["background", "zero"])
    parser.add_argument("--warped", action="store_true", help="with the default misalignment")
    parser.add_argument("--longest", type=float, default=40.0, help="longest gap looked for, nm")
    parser.add_argument("--settings", type=json.loads, default={}, help="specimen's, as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = []
        for seed in range(args.first, args.first + args.specimens):
            start = time.perf_counter()
            pairs.append(pair(seed, Path(folder), args.warped, **args.settings))
            print(f"specimen {seed}: {time.perf_counter() - start:.1f} s")
    for baseline in args.baseline:
        tables = []
        for image, truth, valid in pairs:
            start = time.perf_counter()
            tables.append(
                call(
                    gaps,
                    image,
                    truth,
                    pixel_size=7.1,
                    baseline=baseline,
                    longest=args.longest,
                    valid=valid,
                )
            )
        print(f"\nbaseline {baseline}; the last image took {time.perf_counter() - start:.1f} s")
        for name, part in [*((str(n), [t]) for n, t in enumerate(tables, 1)), ("all", tables)]:
            found = {(r["metric"], r["subset"]): r for r in pool_gaps(part)}
            for subset in ("all", "chosen"):
                line = f"{name:4} {subset:7}"
                for metric in (
                    "gaps_unresolved_bootstrap",
                    "gap_error",
                    "gap_bias",
                    "gaps_invented",
                ):
                    if row := found.get((metric, subset)):
                        line += (
                            f" {metric} {row['value']:.3f} "
                            f"({row['low']:.3f} to {row['high']:.3f}, n {row['n']})"
                        )
                for metric in (
                    "gap_fit_mean",
                    "gap_fit_sd",
                    "gap_fit_mean_truth",
                    "gap_fit_sd_truth",
                ):
                    line += f" {metric} {found[metric, subset]['value']:.1f}"
                print(line)


if __name__ == "__main__":
    main()

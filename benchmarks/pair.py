"""Registration of pairs of images against known warps: end-point errors and time.

Run, from the project's root::

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=src:. python benchmarks/pair.py
    ... python benchmarks/pair.py --side 924 --seeds 1 --cases clean
    ... python benchmarks/pair.py --different 10 --side 320
    ... python benchmarks/pair.py --real ../shared/data/sem

Scenes are drawn on a fine grid, smooth random texture or bright particles on a dark ground. The low image
samples every second point (aliased, as de Haan et al. describe theirs), the high one the same
scene through a rotation of 0.7 degrees, a scale of 1.004, a shear of 0.1 degrees, a shift, and
waves of 4 fine pixels of amplitude along either axis; contrast and brightness differ; both on 8
bits. Noise is white, of the low image, in standard deviations of the scene.

The error is that of the whole map that is written, against the true one, root mean square over
the output in voxels of the high grid (half low pixels). Times are processor times of one thread.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from acuity.errors import AcuityError
from acuity.formats.read import read_volume
from acuity.pair.pair import Outputs, pair
from acuity.settings import call
from tests.pairs import discs, make_pair, rms, texture

CASES = {
    "affine only": {"amplitude": 0.0},
    "clean": {},
    "noise 0.5": {"noise": 0.5},
    "noise 1": {"noise": 1.0},
    "finer warp": {"waves": 3.0},
}


# The magnification series: low, high, factor, settings.
REAL = {400: "400um_260nm", 150: "150um_98nm", 80: "80um_52nm"}
WIDE = {"smoothness": 1.0, "max_scale_error": 0.16}
SERIES = (
    (400, 80, 5, {}),
    (400, 150, 3, {}),
    (400, 80, 5, {"patch": 320, "max_residual": 5.0, "smallest_block": 160, "smoothness": 1.0}),
    (400, 150, 3, {"patch": 192, "max_residual": 3.0, "smallest_block": 96} | WIDE),
    (150, 80, 2, {"patch": 256, "max_residual": 2.0, "smallest_block": 128} | WIDE),
)


def outputs(folder):
    """Name what `pair` writes."""
    volumes = {name: Path(folder) / f"{name}.ome.zarr" for name in ("low", "high", "valid")}
    others = {name: Path(folder) / name for name in ("transform", "patches", "table")}
    return Outputs(**volumes, **others)


def registered(made, folder, **settings):
    """Register a pair; give the error of the affine map, that of the whole, and what was said."""
    high, low = made.volumes()
    content = call(pair, high, low, outputs(folder), factor=made.factor, **settings)
    field = content["field"]
    nothing = field | {"coefficients": np.zeros_like(field["coefficients"])}
    return rms(made.error(content | {"field": nothing})), rms(made.error(content)), content


def accuracy(side, seeds, folder, cases, **settings):
    """Print end-point errors."""
    print("| scene | case | affine map | with elastic field | residual | patches | s |")
    for scene in (texture, discs):
        for case in cases:
            rows, seconds = [], []
            for seed in range(1, seeds + 1):
                made = make_pair(scene, seed, side=side, **CASES[case])
                start = time.process_time()
                try:
                    before, after, content = registered(made, folder, **settings)
                except AcuityError as error:
                    print(f"| {scene.__name__} | {case} | refused: {error} |")
                    continue
                seconds.append(time.process_time() - start)
                said = content["verdict"].split("residual ")[1].split()[0]
                rows.append((before, after, float(said), content["accepted"] / content["patches"]))
            if rows:
                before, after, residual, share = np.mean(rows, axis=0)
                print(
                    f"| {scene.__name__} | {case} | {before:.3f} | {after:.3f} | {residual:.3f} | "
                    f"{100 * share:.0f} % | {np.median(seconds):.1f} |",
                    flush=True,
                )


def refusals(side, seeds, folder):
    """Print how many pairs of two different fields pass."""
    for scene in (texture, discs):
        passed = 0
        for seed in range(1, seeds + 1):
            one, other = (make_pair(scene, s, side=side) for s in (100 + seed, 200 + seed))
            one.high = other.high
            try:
                registered(one, folder)
                passed += 1
            except AcuityError:
                pass
        print(f"{scene.__name__}: {passed} of {seeds} pairs of two different fields passed")


def real(path, folder):
    """Print what is said of the pairs of a real magnification series."""
    for low, high, factor, settings in SERIES:
        images = [
            read_volume(Path(path) / f"autoliftout_ib_HFW{REAL[width]}.tif")
            for width in (high, low)
        ]
        name = f"{low} to {high} um"
        start = time.process_time()
        try:
            content = call(pair, *images, outputs(folder), factor=factor, name=name, **settings)
        except AcuityError as error:
            print(f"{settings}: {error}", flush=True)
            continue
        (a, b, c), (d, e, f) = content["affine"]
        y, x = np.linalg.solve([[a, b], [d, e]], [-c, -f])
        y, x = (
            first + (p - (factor - 1) / 2) / factor
            for first, p in zip(content["low_crop"], (y, x), strict=False)
        )
        print(
            f"{settings}: {content['verdict']} Its first pixel lies at y = {y:.1f}, x = {x:.1f}; "
            f"scales {content['found_scale_yx']}; {time.process_time() - start:.1f} s.",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=512, help="pixels of the high image")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--different", type=int, default=0, help="pairs of two different fields")
    parser.add_argument("--real", help="folder of the magnification series")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.real:
            real(arguments.real, folder)
        elif arguments.different:
            refusals(arguments.side, arguments.different, folder)
        else:
            accuracy(arguments.side, arguments.seeds, folder, arguments.cases)

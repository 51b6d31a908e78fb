"""A training of two threads on a machine that others use too, against its time alone.

    python benchmarks/busy.py                     # nine rounds of each, alternating
    python benchmarks/busy.py --rounds 3 --steps 40

DeepNet of the demo's size learns from noise, bound to two cores, as the pipeline's jobs do: with two
threads that sleep while they wait. Each round times a process of its own, alone with threads that spin (the
library's default) and alone with threads that sleep, so that the cost of sleeping shows; then, beside
four processes that never rest, with threads that sleep, and in the first round with spinning ones too.
With six threads for two cores (4 + 2) / 2 = 3 times is fair.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from acuity.threads import WAITING

ROOT = Path(__file__).parents[1]
WORK = """
import os, sys, tempfile
os.sched_setaffinity(0, {cores})
from pathlib import Path
import numpy as np
from acuity.threads import use_threads
from acuity.train.train import train
from acuity.volume import Grid, Volume, write_volume
settings = {{"features": 16, "train": {{"steps": {steps}, "validate_every": {steps}, "batch": 4,
            "validation_patches": 1, "patch": [5, 64, 64], "keep": "last"}}}}
with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    for name in ("low", "target"):
        data = np.random.default_rng(0).random((24, 128, 128), np.float32)
        write_volume(folder / f"{{name}}.ome.zarr", Volume(data, Grid(data.shape, (1, 1, 1))))
    train("deepnet", settings, [(folder / "low.ome.zarr", folder / "target.ome.zarr")], level=3,
          seed=1, output=folder / "m", card=folder / "c", history=folder / "h",
          checkpoints=folder / "k", threads=2)
    rows = (folder / "h").read_text().splitlines()
    print(rows[-1].split("\\t")[rows[0].split("\\t").index("seconds")])
"""


def seconds(steps, environment, cores):
    """Seconds of the training's steps, without its start."""
    code = WORK.format(steps=steps, cores=cores)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "KMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def main():
    """Time the rounds and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--spin", default="300000", help="GOMP_SPINCOUNT of the library's default")
    options = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    # What GNU's library does by default: it spins for milliseconds.
    default = {"GOMP_SPINCOUNT": options.spin}
    alone, spinning, busy = [], [], []
    for round_ in range(options.rounds):
        spinning.append(seconds(options.steps, default, cores))
        alone.append(seconds(options.steps, WAITING, cores))
        others = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    f"import os\nos.sched_setaffinity(0, {cores})\nwhile True: pass",
                ]
            )
            for _ in range(4)
        ]
        time.sleep(0.5)
        try:
            busy.append(seconds(options.steps, WAITING, cores))
            if round_ == 0:
                hot = seconds(max(2, options.steps // 20), default, cores) * 20
        finally:
            for other in others:
                other.kill()
        print(
            f"round {round_ + 1}: alone {alone[-1]:.2f} s, spinning {spinning[-1]:.2f} s, "
            f"busy {busy[-1]:.2f} s",
            flush=True,
        )
    base = statistics.median(alone)
    print(
        f"alone: {base / statistics.median(spinning):.3f} of the time of spinning threads (medians)"
    )
    print(f"beside four busy processes: {statistics.median(busy) / base:.2f} times its time alone")
    print(f"with spinning threads, one round: {hot / statistics.median(spinning):.1f} times")


if __name__ == "__main__":
    main()

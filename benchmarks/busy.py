"""A training of two threads on a machine that others use too, against its time alone.

    python benchmarks/busy.py                     # nine rounds of each, alternating
    python benchmarks/busy.py --rounds 3 --steps 40

DeepNet of the demo's size learns from noise with two threads, bound to two cores. Each round times
processes of their own: alone as the libraries do by default and alone as the pipeline's jobs do
(`acuity.threads`, `acuity.patience`), so that the cost of being patient shows; then as the jobs do beside
four processes that never rest, and in the first round as the libraries do. With six threads for two cores
(4 + 2) / 2 = 3 times is fair.
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
from contextlib import nullcontext
os.sched_setaffinity(0, {cores})
from pathlib import Path
import numpy as np
from acuity.patience import share_cores
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.train.train import train
from acuity.volume import Grid, Volume, write_volume
settings = {{"features": 16, "train": {{"steps": {steps}, "validate_every": {steps}, "batch": 4,
            "validation_patches": 1, "patch": [5, 64, 64], "keep": "last"}}}}
with {context}(), tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    for name in ("low", "target"):
        data = np.random.default_rng(0).random((24, 128, 128), np.float32)
        write_volume(folder / f"{{name}}.ome.zarr", Volume(data, Grid(data.shape, (1, 1, 1))))
    files = TrainingFiles([(folder / "low.ome.zarr", folder / "target.ome.zarr")],
                          output=folder / "m", card=folder / "c", history=folder / "h",
                          checkpoints=folder / "k")
    train(TrainingJob("deepnet", settings, level=3, seed=1), files, threads=2)
    rows = (folder / "h").read_text().splitlines()
    print(rows[-1].split("\\t")[rows[0].split("\\t").index("seconds")])
"""


# Ends with the benchmark, however that ends.
RESTLESS = """
import os
os.sched_setaffinity(0, {cores})
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(10_000_000):
        pass
"""


def seconds(steps, cores, ours):
    """Seconds of the training's steps, without its start; as our jobs do, or as the libraries do."""
    code = WORK.format(steps=steps, cores=cores, context="share_cores" if ours else "nullcontext")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "KMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | (WAITING if ours else {}),
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
    options = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    alone, usual, busy = [], [], []
    for round_ in range(options.rounds):
        pair = [(usual, False), (alone, True)]
        for times, ours in pair if round_ % 2 else pair[::-1]:
            times.append(seconds(options.steps, cores, ours))
        others = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    RESTLESS.format(cores=cores),
                ]
            )
            for _ in range(4)
        ]
        time.sleep(0.5)
        try:
            busy.append(seconds(options.steps, cores, ours=True))
            if round_ == 0:
                hot = seconds(max(2, options.steps // 20), cores, ours=False) * 20
        finally:
            for other in others:
                other.kill()
        print(
            f"round {round_ + 1}: alone {alone[-1]:.2f} s, by default {usual[-1]:.2f} s, "
            f"busy {busy[-1]:.2f} s",
            flush=True,
        )
    base = statistics.median(alone)
    print(f"alone: {base / statistics.median(usual):.3f} of the time by default (medians)")
    print(f"beside four busy processes: {statistics.median(busy) / base:.2f} times its time alone")
    print(f"by default, one round: {hot / statistics.median(usual):.1f} times")


if __name__ == "__main__":
    main()

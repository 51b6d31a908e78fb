"""Steps a second, memory and hours of every network of a study, each trained for some steps.

    python benchmarks/train.py config/studies/heinrich.yaml --steps 500
    python benchmarks/train.py config/studies/heinrich-small.yaml --steps 5 --methods srunet3d

Each network is trained on noise of its patches' size, with the precision that it takes by itself;
the first fifth of the steps is not counted. Memory is the most that torch held on the GPU; without
one each network is trained by a process of its own, and it is the most that the process held. Hours
are for all steps that the study asks for.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from acuity.job import peak_memory
from acuity.methods.base import Task, load
from acuity.study.reading import read_study
from acuity.tables import read_table
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.train.train import train
from acuity.volume import Grid, Volume, write_volume


def measure(key, settings, level, scale, steps):
    """Train one network for some steps; give its size, rate, memory and hours."""
    name = key.partition("@")[0]
    method = load(name)(settings, Task(level, tuple(scale)))
    asked = method.settings.train
    training = {"steps": steps, "validate_every": steps, "validation_patches": 1, "keep": "last"}
    settings = settings | {"train": settings.get("train", {}) | training}
    shape = [max(3 * n, 24 if n > 1 else 1) for n in asked.patch]
    fine = [n * factor for n, factor in zip(shape, method.scale, strict=True)]
    coarse = [n // factor for n, factor in zip(fine, scale, strict=True)]
    noise = np.random.default_rng(0)
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for file, size, spacing in (("low", coarse, scale), ("target", fine, (1, 1, 1))):
            data = noise.integers(0, 255, size).astype(np.uint8)
            middle = tuple((n - 1) / 2 for n in spacing)  # of a coarse voxel's first block
            grid = Grid(data.shape, tuple(float(n) for n in spacing), middle, "nm")
            write_volume(folder / f"{file}.ome.zarr", Volume(data, grid))
        files = TrainingFiles(
            [(folder / "low.ome.zarr", folder / "target.ome.zarr")],
            output=folder / "model.safetensors",
            card=folder / "model.json",
            history=folder / "history.tsv",
            checkpoints=folder / "checkpoints",
        )
        train(TrainingJob(name, settings, level, seed=1, scale=scale), files)
        rows = read_table(folder / "history.tsv")
        card = json.loads((folder / "model.json").read_text())
    rows = rows[rows["split"] == "train"]
    (first, start), (last, end) = rows[["step", "seconds"]].to_numpy()[[0, -1]]
    rate = (last - first) / (end - start)
    memory = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else peak_memory()
    return {
        "network": key,
        "million parameters": round(card["parameters"] / 1e6, 2),
        "precision": card["training"]["precision"],
        "steps a second": float(f"{rate:.3g}"),
        "memory (GiB)": round(memory / 1024, 2),
        "steps": asked.steps,
        "hours": float(f"{asked.steps / rate / 3600:.3g}"),
    }


def main():
    """Run every network and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--methods", nargs="+", help="some of the study's methods")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(**json.loads(options.one))))
        return
    study, _ = read_study(options.study)
    level = float(study.levels[0])
    scale = list(study.scale(level))
    for key in options.methods or study.methods:
        if "patch" not in ((study.methods[key] or {}).get("train") or {}):
            continue  # nothing that learns from patches in steps
        settings = study.methods[key] or {}
        job = {
            "key": key,
            "settings": settings,
            "level": level,
            "scale": scale,
            "steps": options.steps,
        }
        if torch.cuda.is_available():
            try:
                row = measure(**job)
            except Exception as error:
                print(f"{key}\tfailed: {error}", flush=True)
                continue
        else:
            done = subprocess.run(
                [sys.executable, __file__, str(options.study), "--one", json.dumps(job)],
                stdout=subprocess.PIPE,
                text=True,
            )
            if done.returncode:
                print(f"{key}\tfailed, exit status {done.returncode}", flush=True)
                continue
            row = json.loads(done.stdout.splitlines()[-1])
        print("\t".join(f"{name}: {value}" for name, value in row.items()), flush=True)


if __name__ == "__main__":
    main()

"""What an adversarial phase does to gaps, state by state.

    python benchmarks/adversary.py config/studies/dehaan-small.yaml [--alpha 1.0] [--steps 600]

Needs the results of the study. It goes on from the finished generator of sem_gan@l1: the
discriminator learns alone first, then both, as the method sem_gan does it. Every so often the
generator and the average of its weights are judged on specimens of their own, which are neither
learned from nor those of the study. Printed: gaps unresolved and invented, both in per cent, the
share that would be unresolved if as many were invented as in the input, the area under the ROC of
gaps against touching pairs, the gap error (nm) and the PSNR (dB).
"""

import argparse
import copy
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from acuity.engine.sampling import TRAIN, Sampler
from acuity.measure.gaps import gain_rows, gaps, pool_gaps
from acuity.pair import pair
from acuity.predict.job import PredictionFiles, PredictionJob
from acuity.predict.predict import predict
from acuity.settings import call
from acuity.simulate import specimen
from acuity.study.reading import read_study
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.train.trainer import move_average
from acuity.train.volumes import read_volumes
from acuity.volume import open_volume

TASK = {"level": 2, "scale": (1, 2, 2)}


def register(study, seed, folder):
    """Simulate a specimen as the study does, and register its pair; give its three volumes."""
    files = {name: folder / f"{seed}-{name}.ome.zarr" for name in ("high", "low")}
    tables = {name: folder / f"{seed}-{name}.tsv" for name in ("particles", "warp")}
    settings = study.specimen.model_dump(mode="json")
    settings["shape"] = settings.pop("size")
    scans = specimen.Outputs(**files, **tables)
    call(specimen.specimen, outputs=scans, factor=2, seed=seed, **settings)
    made = {name: folder / f"{seed}-pair-{name}.ome.zarr" for name in ("low", "high", "valid")}
    outputs = pair.Outputs(
        **made,
        transform=folder / f"{seed}.json",
        patches=folder / f"{seed}-patches.tsv",
        table=folder / f"{seed}-pair.tsv",
    )
    volumes = (open_volume(files[name]) for name in ("high", "low"))
    pair.pair(*volumes, outputs, study.pair, factor=2, name=str(seed))
    return made


class Judge:
    """Gaps of an image by a method, over all specimens."""

    def __init__(self, study, made, folder):
        self.settings = study.measure.gaps.model_dump(mode="json")
        self.made, self.folder = made, folder
        self.before = None

    def tables(self, method, options, **model):
        """Restore all specimens; their tables of gaps, and the mean PSNR."""
        found, psnr = [], []
        for files in self.made:
            out = self.folder / "out.ome.zarr"
            job = PredictionJob(method, options, **TASK, keep_type=True)
            predict(job, PredictionFiles(files["low"], out, **model))
            image, truth, valid = (
                open_volume(path).read()[0] for path in (out, files["high"], files["valid"])
            )
            pixel = open_volume(files["high"]).grid.spacing[1]
            found.append(
                call(gaps, image, truth, pixel_size=pixel, valid=valid, seed=1, **self.settings)
            )
            error = (image.astype(float) - truth)[valid > 0]
            psnr.append(10 * np.log10(255**2 / np.mean(error**2)))
        return found, float(np.mean(psnr))

    def print(self, name, tables, psnr):
        """Print one line."""
        self.before = self.before or tables
        rows = pool_gaps(tables, resamples=10) + gain_rows(tables, self.before, resamples=10)
        of = {row["metric"]: row["value"] for row in rows if row["subset"] == "all"}
        print(
            f"{name:20} unresolved {100 * of['gaps_unresolved']:5.1f}  invented "
            f"{100 * of['gaps_invented']:5.1f}  matched {100 * of['gaps_unresolved_matched']:5.1f}  "
            f"AUC {of['gap_auc']:.4f}  error {of['gap_error']:.2f}  PSNR {psnr:.2f}",
            flush=True,
        )

    def network(self, name, network, card):
        """Judge a generator."""
        model, about = self.folder / "model.safetensors", self.folder / "model.json"
        save_file({key: v.contiguous() for key, v in network.state_dict().items()}, str(model))
        content = json.loads(card.read_text())
        content["weights"] = hashlib.sha256(model.read_bytes()).hexdigest()
        about.write_text(json.dumps(content))
        self.print(name, *self.tables("sem_gan", {}, model=model, card=about))


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--specimens", type=int, nargs="+", default=[201, 202, 203], metavar="SEED")
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--prepare", type=int, default=200)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--ema", type=float, default=0.99)
    parser.add_argument("--generator-rate", type=float, default=2e-5)
    parser.add_argument("--discriminator-rate", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    study, samples = read_study(options.study)
    results = options.results / study.study
    settings = study.methods["sem_gan"] | {"alpha": options.alpha, "pretrain": 0, "prepare": 0}
    job = TrainingJob("sem_gan", settings, seed=5, **TASK)
    method = job.build()
    fields = [results / "pair" / s.sample for s in samples if s.role == "train"]
    files = TrainingFiles(
        [(field / "low.ome.zarr", field / "high.ome.zarr") for field in fields],
        *[None] * 4,  # nothing is written
        masks=[field / "valid.ome.zarr" for field in fields],
    )
    volumes = read_volumes(job, files, method)[1]
    train = method.settings.train
    sampler = Sampler(
        volumes,
        patch=(1, *train.patch[1:]),
        scale=method.scale,
        symmetries=method.symmetries,
        spacing=method.spacing,
        seed=5,
        validation_fraction=0,
        fov_radius=None,
    )
    start = results / "train" / "sem_gan@l1" / "level2"
    networks, name = method.build(), method.restorer
    networks[name].load_state_dict(load_file(start / "model.safetensors"))
    optimizers = method.optimizers(networks)
    average = copy.deepcopy(networks[name])
    rates = {name: options.generator_rate, "discriminator": options.discriminator_rate}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        judge = Judge(study, [register(study, n, folder) for n in options.specimens], folder)
        judge.print("input", *judge.tables("lanczos", {}))
        judge.network("sem_gan@l1", networks[name], start / "model.json")
        for step in range(-options.prepare, options.steps + 1):
            batch = {
                key: torch.from_numpy(np.ascontiguousarray(array))
                for key, array in sampler.batch(
                    TRAIN, step + options.prepare, train.batch, {"own": True}
                ).items()
            }
            method.step = max(step, 0)
            for turn in ("discriminator",) if step < 0 else method.networks_to_update(step):
                for group in optimizers[turn].param_groups:
                    group["lr"] = rates[turn]
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = method.losses(turn, networks, batch)["loss"]
                optimizers[turn].zero_grad(set_to_none=True)
                loss.backward()
                optimizers[turn].step()
            if step >= 0:
                move_average(average, networks[name], options.ema, step)
            if step > 0 and step % options.every == 0:
                judge.network(f"step {step}", networks[name], start / "model.json")
                judge.network(f"step {step}, average", average, start / "model.json")


if __name__ == "__main__":
    main()

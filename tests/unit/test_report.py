import base64
import io
import math
import re
import time
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from acuity.errors import AcuityError
from acuity.report import figures, images, pages, style, verdict
from acuity.volume import Grid, Volume, write_volume

METHODS = ("input", "richardson_lucy", "srcnn3d", "deepnet")
CLASSES = ((0, 10), (10, 15), (15, 20), (20, 30), (30, 50), (50, 1000))

# Smallest diameter that each method still sees at half strength, as a multiple of the level.
REACH = {"input": 3.4, "richardson_lucy": 2.6, "srcnn3d": 1.7, "deepnet": 1.0}
SHARP = {"input": 2.4, "richardson_lucy": 1.8, "srcnn3d": 0.8, "deepnet": 0.35}


def make_study(samples=("foam2", "foam3", "foam4"), levels=(3, 5, 7, 9), count=330, seed=7):
    """Tables as a study of foams leaves them: made up, but shaped like measured ones."""
    rng = np.random.default_rng(seed)
    metrics, pores, curves, histories = [], [], [], []

    def put(sample, method, level, metric, value, subset="all", low="", high="", n="", unit="1"):
        variant = "4 scales" if metric.startswith("ms_ssim") else ""
        metrics.append(
            ("study", sample, method, variant, level, metric, subset, value, unit, low, high, n)
        )

    pooled = {}
    for sample in samples:
        sizes = np.concatenate(
            [rng.uniform(15, 62, int(0.85 * count)), rng.uniform(6, 15, int(0.15 * count))]
        )
        porosity = sizes.size * 0.00041
        put(sample, "truth", "", "porosity", porosity)
        put(sample, "truth", "", "sphericity_mesh", 0.991)
        for d in sizes:
            shape = 0.994 - 0.05 / d - abs(rng.normal(0, 0.003))
            pores.append((sample, "truth", "", d, min(shape, 1.0), rng.random() < 0.05))
        for level in levels:
            for method in METHODS:
                reach, sharp = REACH[method] * level, SHARP[method] * level
                chance = 1 / (1 + np.exp(-(sizes - reach) / 1.6))
                found = rng.random(sizes.size) < chance
                false = rng.poisson(1.5 * sharp)
                shown = found.sum() + false
                recall, precision = found.mean(), found.sum() / shown
                pooled.setdefault((method, level), []).append((found, sizes, false, sharp))
                put(sample, method, level, "mse", 0.0006 * (1 + sharp) ** 1.6, unit="intensity^2")
                put(sample, method, level, "psnr", 33 - 8 * math.log10(1 + sharp), unit="dB")
                put(sample, method, level, "ssim", 0.985 - 0.03 * sharp)
                put(sample, method, level, "ms_ssim_matlab", 0.995 - 0.012 * sharp)
                put(sample, method, level, "pore_recall", recall, n=sizes.size)
                put(sample, method, level, "pore_precision", precision)
                put(sample, method, level, "pores_found_ratio", shown / sizes.size)
                missed = int((~found).sum())
                merged, split = missed // 4, missed // 10
                for name, number in (
                    ("missed", missed - merged - split),
                    ("merged", merged),
                    ("split", split),
                    ("false", false),
                ):
                    put(sample, method, level, f"pores_{name}", number)
                put(sample, method, level, "porosity", porosity * (1 - 0.006 * sharp))
                put(sample, method, level, "sphericity_mesh", 0.991 - 0.006 * sharp)
                put(sample, method, level, "resolution_fwhm", 2.355 * sharp, unit="um")
                for lower, upper in CLASSES:
                    own = (sizes >= lower) & (sizes < upper)
                    if own.any():
                        name = f"{lower}-{upper} um"
                        put(
                            sample,
                            method,
                            level,
                            "pore_recall",
                            found[own].mean(),
                            name,
                            n=own.sum(),
                        )
                for d in sizes[found]:
                    shape = 0.994 - 0.06 / d - abs(rng.normal(0, 0.002 + 0.006 * sharp))
                    d = d * (1 + rng.normal(0, 0.004 * sharp))
                    pores.append((sample, method, level, d, shape, rng.random() < 0.05))
                for _ in range(false):
                    d, shape = rng.uniform(4, 12), rng.uniform(0.72, 0.97)
                    pores.append((sample, method, level, d, shape, False))
                for sigma in np.linspace(0, 10, 41):
                    mse = 0.0003 * (1 + sharp) + 0.0007 * abs(sigma - sharp) ** 1.5 / (
                        1 + sigma / 5
                    )
                    curves.append((sample, method, level, sigma, mse))
    for (method, level), parts in pooled.items():
        found = np.concatenate([p[0] for p in parts])
        sizes = np.concatenate([p[1] for p in parts])
        false, sharp = sum(p[2] for p in parts), parts[0][3]
        real = found.sum() / (found.sum() + false)
        for metric, value, n in (
            ("pore_recall", found.mean(), found.size),
            ("pore_precision", real, found.sum() + false),
        ):
            half = 1.96 * math.sqrt(max(value * (1 - value), 1e-4) / n)
            put(
                "unseen", method, level, metric, value, "all", value - half, min(value + half, 1), n
            )
        ratio = (found.sum() + false) / found.size
        put("unseen", method, level, "pores_found_ratio", ratio)
        for metric in ("mse", "psnr", "ssim", "ms_ssim_matlab", "porosity", "resolution_fwhm"):
            own = [
                r[7] for r in metrics if (r[2], r[4], r[5]) == (method, level, metric)
            ]
            put("unseen", method, level, metric, np.mean(own), n=len(own))
        for metric in ("pores_missed", "pores_merged", "pores_split", "pores_false"):
            own = [r[7] for r in metrics if (r[2], r[4], r[5]) == (method, level, metric)]
            put("unseen", method, level, metric, sum(own))
        for lower, upper in CLASSES:
            own = (sizes >= lower) & (sizes < upper)
            if own.any():
                name = f"{lower}-{upper} um"
                put("unseen", method, level, "pore_recall", found[own].mean(), name, n=own.sum())
    for method, top, last in (("srcnn3d", 29, 0.02), ("deepnet", 32, 0.01)):
        for level in levels:
            for step in range(0, 2001, 100):
                rise = 1 - math.exp(-step / 350)
                for split in ("train", "validation"):
                    psnr = 18 + (top - 18 - 0.6 * level) * rise + rng.normal(0, 0.15)
                    loss = last * level * (1.02 - rise) * math.exp(rng.normal(0, 0.05))
                    histories.append((method, level, step, split, loss, psnr, step * 0.3))
    columns = "study sample method variant level metric subset value unit low high n".split()
    return {
        "metrics": pd.DataFrame(metrics, columns=columns),
        "pores": pd.DataFrame(
            pores, columns="sample method level diameter sphericity_mesh edge".split()
        ),
        "curves": pd.DataFrame(curves, columns="sample method level sigma mse".split()),
        "histories": pd.DataFrame(
            histories, columns="method level step split loss psnr seconds".split()
        ),
    }


def make_volumes(levels=(3, 9), shape=(12, 128, 128), seed=3, spacing=(1.0, 1.0, 1.0)):
    """A small foam: images, MS-SSIM maps and labels of every method and level."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    middle = [(n - 1) / 2 for n in shape]
    scale = shape[1] / 256
    truth = (np.hypot(y - middle[1], x - middle[2]) < 0.45 * shape[1]).astype(np.float32)
    labels = np.zeros(shape, np.uint32)
    for label in range(1, 90):
        radius = scale * rng.choice([4, 8, 14, 22], p=[0.3, 0.3, 0.25, 0.15])
        angle, far = rng.uniform(0, 2 * np.pi), 0.40 * shape[1] * np.sqrt(rng.random())
        cy, cx = middle[1] + far * np.sin(angle), middle[2] + far * np.cos(angle)
        cz = rng.uniform(0, shape[0])
        ball = (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        near = (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < (radius + 2 * scale) ** 2
        if not labels[near].any():
            labels[ball] = label
    truth[labels > 0] = 0
    grid = Grid(shape=shape, spacing=spacing, origin=(0.0, 0.0, 0.0), unit="um")
    volumes = {("truth", None): Volume(truth, grid)}
    marked = {("truth", None): Volume(labels, grid)}
    maps, statuses = {}, {}
    for level in levels:
        for method in METHODS:
            sigma = SHARP[method] * level * scale * 0.5
            noise = 0.16 if method == "input" else 0.02
            image = ndimage.gaussian_filter(truth, (0, sigma, sigma))
            image = (image + rng.normal(0, noise, shape)).astype(np.float32)
            volumes[(method, level)] = Volume(image, grid)
            wrong = ndimage.gaussian_filter((image - truth) ** 2, (0, 4 * scale, 4 * scale))
            maps[(method, level)] = Volume((1 - 2 * wrong).clip(0, 1).astype(np.float32), grid)
            smooth = ndimage.gaussian_filter(image, (0, 1.5 * scale, 1.5 * scale))
            inside = np.hypot(y - middle[1], x - middle[2]) < 0.43 * shape[1]
            marked[(method, level)] = Volume(
                ndimage.label((smooth < 0.5) & inside)[0].astype(np.uint32), grid
            )
            statuses[(method, level)] = fates(labels, marked[(method, level)].data)
    return {"volumes": volumes, "maps": maps, "labels": marked, "statuses": statuses}


def fates(truth, found):
    """A simple stand-in for the recovery measure's table."""
    rows = []
    for label in np.unique(truth[truth > 0]):
        share = (found[truth == label] > 0).mean()
        status = "found" if share > 0.6 else "merged" if share > 0.35 else "missed"
        rows.append(("truth", label, status))
    for label in np.unique(found[found > 0]):
        status = "found" if (truth[found == label] > 0).any() else "false"
        rows.append(("detection", label, status))
    return pd.DataFrame(rows, columns=["kind", "label", "status"])

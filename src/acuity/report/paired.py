"""Pairs of volumes: how they were registered, and what of them is learned from and judged."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.ndimage
from matplotlib.patches import Rectangle
from PIL import Image

from acuity.report import images, sheets
from acuity.report.drawing import Drawing, image
from acuity.report.figures import Panel, Plot
from acuity.report.sem import checkerboard, mixed, sheet
from acuity.report.style import INK, MUTED, SKY, VERMILLION
from acuity.report.verdict import percent, unit_text
from acuity.seals import again
from acuity.tables import read_table
from acuity.volume import read_sealed_json

# Planes by the axis that is cut, XZ first: artefacts of a scan stand along z.
_PLANES = ((1, "XZ"), (2, "YZ"), (0, "XY"))
_RAMP = "cividis"
FIGURES = ("pair_overlay", "pair_blocks")
# Estimated error, high voxels, and share of blocks off by half a low voxel, by which a pair is graded.
GOOD = {"error": 0.3, "apart": 0.3}
CARE = {"error": 1.0, "apart": 0.7}


@dataclass(frozen=True)
class VolumePair:
    """A registered pair of volumes.

    Parameters
    ----------
    transform : dict
        ``transform.json``.
    blocks : pandas.DataFrame
        z, y, x (middle, low voxels); dz, dy, dx (residual, high voxels); ncc.
    low, high, valid, learned, judged : Volume
        The pair on its two grids, where the fine scan is known, and the parts of it that are learned from
        and judged.
    truth : Volume
        What is judged by, with the threshold in its provenance.
    """

    transform: dict
    blocks: pd.DataFrame
    low: Any
    high: Any
    valid: Any
    learned: Any
    judged: Any
    truth: Any


def pair_sources(files: Mapping[str, Any]) -> VolumePair:
    """Read a pair from a job's named files."""
    path = Path(files["transform"])
    transform = read_sealed_json(path, "the pair cannot be shown", again(path))
    names = ("low", "high", "valid", "learned", "judged", "truth")
    volumes = {name: images.opened(files[name]) for name in names}
    return VolumePair(transform, read_table(files["patches"]), **volumes)


def pair_verdict(pair: VolumePair) -> tuple[str, str]:
    """Grade a pair by its estimated error and its blocks, and give the sentence of its registration."""
    best = pair.transform["candidates"][:1]
    apart = 1 - best[0]["agreeing"] if best else float("nan")
    grade = sheets.graded({"error": pair.transform["error"], "apart": apart}, GOOD, CARE)
    return grade, pair.transform["verdict"]


def planes(pair: VolumePair) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Return of each plane through the middle its name, low (interpolated), high, and where that is known."""
    factor, found = pair.transform["factor"], []
    for axis, name in _PLANES:
        # the fine slice in the middle of a coarse one
        place = pair.low.grid.shape[axis] // 2 * factor + factor // 2
        box: list[slice] = [slice(None)] * 3
        box[axis] = slice(place, place + 1)
        high = np.squeeze(pair.high.read(*box), axis).astype(np.float32)
        known = np.squeeze(pair.valid.read(*box), axis) > 0
        box[axis] = slice(place // factor, place // factor + 1)
        low = np.squeeze(pair.low.read(*box), axis).astype(np.float32)
        at = [(np.arange(n) - (factor - 1) / 2) / factor for n in high.shape]
        raster = np.meshgrid(*at, indexing="ij")
        found.append((name, scipy.ndimage.map_coordinates(low, raster, mode="mirror"), high, known))
    return found


def pictures(pair: VolumePair) -> list[tuple[Any, str]]:
    """Lay coarse and fine scan over each other in three planes: checkerboards, then colours."""
    grid, boards, overlays = pair.high.grid, [], []
    for (axis, _), (name, low, high, known) in zip(_PLANES, planes(pair), strict=True):
        if known.any():  # one grey scale for both, inverted contrast turned
            a, b = low[known], high[known]
            gain = np.cov(a, b)[0, 1] / max(float(a.var()), 1e-12)
            low = gain * (low - a.mean()) + b.mean()
        window = images.grey_window(high[known] if known.any() else high)
        low, high = (np.where(known, part, window[0]) for part in (low, high))
        columns = 1 if axis == 2 else 2
        scale = images.LARGEST / max(high.shape)
        size = tuple(max(1, round(n * scale)) for n in high.shape[::-1])
        small = [images.resize(part, size) for part in (low, high)]
        pixel = grid.spacing[columns] * high.shape[1] / size[0]
        words = f"{name}: coarse scan (interpolated) at the top left, then fine and coarse by turns"
        made = Image.fromarray(images.stretch(checkerboard(*small, fields=3), window))
        boards.append((images.make_picture("board", ("pair", None), made, pixel, grid.unit), words))
        words = f"{name}: coarse scan magenta, fine scan green, grey where alike"
        made = mixed(*small, window)
        overlays.append(
            (images.make_picture("overlay", ("pair", None), made, pixel, grid.unit), words)
        )
    return boards + overlays


def blocks_plot(pair: VolumePair) -> Plot:
    """Draw what is left between the scans, block by block, and where that is."""
    blocks = pair.blocks
    if not len(blocks):
        return Plot("pair_blocks", "Blocks", "")
    residual = np.sqrt((blocks[["dz", "dy", "dx"]].to_numpy(float) ** 2).sum(axis=1))
    grid = pair.low.grid
    unit, most = unit_text(grid.unit), float(np.percentile(residual, 95))
    panels = [
        Panel("Residual, seen along y", partial(_draw_map, pair, residual, most, "x", "z", unit)),
        Panel("Residual, seen along z", partial(_draw_map, pair, residual, most, "x", "y", unit)),
        Panel("All blocks", partial(_draw_counts, residual)),
    ]
    caption = (
        "Each block of the coarse scan was sought once more in the fine one after registering: what is left of "
        f"its displacement is {np.median(residual):.2f} voxels of the fine scan in the median, and below "
        f"{most:.2f} in 95 % of {len(blocks)} blocks. Squares go from blue (0) to yellow ({most:.2f} and more). Where colours change along an axis, "
        "one scan is bent or drifts against the other. Frames: learned from, and judged."
    )
    legend = [("learned from", SKY), ("judged", VERMILLION)]
    return Plot("pair_blocks", "Residual of each block", caption, panels, patches=legend)


def _draw_map(pair, residual, most, across, down, unit, axes):
    grid, a, d = pair.low.grid, "zyx".index(across), "zyx".index(down)
    first = pair.transform["low_crop"]
    at = {
        axis: (pair.blocks["zyx"[axis]].to_numpy(float) - first[axis]) * grid.spacing[axis]
        for axis in (a, d)
    }
    table = pd.DataFrame({"a": at[a], "d": at[d], "r": residual}).groupby(
        ["a", "d"], as_index=False
    )
    table = table["r"].median()  # of the blocks behind one another
    how = {"cmap": _RAMP, "s": 14, "marker": "s", "vmin": 0, "vmax": most}
    axes.scatter(table["a"], table["d"], c=table["r"], **how)
    for volume, colour in ((pair.learned, SKY), (pair.judged, VERMILLION)):
        own = volume.grid
        start = [o - w for o, w in zip(own.origin, pair.low.grid.origin, strict=True)]
        size = [n * s for n, s in zip(own.shape, own.spacing, strict=True)]
        axes.add_patch(
            Rectangle((start[a], start[d]), size[a], size[d], fill=False, ec=colour, lw=1.4)
        )
    axes.invert_yaxis()
    axes.set(aspect="equal", xlabel=f"{across} ({unit})", ylabel=f"{down} ({unit})")
    axes.grid(visible=False)


def _draw_counts(residual, axes):
    axes.hist(residual, bins=24, color=MUTED)
    axes.axvline(np.median(residual), color=INK, lw=1, ls="--")
    axes.set(xlabel="Residual (voxels of the fine scan)", ylabel="Blocks")


def found_words(pair: VolumePair) -> list[str]:
    """Say in sentences which map was found, what is known of the fine scan, and what is judged."""
    said, factor = pair.transform, pair.transform["factor"]
    low, high = (v.grid.spacing for v in (pair.low, pair.high))
    unit = unit_text(pair.low.grid.unit)
    turns = ", ".join(
        f"{t:.2f}° about {a}" for t, a in zip(said["turns_degrees"], "zyx", strict=True)
    )
    place = ", ".join(f"{p:.1f}" for p in said["place"])
    held = (
        "held at the stated one" if said["scale_held"] else f"{said['scale']:.4f} of the stated one"
    )
    lines = [
        f"Map found: turned by {turns}; scale {held}; the middle of the coarse scan's part lies at voxel {place} "
        f"(z, y, x) of the fine scan's file. Voxels of {low[0]:.4g} {unit} (coarse) and {high[0]:.4g} {unit} "
        f"(the fine grid, 1/{factor} of them){_stated(pair)}.",
        f"Known of the fine scan: {percent(said.get('known', 1.0))} of the grid, its field of view less a margin "
        f"of {said['field_of_view']['margin']:.3g} voxels. Nothing is learned from, or judged, beyond.",
    ]
    if said.get("through"):
        one, other = said["through"]
        middle = one["voxel_sizes"][1][0]
        lines.append(
            f"The map was composed through a scan of {middle:.4g} {unit} ({one['files'][1]}), which both were registered "
            f"with: the coarse one with an estimated error of {one['error']:.2f} voxels of it, the fine one of "
            f"{other['error']:.2f} of its own. Each step has more voxels to be registered by than both at once."
        )
    if said.get("guess"):
        guess = ", ".join(f"{p:.0f}" for p in said["guess"])
        lines.append(
            f"The search began near voxel {guess} (z, y, x) of the coarse scan, where the sample sheet or the files "
            "say that the middle of the fine one lies; the map was accepted by what the scans show alone."
        )
    step = next(
        (s for s in reversed(pair.learned.provenance) if s.get("step") == "divide_pair"), {}
    )
    if step.get("held_out"):
        gap = f"a gap of {step['gap']} voxels lies between"
        if step["gap"] < step.get("reach", 0):
            gap += f", shorter than the {step['reach']} that methods see: inputs overlap, targets do not"
        lines.append(
            f"Learned from the slices {step['learned']} of the coarse scan, judged on {step['held_out']}; {gap}. The "
            "map was found on all of the pair. Grey values of every row are brought to the fine scan's by a gain "
            "and an offset fitted where models learn; the threshold is fixed there, too."
        )
    judge = pair.truth.provenance[-1]
    least, most = judge["threshold_between"]
    if any(step.get("action") == "reconstruct_truth" for step in pair.truth.provenance):
        lines.append(
            "Judged by the fine scan of the whole coarse field, free of noise and truncation, in a box that the "
            "fine scan itself does not show. Grey values of every row are brought to it by a gain and an offset "
            f"fitted on the pair; pores lie below the threshold {judge['threshold']:.3g}, found there, too."
        )
        return lines + list(said["warnings"])
    lines.append(
        f"There is no exact truth: pores are those of the fine scan at the threshold {judge['threshold']:.1f}. Its "
        f"uncertainty is shown by the thresholds {least:.1f} and {most:.1f}, a tenth of the distance between pores "
        "and solid below and above; what differs less than they do cannot be told apart."
    )
    return lines + list(said["warnings"])


def _stated(pair):
    """What is said of voxel sizes that no file carries."""
    steps = [step for volume in (pair.low, pair.high) for step in volume.provenance]
    if not any(step.get("voxel_size_from") == "study" for step in steps):
        return ""
    return "; the sample sheet states them, the files do not tell: all lengths are as right as what it states"


def candidate_rows(pair: VolumePair) -> list[dict]:
    """Return the places that were tried, the best first: place, turn, correlations, share that agrees."""
    names = ("place", "turn", "coarse", "final", "agreeing")
    return [{name: one.get(name) for name in names} for one in pair.transform["candidates"]]


def pair_figures(pair: VolumePair, folder: str | Path) -> Sequence[Path]:
    """Write the figures of a pair: overlays in three planes, and what is left of each block."""
    laid = pictures(pair)
    rows = {
        title: [(picture, textwrap.fill(words, 44)) for picture, words in half]
        for title, half in {"Checkerboards": laid[:3], "Overlays": laid[3:]}.items()
    }
    grade, said = pair_verdict(pair)
    more = {
        "pictures": [image(picture, words, label=words) for picture, words in laid],
        "grade": grade,
        "registered": said,
        "found": found_words(pair),
        "candidates": candidate_rows(pair),
        "summary": "",
    }
    drawing = Drawing("pair_overlay", "Coarse and fine scan over each other", more=more)
    files = list(blocks_plot(pair).save(Path(folder)))
    return files + list(images.save_sheet(sheet(rows, 2.9, 0.65), Path(folder), drawing))

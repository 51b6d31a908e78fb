"""Register two SEM images of one field and bring them onto grids that fit together."""

import math
import os
from dataclasses import dataclass

import numpy as np

from acuity.errors import AcuityError
from acuity.pair.inputs import check_pair, numbers
from acuity.pair.patches import measure_patches, patch_table
from acuity.pair.settings import PairSettings
from acuity.register.affine import apply_affine, refine_affine, take_apart
from acuity.register.elastic import Refinement, refine_elastic
from acuity.register.place import find_place
from acuity.register.sampling import Sampler, rectangle
from acuity.seals import write_sealed
from acuity.tables import tidy, write_rows, write_table
from acuity.volume import Volume, remove_store, write_volume

# Band pass in low pixels: coarse for the first blocks, whose place is right to a few pixels.
_BANDS = ((2.0, 12.0), (1.5, 8.0), (1.0, 6.0))
_BAND = _BANDS[-1]
# Blur of the high image where it is compared with low pixels, in low pixels.
_BLUR = 0.4
# Blocks below this side, in low pixels, hold too little to be placed.
_SMALLEST = 24
# Share of blocks that must follow one affine map, within this many low pixels or this part of
# their side.
_FOLLOW, _NEAR, _NEAR_PART = 0.4, 4.0, 1 / 16
# Units of the figures that are no counts or ratios.
_LENGTHS = ("registration_rms", "registration_rms_before")
_LENGTHS += ("elastic_rms", "elastic_largest", "elastic_update")
_UNITS = dict.fromkeys(_LENGTHS, "voxel") | dict.fromkeys(("rotation", "shear"), "degree")


@dataclass(frozen=True)
class Outputs:
    """Files that `pair` writes.

    Attributes
    ----------
    low, high, valid : path-like
        Volumes: the part of the low image, in its own type, (1, n, m); the high image on the finer
        grid, float32, (1, factor n, factor m), in the low image's intensities; 1 in accepted
        patches, uint8, on the same grid.
    transform : path-like
        JSON, see docs/pairs.md.
    patches : path-like
        Table: y, x (first voxel of a patch on the high grid), dy_before, dx_before, dy, dx
        (displacement of high against low after the affine map and at the end, high-grid voxels),
        ncc (band-passed), accepted (1 or 0).
    table : path-like
        Table, tidy: metric, subset, value, unit.
    """

    low: str | os.PathLike
    high: str | os.PathLike
    valid: str | os.PathLike
    transform: str | os.PathLike
    patches: str | os.PathLike
    table: str | os.PathLike


def pair(high, low, outputs: Outputs, settings: PairSettings, *, factor, name=""):
    """Register a high-magnification image with a low one and write both on grids that fit.

    As de Haan et al. (Sci. Rep. 9, 12050, 2019, "Co-registration") do: a rough place from the
    magnifications, an affine map from correlation, elastic registration over ever smaller blocks,
    normalisation by mean and standard deviation, patches rejected by correlation. The high image
    is resampled once, with cubic splines, onto the low image's pixels divided by `factor`; the low
    one is only cropped by whole pixels. Both images are held in memory.

    Parameters
    ----------
    high, low : Volume
        One slice each, (1, y, x); `low` has the larger pixels and the larger field.
    outputs : Outputs
        What to write.
    settings : PairSettings
        A patch is brought up to whole low pixels and at least 32 of them, the smallest block to
        24. The scale that is compared with the stated one is the geometric mean of both axes.
        Saturation at the least value may be 0.8.
    factor : int
        Pixels of the high grid along a side of a low pixel.
    name : str
        Of the pair, for errors.

    Returns
    -------
    dict
        What the transform holds.

    Raises
    ------
    AcuityError
        If an image is blank, saturated, not finite or more than one slice; if magnifications or
        sizes do not fit; if the two cannot be registered: too few blocks follow one affine
        map, the scale is not the stated one, the displacement folds, or too few patches agree.
        Nothing is left at the outputs then.
    """
    where = f"pair{f' {name}' if name else ''}"
    fine, coarse, ratios = check_pair(high, low, factor, settings.max_saturated, where)
    both = ", ".join([where, *filter(None, (high.source, low.source))])
    # Whole low pixels.
    patch = math.ceil(max(settings.patch, 32 * factor) / factor) * factor
    smallest = max(round(settings.smallest_block / factor), _SMALLEST)
    image = coarse.astype(np.float32)
    moving = Sampler(fine, _BLUR * ratios)
    matrix, place = _affine(image, fine, moving, ratios, settings.max_rotation, both)
    _check_scale(matrix, ratios, settings.max_scale_error, high, low, both)
    update = settings.update / factor
    refinement = Refinement(settings.blocks, smallest, _BAND, settings.smoothness, update)
    field, history = refine_elastic(image, moving, matrix, refinement)
    # Nearer to the border than half of the smallest block nothing was measured.
    sides = {"factor": factor, "rim": smallest // 2, "patch": patch}
    output = _Output(moving, image.shape, matrix, field, **sides, where=both)
    resampled = output.resample(fine, ratios)
    cropped = coarse[output.crop]
    affine = moving.warped(matrix, output.crop)
    shifts = measure_patches(cropped, resampled, affine, factor, patch, _BAND)
    accepted = _accept(shifts, settings, both)
    valid = _mask(resampled.shape, shifts.corners[accepted], patch)
    resampled, normalisation = _normalise(cropped, resampled, valid, factor)
    content = output.content(matrix, ratios, history) | {
        "place": place,
        "patch": patch,
        "normalisation": normalisation,
        "accepted": int(np.count_nonzero(accepted)),
        "patches": int(accepted.size),
        "sources": {"low": low.digest, "high": high.digest},
    }
    metrics = _metrics(content, shifts, accepted, output)
    content["verdict"] = _verdict(content, metrics, settings.update, where)
    step = {
        "step": "pair",
        "factor": factor,
        "low_crop": content["low_crop"],
        "grey_values": low.dtype.name,
    }
    coarse_grid, fine_grid = output.grids(low.grid)
    try:
        for path, array, grid, meaning, source in (
            (outputs.low, cropped, coarse_grid, low.intensity, low),
            (outputs.high, resampled, fine_grid, low.intensity, high),
            (outputs.valid, valid, fine_grid, "label", high),
        ):
            about = source.after(step | {"source_digest": source.digest})
            write_volume(path, Volume(array[None], grid, **about | {"intensity": meaning}))
        write_table(patch_table(shifts, accepted), outputs.patches)
        write_rows(tidy(metrics, units=_UNITS), outputs.table)
        write_sealed(outputs.transform, content)
    except BaseException:
        for path in (outputs.low, outputs.high, outputs.valid):
            remove_store(path)
        raise
    return content


def _affine(image, high, moving, ratios, max_rotation, where):
    """Find the affine map from low pixels to high ones; refuse a pair that follows none."""
    place = find_place(image, high, ratios, most_rotation=max_rotation)
    try:
        matrix, _, found = refine_affine(image, moving, place.matrix, bands=_BANDS)
    except AcuityError:
        # the map ran away: there was nothing to follow
        raise AcuityError(
            f"{where}: cannot be registered: the best place of the high image in the low one has a "
            f"correlation of {place.ncc:.2f}, and its parts follow no common map from there; do both "
            "show one field?"
        ) from None
    shorter = min(part.stop - part.start for part in moving.region(matrix, image.shape))
    side = 2 * shorter / (len(found.centres) ** 0.5 + 1)
    follow = np.hypot(*found.shifts.T) <= max(_NEAR, _NEAR_PART * side)
    follow &= found.ncc > 0
    if follow.mean() < _FOLLOW:
        raise AcuityError(
            f"{where}: cannot be registered: {np.count_nonzero(follow)} of {follow.size} blocks "
            "follow one rotation, scale and shift (the best place has a correlation of "
            f"{place.ncc:.2f}), allowed is a share of {_FOLLOW:g}; do both show one field?"
        )
    return matrix, {"ncc": place.ncc, "second": place.second}


def _check_scale(matrix, ratios, most, high, low, where):
    parts = take_apart(matrix)
    found = np.array([parts.scale_y, parts.scale_x])
    if abs(parts.scale / math.sqrt(np.prod(ratios)) - 1) > most:
        raise AcuityError(
            f"{where}: the pixel sizes state a scale of {numbers(ratios)} and the images show one of "
            f"{numbers(found)} (y, x){_tilts(high, low)}; allowed is a mean difference of {most:.3g} "
            "of it (max_scale_error)."
        )


def _tilts(*volumes):
    tilts = [
        entry["instrument"].get("stage_tilt_degrees")
        for volume in volumes
        for entry in volume.provenance
        if isinstance(entry.get("instrument"), dict)
    ]
    if len(tilts) != 2 or None in tilts or abs(tilts[0] - tilts[1]) < 0.5:
        return ""
    return f"; the stage was tilted by {tilts[0]:.3g} degrees for the high and {tilts[1]:.3g} for the low one"


def _accept(shifts, settings, where):
    """Return which patches agree, bool; refuse a pair of which too few do."""
    accepted = (shifts.length <= settings.max_residual) & (shifts.ncc >= settings.min_ncc)
    if accepted.mean() < settings.least_accepted or not accepted.any():
        raise AcuityError(
            f"{where}: cannot be registered: {np.count_nonzero(accepted)} of {accepted.size} patches "
            f"agree to {settings.max_residual:g} voxels with a correlation of at least "
            f"{settings.min_ncc:g} (median residual {np.median(shifts.length):.2f} voxels, median "
            f"correlation {np.median(shifts.ncc):.2f}), allowed is a share of "
            f"{settings.least_accepted:g} (least_accepted); do both show one field?"
        )
    return accepted


def _mask(shape, corners, side):
    """Return 1 in the patches at some corners (y, x), 0 elsewhere; uint8."""
    mask = np.zeros(shape, np.uint8)
    for y, x in corners:
        mask[y : y + side, x : x + side] = 1
    return mask


class _Output:
    """The grids of the pair that is written, and the map from the high one to the raw image."""

    def __init__(self, high, low_shape, matrix, field, *, factor, rim, patch, where):
        self.factor, self.field, self.matrix = factor, field, matrix
        region = high.region(matrix, low_shape, field)
        inside = high.inside(*high.places(matrix, *self._raster(region), field))
        n, m = (part.stop - part.start for part in region)
        whole = inside.reshape(n, self.factor, m, self.factor).all(axis=(1, 3))
        inner = rectangle(whole)
        self.crop = tuple(
            slice(outer.start + part.start + rim, outer.start + part.stop - rim)
            for outer, part in zip(region, inner, strict=True)
        )
        sizes = [(part.stop - part.start) * self.factor for part in self.crop]
        if min(sizes) < patch:
            raise AcuityError(
                f"{where}: the images have {sizes[0]} x {sizes[1]} voxels of the high grid in common, "
                f"and a patch is {patch} x {patch}; choose images with a larger "
                "common field or a smaller patch."
            )
        self.jacobian = field.jacobian(*self._raster(self.crop))
        if self.jacobian.min() <= 0:
            raise AcuityError(
                f"{where}: cannot be registered: the elastic displacement folds (least Jacobian "
                f"{self.jacobian.min():.2f}), allowed are values above 0; raise smoothness or "
                "smallest_block."
            )
        self.displacement = self.factor * field.on(*self._raster(self.crop))

    def _raster(self, region):
        """Low-pixel coordinates of the voxels of the high grid."""
        return [
            part.start
            + (np.arange((part.stop - part.start) * self.factor) - (self.factor - 1) / 2)
            / self.factor
            for part in region
        ]

    def resample(self, high, ratios):
        """Sample the raw high image on the high grid: its one resampling."""
        # Where its pixels are finer than the grid's: the variance of binning them.
        finer = np.maximum(ratios / self.factor, 1.0)
        sampler = Sampler(high, np.sqrt((finer**2 - 1) / 12))
        return sampler.at(*sampler.places(self.matrix, *self._raster(self.crop), self.field))

    def grids(self, low):
        """Return the grids of the two outputs from that of the low image."""
        grid = low.crop((slice(0, 1), *self.crop))
        return grid, grid.refine((1, self.factor, self.factor))

    def content(self, matrix, ratios, history):
        """What the transform says of the map, in voxels of the high grid."""
        f = self.factor
        y0, x0 = (part.start for part in self.crop)
        # voxel p of the high grid lies at q = first + (p - (f - 1) / 2) / f of the low image
        first = np.array([y0, x0]) - (f - 1) / 2 / f
        parts = take_apart(matrix)
        affine = np.column_stack([matrix[:, :2] / f, apply_affine(matrix, *first)])
        y, x = self.field.nodes
        dy, dx = self.field.on(y, x) * f
        return {
            "factor": f,
            "resampled": "high",
            "low_crop": [y0, x0, *(part.stop - part.start for part in self.crop)],
            "stated_scale": float(np.sqrt(np.prod(ratios))),
            "found_scale": parts.scale,
            "found_scale_yx": [parts.scale_y, parts.scale_x],
            "rotation_degrees": parts.rotation,
            "shear_degrees": parts.shear,
            "affine": affine.tolist(),
            "nodes": {
                "y": ((y - first[0]) * f).tolist(),
                "x": ((x - first[1]) * f).tolist(),
                "dy": dy.tolist(),
                "dx": dx.tolist(),
            },
            "field": {
                "origin": ((self.field.origin - first) * f).tolist(),
                "step": (np.asarray(self.field.step) * f).tolist(),
                "coefficients": (self.field.coefficients * f).tolist(),
            },
            "jacobian": [float(self.jacobian.min()), float(self.jacobian.max())],
            "passes": [{"block": p.side * f, "update": p.update * f} for p in history],
        }


def _normalise(low, high, valid, factor):
    """Bring the high image to mean and standard deviation of the low one in accepted patches."""
    of_low = low[valid[::factor, ::factor] > 0].astype(np.float64)
    of_high = high[valid > 0].astype(np.float64)
    stats = {
        key: {"mean": float(values.mean()), "std": float(values.std())}
        for key, values in (("low", of_low), ("high", of_high))
    }
    gain = stats["low"]["std"] / max(stats["high"]["std"], 1e-12)
    out = (high.astype(np.float64) - stats["high"]["mean"]) * gain + stats["low"]["mean"]
    return out.astype(np.float32), stats


def _metrics(content, shifts, accepted, output):
    lengths = np.hypot(*output.displacement)
    before = np.hypot(*shifts.before[accepted].T)
    found, stated = content["found_scale"], content["stated_scale"]
    return {
        "registration_rms": np.sqrt(np.mean(shifts.length[accepted] ** 2)),
        "registration_rms_before": np.sqrt(np.mean(before**2)),
        "patches": accepted.size,
        "patches_accepted": accepted.mean(),
        "patch_ncc_median": np.median(shifts.ncc),
        "rotation": content["rotation_degrees"],
        "scale_stated": stated,
        "scale_found": found,
        "scale_error": found / stated - 1,
        "shear": content["shear_degrees"],
        "elastic_rms": np.sqrt(np.mean(lengths**2)),
        "elastic_largest": lengths.max(),
        "elastic_update": content["passes"][-1]["update"],
        "jacobian_least": content["jacobian"][0],
        "jacobian_greatest": content["jacobian"][1],
    }


def _verdict(content, metrics, update, where):
    y0, x0, height, width = content["low_crop"]
    last = metrics["elastic_update"]
    moving = "" if last < update else f" (its last pass still moved the blocks by {last:.2g})"
    return (
        f"{where}: {height} x {width} pixels of the low image from y = {y0}, x = {x0} on, rotation "
        f"{metrics['rotation']:.3f} degrees, scale {metrics['scale_found']:.4f} (stated "
        f"{metrics['scale_stated']:.4f}), elastic displacement {metrics['elastic_rms']:.2f} voxels "
        f"rms{moving}, residual {metrics['registration_rms']:.3f} voxels rms over {content['accepted']} of "
        f"{content['patches']} patches; the high image was resampled."
    )

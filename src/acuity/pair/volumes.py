"""Register two volumes of one object and bring them onto grids that fit together."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.pair.grids import FieldOfView, fine_matrix, overlap
from acuity.pair.inputs import check_between, check_volumes
from acuity.pair.pair import Outputs
from acuity.pair.place import recorded_place, stated_place
from acuity.pair.resample import Resampler
from acuity.pair.settings import VolumePairSettings
from acuity.pair.through import composed
from acuity.register.volume_settings import VolumeSettings
from acuity.register.volumes import Registration, register_volumes
from acuity.seals import write_sealed
from acuity.tables import TOLD, WARNING, tidy, write_rows, write_table
from acuity.volume import CroppedArray, Volume, VolumeWriter, remove_store, write_volume

_UNITS = dict.fromkeys(("registration_error", "residual_rms"), "voxel") | {"rotation": "degree"}
_DEPTH = 32  # slices of the fine grid that are sampled at once, whole rows of shards


def pair_volumes(
    high,
    low,
    outputs: Outputs,
    settings: VolumePairSettings,
    *,
    factor,
    name="",
    place=None,
    middle=None,
    given=None,
):
    """Register a fine scan of an object with a coarse one and write both on grids that fit.

    The low volume is only cropped, by whole voxels; the high one is resampled once, by cubic splines,
    onto the low one's voxels divided by `factor`, in its own grey values. Both are held in memory while
    they are registered, in their own types; what is written streams.

    Parameters
    ----------
    high, low : acuity.volume.Volume
        (z, y, x); `low` has the larger voxels.
    outputs : acuity.pair.pair.Outputs
        ``valid`` is 1 where the fine scan is known, on the fine grid; the table ``patches`` has the
        blocks of the registration: z, y, x (centre, low voxels), dz, dy, dx (residual, high voxels), ncc.
    settings : VolumePairSettings
    factor : int
        Voxels of the fine grid along a low one: the whole number nearest to the ratio of the sizes.
    name : str
        Of the pair, for errors.
    place : str, optional
        About where the middle of `high` lies, as `acuity.pair.place.parse_place` reads it; by default where the
        files' own positions say. It only orders the search.
    middle : acuity.volume.Volume, optional
        A scan of a magnification between, through which the map is composed.
    given : numpy.ndarray, optional
        (3, 4), the map from low voxels to high ones, where it is known: nothing is registered then.

    Returns
    -------
    dict
        What the transform holds.

    Raises
    ------
    AcuityError
        If the sizes do not fit, or the two cannot be registered. Nothing is left at the outputs then.
    """
    where = f"pair{f' {name}' if name else ''}"
    ratio = check_volumes(high, low, factor, where)
    both = ", ".join([where, *filter(None, (high.source, low.source))])
    guess = recorded_place(low, high) if place is None else stated_place(place, low.grid, where)
    steps = []
    if given is not None:
        found = _given(given, ratio)
    elif middle is None:
        found = _registered((low, high), ratio, settings, guess, both)
    else:
        found, steps = _through((low, middle, high), settings, guess, where)
    box = overlap(found.matrix, low.grid.shape, high.grid.shape, both)
    field = _field_of_view(high, settings, float(np.mean(ratio)))
    resampler = Resampler(high, found.matrix, box, factor, field, warp=_warp(found))
    content = _content(found, ratio, box, factor, field) | {
        "sources": {"low": low.digest, "high": high.digest},
        "guess": None if guess is None else list(guess),
        "through": steps,
    }
    try:
        share = _write(high, low, outputs, resampler, box, both)
        metrics = _metrics(found, content, share)
        content |= {"known": share, "verdict": _verdict(found, content, metrics, where)}
        write_table(_blocks(found), outputs.patches)
        write_rows(tidy(metrics, units=_UNITS) + _warned(found), outputs.table)
        write_sealed(outputs.transform, content)
    except BaseException:
        for path in (outputs.low, outputs.high, outputs.valid):
            remove_store(path)
        raise
    return content


def _registered(volumes, ratio, settings, place, where):
    grid = volumes[0].grid
    names = VolumeSettings.__dataclass_fields__
    own = VolumeSettings(**{name: getattr(settings, name) for name in names})
    about = {"place": place, "where": where, "voxel": (float(np.mean(grid.spacing)), grid.unit)}
    return register_volumes(*(volume.read() for volume in volumes), ratio, own, **about)


def _through(volumes, settings, place, where):
    """Register a coarse scan with a middle one and this with a fine one; put both together.

    Returns the map, and what each of the two steps has found.
    """
    ratios = check_between(*volumes, where)
    found, said = [], []
    for number, (pair, ratio) in enumerate(zip(pairwise(volumes), ratios, strict=True)):
        guess = recorded_place(*pair)
        if number and place is not None:
            guess = tuple(found[0].map(np.array([place]))[0])
        both = ", ".join([where, *filter(None, (pair[1].source, pair[0].source))])
        one = _registered(pair, ratio, settings, guess, both)
        found.append(one)
        said.append(
            {
                "files": [volume.source for volume in pair],
                "voxel_sizes": [list(volume.grid.spacing) for volume in pair],
                "matrix": one.matrix.tolist(),
                "scale": one.scale,
                "error": one.error,
                "correlation": one.correlation,
                "candidates": [_candidate(each) for each in one.candidates],
            }
        )
    centre = [(n - 1) / 2 for n in volumes[-1].grid.shape]
    return composed(*found, ratios[1], centre), said


def _given(matrix, ratio):
    """What a registration says, of a map that is known."""
    scale, _, _ = _parts(matrix, ratio)
    blocks = pd.DataFrame(columns=["z", "y", "x", "dz", "dy", "dx", "ncc"], dtype=float)
    return Registration(
        matrix=matrix,
        scale=scale,
        scale_held=False,
        field=None,
        error=0.0,
        correlation=math.nan,
        candidates=[],
        blocks=blocks,
    )


def _warp(found):
    """The displacement of low voxels that was found, of points (3, ...)."""
    if found.field is None:
        return None

    def displaced(points):
        return found.field(points.reshape(3, -1).T).T.reshape(points.shape)

    return displaced


def _field_of_view(high, settings, ratio):
    """What the high scan has recorded, less the margin."""
    shape = high.grid.shape
    cylinder = settings.field == "cylinder"
    if settings.field == "auto":
        image = high.read(slice(shape[0] // 2, shape[0] // 2 + 1))[0]
        y, x = (np.arange(n) - (n - 1) / 2 for n in shape[1:])
        outside = image[y[:, None] ** 2 + x[None, :] ** 2 > (min(shape[1:]) / 2 + 1) ** 2]
        cylinder = outside.size > 0 and outside.min() == outside.max() and image.min() < image.max()
    return FieldOfView(shape, settings.margin * ratio, cylinder=bool(cylinder))


def _write(high, low, outputs, resampler, box, where):
    """Write the three volumes; return the share of the fine grid on which the high scan is known."""
    factor = resampler.factor
    step = {
        "step": "pair",
        "factor": factor,
        "low_crop": [part.start for part in box] + [part.stop - part.start for part in box],
    }
    coarse = low.grid.crop(box)
    fine = coarse.refine((factor,) * 3)
    about = low.after(step | {"source_digest": low.digest, "grey_values": low.dtype.name})
    write_volume(outputs.low, Volume(CroppedArray(low.data, box), coarse, **about))
    about = high.after(step | {"source_digest": high.digest, "grey_values": high.dtype.name})
    known = 0
    with (
        VolumeWriter(outputs.high, fine, np.float32, **about) as values,
        VolumeWriter(outputs.valid, fine, np.uint8, **(about | {"intensity": "label"})) as valid,
    ):
        for z0, block, inside in resampler.slabs(_DEPTH):
            values.write(z0, block)
            valid.write(z0, inside.astype(np.uint8))
            known += int(np.count_nonzero(inside))
        if not known:
            raise AcuityError(
                f"{where}: no voxel of the high volume is left within the low one and the margin of its "
                "field (margin); do both show one object?"
            )
    return known / math.prod(fine.shape)


def _parts(matrix, ratio):
    """Scale against the stated one, and the turn about each axis in degrees, of a map (3, 4)."""
    own = matrix[:, :3] / np.asarray(ratio)[:, None]
    scale = float(np.cbrt(np.linalg.det(own)))
    u, _, v = np.linalg.svd(own / scale)
    r = u @ v
    turn = np.degrees(
        [np.arctan2(r[2, 1], r[1, 1]), np.arctan2(-r[2, 0], r[0, 0]), np.arctan2(r[1, 0], r[0, 0])]
    )
    angle = np.degrees(np.arccos(np.clip((np.trace(r) - 1) / 2, -1, 1)))
    return scale, turn, float(angle)


def _content(found, ratio, box, factor, field):
    """What the transform says of the map."""
    matrix = np.asarray(found.matrix, np.float64)
    scale, turn, angle = _parts(matrix, ratio)
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    first = [part.start for part in box]
    return {
        "factor": factor,
        "resampled": "high",
        "axes": "zyx",
        "low_crop": [*first, *(part.stop - part.start for part in box)],
        "matrix": matrix.tolist(),
        "affine": fine_matrix(matrix, first, factor).tolist(),
        "stated_ratio": list(map(float, ratio)),
        "scale": scale,
        "scale_held": bool(found.scale_held),
        "rotation_degrees": angle,
        "turns_degrees": [float(t) for t in turn],
        "place": (matrix[:, :3] @ middle + matrix[:, 3]).tolist(),
        "warped": found.field is not None,
        "error": float(found.error),
        "correlation": _number(found.correlation),
        "candidates": [_candidate(one) for one in found.candidates],
        "field_of_view": {
            "radius": field.radius,
            "margin": field.margin,
            "shape": list(field.shape),
        },
        "warnings": list(found.warnings),
    }


def _candidate(one):
    """A place that was tried, as JSON holds it: what was not found is null."""
    return {
        "place": list(map(float, one.place)),
        "turn": list(map(float, one.turn)),
        **{key: _number(getattr(one, key)) for key in ("coarse", "final", "agreeing")},
    }


def _number(value):
    return float(value) if math.isfinite(value) else None


def _blocks(found):
    """The blocks of a registration as a table."""
    return pd.DataFrame(found.blocks)


def _metrics(found, content, share):
    blocks = _blocks(found)
    residual = np.sqrt((blocks[["dz", "dy", "dx"]] ** 2).sum(axis=1)) if len(blocks) else [math.nan]
    return {
        "registration_error": content["error"],
        "residual_rms": float(np.sqrt(np.mean(np.square(residual)))),
        "blocks": len(blocks),
        "correlation": found.correlation,
        "rotation": content["rotation_degrees"],
        "scale_found": content["scale"],
        "known_share": share,
    }


def _warned(found):
    """What the registration warns of, as findings that reach the first page."""
    row = {"metric": WARNING, "subset": "all", "value": math.nan, "unit": ""}
    effect = "look at the page of the pair before you trust figures of it"
    return [row | dict(zip(TOLD, ("pair", said, effect), strict=True)) for said in found.warnings]


def _verdict(found, content, metrics, where):
    z, y, x, *counts = content["low_crop"]
    if content["correlation"] is None:
        return (
            f"{where}: {counts[0]} x {counts[1]} x {counts[2]} voxels of the low volume (z, y, x) from {z}, {y}, "
            f"{x} on, by the map that was given. The high volume was resampled."
        )
    held = " (held, the field is too small to find it)" if content["scale_held"] else ""
    return (
        f"{where}: {counts[0]} x {counts[1]} x {counts[2]} voxels of the low volume (z, y, x) from {z}, {y}, "
        f"{x} on; turned by {content['rotation_degrees']:.2f} degrees, scale {content['scale']:.4f} of the "
        f"stated one{held}, correlation {content['correlation']:.3f}; estimated error "
        f"{content['error']:.2f} voxels of the high volume. The high volume was resampled."
    )

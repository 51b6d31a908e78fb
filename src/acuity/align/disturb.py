"""Put known shifts and faults into a real stack, to measure an alignment on it."""

import math

import numpy as np
import pandas as pd

from acuity.align.settings import Perturb
from acuity.align.stream import stream
from acuity.errors import AcuityError, require
from acuity.register.transforms import apply_translation, to_type
from acuity.tables import write_table
from acuity.volume import VolumeWriter

# rows and columns beside the shift that are cut off, for the reach of the cubic kernel
_RIM = 3


def disturb(volume, output, table, settings: Perturb, *, seed, margin=None):
    """Write a stack with known shifts, noise, curtains and bad slices in it.

    Each slice is moved once (cubic) and all are cut to the part that every one of them covers, so
    that no border, black or mirrored, gives the shift away. An undisturbed stack to compare with
    is cut the same by giving the `margin` that this one returned, and no shifts.

    Parameters
    ----------
    volume : Volume
        A stack, (z, y, x).
    output : path-like
        The volume to write, in the type of `volume`.
    table : path-like
        Table to write: z, dy, dx (displacement added, voxels), fault.
    settings : Perturb
        What is put in. The drift grows evenly; a jump displaces its slice and all behind it. Faults:
        ``blank``: the mean value with a noise of 2 % of the slice's standard deviation.
        ``duplicate``: a copy of slice z - 1. ``swapped``: slices z and z + 1 exchanged.
        ``inverted``: contrast reversed. ``saturated``: all values above the median clipped, the
        rest stretched over the range. ``noisy``: contrast down to a quarter and noise of as much
        as the slice's standard deviation.
    seed : int
        Seed of jitter, noise and curtains. Each slice has random numbers of its own.
    margin : sequence, optional
        Rows and columns to cut off, ``[[top, bottom], [left, right]]``; by default the least that
        the shifts need.

    Returns
    -------
    dict
        ``margin``, as above.

    Raises
    ------
    AcuityError
        If a setting is out of range, a fault or jump is at a slice that is not there, two faults
        share a slice, or the shifts leave less than half of a side.
    """
    count, ny, nx = volume.grid.shape
    require(0 <= seed < 2**63, f"disturb: seed is {seed}, allowed are whole numbers from 0 up.")
    added = _shifts(count, settings, seed)
    kinds, source = _faults(count, settings.faults)
    margin = _margin(added, (ny, nx), margin)
    box = (slice(0, count), *(slice(a, n - b) for (a, b), n in zip(margin, (ny, nx), strict=True)))
    step = {
        "step": "disturb",
        "source_digest": volume.digest,
        **settings.model_dump(mode="json"),
        "margin": margin,
        "seed": int(seed),
    }
    streaks = _random(seed, 0, 3).standard_normal(nx, np.float32)

    def changed(z, image):
        """Slice z as the microscope would have recorded it."""
        moved, _ = apply_translation(image, -added[z, 0], -added[z, 1])
        moved = moved[box[1:]]
        sd = np.float32(moved.std(dtype=np.float64))
        if settings.curtains:
            moved = moved + np.float32(settings.curtains) * sd * streaks[None, box[2]]
        if settings.noise:
            white = _random(seed, z, 1).standard_normal(moved.shape, np.float32)
            moved = moved + np.float32(settings.noise) * sd * white
        return to_type(_broken(moved, kinds[z], volume.dtype, _random(seed, z, 2)), volume.dtype)

    grid = volume.grid.crop(box)
    with VolumeWriter(output, grid, volume.dtype, **volume.after(step)) as writer:
        held = {}  # a slice that waits for the one to stand before it, and the last one written
        z = 0
        for place, image in stream(volume, "disturb"):
            held[place] = changed(place, image)
            while z < count and source[z] in held:
                writer.write(z, held[source[z]][None])
                z += 1
                for old in [key for key in held if key < z - 1]:
                    del held[old]
    # a duplicate carries the shift of the slice that it copies, an exchanged one its own
    rows = {"z": range(count), "dy": added[source, 0], "dx": added[source, 1], "fault": kinds}
    write_table(pd.DataFrame(rows), table)
    return {"margin": margin}


def _random(seed, z, purpose):
    return np.random.Generator(np.random.Philox(key=[seed, 4 * z + purpose]))


def _shifts(count, settings, seed):
    path = np.zeros((1, 2))
    if count > 1:
        path = np.linspace(0, 1, count)[:, None] * np.asarray(settings.drift)
    if settings.jitter:
        own = [_random(seed, z, 0).standard_normal(2) for z in range(count)]
        path = path + settings.jitter * np.array(own)
    for z, move in settings.jumps.items():
        _check_slice(z, count, "jumps")
        path[z:] += move
    return path


def _check_slice(z, count, name):
    if not 0 <= z < count:
        raise AcuityError(
            f"disturb: {name} names the slice {z}, allowed are slices from 0 to {count - 1}."
        )


def _faults(count, faults):
    kinds, source = [""] * count, np.arange(count)
    for kind, where in faults.items():
        for z in where:
            _check_slice(z, count, f"faults, {kind},")
            first, last = {"duplicate": (1, count), "swapped": (0, count - 1)}.get(kind, (0, count))
            if not first <= z < last:
                raise AcuityError(
                    f"disturb: slice {z} cannot be {kind}, the slice "
                    f"{'before' if kind == 'duplicate' else 'behind'} it is not there."
                )
            members = (z, z + 1) if kind == "swapped" else (z,)
            for member in members:
                if kinds[member]:
                    raise AcuityError(
                        f"disturb: slice {member} is {kinds[member]} and {kind}, allowed is one "
                        "fault a slice."
                    )
                kinds[member] = kind
            if kind == "duplicate":
                source[z] = z - 1
            elif kind == "swapped":
                source[[z, z + 1]] = z + 1, z
    for z in range(1, count):
        if kinds[z] == "duplicate" and kinds[z - 1]:
            raise AcuityError(
                f"disturb: slice {z} cannot be a duplicate of slice {z - 1}, which is "
                f"{kinds[z - 1]} itself; name another slice."
            )
    return kinds, source


def _margin(added, size, margin):
    if margin is None:
        margin = [
            [int(max(0, math.ceil(d.max()))) + _RIM, int(max(0, math.ceil(-d.min()))) + _RIM]
            if np.any(d)
            else [0, 0]
            for d in added.T
        ]
    try:
        margin = [[int(a), int(b)] for a, b in margin]
    except (TypeError, ValueError):
        margin = []
    if len(margin) != 2 or np.min(margin) < 0:
        raise AcuityError(
            "disturb: margin is [[top, bottom], [left, right]], whole numbers from 0 up."
        )
    for axis, (a, b), n in zip("yx", margin, size, strict=True):
        if 2 * (a + b) > n:
            raise AcuityError(
                f"disturb: the shifts cut {a + b} of {n} voxels off along {axis}, allowed is up to "
                "half of them; make drift and jumps smaller."
            )
    return margin


def _broken(image, kind, dtype, random):
    """Give a slice with its fault; the type's range is the camera's."""
    if kind in ("", "duplicate", "swapped"):
        return image
    mean, sd = image.mean(dtype=np.float64), image.std(dtype=np.float64)
    if dtype.kind == "f":
        low, high = float(image.min()), float(image.max())
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    if kind == "blank":
        return (mean + 0.02 * sd * random.standard_normal(image.shape)).astype(np.float32)
    if kind == "inverted":
        return low + (high - image)
    if kind == "saturated":
        dark, middle = np.percentile(image, [1, 50])
        stretched = low + (image - dark) * (high - low) / max(middle - dark, 1e-6)
        return np.clip(stretched, low, high)
    noise = sd * random.standard_normal(image.shape)
    return (mean + (image - mean) / 4 + noise).astype(np.float32)

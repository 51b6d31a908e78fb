"""Find the path of a stack: the displacement of every slice, and the slices that are faulty."""

import math
import os
import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from acuity.align.faults import FAULTS, figures, find_faults, usual
from acuity.align.modes import steps, trend
from acuity.align.settings import AlignSettings
from acuity.align.solve import consistent, solve
from acuity.align.stream import stream
from acuity.errors import AcuityError, require
from acuity.register.correlate import Correlator
from acuity.register.transforms import write_transforms
from acuity.tables import tidy, write_table

# Correlation that two unrelated slices may reach, and the part of what is usual that a pair needs.
# On a smaller overlap chance reaches more, so both are divided by its share of the field.
_LEAST, _USUAL = 0.15, 0.3
# Correlation below which further searches look for small shifts alone.
_DOUBTFUL = 0.5
_NEARER = (3, 4, 6, 8, 12)
# Few slices leave no room for a share of bad ones.
_SHARE_FROM = 20
# Stands for the region of the first slice in the table of pairs.
TEMPLATE = -1
# What `rows` says of a verdict, with units.
_UNITS = {
    **dict.fromkeys(("slices", "flagged_count", "pairs", "pairs_rejected", "ncc_median"), ""),
    **dict.fromkeys(("residual_rms", "drift", "jitter_rms", "largest_step"), "voxel"),
    "largest_step_at": "slice",
}
_PAIRS = ["a", "b", "dy", "dx", "ncc", "weight", "residual", "counts"]


@dataclass(frozen=True)
class Outputs:
    """Files that `align` writes.

    Attributes
    ----------
    transforms : path-like
        JSON, for `acuity.align.transform`: the displacement of each slice to remove.
    slices : path-like
        Table: z; dy, dx: the path (displacement of the slice's contents, voxels); trend_dy,
        trend_dx: what of it stays; used_dy, used_dx: what is removed; ncc: mean correlation with
        the pairs that it was placed by, of a faulty one with its neighbours; flag: name of the
        fault or empty.
    pairs : path-like
        Table: a, b (numbers of slices; a of -1 is the template), dy, dx (displacement of b against
        a), ncc, weight (0 where a slice is faulty), residual (voxels), counts (1 for a pair that
        agrees with the others: those alone make `residual_rms`, 0 for the rest).
    """

    transforms: str | os.PathLike
    slices: str | os.PathLike
    pairs: str | os.PathLike


def align(volume, outputs: Outputs, settings: AlignSettings, *, name=""):
    """Align a stack of slices by translations.

    Every slice is correlated with some slices behind it, and with more where slices between are
    faulty. Faulty slices (`acuity.align.faults`) take no part: the path is carried over them by
    interpolation and they are reported, never dropped or moved to another place. The displacements
    are those that fit all pairs best (`acuity.align.solve`); what of their path is removed is the
    mode's matter (`acuity.align.modes`). In mode ``template_roi`` the window follows its region
    from slice to slice, and each slice is also compared with the first.

    Slices are streamed; only the spectra of the last few are kept, so that memory does not depend
    on how many there are.

    Parameters
    ----------
    volume : Volume
        The stack as it was recorded, (z, y, x).
    outputs : Outputs
        What to write.
    settings : AlignSettings
        Mode, neighbours and limits.
    name : str
        Of the stack, for errors.

    Returns
    -------
    dict
        slices, pairs, flagged (``{name: [z, ...]}``), flagged_count, ncc_median, residual_rms (voxels,
        pairs that count), pairs_rejected, drift (largest distance between two points of the trend),
        jitter_rms (slice to slice, of what is removed, without the jumps), largest_step,
        largest_step_at, jumps (slices), mode, verdict (one sentence).

    Raises
    ------
    AcuityError
        If a setting is out of range, there are fewer than two slices, one holds NaN, the stack
        falls apart (no shift up to half of the field matches what is before a slice with what is
        behind it), or too many slices are faulty. Nothing is written then.
    """
    where = f"align{f' {name}' if name else ''}"
    told = ", ".join(filter(None, [where, volume.source]))
    count, ny, nx = volume.grid.shape
    _check(told, count, settings)
    box = (slice(0, ny), slice(0, nx))
    if settings.roi is not None:
        box = _region(settings.roi, (ny, nx), told)
    window = _Window(box, (ny, nx))
    found, shifts, template, offsets = _correlate(volume, window, settings.neighbours, told)

    flags = find_faults(found, shifts)
    _too_many(flags, settings.most_flagged, told)
    shifts |= _bridge(volume, window, flags, settings.neighbours, settings.bridge, offsets, told)
    path, table = _place(shifts, template, window, flags, settings.most_flagged, told)

    kept = trend(path, settings.mode, smooth=settings.smooth)
    used = path - kept
    verdict = _verdict(path, kept, used, table, flags, settings.mode, where)
    parts = {"": path, "trend_": kept, "used_": used}
    moves = {
        f"{name}d{axis}": part[:, i] for name, part in parts.items() for i, axis in enumerate("yx")
    }
    slices = {"z": range(count), **moves, "ncc": _correlation(table, flags), "flag": flags}
    write_table(pd.DataFrame(slices), outputs.slices)
    pairs = pd.DataFrame(table, columns=_PAIRS)
    write_table(pairs.astype({"counts": int}), outputs.pairs)
    transforms = {
        "unit": volume.grid.unit,
        "voxel_size": volume.grid.spacing,
        "mode": settings.mode,
        "source": volume.digest,
        "dy": used[:, 0],
        "dx": used[:, 1],
        "flagged": verdict["flagged"],
    }
    write_transforms(outputs.transforms, transforms)
    return verdict


def rows(verdict):
    """Tidy rows of what `align` says.

    Parameters
    ----------
    verdict : dict
        As `align` gives it.

    Returns
    -------
    list of dict
        metric (with ``stack_`` in front), subset, value, unit.
    """
    return tidy({name: verdict[name] for name in _UNITS}, "stack_", _UNITS)


def _check(where, count, settings):
    """Check what no single setting shows; each one's bounds are its declaration's."""
    require(count >= 2, f"{where}: found {count} slice, a stack has at least two.")
    if (settings.mode == "template_roi") != (settings.roi is not None):
        raise AcuityError(
            f"{where}: mode is {settings.mode} and roi is {settings.roi!r}; template_roi needs a roi "
            "(y0:y1,x0:x1) and no other mode has one."
        )
    if settings.bridge < settings.neighbours:
        raise AcuityError(
            f"{where}: bridge is {settings.bridge}, allowed are whole numbers from "
            f"{settings.neighbours} to 50."
        )


def _region(roi, size, where):
    match = re.fullmatch(r"\s*(\d+):(\d+)\s*,\s*(\d+):(\d+)\s*", str(roi))
    spans = [(int(match[1]), int(match[2])), (int(match[3]), int(match[4]))] if match else []
    if not spans or any(b - a < 16 or b > n for (a, b), n in zip(spans, size, strict=True)):
        raise AcuityError(
            f"{where}: roi is {roi!r}, allowed is y0:y1,x0:x1 with at least 16 x 16 voxels inside "
            f"the {size[0]} x {size[1]} of a slice."
        )
    return tuple(slice(a, b) for a, b in spans)


class _Window:
    """The region of a slice that is correlated; in mode template_roi it follows the region."""

    def __init__(self, box, size):
        self.box, self.size = box, size
        self.follows = any(part.stop - part.start < n for part, n in zip(box, size, strict=True))
        self.side = min(part.stop - part.start for part in box)
        shape = [part.stop - part.start for part in box]
        # In a low region the filter against streaks would leave one period, which fits everywhere.
        self.correlator = Correlator(shape, drop_streaks=min(2.5, shape[0] / 40))

    def overlap(self, dy, dx):
        """Part of the region that two slices share at a shift."""
        sides = zip((dy, dx), self.correlator.shape, strict=True)
        return math.prod(1 - min(abs(d) / n, 1) for d, n in sides) if math.isfinite(dy) else 0.0

    def spectrum(self, image, offset):
        parts = zip(self.box, offset, strict=True)
        box = tuple(slice(part.start + o, part.stop + o) for part, o in parts)
        return self.correlator.spectrum(image[box])

    def near(self, place):
        """Whole voxels by which the region can be moved towards a place."""
        return tuple(
            int(np.clip(round(p), -part.start, n - part.stop))
            for p, part, n in zip(place, self.box, self.size, strict=True)
        )

    def shift(self, fixed, moving):
        (first, there), (second, here) = fixed, moving
        shift = self.correlator.shift(first, second)
        if shift.ncc < _DOUBTFUL or max(abs(shift.dy), abs(shift.dx)) > self.side / 8:
            # Far from the centre little overlaps, and what peaks there may hide a true match.
            nearer = (self.correlator.shift(first, second, most=self.side / n) for n in _NEARER)
            shift = max(shift, *nearer, key=lambda one: one.ncc * self.overlap(one.dy, one.dx))
        return replace(shift, dy=shift.dy + here[0] - there[0], dx=shift.dx + here[1] - there[1])


def _correlate(volume, window, neighbours, where):
    """Correlate each slice with those just before it, in one pass."""
    found, shifts, template, offsets = [], {}, {}, []
    recent = {}  # spectra of the last slices
    first, places, levels = None, {}, []
    place = (0.0, 0.0)
    for z, image in stream(volume, where):
        found.append(figures(image))
        offsets.append(window.near(place))
        here = (window.spectrum(image, offsets[z]), offsets[z])
        for a, other in recent.items():
            shifts[a, z] = window.shift(other, here)
        if window.follows and found[z].sd > 0:
            if first is None:
                first, places[z] = here, place
            template[z] = window.shift(first, here)
            near = [(shifts[a, z], places[a]) for a in recent if a in places]
            if near:
                # Placed by the neighbour that it is most like; a bad slice is like none.
                shift, start = max(near, key=lambda pair: pair[0].ncc)
                levels = [*levels[-30:], shift.ncc]
                if shift.sign > 0 and shift.ncc > max(_LEAST, 0.5 * np.median(levels)):
                    place = places[z] = (start[0] + shift.dy, start[1] + shift.dx)
        recent[z] = here
        recent.pop(z - neighbours, None)
        places.pop(z - neighbours, None)
    return found, shifts, template, offsets


def _bridge(volume, window, flags, neighbours, bridge, offsets, where):
    """Correlate slices over gaps that the first pass did not reach across."""
    good = [z for z, flag in enumerate(flags) if not flag]
    wanted = {
        (a, b)
        for i, a in enumerate(good)
        for b in good[i + 1 : i + 1 + neighbours]
        if neighbours < b - a <= bridge
    }
    if not wanted:
        return {}
    shifts, recent = {}, {}
    for z, image in stream(volume, where, {z for pair in wanted for z in pair}):
        recent[z] = (window.spectrum(image, offsets[z]), offsets[z])
        for a in [a for a in recent if a < z - bridge]:
            del recent[a]
        for a in sorted(recent):
            if (a, z) in wanted:
                shifts[a, z] = window.shift(recent[a], recent[z])
    return shifts


def _place(shifts, template, window, flags, most_flagged, where):
    """Solve for the path; slices that match nothing are flagged on the way."""
    count = len(flags)
    while True:
        _too_many(flags, most_flagged, where)
        good = [z for z, flag in enumerate(flags) if not flag]
        rows = _rows(shifts, template, window, flags)
        usable = [row for row in rows if row["counts"]]
        odd = _odd(good, usable, rows, flags, where)
        if not odd:
            node = {z: i for i, z in enumerate(good)}
            # The template is a node of its own: the slice that it was taken from may be faulty.
            anchored = any(row["a"] == TEMPLATE for row in usable)
            node[TEMPLATE] = len(good)
            found, weights, residuals = solve(
                len(good) + anchored,
                [(node[row["a"]], node[row["b"]]) for row in usable],
                [(row["dy"], row["dx"]) for row in usable],
                [row["ncc"] for row in usable],
            )
            agree = consistent(residuals)
            for row, weight, rest, fits in zip(usable, weights, residuals, agree, strict=True):
                row |= {"weight": weight, "residual": math.hypot(*rest), "counts": bool(fits)}
            odd = _odd(good, [row for row in usable if row["counts"]], rows, flags, where)
        if not odd:
            break
        for z in odd:
            flags[z] = "noisy"
    _crossed(good, rows, flags, where)
    path = np.column_stack([np.interp(range(count), good, found[: len(good), i]) for i in (0, 1)])
    return path, sorted(rows, key=lambda row: (row["a"], row["b"]))


def _rows(shifts, template, window, flags):
    """Pairs with what was measured and whether they may count."""
    expected = usual(shifts, len(flags), flags)
    rows = []
    for (a, b), shift in shifts.items():
        clear = shift.ncc * window.overlap(shift.dy, shift.dx) >= max(
            _LEAST, _USUAL * expected[b - a][a]
        )
        rows.append(_row(a, b, shift, clear and shift.sign > 0 and not (flags[a] or flags[b])))
    if template:
        level = np.median([row["ncc"] for row in rows if row["counts"]] or [1.0])
        for z, shift in template.items():
            # The region may change with depth: the template counts while it is clearly there.
            clear = shift.ncc >= max(_LEAST, 0.5 * level)
            rows.append(_row(TEMPLATE, z, shift, clear and shift.sign > 0 and not flags[z]))
    return rows


def _row(a, b, shift, counts):
    row = {"a": a, "b": b, **vars(shift)}
    return row | {"weight": 0.0, "residual": math.nan, "counts": bool(counts)}


def _odd(good, usable, rows, flags, where):
    """Slices that hang together with no other; refuses a stack of several parts."""
    node = {z: i for i, z in enumerate(good)}
    # The template does not join parts: a region that was lost and found may be another one.
    ends = np.array(
        [(node[row["a"]], node[row["b"]]) for row in usable if row["a"] != TEMPLATE], np.int64
    ).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), ends.T), shape=(len(good), len(good)))
    parts, labels = connected_components(graph, directed=False)
    if parts == 1:
        return []
    sizes = np.bincount(labels)
    single = [good[i] for i in np.flatnonzero(sizes[labels] == 1)]
    if parts - len(single) == 1 and len(single) <= max(1, 0.2 * len(flags)):
        return single
    # where the first part of more than one slice ends
    keep = sizes[labels] > 1 if parts - len(single) > 1 else np.ones(len(good), bool)
    apart = np.flatnonzero(np.diff(labels[keep]))[0]
    _apart(int(np.array(good)[keep][apart + 1]), rows, flags, where)


def _crossed(good, rows, flags, where):
    """Refuse a stack whose two sides are held together by one pair that the others contradict."""
    count = len(flags)
    there, agree = np.zeros(count + 1, int), np.zeros(count + 1, int)
    for row in rows:
        if row["a"] != TEMPLATE and not (flags[row["a"]] or flags[row["b"]]):
            there[row["a"] + 1 : row["b"] + 1] += 1
            agree[row["a"] + 1 : row["b"] + 1] += row["counts"]
    for z in good[1:]:
        if there[z] >= 3 and agree[z] < 2:
            _apart(z, rows, flags, where)


def _apart(z, rows, flags, where):
    across = [
        row["ncc"]
        for row in rows
        if TEMPLATE != row["a"] < z <= row["b"] and not (flags[row["a"]] or flags[row["b"]])
    ]
    bad = [number for number in range(z) if all(flags[number:z])]
    between = f" ({flags[bad[0]]} slices from {bad[0]} on lie between)" if bad else ""
    raise AcuityError(
        f"{where}: the stack falls apart at slice {z} (the first is 0): no shift of up to half of the "
        f"field brings it onto the slices before it{between}, whose largest correlation with it is "
        f"{max(across, default=0.0):.2f}; leave out what is broken or align the two parts as two "
        "samples."
    )


def _too_many(flags, most, where):
    bad = [z for z, flag in enumerate(flags) if flag]
    if len(flags) >= _SHARE_FROM and len(bad) > most * len(flags):
        kinds = {name: flags.count(name) for name in FAULTS if name in flags}
        told = ", ".join(f"{number} {name}" for name, number in kinds.items())
        raise AcuityError(
            f"{where}: {len(bad)} of {len(flags)} slices are faulty ({told}; the first of them is "
            f"slice {bad[0]}, counted from 0), allowed is a share of {most:g} (most_flagged)."
        )
    if len(flags) - len(bad) < 2:
        raise AcuityError(
            f"{where}: {len(bad)} of {len(flags)} slices are faulty (slice {bad[0]}, counted "
            f"from 0, is {flags[bad[0]]}), a stack needs at least two good ones."
        )


def _correlation(rows, flags):
    """Largest correlation of each slice with those that placed it; of a faulty one, with the next."""
    ncc = np.zeros(len(flags))
    for row in rows:
        for z in (row["a"], row["b"]):
            if z != TEMPLATE and (row["counts"] or (flags[z] and row["b"] - row["a"] == 1)):
                ncc[z] = max(ncc[z], row["ncc"])
    return ncc


def _verdict(path, kept, used, rows, flags, mode, where):
    counted = [row for row in rows if row["counts"]]
    fair = [row for row in rows if not (flags[row["a"]] or flags[row["b"]])]
    rms = math.sqrt(np.mean([row["residual"] ** 2 for row in counted]))
    moves = np.hypot(*np.diff(path, axis=0).T)
    jumps = steps(path)
    still = np.hypot(*np.diff(used - jumps, axis=0).T)
    flagged = {
        name: [z for z, flag in enumerate(flags) if flag == name]
        for name in FAULTS
        if name in flags
    }
    at = [int(z) + 1 for z in np.flatnonzero(np.any(np.diff(jumps, axis=0), axis=1))]
    number = sum(map(len, flagged.values()))
    told = ", ".join(f"{name} {' '.join(map(str, where_))}" for name, where_ in flagged.items())
    largest, largest_at = float(moves.max()), int(moves.argmax()) + 1
    return {
        "slices": len(flags),
        "pairs": len(counted),
        "pairs_rejected": len(fair) - len(counted),
        "flagged": flagged,
        "flagged_count": number,
        "ncc_median": float(np.median([row["ncc"] for row in counted])),
        "residual_rms": rms,
        "drift": float(np.hypot(*(np.ptp(kept, axis=0)))),
        "jitter_rms": float(np.sqrt(np.mean(still**2))),
        "largest_step": largest,
        "largest_step_at": largest_at,
        "jumps": at,
        "mode": mode,
        "verdict": (
            f"{where}: {len(flags)} slices, mode {mode}, residual {rms:.3f} voxels rms over "
            f"{len(counted)} pairs, largest step {largest:.1f} voxels at slice {largest_at}, "
            f"{number} faulty{f' ({told})' if told else ''}."
        ),
    }

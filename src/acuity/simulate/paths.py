"""Path lengths of cone-beam rays in the materials of a specimen, in closed form."""

import math

import numba
import numpy as np

from acuity.errors import AcuityError, require
from acuity.geometry import ConeBeam
from acuity.simulate.bodies import Bodies, crossing

_BAND = 8  # detector rows whose bodies are gathered together
_ROOM = 2048  # most separate stretches of one ray


def paths(
    bodies: Bodies,
    geometry: ConeBeam,
    angles: np.ndarray,
    *,
    materials: int | None = None,
    dtype=np.float32,
) -> np.ndarray:
    """Compute how far each ray runs in each material.

    A ray runs from the source to the centre of a pixel. Along it every body is one stretch (a
    shell two), in closed form. From the last body to the first, the part of a stretch that no
    later body covers is added to the body's material.

    Parameters
    ----------
    bodies : Bodies
        The specimen, in the axes and the unit of `geometry`.
    geometry : ConeBeam
        Scan.
    angles : numpy.ndarray
        Angle of each view, degrees.
    materials : int, optional
        Number of materials, that around the specimen included; by default what `bodies` has.
    dtype : data-type
        Type of the result; the sums are taken in float64 either way.

    Returns
    -------
    numpy.ndarray
        Lengths (view, material, v, u), in the unit of `geometry`. That of material 0 has only
        the stretches in bodies of it: the surroundings have no end.

    Raises
    ------
    AcuityError
        If a body may reach the source or the detector, or an angle is not finite.
    """
    angles = np.asarray(angles, np.float64)
    require(bool(np.isfinite(angles).all()), "an angle of the scan is not finite")
    reach = bodies.reach()
    for away, what in (
        (geometry.source_to_axis, "source"),
        (geometry.source_to_detector - geometry.source_to_axis, "detector"),
    ):
        if reach >= away:
            raise AcuityError(
                f"the specimen reaches {reach:g} from the axis and the {what} stands {away:g} from "
                "it; less than that is allowed"
            )
    materials = bodies.materials if materials is None else materials
    require(
        bodies.materials <= materials,
        f"a body is of material {bodies.materials - 1}, of {materials}",
    )
    out = np.empty((angles.size, materials, geometry.rows, geometry.columns), dtype)
    turn = np.deg2rad(angles)
    scan = geometry.source_to_axis, geometry.source_to_detector, geometry.pixel
    full = _paths(
        out,
        *bodies.arrays,
        bodies.corners(),
        np.cos(turn),
        np.sin(turn),
        *scan,
        *geometry.first_pixel,
    )
    require(not full, f"a ray crosses more than {_ROOM} separate bodies; fewer are allowed")
    return out


@numba.njit(cache=True)
def _window(corners, c, s, sid, sdd, pixel, v0, u0, rows, columns):
    """Return the rows and columns of the detector that a box around a body can shade."""
    u_low = v_low = np.inf
    u_high = v_high = -np.inf
    for n in range(8):
        z, y, x = corners[n]
        scale = sdd / (sid - (x * s + y * c))
        u, v = scale * (x * c - y * s), scale * z
        u_low, u_high = min(u_low, u), max(u_high, u)
        v_low, v_high = min(v_low, v), max(v_high, v)
    j0 = max(0.0, math.ceil((v_low - v0) / pixel - 1e-6))
    j1 = min(rows - 1.0, math.floor((v_high - v0) / pixel + 1e-6))
    i0 = max(0.0, math.ceil((u_low - u0) / pixel - 1e-6))
    i1 = min(columns - 1.0, math.floor((u_high - u0) / pixel + 1e-6))
    return int(j0), int(j1) + 1, int(i0), int(i1) + 1


@numba.njit(cache=True, error_model="numpy")
def _cover(enters, leaves, count, enter, leave):
    """Add a stretch to sorted separate ones; return what it adds in length, and their number."""
    first = count
    while first > 0 and leaves[first - 1] >= enter:
        first -= 1
    last = first
    new = leave - enter
    while last < count and enters[last] <= leave:
        new -= min(leave, leaves[last]) - max(enter, enters[last])
        last += 1
    if last > first:
        enter = min(enter, enters[first])
        leave = max(leave, leaves[last - 1])
    gone = last - first
    if gone == 0:
        for n in range(count, first, -1):
            enters[n], leaves[n] = enters[n - 1], leaves[n - 1]
    elif gone > 1:
        for n in range(last, count):
            enters[n - gone + 1], leaves[n - gone + 1] = enters[n], leaves[n]
    enters[first], leaves[first] = enter, leave
    return max(new, 0.0), count + 1 - gone


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _paths(
    out,
    kind,
    material,
    centre,
    frame,
    ends,
    inner,
    corners,
    cosines,
    sines,
    sid,
    sdd,
    pixel,
    v0,
    u0,
):
    materials, rows, columns = out.shape[1], out.shape[2], out.shape[3]
    number = kind.shape[0]
    full = np.zeros(out.shape[0], np.bool_)
    for view in numba.prange(out.shape[0]):
        c, s = cosines[view], sines[view]
        window = np.empty((number, 4), np.int64)
        # Of each body seen: where the ray starts in own coordinates, and its way for the middle
        # of the detector, for one unit of u and for one of v.
        ray = np.empty((number, 4, 3))
        seen = 0
        which = np.empty(number, np.int64)
        for n in range(number - 1, -1, -1):
            j0, j1, i0, i1 = _window(corners[n], c, s, sid, sdd, pixel, v0, u0, rows, columns)
            if j0 >= j1 or i0 >= i1:
                continue
            window[seen, 0], window[seen, 1], window[seen, 2], window[seen, 3] = j0, j1, i0, i1
            which[seen] = n
            for k in range(3):
                fz, fy, fx = frame[n, k, 0], frame[n, k, 1], frame[n, k, 2]
                ray[seen, 0, k] = (
                    -fz * centre[n, 0]
                    + fy * (sid * c - centre[n, 1])
                    + fx * (sid * s - centre[n, 2])
                )
                ray[seen, 1, k] = -sdd * (fy * c + fx * s)
                ray[seen, 2, k] = fx * c - fy * s
                ray[seen, 3, k] = fz
            seen += 1
        enters, leaves = np.empty((columns, _ROOM)), np.empty((columns, _ROOM))
        counts = np.empty(columns, np.int64)
        sums = np.empty((columns, materials))
        band = np.empty(seen, np.int64)
        for j_band in range(0, rows, _BAND):
            listed = 0
            for m in range(seen):
                if window[m, 0] < j_band + _BAND and window[m, 1] > j_band:
                    band[listed] = m
                    listed += 1
            for j in range(j_band, min(j_band + _BAND, rows)):
                v = v0 + j * pixel
                counts[:] = 0
                sums[:] = 0.0
                for b in range(listed):
                    m = band[b]
                    if j < window[m, 0] or j >= window[m, 1]:
                        continue
                    n = which[m]
                    start = ray[m, 0, 0], ray[m, 0, 1], ray[m, 0, 2]
                    base0 = ray[m, 1, 0] + v * ray[m, 3, 0]
                    base1 = ray[m, 1, 1] + v * ray[m, 3, 1]
                    base2 = ray[m, 1, 2] + v * ray[m, 3, 2]
                    g0, g1, g2 = ray[m, 2, 0], ray[m, 2, 1], ray[m, 2, 2]
                    for i in range(window[m, 2], window[m, 3]):
                        u = u0 + i * pixel
                        way = base0 + u * g0, base1 + u * g1, base2 + u * g2
                        e1, f1, e2, f2 = crossing(
                            kind[n], start, way, ends[n, 0], ends[n, 1], inner[n]
                        )
                        if counts[i] > _ROOM - 3:
                            full[view] = True
                            continue
                        if e1 < f1:
                            new, counts[i] = _cover(enters[i], leaves[i], counts[i], e1, f1)
                            sums[i, material[n]] += new
                        if e2 < f2:
                            new, counts[i] = _cover(enters[i], leaves[i], counts[i], e2, f2)
                            sums[i, material[n]] += new
                for i in range(columns):
                    u = u0 + i * pixel
                    length = math.sqrt(u * u + v * v + sdd * sdd)
                    for m in range(materials):
                        out[view, m, j, i] = sums[i, m] * length
    return full.any()

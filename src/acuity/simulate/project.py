"""Analytic cone-beam projections of a foam."""

import math

import numba
import numpy as np
import pandas as pd

from acuity.errors import AcuityError, require
from acuity.geometry import ConeBeam


def project(
    spheres: pd.DataFrame,
    geometry: ConeBeam,
    angles: np.ndarray,
    *,
    size: float,
    cylinder_radius: float = 0.45,
    solid: float = 1.0,
    dtype=np.float32,
) -> np.ndarray:
    """Compute the line integrals of a foam in closed form.

    Each value is the length of the ray inside the cylinder less its lengths inside the pores, all
    clipped at the flat ends, times the attenuation of the solid. The ray runs from the source to
    the centre of a pixel. Pores are walked through one by one, each over the pixels that it
    shades.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table with columns ``z y x radius``, in voxels from the volume's centre.
    geometry : ConeBeam
        Scan, lengths in voxels.
    angles : numpy.ndarray
        Angle of each view, degrees.
    size : float
        Height of the cylinder, voxels. With 0 there is no cylinder, and the spheres (unclipped)
        are the solid.
    cylinder_radius : float
        Radius of the cylinder as a fraction of `size`.
    solid : float
        Attenuation of the solid, for a voxel of path.
    dtype : data-type
        Type of the result; the sums are taken in float64 either way.

    Returns
    -------
    numpy.ndarray
        Line integrals (view, v, u).

    Raises
    ------
    AcuityError
        If the source lies inside the cylinder or a sphere's orbit, or an angle is not finite.
    """
    table = np.ascontiguousarray(spheres[["z", "y", "x", "radius"]].to_numpy(np.float64))
    angles = np.asarray(angles, np.float64)
    require(bool(np.isfinite(angles).all()), "an angle of the scan is not finite")
    reach = np.hypot(table[:, 1], table[:, 2]) + table[:, 3]
    if max(cylinder_radius * size, reach.max(initial=0)) >= geometry.source_to_axis:
        raise AcuityError(
            f"the sample reaches the source, which is {geometry.source_to_axis:g} voxels from the "
            "axis"
        )
    projections = np.empty((angles.size, geometry.rows, geometry.columns), dtype)
    turn = np.deg2rad(angles)
    scan = geometry.source_to_axis, geometry.source_to_detector, geometry.pixel
    cylinder = size / 2, cylinder_radius * size, solid
    _project(
        projections, table, np.cos(turn), np.sin(turn), *scan, *geometry.first_pixel, *cylinder
    )
    return projections


@numba.njit(cache=True)
def _bounds(across, toward, radius, distance, first, pixel, number):
    """Pixels that a sphere can shade along one axis of the detector, from its tangent planes."""
    middle = math.atan2(across, toward)
    spread = math.asin(min(1.0, radius / math.hypot(across, toward)))
    low = (distance * math.tan(middle - spread) - first) / pixel
    high = (distance * math.tan(middle + spread) - first) / pixel
    low = min(max(low, 0.0), float(number))
    high = min(max(high, -1.0), float(number - 1))
    return math.ceil(low), math.floor(high) + 1


@numba.njit(cache=True, parallel=True, fastmath={"contract", "nsz", "nnan", "ninf"})
def _project(out, spheres, cosines, sines, sid, sdd, pixel, v0, u0, half, radius, solid):
    rows, columns = out.shape[1], out.shape[2]
    for view in numba.prange(out.shape[0]):
        c, s = cosines[view], sines[view]
        image = np.zeros((rows, columns))
        if half > 0.0:
            for i in range(columns):
                u = u0 + i * pixel
                # In the horizontal plane the ray is (u, -sdd) * k from (0, sid), k from 0 to 1.
                a = u * u + sdd * sdd
                left = sdd * sdd * sid * sid - a * (sid * sid - radius * radius)
                if left <= 0.0:
                    continue
                enter = (sdd * sid - math.sqrt(left)) / a
                leave = (sdd * sid + math.sqrt(left)) / a
                for j in range(rows):
                    v = v0 + j * pixel
                    end = leave
                    if abs(v) * end > half:
                        end = half / abs(v)
                    if end > enter:
                        image[j, i] = (end - enter) * math.sqrt(a + v * v)
        sign = -1.0 if half > 0.0 else 1.0
        for n in range(spheres.shape[0]):
            qz, r = spheres[n, 0], spheres[n, 3]
            qx = spheres[n, 2] * c - spheres[n, 1] * s
            qw = sid - (spheres[n, 2] * s + spheres[n, 1] * c)
            i0, i1 = _bounds(qx, qw, r, sdd, u0, pixel, columns)
            j0, j1 = _bounds(qz, qw, r, sdd, v0, pixel, rows)
            cut = half > 0.0 and abs(qz) + r > half
            r2 = r * r
            for j in range(j0, j1):
                v = v0 + j * pixel
                # The ray is D = (u, sdd, v); its distance to the centre Q is |Q x D| / |D|,
                # which does not lose digits as the difference of squares would.
                flat = qw * v - qz * sdd
                base = sdd * sdd + v * v
                if not cut:
                    for i in range(i0, i1):
                        u = u0 + i * pixel
                        e1 = qz * u - qx * v
                        e2 = qx * sdd - qw * u
                        d2 = (flat * flat + e1 * e1 + e2 * e2) / (base + u * u)
                        image[j, i] += sign * 2.0 * math.sqrt(max(r2 - d2, 0.0))
                else:
                    for i in range(i0, i1):
                        u = u0 + i * pixel
                        e1 = qz * u - qx * v
                        e2 = qx * sdd - qw * u
                        length2 = base + u * u
                        d2 = (flat * flat + e1 * e1 + e2 * e2) / length2
                        if d2 >= r2:
                            continue
                        length = math.sqrt(length2)
                        middle = (qx * u + qw * sdd + qz * v) / length2
                        spread = math.sqrt(r2 - d2) / length
                        enter, leave = middle - spread, middle + spread
                        if v != 0.0:
                            leave = min(leave, half / abs(v))
                        if leave > enter:
                            image[j, i] -= (leave - enter) * length
        for j in range(rows):
            for i in range(columns):
                out[view, j, i] = solid * image[j, i]

"""Specimens made of bodies: a table of ellipsoids, tubes, capsules, boxes and shells of materials.

A specimen is a table with one row a body, painted in order: where bodies overlap, the later row is
what is there. Lengths are in one unit; the origin is the specimen's centre. Columns:

=============  ===================================================================================
``kind``       ``ellipsoid``, ``tube`` (a cylinder with flat ends), ``capsule`` (with round ones),
               ``box`` or ``shell`` (the wall of a hollow ellipsoid; its inside stays what it was)
``material``   number of a material; 0 is what surrounds the specimen
``z y x``      centre
``a b c``      half axes; those of a tube are the half axes of its section and half its length; of
               a capsule, a is the radius and c half of the distance of the ends' centres
``dz dy dx``   direction of the body's third axis. Its axes are x, y, z, turned about z by ``turn``
               (degrees), then by the smallest rotation that takes z to the direction
``low high``   cuts across the third axis, from the centre; NaN for none. An ellipsoid's alone
``wall``       thickness of a shell's wall along each half axis
=============  ===================================================================================
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd

from acuity.errors import AcuityError, require

KINDS = ("ellipsoid", "tube", "capsule", "box", "shell")
_ELLIPSOID, _TUBE, _CAPSULE, _BOX, _SHELL = range(5)
COLUMNS = (
    "kind", "material", "z", "y", "x", "a", "b", "c", "dz", "dy", "dx", "turn", "low", "high", "wall",
)  # fmt: skip
_DEFAULTS = {
    "material": 0, "z": 0.0, "y": 0.0, "x": 0.0, "dz": 1.0, "dy": 0.0, "dx": 0.0, "turn": 0.0,
    "low": math.nan, "high": math.nan, "wall": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Bodies:
    """Bodies as the kernels take them, in the order of painting.

    A point p (z, y, x) has the body's own coordinates ``frame @ (p - centre)``, in which an
    ellipsoid is the unit sphere.

    Attributes
    ----------
    kind : numpy.ndarray
        (body,), place in `KINDS`.
    material : numpy.ndarray
        (body,), number of the material.
    centre : numpy.ndarray
        (body, 3), z, y, x.
    frame : numpy.ndarray
        (body, 3, 3).
    ends : numpy.ndarray
        (body, 2), where the third own coordinate ends; infinite for no cut. Those of a capsule are
        the centres of its round ends.
    inner : numpy.ndarray
        (body, 3), half axes of a shell's hollow, as a share of the outer ones.
    """

    kind: np.ndarray
    material: np.ndarray
    centre: np.ndarray
    frame: np.ndarray
    ends: np.ndarray
    inner: np.ndarray

    def __len__(self) -> int:
        """Return the number of bodies."""
        return len(self.kind)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays, in the order of the attributes."""
        return self.kind, self.material, self.centre, self.frame, self.ends, self.inner

    @property
    def materials(self) -> int:
        """One more than the highest number of a material."""
        return int(self.material.max(initial=0)) + 1

    def moved(self, rotation: np.ndarray, about: np.ndarray, scale: float = 1.0) -> "Bodies":
        """Return the bodies as ``scale * rotation @ (p - about)`` shows them.

        Parameters
        ----------
        rotation : numpy.ndarray
            (3, 3), axes z, y, x.
        about : numpy.ndarray
            The point that becomes the origin, z, y, x.
        scale : float
            Factor on all lengths.

        Returns
        -------
        Bodies
            The moved bodies.
        """
        centre = scale * (self.centre - np.asarray(about, float)) @ rotation.T
        frame = self.frame @ rotation.T / scale
        return Bodies(self.kind, self.material, centre, frame, self.ends, self.inner)

    def corners(self) -> np.ndarray:
        """Return the corners of a box around each body, (body, 8, 3)."""
        return _corners(self.kind, self.centre, self.frame, self.ends)

    def reach(self) -> float:
        """Return how far from the z axis a body reaches at most (an upper bound)."""
        if not len(self):
            return 0.0
        corners = self.corners()
        return float(np.hypot(corners[..., 1], corners[..., 2]).max())


def rows(kind: str, material: int, **columns) -> pd.DataFrame:
    """Return a table of bodies of one kind and material.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    material : int
        Number of the material.
    **columns : array-like
        The other columns, numbers or arrays of one length; what is not stated has its default.
        ``b`` is by default ``a``, and so is ``c``.

    Returns
    -------
    pandas.DataFrame
        Table with the columns `COLUMNS`.
    """
    given = {"b": columns["a"], "c": columns["a"]} | columns
    number = max(np.size(value) for value in given.values())
    values = {
        name: np.broadcast_to(given.get(name, _DEFAULTS.get(name)), number) for name in COLUMNS[2:]
    }
    return pd.DataFrame(
        {"kind": np.full(number, kind), "material": np.full(number, material), **values}
    )


def pack(table: pd.DataFrame) -> Bodies:
    """Check a table of bodies and bring it into the form of the kernels.

    Parameters
    ----------
    table : pandas.DataFrame
        Table with the columns `COLUMNS`.

    Returns
    -------
    Bodies
        The same bodies.

    Raises
    ------
    AcuityError
        If a column is missing, a kind is not known, or a size is not above 0.
    """
    missing = [name for name in COLUMNS if name not in table]
    require(not missing, f"the table of bodies lacks the column {', '.join(missing)}")
    unknown = sorted(set(table["kind"]) - set(KINDS))
    require(
        not unknown, f"a body is of kind {unknown and unknown[0]!r}; allowed are {', '.join(KINDS)}"
    )
    kind = table["kind"].map({name: n for n, name in enumerate(KINDS)}).to_numpy(np.int64)
    material = table["material"].to_numpy(np.int64)
    require(
        bool((material >= 0).all()), "a body's material is below 0; numbers from 0 up are needed"
    )
    centre = np.ascontiguousarray(table[["z", "y", "x"]].to_numpy(np.float64))
    half = table[["a", "b", "c"]].to_numpy(np.float64)
    way = table[["dz", "dy", "dx"]].to_numpy(np.float64)
    turn = np.deg2rad(table["turn"].to_numpy(np.float64))
    numbers = np.column_stack([centre, half, way, turn])
    bad = ~np.isfinite(numbers).all(axis=1) | (half <= 0).any(axis=1) | ~way.any(axis=1)
    if bad.any():
        raise AcuityError(
            f"body {int(np.argmax(bad))} has a half axis that is not above 0, no direction, or a "
            "number that is not finite"
        )
    ends = np.column_stack([np.full(len(table), -1.0), np.ones(len(table))])
    cut = (kind == _ELLIPSOID) | (kind == _SHELL)
    for side, name, none in ((0, "low", -np.inf), (1, "high", np.inf)):
        value = table[name].to_numpy(np.float64) / half[:, 2]
        ends[cut, side] = np.where(np.isnan(value), none, value)[cut]
    capsule = kind == _CAPSULE
    ends[capsule] *= (half[:, 2] / half[:, 0])[capsule, None]
    half = np.where(capsule[:, None], half[:, :1], half)
    wall = table["wall"].to_numpy(np.float64)
    shell = kind == _SHELL
    inner = np.where(shell[:, None], 1.0 - wall[:, None] / half, 0.0)
    require(
        bool(((wall > 0) & (inner > 0).all(axis=1))[shell].all()),
        "the wall of a shell must be above 0 and below its half axes",
    )
    frame = _axes(way, turn) / half[:, :, None]
    return Bodies(kind, material, centre, np.ascontiguousarray(frame), ends, inner)


def _axes(way: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return the three own axes (body, axis, zyx) of bodies with a direction and a turn about it."""
    n = way / np.linalg.norm(way, axis=1, keepdims=True)
    nz, ny, nx = n.T
    # The smallest rotation that takes z to n, applied to x and y; half a turn about x for -z.
    safe = np.where(nz > -1 + 1e-12, 1.0 / np.maximum(1.0 + nz, 1e-12), 0.0)
    x = np.column_stack([-nx, -nx * ny * safe, 1.0 - nx * nx * safe])
    y = np.column_stack(
        [-ny, np.where(nz > -1 + 1e-12, 1.0 - ny * ny * safe, -1.0), -nx * ny * safe]
    )
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    return np.stack([c * x + s * y, c * y - s * x, n], axis=1)


def _corners(kind, centre, frame, ends):
    round_ends = np.where(kind == _CAPSULE, 1.0, 0.0)
    low = np.maximum(ends[:, 0] - round_ends, np.where(kind == _CAPSULE, -np.inf, -1.0))
    high = np.minimum(ends[:, 1] + round_ends, np.where(kind == _CAPSULE, np.inf, 1.0))
    signs = np.array([(i, j) for i in (-1.0, 1.0) for j in (-1.0, 1.0)])
    own = np.empty((len(kind), 8, 3))
    own[:, :, :2] = np.tile(signs, (2, 1))
    own[:, :4, 2], own[:, 4:, 2] = low[:, None], high[:, None]
    back = np.linalg.inv(frame)
    return centre[:, None] + own @ back.transpose(0, 2, 1)


@numba.njit(cache=True, error_model="numpy")
def crossing(kind, start, way, low, high, inner):
    """Return where a ray is inside a body: two stretches of its parameter, empty if enter >= leave.

    Parameters
    ----------
    kind : int
        Place in `KINDS`.
    start, way : (float, float, float)
        The ray is ``start + k * way``, in the body's own coordinates.
    low, high : float
        Ends along the third own axis.
    inner : numpy.ndarray
        (3,), half axes of the hollow; used for a shell.

    Returns
    -------
    tuple of float
        Enter and leave of the first stretch, then of the second.
    """
    s0, s1, s2 = start
    d0, d1, d2 = way
    if kind == _BOX:
        enter, leave = _slab(s0, d0, -1.0, 1.0, -np.inf, np.inf)
        enter, leave = _slab(s1, d1, -1.0, 1.0, enter, leave)
        enter, leave = _slab(s2, d2, low, high, enter, leave)
        return enter, leave, 0.0, 0.0
    if kind == _TUBE:
        enter, leave = _round(s0, s1, 0.0, d0, d1, 0.0)
        if enter < leave:
            enter, leave = _slab(s2, d2, low, high, enter, leave)
        return enter, leave, 0.0, 0.0
    if kind == _CAPSULE:
        enter, leave = _round(s0, s1, 0.0, d0, d1, 0.0)
        if enter < leave:
            enter, leave = _slab(s2, d2, low, high, enter, leave)
        for end in (low, high):
            e, f = _round(s0, s1, s2 - end, d0, d1, d2)
            if e < f:
                # The union of a convex body's parts along a ray is one stretch.
                enter, leave = (min(enter, e), max(leave, f)) if enter < leave else (e, f)
        return enter, leave, 0.0, 0.0
    enter, leave = _round(s0, s1, s2, d0, d1, d2)
    if enter < leave and (low > -1.0 or high < 1.0):
        enter, leave = _slab(s2, d2, low, high, enter, leave)
    if kind == _SHELL and enter < leave:
        e, f = _round(
            s0 / inner[0], s1 / inner[1], s2 / inner[2], d0 / inner[0], d1 / inner[1], d2 / inner[2]
        )
        if e < f:
            return enter, min(leave, e), max(enter, f), leave
    return enter, leave, 0.0, 0.0


@numba.njit(cache=True, error_model="numpy")
def _round(s0, s1, s2, d0, d1, d2):
    """Where a ray is inside the unit sphere (or, with s2 = d2 = 0, the unit cylinder)."""
    a = d0 * d0 + d1 * d1 + d2 * d2
    # Half the chord from |start x way|, which keeps the digits that a difference of squares loses.
    e0 = s1 * d2 - s2 * d1
    e1 = s2 * d0 - s0 * d2
    e2 = s0 * d1 - s1 * d0
    left = a - (e0 * e0 + e1 * e1 + e2 * e2)
    if a == 0.0:
        inside = s0 * s0 + s1 * s1 + s2 * s2 < 1.0
        return (-np.inf, np.inf) if inside else (0.0, 0.0)
    if left <= 0.0:
        return 0.0, 0.0
    middle = -(s0 * d0 + s1 * d1 + s2 * d2) / a
    half = math.sqrt(left) / a
    return middle - half, middle + half


@numba.njit(cache=True, error_model="numpy")
def _slab(s, d, low, high, enter, leave):
    """Cut a stretch to where ``low <= s + k d <= high``."""
    if d == 0.0:
        return (enter, leave) if low <= s <= high else (0.0, 0.0)
    k0, k1 = (low - s) / d, (high - s) / d
    return max(enter, min(k0, k1)), min(leave, max(k0, k1))


@numba.njit(cache=True, error_model="numpy")
def inside(kind, y0, y1, y2, low, high, inner):
    """Return whether a point, in a body's own coordinates, is inside it."""
    if kind == _BOX:
        return abs(y0) <= 1.0 and abs(y1) <= 1.0 and low <= y2 <= high
    if kind == _TUBE:
        return y0 * y0 + y1 * y1 <= 1.0 and low <= y2 <= high
    if kind == _CAPSULE:
        beyond = max(low - y2, 0.0, y2 - high)
        return y0 * y0 + y1 * y1 + beyond * beyond <= 1.0
    if y0 * y0 + y1 * y1 + y2 * y2 > 1.0 or y2 < low or y2 > high:
        return False
    if kind == _SHELL:
        h0, h1, h2 = y0 / inner[0], y1 / inner[1], y2 / inner[2]
        return h0 * h0 + h1 * h1 + h2 * h2 > 1.0
    return True


@numba.njit(cache=True, error_model="numpy")
def side(kind, y0, y1, y2, r, low, high, inner):
    """Return 1 if a box around a point is all inside a body, -1 if all outside, 0 if unknown.

    `r` (3,) is how far the box reaches along the own axes.
    """
    if kind == _BOX:
        r0, r1, r2 = r
        out = max(abs(y0) - r0, abs(y1) - r1) >= 1.0 or y2 + r2 <= low or y2 - r2 >= high
        if out:
            return -1
        within = max(abs(y0) + r0, abs(y1) + r1) <= 1.0 and low <= y2 - r2 and y2 + r2 <= high
        return 1 if within else 0
    if kind == _TUBE:
        away, reach = math.hypot(y0, y1), math.hypot(r[0], r[1])
        if away - reach >= 1.0 or y2 + r[2] <= low or y2 - r[2] >= high:
            return -1
        within = away + reach <= 1.0 and low <= y2 - r[2] and y2 + r[2] <= high
        return 1 if within else 0
    reach = math.sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2])
    if kind == _CAPSULE:
        beyond = max(low - y2, 0.0, y2 - high)
        away = math.sqrt(y0 * y0 + y1 * y1 + beyond * beyond)
        return -1 if away - reach >= 1.0 else 1 if away + reach <= 1.0 else 0
    away = math.sqrt(y0 * y0 + y1 * y1 + y2 * y2)
    if away - reach >= 1.0 or y2 + r[2] <= low or y2 - r[2] >= high:
        return -1
    within = away + reach <= 1.0 and low <= y2 - r[2] and y2 + r[2] <= high
    if kind == _SHELL:
        h0, h1, h2 = y0 / inner[0], y1 / inner[1], y2 / inner[2]
        q0, q1, q2 = r[0] / inner[0], r[1] / inner[1], r[2] / inner[2]
        hollow = math.sqrt(h0 * h0 + h1 * h1 + h2 * h2)
        far = math.sqrt(q0 * q0 + q1 * q1 + q2 * q2)
        if hollow + far <= 1.0:
            return -1
        within = within and hollow - far >= 1.0
    return 1 if within else 0

"""Cone-beam filtered back-projection after Feldkamp, Davis and Kress."""

import math
from dataclasses import dataclass

import numba
import numpy as np
import scipy.fft
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from acuity.errors import AcuityError, require
from acuity.geometry import ConeBeam

# Views of one batch, slices of one chunk and columns of one tile: chosen so that the lines of a
# batch stay in the first-level cache and the detector columns of a tile in the second.
_BATCH = 4
_CHUNK = 256
_TILE = 16


@dataclass(frozen=True)
class Cube:
    """What is reconstructed: a cube of voxels, or a slab of it.

    Attributes
    ----------
    size : int, optional
        Side of the cube, voxels; by default the number of detector columns.
    voxel : float, optional
        Voxel size in the unit of the geometry; by default the pixel scaled to the rotation axis.
    z0, z1 : int
        Slices to reconstruct; by default all. A slab equals the same slices of the whole.
    radius : float, optional
        Radius of the field of view in voxels; voxels whose centre lies beyond it are 0. By
        default half of `size`, which is what the detector sees in all views. Infinite for no
        limit.
    hann : float
        Cut-off of a Hann window on the ramp filter as a fraction of the Nyquist frequency; 0 for
        the bare ramp.
    shadow : float
        Half the width of the specimen's shadow, detector columns from the detector's centre, where
        it is wider than the detector: rows are continued to there before they are filtered. 0 for
        rows that end outside of the specimen. See `truncated_shadow`.
    """

    size: int | None = None
    voxel: float | None = None
    z0: int = 0
    z1: int | None = None
    radius: float | None = None
    hann: float = 0.0
    shadow: float = 0.0

    def seen_by(self, geometry: ConeBeam) -> "Cube":
        """Return it with what a scan makes of all that is not stated."""
        size = geometry.columns if self.size is None else self.size
        stated = {key: value for key, value in vars(self).items() if value is not None}
        return Cube(
            **{"size": size, "voxel": geometry.voxel, "z1": size, "radius": size / 2} | stated
        )


def fdk(
    projections: np.ndarray,
    geometry: ConeBeam,
    angles: np.ndarray,
    cube: Cube,
    *,
    backend: str = "numba",
) -> np.ndarray:
    """Reconstruct a cube, or a slab of it, from cone-beam line integrals.

    Parameters
    ----------
    projections : numpy.ndarray
        Line integrals (view, v, u) over a full turn.
    geometry : ConeBeam
        Scan, lengths in any unit.
    angles : numpy.ndarray
        Angle of each view, degrees.
    cube : Cube
        What to reconstruct, and the filter.
    backend : str
        ``numba`` or ``rtk`` (the Reconstruction Toolkit, for reference).

    Returns
    -------
    numpy.ndarray
        Attenuation (z, y, x) for one unit of length, float32.

    Raises
    ------
    AcuityError
        If shapes and geometry disagree, the angles do not make a full turn, a value is not
        finite, or the backend is not known or not installed.

    References
    ----------
    Feldkamp, Davis and Kress, J. Opt. Soc. Am. A 1 (1984) 612.
    """
    cube = cube.seen_by(geometry)
    angles = np.asarray(angles, np.float64)
    if projections.shape != (angles.size, geometry.rows, geometry.columns):
        raise AcuityError(
            f"projections of shape {projections.shape} were given; {angles.size} angles on a "
            f"detector of {geometry.rows} rows and {geometry.columns} columns need "
            f"{(angles.size, geometry.rows, geometry.columns)}"
        )
    require(bool(np.isfinite(projections).all()), "the projections hold values that are not finite")
    weights = angular_weights(angles)
    if backend == "rtk":
        from acuity.reconstruct import rtk

        require(not cube.shadow, "rows are continued by the backend numba alone; shadow must be 0")
        return rtk.fdk(projections, geometry, angles, cube)
    require(backend == "numba", f"backend is {backend!r}; allowed are 'numba' and 'rtk'")
    slab = Slab(geometry, cube)
    first, end = slab.rows
    slab.add(projections[:, first:end], angles, weights)
    return slab.volume()


def angular_weights(angles: np.ndarray) -> np.ndarray:
    """Return the share of the full turn that each view stands for.

    Parameters
    ----------
    angles : numpy.ndarray
        Angles in degrees, in any order.

    Returns
    -------
    numpy.ndarray
        Half of the gaps to both neighbours on the circle, radians; the sum is 2 pi.

    Raises
    ------
    AcuityError
        If an angle is not finite, is given twice, or a gap above 20 degrees is left open.
    """
    angles = np.asarray(angles, np.float64)
    if angles.ndim != 1 or angles.size == 0 or not np.isfinite(angles).all():
        raise AcuityError("the angles of the scan must be a list of finite numbers, in degrees")
    turn = np.mod(angles, 360.0)
    order = np.argsort(turn, kind="stable")
    gaps = np.diff(turn[order], append=turn[order[0]] + 360.0)
    if angles.size > 1 and gaps.min() < 1e-6 * 360.0 / angles.size:
        raise AcuityError(
            f"two views have the same angle {turn[order][np.argmin(gaps)]:g} degrees (a scan over "
            "360 degrees must not repeat its end)"
        )
    if gaps.max() > 20.0:
        raise AcuityError(
            f"the angles leave a gap of {gaps.max():g} degrees; a full turn of 360 degrees without "
            "gaps above 20 degrees is needed"
        )
    weights = np.empty(angles.size)
    weights[order] = np.deg2rad((gaps + np.roll(gaps, 1)) / 2)
    return weights


def ramp(columns: int, hann: float = 0.0) -> tuple[np.ndarray, int]:
    """Return the transfer function of the band-limited ramp filter for unit pixels.

    The kernel is sampled in space, 1/4 at 0 and -1/(pi n)^2 at odd n, before it is transformed;
    sampling the ramp in frequency instead would lower the mean of the volume.

    Parameters
    ----------
    columns : int
        Length of a detector row.
    hann : float
        Cut-off of a Hann window as a fraction of the Nyquist frequency; 0 for none.

    Returns
    -------
    transfer : numpy.ndarray
        Real transfer function for `scipy.fft.rfft` of the padded length, float32.
    length : int
        Padded length, so that the circular convolution is the linear one.
    """
    length = scipy.fft.next_fast_len(2 * columns - 1, real=True)
    length += length % 2
    n = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.zeros(length)
    kernel[n % 2 == 1] = -1.0 / (math.pi * n[n % 2 == 1]) ** 2
    kernel[0] = 0.25
    transfer = scipy.fft.rfft(kernel).real
    if hann:
        require(0 < hann <= 1, f"hann is {hann}; 0 (off) to 1 is allowed")
        f = np.arange(transfer.size) / (length / 2) / hann
        transfer *= np.where(f < 1, 0.5 * (1 + np.cos(math.pi * f)), 0.0)
    return transfer.astype(np.float32), length


def truncated_shadow(profile: np.ndarray) -> float:
    """Estimate how wide the shadow of a specimen is that reaches beyond the detector.

    The square of a cylinder's profile is a parabola of u; where the one that fits the profile best
    reaches 0, the shadow ends.

    Parameters
    ----------
    profile : numpy.ndarray
        Line integrals (u,), the mean over rows and views spread over the full turn.

    Returns
    -------
    float
        Half of the shadow's width in columns from the detector's centre, at most 8 times the
        detector's half; 0 where a twentieth or less of the signal stands at the detector's edges,
        so that nothing is cut off.
    """
    mean = np.asarray(profile, np.float64)
    columns = mean.size
    edge = _edge(columns)
    if 0.5 * (mean[:edge].mean() + mean[-edge:].mean()) <= 0.05 * mean.max():
        return 0.0
    u = (np.arange(columns) - (columns - 1) / 2) / (columns / 2)
    slope, level = np.polyfit(u**2, mean**2, 1)
    widest = 8.0
    half = math.sqrt(level / -slope) if slope < 0 < level else widest
    return min(max(half, 1.05), widest) * columns / 2


def shadow_of(geometry: ConeBeam, radius: float) -> float:
    """Return how wide the shadow of a cylinder about the axis is.

    Parameters
    ----------
    geometry : ConeBeam
        Scan.
    radius : float
        Radius of the cylinder, in the unit of the geometry.

    Returns
    -------
    float
        Half of the shadow's width, detector columns.

    Raises
    ------
    AcuityError
        If the cylinder reaches the source.
    """
    away = geometry.source_to_axis
    require(
        0 < radius < away,
        f"radius of the sample is {radius:g}; above 0 and below the distance of the source from the "
        f"axis, {away:g}, is allowed",
    )
    half = geometry.source_to_detector * radius / math.sqrt(away**2 - radius**2)
    return half / geometry.pixel


def _edge(columns: int) -> int:
    """Columns whose mean is the value of a row at its end."""
    return max(2, columns // 64)


class Slab:
    """Slices of a volume under reconstruction, to which views are added block by block.

    Parameters
    ----------
    geometry : ConeBeam
        Scan, lengths in any unit.
    cube : Cube
        All of it stated; centred on the axis and the plane of the source.

    Attributes
    ----------
    rows : tuple of int
        First and end (exclusive) of the detector rows that `add` expects.

    Notes
    -----
    Views that come in sets of four, a quarter turn apart, take the fast way: under a quarter turn
    of both the sample and the view nothing changes, so the four voxels that turn into each other
    read the same position of the four views. Stored side by side, the four make one vector, and
    the interpolation needs no gather. Any other view goes the general way, voxel by voxel.

    What is added to a voxel, and in which order, does not depend on the slab or on the number of
    threads.
    """

    def __init__(self, geometry: ConeBeam, cube: Cube) -> None:
        size, voxel, z0, z1 = cube.size, cube.voxel, cube.z0, cube.z1
        if not 0 <= z0 < z1 <= size:
            raise AcuityError(f"slices {z0} to {z1} were asked for of a volume of {size} slices")
        require(0 < voxel < math.inf, f"voxel size is {voxel}; a finite number above 0 is needed")
        # With lengths in voxels no number in the kernel depends on the unit.
        self.geometry = geometry.scaled(1.0 / voxel)
        self.size, self.voxel, self.z0, self.z1 = size, voxel, z0, z1
        # A little beyond the corners: rounded, they would lie outside for some sizes.
        self.radius = min(cube.radius, math.hypot(size - 1, size - 1) / 2 * (1 + 1e-12))
        if self.radius >= self.geometry.source_to_axis:
            raise AcuityError(
                f"the volume of {size} voxels reaches the source, {geometry.source_to_axis:g} from "
                "the axis"
            )
        centre = (size - 1) / 2
        self._window = self.geometry.rows_for(z0 - centre, z1 - 1 - centre, self.radius)
        self.rows = tuple(min(max(row, 0), geometry.rows) for row in self._window)
        # What a row is continued by on each side.
        self._beyond = max(0, math.ceil(cube.shadow - geometry.columns / 2))
        self._transfer, self._length = ramp(geometry.columns + self._beyond, cube.hann)
        self.shadow = cube.shadow
        self._quarters = None
        self._general = None

    def add(self, projections: np.ndarray, angles: np.ndarray, weights: np.ndarray) -> None:
        """Filter views and back-project them into the slab.

        Parameters
        ----------
        projections : numpy.ndarray
            Line integrals (view, v, u) on the detector rows `rows`.
        angles : numpy.ndarray
            Angle of each view, degrees.
        weights : numpy.ndarray
            Share of the full turn of each view, radians; see `angular_weights`.
        """
        if self.rows[0] == self.rows[1]:
            return  # no row of the detector sees the slab
        sets, rest = quarter_turns(angles) if self.size % 2 == 0 else ([], np.arange(len(angles)))
        filtered = self._filter(projections, weights)
        angles = np.asarray(angles, np.float64)
        with numba.parallel_chunksize(1):
            if len(sets):
                self._add_quarters(filtered, angles, sets)
            if len(rest):
                self._add_general(filtered, angles, rest)

    def volume(self) -> np.ndarray:
        """Return the slab as it stands.

        Returns
        -------
        numpy.ndarray
            Attenuation (z, y, x) for one unit of length, float32.
        """
        out = np.zeros((self.z1 - self.z0, self.size, self.size), np.float32)
        scale = np.float32(1.0 / self.voxel)
        if self._quarters is not None:
            _unfold(self._quarters, out, scale)
        if self._general is not None:
            out += np.moveaxis(self._general, 2, 0) * scale
        return out

    def _filter(self, projections: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weight by the cosine of the cone, filter along u, and weight by the angle."""
        g = self.geometry
        views, rows, columns = projections.shape
        v = g.offset_v + (np.arange(self.rows[0], self.rows[1]) - (g.rows - 1) / 2) * g.pixel
        u = g.offset_u + (np.arange(columns) - (g.columns - 1) / 2) * g.pixel
        away = g.source_to_detector
        cosine = away / np.sqrt(away**2 + v[:, None] ** 2 + u[None, :] ** 2)
        # Half for the full turn, where each ray is seen from both sides; the ramp of unit pixels
        # is divided by the pixel scaled to the axis.
        cosine = (cosine * (0.5 / g.voxel)).astype(np.float32)
        out = np.empty((views, rows, columns), np.float32)
        workers = numba.get_num_threads()
        # A few views at a time, which stay in the cache from one transform to the next.
        step = max(1, (1 << 22) // (4 * rows * self._length)) * workers
        for a in range(0, views, step):
            b = min(a + step, views)
            part = projections[a:b] * (cosine * weights[a:b, None, None].astype(np.float32))
            if self._beyond:
                part = self._continued(part)
            spectrum = scipy.fft.rfft(part, n=self._length, axis=2, workers=workers)
            spectrum *= self._transfer
            lines = scipy.fft.irfft(spectrum, n=self._length, axis=2, workers=workers)
            out[a:b] = lines[:, :, self._beyond : self._beyond + columns]
        return out

    def _continued(self, rows: np.ndarray) -> np.ndarray:
        """Continue rows (view, v, u) on both sides as the chord of a round specimen falls.

        Filtered without it, a row that ends inside of the specimen has a step there, which the
        ramp makes a bright rim of the field of view. After Ohnesorge et al., Med. Phys. 27 (2000)
        39, and Hsieh et al., Med. Phys. 31 (2004) 2385, with one width for the whole scan.
        """
        columns, edge = rows.shape[2], _edge(rows.shape[2])
        u = columns / 2 - 0.5 + np.arange(1, self._beyond + 1)
        chord = np.sqrt(np.maximum(self.shadow**2 - u**2, 0))
        fall = (chord / math.sqrt(self.shadow**2 - (columns / 2 - edge / 2) ** 2)).astype(
            np.float32
        )
        left = rows[:, :, :edge].mean(axis=2, keepdims=True) * fall[::-1]
        right = rows[:, :, -edge:].mean(axis=2, keepdims=True) * fall
        return np.concatenate([left, rows, right], axis=2)

    def _frame(self) -> tuple[float, ...]:
        """Return the length of a line of a chunk, and the scan as both kernels are told it."""
        g = self.geometry
        # Rows of the detector that the slices of a chunk span where the cone is widest.
        steepest = g.source_to_detector / g.pixel / (g.source_to_axis - self.radius)
        return (
            math.ceil(max(steepest, 2) * _CHUNK) + 4,
            g.source_to_axis,
            g.source_to_detector / g.pixel,
            (g.columns - 1) / 2 - g.offset_u / g.pixel,
            (g.rows - 1) / 2 - g.offset_v / g.pixel - self._window[0],
        )

    def _add_quarters(self, filtered: np.ndarray, angles: np.ndarray, sets: np.ndarray) -> None:
        first, end = self._window
        # Sets in a whole number of batches: the ones that fill up have no signal.
        number = -(-len(sets) // _BATCH) * _BATCH
        stack = np.empty((number, filtered.shape[2] + 2, end - first, 4), np.float32)
        _fold(filtered, sets, stack, self.rows[0] - first)
        turn = np.zeros(number)
        turn[: len(sets)] = np.deg2rad(angles[sets[:, 0]])
        half = self.size // 2
        if self._quarters is None:
            self._quarters = np.zeros((half, half, self.z1 - self.z0, 4), np.float32)
        tiles = [
            (j, i)
            for j in range(0, half, _TILE)
            for i in range(0, half, _TILE)
            if (j + 0.5) ** 2 + (i + 0.5) ** 2 <= self.radius**2
        ]
        # Chunks are counted from slice 0 of the whole volume, so that slabs equal the whole.
        chunks = range(self.z0 // _CHUNK, -(-self.z1 // _CHUNK))
        jobs = np.array([(c, j, i) for c in chunks for j, i in tiles], np.int64)
        where = self.size, self.z0, self.radius, *self._frame()
        _back_project_quarters(stack, np.cos(turn), np.sin(turn), jobs, self._quarters, *where)

    def _add_general(self, filtered: np.ndarray, angles: np.ndarray, rest: np.ndarray) -> None:
        first, end = self._window
        stack = np.zeros((len(rest), filtered.shape[2] + 2, end - first), np.float32)
        seen = slice(self.rows[0] - first, self.rows[1] - first)
        stack[:, 1:-1, seen] = filtered[rest].transpose(0, 2, 1)
        if self._general is None:
            self._general = np.zeros((self.size, self.size, self.z1 - self.z0), np.float32)
        turn = np.deg2rad(angles[rest])
        where = self.z0, self.radius, *self._frame()
        _back_project_general(stack, np.cos(turn), np.sin(turn), self._general, *where)


def quarter_turns(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the sets of four views that lie a quarter turn apart.

    Parameters
    ----------
    angles : numpy.ndarray
        Angles in degrees.

    Returns
    -------
    sets : numpy.ndarray
        Views (set, 4), each a quarter turn after the one before.
    rest : numpy.ndarray
        Views that are in no set.
    """
    turn = np.mod(np.asarray(angles, np.float64), 360.0)
    # To a millionth of a degree, far below what a voxel can show.
    key = np.round(turn * 1e6).astype(np.int64) % 360_000_000
    first = {k: i for i, k in reversed(list(enumerate(key.tolist())))}
    sets, used = [], np.zeros(len(key), bool)
    for i in np.argsort(key, kind="stable").tolist():
        k = int(key[i])
        if k >= 90_000_000 + 1:
            break
        found = []
        for quarter in range(4):
            for slip in (0, 1, -1):
                other = first.get((k + quarter * 90_000_000 + slip) % 360_000_000)
                if other is not None and not used[other] and other not in found:
                    found.append(other)
                    break
        if len(found) == 4 and found[0] == i:
            sets.append(found)
            used[found] = True
    return np.array(sets, np.int64).reshape(-1, 4), np.flatnonzero(~used)


def _gathering(turned: int):
    """Make the step of the inner loop for the quadrant that is `turned` quarter turns away."""

    @intrinsic
    def step(typingctx, lines, index, fraction, sums, k, at):
        """Add to ``sums[at]`` what one batch of lines gives at slice k of the chunk."""
        arrays = (lines, index, fraction, sums)

        def codegen(context, builder, signature, args):
            base = [
                context.make_array(kind)(context, builder, value).data
                for kind, value in zip(arrays, args[:4], strict=True)
            ]
            shapes = [
                cgutils.unpack_tuple(
                    builder, context.make_array(kind)(context, builder, value).shape, 2
                )
                for kind, value in zip(arrays[:3], args[:3], strict=True)
            ]
            quad = ir.VectorType(ir.FloatType(), 4)
            lane = ir.IntType(32)
            fmuladd = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(quad, [quad] * 3), "llvm.fmuladd.v4f32"
            )

            def load(pointer):
                return builder.load(builder.bitcast(pointer, quad.as_pointer()), align=4)

            parts = []
            for batch in range(_BATCH):
                number = ir.Constant(args[4].type, batch)
                here = builder.add(builder.mul(number, shapes[1][1]), args[4])
                offset = builder.sext(builder.load(builder.gep(base[1], [here])), args[4].type)
                offset = builder.add(builder.mul(number, shapes[0][1]), offset)
                low = load(builder.gep(base[0], [offset]))
                high = load(builder.gep(base[0], [builder.add(offset, args[4].type(4))]))
                share = builder.load(builder.gep(base[2], [here]))
                share = builder.shuffle_vector(
                    builder.insert_element(ir.Constant(quad, ir.Undefined), share, lane(0)),
                    ir.Constant(quad, ir.Undefined),
                    ir.Constant(ir.VectorType(lane, 4), [0, 0, 0, 0]),
                )
                parts.append(builder.call(fmuladd, [share, builder.fsub(high, low), low]))
            while len(parts) > 1:
                parts = [builder.fadd(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)]
            # View number n belongs to the voxel turned - n quarter turns away.
            order = [(turned - r) % 4 for r in range(4)]
            total = builder.shuffle_vector(
                parts[0], parts[0], ir.Constant(ir.VectorType(lane, 4), order)
            )
            target = builder.bitcast(builder.gep(base[3], [args[5]]), quad.as_pointer())
            builder.store(builder.fadd(builder.load(target, align=4), total), target, align=4)
            return context.get_dummy_value()

        return types.void(lines, index, fraction, sums, types.intp, types.intp), codegen

    return step


_step0, _step1, _step2, _step3 = (_gathering(turned) for turned in range(4))


@numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _prepare(columns, line, index, fraction, counts, start, slope, share, weight, lanes):
    """Blend two detector columns into a line, and say where on it the slices of a chunk read.

    The slices are those that `counts` has by number: slice k reads at row ``start + k * slope``.
    """
    first = math.floor(start)
    remainder = np.float32(start - first)
    rate = np.float32(slope)
    lead = np.int32(remainder + counts[0] * rate)
    length = lanes * (np.int32(remainder + counts[-1] * rate) - lead + 2)
    offset = lanes * (first + lead)
    w1 = np.float32(weight * share)
    w0 = np.float32(weight) - w1
    near = columns[0, offset : offset + length]
    far = columns[1, offset : offset + length]
    # Loops that count from 0 spare the check for negative numbers, which would not vectorise.
    for n in range(length):
        line[n] = w0 * near[n] + w1 * far[n]
    for k in range(counts.shape[0]):
        position = remainder + counts[k] * rate
        row = np.int32(position)
        index[k] = np.int32(lanes) * (row - lead)
        fraction[k] = position - np.float32(row)


@numba.njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _back_project_quarters(
    stack, cosines, sines, jobs, sums, size, z0, radius, room, sid, scale, u0, v0
):
    number, columns, rows = stack.shape[0], stack.shape[1], stack.shape[2]
    half, depth = size // 2, sums.shape[2]
    flat = sums.reshape(-1)
    flat_stack = stack.reshape(number, columns, rows * 4)
    for job in numba.prange(jobs.shape[0]):
        # Chunks start at multiples of their length even where the slab cuts them.
        start = jobs[job, 0] * _CHUNK
        begin = max(z0 - start, 0)
        end = min(z0 + depth - start, _CHUNK)
        z = start - (size - 1) / 2.0
        line = np.empty((_BATCH, 4 * room), np.float32)
        index = np.empty((_BATCH, _CHUNK), np.int32)
        fraction = np.empty((_BATCH, _CHUNK), np.float32)
        counts = np.arange(begin, end).astype(np.float32)
        j1 = min(jobs[job, 1] + _TILE, half)
        i1 = min(jobs[job, 2] + _TILE, half)
        for turn in range(number // _BATCH * 4):
            # A quarter turn at a time: neighbours then read the same few detector columns.
            batch = turn // 4 * _BATCH
            turned = turn % 4
            for j in range(jobs[job, 1], j1):
                for i in range(jobs[job, 2], i1):
                    if (i + 0.5) ** 2 + (j + 0.5) ** 2 > radius * radius:
                        continue
                    x, y = i + 0.5, j + 0.5
                    for _ in range(turned):
                        x, y = -y, x
                    for b in range(_BATCH):
                        c, s = cosines[batch + b], sines[batch + b]
                        near = sid / (sid - (x * s + y * c))
                        slope = near * scale / sid
                        u = (x * c - y * s) * slope + u0
                        share = u - math.floor(u)
                        column = math.floor(u) + 1
                        weight, v = near * near, z * slope + v0
                        if column < 0 or column > columns - 2:
                            column, weight = 0, 0.0
                        lines, at, part = flat_stack[batch + b], index[b], fraction[b]
                        lines = lines[column : column + 2]
                        _prepare(lines, line[b], at, part, counts, v, slope, share, weight, 4)
                    at = 4 * ((j * half + i) * depth + max(start - z0, 0))
                    if turned == 0:
                        for k in range(end - begin):
                            _step0(line, index, fraction, flat, k, at + 4 * k)
                    elif turned == 1:
                        for k in range(end - begin):
                            _step1(line, index, fraction, flat, k, at + 4 * k)
                    elif turned == 2:
                        for k in range(end - begin):
                            _step2(line, index, fraction, flat, k, at + 4 * k)
                    else:
                        for k in range(end - begin):
                            _step3(line, index, fraction, flat, k, at + 4 * k)


@numba.njit(cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
def _back_project_general(stack, cosines, sines, sums, z0, radius, room, sid, scale, u0, v0):
    views, columns = stack.shape[0], stack.shape[1]
    size, depth = sums.shape[0], sums.shape[2]
    tiles = -(-size // _TILE)
    chunk0 = z0 // _CHUNK
    chunks = -(-(z0 + depth) // _CHUNK) - chunk0
    for job in numba.prange(chunks * tiles * tiles):
        start = (chunk0 + job // (tiles * tiles)) * _CHUNK
        begin = max(z0 - start, 0)
        end = min(z0 + depth - start, _CHUNK)
        z = start - (size - 1) / 2.0
        j0 = job // tiles % tiles * _TILE
        i0 = job % tiles * _TILE
        line = np.empty(room, np.float32)
        index = np.empty(end - begin, np.int32)
        fraction = np.empty(end - begin, np.float32)
        counts = np.arange(begin, end).astype(np.float32)
        for view in range(views):
            c, s = cosines[view], sines[view]
            for j in range(j0, min(j0 + _TILE, size)):
                for i in range(i0, min(i0 + _TILE, size)):
                    x, y = i - (size - 1) / 2.0, j - (size - 1) / 2.0
                    if x * x + y * y > radius * radius:
                        continue
                    near = sid / (sid - (x * s + y * c))
                    slope = near * scale / sid
                    u = (x * c - y * s) * slope + u0
                    column = math.floor(u) + 1
                    if column < 0 or column > columns - 2:
                        continue
                    lines, share = stack[view, column : column + 2], u - math.floor(u)
                    v, weight = z * slope + v0, near * near
                    _prepare(lines, line, index, fraction, counts, v, slope, share, weight, 1)
                    row = sums[j, i, start - z0 + begin : start - z0 + end]
                    for k in range(end - begin):
                        n = np.uint32(index[k])
                        low = line[n]
                        row[k] += low + fraction[k] * (line[n + np.uint32(1)] - low)


@numba.njit(cache=True, parallel=True)
def _fold(filtered, sets, stack, before):
    """Lay four views side by side: (view, v, u) to (set, u, v, 4), zeros around."""
    rows, columns = filtered.shape[1], filtered.shape[2]
    for n in numba.prange(stack.shape[0]):
        if n >= sets.shape[0]:
            stack[n] = 0.0
            continue
        stack[n, 0] = 0.0
        stack[n, columns + 1] = 0.0
        stack[n, :, :before] = 0.0
        stack[n, :, before + rows :] = 0.0
        for j0 in range(0, rows, 16):
            for i in range(columns):
                for j in range(j0, min(j0 + 16, rows)):
                    for q in range(4):
                        stack[n, i + 1, before + j, q] = filtered[sets[n, q], j, i]


@numba.njit(cache=True, parallel=True)
def _unfold(sums, out, scale):
    """Put the four voxels of each set in their places: (y, x, z, 4) to (z, y, x)."""
    half, depth = sums.shape[0], sums.shape[2]
    last = 2 * half - 1
    for j in numba.prange(half):
        for k0 in range(0, depth, 16):
            for i in range(half):
                x, y = half + i, half + j
                for k in range(k0, min(k0 + 16, depth)):
                    out[k, y, x] = sums[j, i, k, 0] * scale
                    out[k, x, last - y] = sums[j, i, k, 1] * scale
                    out[k, last - y, last - x] = sums[j, i, k, 2] * scale
                    out[k, last - x, y] = sums[j, i, k, 3] * scale

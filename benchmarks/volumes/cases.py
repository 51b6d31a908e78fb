"""Pairs of volumes to register, with their truth, in groups: what is the same, what is hard, what is false."""

import functools
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.ndimage

from acuity.filters import gaussian
from benchmarks.volumes.scans import LOW, SPECIMENS, Field, Pose, truth

# What is in the cache was made by this state of scans.py: count up when its volumes change.
STATE = 1
# First seeds of the objects; see docs/seeds.md.
SETS = {"choose": 5000, "judge": 6000}
AT_REST = Pose()
RIM = 2  # voxels at the rim of the high field where no error is taken
STEP = 4  # between the points where it is taken


@dataclass
class Pair:
    """Two volumes and what is known of them.

    Attributes
    ----------
    low, high : numpy.ndarray
        (z, y, x), float32.
    inside : numpy.ndarray
        bool, broadcasts to `high`: where it was measured.
    ratio : tuple of float
        Stated low voxel / high voxel.
    matrix : numpy.ndarray
        (3, 4), from low indices to high ones. Of no meaning where the case is false.
    warp : callable, optional
        Displacement (n, 3) at points (n, 3) of the high volume, which the object underwent after `matrix`.
    place : tuple of float, optional
        Guess of where the centre of the high volume lies, low voxels.
    """

    low: np.ndarray
    high: np.ndarray
    inside: np.ndarray
    ratio: tuple[float, float, float]
    matrix: np.ndarray
    warp: Callable[[np.ndarray], np.ndarray] | None = None
    place: tuple[float, float, float] | None = None

    def grid(self) -> np.ndarray:
        """Return points (n, 3) of the high field, every `STEP` voxels."""
        inside = np.broadcast_to(self.inside, self.high.shape)
        inside = scipy.ndimage.minimum_filter(inside, 2 * RIM + 1, mode="constant", cval=0)
        starts = [(n - 1) % STEP // 2 for n in self.high.shape]
        points = np.stack(
            np.meshgrid(
                *(np.arange(a, n, STEP) for a, n in zip(starts, self.high.shape, strict=True)),
                indexing="ij",
            ),
            axis=-1,
        ).reshape(-1, 3)
        return points[inside[tuple(points.T)]].astype(np.float64)

    def low_points(self, points: np.ndarray) -> np.ndarray:
        """Return the low indices (n, 3) of points of the high volume."""
        if self.warp is not None:
            points = points - self.warp(points)
        return back(self.matrix, points)


def forth(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (n, 3) by a matrix (3, 4)."""
    return points @ matrix[:, :3].T + matrix[:, 3]


def back(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (n, 3) by the inverse of a matrix (3, 4)."""
    return np.linalg.solve(matrix[:, :3], (points - matrix[:, 3]).T).T


@dataclass(frozen=True)
class Scan:
    """A scan that can be made again: `kind` of `SPECIMENS`, seed of the object, pose and field."""

    kind: str
    seed: int
    field: Field
    pose: Pose = AT_REST
    ratio: int = 3
    side: int = LOW

    def volume(self, cache: Path) -> np.ndarray:
        """Return the volume (z, y, x), made once and kept in a folder."""
        name = hashlib.sha256(f"{STATE} {self}".encode()).hexdigest()[:16]
        path = cache / f"{self.kind}-{self.seed}-{name}.npz"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            body = _body(self.kind, self.seed, self.ratio, self.side)
            volume = SPECIMENS[self.kind].scan(body, self.pose, self.field, int(name[:8], 16))
            part = path.with_name(f".{os.getpid()}-{path.name}")
            np.savez(part, volume=np.asarray(volume, np.float32))
            os.replace(part, path)
        with np.load(path) as file:
            return file["volume"]


@functools.lru_cache(maxsize=1)
def _body(kind, seed, ratio, side):
    return SPECIMENS[kind].make(seed, ratio, side)


@dataclass(frozen=True)
class Case:
    """One pair to register.

    Attributes
    ----------
    name, group : str
        The group says what is expected; see `GROUPS`.
    source : Scan pair or str
        Low and high scan, or which real file the pair is cut from.
    changes : tuple of callable
        Applied to the `Pair` in turn.
    filled : Scan, optional
        Low scan of another object, which first fills the region of the high field.
    """

    name: str
    group: str
    source: tuple[Scan, Scan] | str
    changes: tuple[Callable[[Pair], Pair], ...] = ()
    filled: Scan | None = None

    def pair(self, cache: Path, real: Path | None = None) -> Pair:
        """Make it, scans from the folder `cache`, real files from `real`."""
        if isinstance(self.source, str):
            pair = REAL[self.source](real)
        else:
            low, high = self.source
            pair = Pair(
                low.volume(cache),
                high.volume(cache),
                high.field.inside[None],
                (low.field.voxel / high.field.voxel,) * 3,
                truth(low.field, high.field, high.pose),
            )
        if self.filled is not None:
            # Both have one grey scale, the attenuation, whatever their doses.
            pair = swapped(pair, self.filled.volume(cache))
        for change in self.changes:
            pair = change(pair)
        return pair


@dataclass(frozen=True)
class Group:
    """What is expected of a group.

    Attributes
    ----------
    true : bool or None
        The pair shows one object; None where a refusal is allowed too.
    bar : float or None
        Largest target registration error, high voxels.
    turn : bool
        Any turn about z is to be searched.
    hold : bool
        The scale is to be held at the stated one.
    seconds : float
        Processor seconds allowed.
    """

    true: bool | None = True
    bar: float | None = 0.15
    turn: bool = False
    hold: bool = False
    seconds: float = 10.0


GROUPS = {
    "foam": Group(),
    "seed": Group(),
    "chip": Group(),
    "dim low": Group(bar=0.25),
    "dim high": Group(),
    "partly outside": Group(bar=None),
    "any turn": Group(turn=True, seconds=20.0),
    "6:1": Group(bar=0.3),
    "small field": Group(bar=None),
    "bent contrast": Group(),
    "foreign ball": Group(),
    "size 5 % wrong": Group(),
    "sand": Group(bar=0.3, hold=True),
    "moved pair": Group(bar=0.5, hold=True),
    "warp": Group(bar=0.4),
    "large": Group(seconds=180.0),
    "repeats": Group(true=None, bar=0.3),
    "other object": Group(true=False),
    "region cropped away": Group(true=False),
    "region replaced": Group(true=False),
    "size 12 % wrong": Group(true=False),
    "axis reversed": Group(true=False),
    "other kind": Group(true=False),
}


# Changes of a pair.


def grey(pair: Pair, gain: float, power: float = 1.0) -> Pair:
    """Give the high volume another contrast; below 0 it is inverted."""
    low, high = np.percentile(pair.high[np.broadcast_to(pair.inside, pair.high.shape)], (1, 99))
    unit = (pair.high - low) / (high - low)
    bent = np.sign(unit) * np.abs(unit) ** power
    return replace(pair, high=((100 + 50 * gain * bent) * pair.inside).astype(np.float32))


def ball(pair: Pair, of_low: bool, seed: int) -> Pair:
    """Put a ball of 4 times the maximum into one of the volumes, inside of what both show."""
    random = np.random.default_rng(seed)
    centre = (np.array(pair.high.shape) - 1) / 2 + random.uniform(-25, 25, 3)
    radius = 10.0
    if of_low:
        (centre,) = back(pair.matrix, centre[None])
        radius /= pair.ratio[0]
    volume = (pair.low if of_low else pair.high).copy()
    grid = np.ogrid[tuple(slice(n) for n in volume.shape)]
    hit = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2
    volume[hit] = 4 * np.abs(volume).max()
    return replace(pair, **{"low" if of_low else "high": volume})


def stated(pair: Pair, factor: float) -> Pair:
    """State a ratio that is wrong by a factor."""
    return replace(pair, ratio=tuple(factor * n for n in pair.ratio))


def reversed_axis(pair: Pair, axis: int) -> Pair:
    """Reverse an axis of the high volume."""
    return replace(pair, high=np.flip(pair.high, axis).copy())


def crop_low(pair: Pair, axis: int, start: int, stop: int) -> Pair:
    """Keep the slices start to stop - 1 of the low volume along one axis."""
    part = (slice(None),) * axis + (slice(start, stop),)
    matrix = pair.matrix.copy()
    matrix[:, 3] += start * matrix[:, axis]
    return replace(pair, low=pair.low[part].copy(), matrix=matrix)


def cut_through(pair: Pair, axis: int, share: float) -> Pair:
    """Crop the low volume so that a share of the high field lies outside of it, on the nearer side."""
    along = pair.low_points(pair.grid())[:, axis]
    count = pair.low.shape[axis]
    if along.mean() < (count - 1) / 2:
        return crop_low(pair, axis, int(np.ceil(np.quantile(along, share))), count)
    return crop_low(pair, axis, 0, int(np.quantile(along, 1 - share)) + 1)


def cut_away(pair: Pair) -> Pair:
    """Crop the low volume to the largest part that lies beside the high field."""
    along = pair.low_points(pair.grid())
    first, last = along.min(axis=0).astype(int) - 1, np.ceil(along.max(axis=0)).astype(int) + 2
    left = np.array([first, np.array(pair.low.shape) - last])
    side, axis = np.unravel_index(left.argmax(), left.shape)
    if side == 0:
        return crop_low(pair, int(axis), 0, int(first[axis]))
    return crop_low(pair, int(axis), int(last[axis]), pair.low.shape[axis])


def swapped(pair: Pair, other: np.ndarray) -> Pair:
    """Fill the low volume, where the high field lies, from another low volume."""
    grid = np.stack(np.indices(pair.low.shape), -1).reshape(-1, 3)
    centre = (np.array(pair.high.shape) - 1) / 2
    away = forth(pair.matrix, grid) - centre
    margin = 2 * pair.ratio[0]
    hit = (np.hypot(away[:, 1], away[:, 2]) <= centre[1] + margin) & (
        np.abs(away[:, 0]) <= centre[0] + margin
    )
    return replace(pair, low=np.where(hit.reshape(pair.low.shape), other, pair.low))


def guess(pair: Pair, off: tuple[float, float, float]) -> Pair:
    """Tell where the high centre lies, off by some low voxels."""
    (place,) = pair.low_points((np.array(pair.high.shape, float)[None] - 1) / 2)
    return replace(pair, place=tuple(place + np.array(off)))


@dataclass(frozen=True)
class Waves:
    """A smooth displacement of the high field: two plane waves an axis, without their affine part.

    Attributes
    ----------
    most : float
        Largest length in the field, high voxels.
    size : int
        Side of the field.
    seed : int
    """

    most: float
    size: int
    seed: int

    def __post_init__(self) -> None:
        """Draw the waves."""
        random = np.random.default_rng(self.seed)
        period = self.size * random.uniform(0.9, 1.8, (3, 2))
        direction = random.standard_normal((3, 2, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        wave = 2 * np.pi * direction / period[..., None]
        phase = random.uniform(0, 2 * np.pi, (3, 2))
        object.__setattr__(self, "_waves", (wave, phase))
        line = np.linspace(-0.5, 0.5, 17) * (self.size - 1)
        grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
        grid = grid[np.hypot(grid[:, 1], grid[:, 2]) <= self.size / 2]
        basis = np.column_stack([grid, np.ones(len(grid))])
        raw = self._raw(grid)
        affine = np.linalg.lstsq(basis, raw, rcond=None)[0]
        longest = np.linalg.norm(raw - basis @ affine, axis=1).max()
        object.__setattr__(self, "_affine", affine)
        object.__setattr__(self, "_gain", self.most / longest)

    def _raw(self, away):
        wave, phase = self._waves
        return np.sin(np.einsum("nk,ack->nac", away, wave) + phase).sum(axis=-1)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the displacement (n, 3) at points (n, 3)."""
        away = points - (self.size - 1) / 2
        affine = away @ self._affine[:3] + self._affine[3]
        return self._gain * (self._raw(away) - affine)


def warped(pair: Pair, most: float, seed: int) -> Pair:
    """Move the high volume smoothly by up to `most` voxels."""
    waves = Waves(most, pair.high.shape[0], seed)
    grid = np.stack(np.indices(pair.high.shape), -1).reshape(-1, 3).astype(np.float64)
    source = (grid - waves(grid)).T
    high = scipy.ndimage.map_coordinates(pair.high, source, order=3, mode="nearest")
    whole = np.broadcast_to(pair.inside, pair.high.shape)
    # What comes from beyond the field, and the ringing of the spline at its rim, was not measured.
    kept = scipy.ndimage.minimum_filter(whole, 2 * int(np.ceil(most)) + 3, mode="nearest")
    high = (high.reshape(pair.high.shape) * kept).astype(np.float32)
    return replace(pair, high=high, inside=kept, warp=waves)


# Real files.


def sand(path: Path, seed: int) -> Pair:
    """Cut a high volume of 96^3 from the sand; make the low one from all of it, turned.

    A low voxel is the mean of 3^3 high ones, taken at its own turned place, then blurred, with noise.
    """
    import tifffile

    random = np.random.default_rng([seed, 0x5A4D])
    whole = tifffile.imread(path / "sand_100x200x200_u8.tif").astype(np.float32)
    start = np.array([random.integers(0, n - 96 + 1) for n in whole.shape])
    high = whole[tuple(slice(a, a + 96) for a in start)]
    shape = [n // 3 for n in whole.shape]
    # The file is thin: larger turns about y and x would take the cut out of it.
    pose = Pose(tuple(random.uniform(-1, 1, 3) * (5, 1.5, 1.5)))
    linear = 3 * pose.rotation
    middle = (np.array(whole.shape) - 1) / 2 + random.uniform(-1.5, 1.5, 3)
    shift = middle - linear @ ((np.array(shape) - 1) / 2)
    grid = np.stack(np.indices(shape), -1).reshape(-1, 3)
    smooth = scipy.ndimage.uniform_filter(whole, 3)
    low = scipy.ndimage.map_coordinates(
        smooth, forth(np.column_stack([linear, shift]), grid).T, order=3, mode="nearest"
    ).reshape(shape)
    low = gaussian(low, (random.uniform(0.5, 0.9),) * 3)
    low = low + random.uniform(0.05, 0.25) * low.std() * random.standard_normal(shape)
    matrix = np.column_stack([linear, shift - start])
    inside = np.ones((1, 1, 1), bool)
    return Pair(low.astype(np.float32), high, inside, (3.0,) * 3, matrix)


def bentheimer(path: Path) -> Pair:
    """Read the pair of the sandstone; its matrix is what the files' names say, and is not the truth."""
    import tifffile

    folder = path / "bentheimer_pair"
    low = tifffile.imread(folder / "low_30x45x140_u8.tif").astype(np.float32)
    high = tifffile.imread(folder / "high_90x135x420_u8.tif").astype(np.float32)
    matrix = np.column_stack([3 * np.eye(3), np.ones(3)])
    return Pair(low, high, np.ones((1, 1, 1), bool), (3.0,) * 3, matrix)


def motion(seed: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return a known motion of the sandstone's low block, and what is cropped from its sides.

    Returns
    -------
    matrix : numpy.ndarray
        (3, 4), from indices of the moved block to those of the block.
    crop : tuple of int
        Voxels cut from the moved block's first and last slices along z, y and x, already in `matrix`.
    """
    random = np.random.default_rng([seed, 0xBE47])
    shape = np.array([30, 45, 140])
    # Turns about z and y lift the long axis out of the block: 2 degrees are 2.4 low voxels there.
    rotation = Pose(tuple(random.uniform(-1, 1, 3) * (2, 2, 4))).rotation
    crop = tuple(int(n) for n in random.integers(0, (3, 3, 3, 3, 12, 12)))
    middle = (shape - 1) / 2
    shift = middle - rotation @ middle + random.uniform(-1.5, 1.5, 3)
    return np.column_stack([rotation, shift + rotation @ np.array(crop[::2], float)]), crop


def moved_block(pair: Pair, seed: int) -> Pair:
    """Shift, turn and crop the sandstone's low block; composes its matrix with the motion."""
    matrix, crop = motion(seed)
    shape = [n - a - b for n, a, b in zip(pair.low.shape, crop[::2], crop[1::2], strict=True)]
    grid = np.stack(np.indices(shape), -1).reshape(-1, 3)
    places = forth(matrix, grid).T
    low = scipy.ndimage.map_coordinates(pair.low, places, order=3, mode="mirror")
    composed = np.column_stack(
        [pair.matrix[:, :3] @ matrix[:, :3], forth(pair.matrix, matrix[:, 3][None])[0]]
    )
    return replace(pair, low=low.reshape(shape).astype(np.float32), matrix=composed)


REAL: dict[str, Callable[[Path], Pair]] = {"bentheimer": bentheimer}
for _first in SETS.values():
    for _seed in range(_first, _first + 20):
        REAL[f"sand {_seed}"] = functools.partial(sand, seed=_seed)

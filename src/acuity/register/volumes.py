"""Registration of two volumes of one object at two magnifications."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from acuity.errors import AcuityError, require
from acuity.register.space import angles_of, apply_map, inverse_map
from acuity.register.volume_blocks import Blocks, measure_blocks
from acuity.register.volume_bspline import Bend, fit_bend
from acuity.register.volume_fields import CLIPS, Measured, measured
from acuity.register.volume_levels import Band, Level
from acuity.register.volume_refine import Fit, refine
from acuity.register.volume_search import SIDE, Found, any_turns, search, small_turns, turned
from acuity.register.volume_settings import VolumeSettings

__all__ = ["Candidate", "Registration", "VolumeSettings", "register_volumes"]

_DEFAULT = VolumeSettings()
# Fewer low voxels in the high field than this, cubed, do not tell a scale.
_SCALE_FROM = 30
_LEAST_SIDE = 12
# Low voxels at the rim of the high field that are left out.
_RIM = 3.0
_FINER = 1.2
_SCALE_SAID = 0.02
# Candidates that are refined, and the most where many places look alike.
_REFINED, _MOST_ALIKE, _ALIKE = 3, 8, 0.85
# Final correlation, over the best one's, from which on a candidate is looked at on fine voxels.
_CLOSE, _MOST_CLOSE = 0.8, 4
_COARSE_BAND, _BETWEEN = Band(1.0, 5.0), Band(1.0, 5.0)
# The last comparison, and that where noise has the correlation below a limit: there each voxel counts.
_CLEAR, _NOISY, _NOISE = Band(0.7, 3.0, 1.5), Band(1.0, 3.0), 0.9
# A margin is at most this share of the shortest side.
_MARGIN = 1 / 28
# Share of agreeing blocks below which the last comparison is not worth its time.
_HOPELESS = 0.2
# Unexplained part of the best candidate over that of another, up to which it is clearly better.
_CLEARLY = 0.6
# Score of the search, over the best one before, from which on another flip, scale or turn is refined: a true
# place has at least 1.6 times the score of the best false one.
_BETTER = 1.15
# Rms displacement that neighbouring blocks share, low voxels, and its part of the mean square, from which on the
# object was bent between the scans.
_BENT, _SHARED = 0.05, 0.18
# Final correlation at two places from which on an object is said to repeat.
_REPEATED = 0.8
_SCALES = (0.8, 0.89, 1.13, 1.25)


@dataclass(frozen=True)
class Candidate:
    """A place that was refined.

    Attributes
    ----------
    place : tuple of float
        Low voxel (z, y, x) on which the middle of the high volume lies.
    turn : tuple of float
        Degrees about z, y and x.
    coarse, final : float
        Correlation of the search, and after refining.
    agreeing : float
        Share of the blocks within half a low voxel; NaN where it was not refined to the end.
    """

    place: tuple[float, float, float]
    turn: tuple[float, float, float]
    coarse: float
    final: float
    agreeing: float


@dataclass(frozen=True)
class Registration:
    """How a high volume lies in a low one.

    Attributes
    ----------
    matrix : numpy.ndarray
        (3, 4), float64, from voxel indices of the low volume to those of the high one.
    scale : float
        Found over stated.
    scale_held : bool
        The scale was held at the stated one.
    field : Bend or None
        Displacement in low voxels before the matrix, where the object was bent.
    error : float
        Estimate of the rms error over the high field, high voxels.
    correlation : float
        Band-passed, at the end; below 0 where the contrast is inverted.
    candidates : list of Candidate
        What was refined, the best first.
    blocks : pandas.DataFrame
        z, y, x of the middle, low voxels; dz, dy, dx, residual shift, high voxels; ncc.
    warnings : list of str
        Sentences.
    """

    matrix: np.ndarray
    scale: float
    scale_held: bool
    field: Bend | None
    error: float
    correlation: float
    candidates: list[Candidate]
    blocks: pd.DataFrame
    warnings: list[str] = dataclasses.field(default_factory=list)

    def map(self, points: np.ndarray) -> np.ndarray:
        """Map low voxels (n, 3) to high ones."""
        points = np.asarray(points, np.float64)
        if self.field is not None:
            points = points + self.field(points)
        return apply_map(self.matrix, points)


@dataclass
class _Trial:
    """A candidate as it is refined."""

    found: Found
    fit: Fit
    band: Band = _CLEAR
    blocks: Blocks | None = None

    def candidate(self, centre):
        place = apply_map(inverse_map(self.fit.matrix), centre)
        agreeing = math.nan if self.blocks is None else self.blocks.agreeing
        turn = angles_of(self.fit.matrix[:, :3])
        return Candidate(
            tuple(map(float, place)), turn, self.found.score, self.fit.correlation, agreeing
        )


class _Pair:
    """Two volumes under registration."""

    def __init__(self, low: Measured, high: Measured, ratio, settings, place):
        self.low, self.high, self.ratio = low, high, ratio
        self.settings, self.place = settings, place
        self.covered = high.field.sides / ratio
        self.held = settings.transform == "rigid" or (
            float(np.prod(high.whole.sides / ratio)) < _SCALE_FROM**3
            and settings.transform == "similarity"
        )
        self.transform = "rigid" if self.held else settings.transform
        coarse = max(1, round(float(self.covered.min()) / SIDE))
        self.levels = [Level(low, high, coarse, ratio)]
        self._steps = [coarse]
        while self._steps[-1] > 1:
            self._steps.append(self._steps[-1] // 2)

    def level(self, number):
        """Give a level; the finer ones are made when they are needed."""
        while len(self.levels) <= number:
            self.levels.append(
                Level(self.low, self.high, self._steps[len(self.levels)], self.ratio)
            )
        return self.levels[number]

    def trials(self, turns, scale=1.0, above=0.0) -> list[_Trial]:
        """Search, and refine what is found on the reduced grid; no two are the same.

        What scores at most `above` is left out.
        """
        linears = [
            [scale * self.ratio[:, None] * turned((a, b, c)) for b, c in row] for a, row in turns
        ]
        found = [f for f in search(self.levels[0], linears) if f.score > above]
        if not found:
            return []
        alike = [f for f in found if f.score >= _ALIKE * found[0].score]
        chosen = found[: max(_REFINED, min(len(alike), _MOST_ALIKE))]
        if self.place is not None:
            # nearest to the guess: it is refined too, and in front
            near = min(found, key=lambda f: float(np.linalg.norm(f.centre - self.place)))
            chosen = [near, *(f for f in chosen if f is not near)]
        transform = "rigid" if self.held else "similarity"
        trials: list[_Trial] = []
        for each in chosen:
            fit = refine(self.levels[0], each.matrix, transform=transform, band=_COARSE_BAND)
            if fit is not None:
                trials.append(_Trial(each, fit))
        trials.sort(key=lambda t: -abs(t.fit.correlation))
        return self._distinct(trials)

    def _distinct(self, trials):
        kept: list[_Trial] = []
        points = self.high.field.corners()
        for each in trials:
            there = apply_map(inverse_map(each.fit.matrix), points)
            if all(
                np.linalg.norm(there - apply_map(inverse_map(o.fit.matrix), points), axis=1).max()
                > 3 * self.levels[0].step
                for o in kept
            ):
                kept.append(each)
        return kept

    def finish(self, trials: list[_Trial]) -> list[_Trial]:
        """Refine the close ones on the low voxels; measure their blocks; the best first."""
        if not trials:
            return []
        best = abs(trials[0].fit.correlation)
        close = [t for t in trials if abs(t.fit.correlation) >= _CLOSE * best][:_MOST_CLOSE]
        for trial in close:
            self._fine(trial)
        close.sort(key=lambda t: (t.blocks is None, -abs(t.fit.correlation)))
        return [*close, *(t for t in trials if all(t is not c for c in close))]

    def _fine(self, trial):
        for number in range(1, len(self._steps)):
            fit = refine(
                self.level(number), trial.fit.matrix, transform=self.transform, band=_BETWEEN
            )
            if fit is None:
                return
            trial.fit = fit
        last = self.level(len(self._steps) - 1)
        self._measure(trial, last, _BETWEEN)
        if trial.blocks is None or trial.blocks.agreeing < _HOPELESS:
            return
        clear = _CLEAR._replace(margin=min(_CLEAR.margin, _MARGIN * float(self.covered.min())))
        for band in (clear, _NOISY):
            fit = refine(last, trial.fit.matrix, transform=self.transform, band=band)
            if fit is None:
                return
            trial.fit, trial.band = fit, band
            if abs(fit.correlation) >= _NOISE:
                break
        self._measure(trial, last, trial.band)

    def _measure(self, trial, level, band):
        compared = level.compared(trial.fit.matrix, band)
        if compared is not None:
            trial.blocks = measure_blocks(level, trial.fit.matrix, compared, self.transform)

    def bent(self, trial: _Trial) -> "Bend | None":
        """Bend the map of a trial if its blocks show a pattern, and it is gone then; takes over the blocks."""
        last = self.level(len(self._steps) - 1)
        unbent = trial.blocks
        if unbent is None:
            return None
        before = unbent.pattern()
        if self.held or before[0] < _BENT or before[1] < _SHARED:
            return None
        bend = fit_bend(last.compared(trial.fit.matrix, trial.band))
        compared = last.compared(trial.fit.matrix, trial.band, bend)
        if compared is None or abs(compared.correlation) <= abs(trial.fit.correlation):
            return None
        blocks = measure_blocks(last, trial.fit.matrix, compared, self.transform)
        if bend.least_jacobian(compared.axes) <= 0 or blocks.pattern()[0] > before[0] / 2:
            return None
        # what one fit of a block does not share with its neighbours, the bend has too
        alone = float(np.mean(np.sum(unbent.residuals**2, axis=1))) - before[0] ** 2
        error = math.hypot(blocks.error, math.sqrt(max(alone, 0.0)) * last.voxel)
        trial.blocks = replace(blocks, error=error)
        trial.fit = Fit(trial.fit.matrix, compared.correlation)
        return bend

    def accepted(self, trial: _Trial) -> bool:
        """Tell whether a place is believed."""
        blocks = trial.blocks
        return (
            blocks is not None
            and len(blocks.centres) >= 4
            and blocks.agreeing >= self.settings.least_agreeing
            and abs(trial.fit.correlation) >= self.settings.least_correlation
        )

    def scale(self, matrix) -> float:
        """Found scale over the stated one."""
        return float(np.cbrt(abs(np.linalg.det(matrix[:, :3])) / np.prod(self.ratio)))

    def inside(self, matrix) -> float:
        """Share of the high field that lies in the low one."""
        points = apply_map(inverse_map(matrix), self.high.field.points())
        return float(np.mean(self.low.field.depth(points.T) >= 0))


def register_volumes(
    low: np.ndarray,
    high: np.ndarray,
    ratio: Sequence[float],
    settings: VolumeSettings = _DEFAULT,
    *,
    place: Sequence[float] | None = None,
    where: str = "pair",
    voxel: tuple[float, str] | None = None,
) -> Registration:
    """Find how a volume of high magnification lies in one of low magnification.

    Parameters
    ----------
    low, high : numpy.ndarray
        (z, y, x), any grey scales; contrast may be inverted.
    ratio : sequence of float
        (3,), stated low voxel / high voxel along z, y, x.
    settings : VolumeSettings
        What the map may do, and when it is believed.
    place : sequence of float, optional
        A guess of the low voxel (z, y, x) on which the middle of `high` lies. It only orders the search.
    where : str
        Of the pair, for errors.
    voxel : (float, str), optional
        Side of a low voxel and its unit, for the sentences.

    Returns
    -------
    Registration

    Raises
    ------
    AcuityError
        If a volume is empty or constant, the ratio leaves nothing to register, or no place is
        believed; the sentence says why.
    """
    ratios = np.asarray(ratio, np.float64)
    require(
        ratios.shape == (3,) and bool(np.isfinite(ratios).all()) and bool((ratios > 0).all()),
        f"{where}: the ratio of the voxel sizes is {ratio}; three numbers above 0 are needed.",
    )
    if np.prod(ratios) ** (1 / 3) < _FINER:
        raise AcuityError(
            f"{where}: both scans have one magnification (low voxel / high voxel is "
            f"{_told(ratios)}); at least {_FINER:g} is needed (are the two swapped?)."
        )

    def clipped(clip):
        return [
            measured(
                volume,
                settings.field,
                f"{where}: the {which} volume",
                rim=_RIM * float(np.prod(ratios) ** (1 / 3)) * (which == "high"),
                clip=clip,
            )
            for which, volume in (("low", low), ("high", high))
        ]

    lower, higher = clipped(CLIPS[0])
    guess = None if place is None else np.asarray(place, np.float64)
    covered = higher.whole.sides / ratios
    if covered.min() < _LEAST_SIDE:
        raise AcuityError(
            f"{where}: the region is too small: the high volume covers {_told(covered)} low voxels "
            f"(z, y, x); at least {_LEAST_SIDE} along each axis are needed."
        )
    require(
        min(lower.field.sides) >= _LEAST_SIDE,
        f"{where}: the low volume has {_told(lower.field.sides)} voxels; at least "
        f"{_LEAST_SIDE} along each axis are needed.",
    )
    pair = _Pair(lower, higher, ratios, settings, guess)
    trials = _find(pair)
    for clip in CLIPS[1:]:
        if trials and pair.accepted(trials[0]):
            break
        lower, higher = clipped(clip)
        other = _Pair(lower, higher, ratios, settings, guess)
        found = _find(other)
        if found and other.accepted(found[0]):
            pair, trials = other, found
    if not trials or not pair.accepted(trials[0]):
        raise AcuityError(_refusal(pair, trials, where, voxel))
    return _judged(pair, trials, where, voxel)


def _find(pair):
    """Small turns, then all."""
    trials: list[_Trial] = []
    if pair.settings.turns != "any":
        trials = pair.finish(pair.trials(small_turns()))
    good = trials and pair.accepted(trials[0])
    if not good and pair.settings.turns != "small":
        turned_trials = pair.finish(pair.trials(any_turns(), above=_best_score(trials)))
        if turned_trials and (not trials or pair.accepted(turned_trials[0])):
            return turned_trials
    return trials


def _best_score(trials):
    """Give the score of the search above which what is found elsewhere is worth to be refined."""
    return _BETTER * max((t.found.score for t in trials), default=0.0)


def _judged(pair, trials, where, voxel):
    """Refuse what is ambiguous, lies too little in the low volume or has another scale."""
    best = trials[0]
    left = 1 - best.fit.correlation**2
    for other in trials[1:]:
        if not pair.accepted(other) or left < _CLEARLY * (1 - other.fit.correlation**2):
            continue
        raise AcuityError(_repeats(pair, best, other, where, voxel))
    share = pair.inside(best.fit.matrix)
    if share < pair.settings.least_inside:
        raise AcuityError(
            f"{where}: only {100 * share:.0f} % of the high volume lies in the field of the low one; "
            f"at least {100 * pair.settings.least_inside:g} % are needed (least_inside)."
        )
    warnings = []
    scale = pair.scale(best.fit.matrix)
    if pair.held:
        scale = 1.0
        if pair.settings.transform != "rigid":
            warnings.append(
                f"{where}: the high volume covers {_told(pair.high.whole.sides / pair.ratio)} low voxels, fewer than "
                f"{_SCALE_FROM} cubed: the scale was held at the stated one."
            )
    elif abs(scale - 1) > pair.settings.max_scale_error:
        raise AcuityError(
            f"{where}: the voxel sizes are wrong: {_scale_said(pair, scale, voxel)}; allowed is a "
            f"difference of {100 * pair.settings.max_scale_error:g} % (max_scale_error)."
        )
    elif abs(scale - 1) > _SCALE_SAID:
        warnings.append(
            f"{where}: check the voxel sizes: {_scale_said(pair, scale, voxel)}; the scale that was "
            "found is used."
        )
    bend = pair.bent(best) if pair.settings.elastic else None
    if bend is not None:
        points = apply_map(inverse_map(best.fit.matrix), pair.high.field.points())
        most = pair.levels[-1].voxel * float(np.linalg.norm(bend(points), axis=1).max())
        warnings.append(
            f"{where}: the object was bent between the scans, by up to {most:.1f} high voxels; the map "
            "follows it (elastic)."
        )
    centre = pair.high.field.centre
    return Registration(
        matrix=best.fit.matrix,
        scale=scale,
        scale_held=pair.held,
        field=bend,
        error=best.blocks.error,
        correlation=best.fit.correlation,
        candidates=[t.candidate(centre) for t in trials],
        blocks=best.blocks.table(best.fit.matrix[:, :3]),
        warnings=warnings,
    )


def _repeats(pair, one, other, where, voxel):
    centre = pair.high.field.centre
    places = [apply_map(inverse_map(t.fit.matrix), centre) for t in (one, other)]
    period = float(np.linalg.norm(places[0] - places[1]))
    return (
        f"{where}: cannot be registered: the object repeats every {_length(period, voxel)}, and "
        f"the high volume fits at several places (correlations {one.fit.correlation:.3f} and "
        f"{other.fit.correlation:.3f}); choose a region that holds something that does not repeat."
    )


def _refusal(pair, trials, where, voxel):
    """Say why nothing was found, with the flip or the scale that would fit."""
    alike = [t for t in trials if t.blocks and abs(t.fit.correlation) >= _REPEATED]
    if len(alike) > 1:
        return _repeats(pair, alike[0], alike[1], where, voxel)
    start = f"{where}: cannot be registered:"
    least = _best_score(trials)
    for axes, words in (
        ((0,), "the z axis of the high volume is reversed"),
        ((2,), None),
        ((0, 2), None),
    ):
        flipped = replace(pair.high, values=np.ascontiguousarray(np.flip(pair.high.values, axes)))
        other = _Pair(pair.low, flipped, pair.ratio, pair.settings, None)
        found = other.finish(other.trials(any_turns(), above=least)[:1])
        if found and other.accepted(found[0]):
            about_z = abs(angles_of(found[0].fit.matrix[:, :3])[0])
            if words is None:
                nearer = "x" if about_z < 90 else "y"
                words = f"the {nearer} axis of the high volume is reversed"
                if 0 in axes:
                    words = f"the z and the {nearer} axis of the high volume are reversed"
            return f"{start} {words}; flip it."
    for scale in _SCALES:
        few = [(a, [(0.0, 0.0)]) for a, _ in small_turns()]
        found = pair.finish(pair.trials(few, scale, above=least)[:1])
        if found and pair.accepted(found[0]) and not pair.held:
            found_scale = pair.scale(found[0].fit.matrix)
            return (
                f"{where}: the voxel sizes are wrong: {_scale_said(pair, found_scale, voxel)}; "
                f"allowed is a difference of {100 * pair.settings.max_scale_error:g} % (max_scale_error)."
            )
    if not trials:
        return f"{start} the two volumes have nothing in common; do both show one region?"
    best = trials[0].candidate(pair.high.field.centre)
    share = 0.0 if math.isnan(best.agreeing) else best.agreeing
    return (
        f"{start} at the best place the correlation is {abs(best.final):.2f} (at least "
        f"{pair.settings.least_correlation:g} is needed) and {100 * share:.0f} % of the blocks agree (at least "
        f"{100 * pair.settings.least_agreeing:g} % are needed); do both volumes show one region, with "
        "structures that both scans see?"
    )


def _scale_said(pair, scale, voxel):
    found = pair.ratio * scale
    said = (
        f"the ratio of the low voxel to the high one is {_told(found)} in the volumes and "
        f"{_told(pair.ratio)} as stated"
    )
    if voxel is None:
        return said
    size, unit = voxel
    return (
        f"{said}: with a low voxel of {size:g} {unit} the high one is {_told(size / found)} {unit}"
    )


def _length(low_voxels, voxel):
    if voxel is None:
        return f"{low_voxels:.3g} low voxels"
    return f"{low_voxels * voxel[0]:.3g} {voxel[1]}"


def _told(values):
    return " x ".join(dict.fromkeys(f"{value:.4g}" for value in values))

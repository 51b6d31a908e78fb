"""Pairs of SEM images of one simulated specimen, at two magnifications, with a known warp."""

import dataclasses
import math
import os
from dataclasses import dataclass
from operator import ge, gt

import numpy as np
import pandas as pd

from acuity.filters import gaussian
from acuity.simulate.particles import partners
from acuity.simulate.sem import Scan, automatic_contrast, drift_modes, elastic_modes, expose, sample
from acuity.simulate.specimens.base import Scanning, check, load
from acuity.tables import write_table
from acuity.units import convert
from acuity.volume import Grid, Volume, write_volume

FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_GRID = 16  # high pixels between two points of the warp table
_POSITIVE = ("pixel_size", "spot", "dwell", "current", "detected", "elastic_wavelength")
_NOT_NEGATIVE = (
    "margin", "streaks", "shading", "charging", "rotation", "scale", "shift", "elastic", "drift",
)  # fmt: skip


@dataclass(frozen=True)
class Outputs:
    """Files that `specimen` writes.

    Attributes
    ----------
    high, low : path-like
        Volumes: uint8, one slice, each on its own grid.
    particles : path-like
        Table: ``y x`` (nm from the centre of the high image's first pixel, where that image shows
        the particle), ``diameter_nm``, ``touching`` (rows of the particles that it touches).
        Without rows where there are none.
    warp : path-like
        Table: ``y x`` (pixel of the high image), ``low_y low_x`` (the pixel of the low image that
        shows the same point of the specimen), ``damage`` (0 to 1).
    """

    high: str | os.PathLike
    low: str | os.PathLike
    particles: str | os.PathLike
    warp: str | os.PathLike


def specimen(kind, outputs: Outputs, settings: Scanning, *, seed):
    """Simulate a specimen and its two scans, and write both images and what is true of them.

    The specimen is drawn on a fine grid, blurred by the beam's spot, and sampled where the beam
    stands: both images are point samples, so that the low one is aliased. The high scan comes
    first; what moves has moved in the low one.

    Parameters
    ----------
    kind : str or acuity.simulate.specimens.base.Specimen
        A kind's name, or one with settings of its own.
    outputs : Outputs
        What to write.
    settings : Scanning
        Both scans.
    seed : int
        Seed of everything that is drawn.

    Returns
    -------
    dict
        The provenance that both volumes carry.

    Raises
    ------
    AcuityError
        If a setting is out of its range.

    References
    ----------
    de Haan et al., Sci. Rep. 9 (2019) 12050, for pixel sizes, currents and times.
    """
    kind = load(kind)() if isinstance(kind, str) else kind
    settings = _complete(settings, kind)
    _check_settings(settings, seed)
    pixel = convert(settings.pixel_size, settings.unit, "nm")
    scans = _scans(settings, pixel, seed)
    field = (0.0, 0.0, *((n - 1) * pixel for n in settings.shape))
    moved = kind.moved(field, pixel=pixel, seed=seed)
    places = [_places(scan) for scan in scans]
    if moved is not None:
        places[1] = moved.origin(*places[1])
    fine, table = _draw(kind, places, settings, pixel, seed)
    images, contrasts = _record(fine, places, moved, settings, seed)
    step = _provenance(kind, settings, seed, scans[1], contrasts)
    for path, image, factor in zip(
        (outputs.high, outputs.low), images, (1, settings.factor), strict=True
    ):
        grid = Grid((1, *image.shape), (factor * settings.pixel_size,) * 3, unit=settings.unit)
        volume = Volume(image[None], grid, intensity="secondary electrons", provenance=(step,))
        write_volume(path, volume)
    write_table(_particles(table, scans[0]), outputs.particles)
    write_table(_warp(*scans, moved), outputs.warp)
    return step


def _complete(settings, kind):
    """Return the settings with the kind's own where none are stated."""
    names = ("shape", "spot", "dwell", "detected")
    own = {name: getattr(kind, name) for name in names if getattr(settings, name) is None}
    if settings.pixel_size is None:
        own |= {"pixel_size": kind.pixel_size, "unit": "nm"}
    settings = dataclasses.replace(settings, **own)
    return dataclasses.replace(settings, shape=tuple(int(n) for n in settings.shape))


def _check_settings(settings, seed):
    shape, factor, supersample = settings.shape, settings.factor, settings.supersample
    check(min(shape) >= 64, f"shape is {shape[0]} x {shape[1]}; 64 x 64 or more is allowed")
    check(factor == int(factor) and factor >= 2, f"factor is {factor}; 2 or more is allowed")
    check(supersample >= 1, f"supersample is {supersample}; 1 or more is allowed")
    for names, above, words in ((_POSITIVE, gt, "above 0"), (_NOT_NEGATIVE, ge, "from 0 up")):
        for name in names:
            value = getattr(settings, name)
            allowed = np.isfinite(value) and above(value, 0)
            check(allowed, f"{name} is {value}; numbers {words} are allowed")
    allowed = seed == int(seed) and 0 <= seed < 2**63
    check(allowed, f"seed is {seed}; whole numbers from 0 up are allowed")


def _scans(settings, pixel, seed):
    """Draw the high scan and the low one, which is turned, scaled and shifted against it."""
    shape, factor = settings.shape, settings.factor
    low_shape = tuple(round(n * (1 + 2 * settings.margin) / factor) for n in shape)
    centre = tuple((n - 1) / 2 * pixel for n in shape)
    extent = tuple(n * factor * pixel for n in low_shape)
    random = _random(seed, 1)
    scans = []
    for number, (size, step) in enumerate(((shape, pixel), (low_shape, factor * pixel))):
        turn, zoom, *move = random.uniform(-1, 1, 4)
        scans.append(
            Scan(
                size,
                step,
                centre,
                rotation=settings.rotation * turn if number else 0.0,
                scale=1.0 + settings.scale * zoom if number else 1.0,
                shift=tuple(settings.shift * pixel * m for m in move) if number else (0.0, 0.0),
                elastic=elastic_modes(
                    random,
                    greatest=0.5 * settings.elastic * pixel,
                    wavelength=settings.elastic_wavelength * pixel,
                    field=extent,
                ),
                drift=drift_modes(random, greatest=settings.drift * pixel),
            )
        )
    return scans


@dataclass(frozen=True)
class _Fine:
    """The specimen on the fine grid, blurred: values (y, x), place of the first (nm), step (nm)."""

    values: np.ndarray
    origin: list
    step: float

    def at(self, places):
        """Return what the beam frees at places (nm)."""
        pixels = ((p - o) / self.step for p, o in zip(places, self.origin, strict=True))
        return sample(self.values, *pixels)


def _draw(kind, places, settings, pixel, seed):
    """Draw the specimen on a fine grid that reaches as far as either scan looks, and blur it."""
    step = pixel / settings.supersample
    rim = 4 * settings.spot / FWHM + 4 * step
    origin = [min(a.min(), b.min()) - rim for a, b in zip(*places, strict=True)]
    end = [max(a.max(), b.max()) + rim for a, b in zip(*places, strict=True)]
    shape = tuple(math.ceil((b - a) / step) + 1 for a, b in zip(origin, end, strict=True))
    values, table = kind.draw(origin=origin, end=end, shape=shape, step=step, seed=seed)
    sigma = settings.spot / FWHM / step
    return _Fine(gaussian(values[None], (0, sigma, sigma))[0], origin, step), table


def _record(fine, places, moved, settings, seed):
    """Return both images as recorded, 8 bits, and the gain and offset of each."""
    images, contrasts = [], []
    for number, at in enumerate(places):
        signal = fine.at(at)
        if number and moved is not None:
            # The coat tears where the network shrinks.
            signal *= 1.0 - 0.3 * moved.weight(*at)
        counts = expose(signal, settings, random=_random(seed, 3 + number))
        grey, gain, offset = automatic_contrast(counts, _random(seed, 5 + number))
        images.append(grey)
        contrasts.append({"gain": gain, "offset": offset})
    return images, contrasts


def _provenance(kind, settings, seed, low_scan, contrasts):
    return {
        "step": "specimen",
        "kind": kind.name(),
        "seed": int(seed),
        "factor": int(settings.factor),
        "margin": float(settings.margin),
        "supersample": int(settings.supersample),
        "spot_nm": float(settings.spot),
        "dwell_us": float(settings.dwell),
        "current_nA": float(settings.current),
        "detected": float(settings.detected),
        "noise": bool(settings.noise),
        "streaks": float(settings.streaks),
        "shading": float(settings.shading),
        "charging": float(settings.charging),
        "elastic_px": float(settings.elastic),
        "elastic_wavelength_px": float(settings.elastic_wavelength),
        "drift_px": float(settings.drift),
        "rotation_degrees": float(low_scan.rotation),
        "scale": float(low_scan.scale),
        "shift_nm": [float(s) for s in low_scan.shift],
        **kind.settings(),
        "contrast": dict(zip(("high", "low"), contrasts, strict=True)),
    }


def _random(seed, purpose):
    return np.random.Generator(np.random.Philox(key=[seed, purpose]))


def _places(scan):
    axes = (np.arange(n, dtype=float) for n in scan.shape)
    return scan.places(*np.meshgrid(*axes, indexing="ij"))


def _warp(high_scan, low_scan, moved):
    """Where the low image shows what the high one shows, on a grid of high pixels."""
    axes = [np.unique(np.append(np.arange(0, n, _GRID), n - 1)) for n in high_scan.shape]
    y, x = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
    places = high_scan.places(y, x)
    weight = np.zeros(len(y))
    if moved is not None:
        weight = moved.weight(*places)
        places = moved.displace(*places)
    low_y, low_x = low_scan.pixels(*places)
    return pd.DataFrame({"y": y, "x": x, "low_y": low_y, "low_x": low_x, "damage": weight})


def _particles(table, high_scan):
    """The particles that the high image shows, at the places where it shows them."""
    if table is None:
        return pd.DataFrame(columns=["y", "x", "diameter_nm", "touching"])
    touching = partners(table)
    y, x = high_scan.pixels(table["y"].to_numpy(), table["x"].to_numpy())
    rows = pd.DataFrame(
        {
            "particle": np.arange(len(table)),
            "y": y * high_scan.pixel,
            "x": x * high_scan.pixel,
            "diameter_nm": table["diameter_nm"],
            "touching": touching,
        }
    )
    inside = (y >= 0) & (y <= high_scan.shape[0] - 1) & (x >= 0) & (x <= high_scan.shape[1] - 1)
    return rows[inside].reset_index(drop=True)

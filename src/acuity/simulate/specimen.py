"""Pairs of SEM images of one simulated specimen, at two magnifications, with a known warp."""

import inspect
import math

import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.filters import gaussian
from acuity.simulate import hydrogel
from acuity.simulate import particles as gold
from acuity.simulate.sem import (
    Scan,
    automatic_contrast,
    drift_modes,
    elastic_modes,
    expose,
    sample,
)
from acuity.tables import write_table
from acuity.units import convert
from acuity.volume import Grid, Volume, write_volume

FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
# What differs between the kinds; lengths in nm.
PRESETS = {
    "gold": {
        "shape": (780, 924),
        "pixel_size": 7.1,
        "spot": 12.5,
        "dwell": 30.0,
        "detected": 0.006,
    },
    "hydrogel": {
        "shape": (418, 492),
        "pixel_size": 28.4,
        "spot": 25.0,
        "dwell": 10.0,
        "detected": 0.006,
    },
}
_GRID = 16  # high pixels between two points of the warp table


def specimen(
    kind,
    *,
    seed,
    high_output,
    low_output,
    particles,
    warp,
    shape=None,
    pixel_size=None,
    unit="nm",
    factor=2,
    margin=0.1,
    supersample=3,
    spot=None,
    dwell=None,
    current=0.54,
    detected=None,
    noise=True,
    streaks=0.06,
    shading=0.06,
    charging=0.04,
    rotation=0.6,
    scale=0.005,
    shift=6.0,
    elastic=3.0,
    elastic_wavelength=400.0,
    drift=1.0,
    layout=None,
    surface=None,
    damage=None,
):
    """Simulate a specimen and its two scans, and write both images and what is true of them.

    The specimen is drawn on a fine grid, blurred by the beam's spot, and sampled where the beam
    stands: both images are point samples, so that the low one is aliased. The high scan comes
    first; in the low one the specimen of kind ``hydrogel`` has moved.

    Parameters
    ----------
    kind : {"gold", "hydrogel"}
        Gold nanoparticles on carbon, or a porous network that the beam damages.
    seed : int
        Seed of everything that is drawn.
    high_output, low_output : path
        Volumes to write: uint8, one slice, each on its own grid.
    particles : path
        Table to write: ``y x`` (nm from the centre of the high image's first pixel, where that
        image shows the particle), ``diameter_nm``, ``touching`` (rows of the particles that it
        touches). Without rows for the hydrogel.
    warp : path
        Table to write: ``y x`` (pixel of the high image), ``low_y low_x`` (the pixel of the low
        image that shows the same point of the specimen), ``damage`` (0 to 1).
    shape : (int, int), optional
        Pixels of the high image along y, x; by default the paper's, 780 x 924 (gold).
    pixel_size : float, optional
        Of the high image; 7.1 nm (gold), 28.4 nm (hydrogel).
    unit : str
        Unit of `pixel_size`.
    factor : int
        Pixel size of the low image over that of the high one.
    margin : float
        How far the low field reaches beyond the high one on each side, as a share of it; 0.5 is
        the same number of pixels at half the magnification.
    supersample : int
        Points of the fine grid on a high pixel's side.
    spot : float, optional
        Full width at half maximum of the beam's spot, nm.
    dwell : float, optional
        us a pixel; 30 (gold), 10 (hydrogel).
    current : float
        Beam current, nA.
    detected : float, optional
        Electrons counted for each one of the beam on flat gold; see `acuity.simulate.sem.expose`.
    noise : bool
        Whether there is shot noise.
    streaks, shading, charging : float
        As in `acuity.simulate.sem.expose`.
    rotation : float
        Greatest rotation of the low scan against the high one, degrees.
    scale : float
        Greatest relative error of the low scan's magnification.
    shift : float
        Greatest shift of the low scan along y and x, high pixels.
    elastic : float
        Greatest relative distortion of the two scans, high pixels: each has half.
    elastic_wavelength : float
        Shortest wavelength of the distortion, high pixels.
    drift : float
        Greatest path of the specimen during each scan, high pixels.
    layout : dict, optional
        Settings of `acuity.simulate.particles.layout`.
    surface : dict, optional
        Settings of the kind's ``render``.
    damage : dict, optional
        Hydrogel: ``zones``, ``radius``, ``greatest``, ``fine``, ``wavelength`` of
        `acuity.simulate.hydrogel.damage`, lengths in high pixels.

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
    if kind not in PRESETS:
        raise AcuityError(f"specimen: kind is {kind!r}; allowed are {', '.join(PRESETS)}")
    preset = PRESETS[kind]
    shape = tuple(int(n) for n in (shape or preset["shape"]))
    if pixel_size is None:
        pixel_size, unit = preset["pixel_size"], "nm"
    spot = preset["spot"] if spot is None else spot
    dwell = preset["dwell"] if dwell is None else dwell
    detected = preset["detected"] if detected is None else detected
    _check(min(shape) >= 64, f"shape is {shape[0]} x {shape[1]}; 64 x 64 or more is allowed")
    _check(factor == int(factor) and factor >= 2, f"factor is {factor}; 2 or more is allowed")
    _check(supersample >= 1, f"supersample is {supersample}; 1 or more is allowed")
    for name, value, least in (
        ("pixel_size", pixel_size, 0.0),
        ("spot", spot, 0.0),
        ("dwell", dwell, 0.0),
        ("current", current, 0.0),
        ("detected", detected, 0.0),
        ("elastic_wavelength", elastic_wavelength, 0.0),
    ):
        _check(
            np.isfinite(value) and value > least, f"{name} is {value}; numbers above 0 are allowed"
        )
    for name, value in (
        ("margin", margin),
        ("streaks", streaks),
        ("shading", shading),
        ("charging", charging),
        ("rotation", rotation),
        ("scale", scale),
        ("shift", shift),
        ("elastic", elastic),
        ("drift", drift),
    ):
        _check(
            np.isfinite(value) and value >= 0, f"{name} is {value}; numbers from 0 up are allowed"
        )
    _check(
        seed == int(seed) and 0 <= seed < 2**63,
        f"seed is {seed}; whole numbers from 0 up are allowed",
    )

    pixel = convert(pixel_size, unit, "nm")
    low_shape = tuple(round(n * (1 + 2 * margin) / factor) for n in shape)
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
                rotation=rotation * turn if number else 0.0,
                scale=1.0 + scale * zoom if number else 1.0,
                shift=tuple(shift * pixel * m for m in move) if number else (0.0, 0.0),
                elastic=elastic_modes(
                    random,
                    greatest=0.5 * elastic * pixel,
                    wavelength=elastic_wavelength * pixel,
                    field=extent,
                ),
                drift=drift_modes(random, greatest=drift * pixel),
            )
        )
    high_scan, low_scan = scans

    moved = None
    field = (0.0, 0.0, *((n - 1) * pixel for n in shape))
    if kind == "hydrogel":
        zones = {"zones": 3, "radius": 60.0, "greatest": 6.0, "fine": 8.0, "wavelength": 25.0}
        zones = zones | (damage or {})
        lengths = {k: v if k == "zones" else v * pixel for k, v in zones.items()}
        moved = hydrogel.damage(field, seed=seed, **lengths)
        damage = zones

    # The fine grid reaches as far as either scan looks.
    high_places = _places(high_scan)
    low_places = _places(low_scan)
    if moved is not None:
        low_places = moved.origin(*low_places)
    fine_step = pixel / supersample
    rim = 4 * spot / FWHM + 4 * fine_step
    origin = [min(a.min(), b.min()) - rim for a, b in zip(high_places, low_places, strict=True)]
    end = [max(a.max(), b.max()) + rim for a, b in zip(high_places, low_places, strict=True)]
    fine_shape = tuple(math.ceil((b - a) / fine_step) + 1 for a, b in zip(origin, end, strict=True))
    surface = surface or {}
    if kind == "gold":
        beyond = 200.0
        table = gold.layout(
            (origin[0] - beyond, origin[1] - beyond, end[0] + beyond, end[1] + beyond),
            seed=seed,
            **(layout or {}),
        )
        fine = gold.render(
            table, origin=origin, shape=fine_shape, step=fine_step, seed=seed, **surface
        )
    else:
        table = None
        fine = hydrogel.render(shape=fine_shape, step=fine_step, seed=seed, **surface)
    sigma = spot / FWHM / fine_step
    fine = gaussian(fine[None], (0, sigma, sigma))[0]

    images, contrasts = [], []
    for number, places in enumerate((high_places, low_places)):
        signal = sample(fine, *((p - o) / fine_step for p, o in zip(places, origin, strict=True)))
        if number and moved is not None:
            # The coat tears where the network shrinks.
            signal *= 1.0 - 0.3 * moved.weight(*places)
        counts = expose(
            signal,
            random=_random(seed, 3 + number),
            dwell=dwell,
            current=current,
            detected=detected,
            streaks=streaks,
            shading=shading,
            charging=charging,
            noise=noise,
        )
        grey, gain, offset = automatic_contrast(counts, _random(seed, 5 + number))
        images.append(grey)
        contrasts.append({"gain": gain, "offset": offset})

    step = {
        "step": "specimen",
        "kind": kind,
        "seed": int(seed),
        "factor": int(factor),
        "margin": float(margin),
        "supersample": int(supersample),
        "spot_nm": float(spot),
        "dwell_us": float(dwell),
        "current_nA": float(current),
        "detected": float(detected),
        "noise": bool(noise),
        "streaks": float(streaks),
        "shading": float(shading),
        "charging": float(charging),
        "elastic_px": float(elastic),
        "elastic_wavelength_px": float(elastic_wavelength),
        "drift_px": float(drift),
        "rotation_degrees": float(low_scan.rotation),
        "scale": float(low_scan.scale),
        "shift_nm": [float(s) for s in low_scan.shift],
        "layout": _settings(gold.layout, layout) if kind == "gold" else {},
        "surface": _settings((gold if kind == "gold" else hydrogel).render, surface),
        "damage": damage or {},
        "contrast": dict(zip(("high", "low"), contrasts, strict=True)),
    }
    for path, image, size in (
        (high_output, images[0], pixel_size),
        (low_output, images[1], factor * pixel_size),
    ):
        grid = Grid((1, *image.shape), (size,) * 3, unit=unit)
        volume = Volume(image[None], grid, intensity="secondary electrons", provenance=(step,))
        write_volume(path, volume)
    write_table(_particles(table, high_scan), particles)
    write_table(_warp(high_scan, low_scan, moved), warp)
    return step


def _check(condition, message):
    if not condition:
        raise AcuityError(f"specimen: {message}")


def _settings(function, given):
    """All settings that a function is called with, its defaults included, as JSON has them."""
    parameters = inspect.signature(function).parameters.values()
    values = {p.name: p.default for p in parameters if p.default is not p.empty} | (given or {})
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _random(seed, purpose):
    return np.random.Generator(np.random.Philox(key=[seed, purpose]))


def _places(scan):
    return scan.places(
        *np.meshgrid(*(np.arange(n, dtype=float) for n in scan.shape), indexing="ij")
    )


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
    touching = gold.partners(table)
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

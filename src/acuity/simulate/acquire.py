"""Simulated acquisition: blur and photon noise on projections, and the raw file they are kept in.

The raw file follows the Data Exchange convention (HDF5)::

    /exchange/data          counts (view, v, u), uint16 (float32 without noise)
    /exchange/data_white    counts of the open beam (1, v, u); here free of noise
    /exchange/data_dark     counts without beam (1, v, u); here zero
    /exchange/theta         angle of each view, degrees
    /measurement/instrument/geometry   source_to_axis, source_to_detector, pixel_size, offset_v,
                            offset_u; each with an attribute ``units``
    /process/simulation     attributes: what was done to the projections, in order

Angles and axes are those of `acuity.geometry.ConeBeam`.
"""

import io
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h5py
import numba
import numpy as np
import pandas as pd

from acuity.errors import AcuityError, require
from acuity.filters import gaussian
from acuity.geometry import ConeBeam, full_circle
from acuity.hdf5 import open_hdf5
from acuity.seals import again
from acuity.simulate.project import project
from acuity.simulate.settings import Beam, Body
from acuity.units import canonical
from acuity.writing import replacing

_LENGTHS = ("source_to_axis", "source_to_detector", "pixel_size", "offset_v", "offset_u")
# A pixel without a single photon has no logarithm; it is taken as half a photon.
_LEAST = 0.5


def acquire(
    spheres: pd.DataFrame,
    output: str | os.PathLike,
    body: Body,
    beam: Beam,
    *,
    level: float,
    seed: int,
    views: int | None = None,
    block: int = 32,
) -> None:
    """Simulate the scan of a foam at one level of blur and write its raw file.

    The scan is `ConeBeam.standard`: the same for all studies. For each view, the line integrals
    p are scaled so that the cylinder's diameter gives the beam's peak attenuation; the intensities
    exp(-p) are blurred by a 2D Gaussian, on a detector large enough that the blur finds the true
    surroundings of every pixel kept; photons are drawn from a Poisson distribution. Views are
    computed block by block and never all held in memory.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table of `acuity.simulate.foam.foam`, voxels.
    output : path
        Raw file to write, ``.h5``; it appears only when complete.
    body : Body
        What is scanned.
    beam : Beam
        What it is scanned with.
    level : float
        Standard deviation of the blur, detector pixels; 0 for none.
    seed : int
        Seed of the noise. Every view and level has noise of its own, whatever the threads and
        the block.
    views : int, optional
        Number of views over 360 degrees; by default the body's size.
    block : int
        Views in memory at a time.

    Raises
    ------
    AcuityError
        If a setting is outside its range or the disk is full.
    """
    _check(body, beam, level)
    angles = full_circle(body.size if views is None else views)
    exposures = _Exposures(spheres, body, beam, level, seed, angles)
    unit = canonical(body.unit)
    lengths = exposures.geometry.scaled(body.voxel_size), unit
    write_scan(output, exposures, *lengths, _provenance(body, beam, level, seed), block=block)


class Images(Protocol):
    """The views of a scan, made when they are asked for."""

    geometry: ConeBeam
    angles: np.ndarray
    open_beam: float
    dtype: np.dtype

    def images(self, a: int, b: int, pool: ThreadPoolExecutor) -> np.ndarray:
        """Return counts of the views a to b - 1, (view, v, u)."""


def write_scan(
    output: str | os.PathLike,
    exposures: Images,
    lengths: ConeBeam,
    unit: str,
    provenance: dict,
    *,
    block: int = 32,
) -> None:
    """Write the raw file of a scan, view by view.

    Parameters
    ----------
    output : path
        Raw file to write, ``.h5``; it appears only when complete.
    exposures : Images
        The views.
    lengths : ConeBeam
        The geometry as the file states it.
    unit : str
        Unit of its lengths.
    provenance : dict
        What was done to the projections: numbers and text.
    block : int
        Views in memory at a time.

    Raises
    ------
    AcuityError
        If the disk is full.
    """
    geometry, angles = exposures.geometry, exposures.angles
    output = Path(output)
    with replacing(output) as part:
        with (
            _Patient(part) as stored,
            open_hdf5(stored, "w") as file,
            ThreadPoolExecutor(numba.get_num_threads()) as pool,
        ):
            shape = (angles.size, geometry.rows, geometry.columns)
            _describe(file, lengths, unit, angles)
            exchange = file["exchange"]
            frame = np.full((1, *shape[1:]), exposures.open_beam, np.float32)
            exchange["data_white"] = frame
            exchange["data_dark"] = np.zeros_like(frame)
            data = exchange.create_dataset("data", shape, exposures.dtype)
            data.attrs.update(units="counts", axes="theta:y:x")
            process = file.create_group("process/simulation")
            process.attrs.update(provenance)
            for a in range(0, angles.size, block):
                b = min(a + block, angles.size)
                data[a:b] = exposures.images(a, b, pool)
                if stored.error:
                    break
        if stored.error:
            raise stored.error


def _check(body: Body, beam: Beam, level: float) -> None:
    photons, peak, domain = beam.photons, beam.peak_attenuation, beam.blur_domain
    if not (math.isfinite(level) and level >= 0):
        raise AcuityError(f"level is {level}; a blur of 0 detector pixels or more is needed")
    if photons is not None and not 1 <= photons <= 1e9:
        raise AcuityError(f"photons is {photons}; 1 to 1e9 is allowed, or none for no noise")
    require(0 < peak <= 50, f"peak_attenuation is {peak}; above 0 to 50 is allowed")
    if domain not in ("intensity", "attenuation"):
        raise AcuityError(f"blur_domain is {domain!r}; allowed are 'intensity' and 'attenuation'")
    if not (math.isfinite(body.voxel_size) and body.voxel_size > 0):
        raise AcuityError(f"voxel_size is {body.voxel_size}; a finite number above 0 is needed")


@dataclass
class _Exposures:
    """The views of a scan, made when they are asked for."""

    spheres: pd.DataFrame
    body: Body
    beam: Beam
    level: float
    seed: int
    angles: np.ndarray

    def __post_init__(self) -> None:
        size, radius = self.body.size, self.body.cylinder_radius
        self.geometry = ConeBeam.standard(size, radius)
        self.solid = self.beam.peak_attenuation / (2 * radius * size)
        self.margin = math.ceil(4 * self.level)
        photons = self.beam.photons
        self.open_beam = 1.0 if photons is None else float(photons)
        if photons is None:
            self.dtype = np.dtype(np.float32)
        else:
            # Ten standard deviations above the open beam are never reached.
            wide = photons + 10 * math.sqrt(photons) >= 65536
            self.dtype = np.dtype(np.uint32 if wide else np.uint16)

    def images(self, a: int, b: int, pool: ThreadPoolExecutor) -> np.ndarray:
        """Return counts of the views a to b - 1, (view, v, u)."""
        detector, angles = self.geometry.padded(self.margin), self.angles[a:b]
        cylinder = {"size": self.body.size, "cylinder_radius": self.body.cylinder_radius}
        lines = project(self.spheres, detector, angles, **cylinder, solid=self.solid)
        if self.beam.blur_domain == "intensity":
            lines = np.exp(-lines)
        if self.level > 0:
            lines = gaussian(lines, (0, self.level, self.level))
        if self.beam.blur_domain == "attenuation":
            lines = np.exp(-lines)
        rows, columns = (
            slice(self.margin, self.margin + n) for n in (self.geometry.rows, self.geometry.columns)
        )
        intensity = self.open_beam * lines[:, rows, columns].astype(np.float64)
        if self.beam.photons is None:
            return intensity
        return np.stack(list(pool.map(self._draw, range(a, b), intensity)))

    def _draw(self, view: int, intensity: np.ndarray) -> np.ndarray:
        key = np.random.SeedSequence([int(self.seed), round(self.level * 1e6), view])
        return np.random.Generator(np.random.Philox(key)).poisson(intensity)


def _provenance(body: Body, beam: Beam, level: float, seed: int) -> dict:
    steps = (
        "line integrals",
        "exp(-p), blur" if beam.blur_domain == "intensity" else "blur, exp(-p)",
        "no noise" if beam.photons is None else "Poisson",
    )
    return {
        "program": "acuity",
        "steps": "; ".join(steps),
        "blur_sigma_pixels": float(level),
        "blur_domain": beam.blur_domain,
        "photons": float("nan") if beam.photons is None else float(beam.photons),
        "peak_attenuation": float(beam.peak_attenuation),
        "cylinder_radius": float(body.cylinder_radius),
        "volume_size": int(body.size),
        "seed": int(seed),
    }


class _Patient(io.FileIO):
    """A file whose failed writes are kept for later.

    Inside of HDF5, a full disk ends the whole process, or leaves a file that cannot be closed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.error: OSError | None = None

    def write(self, data) -> int:
        view, done = memoryview(data).cast("B"), 0
        try:
            while done < len(view) and self.error is None:
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


def _describe(file: h5py.File, geometry: ConeBeam, unit: str, angles: np.ndarray) -> None:
    file["implements"] = "exchange:measurement:process"
    exchange = file.create_group("exchange")
    exchange["theta"] = angles
    exchange["theta"].attrs["units"] = "degrees"
    group = file.create_group("measurement/instrument/geometry")
    for name in _LENGTHS:
        group[name] = float(getattr(geometry, "pixel" if name == "pixel_size" else name))
        group[name].attrs["units"] = unit


@dataclass(frozen=True)
class Scan:
    """A raw file of a cone-beam scan, opened for reading.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    geometry : ConeBeam
        Geometry, lengths in `unit`.
    unit : str
        Unit of length.
    angles : numpy.ndarray
        Angle of each view, degrees.
    provenance : dict
        How the projections came about, as far as the file says.
    """

    path: Path
    geometry: ConeBeam
    unit: str
    angles: np.ndarray
    provenance: dict

    def read(self, views, rows: tuple[int, int] | None = None) -> np.ndarray:
        """Read line integrals.

        The counts become -log((data - dark) / (white - dark)), with the numerator held at half a
        photon or more, so that a pixel without photons stays finite.

        Parameters
        ----------
        views : slice or numpy.ndarray
            Views to read; numbers in any order.
        rows : tuple of int, optional
            First and end (exclusive) of the detector rows; by default all.

        Returns
        -------
        numpy.ndarray
            Line integrals (view, v, u), float32.

        Raises
        ------
        AcuityError
            If the file cannot be read or a white field is not above its dark field.
        """
        part = slice(*(rows or (0, self.geometry.rows)))
        try:
            with open_hdf5(self.path) as file:
                exchange = file["exchange"]
                data = exchange["data"]
                if isinstance(views, slice):
                    counts = data[views, part]
                else:
                    # h5py wants rising numbers; runs of neighbours are read at once.
                    order = np.argsort(views, kind="stable")
                    ranked = np.asarray(views)[order]
                    counts = np.empty(
                        (len(ranked), part.stop - part.start, data.shape[2]), data.dtype
                    )
                    starts = np.flatnonzero(np.diff(ranked, prepend=ranked[0] - 2) != 1)
                    for a, b in zip(starts, [*starts[1:], len(ranked)], strict=True):
                        counts[order[a:b]] = data[ranked[a] : ranked[b - 1] + 1, part]
                white = exchange["data_white"][:, part].mean(axis=0, dtype=np.float64)
                dark = exchange["data_dark"][:, part].mean(axis=0, dtype=np.float64)
                single = data.dtype.kind in "iu"
        except (OSError, KeyError) as error:
            raise AcuityError(
                f"{self.path}: the raw data cannot be read ({error}); {again(self.path)}."
            ) from None
        beam = (white - dark).astype(np.float32)
        if not (np.isfinite(beam).all() and (beam > 0).all()):
            raise AcuityError(
                f"{self.path}: the white field is not above the dark field in every pixel"
            )
        lines = counts.astype(np.float32)
        if not np.isfinite(lines).all():
            raise AcuityError(f"{self.path}: exchange/data holds values that are not finite")
        lines -= dark.astype(np.float32)
        np.maximum(lines, _LEAST if single else np.finfo(np.float32).tiny, out=lines)
        lines /= beam
        np.log(lines, out=lines)
        np.negative(lines, out=lines)
        return lines


def open_scan(path: str | os.PathLike) -> Scan:
    """Open the raw file of a cone-beam scan and check that it is whole.

    Parameters
    ----------
    path : path
        Data Exchange file with a geometry, as `acquire` writes it.

    Returns
    -------
    Scan
        The scan; projections are read on demand.

    Raises
    ------
    AcuityError
        If the file is missing, truncated or lacks a part, or shapes disagree.
    """
    path = Path(path)
    require(path.is_file(), f"{path}: no such file; a Data Exchange HDF5 file is needed")
    try:
        with open_hdf5(path) as file:
            names = ("exchange/data", "exchange/data_white", "exchange/data_dark", "exchange/theta")
            group = "measurement/instrument/geometry"
            for name in (*names, *(f"{group}/{length}" for length in _LENGTHS)):
                if name not in file:
                    raise AcuityError(
                        f"{path}: {name} is missing; projections, white and dark fields, angles "
                        "and the geometry are needed"
                    )
            shapes = [file[name].shape for name in names]
            lengths = [float(file[f"{group}/{name}"][()]) for name in _LENGTHS]
            units = {str(file[f"{group}/{name}"].attrs.get("units", "")) for name in _LENGTHS}
            angles = np.asarray(file["exchange/theta"][()], np.float64)
            steps = file.get("process/simulation")
            provenance = {} if steps is None else {k: _plain(v) for k, v in steps.attrs.items()}
    except OSError as error:
        raise AcuityError(f"{path}: not a readable HDF5 file ({error}); {again(path)}.") from None
    data, white, dark, theta = shapes
    if len(data) != 3 or len(white) != 3 or len(dark) != 3 or 0 in (*data, *white, *dark):
        raise AcuityError(
            f"{path}: exchange/data, data_white and data_dark have shapes {data}, {white} and "
            f"{dark}; (view, row, column) without an empty axis is needed"
        )
    if white[1:] != data[1:] or dark[1:] != data[1:] or theta != data[:1]:
        raise AcuityError(
            f"{path}: exchange/data has shape {data}, data_white {white}, data_dark {dark} and "
            f"theta {theta}; they must agree"
        )
    if len(units) != 1:
        raise AcuityError(
            f"{path}: the lengths of the geometry have different units {sorted(units)}"
        )
    unit = canonical(units.pop(), f"{path}: unit of the geometry")
    geometry = ConeBeam(*lengths[:3], data[1], data[2], *lengths[3:])
    return Scan(path, geometry, unit, angles, provenance)


def _plain(value):
    """Turn an HDF5 attribute into what JSON can hold; NaN becomes None."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value

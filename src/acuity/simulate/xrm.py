"""Scans of one specimen at several magnifications, as an X-ray microscope makes them.

Each scan has a place of its own: the stage brings a point of the specimen onto the axis, and errs. The
frame of a scan is that of `acuity.geometry.ConeBeam`, lengths in um as the scan states them.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numba
import numpy as np

from acuity.errors import AcuityError, require
from acuity.filters import gaussian
from acuity.geometry import ConeBeam, full_circle
from acuity.simulate.acquire import write_scan
from acuity.simulate.bodies import Bodies
from acuity.simulate.microscope import TABLE
from acuity.simulate.paths import paths
from acuity.simulate.spectrum import Spectrum, spectrum


@dataclass(frozen=True)
class ScanSettings:
    """One scan of a specimen.

    Attributes
    ----------
    voxel : float
        Size of a voxel, um: a detector pixel scaled to the axis.
    columns : int
        Detector columns, and voxels along each side of the volume.
    views : int
        Number of views over 360 degrees.
    source_to_axis, axis_to_detector : float
        Distances, um.
    voltage : float
        Of the tube, kV.
    filters : tuple of (str, float)
        Name and thickness (um) of each filter.
    photons : float, optional
        Photons in a pixel of the open beam; None for no noise.
    blur : float
        Standard deviation of the detector's blur of the intensity, detector pixels.
    rays : int
        Rays along each side of a detector pixel, over which the intensity is averaged.
    density : float
        Factor on the density of the specimen's materials; see `spectrum`.
    bins : int
        Bins of the spectrum.
    """

    voxel: float
    columns: int
    views: int
    source_to_axis: float
    axis_to_detector: float
    voltage: float
    filters: tuple[tuple[str, float], ...] = ()
    photons: float | None = 5000.0
    blur: float = 0.5
    rays: int = 2
    density: float = 1.0
    bins: int = 8

    @property
    def geometry(self) -> ConeBeam:
        """The scan's geometry, um, with rows for every voxel of the field in every view."""
        away = self.source_to_axis + self.axis_to_detector
        pixel = self.voxel * away / self.source_to_axis
        half = self.voxel * (self.columns - 1) / 2
        flat = ConeBeam(self.source_to_axis, away, pixel, 2, self.columns)
        require(
            half < self.source_to_axis,
            f"the field of {self.columns} voxels of {self.voxel:g} um reaches the source, "
            f"{self.source_to_axis:g} um from the axis",
        )
        _, end = flat.rows_for(-half, half, half)
        return replace(flat, rows=2 * (end - 1))

    def spectrum(self, materials: Sequence[str]) -> Spectrum:
        """Return the scan's spectrum for a specimen of some materials."""
        settings = {"filters": self.filters, "bins": self.bins, "density": self.density}
        return spectrum(self.voltage, materials, **settings)

    def truth_for(self, low: "ScanSettings", factor: int) -> "ScanSettings":
        """Return the scan that shows the whole field of `low` as this scan would show it.

        It has this scan's beam and blur, voxels of the low size divided by `factor`, the low
        scan's distances, and neither noise nor truncation.

        Parameters
        ----------
        low : ScanSettings
            The scan with the larger field.
        factor : int
            Voxels along each side of a low voxel.

        Returns
        -------
        ScanSettings
            The scan, with as many views as its columns ask for (half of pi times).
        """
        columns = low.columns * factor
        return replace(
            self,
            voxel=low.voxel / factor,
            columns=columns,
            views=4 * round(np.pi / 2 * columns / 4),
            source_to_axis=low.source_to_axis,
            axis_to_detector=low.axis_to_detector,
            photons=None,
        )


# What the table does not say: filters, which the microscope's makers let the user choose by the
# transmission, so that another stands in each scan.
_FILTERS: dict[tuple[str, str], tuple[tuple[str, float], ...]] = {
    ("seed", "low"): (),
    ("seed", "middle"): (("silica", 250.0),),
    ("seed", "high"): (("silica", 150.0),),
    ("chip", "low"): (("silica", 1500.0),),
    ("chip", "middle"): (("aluminium", 3000.0),),
    ("chip", "high"): (("copper", 150.0),),
}


def table_scan(specimen: str, level: str, columns: int | None = None, **settings) -> ScanSettings:
    """Return a scan of table 1 of Bukka et al., whole or smaller.

    A smaller scan keeps the voxel, the views per column and the angle of the cone: its distances
    shrink with the number of columns.

    Parameters
    ----------
    specimen : str
        ``seed`` or ``chip``.
    level : str
        ``low``, ``middle`` or ``high``.
    columns : int, optional
        Detector columns; by default the table's field of view divided by its voxel.
    **settings
        Other fields of `ScanSettings`, such as the photons.

    Returns
    -------
    ScanSettings
        The scan; the number of views is a multiple of four.

    Raises
    ------
    AcuityError
        If the table has no such scan.

    References
    ----------
    Bukka et al., Methods Microsc. (2025), section 2.3.
    """
    if (specimen, level) not in TABLE:
        known = ", ".join(" ".join(key) for key in TABLE)
        raise AcuityError(f"table 1 has no scan {specimen} {level}; allowed are {known}")
    voxel, width, voltage, near, far, views = TABLE[specimen, level]
    whole = round(1e3 * width / voxel)
    columns = whole if columns is None else columns
    part = columns / whole
    return ScanSettings(
        **{
            "voxel": voxel,
            "columns": columns,
            "views": 4 * round(views * part / 4),
            "source_to_axis": 1e3 * near * part,
            "axis_to_detector": 1e3 * far * part,
            "voltage": voltage,
            "filters": _FILTERS[specimen, level],
        }
        | settings
    )


@dataclass(frozen=True)
class Pose:
    """How a specimen stands in a scan: a point p of it appears at ``scale * rotation @ (p - aim)``.

    Attributes
    ----------
    aim : tuple of float
        Point of the specimen (z, y, x, um) that stands at the origin of the scan.
    rotation : numpy.ndarray
        (3, 3), axes z, y, x.
    scale : float
        Stated over true size of a voxel, the error of the scan's magnification.
    """

    aim: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    scale: float = 1.0

    def record(self) -> dict:
        """Return it as plain numbers, for a file."""
        turn = [[float(v) for v in row] for row in self.rotation]
        return {"aim": [float(v) for v in self.aim], "rotation": turn, "scale": float(self.scale)}

    @classmethod
    def read(cls, record: dict) -> "Pose":
        """Return the pose that `record` wrote down."""
        return cls(tuple(record["aim"]), np.array(record["rotation"]), record["scale"])


def stage(
    place: Sequence[float],
    before: Pose,
    low: ScanSettings,
    seed: int,
    *,
    turn: float = 2.0,
    scale: float = 0.02,
    shift: float = 10.0,
) -> Pose:
    """Return the pose that a stage brings about when it is told to show a place of an earlier scan.

    Parameters
    ----------
    place : sequence of float
        Place in the earlier scan, um from its centre, z, y, x.
    before : Pose
        Pose of the earlier scan.
    low : ScanSettings
        Settings of the earlier scan.
    seed : int
        Seed of the errors.
    turn, scale, shift : float
        Greatest error: degrees about each axis, relative size, and voxels of the earlier scan
        along each axis. Errors are uniform up to it.

    Returns
    -------
    Pose
        Where the specimen stands.
    """
    random = np.random.default_rng([int(seed), 0x57A6E])
    angles = np.deg2rad(turn) * random.uniform(-1, 1, 3)
    zoom = 1.0 + scale * random.uniform(-1, 1)
    slip = shift * low.voxel * random.uniform(-1, 1, 3)
    wanted = (np.asarray(place, float) + slip) / before.scale
    aim = np.asarray(before.aim) + before.rotation.T @ wanted
    return Pose(tuple(float(v) for v in aim), _turns(angles) @ before.rotation, before.scale * zoom)


def _turns(angles: np.ndarray) -> np.ndarray:
    """Return the turn about z, then y, then x, axes z, y, x."""
    turned = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        one = np.eye(3)
        first, second = (n for n in range(3) if n != axis)
        one[first, first], one[first, second], one[second, first], one[second, second] = c, -s, s, c
        turned = one @ turned
    return turned


def true_map(low: Pose, low_scan: ScanSettings, high: Pose, high_scan: ScanSettings) -> np.ndarray:
    """Return where a voxel of one scan's volume lies in another's.

    Parameters
    ----------
    low, high : Pose
        How the specimen stood in each.
    low_scan, high_scan : ScanSettings
        Their voxels and sizes; the volumes are cubes centred on the origin of the scan.

    Returns
    -------
    numpy.ndarray
        (3, 4) matrix that takes voxel indices z, y, x of the low volume to those of the high one,
        the centre of voxel 0 at index 0.
    """
    turn = high.rotation @ low.rotation.T * (high.scale / low.scale)
    moved = high.scale * high.rotation @ (np.asarray(low.aim) - np.asarray(high.aim))
    matrix = turn * (low_scan.voxel / high_scan.voxel)
    centre_low, centre_high = (low_scan.columns - 1) / 2, (high_scan.columns - 1) / 2
    shift = centre_high + moved / high_scan.voxel - matrix @ np.full(3, centre_low)
    return np.column_stack([matrix, shift])


class Exposures:
    """The views of a scan, made when they are asked for.

    Parameters
    ----------
    bodies : Bodies
        The specimen, um, in its own frame.
    materials : sequence of str
        Name of each material.
    settings : ScanSettings
        The scan.
    pose : Pose
        How the specimen stands in it.
    seed : int
        Seed of the noise; every view has noise of its own.

    Attributes
    ----------
    geometry : ConeBeam
        um.
    angles : numpy.ndarray
        Angle of each view, degrees.
    open_beam : float
        Counts without specimen.
    dtype : numpy.dtype
        Type of the counts.
    """

    def __init__(
        self,
        bodies: Bodies,
        materials: Sequence[str],
        settings: ScanSettings,
        pose: Pose,
        seed: int,
    ) -> None:
        photons = settings.photons
        if photons is not None and not 1 <= photons <= 1e9:
            raise AcuityError(f"photons is {photons}; 1 to 1e9 is allowed, or none for no noise")
        require(1 <= settings.rays <= 8, f"rays is {settings.rays}; 1 to 8 is allowed")
        require(0 <= settings.blur <= 50, f"blur is {settings.blur}; 0 to 50 pixels is allowed")
        require(settings.views >= 18, f"views is {settings.views}; 18 or more are needed")
        self.settings, self.seed, self.pose = settings, seed, pose
        self.geometry = settings.geometry
        self.angles = full_circle(settings.views)
        self.open_beam = 1.0 if photons is None else float(photons)
        self.dtype = np.dtype(np.float32 if photons is None else np.uint32)
        self.materials = materials
        # In the frame of the scan lengths are stated, not true: the attenuation makes up for it.
        self.bodies = bodies.moved(pose.rotation, pose.aim, pose.scale)
        beam = settings.spectrum(materials)
        self.spectrum = replace(beam, attenuation=beam.attenuation / pose.scale)

    def transmission(self, views, rows: tuple[int, int] | None = None) -> np.ndarray:
        """Return the share of the open beam in each pixel, without noise.

        Parameters
        ----------
        views : slice or numpy.ndarray
            Views, by number.
        rows : tuple of int, optional
            First and end of the detector rows; by default all.

        Returns
        -------
        numpy.ndarray
            (view, v, u), float32.
        """
        part = rows or (0, self.geometry.rows)
        rays, sigma = self.settings.rays, self.settings.blur
        margin = int(np.ceil(4 * sigma))
        g = self.geometry.cropped(*part).padded(margin)
        fine = replace(g, pixel=g.pixel / rays, rows=g.rows * rays, columns=g.columns * rays)
        chosen = self.angles[views]
        out = np.empty((chosen.size, part[1] - part[0], self.geometry.columns), np.float32)
        # A few views at a time: the lengths in every material are held at once.
        step = max(1, 2**26 // (4 * len(self.materials) * fine.rows * fine.columns))
        step = max(step, numba.get_num_threads())
        for a in range(0, chosen.size, step):
            lengths = paths(self.bodies, fine, chosen[a : a + step], materials=len(self.materials))
            image = self.spectrum.transmission(lengths).astype(np.float32)
            if rays > 1:
                image = image.reshape(-1, g.rows, rays, g.columns, rays).mean(axis=(2, 4))
            if sigma > 0:
                image = gaussian(image, (0, sigma, sigma))
            inner = slice(margin, -margin or None)
            out[a : a + step] = image[:, inner, inner]
        return out

    def lines(self, views, rows: tuple[int, int] | None = None) -> np.ndarray:
        """Return line integrals without noise: -log of `transmission`."""
        return -np.log(self.transmission(views, rows))

    def images(self, a: int, b: int, pool) -> np.ndarray:
        """Return counts of the views a to b - 1, (view, v, u)."""
        image = self.transmission(slice(a, b))
        if self.settings.photons is None:
            return image
        intensity = self.open_beam * image.astype(np.float64)
        return np.stack(list(pool.map(self._draw, range(a, b), intensity)))

    def _draw(self, view: int, intensity: np.ndarray) -> np.ndarray:
        key = np.random.SeedSequence([int(self.seed), 0x5CA4, view])
        return np.random.Generator(np.random.Philox(key)).poisson(intensity)


def acquire_xrm(
    bodies: Bodies,
    materials: Sequence[str],
    output: str | os.PathLike,
    settings: ScanSettings,
    pose: Pose,
    *,
    seed: int,
) -> None:
    """Scan a specimen and write the raw file, with the pose as its provenance.

    Parameters
    ----------
    bodies, materials, settings, pose, seed
        As for `Exposures`.
    output : path
        Data Exchange file, ``.h5``, um; see `acuity.simulate.acquire`.

    Raises
    ------
    AcuityError
        If a setting is out of range, the specimen reaches the source, or the disk is full.
    """
    record(Exposures(bodies, materials, settings, pose, seed), output)


def record(exposures: Exposures, output: str | os.PathLike) -> None:
    """Write the raw file of a scan; see `acquire_xrm`.

    Parameters
    ----------
    exposures : Exposures
        Its views.
    output : path
        Data Exchange file, ``.h5``, um.

    Raises
    ------
    AcuityError
        If the disk is full.
    """
    settings, photons = exposures.settings, exposures.settings.photons
    provenance = {
        "program": "acuity",
        "steps": "path lengths by material; spectrum; mean over a pixel; blur; "
        + ("no noise" if photons is None else "Poisson"),
        "photons": float("nan") if photons is None else float(photons),
        "blur_sigma_pixels": float(settings.blur),
        "voltage_kV": float(settings.voltage),
        "filters": "; ".join(f"{name} {thickness:g} um" for name, thickness in settings.filters),
        "density": float(settings.density),
        "pose": json.dumps(exposures.pose.record()),
        "seed": int(exposures.seed),
    }
    write_scan(output, exposures, exposures.geometry, "um", provenance, block=16)


def scan(
    bodies: Bodies, materials: Sequence[str], settings: ScanSettings, pose: Pose, seed: int
) -> np.ndarray:
    """Scan a specimen and return line integrals.

    Parameters
    ----------
    bodies, materials, settings, pose, seed
        As for `Exposures`.

    Returns
    -------
    numpy.ndarray
        Line integrals (view, v, u), float32, for `settings.geometry` and evenly spaced angles.
        A pixel without photons is taken as half a photon.
    """
    exposures = Exposures(bodies, materials, settings, pose, seed)
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        counts = exposures.images(0, settings.views, pool)
    least = np.finfo(np.float32).tiny if settings.photons is None else 0.5
    share = np.maximum(counts, least) / exposures.open_beam
    return (-np.log(share)).astype(np.float32)

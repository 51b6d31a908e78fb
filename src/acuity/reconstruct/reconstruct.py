"""Reconstruct whole volumes slab by slab, from a raw file or from a foam."""

import hashlib
import math
import os
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from acuity.errors import require
from acuity.geometry import ConeBeam, full_circle
from acuity.reconstruct.fdk import (
    Cube,
    Slab,
    angular_weights,
    quarter_turns,
    shadow_of,
    truncated_shadow,
)
from acuity.reconstruct.memory_limits import SUMS, VIEWS
from acuity.simulate.acquire import open_scan
from acuity.simulate.project import project
from acuity.simulate.settings import Beam, Body
from acuity.simulate.xrm import Exposures
from acuity.slabs import Part, open_writer
from acuity.units import canonical
from acuity.volume import Grid


def reconstruct(
    scan_path: str | os.PathLike,
    output: str | os.PathLike,
    *,
    backend: str = "numba",
    size: int | None = None,
    hann: float = 0.0,
    radius: float | None = None,
    sample_radius: float | str | None = None,
    part: Part | None = None,
) -> None:
    """Reconstruct the raw file of a cone-beam scan into a volume.

    The volume is a cube centred on the rotation axis, with z along it, and the voxel size is the
    detector pixel scaled to the axis. It is computed slab by slab; for each slab only the
    detector rows that it needs are read, block by block of views, so that neither the volume
    nor the projections are ever in memory as a whole.

    Where the sample reaches beyond the detector and `sample_radius` says so, rows are continued to
    the end of its shadow before they are filtered; a scan that holds it whole is not touched.

    Parameters
    ----------
    scan_path : path
        Data Exchange file, see `acuity.simulate.acquire`.
    output : path
        Volume to write, ``X.ome.zarr``: float32 attenuation for one unit of length.
    backend : str
        ``numba`` or ``rtk``.
    size : int, optional
        Side of the cube, voxels; by default the number of detector columns.
    hann : float
        Cut-off of a Hann window as a fraction of the Nyquist frequency; 0 for none.
    radius : float, optional
        Radius of the field of view in voxels, with zeros beyond; by default half of `size`.
    sample_radius : float or "estimate", optional
        How far the sample reaches from the axis, in the unit of the scan; with ``estimate`` it is
        estimated from the projections, roughly, and the edge of the volume with it. By default rows
        are filtered as they are. The backend ``numba`` alone continues rows.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.

    Raises
    ------
    AcuityError
        If the file is incomplete, its angles do not make a full turn, or the backend is unknown.
    """
    scan = open_scan(scan_path)
    step = {
        "action": "reconstruct",
        "algorithm": "FDK",
        "backend": backend,
        "hann": hann,
        "views": len(scan.angles),
        "scan": scan.provenance,
    }
    shadow = 0.0
    if sample_radius is not None:
        require(backend == "numba", "sample_radius is stated; the backend numba alone uses it")
        # The detector's edges decide whether it is needed; views spread over the turn suffice.
        some = np.unique(np.linspace(0, len(scan.angles), 32, endpoint=False).astype(int))
        every = 0, scan.geometry.rows
        profile = [
            scan.read(np.array([n]), every).mean(axis=(0, 1), dtype=np.float64) for n in some
        ]
        shadow = truncated_shadow(np.mean(profile, axis=0))
        if shadow and sample_radius != "estimate":
            shadow = shadow_of(scan.geometry, float(sample_radius))
    if shadow:
        step["shadow_columns"] = shadow
    cube = Cube(size, radius=radius, hann=hann, shadow=shadow)
    how = {"backend": backend, "part": part}
    _run(output, scan.geometry, scan.unit, scan.angles, scan.read, cube, step, **how)


def reconstruct_truth(
    spheres: pd.DataFrame,
    output: str | os.PathLike,
    body: Body,
    *,
    views: int | None = None,
    peak_attenuation: float = Beam.peak_attenuation,
    slab: int | None = None,
    part: Part | None = None,
) -> None:
    """Reconstruct a foam from many noiseless views without blur, as a reference.

    The reference has the band limit and the cone artefacts of the method, unlike the exact voxels
    of `acuity.simulate.foam.exact`. Views are projected and back-projected in subsets spread
    over the full turn; nothing of them is stored.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table of `acuity.simulate.foam.foam`, voxels.
    output : path
        Volume to write, ``X.ome.zarr``: float32 attenuation for one unit of length.
    body : Body
        The foam's cylinder and its voxels.
    views : int, optional
        Number of views; by default 12 times the side of the cube.
    peak_attenuation : float
        Line integral through the solid cylinder's diameter.
    slab : int, optional
        Slices computed at a time; by default what memory of 128 MiB holds.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.

    Raises
    ------
    AcuityError
        If there is less than one view, or a size is out of range.
    """
    views = 12 * body.size if views is None else views
    require(views >= 1, f"views of the truth is {views}; 1 or more is needed")
    geometry = ConeBeam.standard(body.size, body.cylinder_radius)
    angles = full_circle(views)
    cylinder = {"size": body.size, "cylinder_radius": body.cylinder_radius}
    solid = peak_attenuation / (2 * body.cylinder_radius * body.size)

    def lines(chosen: np.ndarray, rows: tuple[int, int]) -> np.ndarray:
        return project(spheres, geometry.cropped(*rows), angles[chosen], **cylinder, solid=solid)

    step = {
        "action": "reconstruct_truth",
        "algorithm": "FDK",
        "views": views,
        "noise": None,
        "blur_sigma_pixels": 0.0,
        "peak_attenuation": peak_attenuation,
        "spheres": hashlib.sha256(spheres.to_csv(index=False).encode()).hexdigest(),
    }
    scan = geometry.scaled(body.voxel_size), canonical(body.unit), angles
    _run(output, *scan, lines, Cube(body.size), step, slab=slab, part=part)


def reconstruct_exposures(
    exposures: Exposures,
    output: str | os.PathLike,
    *,
    slices: tuple[int, int] | None = None,
    slab: int | None = None,
    part: Part | None = None,
) -> None:
    """Reconstruct a scan whose views are made as they are asked for, without noise, none of them stored.

    Parameters
    ----------
    exposures : Exposures
        The scan; its noise is left out.
    output : path
        Volume to write, ``X.ome.zarr``: float32 attenuation for one unit of length.
    slices : (int, int), optional
        The first slice and the one behind the last; by default all.
    slab : int, optional
        Slices computed at a time; by default what memory of 128 MiB holds.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.

    Raises
    ------
    AcuityError
        If a setting of the scan is out of range.
    """
    settings = exposures.settings
    step = {
        "action": "reconstruct_truth",
        "algorithm": "FDK",
        "views": settings.views,
        "noise": None,
        "blur_sigma_pixels": settings.blur,
        "voltage_kV": settings.voltage,
        "pose": exposures.pose.record(),
    }
    scan = exposures.geometry, "um", exposures.angles
    _run(output, *scan, exposures.lines, Cube(), step, slices=slices, slab=slab, part=part)


def _run(
    output,
    geometry,
    unit,
    angles,
    lines,
    cube,
    step,
    *,
    backend="numba",
    slices=None,
    slab=None,
    part=None,
):
    """Reconstruct slab by slab, with `lines(views, rows)` as the source of line integrals."""
    require(backend in ("numba", "rtk"), f"backend is {backend!r}; allowed are 'numba' and 'rtk'")
    weights = angular_weights(angles)
    cube = cube.seen_by(geometry)
    size, voxel = cube.size, cube.voxel
    grid = Grid((size,) * 3, (voxel,) * 3, (-(size - 1) / 2 * voxel,) * 3, unit)
    first = 0
    if slices is not None:
        first, _ = slices
        grid = grid.crop((slice(*slices), slice(0, size), slice(0, size)))
    depth = slab or max(1, SUMS // (4 * size * size))
    settled = {
        "geometry": asdict(geometry),
        "angles": hashlib.sha256(np.asarray(angles, "<f8")).hexdigest(),
        "radius": cube.radius if math.isfinite(cube.radius) else None,
    }
    if cube.shadow:
        settled["shadow"] = cube.shadow
    about = {"intensity": f"attenuation (1/{unit})", "provenance": (step,)}
    with open_writer(output, grid, np.float32, part, settled=settled, **about) as writer:
        if slab is None and depth > writer.slab_depth:
            depth -= depth % writer.slab_depth
        for z0, z1 in writer.spans(depth):
            here = replace(cube, z0=first + z0, z1=first + z1)
            if backend == "rtk":
                from acuity.reconstruct import rtk

                every = lines(np.arange(len(angles)), (0, geometry.rows))
                block = rtk.fdk(every, geometry, angles, here)
            else:
                sums = Slab(geometry, here)
                for views in blocks(angles, 4 * geometry.rows * geometry.columns):
                    sums.add(lines(views, sums.rows), angles[views], weights[views])
                block = sums.volume()
                del sums
            writer.write(z0, block)
            del block  # or it would be held beside the sums of the slices that follow


def blocks(angles: np.ndarray, view_bytes: int) -> list[np.ndarray]:
    """Divide views into blocks that fit in memory, quarter turns together.

    The blocks depend on the scan alone and not on the slab, so that all slabs add the same views
    in the same order.

    Parameters
    ----------
    angles : numpy.ndarray
        Angles in degrees.
    view_bytes : int
        Size of one view.

    Returns
    -------
    list of numpy.ndarray
        Numbers of the views of each block.
    """
    sets, rest = quarter_turns(angles)
    # Raw counts, line integrals, spectra and the folded stack take about six times a view.
    number = max(16, math.floor(VIEWS / (6 * view_bytes)) // 16 * 16)
    order = [sets[a : a + number // 4].ravel() for a in range(0, len(sets), number // 4)]
    order += [rest[a : a + number] for a in range(0, len(rest), number)]
    return order

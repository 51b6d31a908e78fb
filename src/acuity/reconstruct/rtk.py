"""The Reconstruction Toolkit (RTK) as the reference backend; all that is RTK's is in this file.

Written for itk-rtk 2.x. RTK's rotation axis is y: its (x, y, z) is (x, z, y) of
`acuity.geometry.ConeBeam`, and its arrays come out (z, y, x) in its own terms.
"""

import functools
import warnings

import numba
import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.geometry import ConeBeam
from acuity.reconstruct.fdk import Cube


def _calm(function):
    """Ignore the deprecation warnings of ITK's bindings while a function runs.

    ITK loads its parts when they are first used, and crashes where such a warning is an error.
    """

    @functools.wraps(function)
    def call(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return function(*args, **kwargs)

    return call


@_calm
def fdk(projections: np.ndarray, geometry: ConeBeam, angles: np.ndarray, cube: Cube) -> np.ndarray:
    """Reconstruct a slab with RTK.

    RTK uses as many threads as numba does.

    Parameters
    ----------
    projections : numpy.ndarray
        Line integrals (view, v, u).
    geometry, angles
        As for `acuity.reconstruct.fdk.fdk`.
    cube : Cube
        All of it stated.

    Returns
    -------
    numpy.ndarray
        Attenuation (z1 - z0, size, size) for one unit of length, float32.

    Raises
    ------
    AcuityError
        If itk-rtk is not installed.
    """
    itk, rtk = _modules()
    size, z0, z1 = cube.size, cube.z0, cube.z1
    # Filters take the number of threads when they are made.
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(numba.get_num_threads())
    geometry = geometry.scaled(1.0 / cube.voxel)
    image = itk.F, 3
    centre = (size - 1) / 2
    blank = rtk.ConstantImageSource[itk.Image[image]].New()
    blank.SetOrigin([-centre, z0 - centre, -centre])
    blank.SetSpacing([1.0] * 3)
    blank.SetSize([size, z1 - z0, size])

    filter_ = rtk.FDKConeBeamReconstructionFilter[itk.Image[image]].New()
    filter_.SetInput(0, blank.GetOutput())
    filter_.SetInput(1, _stack(itk, np.asarray(projections, np.float32), geometry))
    filter_.SetGeometry(_geometry(rtk, geometry, angles))
    filter_.GetRampFilter().SetTruncationCorrection(0.0)
    filter_.GetRampFilter().SetHannCutFrequency(cube.hann)
    filter_.Update()
    volume = itk.array_from_image(filter_.GetOutput())
    slab = np.ascontiguousarray(volume.transpose(1, 0, 2)) * np.float32(1.0 / cube.voxel)
    axis = np.arange(size) - centre
    slab[:, axis[:, None] ** 2 + axis[None, :] ** 2 > cube.radius**2] = 0.0
    return slab


@_calm
def project(spheres: pd.DataFrame, geometry: ConeBeam, angles: np.ndarray) -> np.ndarray:
    """Compute line integrals of solid spheres with RTK, to check `acuity.simulate.project`.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table with columns ``z y x radius``; overlaps count twice.
    geometry : ConeBeam
        Scan, lengths in the unit of the spheres.
    angles : numpy.ndarray
        Angle of each view, degrees.

    Returns
    -------
    numpy.ndarray
        Line integrals (view, v, u), float32.
    """
    itk, rtk = _modules()
    blank = np.zeros((len(angles), geometry.rows, geometry.columns), np.float32)
    stack = _stack(itk, blank, geometry)
    rtk_geometry = _geometry(rtk, geometry, angles)
    for sphere in spheres.itertuples(index=False):
        filter_ = rtk.RayEllipsoidIntersectionImageFilter[type(stack), type(stack)].New()
        filter_.SetInput(stack)
        filter_.SetGeometry(rtk_geometry)
        filter_.SetDensity(1.0)
        filter_.SetAxis([float(sphere.radius)] * 3)
        filter_.SetCenter([float(sphere.x), float(sphere.z), float(sphere.y)])
        filter_.Update()
        stack = filter_.GetOutput()
        stack.DisconnectPipeline()
    return itk.array_from_image(stack)


def _modules():
    try:
        import itk
        from itk import RTK
    except ImportError:
        raise AcuityError(
            "backend 'rtk' needs the package itk-rtk 2.x, which is not installed; install it with "
            "pip install 'acuity[rtk]' or use the backend 'numba'"
        ) from None
    return itk, RTK


def _stack(itk, projections: np.ndarray, geometry: ConeBeam):
    stack = itk.image_from_array(np.ascontiguousarray(projections))
    stack.SetSpacing([geometry.pixel, geometry.pixel, 1.0])
    # RTK takes the origin, by default 0, for the centre of the first pixel.
    v, u = geometry.first_pixel
    stack.SetOrigin([u, v, 0.0])
    return stack


def _geometry(rtk, geometry: ConeBeam, angles: np.ndarray):
    result = rtk.ThreeDCircularProjectionGeometry.New()
    distances = geometry.source_to_axis, geometry.source_to_detector
    for angle in angles:
        result.AddProjection(*distances, float(np.mod(angle, 360.0)))
    return result

"""Other ways to register two volumes, from the same start: a common point, no turn, the stated scale.

The point is the true place of the high volume's centre, rounded to a whole low voxel. Each gets the mask of the high
field. The fixed image is the high volume with voxels of 1, the moving one the low volume with the stated ratio as
voxel size; origins are 0, so positions are indices times voxel sizes.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.volumes.cases import Pair

ELASTIX = "ACUITY_ELASTIX_PYTHON"


def start(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the common point: the centre of the high volume, and its place in the low one, rounded.

    Both are indices (z, y, x).
    """
    middle = np.array(pair.high.shape) // 2
    (place,) = pair.low_points(middle[None].astype(np.float64))
    return middle, np.round(place)


def to_matrix(linear: np.ndarray, shift: np.ndarray, pair: Pair) -> np.ndarray:
    """Return our matrix of a transform of positions (x, y, z), high to low.

    Parameters
    ----------
    linear, shift : numpy.ndarray
        low = linear @ high + shift.
    pair : Pair
        Gives the voxel sizes.
    """
    size = np.array(pair.ratio)
    forward = np.asarray(linear)[::-1, ::-1] / size[:, None]
    offset = np.asarray(shift)[::-1] / size
    inverse = np.linalg.inv(forward)
    return np.column_stack([inverse, -inverse @ offset])


def _images(pair, blur=0.0):
    import SimpleITK as sitk

    high = sitk.GetImageFromArray(np.ascontiguousarray(pair.high, np.float32))
    low = sitk.GetImageFromArray(np.ascontiguousarray(pair.low, np.float32))
    low.SetSpacing(tuple(map(float, pair.ratio[::-1])))
    if blur:
        high = sitk.SmoothingRecursiveGaussian(high, blur)
    mask = np.broadcast_to(pair.inside, pair.high.shape).astype(np.uint8)
    return high, low, sitk.GetImageFromArray(np.ascontiguousarray(mask))


def _begin(pair, kind, turn=0.0):
    """Return a transform of a kind about the common point."""
    middle, place = start(pair)
    centre = middle[::-1].astype(float)
    transform = kind()
    transform.SetCenter(tuple(centre))
    transform.SetTranslation(tuple((place * pair.ratio)[::-1] - centre))
    if turn:
        transform.SetRotation((0.0, 0.0, 1.0), turn)
    return transform


def _found(transform, pair):
    shift = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    return to_matrix(linear, shift, pair)


def _method(metric, high, mask):
    import SimpleITK as sitk

    # Fixed seeds and one thread: the same result each time.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    method = sitk.ImageRegistrationMethod()
    if metric == "correlation":
        method.SetMetricAsCorrelation()
    else:
        method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def simpleitk(pair: Pair, metric: str = "correlation") -> np.ndarray:
    """Register by SimpleITK: a similarity, three levels, gradient descent.

    The high volume is blurred to the low one's resolution first.
    """
    import SimpleITK as sitk

    high, low, mask = _images(pair, 0.45 * pair.ratio[0])
    method = _method(metric, high, mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel([0.5, 0.2, 0.05], seed=1)
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([4.0, 2.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=200, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    transform = _begin(pair, sitk.Similarity3DTransform)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(high, low)
    return _found(transform, pair)


def simpleitk_mattes(pair: Pair) -> np.ndarray:
    """Register by SimpleITK with mutual information."""
    return simpleitk(pair, "mattes")


def hipct(pair: Pair) -> np.ndarray:
    """Register as hipct-reg 's ``run_registration`` does, rebuilt from its description and settings.

    The point is given by hand; turns about z in steps of 2 degrees all around, then of .1 degree; then a similarity by
    evolution, 1,000 steps, with little freedom about x and y and in scale. Mutual information of 1 % of the voxels.
    """
    import SimpleITK as sitk

    high, low, mask = _images(pair)
    turn = 0.0
    for reach, step in ((360.0, 2.0), (5.0, 0.1)):
        method = _method("mattes", high, mask)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(0.01, seed=1)
        count = int(reach / 2 / step)
        method.SetOptimizerAsExhaustive([0, 0, count, 0, 0, 0], stepLength=np.deg2rad(step))
        method.SetOptimizerScalesFromPhysicalShift()
        euler = _begin(pair, sitk.Euler3DTransform)
        euler.SetRotation(0.0, 0.0, turn)
        method.SetInitialTransform(euler, inPlace=True)
        method.Execute(high, low)
        turn = euler.GetAngleZ()
    method = _method("mattes", high, mask)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.01, seed=1)
    method.SetOptimizerAsOnePlusOneEvolutionary(numberOfIterations=1000, seed=1)
    method.SetOptimizerWeights([0, 0, 10, 10, 10, 10, 0.01])
    method.SetOptimizerScalesFromPhysicalShift()
    transform = _begin(pair, sitk.Similarity3DTransform, turn)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(high, low)
    return _found(transform, pair)


def elastix(pair: Pair) -> tuple[np.ndarray, float, float]:
    """Register by itk-elastix, in an environment of its own.

    Returns
    -------
    matrix : numpy.ndarray
        (3, 4).
    seconds : float
        Processor seconds of the registration.
    memory : float
        Peak beyond the start, MB.
    """
    middle, place = start(pair)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "pair.npz"
        mask = np.broadcast_to(pair.inside, pair.high.shape).astype(np.uint8)
        np.savez(
            given,
            high=pair.high,
            low=pair.low,
            mask=mask,
            spacing=pair.ratio,
            middle=middle.astype(float),
            place=place * pair.ratio,
        )
        script = Path(__file__).with_name("elastix.py")
        done = subprocess.run(
            [os.environ[ELASTIX], script, given, Path(folder)],
            capture_output=True,
            text=True,
            timeout=1800,
            env={**os.environ, "PYTHONPATH": ""},
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        found = json.loads((Path(folder) / "found.json").read_text())
    matrix = to_matrix(np.array(found["linear"]), np.array(found["shift"]), pair)
    return matrix, found["seconds"], found["memory"]


def timed(call, pair: Pair):
    """Run a peer in this process; gives its result, processor seconds and the peak beyond the start in MB."""
    before = peak(reset=True)
    began = time.process_time()
    found = call(pair)
    return found, time.process_time() - began, peak() - before


def peak(*, reset: bool = False) -> float:
    """Return the peak of this process's memory in MB, since it was last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split()[0]) / 1024

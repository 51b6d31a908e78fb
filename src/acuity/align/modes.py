"""What of a stack's path is removed, and what is kept as the specimen's own shape.

Neighbouring slices alone cannot tell motion of the instrument from a specimen whose structure
runs askew: a feature that moves by a fifth of a pixel a slice may be a tilted wall or a drifting
stage. Each mode is another claim about it.
"""

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg

from acuity.errors import AcuityError, require

MODES = ("jitter", "full", "detrend_linear", "template_roi")


def trend(path, mode, *, smooth=15.0):
    """Give the part of a path that stays in the stack.

    Steps (a stage that jumps) are taken out of the path before the trend is fitted: no mode keeps
    one as the specimen's shape.

    Parameters
    ----------
    path : numpy.ndarray
        (n, 2): displacement (dy, dx) of each slice in voxels.
    mode : str
        ``"jitter"``: the smooth part stays, all that is quicker than `smooth` is removed. It
        claims nothing about true shape: tilt and bending stay as they were recorded, whether they
        are the specimen's or the instrument's.
        ``"detrend_linear"``: the straight line of best fit stays. It claims that all bending is
        the instrument's and all of the tilt the specimen's.
        ``"full"``: all is removed. It claims that the specimen has no tilt and no bend of its own;
        straight structures that are askew come out crooked or upright.
        ``"template_roi"``: all is removed, of a path that was measured on one region alone. It
        claims that this region (a fiducial, an edge of a coating) is at one place in truth.
    smooth : float
        Mode ``jitter``: the period in slices at which half of a motion is kept is pi times this;
        the trend follows slower ones.

    Returns
    -------
    numpy.ndarray
        (n, 2). Path minus trend has the median zero, so that the stack as a whole stays in place.

    Raises
    ------
    AcuityError
        If the mode is unknown or `smooth` is not positive.
    """
    require(mode in MODES, f"align: mode is {mode!r}, allowed are {', '.join(MODES)}.")
    if not (np.isfinite(smooth) and smooth > 0):
        raise AcuityError(f"align: smooth is {smooth}, allowed are numbers of slices above 0.")
    path = np.asarray(path, np.float64)
    still = path - steps(path)
    if mode == "jitter":
        kept = _smooth(still, smooth)
    elif mode == "detrend_linear":
        z = np.arange(len(path)) - (len(path) - 1) / 2
        slope = z @ still / max(z @ z, 1.0)
        kept = still.mean(axis=0) + z[:, None] * slope
    else:
        kept = np.zeros_like(path)
    return kept + np.median(path - kept, axis=0)


def steps(path):
    """Give the jumps of a path by themselves.

    A jump is a displacement from one slice to the next that differs from the median of those
    around it by more than 5 voxels and by more than 8 robust standard deviations.

    Parameters
    ----------
    path : numpy.ndarray
        (n, 2) in voxels.

    Returns
    -------
    numpy.ndarray
        (n, 2): a path that is constant but for the jumps, zero at the first slice.
    """
    path = np.asarray(path, np.float64)
    found = np.zeros_like(path)
    if len(path) < 3:
        return found
    moves = np.diff(path, axis=0)
    usual = scipy.ndimage.median_filter(moves, (9, 1), mode="nearest")
    excess = moves - usual
    sd = 1.4826 * np.median(np.abs(excess), axis=0)
    large = (np.abs(excess) > np.maximum(5.0, 8 * sd)).any(axis=1)
    found[1:] = np.cumsum(np.where(large[:, None], excess, 0.0), axis=0)
    return found


def _smooth(path, length):
    """Smoothing spline on whole numbers: a straight line passes unchanged, ends included.

    Minimises sum (p - t)^2 + a sum (t'')^2. Its response to a motion of the angular frequency w is
    1 / (1 + a (2 sin(w / 2))^4), one half at w = 2 / length.
    """
    n = len(path)
    if n < 3:
        return path.copy()
    a = (2 * np.sin(min(1 / length, np.pi / 2))) ** -4.0
    second = scipy.sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n))
    system = scipy.sparse.identity(n) + a * (second.T @ second)
    return scipy.sparse.linalg.splu(system.tocsc()).solve(path)

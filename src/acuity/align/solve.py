"""Path of a stack from displacements between pairs of its slices: robust sparse least squares."""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from acuity.register.robust import SMALLEST, robust_sd

# A pair whose residual is beyond this many scales, and beyond so many pixels, contradicts the rest.
_FAR, _FAR_PIXELS = 10.0, 1.5
_CAUCHY = 2.385
_ROUNDS = 30


def solve(count, pairs, shifts, ncc):
    """Find the displacement of every node from displacements between pairs of them.

    Iteratively reweighted least squares: the weight of a pair is its squared correlation times
    the Cauchy weight ``1 / (1 + (r / c)^2)`` of its residual r (pixels, length of the vector), with
    c = 2.385 robust standard deviations of all residuals. The first rounds minimise the sum of the
    lengths instead, so that a pair that is wrong by half a field does not decide where it starts.

    Parameters
    ----------
    count : int
        Number of nodes.
    pairs : numpy.ndarray
        (n, 2), int: the fixed and the moving node of each pair; together they connect all nodes.
    shifts : numpy.ndarray
        (n, 2): displacement (dy, dx) of the moving against the fixed one, in pixels.
    ncc : numpy.ndarray
        (n,): normalised correlation of each pair, above 0.

    Returns
    -------
    path : numpy.ndarray
        (count, 2): displacement of each node; that of the first one is zero.
    weights : numpy.ndarray
        (n,): weights at the end, 0 to 1.
    residuals : numpy.ndarray
        (n, 2): measured minus found displacement of each pair.
    """
    pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
    shifts = np.asarray(shifts, np.float64).reshape(-1, 2)
    base = np.asarray(ncc, np.float64) ** 2
    if count == 1:
        return np.zeros((1, 2)), base, np.zeros_like(shifts)
    rows = np.repeat(np.arange(len(pairs)), 2)
    signs = np.tile([-1.0, 1.0], len(pairs))
    whole = scipy.sparse.csr_matrix((signs, (rows, pairs.ravel())), shape=(len(pairs), count))
    design = whole[:, 1:]  # node 0 stays at zero
    path = np.zeros((count, 2))
    weights = base.copy()
    for turn in range(_ROUNDS):
        before = path.copy()
        weighted = scipy.sparse.diags(weights) @ design
        normal = (design.T @ weighted).tocsc()
        path[1:] = scipy.sparse.linalg.splu(normal).solve(weighted.T @ shifts)
        residuals = shifts - whole @ path
        lengths = np.hypot(*residuals.T)
        if turn < 10:
            weights = base / np.maximum(lengths, SMALLEST)
        else:
            weights = base / (1 + (lengths / (_CAUCHY * robust_sd(lengths))) ** 2)
            if np.abs(path - before).max() < 1e-6:
                break
    return path, weights, residuals


def consistent(residuals):
    """Tell which pairs agree with the path that was found.

    Parameters
    ----------
    residuals : numpy.ndarray
        (n, 2) in pixels.

    Returns
    -------
    numpy.ndarray
        (n,), bool: false where the residual is longer than ten robust standard deviations and
        than 1.5 pixels.
    """
    lengths = np.hypot(*np.reshape(residuals, (-1, 2)).T)
    return lengths <= max(_FAR * robust_sd(lengths), _FAR_PIXELS)

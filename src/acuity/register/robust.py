"""Weights that keep outliers from deciding a fit."""

import numpy as np

# Tukey's constant: 95 % efficiency on normal residuals.
_TUKEY = 4.685
# Residuals of good blocks are some hundredths of a pixel; a smaller scale would let rounding
# decide which count.
SMALLEST = 0.02


def robust_sd(lengths, smallest=SMALLEST):
    """Return the robust standard deviation of one component of vectors from their lengths."""
    # The median length of a vector of two normal components is 1.1774 of their deviation.
    return max(float(np.median(lengths)) / 1.1774 if len(lengths) else 0.0, smallest)


def robust_weights(residuals, base=None, *, lengths=False, smallest=SMALLEST):
    """Weigh residuals: Tukey's biweight of each over a robust standard deviation of all.

    Parameters
    ----------
    residuals : numpy.ndarray
        (n,), lengths of vectors of two components, in pixels.
    base : numpy.ndarray, optional
        (n,), those with 0 do not count for the standard deviation.
    lengths : bool
        Weigh by the inverse of the length instead, so that the sum of lengths is minimised: for
        the first rounds, in which a wild value must not decide where the others lie.
    smallest : float
        Smallest standard deviation of one component.

    Returns
    -------
    numpy.ndarray
        (n,), 0 to 1.
    """
    residuals = np.asarray(residuals, np.float64)
    if lengths:
        return smallest / np.maximum(residuals, smallest)
    counted = residuals if base is None else residuals[np.asarray(base) > 0]
    part = np.minimum(residuals / (_TUKEY * robust_sd(counted, smallest)), 1.0)
    return (1 - part**2) ** 2

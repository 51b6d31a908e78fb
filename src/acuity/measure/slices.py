"""How many slices of labels are counted at a time; asked by what counts and by what plans."""

import math
from collections.abc import Sequence

SLICES, BYTES = 32, 512 * 2**20  # of labels of 32 bits


def slices_at_a_time(shape: Sequence[int]):
    """How many slices of a volume of labels are counted at a time.

    Sums of fractions depend on it in the last digits, so it depends on the slices' size alone.

    Parameters
    ----------
    shape : sequence of int
        (z, y, x).

    Returns
    -------
    int
        32, fewer where those would be more than 512 MiB.
    """
    return max(1, min(SLICES, BYTES // max(1, 4 * math.prod(shape[1:]))))

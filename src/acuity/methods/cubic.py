"""Cubic convolution (Keys 1981, a = -1/2) onto the target's grid."""

from acuity.methods.base import Interpolation


class Cubic(Interpolation):
    """Cubic convolution (Keys 1981, a = -1/2) onto the target's grid.

    The engine interpolates; nothing is left to restore.
    """

    interpolation = "cubic"


METHOD = Cubic

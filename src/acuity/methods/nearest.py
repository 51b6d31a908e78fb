"""Nearest-neighbour interpolation onto the target's grid."""

from acuity.methods.base import Interpolation


class Nearest(Interpolation):
    """Nearest-neighbour interpolation onto the target's grid.

    The engine interpolates; nothing is left to restore.
    """

    interpolation = "nearest"


METHOD = Nearest

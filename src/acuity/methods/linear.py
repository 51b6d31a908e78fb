"""Linear interpolation onto the target's grid."""

from acuity.methods.base import Interpolation


class Linear(Interpolation):
    """Linear interpolation onto the target's grid.

    The engine interpolates; nothing is left to restore.
    """

    interpolation = "linear"


METHOD = Linear

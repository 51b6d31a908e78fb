"""Lanczos interpolation (a = 3) onto the target's grid."""

from acuity.methods.base import Interpolation


class Lanczos(Interpolation):
    """Lanczos interpolation with three lobes onto the target's grid.

    As de Haan et al. 2019 (doi:10.1038/s41598-019-48444-2) bring their low-resolution images onto
    the grid of the high-resolution ones. The taps of a position are divided by their sum. The
    engine interpolates; nothing is left to restore.
    """

    interpolation = "lanczos"


METHOD = Lanczos

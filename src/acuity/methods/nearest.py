"""Nearest-neighbour interpolation onto the target's grid."""

from acuity.methods.base import Method


class Nearest(Method):
    """Nearest-neighbour interpolation onto the target's grid.

    The engine interpolates; nothing is left to restore.
    """

    interpolates = True
    interpolation = "nearest"

    def restore(self, tile):
        """Return the tile, which is already on the target's grid."""
        return tile


METHOD = Nearest

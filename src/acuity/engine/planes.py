"""Restoration of XZ and YZ planes, both merged into one volume."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from acuity.engine.execution import Runner
from acuity.methods.base import LearnedMethod

# Pixels of restored planes that pass the network together: decides memory, not the result.
PIXELS = {"cpu": 2**17, "cuda": 2**22}


class PlanesRunner(Runner):
    """Restores the planes of a tile in both orientations with a trained network.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (n, 1, z, x) to (n, 1, z * factor, x); a copy of it is kept.
    normalisation : dict
        ``low`` and ``target``, each with ``mean`` and ``std``.
    execution : dict
        ``device``, ``precision`` and ``layout`` (``contiguous`` or ``channels_last``).
    """

    def _batch(self, image):
        return image[:, None]

    def _image(self, batch):
        return batch[:, 0]

    def planes(self, planes: np.ndarray) -> np.ndarray:
        """Restore planes (n, z, x), some at a time."""
        pixels = planes.shape[1] * planes.shape[2]
        many = max(1, PIXELS.get(self.device.type, 2**17) // pixels)
        parts = (planes[n : n + many] for n in range(0, len(planes), many))
        return np.concatenate([super(PlanesRunner, self).__call__(part) for part in parts])

    def __call__(
        self, tile: np.ndarray, core: Sequence[slice] = (slice(None), slice(None))
    ) -> np.ndarray:
        """Restore a tile's core.

        Parameters
        ----------
        tile : numpy.ndarray
            float32 (z, y, x), halo included.
        core : tuple of slice
            The part (y, x) that is wanted; all by default. Planes run through it alone; each is as long as the tile.

        Returns
        -------
        numpy.ndarray
            float32 (z * factor, 2, y, x): the mean of both orientations, and half their absolute
            difference.
        """
        rows, columns = core
        xz = self.planes(tile[:, rows, :].transpose(1, 0, 2))[:, :, columns]  # (y, z, x)
        yz = self.planes(tile[:, :, columns].transpose(2, 0, 1))[:, :, rows]  # (x, z, y)
        xz, yz = xz.transpose(1, 0, 2), yz.transpose(1, 2, 0)
        return np.stack([(xz + yz) / 2, np.abs(xz - yz) / 2], axis=1)


def make_runner(
    method: LearnedMethod, network: nn.Module, normalisation: Mapping, execution: Mapping
) -> Runner:
    """Return what restores tiles with a method's trained network.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        Says what the network sees: stacks, tiles or planes.
    network, normalisation, execution
        As for `acuity.engine.execution.Runner`.

    Returns
    -------
    Runner
    """
    kind = PlanesRunner if method.by_planes else Runner
    return kind(network, normalisation, execution, stacked=len(method.axes) == 2)

"""Restoration of XZ and YZ planes, both merged into one volume."""

import numpy as np
import torch

from acuity.engine.execution import Runner
from acuity.engine.receptive import receptive_field

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

    def __init__(self, network, normalisation, execution, *, stacked=True):
        super().__init__(network, normalisation, execution, stacked=stacked)

    def prepare(self, planes):
        """Normalise planes (n, z, x) and bring them to the device."""
        return super().prepare(planes).movedim(0, 1).contiguous(memory_format=self.format)

    def forward(self, batch):
        """Run the network on prepared planes; return intensities (n, z * factor, x)."""
        with torch.inference_mode():
            out = self.network(batch)[:, 0]
            out = out.to(torch.float32, memory_format=torch.contiguous_format)
            return out.mul_(self.target["std"]).add_(self.target["mean"])

    def planes(self, planes):
        """Restore planes (n, z, x), some at a time."""
        pixels = planes.shape[1] * planes.shape[2]
        many = max(1, PIXELS.get(self.device.type, 2**17) // pixels)
        return np.concatenate(
            [
                super(PlanesRunner, self).__call__(planes[n : n + many])
                for n in range(0, len(planes), many)
            ]
        )

    def __call__(self, tile, core):
        """Restore a tile's core.

        Parameters
        ----------
        tile : numpy.ndarray
            float32 (z, y, x), halo included.
        core : tuple of slice
            The part (y, x) that is wanted. Planes run through it alone; each is as long as the tile.

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


def plane_reach(network):
    """Find how far a restored plane reaches into its input.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (n, 1, z, x) to (n, 1, z * factor, x), (factor, 1) being its attribute ``scale``.

    Returns
    -------
    tuple of int
        Voxels (z, y, x) of the input; along y what YZ planes need.
    """
    z, x = receptive_field(network, 2, 1)[0]
    return (z, x, x)

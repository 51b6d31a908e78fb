"""Volumes of a foam's exact truth: solid fraction and pore labels, written slab by slab."""

import numpy as np

from acuity.simulate.foam import exact, exact_labels
from acuity.volume import Grid, VolumeWriter, slabs


def voxelise(spheres, solid, labels, *, size, cylinder_radius, voxel_size, unit, supersample=4):
    """Write the exact truth of a foam on the grid of its reconstructions.

    Parameters
    ----------
    spheres : pandas.DataFrame
        Table of `acuity.simulate.foam.foam`, voxels.
    solid, labels : path
        Volumes to write: float32 share of solid in 0 to 1, and uint32 row of the pore plus 1.
    size : int
        Side of the volume, voxels.
    cylinder_radius : float
        Radius of the cylinder as a fraction of `size`.
    voxel_size : float
        Edge of a voxel.
    unit : str
        Its unit.
    supersample : int
        Samples along each axis of a voxel that a surface crosses.
    """
    grid = Grid((size,) * 3, (voxel_size,) * 3, (-(size - 1) / 2 * voxel_size,) * 3, unit)
    how = {"cylinder_radius": cylinder_radius, "supersample": supersample}
    with (
        VolumeWriter(solid, grid, np.float32, intensity="solid fraction") as solid_writer,
        VolumeWriter(labels, grid, np.uint32, intensity="pore label") as label_writer,
    ):
        for z0, z1 in slabs(size, solid_writer.slab_depth):
            part = {"size": size, "z0": z0, "z1": z1}
            solid_writer.write(z0, exact(spheres, **how, **part))
            label_writer.write(z0, exact_labels(spheres, **part))

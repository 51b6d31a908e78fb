"""Objects of an image that is held against no truth."""

import numpy as np

from acuity.measure.pores import pore_table, porosity, solid_voxels, tell_rim
from acuity.measure.slices import slices_at_a_time
from acuity.measure.volumes import Radius
from acuity.tables import tidy_row
from acuity.volume import Volume, slabs


def volume_objects(labels: Volume, *, objects: str = "dark", mask_radius: Radius = None):
    """Tabulate the objects of an image, and sum up the table.

    Memory is that of a few slices (`slices_at_a_time`), and grows with the number of objects.

    Parameters
    ----------
    labels : acuity.volume.Volume
        Labels of the image (z, y, x), 0 for background.
    objects : {"dark", "bright"}
        Whether the objects are the pores or, bright, what stands between them; porosity is the share of
        the pores.
    mask_radius : float, optional
        Radius in voxels of the cylinder along z in which objects were sought.

    Returns
    -------
    rows : list of dict
        ``objects_number``; ``objects_edge_share``, that of objects which a face of the volume cuts or which
        touch the cylinder's wall; ``objects_diameter_median`` (in the volume's unit) and
        ``objects_sphericity``, the mean, of the others, left out where there are none, with ``n``, their
        number; ``objects_porosity``, of all voxels in the mask.
    table : pandas.DataFrame
        `acuity.measure.pores.pore_table`; ``edge`` tells whether a face cuts an object, ``rim`` whether it
        touches the wall alone.
    """
    grid = labels.grid
    table = pore_table(labels.data, grid.spacing, mask_radius=mask_radius)
    whole = table[~table["edge"]]
    step = slices_at_a_time(grid.shape)
    solid = [solid_voxels(labels.data, a, b, mask_radius) for a, b in slabs(grid.shape[0], step)]
    rows = [tidy_row("objects_number", len(table))]
    if len(table):
        share = np.count_nonzero(table["edge"]) / len(table)
        rows.append(tidy_row("objects_edge_share", share, n=len(table)))
    for metric, column, of_all, unit in (
        ("objects_diameter_median", "diameter", np.median, grid.unit),
        ("objects_sphericity", "sphericity_mesh", np.mean, ""),
    ):
        values = whole[column].dropna().to_numpy()
        if len(values):
            rows.append(tidy_row(metric, of_all(values), unit, n=len(values)))
    rows.append(tidy_row("objects_porosity", porosity(solid, objects=objects)))
    return rows, tell_rim(table, grid.shape)

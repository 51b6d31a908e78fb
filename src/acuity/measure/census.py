"""All that is said of the objects of one image: their table, and how they match the true ones."""

from acuity.errors import AcuityError
from acuity.measure.pores import pore_rows, pore_table, porosity
from acuity.measure.recovery import found_ratio, recover


def census(labels, truth, reference, *, objects="dark", size_bin, size_classes, mask_radius=None):
    """Tabulate the objects of an image and match them with the true ones.

    Volumes are read 32 slices at a time; memory grows with the number of objects alone.

    Parameters
    ----------
    labels : Volume
        Labels of the image (z, y, x).
    truth : Volume
        The true labels: exact spheres, or an imported volume's own segmentation.
    reference : Volume
        Labels of the truth, segmented as the image was: the count that the found ratio refers to.
    objects : {"dark", "bright"}
        Whether the objects are the pores or, bright, what stands between them; porosity is the
        share of the pores.
    size_bin : float
        Bin width of the size histogram, in the volumes' unit.
    size_classes : sequence of float
        Edges of the size classes, in the volumes' unit.
    mask_radius : float, optional
        Radius in voxels of the cylinder along z of which the porosity is the share.

    Returns
    -------
    rows : list of dict
        Tidy figures: see `pore_rows`, `recover` and `found_ratio`.
    pores : pandas.DataFrame
        One row an object of the image: `pore_table`.
    status : pandas.DataFrame
        What became of each object of truth and image: `recover`.

    Raises
    ------
    AcuityError
        If the volumes' shapes differ.
    """
    shapes = {volume.grid.shape for volume in (labels, truth, reference)}
    if len(shapes) > 1:
        raise AcuityError(f"label volumes differ in shape: {sorted(shapes)}; they must be equal")
    unit, spacing = truth.grid.unit, truth.grid.spacing
    found, real = labels.data, truth.data
    # Edge objects are those that the volume's own faces cut. The wall of a foam cuts none, and an
    # object that a blur has smeared against it is judged like any other.
    pores = pore_table(found, spacing)
    real_pores = pore_table(real, spacing, shape=False)
    counted = pore_table(reference.data, spacing, shape=False)
    rows = pore_rows(
        found,
        pores,
        unit=unit,
        objects=objects,
        mask_radius=mask_radius,
        truth_porosity=porosity(real, mask_radius, objects=objects),
        bin_width=size_bin,
    )
    rows.append(found_ratio(pores, counted))
    recovered, status = recover(
        found,
        real,
        spacing=spacing,
        unit=unit,
        classes=size_classes,
        table=pores,
        truth_table=real_pores,
    )
    return rows + recovered, pores, status

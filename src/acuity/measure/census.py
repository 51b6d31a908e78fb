"""All that is said of the objects of one image: their table, and how they match the true ones.

`count` adds up over slices, and several jobs may share a volume's; `census` makes the tables of the
sums.
"""

import json
import math
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from acuity.errors import AcuityError
from acuity.measure.pores import (
    pore_rows,
    pore_sums,
    porosity,
    solid_voxels,
    table_of_sums,
    tell_rim,
)
from acuity.measure.recovery import add_overlaps, found_ratio, overlaps, recover
from acuity.measure.slices import slices_at_a_time
from acuity.measure.volumes import Radius
from acuity.slabs import Part, extent
from acuity.units import convert
from acuity.volume import Grid, Volume, slabs
from acuity.writing import replacing

VERSION = 1
# Unless stated: edges of the size classes, and bins, in voxels of the target; no volume has a side
# of more voxels than the last edge. Classes without objects have no rows.
CLASSES = (0, 5, 7, *(10**k * m for k in (1, 2, 3) for m in (1, 1.5, 2, 3, 5, 7)), 10_000)
BIN = 5
_SUMS = ("label", "whole", "box", "mesh")


def count(
    labels: Volume,
    truth: Volume,
    reference: Volume,
    *,
    part: Part = (1, 1),
    mask_radius: Radius = None,
):
    """Add up over some slices what the tables of an image's objects are made of.

    Memory is that of a few slices (`slices_at_a_time`), and grows with the number of objects.

    Parameters
    ----------
    labels : acuity.volume.Volume
        Labels of the image (z, y, x).
    truth : acuity.volume.Volume
        The true labels: exact spheres, or an imported volume's own segmentation.
    reference : acuity.volume.Volume
        Labels of the truth, segmented as the image was: the count that the found ratio refers to.
    part : (int, int)
        Which slab, from 1, of how many.
    mask_radius : float, optional
        Radius in voxels of the cylinder along z in which objects were sought.

    Returns
    -------
    dict of str to numpy.ndarray
        ``about``: what was counted, JSON; ``labels.label`` and so on: `pore_sums` of each of the
        three, row by row in the order of the slices; ``solid``, (4,): `solid_voxels` of image and
        truth; ``pairs``: `overlaps`.

    Raises
    ------
    AcuityError
        If the volumes' shapes differ.
    """
    volumes = {"labels": labels, "truth": truth, "reference": reference}
    grid = truth.grid
    shapes = {volume.grid.shape for volume in volumes.values()}
    if len(shapes) > 1:
        raise AcuityError(f"label volumes differ in shape: {sorted(shapes)}; they must be equal")
    step = slices_at_a_time(grid.shape)
    z0, z1 = extent(grid.shape[0], step, step, part)
    sums: dict[str, list] = {name: [] for name in volumes}
    solid, pairs = np.zeros(4, np.int64), [np.zeros((0, 3), np.int64)]
    for start, end in slabs(z1 - z0, step):
        a, b = z0 + start, z0 + end
        for name, volume in volumes.items():
            how: dict[str, Any] = {"spacing": grid.spacing, "mask_radius": mask_radius}
            sums[name].append(pore_sums(volume.data, a, b, **how, shape=name == "labels"))
        own, real = (volume.data[a:b] for volume in (labels, truth))
        solid += np.ravel([solid_voxels(array, 0, b - a, mask_radius) for array in (own, real)])
        pairs.append(overlaps(own, real))
    about = {
        "version": VERSION,
        "z": [z0, z1],
        "shape": grid.shape,
        "spacing": grid.spacing,
        "unit": grid.unit,
        "mask_radius": mask_radius,
        "digests": {name: volume.digest for name, volume in volumes.items()},
    }
    # An empty slab has the columns all the same.
    nothing = pore_sums(np.zeros((1, 1, 1), np.uint32), 0, 1)
    return {
        "about": np.array(json.dumps(about)),
        "solid": solid,
        "pairs": add_overlaps(pairs),
        **{
            f"{name}.{key}": np.concatenate([part[key] for part in (nothing, *parts)])
            for name, parts in sums.items()
            for key in _SUMS
        },
    }


def census(
    counts: Sequence[dict],
    *,
    objects: str = "dark",
    size_bin: float | None = None,
    size_classes: Sequence[float] | None = None,
    grid: Grid | None = None,
):
    """Tabulate the objects of an image and match them with the true ones.

    Parameters
    ----------
    counts : list of dict
        Of `count`: of all slabs, in order; any number of them gives the same.
    objects : {"dark", "bright"}
        Whether the objects are the pores or, bright, what stands between them; porosity is the
        share of the pores.
    size_bin : float, optional
        Bin width of the size histogram, in the volumes' unit; by default `BIN` voxels.
    size_classes : sequence of float, optional
        Edges of the size classes, in the volumes' unit; by default `CLASSES`, in voxels.
    grid : acuity.volume.Grid, optional
        Whose voxels, for a study has one set of classes; by default the volumes' own. The side
        is that of the cube of a voxel's volume.

    Returns
    -------
    rows : list of dict
        Tidy figures: see `pore_rows`, `recover` and `found_ratio`.
    pores : pandas.DataFrame
        One row an object of the image: `pore_table`; and ``rim``, whether it touches the wall of
        the cylinder in which objects were sought.
    status : pandas.DataFrame
        What became of each object of truth and image: `recover`.
    """
    about = json.loads(str(counts[0]["about"]))
    spacing, unit = about["spacing"], about["unit"]
    sizes, given = (spacing, unit) if grid is None else (grid.spacing, grid.unit)
    voxel = convert(math.prod(sizes) ** (1 / 3), given, unit)
    size_bin = size_bin or BIN * voxel
    size_classes = size_classes or [edge * voxel for edge in CLASSES]

    def table(name, shape):
        parts = [{key: part[f"{name}.{key}"] for key in _SUMS} for part in counts]
        # The wall of a foam cuts no object, and one that a blur has smeared against it is judged like
        # any other, and told apart.
        return tell_rim(table_of_sums(parts, spacing, shape=shape), about["shape"])

    pores, real, counted = table("labels", True), table("truth", False), table("reference", False)
    share, truth_share = (
        porosity([part["solid"][two] for part in counts], objects=objects)
        for two in (slice(0, 2), slice(2, 4))
    )
    rows = pore_rows(share, pores, unit=unit, truth_porosity=truth_share, bin_width=size_bin)
    rows.append(found_ratio(pores, counted))
    pairs = add_overlaps([part["pairs"] for part in counts])
    how = {"spacing": spacing, "unit": unit, "classes": size_classes}
    recovered, status = recover(pores, real, pairs, **how)
    return rows + recovered, pores, status


def write_counts(counts: dict, path: str | os.PathLike):
    """Write what `count` gave, replacing the file in one step.

    Parameters
    ----------
    counts : dict
        Of `count`.
    path : path-like
        The file, ``X.npz``.
    """
    with replacing(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **counts)


def read_counts(paths: Sequence[str | os.PathLike], digests: Mapping[str, str]):
    """Read what the slabs of a volume have counted.

    Parameters
    ----------
    paths : list of path-like
        Files of `write_counts`, in the order of the slabs.
    digests : dict of str to str
        Content digests of the volumes ``labels``, ``truth`` and ``reference``.

    Returns
    -------
    list of dict
        For `census`.

    Raises
    ------
    AcuityError
        If a file is missing or damaged, is of another version, counted other volumes or with other
        settings than the first one, or does not begin where the one before it ends: naming the
        file and what to do.
    """
    counts, first, end = [], None, 0
    again = "remove it and run again"
    for path in paths:
        try:
            with open(path, "rb") as stream, np.load(stream) as file:
                found = {name: file[name] for name in file.files}
            about = json.loads(str(found["about"]))
            a, b = about.pop("z")
        except FileNotFoundError:
            raise AcuityError(f"{path}: no such file; run again") from None
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError):
            raise AcuityError(f"{path}: is damaged; {again}") from None
        if about.get("version") != VERSION:
            raise AcuityError(f"{path}: was written by another version of Acuity; {again}")
        for name, digest in digests.items():
            if about["digests"][name] != digest:
                raise AcuityError(
                    f"{path}: counted other {name} than those that are there (digest "
                    f"{about['digests'][name][:12]}, found {digest[:12]}); {again}"
                )
        first = first or about
        if about != first:
            key = next(key for key in first if about.get(key) != first[key])
            raise AcuityError(
                f"{path}: counted with {key} {about.get(key)}, and {paths[0]} with {first[key]}; "
                "remove both and run again"
            )
        last = path == paths[-1]
        if a != end or (last and b != first["shape"][0]):
            raise AcuityError(
                f"{path}: counted slices {a} to {b}, which do not follow those up to {end} of "
                f"{first['shape'][0]}; {again}"
            )
        end = b
        counts.append(found)
    return counts

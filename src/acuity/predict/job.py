"""What a restoration is told: the method and its task, the files, and the store that it writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from acuity.methods.base import MethodJob
from acuity.volume import Grid


@dataclass(frozen=True)
class PredictionJob(MethodJob):
    """A method, what it is to undo, and how the restored volume is written.

    Of a learned method's settings those of the network come from the card, and only ``predict`` is
    read from here.

    Attributes
    ----------
    keep_type : bool
        Round and clip the restored volume to the type of the low-resolution one, where that is
        uint8 or uint16; it is float32 else. `dtype` goes before it.
    dtype : str, optional
        Type of the restored volume: float32, or uint8 or uint16, to which it is rounded and clipped,
        for a low-resolution volume of whole numbers that fit.
    region : str, optional
        The part to restore, ``z0:z1,y0:y1,x0:x1`` in voxels of the low-resolution volume, as
        `acuity.region.parse_region` reads it; all by default. Its voxels are those that the whole
        restored volume has there.
    fov_radius : float, optional
        Radius in voxels of the restored grid of the circle that a tomograph's detector saw; beyond
        it voxels are 0, as in a reconstruction.
    part : tuple of int, optional
        The part of the volume that this job makes; see `acuity.slabs`.
    accept : sequence of str
        In what the input may differ from those that the model was made for; see `acuity.made_for`.
    """

    keep_type: bool = False
    dtype: str | None = None
    region: str | None = None
    fov_radius: float | None = None
    part: tuple[int, int] | None = None
    accept: Sequence[str] = ()


@dataclass(frozen=True)
class PredictionFiles:
    """What a restoration reads and writes.

    Attributes
    ----------
    low : path
        The low-resolution volume, a store ``X.ome.zarr`` or its ``zarr.json``.
    output : path
        The restored volume's store.
    model, card : path, optional
        Weights (safetensors) and card (JSON) of a learned method.
    disagreement : path, optional
        For a method that restores XZ and YZ planes: store of half the absolute difference between
        both estimates, whose mean is the restored volume.
    described : path, optional
        What the low-resolution volume is to a model, see `acuity.made_for`: then it must be like those
        that the model was made for.
    """

    low: str | PathLike
    output: str | PathLike
    model: str | PathLike | None = None
    card: str | PathLike | None = None
    disagreement: str | PathLike | None = None
    described: str | PathLike | None = None


@dataclass(frozen=True)
class Output:
    """The store of a restored volume.

    Attributes
    ----------
    path : path
        The store.
    disagreement : path, optional
        Store of the disagreement of a method that restores planes.
    dtype : dtype
        Type of the restored volume: float32, or one of whole numbers, to which it is rounded and
        clipped.
    box : tuple of slice, optional
        What is restored (z, y, x), in voxels of the low-resolution volume; all by default.
    fov_radius, part
        As of `PredictionJob`.
    provenance : tuple of dict
        Steps that it records.
    settled : dict, optional
        What must be the same in all parts.
    grid : acuity.volume.Grid, optional
        Of the restored volume; by default it follows from that of the low-resolution one.
    """

    path: str | PathLike
    disagreement: str | PathLike | None = None
    dtype: np.dtype | type = np.float32
    box: tuple[slice, ...] | None = None
    fov_radius: float | None = None
    part: tuple[int, int] | None = None
    provenance: tuple[dict, ...] = ()
    settled: dict | None = None
    grid: Grid | None = None

"""A trained model applied to a user's file, without a study."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from acuity.errors import AcuityError
from acuity.formats.export import check_output, export
from acuity.formats.read import read_volume
from acuity.made_for import describe
from acuity.predict.job import PredictionFiles, PredictionJob
from acuity.predict.models import model_files, read_travelled
from acuity.predict.predict import predict_volume
from acuity.volume import open_volume
from acuity.writing import disk_errors

STORE = ".ome.zarr"


def apply(
    model: str | os.PathLike,
    source: str | os.PathLike,
    output: str | os.PathLike,
    *,
    voxel_size: str | None = None,
    region: str | None = None,
    dtype: str | None = None,
    accept: Collection[str] = (),
    threads: int | None = None,
) -> list[str]:
    """Restore a file or folder with a trained model.

    Parameters
    ----------
    model : path
        The model's folder, its weights or its card.
    source : path
        What `acuity.formats.read.read_volume` reads.
    output : path
        The restored volume: ``NAME.ome.zarr``, a volume of Acuity, or what `acuity.formats.export.export`
        writes, ``.tif``, ``.ome.tif`` and ``.zarr``.
    voxel_size : str, optional
        Edge of a voxel, ``"1 um"`` or ``"20 10 10 nm"`` (z y x), where the file states none.
    region : str, optional
        The part to restore, ``z0:z1,y0:y1,x0:x1`` in voxels of the source.
    dtype : str, optional
        As of `acuity.predict.job.PredictionJob`; images keep their type by default.
    accept : collection of str
        In what the source may differ from those that the model was made for; see
        `acuity.made_for.ACCEPTABLE`.
    threads : int, optional
        Threads of torch.

    Returns
    -------
    list of str
        In what the source differs, a sentence each.

    Raises
    ------
    AcuityError
        If the model is none or damaged; if the source cannot be read or is not like those that the model was
        made for; if the output is there or has another ending; nothing is left at `output` then.
    """
    card = read_travelled(model)
    output = Path(output)
    store = output.name.lower().endswith(STORE)
    check_output(output)
    volume = read_volume(source, voxel_size)
    found = describe(volume, name=source)
    if found.low == found.high and found.noise == 0:
        raise AcuityError(f"{source}: is constant; allowed is a volume with contrast.")
    job = PredictionJob(
        card["method"],
        {},
        card["level"],
        card["scale"],
        card.get("phase"),
        keep_type=found.axes == "yx",
        dtype=dtype,
        region=region,
        accept=tuple(accept),
    )
    with disk_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    # A volume's store is there entirely or not at all; other files are written from one.
    restored = output if store else output.with_name(f".{output.name}{STORE}")
    files = PredictionFiles(source, restored, *model_files(model))
    try:
        predict_volume(job, files, volume, found, threads=threads)
        said = open_volume(restored).provenance[-1].get("accepted", [])
        if not store:
            export(restored, output)
    finally:
        if not store:
            shutil.rmtree(restored, ignore_errors=True)
    return said

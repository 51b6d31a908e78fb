"""What of the inputs does not fit the models that a study takes, as far as headers tell."""

from collections.abc import Iterator, Sequence

from acuity.errors import AcuityError
from acuity.formats.files import is_remote
from acuity.formats.read import read_volume
from acuity.made_for import check, header
from acuity.predict.chain import models_of, read_taken
from acuity.predict.models import model_files
from acuity.study.reading import level_of
from acuity.study.sample import Sample
from acuity.study.study import Study


def unlike(study: Study, samples: Sequence[Sample]) -> Iterator[str]:
    """Hold each file to restore against what the models were made for: voxel size, axes, bit depth.

    Noise and grey values are in no header; the job that restores a volume looks at them too.

    Parameters
    ----------
    study : acuity.study.study.Study
    samples : sequence of acuity.study.sample.Sample
        Its samples, with the places of their files.

    Yields
    ------
    str
        A sentence for each file that a model would refuse.
    """
    given = [(key, found) for key, found in study.methods.items() if found.get("model")]
    if study.align is not None or not given:  # alignment may give another voxel size
        return
    for sample in samples:
        if sample.role != "restore" or sample.path is None or is_remote(sample.path):
            continue
        level = level_of(sample, study)
        try:
            found = header(read_volume(**sample.reading()))
        except AcuityError:  # is told of the input itself
            continue
        for name, settings in given:
            paths = models_of(settings["model"], f"{level:g}")
            card, accept = read_taken(paths, whole=False), settings["accept"]
            own = model_files(paths[0])[1]
            try:
                check(card, found, accept, level=level, name=sample.path, model=own)
            except AcuityError as error:
                yield f"sample {sample.sample!r}, method {name}: {error}"

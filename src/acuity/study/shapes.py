"""Whether the pairs of a study are images or volumes: the shape of their files decides."""

from collections.abc import Mapping, Sequence
from typing import Any

from acuity.errors import AcuityError
from acuity.formats.files import is_remote
from acuity.formats.headers import read_header
from acuity.study.sample import Sample

_WORDS = {False: "one image", True: "a volume"}


def volumes_of(samples: Sequence[Sample], where: Mapping[str, str]) -> bool | None:
    """Tell from the headers of a study's files whether its pairs are volumes.

    Files in a bucket are not looked into: that would fetch them before anything is planned. Of a file
    that cannot be read the job that imports it says what is wrong.

    Parameters
    ----------
    samples : sequence of Sample
        With the places of their files.
    where : mapping of str to str
        Sheet and line of each sample, for errors.

    Returns
    -------
    bool or None
        None where no file tells.

    Raises
    ------
    AcuityError
        If one file holds an image and another one a volume.
    """
    found: dict[bool, tuple[Sample, str]] = {}
    for sample in samples:
        for prefix in sample.scans:
            reading = sample.reading(prefix)
            path = reading["path"]
            if path is None or is_remote(path):
                continue
            try:
                shape, _ = read_header(path, reading.get("region"))
            except Exception:  # a reader may stumble in its own way over a file that is none
                continue
            found.setdefault(shape[0] > 1, (sample, path))
    if len(found) < 2:
        return next(iter(found), None)
    told = [f"{found[kind][1]} ({found[kind][0].sample}) is {_WORDS[kind]}" for kind in found]
    last = max((sample for sample, _ in found.values()), key=list(samples).index)
    raise AcuityError(
        f"{where[last.sample]}: {told[0]} and {told[1]}; allowed are pairs of images or pairs of volumes, "
        "not both in one study"
    )


def with_shapes(config: Mapping[str, Any], volumes: bool) -> dict[str, Any]:
    """Return a study's content with what the shape of its files says."""
    return {**config, "pair": {**config["pair"], "volumes": volumes}}

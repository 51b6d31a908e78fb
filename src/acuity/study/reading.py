"""Read a study file and its sample sheet, and check them against each other and the files that they name."""

import math
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from acuity.errors import AcuityError
from acuity.formats.files import check_remote, files_of, is_remote, split_name
from acuity.methods.base import Task, load
from acuity.seen import check_sheet
from acuity.study.messages import place, sentence, short, unknown
from acuity.study.pair import NONE, Pair
from acuity.study.renamed import with_new_names
from acuity.study.sample import Sample
from acuity.study.shapes import volumes_of, with_shapes
from acuity.study.sheet import read_sheet
from acuity.study.study import Study
from acuity.text import decode, parse_yaml, read_bytes
from acuity.units import convert, parse_voxel_size

RESERVED = {"index", "unseen", "judged"}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def _to_stderr(said: str) -> None:
    print(said, file=sys.stderr)


def load_study(
    config: Any, path: str | PathLike, tell: Callable[[str], object] = _to_stderr
) -> tuple[Study, list[Sample]]:
    """Check a study and read its sample sheet.

    Parameters
    ----------
    config : object
        The study file's content; a dict, where it is a study.
    path : path-like
        The study file: named in errors; relative paths start at its folder.
    tell : callable
        Called with a sentence for each key that has a former name; by default it goes to standard error.

    Returns
    -------
    study : Study
    samples : list of Sample
        Paths in them are made relative to the working folder or absolute.

    Raises
    ------
    AcuityError
        One sentence that names file, key, what was found and what is allowed.
    """
    if not isinstance(config, dict):
        found = {type(None): "nothing", list: "a list", str: "a text"}.get(type(config), "a value")
        raise AcuityError(f"{path}: a study is a mapping of keys to values; found {found}")
    with _at(str(path)):
        config = with_new_names(config, lambda said: tell(f"{path}: {said}"))
        study = _checked(config)
        if study.pair is None:
            study = _with_models(study, Path(path).parent)
    sheet = _sheet(study, Path(path))
    samples, lines = _read_lines(study, sheet, Path(path).parent)
    where = {s.sample: f"{sheet}: line {lines[s.sample.lower()][0]}" for s in samples}
    if study.pair is not None:  # images or volumes: their files say which
        if study.pair.volumes is None:
            volumes = study.xrm is not None or volumes_of(samples, where) or False
            with _at(str(path)):
                study = _checked(with_shapes(config, volumes))
        with _at(str(path)):
            study = _with_models(study, Path(path).parent)
    _check_samples(study, samples, lines, Path(path))
    return study, samples


def _checked(config: Any) -> Study:
    """Check the keys of a study."""
    try:
        return Study.model_validate(config)
    except ValidationError as error:
        raise AcuityError(sentence(error, Study)) from None


def _with_models(study: Study, folder: Path) -> Study:
    """Look at the models that a study takes; their networks have the settings of their cards.

    Paths become relative to the working folder.
    """
    from acuity.predict.chain import models_of, read_taken
    from acuity.predict.models import check_task, model_files

    methods = dict(study.methods)
    for name, settings in study.methods.items():
        if not (stated := settings.get("model")):
            continue
        paths = [str(folder / each) for each in models_of(stated)]
        with _at(f"key 'methods.{name}.model'"):
            for each in filter(_ADDRESS.match, models_of(stated)):
                raise AcuityError(
                    f"{each}: is an address; allowed is a folder of this machine, download it first"
                )
            if len(paths) > 1 and study.slabs > 1:
                raise AcuityError(
                    f"a chain of {len(paths)} models beside slabs: {study.slabs}; allowed with a chain is slabs: 1"
                )
            for level in study.levels:
                own = models_of(paths, f"{level:g}")
                card = read_taken(own, whole=False)
                task = Task(level, study.scale(level), card.get("phase"))
                accept = {"level"} & set(settings["accept"])
                check_task(card, model_files(own[-1])[1], load(name), task, accept)
        kept = {key: settings[key] for key in ("predict", "nlm_before_threshold", "accept")}
        taken = paths[0] if isinstance(stated, str) else paths
        methods[name] = {**card["settings"], **kept, "model": taken}
    return study.model_copy(update={"methods": methods})


def read_study(path: str | PathLike) -> tuple[Study, list[Sample]]:
    """Read and check a study file with its sample sheet; see `load_study`."""
    return load_study(read_keys(path), path)


def read_keys(path: str | PathLike) -> Any:
    """Read a study file without checking its keys.

    Parameters
    ----------
    path : path-like
        The study file.

    Returns
    -------
    object
        Its content, a dict where it is a study.

    Raises
    ------
    AcuityError
        If the file is absent, is no YAML or holds a key twice.
    """
    text = decode(read_bytes(path, "study file"), path, "study file")
    return parse_yaml(text, path, "study file")


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Put a place in front of what is said to be wrong there."""
    try:
        yield
    except AcuityError as error:
        raise AcuityError(f"{place}: {error}") from None


def _check_samples(
    study: Study, samples: list[Sample], lines: dict[str, tuple[int, str]], path: Path
) -> None:
    """Check the samples of a study's sheet together."""
    sheet = path.parent / study.samples
    if not samples:
        raise AcuityError(f"{sheet}: has no sample; allowed is a line for each, below the heading")
    for name in RESERVED & lines.keys():
        number, found = lines[name]
        raise AcuityError(
            f"{sheet}: line {number}: sample name {found!r} is reserved; choose another"
        )
    _check_roles(study, samples, path, sheet)
    where = {s.sample: f"{sheet}: line {lines[s.sample.lower()][0]}" for s in samples}
    for sample in samples:
        with _at(where[sample.sample]):
            _check_references(study, sample, where)
    check_sheet(study, samples, where)
    if study.paired_volumes:
        _check_restored(samples, where)
    _check_seeds(samples, sheet)


def _check_restored(samples: list[Sample], where: dict[str, str]) -> None:
    """Check that no fine volume of a pair is to be restored as if it were a coarse one."""
    fine = {sample.path: sample.sample for sample in samples if sample.role != "restore"}
    for sample in samples:
        if sample.role == "restore" and sample.path in fine:
            raise AcuityError(
                f"{where[sample.sample]}: sample {sample.sample!r} is to be restored and names {sample.path}, "
                f"the high-resolution volume of the pair {fine[sample.path]!r}; allowed is a volume of the "
                "low resolution"
            )


def _sheet(study: Study, path: Path) -> Path:
    """Return where a study's sample sheet lies; it must be there."""
    if "://" in study.samples:
        raise AcuityError(
            f"{path}: key 'samples': found the address {short(study.samples)}; allowed is a file "
            "beside the study, download the sample sheet first"
        )
    sheet = path.parent / study.samples
    if not study.samples.strip() or not os.path.exists(sheet):
        raise AcuityError(f"{path}: key 'samples': no sample sheet at {place(sheet)}")
    return sheet


def _read_lines(
    study: Study, sheet: Path, folder: Path
) -> tuple[list[Sample], dict[str, tuple[int, str]]]:
    """Return the samples of a sheet, and by name in small letters its line and the name."""
    line, columns, rows = read_sheet(sheet)
    for column in columns:
        if column not in Sample.model_fields:
            raise AcuityError(f"{sheet}: line {line}: {unknown(column, column, Sample)}")
    samples: list[Sample] = []
    lines: dict[str, tuple[int, str]] = {}
    for number, row in rows:
        with _at(f"{sheet}: line {number}"):
            try:
                sample = Sample.model_validate(row)
            except ValidationError as error:
                raise AcuityError(sentence(error, Sample)) from None
            # On the file systems of Windows and macOS, a and A are one.
            line, other = lines.setdefault(sample.sample.lower(), (number, sample.sample))
            if line != number:
                raise AcuityError(
                    f"sample {sample.sample!r} has the name of {other!r} in line {line}; names must "
                    "differ, and not in small and capital letters alone"
                )
            sample = _with_source(sample, study, folder)
            samples.append(_with_level(sample, study))
    return samples, lines


def _with_source(sample: Sample, study: Study, folder: Path) -> Sample:
    """Check that a sample has a seed where it is simulated, and files where it is imported."""
    own = sample.role == "restore" and sample.path is not None
    simulated = (study.foam is not None or study.xrm is not None) and not own
    if simulated or (study.specimen is not None and sample.seed is not None):
        if sample.seed is None or sample.path is not None or sample.low_path is not None:
            raise AcuityError(
                f"a simulated sample such as {sample.sample!r} needs a seed and no path"
            )
        return sample
    if sample.path is None or sample.seed is not None:
        raise AcuityError(
            f"sample {sample.sample!r} needs a path and no seed, since the study imports volumes"
        )
    return _with_files(sample, study, folder)


def _check_roles(study: Study, samples: list[Sample], path: Path, sheet: Path) -> None:
    """Check that something is judged, and that there is something to learn from."""
    roles = {sample.role for sample in samples}
    # Of a pair of volumes a part is held out, and judged.
    held = "train" in roles and study.paired_volumes and cast(Pair, study.pair).held_out != NONE
    if not roles & {"test", "restore"} and not held:
        raise AcuityError(f"{sheet}: no sample has the role test; nothing could be judged")
    if study.training_seeds and "test" not in roles and not held:
        raise AcuityError(
            f"{path}: key 'training_seeds': trainings are compared on test samples, and {sheet} has "
            "none; leave it out"
        )
    for key in study.methods:
        method = load(key)
        # What learns from XY planes can learn from the coarse volume itself.
        enough = {"train", "restore"} if method.by_planes else {"train"}
        if study.trains(key) and not roles & enough:
            raise AcuityError(f"{sheet}: no sample has the role train, but {key} learns from data")


def _check_references(study: Study, sample: Sample, names: dict[str, str]) -> None:
    """Check what a sample says of others, and its voxels where it has no truth."""
    for key in ("transforms_of", "repeat_of"):
        other = getattr(sample, key)
        if other is not None and (other == sample.sample or other not in names):
            raise AcuityError(
                f"{key} of sample {sample.sample!r} names {other!r}; allowed is another sample of the sheet"
            )
    if sample.transforms_of and study.align is None:
        raise AcuityError(
            f"sample {sample.sample!r} takes the transforms of {sample.transforms_of!r}, but the study has no align section"
        )
    for key in ("place", "middle_path", "middle_voxel_size"):
        pair = study.paired_volumes and sample.low_path is not None
        if getattr(sample, key) is not None and not pair:
            raise AcuityError(
                f"sample {sample.sample!r} has a {key}, which only pairs of volumes have; leave it out"
            )
    if sample.role == "restore":
        level_of(sample, study)


def _check_seeds(samples: list[Sample], sheet: Path) -> None:
    """Check that no two simulated samples are the same."""
    seeds: dict[int | None, str] = {}
    for sample in samples:
        other = seeds.setdefault(sample.seed, sample.sample)
        if sample.seed is not None and other != sample.sample:
            raise AcuityError(
                f"{sheet}: samples {other!r} and {sample.sample!r} have the same seed, {sample.seed}, "
                "and would be the same; allowed is one sample a seed"
            )


def _with_files(sample: Sample, study: Study, folder: Path) -> Sample:
    """Make the paths of a sample relative to the working folder; the files must be there.

    Addresses in a bucket stay as they are.
    """
    paired = study.pair is not None and sample.role != "restore"
    if paired != (sample.low_path is not None):
        why = (
            "has no low_path, the image of low resolution; a study with a pair section needs both, "
            "but for the role restore"
            if paired
            else "has a low_path, which only samples of a study with a pair section have, and none of "
            "the role restore, whose path is its one image"
        )
        raise AcuityError(f"sample {sample.sample!r} {why}")
    with _at(f"sample {sample.sample!r}"):
        stated = {key: getattr(sample, key) for key in ("path", "low_path", "middle_path")}
        files = {
            key: check_remote(path) if is_remote(path) else _local(path, folder)
            for key, path in stated.items()
            if path is not None
        }
    return sample.model_copy(update=files)


def _local(path: str, folder: Path) -> str:
    """Return where an input lies, seen from the working folder; it must be there."""
    name, dataset = split_name(path)
    if _ADDRESS.match(name):
        raise AcuityError(
            f"{name}: is an address; allowed are files and folders of this machine and "
            "s3://BUCKET/KEY, download it first"
        )
    # The same letters in another form: accents of their own, as macOS writes them, or not.
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    name = next((form for form in (name, *forms) if os.path.lexists(folder / form)), name)
    found = str(folder / name) + (f":{dataset}" if dataset else "")
    try:
        files_of(found)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AcuityError(f"{place(name)}: cannot be read ({reason})") from None
    except AcuityError as error:
        if os.path.lexists(folder / name):
            raise
        raise AcuityError(f"{error}{_hint(name)}") from None
    return found


def _hint(name: str) -> str:
    """Why there may be no file of this name."""
    if not name.isprintable():
        return f"; the name holds a character that cannot be seen, it is {name!a}"
    if "\\" in name:
        return "; folders are separated by /, and a drive of Windows has no letter here"
    if name.startswith("~") or "$" in name:
        return "; ~ and variables of the shell stay as they are, state the whole path"
    if " #" in name:
        return "; # is part of the name, a comment is a line of its own that begins with #"
    if name[:1] in "'\"" and name[:1] == name[-1:]:
        return "; the quotation marks are part of the name, leave them out"
    return ""


def _with_level(sample: Sample, study: Study) -> Sample:
    """Say of which level a pair is, and a sample to restore; others are made at all levels."""
    own = sample.role == "restore" and not study.axial
    if study.pair is None and not own:
        if sample.level is not None:
            raise AcuityError(
                f"sample {sample.sample!r} has a level, which only samples of a study with a pair "
                "section have, and those with the role restore whose voxels do not tell it"
            )
        return sample
    levels = [int(level) if study.flat else level for level in study.levels]
    level = sample.level or (levels[0] if len(levels) == 1 else None)
    if level not in levels:
        found = "no level" if level is None else f"the level {level:g}"
        raise AcuityError(
            f"sample {sample.sample!r} has {found}; allowed are the study's, "
            f"{', '.join(f'{level:g}' for level in levels)}"
        )
    return sample.model_copy(update={"level": levels[levels.index(level)]})


def level_of(sample: Sample, study: Study) -> float:
    """Return the level that a sample without truth is restored from.

    Parameters
    ----------
    sample : Sample
        With the role restore.
    study : Study

    Returns
    -------
    float

    Raises
    ------
    AcuityError
        As `anisotropy_factor`, where it follows from the voxels.
    """
    return anisotropy_factor(sample, study) if study.axial else cast(float, sample.level)


def anisotropy_factor(sample: Sample, study: Study) -> int:
    """Return how much coarser the slices of a volume without truth are than its planes.

    Parameters
    ----------
    sample : Sample
        With the role restore.
    study : Study
        Its levels must hold the factor.

    Returns
    -------
    int

    Raises
    ------
    AcuityError
        If the sheet does not say the voxel size, the factor is no whole number, or no level.
    """
    if sample.voxel_size is None:
        raise AcuityError(
            f"sample {sample.sample!r} has the role restore and no voxel_size; state it, such as '40 10 10 nm' (z y x)"
        )
    (z, y, x), unit = parse_voxel_size(sample.voxel_size)
    if sample.pitch is not None:
        (z, *_), own = parse_voxel_size(sample.pitch)
        z = convert(z, own, unit)
    factor = z / y
    if not math.isclose(x, y, rel_tol=1e-3) or abs(factor - round(factor)) > 0.01 * factor:
        raise AcuityError(
            f"sample {sample.sample!r} has voxels of {z:g} x {y:g} x {x:g} {unit} (z y x); the distance between slices must be a whole multiple of the pixel"
        )
    if round(factor) not in study.levels:
        raise AcuityError(
            f"sample {sample.sample!r} has slices {round(factor)} times as coarse as its planes, which is none of the study's levels ({', '.join(f'{level:g}' for level in study.levels)})"
        )
    return round(factor)

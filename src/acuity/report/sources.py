"""What the report's pages and figures are made from, gathered from the files of a study."""

import datetime
import importlib.metadata
import math
import os
import platform

from acuity.assumptions import TOLD
from acuity.formats.files import split_name
from acuity.keys import by_image
from acuity.report.style import look
from acuity.report.verdict import unit_text
from acuity.seen import learned_boxes
from acuity.tables import read_keyed, read_table
from acuity.volume import open_volume

_PACKAGES = ("acuity", "numba", "numpy", "pandas", "scipy", "snakemake", "zarr")
_EXECUTION = ("device", "precision", "layout")
_FAR_OUT = 4  # widths of the central 99.8 % of the values; a range is one or two, a deviation less
TEXT = {"sample": str, "variant": str, "subset": str, "unit": str, "size_class": str}


def study_tables(files, histories=None):
    """Read the tables of a study.

    Parameters
    ----------
    files : mapping of str to path
        ``metrics``, ``pores``, ``curves`` and ``spaces``: tables of all images. Others are passed over.
    histories : dict of acuity.keys.Key to path, optional
        Course of each training.

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables, among them ``histories``, where there are any.
    """
    names = ("metrics", "pores", "curves", "spaces")
    read = {name: read_table(files[name], dtype=TEXT) for name in names if name in files}
    return {**read, **({"histories": read_keyed(histories)} if histories else {})}


def read_slices(path):
    """Read a table of an alignment; an empty flag is the word for no fault."""
    return read_table(path, keep_default_na=False, na_values={"ncc": [""], "residual": [""]})


def warnings(cards, training=""):
    """Say what the trainings of a study were warned of, from what their cards tell.

    Parameters
    ----------
    cards : list of ModelCard
    training : str
        What stands before the names of their methods.

    Returns
    -------
    list of str
        A sentence each.
    """
    return [
        f"{training}{look(card.method).name}, level {card.level:g}: {said}"
        for card in cards
        for said in _warned_of(card)
    ] + [
        f"{training}{look(card.method).name}, level {card.level:g}, the model for voxels of {_voxel(link)}: {said}"
        for card in cards
        for link in card.links
        for said in _warned_of(link)
    ]


def _voxel(card):
    """The voxel that a model of a chain is for."""
    return f"{card.made_for['voxel_size'][0][0]:.4g} {card.made_for['unit']}"


def _warned_of(card):
    """What the training of a model was warned of, from what its card tells."""
    restored, given = card.scores.get("psnr"), card.scores.get("psnr_input")
    if restored is not None and given is not None and not restored >= given:
        yield (
            "on what was held out of the training, what it restores is further from the target "
            f"({restored:.2f} dB) than its input is ({given:.2f} dB); it has diverged, or learned too little."
        )
    if skipped := card.training.get("skipped_steps"):
        back = card.training["rollbacks"]
        times = "once" if back == 1 else f"{back} times"
        yield (
            f"{skipped} steps of the training were skipped, since their loss was not finite"
            + (f"; it went back to earlier weights {times}." if back else ".")
        )
    own, width = (card.normalisation or {}).get("target", {}).get("std"), card.data_range
    if own and width and own > _FAR_OUT * width:
        yield (
            f"a few voxels of its training lie far out; it was normalised by {own:,.4g}, and 99.8 % of the "
            f"target's values lie within {width:,.4g}."
        )
    asked, taken = card.settings.get("train", {}).get("patch"), card.training.get("patch")
    if asked and taken and any(a < b for a, b in zip(taken, asked, strict=True)):
        taken, asked = (" x ".join(map(str, shape)) for shape in (taken, asked))
        yield f"it learned from patches of {taken} where {asked} were asked for, cut to what fits the volumes."


def image_warnings(table, volumes):
    """Say what is not as methods and measures assume it, a sentence for each finding.

    Parameters
    ----------
    table : path
        ``warnings.tsv``, of the measures.
    volumes : dict of acuity.keys.Key to path
        Volumes of all images: a restoration tells in its provenance what it has found.

    Returns
    -------
    list of str
        The same finding of several measures is said once, with what it does to each.
    """
    rows = read_table(table, dtype=TEXT).fillna({"variant": ""}).to_dict("records")
    for key, path in volumes.items():
        for step in open_volume(path, complete=False).provenance[-1:]:
            of = {**key._asdict(), "level": key.level or math.nan, "variant": ""}
            rows += [of | said for key in ("warnings", "gap") for said in step.get(key, [])]
            rows += [of | _outside(said) for said in step.get("accepted", [])]
    effects = {}
    for row in rows:
        effects.setdefault((_whose(row), row["finding"]), {})[row["effect"]] = None
    return [f"{who}: {found}; {'; '.join(said)}." for (who, found), said in effects.items()]


def _outside(said):
    """What is said of an input that is not like those that a model was made for."""
    effect = "that is outside of what the model was made for, and was accepted"
    return dict(zip(TOLD, ("input", said, effect), strict=True))


def _whose(row):
    """The image, or its truth or input, that a finding is about."""
    of, method, level = row["volume"], row["method"], float(row["level"])
    if of == "samples":
        return "Unseen samples, pooled"
    if of == "truth" or method == "truth":
        return f"{row['sample']}, the truth"
    method, _, variant = method.partition("@")
    name = look(method).name + (f" ({said})" if (said := row["variant"] or variant) else "")
    return f"{row['sample']}, {name}, level {level:g}" + (", its input" if of == "input" else "")


def run_date(table):
    """Give the day on which a study was run: that on which its table was written.

    Of a page that is written anew from the same table it is the same day.

    Parameters
    ----------
    table : path

    Returns
    -------
    str
        Such as ``"2026-11-29"``, in UTC.
    """
    written = os.stat(table).st_mtime
    return datetime.datetime.fromtimestamp(written, datetime.UTC).date().isoformat()


def seen_samples(tables):
    """Name the samples that are judged and were seen in training.

    Parameters
    ----------
    tables : list of path
        Of `acuity.seen.check_volumes`; none where nothing was compared.

    Returns
    -------
    list of str
    """
    found = [read_table(path, dtype={"test": str}) for path in tables]
    return [n for table in found for n in table.loc[table["voxels"] != "other", "test"].unique()]


def seen_note(tables, sample=None):
    """Say of a page, or of figures, that they show what models learned from.

    Parameters
    ----------
    tables : list of path
        As for `seen_samples`.
    sample : str, optional
        The one sample that is shown; by default all of a study.

    Returns
    -------
    str
        Empty where that is not so.
    """
    names = seen_samples(tables)
    if sample is not None:
        words = (
            "Seen in training: models learned from voxels of this sample, so its figures flatter."
        )
        return words if sample in names else ""
    which = " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
    return f"Seen in training: {which}. Figures that hold such a sample flatter." if names else ""


def learned_part(imported=None, learned=()):
    """Say of a volume without truth which part of it models learned from.

    Parameters
    ----------
    imported : path, optional
        The volume as it was imported; none for other samples.
    learned : list of path
        Those that models learned from.

    Returns
    -------
    note : str
        Empty where they learned from none of it.
    boxes : list
        Of `acuity.seen.learned_boxes`.
    """
    boxes = [] if imported is None else learned_boxes(imported, learned)
    if not boxes:
        return "", []
    if learned_boxes(imported, [imported])[0] in boxes:
        return "Models learned from all of this volume.", []
    unit = unit_text(open_volume(imported, complete=False).grid.unit)
    flat = open_volume(imported, complete=False).grid.shape[0] == 1  # an image has no z
    parts = [
        ", ".join(
            f"{axis} {a:.6g} to {b:.6g}"
            for axis, (a, b) in list(zip("zyx", box, strict=True))[flat:]
        )
        for box in dict.fromkeys(boxes)
    ]
    return f"Models learned from a part of this volume: {'; '.join(parts)} {unit}.", boxes


def without_folders(row):
    """Give a row of the sample sheet with the names of its files alone.

    Parameters
    ----------
    row : dict

    Returns
    -------
    dict
    """
    files = {
        key: _file_name(row[key]) for key in ("path", "low_path", "middle_path") if row.get(key)
    }
    return row | files


def _file_name(path):
    """The name of a file, with the dataset in it."""
    file, dataset = split_name(path)
    return os.path.basename(os.path.normpath(file)) + (f":{dataset}" if dataset else "")


def sample_sources(kinds):
    """Find the volumes of one sample by method and level, and read what became of its objects.

    Parameters
    ----------
    kinds : mapping of str to dict of Key to path
        ``volumes`` and, where the study has them, ``labels``, ``maps`` and ``statuses``
        (`acuity.keys.by_kind`).

    Returns
    -------
    dict
        volumes, labels, maps, statuses: each by (method, level).
    """
    names = ("volumes", "labels", "maps", "statuses")
    found = {name: by_image(kinds.get(name, {})) for name in names}
    fates = found["statuses"].items()
    return found | {"statuses": {image: read_table(path, dtype=TEXT) for image, path in fates}}


def told_of(files, sample=None):
    """Say of a sample's figures that they show what models learned from, and where.

    Parameters
    ----------
    files : mapping
        ``seen``, tables as for `seen_note`; of a sample without truth ``imported`` and ``learned``, as
        for `learned_part`.
    sample : str, optional
        As for `seen_note`.

    Returns
    -------
    words : str
        Empty where that is not so.
    boxes : list
        As of `learned_part`.
    """
    learned, boxes = learned_part(files.get("imported"), files.get("learned", ()))
    return learned or seen_note(files["seen"], sample), boxes


def input_file(volumes):
    """Say how the file of a sample was read: its voxel size and from where, and what was noted.

    Parameters
    ----------
    volumes : dict
        Volumes of the sample, the truth first.

    Returns
    -------
    dict
        The heading to what stands under it; empty for simulated samples.
    """
    for path in volumes.values():
        steps = open_volume(path, complete=False).provenance
        read = [step for step in steps if step.get("step") == "ingest"]
        if read:
            return {"input file": {key: said for key, said in read[-1].items() if key != "step"}}
    return {}


def provenance(settings, sheet, cards):
    """Say where the figures of a study come from.

    Parameters
    ----------
    settings : dict
        The study file, defaults filled in.
    sheet : list of dict
        The sample sheet; of its files the names are shown, and no folders.
    cards : list of ModelCard

    Returns
    -------
    dict
        Headings to what stands under them.
    """
    models = {}
    versions = {"python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    for card in cards:
        versions |= card.versions
        models[f"{card.method}, level {card.level:g}"] = {
            "parameters": card.parameters,
            "training": card.training,
            "execution": {k: card.execution[k] for k in _EXECUTION if k in card.execution},
            "data digests": card.data,
            "weights": card.weights,
        }
    sheet = [without_folders(row) for row in sheet]
    shown = {"Samples": sheet, "Study": settings, "Models": models, "Software": versions}
    return {heading: content for heading, content in shown.items() if content}

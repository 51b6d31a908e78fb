"""What the report's pages and figures are made from, gathered from the files of a study."""

import datetime
import importlib.metadata
import math
import os
import platform
from pathlib import Path

from acuity.formats.files import split_name
from acuity.report.style import look
from acuity.report.verdict import unit_text
from acuity.seals import again
from acuity.seen import learned_boxes
from acuity.tables import read_stack, read_table
from acuity.volume import open_volume, read_sealed_json

_PACKAGES = ("acuity", "numba", "numpy", "pandas", "scipy", "snakemake", "zarr")
_FAR_OUT = 4  # widths of the central 99.8 % of the values; a range is one or two, a deviation less
TEXT = {"sample": str, "variant": str, "subset": str, "unit": str, "size_class": str}


def study_tables(metrics, pores, curves, spaces, histories, trained):
    """Read the tables of a study.

    Parameters
    ----------
    metrics, pores, curves, spaces : path
        Tables of all images.
    histories : list of path
        Course of each training.
    trained : list of (str, str)
        Method and level of each training.

    Returns
    -------
    dict
        metrics, pores, curves, spaces, histories: tables.
    """
    keys = [{"method": method, "level": float(level)} for method, level in trained]
    tables = {"metrics": metrics, "pores": pores, "curves": curves, "spaces": spaces}
    read = {name: read_table(path, dtype=TEXT) for name, path in tables.items()}
    return {**read, "histories": read_stack(histories, keys) if histories else None}


def read_slices(path):
    """Read a table of an alignment; an empty flag is the word for no fault."""
    return read_table(path, keep_default_na=False, na_values={"ncc": [""], "residual": [""]})


def stack_tables(samples, slices, pairs):
    """Read the tables of slices and pairs of the aligned samples.

    Parameters
    ----------
    samples : list of str
        Their names.
    slices, pairs : list of path
        Files in that order.

    Returns
    -------
    dict of str to (pandas.DataFrame, pandas.DataFrame)
    """
    return {
        sample: (read_slices(a), read_slices(b))
        for sample, a, b in zip(samples, slices, pairs, strict=True)
    }


def image_files(images, files):
    """Give files of images by method and level.

    Parameters
    ----------
    images : list of (str or None, str)
        Level and method of each image; the truth has no level.
    files : list of path
        In that order.

    Returns
    -------
    dict of (str, float or None) to path
    """
    keys = [(method, None if level is None else float(level)) for level, method in images]
    return dict(zip(keys, files, strict=True))


def model_cards(trained, files):
    """Read the cards of models by method and level.

    Parameters
    ----------
    trained : list of (str, str)
        Method and level of each model.
    files : list of path
        Their cards, in that order.

    Returns
    -------
    dict of (str, float) to dict
    """
    return {
        (method, float(level)): _read_card(path)
        for (method, level), path in zip(trained, files, strict=True)
    }


def _read_card(path):
    return read_sealed_json(Path(path), "nothing can be said of its model", again(path))


def warnings(cards, prefix=""):
    """Say what the trainings of a study were warned of, from what their cards tell.

    Parameters
    ----------
    cards : list of path
        Cards of the models.
    prefix : str
        What stands before the names of their methods.

    Returns
    -------
    list of str
        A sentence each.
    """
    found = []
    for path in cards:
        card = _read_card(path)
        scores, training = card.get("scores", {}), card["training"]
        which = f"{prefix}{look(card['method']).name}, level {card['level']:g}"
        restored, given = scores.get("psnr"), scores.get("psnr_input")
        if restored is not None and given is not None and not restored >= given:
            found.append(
                f"{which}: on what was held out of the training, what it restores is further from the "
                f"target ({restored:.2f} dB) than its input is ({given:.2f} dB); it has diverged, or "
                "learned too little."
            )
        if skipped := training.get("skipped_steps"):
            back = training["rollbacks"]
            found.append(
                f"{which}: {skipped} steps of the training were skipped, since their loss was not finite"
                + (f"; it went back to earlier weights {_times(back)}." if back else ".")
            )
        own, width = (
            (card.get("normalisation") or {}).get("target", {}).get("std"),
            card.get("data_range"),
        )
        if own and width and own > _FAR_OUT * width:
            found.append(
                f"{which}: a few voxels of its training lie far out; it was normalised by {own:,.4g}, and "
                f"99.8 % of the target's values lie within {width:,.4g}."
            )
        asked, taken = card["settings"].get("train", {}).get("patch"), training.get("patch")
        if asked and taken and any(a < b for a, b in zip(taken, asked, strict=True)):
            found.append(
                f"{which}: it learned from patches of {_by(taken)} where {_by(asked)} were asked for, cut "
                "to what fits the volumes."
            )
    return found


def image_warnings(table, images, volumes):
    """Say what is not as methods and measures assume it, a sentence for each finding.

    Parameters
    ----------
    table : path
        ``warnings.tsv``, of the measures.
    images : list of (str, str or None, str)
        Sample, level and method of each image; the truth has no level.
    volumes : list of path
        Their volumes, in that order: a restoration tells in its provenance what it has found.

    Returns
    -------
    list of str
        The same finding of several measures is said once, with what it does to each.
    """
    rows = read_table(table, dtype=TEXT).to_dict("records")
    for (sample, level, method), path in zip(images, volumes, strict=True):
        for step in open_volume(path, complete=False).provenance[-1:]:
            of = {"sample": sample, "level": level or math.nan, "method": method, "variant": ""}
            rows += [of | said for said in step.get("warnings", [])]
    effects = {}
    for row in rows:
        said = effects.setdefault((_whose(row), row["finding"]), {})
        said[row["effect"]] = None
    return [f"{who}: {found}; {'; '.join(said)}." for (who, found), said in effects.items()]


def _whose(row):
    """The image, or its truth or input, that a finding is about."""
    of, method, level = row["volume"], row["method"], float(row["level"])
    if of == "samples":
        return "Unseen samples, pooled"
    if of == "truth" or method == "truth":
        return f"{row['sample']}, the truth"
    method, _, variant = method.partition("@")
    name = look(method).name + (f" ({said})" if (said := _text(row["variant"]) or variant) else "")
    return f"{row['sample']}, {name}, level {level:g}" + (", its input" if of == "input" else "")


def _text(value):
    return value if isinstance(value, str) else ""


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


def learned_part(files):
    """Say of a volume without truth which part of it models learned from.

    Parameters
    ----------
    files : list of path
        The imported volume, and behind it those that models learned from; none for other samples.

    Returns
    -------
    note : str
        Empty where they learned from none of it.
    boxes : list
        Of `acuity.seen.learned_boxes`.
    """
    if not files:
        return "", []
    boxes = learned_boxes(files[0], files[1:])
    if not boxes:
        return "", []
    if learned_boxes(files[0], files[:1])[0] in boxes:
        return "Models learned from all of this volume.", []
    unit = unit_text(open_volume(files[0], complete=False).grid.unit)
    parts = [
        ", ".join(f"{axis} {a:.6g} to {b:.6g}" for axis, (a, b) in zip("zyx", box, strict=True))
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
    files = {key: _file_name(row[key]) for key in ("path", "low_path") if row.get(key)}
    return row | files


def _file_name(path):
    """The name of a file, with the dataset in it."""
    file, dataset = split_name(path)
    return os.path.basename(os.path.normpath(file)) + (f":{dataset}" if dataset else "")


def _times(number):
    return "once" if number == 1 else f"{number} times"


def _by(shape):
    return " x ".join(map(str, shape))


def image_curves(images, files):
    """Read curves of images and put them under each other, with method and level in front.

    Parameters
    ----------
    images : list of (str or None, str)
        Level and method of each image; the truth has no level.
    files : list of path
        In that order; none where the study has no such curves.

    Returns
    -------
    pandas.DataFrame or None
    """
    if not files:
        return None
    keys = [
        {"method": method, "level": math.nan if level is None else float(level)}
        for level, method in images
    ]
    return read_stack(files, keys)


def sample_sources(images, volumes, labels, maps, statuses):
    """Find the volumes and tables of one sample by method and level.

    Parameters
    ----------
    images : list of (str or None, str)
        Level and method of each image, the truth first; it has no level and no map.
    volumes, labels, maps, statuses : list of path
        Files in that order; empty lists of what the study does not have.

    Returns
    -------
    dict
        volumes, labels, maps, statuses: each by (method, level).
    """
    restored = [image for image in images if image[1] != "truth"]
    fates = [read_table(path, dtype=TEXT) for path in statuses]
    return {
        "volumes": image_files(images, volumes),
        "labels": image_files(images if labels else [], labels),
        "maps": image_files(restored if maps else [], maps),
        "statuses": image_files(images if fates else [], fates),
    }


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
    cards : list of path
        Cards of the models.

    Returns
    -------
    dict
        Headings to what stands under them.
    """
    models = {}
    versions = {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in _PACKAGES
    }
    for path in cards:
        card = _read_card(path)
        versions |= card["versions"]
        models[f"{card['method']}, level {card['level']:g}"] = {
            "parameters": card["parameters"],
            "training": card["training"],
            "execution": {
                key: card["execution"][key]
                for key in ("device", "precision", "layout")
                if key in card["execution"]
            },
            "data digests": card["data"],
            "weights": card["weights"],
        }
    sheet = [without_folders(row) for row in sheet]
    shown = {"Samples": sheet, "Study": settings, "Models": models, "Software": versions}
    return {heading: content for heading, content in shown.items() if content}

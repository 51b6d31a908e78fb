"""Measure an alignment on shifts and faults that were put into a real stack."""

import numpy as np
import pandas as pd

from acuity.errors import AcuityError, require
from acuity.tables import read_table, tidy_row


def check(found_slices, reference_slices, added):
    """Compare the path found on a disturbed stack with what was added to it.

    Real slices move by themselves, and nobody knows how: the error is (found with) - (found
    without) - (added), of which only differences from one slice to the next have a meaning.

    Parameters
    ----------
    found_slices : path-like
        Table of slices that `acuity.align.align` wrote for the disturbed stack.
    reference_slices : path-like
        The same for the undisturbed one, in the same field.
    added : path-like
        Table that `acuity.align.disturb` wrote.

    Returns
    -------
    rows : list of dict
        metric, subset, value, unit. ``stack_rms`` (voxel): root mean square of the length of the
        error from one good slice to the next good one; by axis in the subsets y and x.
        ``stack_rms_neighbours``: the same over the steps that begin or end beside a faulty slice.
        ``stack_error_max``: the longest. ``faults_found``, ``faults_missed``, ``faults_false``:
        slices; a fault found under another name counts as found, and ``faults_named`` counts those
        with their own.
    table : pandas.DataFrame
        One row a slice: z, error_dy, error_dx (accumulated, the first good one zero), step (length of
        its change from the good slice before; empty for the first one and for faulty ones), fault,
        flag.

    Raises
    ------
    AcuityError
        If the tables are not of the same slices, or fewer than two are good.
    """
    files, axes = (found_slices, reference_slices, added), ["dy", "dx"]
    none = {"ncc": [""], "step": [""]}
    tables = [read_table(path, keep_default_na=False, na_values=none) for path in files]
    found, without, truth = tables
    for path, table, said in zip(files, tables, ("flag", "flag", "fault"), strict=True):
        missing = [column for column in ("z", *axes, said) if column not in table]
        if missing:
            raise AcuityError(f"{path}: lacks the column {missing[0]}; found {list(table)}.")
        if len(table) != len(truth) or list(table["z"]) != list(range(len(table))):
            raise AcuityError(
                f"{path}: has {len(table)} slices where {added} has {len(truth)}; they must be the "
                "same, from 0 up."
            )
    error = found[axes].to_numpy() - without[axes].to_numpy() - truth[axes].to_numpy()
    fault = truth["fault"].to_numpy(str)
    flag = found["flag"].to_numpy(str)
    # A slice that the reference had to interpolate has no true place to compare with.
    sound = (fault == "") & (without["flag"].to_numpy(str) == "")
    good = np.flatnonzero(sound)
    require(len(good) >= 2, f"{added}: only {len(good)} slices are good, at least two are needed.")
    error = error - error[good[0]]
    moves = np.diff(error[good], axis=0)
    step = np.full(len(error), np.nan)
    step[good[1:]] = np.hypot(*moves.T)
    beside = np.convolve(fault != "", [1, 1, 1], "same") > 0
    near = beside[good[1:]] | beside[good[:-1]]

    rows = [tidy_row("stack_rms", _rms(step[good[1:]]), "voxel")]
    rows += [tidy_row("stack_rms", _rms(moves[:, i]), "voxel", axis) for i, axis in enumerate("yx")]
    rows.append(tidy_row("stack_error_max", np.nanmax(step), "voxel"))
    if near.any():
        rows.append(tidy_row("stack_rms_neighbours", _rms(step[good[1:]][near]), "voxel"))
    faulty, flagged = fault != "", flag != ""
    counted = {
        "faults_found": faulty & flagged,
        "faults_named": faulty & (flag == fault),
        "faults_missed": faulty & ~flagged,
        "faults_false": ~faulty & flagged & sound,
    }
    rows += [tidy_row(name, where.sum()) for name, where in counted.items()]
    columns = {"z": range(len(error)), "error_dy": error[:, 0], "error_dx": error[:, 1]}
    return rows, pd.DataFrame(columns).assign(step=step, fault=fault, flag=flag)


def _rms(values):
    return np.sqrt(np.mean(values**2))

"""Measure an alignment on shifts and faults that were put into a real stack."""

import numpy as np
import pandas as pd

from acuity.errors import AcuityError
from acuity.tables import read_table


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
    found, without, truth = (
        read_table(path, keep_default_na=False, na_values={"ncc": [""], "step": [""]})
        for path in (found_slices, reference_slices, added)
    )
    for path, table, columns in (
        (found_slices, found, ("z", "dy", "dx", "flag")),
        (reference_slices, without, ("z", "dy", "dx", "flag")),
        (added, truth, ("z", "dy", "dx", "fault")),
    ):
        missing = [column for column in columns if column not in table]
        if missing:
            raise AcuityError(f"{path}: lacks the column {missing[0]}; found {list(table)}.")
        if len(table) != len(truth) or list(table["z"]) != list(range(len(table))):
            raise AcuityError(
                f"{path}: has {len(table)} slices where {added} has {len(truth)}; they must be the "
                "same, from 0 up."
            )
    axes = ["dy", "dx"]
    error = found[axes].to_numpy() - without[axes].to_numpy() - truth[axes].to_numpy()
    fault = truth["fault"].to_numpy(str)
    flag = found["flag"].to_numpy(str)
    # A slice that the reference had to interpolate has no true place to compare with.
    sound = (fault == "") & (without["flag"].to_numpy(str) == "")
    good = np.flatnonzero(sound)
    if len(good) < 2:
        raise AcuityError(f"{added}: only {len(good)} slices are good, at least two are needed.")
    error = error - error[good[0]]
    moves = np.diff(error[good], axis=0)
    step = np.full(len(error), np.nan)
    step[good[1:]] = np.hypot(*moves.T)
    beside = np.convolve(fault != "", [1, 1, 1], "same") > 0
    near = beside[good[1:]] | beside[good[:-1]]
    hit = (fault != "") & (flag != "")

    rows = [
        _row("stack_rms", "all", np.sqrt(np.mean(step[good[1:]] ** 2)), "voxel"),
        *(
            _row("stack_rms", axis, np.sqrt(np.mean(moves[:, i] ** 2)), "voxel")
            for i, axis in enumerate("yx")
        ),
        _row("stack_error_max", "all", np.nanmax(step), "voxel"),
        _row("faults_found", "all", hit.sum(), ""),
        _row("faults_named", "all", ((fault != "") & (flag == fault)).sum(), ""),
        _row("faults_missed", "all", ((fault != "") & (flag == "")).sum(), ""),
        _row("faults_false", "all", ((fault == "") & (flag != "") & sound).sum(), ""),
    ]
    if near.any():
        value = np.sqrt(np.mean(step[good[1:]][near] ** 2))
        rows.insert(4, _row("stack_rms_neighbours", "all", value, "voxel"))
    table = pd.DataFrame(
        {
            "z": range(len(error)),
            "error_dy": error[:, 0],
            "error_dx": error[:, 1],
            "step": step,
            "fault": fault,
            "flag": flag,
        }
    )
    return rows, table


def _row(metric, subset, value, unit):
    return {"metric": metric, "subset": subset, "value": float(value), "unit": unit}

"""One specimen under an X-ray microscope at two magnifications: its bodies, scans, poses and true map."""

from itertools import pairwise

import numpy as np
import pandas as pd

from acuity.simulate import chip as chips
from acuity.simulate import seed as seeds
from acuity.simulate.bodies import pack
from acuity.simulate.microscope import LEVELS, Magnifications
from acuity.simulate.xrm import Exposures, Pose, ScanSettings, stage, table_scan, true_map

MATERIALS = {"seed": seeds.MATERIALS, "chip": chips.MATERIALS}


def specimen_table(settings: Magnifications, number: int) -> pd.DataFrame:
    """Make a specimen.

    Pores that only the high scan shows lie where that scan looks; without it there are none.

    Parameters
    ----------
    settings : Magnifications
        The specimen and its scans.
    number : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        Table of bodies, see `acuity.simulate.bodies`, um.
    """
    sizes = {"width": settings.width, "most": settings.most}
    if settings.fine == "high":
        steps = (np.asarray(settings.place) * settings.voxel(level) for level in LEVELS[:2])
        sizes["fine_place"] = tuple(map(float, sum(steps)))
    else:
        sizes["fine_radius"] = 0.0
    if settings.specimen == "seed":
        return seeds.seed(seeds.Seed(**sizes), number=number)
    return chips.chip(chips.Chip(**sizes), number=number)


def scan_settings(settings: Magnifications, which: str) -> ScanSettings:
    """Return the settings of a scan.

    Parameters
    ----------
    settings : Magnifications
        The specimen and its scans.
    which : str
        ``coarse``, ``fine``, or ``truth``: the fine scan over the whole coarse field, without noise and
        truncation, on the coarse voxels divided by the ratio.

    Returns
    -------
    ScanSettings
    """
    if which == "truth":
        coarse, fine = (scan_settings(settings, one) for one in ("coarse", "fine"))
        return fine.truth_for(coarse, settings.ratio)
    return _of_table(settings, getattr(settings, which))


def _of_table(settings: Magnifications, level: str) -> ScanSettings:
    photons = settings.photons[LEVELS.index(level)]
    return table_scan(
        settings.specimen,
        level,
        settings.side(level),
        photons=photons or None,
        blur=settings.blur,
        rays=settings.rays,
        density=settings.density,
    )


def poses(settings: Magnifications, number: int) -> dict[str, Pose]:
    """Return how a specimen stands in each scan.

    Each finer scan is reached from the next coarser one, and the stage errs anew.

    Parameters
    ----------
    settings : Magnifications
        The specimen and its scans.
    number : int
        Seed of the specimen; the stage's errors follow from it.

    Returns
    -------
    dict of str to Pose
        Of ``coarse``, ``fine`` and ``truth``, which stands as the coarse scan.
    """
    found = {"low": Pose()}
    errs = {"turn": settings.turn, "scale": settings.scale, "shift": settings.shift}
    for step, (level, finer) in enumerate(pairwise(LEVELS)):
        scan = _of_table(settings, level)
        wanted = np.asarray(settings.place, float) * scan.voxel
        found[finer] = stage(wanted, found[level], scan, 2 * number + step, **errs)
    coarse, fine = found[settings.coarse], found[settings.fine]
    return {"coarse": coarse, "fine": fine, "truth": coarse}


def map_between(settings: Magnifications, number: int) -> np.ndarray:
    """Return where voxels of the coarse volume lie in the fine one, (3, 4); see `true_map`."""
    pose = poses(settings, number)
    scans = {which: scan_settings(settings, which) for which in ("coarse", "fine")}
    return true_map(pose["coarse"], scans["coarse"], pose["fine"], scans["fine"])


def exposures(
    table: pd.DataFrame, settings: Magnifications, which: str, *, number: int, noise: int = 0
) -> Exposures:
    """Return the views of a scan of a specimen, made when they are asked for.

    Parameters
    ----------
    table : pandas.DataFrame
        The specimen, see `specimen_table`.
    settings : Magnifications
        The specimen and its scans.
    which : str
        ``coarse``, ``fine`` or ``truth``.
    number : int
        Seed of the specimen, from which its poses follow.
    noise : int
        Seed of the noise.

    Returns
    -------
    Exposures
    """
    scan, pose = scan_settings(settings, which), poses(settings, number)[which]
    return Exposures(pack(table), MATERIALS[settings.specimen], scan, pose, noise)

"""What a restoration is worth in dose: the exposure of the coarse scan that gives the same porosity error."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from acuity.geometry import full_circle
from acuity.interpolation import interpolate
from acuity.reconstruct.fdk import Cube, fdk
from acuity.simulate.xrm import Exposures
from acuity.tables import tidy_row
from acuity.volume import Volume, slabs

_DEPTH = 32


def dose_rows(
    exposures: Exposures,
    truth: Volume,
    cubic: Volume,
    images: Mapping[str, Volume],
    *,
    doses: Sequence[float],
    objects: str = "dark",
) -> list[dict]:
    """Find how much longer a coarse scan must be exposed to give the porosity error of a restoration.

    The scan is simulated anew at each dose, with noise of its own, interpolated by cubic splines and brought
    to the fine scan's grey values as the study's own cubic image was; one threshold holds for all.

    Parameters
    ----------
    exposures : Exposures
        The coarse scan of the sample at its own dose. All its views are held at once.
    truth, cubic : Volume
        The judged part of the truth and of cubic interpolation; what they were judged with is their last
        step.
    images : mapping of str to Volume
        The judged parts of what methods restored, by their names.
    doses : sequence of float
        Multiples of the scan's dose that are tried, rising.
    objects : str
        ``dark`` or ``bright``: whose share of the volume the porosity is.

    Returns
    -------
    list of dict
        Rows ``porosity_error_at_dose`` of cubic interpolation, the dose in their subset, and
        ``dose_equivalent``, the method in its subset: 1 where the scan at its own dose is as good,
        infinite where the largest dose is not.
    """
    step = cubic.provenance[-1]
    threshold = step["threshold"]

    def error(parts: Iterator[np.ndarray], size: int) -> float:
        below = sum(int(np.count_nonzero(part <= threshold)) for part in parts) / size
        share = below if objects == "dark" else 1.0 - below
        return share

    size = int(np.prod(truth.grid.shape))
    true = error(_parts(truth), size)
    errors = {
        dose: abs(error(iter([step["gain"] * part + step["offset"]]), size) / true - 1)
        for dose, part in _at_doses(exposures, truth, doses)
    }
    rows = [
        tidy_row("porosity_error_at_dose", value, subset=f"x{dose:g}")
        for dose, value in errors.items()
    ]
    for name, image in images.items():
        own = abs(error(_parts(image), size) / true - 1)
        value = equivalent(own, list(errors), list(errors.values()))
        rows.append(tidy_row("dose_equivalent", value, subset=name))
    return rows


def equivalent(error: float, doses: Sequence[float], errors: Sequence[float]) -> float:
    """Return the least dose, between those tried, at which an error is reached.

    Parameters
    ----------
    error : float
        The error to reach.
    doses, errors : sequence of float
        Rising doses, and the error at each; between two of them the error is taken to be linear in
        the logarithm of the dose.

    Returns
    -------
    float
        The first dose where it is reached there, infinite where it is nowhere.
    """
    if errors[0] <= error:
        return float(doses[0])
    for n in range(1, len(doses)):
        if errors[n] <= error:
            part = (errors[n - 1] - error) / (errors[n - 1] - errors[n])
            return float(np.exp(np.interp(part, [0, 1], np.log([doses[n - 1], doses[n]]))))
    return float("inf")


def _parts(volume: Volume) -> Iterator[np.ndarray]:
    for z0, z1 in slabs(volume.grid.shape[0], _DEPTH):
        yield volume.read(slice(z0, z1))


def _at_doses(
    exposures: Exposures, truth: Volume, doses: Sequence[float]
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the judged part of the coarse scan at each dose, by cubic interpolation."""
    settings, geometry = exposures.settings, exposures.geometry
    transmission = exposures.transmission(slice(None)).astype(np.float64)
    angles = full_circle(settings.views)
    side = settings.columns
    factor = round(settings.voxel / truth.grid.spacing[0])
    # The fine grid over the coarse one begins at the edge of its first voxel.
    fine = settings.voxel / factor
    corner = -(side * factor - 1) / 2 * fine
    first = [round((origin - corner) / fine) for origin in truth.grid.origin]
    box = [slice(a, a + n) for a, n in zip(first, truth.grid.shape, strict=True)]
    for dose in doses:
        photons = exposures.open_beam * dose
        random = np.random.Generator(
            np.random.Philox(np.random.SeedSequence([int(exposures.seed), round(1000 * dose)]))
        )
        counts = np.maximum(random.poisson(photons * transmission), 0.5)
        lines = (-np.log(counts / photons)).astype(np.float32)
        volume = fdk(lines, geometry, angles, Cube())
        yield dose, interpolate(volume, (0, 0, 0), volume.shape, (factor,) * 3, box, "cubic")

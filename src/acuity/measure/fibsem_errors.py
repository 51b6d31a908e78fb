"""Errors of a restored stack against its truth, as the FIB-SEM papers state them.

Hagita et al. 2018 (doi:10.1038/s41598-018-24330-1), equations 1 and 2: root mean square of the
difference and PSNR = 10 log10(MAX^2 / RMS^2), on images of 8 bits and on binary ones.
Heinrich et al. 2017 (arXiv:1706.03142), section 4.1: cubic-weighted PSNR.
"""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from acuity.engine.readers import InputReader
from acuity.errors import AcuityError
from acuity.measure.volumes import Voxels
from acuity.methods.base import Task
from acuity.tables import tidy_row
from acuity.volume import LazyArray, Volume

DEPTH = 16  # slices that are in memory at a time


def errors(
    image: Voxels,
    truth: Voxels,
    cubic: Voxels | None = None,
    *,
    data_range: float = 255.0,
    threshold: float | None = 90.0,
    volume_fraction: float | None = None,
    bits: int = 8,
):
    """Errors of a restored volume.

    The volumes stream through, a few slices at a time.

    Parameters
    ----------
    image, truth : array
        (z, y, x) of one shape: numpy arrays, or the ``data`` of volumes that are read part by
        part. They must lie on one grid (``Volume.within``).
    cubic : array, optional
        The input brought onto that grid by cubic interpolation, for the weighted PSNR; without it
        there is none.
    data_range : float
        Grey value that is the largest one of `bits` bits; 0 is 0.
    threshold : float or None
        Grey value of the `bits`-bit image above which a voxel counts as 1; the paper took 90.
        None: no errors of binary images, unless `volume_fraction` is given.
    volume_fraction : float, optional
        Take the threshold that leaves this share of the truth's voxels above it, as the paper
        found its own (0.16, the share of filler); `threshold` is not used then.
    bits : int
        Both volumes are rounded to integers of this many bits, and cut at 0 and the largest, before
        they are compared; not for the weighted PSNR, which takes them as they are.

    Returns
    -------
    list of dict
        Rows with metric, subset, value, unit. ``rms`` (in grey values of `bits` bits),
        ``rms_relative`` (of the largest), ``psnr_8bit`` (or of other bits); ``rms_binary``,
        ``psnr_binary``, ``threshold``, ``volume_fraction`` and ``volume_fraction_truth``; of the
        subset ``all``, and, but for the last three, of ``octant 1`` to ``octant 8``: halves along
        z, y and x, x running fastest. ``rms_sd`` and so on are the standard deviation over these
        eight, with n = 8: the papers' error bars. Then ``wpsnr`` and ``wpsnr_code``.

        With a = I_HR - I_pred and c = I_HR - I_cub in units of the data range and means over all
        voxels, ``wpsnr`` is -10 log10 mean(a^2 (|c| + 0.5)), the paper's, and ``wpsnr_code`` is
        -10 log10 mean(a^2 (0.5 + c^2 / (2 max c^2))), that of the authors' published code.

    Raises
    ------
    AcuityError
        If shapes differ, a voxel is not finite, or a number is out of its range.
    """
    for name, volume in (("image", image), ("cubic interpolation", cubic)):
        if volume is not None and tuple(volume.shape) != tuple(truth.shape):
            raise AcuityError(
                f"errors: the {name} has the shape {tuple(volume.shape)}, the truth "
                f"{tuple(truth.shape)}; one (z, y, x) is needed."
            )
    if not (math.isfinite(data_range) and data_range > 0):
        raise AcuityError(f"errors: data_range is {data_range}, allowed are numbers above 0.")
    if bits != int(bits) or not 1 <= bits <= 16:
        raise AcuityError(f"errors: bits is {bits}, allowed are whole numbers from 1 to 16.")
    top = 2 ** int(bits) - 1
    if volume_fraction is not None:
        if not 0 < volume_fraction < 1:
            raise AcuityError(
                f"errors: volume_fraction is {volume_fraction}, allowed are numbers between 0 and 1."
            )
        threshold = fraction_threshold(truth, volume_fraction, data_range=data_range, bits=bits)
    if threshold is not None and not 0 <= threshold < top:
        raise AcuityError(
            f"errors: threshold is {threshold}, allowed are grey values from 0 to less than {top}."
        )
    sums = _sums(image, truth, cubic, data_range, top, threshold)
    return [*_hagita_rows(sums, top, int(bits), threshold), *_heinrich_rows(sums)]


def volume_errors(
    image: Volume,
    truth: Volume,
    low: Volume,
    *,
    task: Mapping[str, Any],
    data_range: float | None = None,
    **settings: Any,
):
    """Errors of a restored volume against the part of its truth that it covers.

    Parameters
    ----------
    image, truth : acuity.volume.Volume
        The restored volume, and the true one.
    low : acuity.volume.Volume
        What it was restored from; its cubic interpolation weighs the weighted PSNR.
    task : dict
        ``level``, ``scale`` and ``phase``, the offset of `acuity.methods.base.Task`.
    data_range : float, optional
        As for `errors`; by default 65535 for a truth with grey values of 16 bits, else 255.
    **settings
        Passed to `errors`.

    Returns
    -------
    list of dict
        As `errors` gives.

    Raises
    ------
    AcuityError
        If the volumes' grids do not go together.
    """
    whole = Task(task["level"], task["scale"], task.get("phase"))
    source = InputReader(low, whole.scale, "cubic", "low", offset=whole.offset)
    if source.shape != image.grid.shape:
        raise AcuityError(
            f"errors: the input has {source.shape} voxels (z, y, x) on the truth's grid, and what "
            f"was restored from it {image.grid.shape}; they must be equal."
        )
    settings["data_range"] = data_range or default_range(truth)
    true = truth.within(image.grid, "truth")
    return errors(image.data, true.data, _Interpolated(source), **settings)


def default_range(truth: Volume):
    """Data range of `volume_errors` where the study states none: the type's, else 255."""
    return truth.grey_range or 255.0


class _Interpolated(LazyArray):
    """A source as an array that is read part by part."""

    dtype = np.dtype(np.float32)

    def __init__(self, source):
        self.source, self.shape = source, source.shape

    def read_box(self, box):
        return self.source.read(box)


def fraction_threshold(
    truth: Voxels, volume_fraction: float, *, data_range: float = 255.0, bits: int = 8
):
    """Grey value that leaves a stated share of a volume's voxels above it.

    Parameters
    ----------
    truth : array
        (z, y, x).
    volume_fraction : float
        Share of the voxels that are to be above the threshold.
    data_range, bits
        As for `errors`.

    Returns
    -------
    int
        Of those of `bits` bits, the grey value whose share comes nearest.
    """
    top = 2 ** int(bits) - 1
    counts = np.zeros(top + 1, np.int64)
    for z in range(0, truth.shape[0], DEPTH):
        block = _integers(_block(truth, z, "truth"), data_range, top)
        counts += np.bincount(block.ravel().astype(np.int64), minlength=top + 1)
    above = 1.0 - np.cumsum(counts) / counts.sum()
    # The largest grey value leaves nothing above it and is no threshold.
    return int(np.argmin(np.abs(above[:-1] - volume_fraction)))


def _block(volume, z, name):
    block = np.asarray(volume[z : z + DEPTH])
    if block.dtype.kind == "f" and not np.isfinite(block).all():
        first = next(n for n, image in enumerate(block, z) if not np.isfinite(image).all())
        raise AcuityError(f"errors: the {name} holds NaN or infinite voxels in slice {first}.")
    return block


def _integers(block, data_range, top):
    """Grey values rounded to whole ones from 0 to `top`, float32."""
    values = block.astype(np.float32)
    if top != data_range:
        values *= np.float32(top / data_range)
    return np.clip(np.rint(values, out=values), 0, top, out=values)


def _sums(image, truth, cubic, data_range, top, threshold):
    """Sums over the octants, in float64 and in one order whatever reads the volumes."""
    shape = tuple(truth.shape)
    names = ("count", "squares", "differ", "above", "above_truth")
    sums = {name: np.zeros(8) for name in names}
    sums |= {"whole": min(shape) > 1, "cubic": cubic is not None}
    plain = weighted = coded = largest = 0.0
    middle = shape[0] // 2
    quarters = [*product(*((slice(0, n // 2), slice(n // 2, n)) for n in shape[1:]))]
    for z in range(0, shape[0], DEPTH):
        a, b = _block(image, z, "image"), _block(truth, z, "truth")
        p, q = _integers(a, data_range, top), _integers(b, data_range, top)
        difference = (p - q).astype(np.float64)
        difference *= difference
        at = max(0, middle - z)
        octants = product((slice(0, at), slice(at, None)), quarters)
        for number, (part, quarter) in enumerate(octants):
            box = (part, *quarter)
            sums["count"][number] += difference[box].size
            sums["squares"][number] += difference[box].sum()
            if threshold is not None:
                over, true = p[box] > threshold, q[box] > threshold
                sums["differ"][number] += np.count_nonzero(over != true)
                sums["above"][number] += np.count_nonzero(over)
                sums["above_truth"][number] += np.count_nonzero(true)
        if cubic is not None:
            true = b.astype(np.float64)
            own = ((true - a) / data_range) ** 2
            base = np.abs(true - _block(cubic, z, "cubic interpolation")) / data_range
            plain += own.sum()
            weighted += (own * base).sum()
            base *= base
            coded += (own * base).sum()
            largest = max(largest, base.max())
    return sums | {"plain": plain, "weighted": weighted, "coded": coded, "largest": largest}


def _psnr(mse, top):
    return 10.0 * math.log10(top * top / mse) if mse > 0 else math.inf


def _hagita_rows(sums, top, bits, threshold):
    def figures(squares, differ, count):
        rms = math.sqrt(squares / count)
        found = [
            ("rms", rms, "grey value"),
            ("rms_relative", rms / top, ""),
            (f"psnr_{bits}bit", _psnr(squares / count, top), "dB"),
        ]
        if threshold is not None:
            found += [
                ("rms_binary", math.sqrt(differ / count), ""),
                ("psnr_binary", _psnr(differ / count, 1), "dB"),
            ]
        return found

    keys = ("squares", "differ", "count")
    rows = [tidy_row(*figure) for figure in figures(*(sums[key].sum() for key in keys))]
    if sums["whole"]:
        parts = [figures(*(sums[key][number] for key in keys)) for number in range(8)]
        for each in zip(*parts, strict=True):
            metric, _, unit = each[0]
            values = np.array([value for _, value, _ in each])
            spread = values.std(ddof=1) if np.isfinite(values).all() else math.nan
            rows.append(tidy_row(f"{metric}_sd", spread, unit, n=8))
            rows += [
                tidy_row(metric, value, unit, f"octant {number}")
                for number, value in enumerate(values, 1)
            ]
    if threshold is not None:
        count = sums["count"].sum()
        rows += [
            tidy_row("threshold", threshold, "grey value"),
            tidy_row("volume_fraction", sums["above"].sum() / count),
            tidy_row("volume_fraction_truth", sums["above_truth"].sum() / count),
        ]
    return rows


def _heinrich_rows(sums):
    if not sums["cubic"]:
        return []
    count, plain = sums["count"].sum(), sums["plain"]
    # Where cubic interpolation is perfect its weights are all alike.
    coded = sums["coded"] / (2 * sums["largest"]) if sums["largest"] else 0.0
    return [
        tidy_row("wpsnr", _psnr((0.5 * plain + sums["weighted"]) / count, 1), "dB"),
        tidy_row("wpsnr_code", _psnr((0.5 * plain + coded) / count, 1), "dB"),
    ]

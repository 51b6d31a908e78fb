"""The part of an image that is judged, in the grey values of the fine scan it is judged by.

Two scans of one object differ in contrast: a perfect restoration of the coarse scan may have any gain and
offset against the fine one. Both are fitted, by least squares, where models learn, and held for the part
that is judged. So is the threshold between objects and the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from acuity.errors import AcuityError
from acuity.threshold import otsu_of_parts
from acuity.volume import Volume, VolumeWriter, open_volume, slabs

_DEPTH = 32
# Between the mean grey values of both classes: by so much of their distance the threshold may be off.
UNCERTAIN = 0.1


@dataclass(frozen=True)
class GreyMap:
    """A straight line between grey values: gain x + offset.

    Attributes
    ----------
    gain, offset : float
    correlation : float
        Of what it was fitted on.
    voxels : int
        How many it was fitted on.
    """

    gain: float
    offset: float
    correlation: float
    voxels: int


def fit_grey(parts: Iterator[tuple[np.ndarray, np.ndarray]], where: str = "") -> GreyMap:
    """Fit gain and offset that bring one image to another by least squares.

    Parameters
    ----------
    parts : iterator of (numpy.ndarray, numpy.ndarray)
        Values of the image and of the other one, flat; in a fixed order, which the sums follow.
    where : str
        The image, for the error.

    Returns
    -------
    GreyMap

    Raises
    ------
    AcuityError
        If the image is constant there.
    """
    n, sums, squares = 0, np.zeros(2), np.zeros(3)
    shift = None
    for a, b in parts:
        if not a.size:
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        if shift is None:
            shift = np.array([a.mean(), b.mean()])
        a, b = a - shift[0], b - shift[1]
        n += a.size
        sums += a.sum(), b.sum()
        squares += (a * a).sum(), (a * b).sum(), (b * b).sum()
    if n:
        mean = sums / n
        aa = squares[0] / n - mean[0] ** 2
        ab = squares[1] / n - mean[0] * mean[1]
        bb = squares[2] / n - mean[1] ** 2
    if not n or aa <= 1e-12 * max(1.0, shift[0] ** 2):
        raise AcuityError(
            f"{where}: is constant where models learn; its grey values cannot be brought to those of the "
            "fine scan"
        )
    gain = ab / aa
    offset = mean[1] + shift[1] - gain * (mean[0] + shift[0])
    return GreyMap(float(gain), float(offset), float(ab / np.sqrt(aa * bb)) if bb else 0.0, n)


def masked_parts(
    volumes: Sequence[Volume], mask: Volume, names: Sequence[str] = ()
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the values of some volumes where a mask on a part of their grid is not 0, slab by slab."""
    cut = [
        v.within(mask.grid, n) for v, n in zip(volumes, names or [""] * len(volumes), strict=True)
    ]
    for z0, z1 in slabs(mask.grid.shape[0], _DEPTH):
        inside = mask.read(slice(z0, z1)) > 0
        yield tuple(v.read(slice(z0, z1))[inside] for v in cut)


def judge_part(judged, restored, output, *, fitted, high, learned):
    """Cut an image to the part that is judged, and bring it to the grey values of the fine scan.

    Parameters
    ----------
    judged : path
        A volume on the grid of the part that is judged.
    restored : path
        The image; without anything to be fitted on, it is the fine scan itself.
    output : path
        float32, on the grid of `judged`. Its provenance ends in the step ``judge``: gain, offset,
        correlation, voxels (of the fit), threshold, and the two thresholds between which it is uncertain.
    fitted : sequence of path
        The same method's images of the pairs that were learned from; empty for the fine scan.
    high, learned : sequence of path
        Their fine scans, and masks of where models learned.

    Raises
    ------
    AcuityError
        If an image is constant where models learned.
    """
    part, image = open_volume(judged), open_volume(restored)
    masks, fine = [open_volume(p) for p in learned], [open_volume(p) for p in high]
    images = [open_volume(p) for p in fitted]
    map_ = GreyMap(1.0, 0.0, 1.0, 0)
    if images:
        map_ = fit_grey(
            (
                values
                for one, other, mask in zip(images, fine, masks, strict=True)
                for values in masked_parts((one, other), mask)
            ),
            str(restored),
        )
    threshold, between = _threshold(fine, masks)
    step = {
        "step": "judge",
        **vars(map_),
        "threshold": threshold,
        "threshold_between": between,
        "grey_values": _grey_values(fine[0]),
    }
    # What a restoration has found of its input is told by an image's last step.
    told = image.provenance[-1] if images else {}
    step |= {key: told[key] for key in ("warnings", "accepted", "gap") if key in told}
    cut = image.within(part.grid, str(restored))
    about = cut.after(step)
    about["intensity"] = fine[0].intensity
    with VolumeWriter(output, part.grid, np.float32, **about) as writer:
        for z0, z1 in writer.spans(_DEPTH):
            block = cut.read(slice(z0, z1)).astype(np.float64)
            writer.write(z0, (map_.gain * block + map_.offset).astype(np.float32))


def _grey_values(fine):
    """The type that the fine scan's grey values are of."""
    found = [step["grey_values"] for step in fine.provenance if step.get("grey_values")]
    return found[-1] if found else None


def _threshold(fine, masks):
    """Otsu's threshold of the fine scans where models learned, and the two ends of its uncertainty."""

    def parts():
        for one, mask in zip(fine, masks, strict=True):
            for (values,) in masked_parts((one,), mask):
                yield values

    count = sum(values.size for values in parts())
    threshold = otsu_of_parts(parts, count)
    sums, counts = np.zeros(2), np.zeros(2)
    for values in parts():
        bright = values > threshold
        for number, own in enumerate((values[~bright], values[bright])):
            sums[number] += own.sum(dtype=np.float64)
            counts[number] += own.size
    dark, bright = sums / np.maximum(counts, 1)
    off = UNCERTAIN * (bright - dark)
    return threshold, [float(threshold - off), float(threshold + off)]

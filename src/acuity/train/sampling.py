"""Patches of pairs of volumes, each a pure function of seed, step and index.

Nothing is remembered between steps, so training resumes exactly wherever it was stopped, and the
patches do not depend on workers or threads.
"""

from dataclasses import dataclass

import numpy as np

from acuity.errors import AcuityError

TRAIN, VALIDATE = 0, 1


@dataclass
class Pair:
    """A pair of volumes in memory.

    Attributes
    ----------
    low, target : numpy.ndarray
        float32 (z, y, x); the target's shape is the low one's times the method's scale.
    name : str
        The files, for errors.
    """

    low: np.ndarray
    target: np.ndarray
    name: str = ""


def disc(shape, radius):
    """Circular field of view: 1 where a voxel's centre lies within `radius` of the plane's centre.

    Parameters
    ----------
    shape : tuple of int
        Size of the plane (y, x).
    radius : float or None
        Radius in voxels; None: the whole plane.

    Returns
    -------
    numpy.ndarray
        float32 (y, x).
    """
    if radius is None:
        return np.ones(shape, np.float32)
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    return (y[:, None] ** 2 + x[None, :] ** 2 <= radius**2).astype(np.float32)


class Sampler:
    """Cuts batches of patches from pairs of volumes.

    Parameters
    ----------
    pairs : list of Pair
        Volumes to learn from.
    patch : tuple of int
        Size of a patch (z, y, x) on the low grid.
    scale : tuple of int
        How much finer the target is.
    validation_fraction : float
        Share of the slices that is held out, as one block, and at least a patch deep; 0: none.
    fov_radius : float, optional
        Radius of the circular field of view in voxels of the target's grid.
    symmetries : {"none", "upright", "in_plane", "volume"}
        Flips and quarter turns that patches are drawn in: within slices, these and flips along z,
        or of all three axes.
    stacked : bool
        Whether slices are channels (2.5D) or an axis.
    spacing : int
        Slices from one slice of a patch to the next.
    seed : int
        Seed.

    Raises
    ------
    AcuityError
        If a patch does not fit into a volume beside the slices that are held out.
    """

    def __init__(
        self,
        pairs,
        *,
        patch,
        scale=(1, 1, 1),
        validation_fraction=0.0,
        fov_radius=None,
        symmetries="in_plane",
        stacked=False,
        spacing=1,
        seed=0,
    ):
        self.pairs, self.scale = pairs, tuple(scale)
        self.symmetries, self.stacked, self.seed = symmetries, stacked, int(seed)
        self.spacing = int(spacing)
        slices = (patch[0] - 1) * self.spacing + 1
        smallest = tuple(min(pair.low.shape[a] for pair in pairs) for a in range(3))
        if slices > smallest[0]:
            raise AcuityError(
                f"patch: {slices} slices do not fit into {smallest[0]} slices of {pairs[0].name}"
            )
        # A patch wider than the volume is cut to it; turns by 90 degrees need it square.
        side = min(*patch[1:], *smallest[1:]) if symmetries != "none" else None
        self.patch = (
            patch[0],
            side or min(patch[1], smallest[1]),
            side or min(patch[2], smallest[2]),
        )
        if symmetries == "volume" and len(set(self.patch)) > 1:
            side = min(self.patch)
            self.patch = (side, side, side)
        if max(patch) > 8 and min(self.patch[1:]) < 8:
            raise AcuityError(
                f"{pairs[0].name}: planes of {smallest[1:]} voxels are too small to train on; "
                "8 and more are allowed"
            )
        self.masks = [disc(pair.target.shape[1:], fov_radius) for pair in pairs]
        self._ranges = [self._split(pair, validation_fraction) for pair in pairs]

    def _split(self, pair, fraction):
        """First slices that patches may have: training ranges and the range held out."""
        nz, depth = pair.low.shape[0], (self.patch[0] - 1) * self.spacing + 1
        if fraction == 0:
            return {TRAIN: [(0, nz - depth + 1)], VALIDATE: []}
        held = max(depth, round(fraction * nz))
        # Not at the end, where cone-beam artefacts and cut pores are not those of the rest.
        start = min(round(0.6 * nz), nz - held)
        if nz - start - held < depth:  # no patch would fit behind it
            start = nz - held
        training = [(0, start - depth + 1), (start + held, nz - depth + 1)]
        training = [(a, b) for a, b in training if b > a]
        if not training:
            raise AcuityError(
                f"{pair.name}: {nz} slices cannot hold a patch of {depth} slices beside "
                f"{held} held out for validation; use a smaller patch or validation_fraction 0"
            )
        return {TRAIN: training, VALIDATE: [(start, start + held - depth + 1)]}

    @property
    def validates(self):
        """Whether slices are held out."""
        return all(ranges[VALIDATE] for ranges in self._ranges)

    def patch_at(self, kind, step, index):
        """Cut one patch.

        Parameters
        ----------
        kind : int
            ``TRAIN`` or ``VALIDATE``; validation patches are not turned.
        step, index : int
            Its place in the sequence.

        Returns
        -------
        low, target, mask : numpy.ndarray
            float32 (z, y, x), mask (1, y, x) or, of a patch turned in space, (z, y, x).
        """
        rng = np.random.Generator(
            np.random.Philox(key=[self.seed, kind], counter=[0, 0, step, index])
        )
        for _ in range(16):
            which = int(rng.integers(len(self.pairs)))
            low, target = self.pairs[which].low, self.pairs[which].target
            ranges = self._ranges[which][kind]
            at = int(rng.integers(sum(b - a for a, b in ranges)))
            for a, b in ranges:
                if at < b - a:
                    z = a + at
                    break
                at -= b - a
            y, x = (
                int(rng.integers(n - p + 1))
                for n, p in zip(low.shape[1:], self.patch[1:], strict=True)
            )
            box = [slice(o, o + p) for o, p in zip((z, y, x), self.patch, strict=True)]
            if self.spacing > 1:  # a stack; its target has the same slices
                box[0] = slice(z, z + (self.patch[0] - 1) * self.spacing + 1, self.spacing)
            fine = [
                slice(b.start * f, b.stop * f, b.step) for b, f in zip(box, self.scale, strict=True)
            ]
            mask = self.masks[which][fine[1], fine[2]]
            if mask.mean() >= 0.5:  # little is learned from a patch outside the field of view
                break
        parts = [low[tuple(box)], target[tuple(fine)], mask[None]]
        if kind == TRAIN:
            parts = self._turned(parts, rng)
        return parts

    def _turned(self, parts, rng):
        if self.symmetries == "none":
            return parts
        if self.symmetries == "volume":
            parts[2] = np.broadcast_to(parts[2], parts[1].shape)
            order = tuple(int(a) for a in rng.permutation(3))
            flips = [a for a in range(3) if rng.integers(2)]
            return [np.flip(part.transpose(order), flips) for part in parts]
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        parts = [np.rot90(part, turns, axes=(1, 2)) for part in parts]
        if self.symmetries == "in_plane" and rng.integers(2):
            parts[:2] = [part[::-1] for part in parts[:2]]
        return [part[:, :, ::-1] if flip else part for part in parts]

    def batch(self, kind, step, size, normalisation):
        """Cut a batch of normalised patches.

        Parameters
        ----------
        kind : int
            ``TRAIN`` or ``VALIDATE``.
        step, size : int
            Which batch, and how many patches.
        normalisation : dict
            ``low`` and ``target``, each with ``mean`` and ``std``.

        Returns
        -------
        dict of str to numpy.ndarray
            ``low``, ``target`` and ``mask``: float32 (n, z, y, x) where slices are channels, else
            (n, 1, z, y, x).
        """
        patches = [self.patch_at(kind, step, index) for index in range(size)]
        low, target, mask = (
            np.stack(parts).astype(np.float32) for parts in zip(*patches, strict=True)
        )
        for image, key in ((low, "low"), (target, "target")):
            image -= np.float32(normalisation[key]["mean"])
            image /= np.float32(normalisation[key]["std"])
        found = {"low": low, "target": target, "mask": mask}
        if not self.stacked:
            found = {key: array[:, None] for key, array in found.items()}
        return found


def statistics(arrays, masks=None):
    """Mean and standard deviation over several arrays, in float64, slice by slice.

    Parameters
    ----------
    arrays : list of numpy.ndarray
        Volumes (z, y, x).
    masks : list of numpy.ndarray, optional
        1 where a voxel of a plane (y, x) counts.

    Returns
    -------
    dict
        ``mean`` and ``std``.
    """
    count = total = squares = 0.0
    for n, array in enumerate(arrays):
        mask = None if masks is None else masks[n] > 0
        for plane in array:
            values = (plane if mask is None else plane[mask]).astype(np.float64)
            count += values.size
            total += values.sum()
            squares += (values * values).sum()
    mean = total / count
    return {"mean": float(mean), "std": float(max(squares / count - mean * mean, 0.0) ** 0.5)}

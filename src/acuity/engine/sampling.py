"""Patches of pairs of volumes, each a pure function of seed, step and index.

Nothing is remembered between steps, so training resumes exactly wherever it was stopped, and the
patches do not depend on workers or threads.
"""

from dataclasses import dataclass

import numpy as np

from acuity.degrade.images import check_strengths, degrade_image
from acuity.engine.readers import statistics
from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.interpolation import interpolate

TRAIN, VALIDATE = 0, 1
TRIES = 128  # places tried for a patch that lies in the mask entirely; the best of them is taken
MARGIN = 16  # low-resolution voxels around a patch that are degraded with it and cut off


@dataclass
class TrainingPair:
    """A pair of volumes in memory.

    Attributes
    ----------
    low, target : numpy.ndarray
        float32 (z, y, x); the target's shape is the low one's times the method's scale.
    name : str
        The files, for errors.
    mask : numpy.ndarray, optional
        (z, y, x) on the target's grid, not 0 where voxels are learned from.
    own : dict, optional
        ``mean`` and ``std`` of the low volume on its own grid.
    full : float, optional
        For random degradation: intensity that counts as 255.
    """

    low: np.ndarray
    target: np.ndarray
    name: str = ""
    mask: np.ndarray | None = None
    own: dict | None = None
    full: float | None = None


def held_images(count, fraction):
    """Return the numbers of the images that are held out where each volume is one slice.

    Parameters
    ----------
    count : int
        Images.
    fraction : float
        Share that is held out: at least one of four and more, none of fewer.

    Returns
    -------
    numpy.ndarray
        Spread evenly over the images.
    """
    held = max(1, round(fraction * count)) if fraction and count >= 4 else 0
    return (np.arange(held) * count + count // 2) // max(held, 1)


class Sampler:
    """Cuts batches of patches from pairs of volumes.

    Volumes of one slice are images: some of them are held out whole (`held_images`). Patches of
    a pair with a mask lie in it entirely where such a place is found, and elsewhere as far as
    possible.

    Parameters
    ----------
    pairs : list of TrainingPair
        Volumes to learn from.
    patch : tuple of int
        Size of a patch (z, y, x) on the low grid.
    scale : tuple of int
        How much finer the target is.
    validation_fraction : float
        Share of the slices that is held out, as one block, and at least a patch deep, or of the
        images; 0: none.
    fov_radius : float, optional
        Radius of the circular field of view in voxels of the target's grid.
    symmetries : {"none", "upright", "in_plane", "volume"}
        Flips and quarter turns that patches are drawn in: within slices, these and flips along z,
        or of all three axes.
    spacing : int, optional
        Where slices are channels (2.5D): slices from one slice of a patch to the next. None: they
        are an axis (3D).
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
        spacing=None,
        seed=0,
    ):
        self.pairs, self.scale = pairs, tuple(scale)
        self.symmetries, self.seed = symmetries, int(seed)
        self.stacked, self.spacing = spacing is not None, int(spacing or 1)
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
        self.masks = [cylinder(pair.target.shape, fov_radius) for pair in pairs]
        for n, pair in enumerate(pairs):
            if pair.mask is not None:
                self.masks[n] = ((self.masks[n] > 0) & (pair.mask > 0)).astype(np.uint8)
                if not self.masks[n].any():
                    raise AcuityError(
                        f"{pair.name}: no voxel of its mask is valid; nothing can be learned from it"
                    )
        everyone = np.arange(len(pairs))
        if all(pair.low.shape[0] == 1 for pair in pairs):  # images
            held = held_images(len(pairs), validation_fraction)
            self._of = {TRAIN: np.setdiff1d(everyone, held), VALIDATE: held}
            self._ranges = [{TRAIN: [(0, 1)], VALIDATE: [(0, 1)]} for _ in pairs]
        else:
            self._of = {TRAIN: everyone, VALIDATE: everyone}
            self._ranges = [self._split(pair, validation_fraction) for pair in pairs]

    def _split(self, pair, fraction):
        """Return the first slices that patches may have: training ranges and the range held out."""
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
        """Whether slices, or images, are held out."""
        return len(self._of[VALIDATE]) > 0 and all(ranges[VALIDATE] for ranges in self._ranges)

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
            float32 (z, y, x), mask (1, y, x) or, where it differs from slice to slice, (z, y, x).
        """
        return self._patch_at(kind, step, index)[0]

    def _patch_at(self, kind, step, index):
        """Return a patch's arrays, and the mean and standard deviation of its low image."""
        rng = np.random.Generator(
            np.random.Philox(key=[self.seed, kind], counter=[0, 0, step, index])
        )
        masked = any(pair.mask is not None for pair in self.pairs)
        found, best = None, -1.0
        for _ in range(TRIES if masked else 16):
            which = int(self._of[kind][rng.integers(len(self._of[kind]))])
            low = self.pairs[which].low
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
            mask = self.masks[which]
            mask = mask[None, fine[1], fine[2]] if mask.ndim == 2 else mask[tuple(fine)]
            share = mask.mean()
            if share > best or not masked:
                found, best = (which, box, fine, mask), share
            # little is learned from a patch outside the field of view
            if share >= (1.0 if masked else 0.5):
                break
        which, box, fine, mask = found
        target = self.pairs[which].target[tuple(fine)]
        low, own = self._low(which, box, fine, (kind, step, index))
        parts = [low, target, mask]
        return (self._turned(parts, rng) if kind == TRAIN else parts), own

    def _low(self, which, box, fine, at):
        """Return the low-resolution patch of a box, and its image's mean and standard deviation."""
        pair = self.pairs[which]
        if pair.own is None:
            pair.own = statistics([pair.low])
        return pair.low[tuple(box)], pair.own

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
            parts = [part[::-1] for part in parts]
        return [part[:, :, ::-1] if flip else part for part in parts]

    def batch(self, kind, step, size, normalisation, part=slice(None)):
        """Cut a batch of normalised patches.

        Parameters
        ----------
        kind : int
            ``TRAIN`` or ``VALIDATE``.
        step, size : int
            Which batch, and how many patches.
        normalisation : dict
            ``low`` and ``target``, each with ``mean`` and ``std``; with ``own`` true those of each
            patch's low image take their place, for both.
        part : slice
            The patches of the batch that are cut.

        Returns
        -------
        dict of str to numpy.ndarray
            ``low``, ``target`` and ``mask``: float32 (n, z, y, x) where slices are channels, else
            (n, 1, z, y, x). With own statistics ``mean`` and ``std`` too, of the same axes.
        """
        patches, own = zip(
            *(self._patch_at(kind, step, index) for index in range(size)[part]), strict=True
        )
        low, target, mask = (
            np.stack(parts, dtype=np.float32, casting="unsafe")
            for parts in zip(*patches, strict=True)
        )
        found = {"low": low, "target": target, "mask": mask}
        if normalisation.get("own"):
            for key in ("mean", "std"):
                values = np.array([image[key] for image in own], np.float32)
                found[key] = values[:, None, None, None]
            for image in (low, target):
                image -= found["mean"]
                image /= found["std"]
        else:
            for image, key in ((low, "low"), (target, "target")):
                image -= np.float32(normalisation[key]["mean"])
                image /= np.float32(normalisation[key]["std"])
        if not self.stacked:
            found = {key: array[:, None] for key, array in found.items()}
        return found


class DegradingSampler(Sampler):
    """Cuts patches from targets and degrades each at random: no low volume is needed.

    A patch is degraded with a margin, which is then cut off, by the function that makes whole
    images low (`acuity.degrade.images.degrade_image`), its strengths drawn anew: a pure function
    of seed, step and index. The low volumes of the pairs, one draw of each target, serve
    statistics and the trial of precisions alone.

    Parameters
    ----------
    pairs : list of TrainingPair
        With `full`.
    degradation : dict
        Strengths; see `acuity.degrade.images.degrade_images`.
    before : tuple of int
        Factors (z, y, x) by which the low patch is then interpolated onto the method's input grid.
    kernel : str
        That interpolation.
    **options
        Those of `Sampler`.
    """

    def __init__(self, pairs, *, degradation, before=(1, 1, 1), kernel="cubic", **options):
        super().__init__(pairs, **options)
        self.degradation = check_strengths(degradation)
        self.before, self.kernel = tuple(before), kernel
        self.factor = self.scale[1] * self.before[1]
        self._whole = [statistics([pair.target]) for pair in pairs]

    def _low(self, which, box, fine, at):
        pair, f = self.pairs[which], self.factor
        kind, step, index = at
        rng = np.random.Generator(
            np.random.Philox(key=[self.seed, kind], counter=[0, 1, step, index])
        )
        # Whole low-resolution voxels around the patch, and the margin, as far as the image goes.
        sides = [n // f for n in pair.target.shape[1:]]
        first = [max(0, part.start // f - MARGIN) for part in fine[1:]]
        last = [
            min(n, -(-part.stop // f) + MARGIN) for part, n in zip(fine[1:], sides, strict=True)
        ]
        window = tuple(slice(a * f, b * f) for a, b in zip(first, last, strict=True))
        planes, changes = [], []
        for plane in pair.target[fine[0]]:
            image = plane[window]
            low, _ = degrade_image(
                image, rng, factor=f, full=pair.full, round_to_whole=True, **self.degradation
            )
            changes.append(float(low.var(dtype=np.float64)) - float(image.var(dtype=np.float64)))
            planes.append(low)
        low = np.stack(planes)
        start = [a * f // s for a, s in zip(first, self.scale[1:], strict=True)]
        if self.before != (1, 1, 1):
            shape = [n * b for n, b in zip(low.shape, self.before, strict=True)]
            whole = [slice(0, n) for n in shape]
            low = interpolate(low, (0, 0, 0), low.shape, self.before, whole, self.kernel)
        inner = tuple(
            slice(part.start - a, part.stop - a) for part, a in zip(box[1:], start, strict=True)
        )
        # Deviation of the whole image so degraded: the target's, and what the patch's changed by.
        variance = self._whole[which]["std"] ** 2
        variance = max(variance + float(np.mean(changes)), 0.25 * variance)
        return low[(slice(None), *inner)], {
            "mean": self._whole[which]["mean"],
            "std": variance**0.5,
        }

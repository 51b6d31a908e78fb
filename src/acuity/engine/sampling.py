"""Patches of pairs of volumes, each a pure function of seed, step and index.

Nothing is remembered between steps, so training resumes exactly wherever it was stopped, and the
patches do not depend on workers or threads.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from acuity.degrade.images import check_strengths, degrade_image
from acuity.engine.readers import statistics
from acuity.engine.tiles import fitting_patch, relative
from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.interpolation import interpolate
from acuity.methods.base import LearnedMethod, TrainingPair, scaled

TRAIN, VALIDATE = 0, 1
TRIES = 128  # places tried for a patch that lies in the mask entirely; the best of them is taken
MARGIN = 16  # low-resolution voxels around a patch that are degraded with it and cut off


Trial = tuple[np.ndarray, np.ndarray, np.ndarray]


def held_images(count: int, fraction: float) -> np.ndarray:
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


class BatchSampler:
    """Cuts batches of normalised patches; what a patch is, its subclasses say.

    Parameters
    ----------
    pairs : list of TrainingPair
        Volumes to learn from.
    fov_radius : float, optional
        Radius of the circular field of view in voxels of the target's grid.
    seed : int
        Seed.

    Attributes
    ----------
    masks : list of numpy.ndarray
        1 where voxels of a pair's target are learned from, (y, x) or (z, y, x).
    patch : tuple of int
        Size of a patch (z, y, x).
    """

    stacked = False  # slices are channels
    patch: tuple[int, int, int]
    _starts: list[dict[int, np.ndarray]]  # first slices that patches may have, by pair and kind

    def __init__(
        self, pairs: Sequence[TrainingPair], fov_radius: float | None = None, seed: int = 0
    ) -> None:
        self.pairs, self.seed = pairs, int(seed)
        self.masks = [cylinder(pair.target.shape, fov_radius) for pair in pairs]

    @property
    def validates(self) -> bool:
        """Whether slices, or images, are held out."""
        return all(len(starts[VALIDATE]) for starts in self._starts)

    def patch_at(self, kind: int, step: int, index: int) -> Sequence[np.ndarray]:
        """Cut one patch.

        Parameters
        ----------
        kind : int
            ``TRAIN`` or ``VALIDATE``.
        step, index : int
            Its place in the sequence.

        Returns
        -------
        low, target, mask : numpy.ndarray
            float32. Patches (z, y, x), and a mask (1, y, x) or, where it differs from slice to
            slice, (z, y, x); sub-images (y, x).
        """
        return self._patch_at(kind, step, index)[0]

    def _patch_at(self, kind, step, index):
        """Return a patch's arrays, and the mean and standard deviation of its low image."""
        raise NotImplementedError

    def trial(self, method: LearnedMethod, stride: Sequence[int]) -> Trial:
        """Return a tile to try a network on, from the middle of the first volume.

        Parameters
        ----------
        method : acuity.methods.base.LearnedMethod
            The method.
        stride : tuple of int
            Raster (z, y, x) of its network.

        Returns
        -------
        low, target : numpy.ndarray
            float32 (z, y, x), or planes (plane, z, x).
        inside : numpy.ndarray
            Where target voxels count, bool, of the last two axes: those that were learned from,
            or all where none was.
        """
        raise NotImplementedError

    def _random(self, kind, step, index, stream=0):
        key, counter = [self.seed, kind], [0, stream, step, index]
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

    def batch(
        self, kind: int, step: int, size: int, normalisation: Mapping, part: slice = slice(None)
    ) -> dict[str, np.ndarray]:
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
            (n, 1, z, y, x), and (n, 1, y, x) of sub-images. With own statistics ``mean`` and
            ``std`` too, of the same axes.
        """
        cut = (self._patch_at(kind, step, index) for index in range(size)[part])
        patches, own = zip(*cut, strict=True)
        found = {
            name: np.stack(parts, dtype=np.float32, casting="unsafe")
            for name, parts in zip(
                ("low", "target", "mask"), zip(*patches, strict=True), strict=True
            )
        }
        if normalisation.get("own"):
            for key in ("mean", "std"):
                values = np.array([image[key] for image in own], np.float32)
                found[key] = values[:, None, None, None]
            normalisation = {"low": found, "target": found}
        for name in ("low", "target"):
            found[name] -= np.asarray(normalisation[name]["mean"], np.float32)
            found[name] /= np.asarray(normalisation[name]["std"], np.float32)
        return found if self.stacked else {key: array[:, None] for key, array in found.items()}


class Sampler(BatchSampler):
    """Cuts batches of patches from pairs of volumes.

    Volumes of one slice are images: some of them are held out whole (`held_images`). Patches of
    a pair with a mask lie in it entirely where such a place is found, and elsewhere as far as
    possible. Those of a validation are not turned.

    Parameters
    ----------
    pairs, fov_radius, seed
        As for `BatchSampler`.
    patch : tuple of int
        Size of a patch (z, y, x) on the low grid.
    scale : tuple of int
        How much finer the target is.
    validation_fraction : float
        Share of the slices that is held out, as one block, and at least a patch deep, or of the
        images; 0: none.
    symmetries : {"none", "upright", "in_plane", "volume"}
        Flips and quarter turns that patches are drawn in: within slices, these and flips along z,
        or of all three axes.
    spacing : int, optional
        Where slices are channels (2.5D): slices from one slice of a patch to the next. None: they
        are an axis (3D).

    Raises
    ------
    AcuityError
        If a patch does not fit into a volume beside the slices that are held out.
    """

    def __init__(
        self,
        pairs: Sequence[TrainingPair],
        *,
        patch: Sequence[int],
        scale: Sequence[int] = (1, 1, 1),
        validation_fraction: float = 0.0,
        symmetries: Literal["none", "upright", "in_plane", "volume"] = "in_plane",
        spacing: int | None = None,
        **common: Any,
    ) -> None:
        super().__init__(pairs, **common)
        self.scale, self.symmetries = tuple(scale), symmetries
        self.stacked, self.spacing = spacing is not None, int(spacing or 1)
        self.depth = (patch[0] - 1) * self.spacing + 1
        slices, *plane = (min(pair.low.shape[a] for pair in pairs) for a in range(3))
        if self.depth > slices:
            raise AcuityError(
                f"patch: {self.depth} slices do not fit into {slices} slices of {pairs[0].name}"
            )
        self.patch = fitting_patch(patch, plane, symmetries)
        if max(patch) > 8 and min(self.patch[1:]) < 8:
            raise AcuityError(
                f"{pairs[0].name}: planes of {tuple(plane)} voxels are too small to train on; "
                "8 and more are allowed"
            )
        for n, pair in enumerate(pairs):
            if pair.mask is not None:
                self.masks[n] = ((self.masks[n] > 0) & (pair.mask > 0)).astype(np.uint8)
                if not self.masks[n].any():
                    raise AcuityError(
                        f"{pair.name}: no voxel of its mask is valid; nothing can be learned from it"
                    )
        everyone = np.arange(len(pairs))
        self._of = {TRAIN: everyone, VALIDATE: everyone}
        if all(pair.low.shape[0] == 1 for pair in pairs):  # images
            held = held_images(len(pairs), validation_fraction)
            self._of = {TRAIN: np.setdiff1d(everyone, held), VALIDATE: held}
            self._starts = [dict.fromkeys((TRAIN, VALIDATE), np.arange(1)) for _ in pairs]
        else:
            self._starts = [self._split(pair, validation_fraction) for pair in pairs]

    def _split(self, pair, fraction):
        """Return the first slices of patches to learn from, and of those held out."""
        nz, depth = pair.low.shape[0], (self.patch[0] - 1) * self.spacing + 1
        last = nz - depth + 1
        if fraction == 0:
            return {TRAIN: np.arange(last), VALIDATE: np.arange(0)}
        held = max(depth, round(fraction * nz))
        # Not at the end, where cone-beam artefacts and cut pores are not those of the rest.
        start = min(round(0.6 * nz), nz - held)
        if nz - start - held < depth:  # no patch would fit behind it
            start = nz - held
        training = np.r_[0 : max(0, start - depth + 1), start + held : max(start + held, last)]
        if not len(training):
            raise AcuityError(
                f"{pair.name}: {nz} slices cannot hold a patch of {depth} slices beside "
                f"{held} held out for validation; use a smaller patch or validation_fraction 0"
            )
        return {TRAIN: training, VALIDATE: np.arange(start, start + held - depth + 1)}

    @property
    def validates(self) -> bool:
        """Whether slices, or images, are held out."""
        return len(self._of[VALIDATE]) > 0 and super().validates

    def _patch_at(self, kind, step, index):
        """Return a patch's arrays, and the mean and standard deviation of its low image."""
        rng = self._random(kind, step, index)
        masked = any(pair.mask is not None for pair in self.pairs)
        found, best = None, -1.0
        for _ in range(TRIES if masked else 16):
            which = int(self._of[kind][rng.integers(len(self._of[kind]))])
            starts = self._starts[which][kind]
            z = int(starts[rng.integers(len(starts))])
            plane = zip(self.pairs[which].low.shape[1:], self.patch[1:], strict=True)
            y, x = (int(rng.integers(n - p + 1)) for n, p in plane)
            box = [slice(o, o + p) for o, p in zip((z, y, x), self.patch, strict=True)]
            if self.spacing > 1:  # a stack; its target has the same slices
                box[0] = slice(z, z + self.depth, self.spacing)
            fine = scaled(box, self.scale)
            mask = self.masks[which]
            mask = mask[None, *fine[1:]] if mask.ndim == 2 else mask[fine]
            share = mask.mean()
            if share > best or not masked:
                found, best = (which, box, fine, mask), share
            # little is learned from a patch outside the field of view
            if share >= (1.0 if masked else 0.5):
                break
        which, box, fine, mask = found
        low, own = self._low(which, box, fine, (kind, step, index))
        parts = [low, self.pairs[which].target[fine], mask]
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

    def trial(self, method: LearnedMethod, stride: Sequence[int]) -> Trial:
        """Return a tile on the network's raster; see `BatchSampler`."""
        pair, mask, box = self.pairs[0], self.masks[0], []
        for axis, count in enumerate(pair.low.shape):
            if method.slices_per_stack and axis == 0:
                start = (count - method.depth) // 2
                box.append(slice(start, start + method.depth, method.spacing))
                continue
            # A trial costs as much for a method that makes its tile finer.
            size = min(count, method.settings.predict.tile[axis], 256 // max(method.scale))
            size = max(size // stride[axis] * stride[axis], min(count, stride[axis]))
            start = (count - size) // 2 // stride[axis] * stride[axis]
            box.append(slice(start, start + size))
        fine = scaled(box, method.scale)
        inside = (mask if mask.ndim == 2 else mask.min(axis=0))[fine[1:]] > 0
        return pair.low[tuple(box)], pair.target[fine], inside if inside.any() else ~inside


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

    def __init__(
        self,
        pairs: Sequence[TrainingPair],
        *,
        degradation: Mapping[str, Any],
        before: Sequence[int] = (1, 1, 1),
        kernel: str = "cubic",
        **options: Any,
    ) -> None:
        super().__init__(pairs, **options)
        self.degradation = check_strengths(degradation)
        self.before, self.kernel = tuple(before), kernel
        self.factor = self.scale[1] * self.before[1]
        self._whole = [statistics([pair.target]) for pair in pairs]

    def _low(self, which, box, fine, at):
        pair, f = self.pairs[which], self.factor
        rng = self._random(*at, stream=1)
        # Whole low-resolution voxels around the patch, and the margin, as far as the image goes.
        sides = [n // f for n in pair.target.shape[1:]]
        first = [max(0, part.start // f - MARGIN) for part in fine[1:]]
        ends = zip(fine[1:], sides, strict=True)
        last = [min(n, -(-part.stop // f) + MARGIN) for part, n in ends]
        window = scaled(map(slice, first, last), (f, f))
        planes, changes = [], []
        for plane in pair.target[fine[0]]:
            image = plane[window]
            low, _ = degrade_image(
                image, rng, factor=f, full=pair.full, round_to_whole=True, **self.degradation
            )
            changes.append(float(low.var(dtype=np.float64)) - float(image.var(dtype=np.float64)))
            planes.append(low)
        low = np.stack(planes)
        if self.before != (1, 1, 1):
            shape = low.shape
            whole = scaled(map(slice, (0, 0, 0), shape), self.before)
            low = interpolate(low, (0, 0, 0), shape, self.before, whole, self.kernel)
        around = [slice(a * f // s, None) for a, s in zip(first, self.scale[1:], strict=True)]
        inner = relative(box[1:], around)
        # Deviation of the whole image so degraded: the target's, and what the patch's changed by.
        variance = self._whole[which]["std"] ** 2
        variance = max(variance + float(np.mean(changes)), 0.25 * variance)
        return low[:, *inner], {"mean": self._whole[which]["mean"], "std": variance**0.5}

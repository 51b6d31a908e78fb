"""Sub-images of XY planes, made coarser along one axis: pairs to learn from without a coarse volume.

As in `acuity.engine.sampling`, a sub-image is a pure function of seed, step and index.
"""

import numpy as np

from acuity.engine.sampling import TRAIN, VALIDATE
from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.methods.networks.planes import coarser


class PlaneSampler:
    """Cuts batches of sub-images from XY planes.

    One in-plane axis, y or x in turn, takes the place of z: the sub-image is made coarser along it
    as the volume is along z (after Hagita et al. 2018, who presume an isotropic specimen). Flips
    come before that, so that the slice that is kept of a block is the same for all.

    Parameters
    ----------
    pairs : list of TrainingPair
        Volumes whose planes are learned from, as `target`.
    side : int
        Side of a sub-image on the target's grid, a multiple of the factor.
    factor : int
        How much coarser the input is.
    mode : {"decimate", "average"}
        How it became so.
    validation_fraction : float
        Share of the planes that is held out, as one block; 0: none.
    fov_radius : float, optional
        Radius of the circular field of view in voxels.
    seed : int
        Seed.

    Raises
    ------
    AcuityError
        If a sub-image does not fit into a plane.
    """

    def __init__(
        self, pairs, *, side, factor, mode, validation_fraction=0.0, fov_radius=None, seed=0
    ):
        self.pairs, self.factor, self.mode, self.seed = pairs, int(factor), mode, int(seed)
        self.patch = (1, int(side), int(side))
        for pair in pairs:
            if side > min(pair.target.shape[1:]):
                raise AcuityError(
                    f"{pair.name}: planes of {pair.target.shape[1:]} voxels are smaller than the "
                    f"sub-images of {side}; use a smaller train.patch"
                )
        self.masks = [cylinder(pair.target.shape, fov_radius) for pair in pairs]
        self._planes = [self._split(len(pair.target), validation_fraction) for pair in pairs]

    @staticmethod
    def _split(count, fraction):
        """Return the numbers of the planes to learn from and of those held out."""
        held = max(1, round(fraction * count)) if fraction and count > 1 else 0
        start = min(round(0.6 * count), count - held)
        planes = np.arange(count)
        out = (planes >= start) & (planes < start + held)
        return {TRAIN: planes[~out], VALIDATE: planes[out]}

    @property
    def validates(self):
        """Whether planes are held out."""
        return all(len(planes[VALIDATE]) for planes in self._planes)

    def patch_at(self, kind, step, index):
        """Cut one sub-image.

        Parameters
        ----------
        kind : int
            ``TRAIN`` or ``VALIDATE``.
        step, index : int
            Its place in the sequence.

        Returns
        -------
        low, target, mask : numpy.ndarray
            float32; target and mask (side, side), low (side / factor, side).
        """
        rng = np.random.Generator(
            np.random.Philox(key=[self.seed, kind], counter=[0, 0, step, index])
        )
        side = self.patch[1]
        for _ in range(16):
            which = int(rng.integers(len(self.pairs)))
            volume, planes = self.pairs[which].target, self._planes[which][kind]
            z = int(planes[rng.integers(len(planes))])
            y, x = (int(rng.integers(n - side + 1)) for n in volume.shape[1:])
            box = (slice(y, y + side), slice(x, x + side))
            mask = self.masks[which][box]
            if mask.mean() >= 0.5:  # little is learned from outside the field of view
                break
        turned, *flips = (bool(rng.integers(2)) for _ in range(3))
        axes = [axis for axis, flip in enumerate(flips) if flip]
        target, mask = (
            np.flip(part.T if turned else part, axes) for part in (volume[z][box], mask)
        )
        return coarser(target, self.factor, self.mode), target, mask

    def batch(self, kind, step, size, normalisation, part=slice(None)):
        """Cut a batch of normalised sub-images.

        Parameters
        ----------
        kind : int
            ``TRAIN`` or ``VALIDATE``.
        step, size : int
            Which batch, and how many sub-images.
        normalisation : dict
            ``low`` and ``target``, each with ``mean`` and ``std``.
        part : slice
            The patches of the batch that are cut.

        Returns
        -------
        dict of str to numpy.ndarray
            ``low``, ``target`` and ``mask``: float32 (n, 1, rows, columns).
        """
        patches = [self.patch_at(kind, step, index) for index in range(size)[part]]
        low, target, mask = (
            np.stack(parts).astype(np.float32)[:, None] for parts in zip(*patches, strict=True)
        )
        for image, key in ((low, "low"), (target, "target")):
            image -= np.float32(normalisation[key]["mean"])
            image /= np.float32(normalisation[key]["std"])
        return {"low": low, "target": target, "mask": mask}

    def trial(self, count=4, side=256):
        """Return planes to try a network on.

        Parameters
        ----------
        count, side : int
            Planes, from the middle of the first volume, and their largest side.

        Returns
        -------
        low, target : numpy.ndarray
            float32 (plane, z, x), the target `factor` times as long along z.
        """
        volume = self.pairs[0].target
        rows, columns = (min(side, n) for n in volume.shape[1:])
        rows -= rows % self.factor
        first = max(0, len(volume) // 2 - count // 2)
        y, x = (volume.shape[1] - rows) // 2, (volume.shape[2] - columns) // 2
        target = volume[first : first + count, y : y + rows, x : x + columns]
        return coarser(target, self.factor, self.mode, axis=1), target

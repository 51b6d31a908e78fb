"""Sub-images of XY planes, made coarser along one axis: pairs to learn from without a coarse volume.

As in `acuity.engine.sampling`, a sub-image is a pure function of seed, step and index.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acuity.engine.sampling import TRAIN, VALIDATE, BatchSampler, Trial
from acuity.errors import AcuityError
from acuity.methods.base import LearnedMethod, TrainingPair
from acuity.methods.networks.planes import coarser

TRIAL_PLANES, TRIAL_SIDE = 4, 256  # planes that a network is tried on, and their largest side


class PlaneSampler(BatchSampler):
    """Cuts batches of sub-images from XY planes.

    One in-plane axis, y or x in turn, takes the place of z: the sub-image is made coarser along it
    as the volume is along z (after Hagita et al. 2018, who presume an isotropic specimen). Flips
    come before that, so that the slice that is kept of a block is the same for all.

    Parameters
    ----------
    pairs, fov_radius, seed
        As for `acuity.engine.sampling.BatchSampler`; planes of the targets are learned from.
    side : int
        Side of a sub-image on the target's grid, a multiple of the factor.
    factor : int
        How much coarser the input is.
    mode : {"decimate", "average"}
        How it became so.
    validation_fraction : float
        Share of the planes that is held out, as one block; 0: none.

    Raises
    ------
    AcuityError
        If a sub-image does not fit into a plane.
    """

    def __init__(
        self,
        pairs: Sequence[TrainingPair],
        *,
        side: int,
        factor: int,
        mode: str,
        validation_fraction: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(pairs, **common)
        self.factor, self.mode = int(factor), mode
        self.patch = (1, int(side), int(side))
        for pair in pairs:
            if side > min(pair.target.shape[1:]):
                raise AcuityError(
                    f"{pair.name}: planes of {pair.target.shape[1:]} voxels are smaller than the "
                    f"sub-images of {side}; use a smaller train.patch"
                )
        self._starts = [self._split(len(pair.target), validation_fraction) for pair in pairs]

    @staticmethod
    def _split(count, fraction):
        """Return the numbers of the planes to learn from and of those held out."""
        held = max(1, round(fraction * count)) if fraction and count > 1 else 0
        start = min(round(0.6 * count), count - held)
        planes = np.arange(count)
        out = (planes >= start) & (planes < start + held)
        return {TRAIN: planes[~out], VALIDATE: planes[out]}

    def _patch_at(self, kind, step, index):
        """Return a sub-image's arrays, which have no statistics of their own."""
        rng = self._random(kind, step, index)
        side = self.patch[1]
        for _ in range(16):
            which = int(rng.integers(len(self.pairs)))
            volume, planes = self.pairs[which].target, self._starts[which][kind]
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
        return (coarser(target, self.factor, self.mode), target, mask), None

    def trial(self, method: LearnedMethod, stride: Sequence[int]) -> Trial:
        """Return planes, the target `factor` times as long along z; see `BatchSampler`."""
        volume = self.pairs[0].target
        rows, columns = (min(TRIAL_SIDE, n) for n in volume.shape[1:])
        rows -= rows % self.factor
        first = max(0, len(volume) // 2 - TRIAL_PLANES // 2)
        y, x = (volume.shape[1] - rows) // 2, (volume.shape[2] - columns) // 2
        target = volume[first : first + TRIAL_PLANES, y : y + rows, x : x + columns]
        low = coarser(target, self.factor, self.mode, axis=1)
        return low, target, np.ones(target.shape[1:], bool)

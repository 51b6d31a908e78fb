"""Linear regression from the low voxels about a place to the fine voxels that lie there."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import field_validator

from acuity.assumptions import Assumes
from acuity.errors import AcuityError
from acuity.methods.base import (
    FitSettings,
    FittedMethod,
    FittedSettings,
    PredictSettings,
    TrainingPair,
)
from acuity.settings import setting

CHUNK = 1024  # places whose products are summed together: decides memory, and the order of sums


class LinearPatchSettings(FittedSettings):
    """Settings of the linear regression."""

    patch: tuple[int, int, int] = setting(
        (5, 5, 5), "Odd sides (z, y, x) of the low voxels that a fine one is a sum of", "voxel"
    )
    ridge: float = setting(
        1e-4,
        "Weight of the squared weights beside the mean squared error, intensities of unit deviation",
        "1",
        gt=0,
    )
    train: FitSettings = setting(FitSettings(), "How the weights are judged")
    predict: PredictSettings = PredictSettings.preset(tile=(64, 132, 132), device="cpu")

    @field_validator("patch")
    @classmethod
    def _odd(cls, patch):
        if any(side < 1 or side % 2 == 0 for side in patch):
            raise ValueError(f"patch must have odd sides; found {patch}")
        return patch


class LinearPatch(FittedMethod):
    """Each fine voxel is a weighted sum of the low voxels about it, and a constant.

    One set of weights for each place of a fine voxel within its low one, by least squares with a ridge
    (Hoerl and Kennard 1970) over all places whose fine voxels are all learned from. It is what any linear
    up-sampling can reach, and so shows what a network adds.
    """

    Settings = LinearPatchSettings
    assumes = Assumes(values="the training's")

    def set_up(self) -> None:
        """Take the task's whole factors; a fine voxel sees half a patch."""
        self.scale = self.task.scale
        self.halo = tuple(side // 2 for side in self.settings.patch)

    def fit(self, pairs: Sequence[TrainingPair], seed: int) -> dict[str, np.ndarray]:
        """Find the weights; sums have one order, whatever the number of threads.

        Parameters
        ----------
        pairs : list of acuity.methods.base.TrainingPair
            Volumes.
        seed : int
            Of no effect.

        Returns
        -------
        dict of str to numpy.ndarray
            ``weights``, float32 (phase z, y, x, patch z, y, x), ``constants`` (phase z, y, x), for
            intensities less ``mean`` and divided by ``std``, those of the low volumes.

        Raises
        ------
        AcuityError
            If no place has all of its low voxels in a volume and all of its fine ones in the mask.
        """
        planes = [plane for pair in pairs for plane in pair.low]
        count = sum(plane.size for plane in planes)
        mean = sum(float(plane.sum(dtype=np.float64)) for plane in planes) / count
        squares = sum(float(((plane - mean).astype(np.float64) ** 2).sum()) for plane in planes)
        std = math.sqrt(squares / count)
        taps, phases = math.prod(self.settings.patch), math.prod(self.scale)
        # The normal equations, side by side; numpy's own sums: a BLAS shares them out among threads.
        sums = np.zeros((taps + 1, taps + 1 + phases))
        for low, fine in self._places(pairs):
            known = np.ones((len(sums[0]), len(low)))
            known[:taps] = (low.T - mean) / std
            known[taps + 1 :] = (fine.T - mean) / std
            sums += np.einsum("in,jn->ij", known[: taps + 1], known)
        count = sums[taps, taps]
        if count == 0:
            raise AcuityError(
                f"{pairs[0].name}: found {pairs[0].low.shape} voxels (z, y, x) to learn from, but no place "
                f"with all of its {self.settings.patch} low voxels and its {self.scale} fine ones among "
                "them; state a smaller patch, or learn from more"
            )
        sums[range(taps), range(taps)] += self.settings.ridge * count
        found = solved(sums).T.astype(np.float32)
        return {
            "weights": found[:, :taps].reshape(*self.scale, *self.settings.patch),
            "constants": found[:, taps].reshape(self.scale),
            "mean": np.array([mean], np.float32),
            "std": np.array([std], np.float32),
        }

    def _places(self, pairs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield patches (place, tap) and their fine voxels (place, phase), some places at a time."""
        size, reach = self.settings.patch, self.halo
        for pair in pairs:
            if any(n < side for n, side in zip(pair.low.shape, size, strict=True)):
                continue
            inner = tuple(slice(r, n - r) for r, n in zip(reach, pair.low.shape, strict=True))
            windows = np.lib.stride_tricks.sliding_window_view(pair.low, size)
            blocks = self._blocks(pair.target)[inner]
            known = None if pair.mask is None else self._blocks(pair.mask)[inner]
            for z in range(len(windows)):
                wanted = np.ones(windows.shape[1:3], bool)
                if known is not None:
                    wanted = (known[z] != 0).all(axis=(2, 3, 4))
                rows = np.argwhere(wanted)
                for first in range(0, len(rows), CHUNK):
                    y, x = rows[first : first + CHUNK].T
                    yield (
                        windows[z, y, x].reshape(len(y), -1).astype(np.float64),
                        blocks[z, y, x].reshape(len(y), -1).astype(np.float64),
                    )

    def _blocks(self, fine):
        """View fine voxels by the low one that they lie in: (z, y, x, phase z, y, x)."""
        sides = [part for n, f in zip(fine.shape, self.scale, strict=True) for part in (n // f, f)]
        return fine.reshape(sides).transpose(0, 2, 4, 1, 3, 5)

    def use(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take weights.

        Raises
        ------
        AcuityError
            If they are those of another patch or of other factors.
        """
        found, wanted = arrays["weights"].shape, (*self.scale, *self.settings.patch)
        if found != wanted:
            raise AcuityError(
                f"the model of {self.name()} has weights of {found}, (factors, patch); its settings and "
                f"the scale say {wanted}"
            )
        self.low = {key: float(arrays[key][0]) for key in ("mean", "std")}
        phases = math.prod(self.scale)
        weights = arrays["weights"].reshape(phases, -1)
        self._weights = [tap[:, None, None] for tap in np.ascontiguousarray(weights.T)]
        self._constants = arrays["constants"].reshape(phases, 1, 1)

    def restore(self, tile: np.ndarray) -> np.ndarray:
        """Restore one tile; beyond its border voxels are continued. See `acuity.methods.base.Method.restore`."""
        mean, std = (np.float32(self.low[key]) for key in ("mean", "std"))
        border: Any = [(side // 2, side // 2) for side in self.settings.patch]
        image = np.pad((tile - mean) / std, border, mode="edge")
        (nz, ny, nx), (fz, fy, fx) = tile.shape, self.scale
        out = np.empty((nz, fz, ny, fy, nx, fx), np.float32)
        sums = np.empty((fz * fy * fx, ny, nx), np.float32)
        part = np.empty_like(sums)
        for z in range(nz):
            sums[:] = self._constants
            # One order of sums for every voxel, wherever it lies in its tile: none of a matrix product.
            for (dz, dy, dx), weights in zip(
                np.ndindex(*self.settings.patch), self._weights, strict=True
            ):
                np.multiply(weights, image[z + dz, dy : dy + ny, dx : dx + nx], out=part)
                sums += part
            out[z] = sums.reshape(fz, fy, fx, ny, nx).transpose(0, 3, 1, 4, 2)
        return out.reshape(nz * fz, ny * fy, nx * fx) * std + mean


def solved(equations: np.ndarray) -> np.ndarray:
    """Solve linear equations of a positive definite matrix, in an order that no thread changes.

    Parameters
    ----------
    equations : numpy.ndarray
        float64 (n, n + m): the matrix and m right sides; changed.

    Returns
    -------
    numpy.ndarray
        float64 (n, m), by Gauss and Jordan; a positive definite matrix needs no pivots.
    """
    for n in range(len(equations)):
        row = equations[n] / equations[n, n]
        equations -= equations[:, n, None] * row
        equations[n] = row
    return equations[:, len(equations) :]


METHOD = LinearPatch

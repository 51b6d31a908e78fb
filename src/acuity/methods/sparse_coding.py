"""Sparse coding of patches over a learned dictionary, finer along z."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from acuity.assumptions import Assumes
from acuity.errors import AcuityError
from acuity.interpolation import interpolate
from acuity.methods.base import (
    FitSettings,
    FittedMethod,
    FittedSettings,
    PredictSettings,
    TrainingPair,
    scaled,
)
from acuity.methods.networks.planes import coarser, degradation
from acuity.settings import setting

CHUNK = 4096  # patches that are coded together: decides memory


class DictionarySettings(FitSettings):
    """How a dictionary is learned."""

    patches: int = setting(20_000, "Patches that the dictionary is learned from", "1", ge=1)
    passes: int = setting(3, "Passes over the patches", "1", ge=1)
    batch: int = setting(256, "Patches of a step of the dictionary's learning", "1", ge=1)


class SparseCodingSettings(FittedSettings):
    """Settings of sparse coding."""

    patch: int = setting(
        12,
        "Side of a cubic patch on the target's grid; along z a multiple of the factor",
        "voxel",
        ge=2,
    )
    atoms: int = setting(256, "Atoms of the dictionary", "1", ge=1)
    sparsity: float = setting(
        0.05,
        "Weight (lambda) of the codes' sum of magnitudes, intensities of unit deviation",
        "1",
        gt=0,
    )
    code: Literal["omp", "lasso_lars", "lasso_cd"] = setting(
        "omp", "How patches are coded: orthogonal matching pursuit, or the lasso with `sparsity`"
    )
    nonzero: int = setting(6, "With omp: atoms of a patch", "1", ge=1)
    step: tuple[int, int, int] = setting(
        (1, 4, 4), "From one patch to the next (z, y, x) on the input's grid", "voxel"
    )
    skip: Literal["none", "linear", "cubic"] = setting(
        "none",
        "Interpolated input to which patches are added: none is the paper's form; with one of the "
        "others a variant, whose dictionary is learned from coarse patches and paired with what "
        "the interpolation lacks",
    )
    train: DictionarySettings = setting(DictionarySettings(), "How the dictionary is learned")
    predict: PredictSettings = PredictSettings.preset(tile=(64, 256, 256), device="cpu")


class SparseCoding(FittedMethod):
    """Sparse coding over a dictionary of cubic patches of full resolution.

    The baseline of Heinrich et al. 2017 (arXiv:1706.03142, table 3), after Veeraraghavan et al.
    2010: a patch of full resolution is a sparse sum of atoms, so its coarse version is the same
    sum of the atoms made coarser along z. The code of a coarse patch is found with these, the fine
    patch is its sum over the fine ones; overlapping patches are averaged. Dictionary and codes are
    scikit-learn's (``MiniBatchDictionaryLearning``, ``sparse_encode``). Tomographic views, of
    which that paper also makes use, are not there.

    The variant with a ``skip`` is that of Zeyde et al. 2010: the dictionary is learned from coarse
    patches, and its fine partner is the least squares estimate, from their codes, of what the
    interpolated input lacks.
    """

    Settings = SparseCodingSettings
    axial = True
    assumes = Assumes(values="the training's")

    def set_up(self) -> None:
        """Set how many slices hold a patch."""
        self.min_slices = self.settings.patch // self.scale[0]

    def _patch(self):
        """Size of a coarse patch (z, y, x), and how it became coarse."""
        mode = degradation(self.task, self.name())
        side, factor = self.settings.patch, self.scale[0]
        if side % factor:
            raise AcuityError(
                f"settings of {self.name()}, key patch: found {side}; it must be a multiple of the "
                f"factor {factor}"
            )
        size = (side // factor, side, side)
        if any(not 1 <= s <= p for s, p in zip(self.settings.step, size, strict=True)):
            raise AcuityError(
                f"settings of {self.name()}, key step: found {self.settings.step}; allowed are 1 to "
                f"{size} (z, y, x), so that patches leave no gap"
            )
        return size, mode

    def fit(self, pairs: Sequence[TrainingPair], seed: int) -> dict[str, np.ndarray]:
        """Learn the dictionary from patches of the targets.

        Parameters
        ----------
        pairs : list of acuity.methods.base.TrainingPair
            Volumes.
        seed : int
            Seed of patches and dictionary.

        Returns
        -------
        dict of str to numpy.ndarray
            ``dictionary``, float32 (atom, z, y, x); with a ``skip`` also ``coarse``, its coarse
            partner; ``mean`` and ``std`` of the targets.
        """
        from sklearn.decomposition import MiniBatchDictionaryLearning
        from sklearn.exceptions import ConvergenceWarning

        s, side = self.settings, self.settings.patch
        size, _ = self._patch()
        skip = s.skip != "none"
        for pair in pairs:
            if any(n < p for n, p in zip(pair.low.shape, size, strict=True)):
                raise AcuityError(
                    f"{pair.name}: found {pair.low.shape} voxels (z, y, x) to learn from; a patch "
                    f"has {size}"
                )
        rng = np.random.Generator(np.random.Philox(key=[int(seed), 0]))
        patches = np.empty((s.train.patches, side**3), np.float32)
        coarse = np.zeros((s.train.patches, int(np.prod(size))), np.float32)
        interpolated: list[Any] = [self._interpolated(pair.low) if skip else None for pair in pairs]
        for fine, low in zip(patches, coarse, strict=True):
            which = int(rng.integers(len(pairs)))
            pair = pairs[which]
            places = [
                (int(rng.integers(n - p + 1)), p) for n, p in zip(pair.low.shape, size, strict=True)
            ]
            box = tuple(slice(at, at + p) for at, p in places)
            finer = scaled(box, self.scale)
            fine[:] = pair.target[finer].ravel()
            if skip:
                fine -= interpolated[which][finer].ravel()
                low[:] = pair.low[box].ravel()
        statistics = (coarse if skip else patches).astype(np.float64)
        mean, std = float(statistics.mean()), float(statistics.std())
        patches = (patches - np.float32(0 if skip else mean)) / np.float32(std)
        coarse = (coarse - np.float32(mean)) / np.float32(std)
        learned = coarse if skip else patches
        learned -= learned.mean(axis=1, keepdims=True)
        learner = MiniBatchDictionaryLearning(
            n_components=s.atoms,
            alpha=s.sparsity * np.sqrt(learned.shape[1]),
            max_iter=s.train.passes,
            batch_size=s.train.batch,
            fit_algorithm="cd",
            random_state=int(seed) % 2**32,
            n_jobs=1,
        )
        with warnings.catch_warnings():
            # Codes that are nearly right are enough for a step of the dictionary.
            warnings.simplefilter("ignore", ConvergenceWarning)
            learner.fit(learned)
        found = {"mean": np.array([mean], np.float32), "std": np.array([std], np.float32)}
        atoms = learner.components_.astype(np.float32)
        if skip:
            found["coarse"] = atoms.reshape(-1, *size)
            atoms = atoms - atoms.mean(axis=1, keepdims=True)
            atoms = atoms / np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-12)
            codes = self._codes(learned.astype(np.float64), atoms.astype(np.float64))
            # Ridge enough that atoms which are never used stay at zero.
            gram = codes.T @ codes + 1e-3 * len(codes) / len(atoms) * np.eye(len(atoms))
            atoms = np.linalg.solve(gram, codes.T @ patches).astype(np.float32)
        return {"dictionary": atoms.reshape(-1, side, side, side), **found}

    def _interpolated(self, low):
        """Return a coarse tile, interpolated along z."""
        box = scaled([slice(0, n) for n in low.shape], self.scale)
        offset = (self.task.offset[0], None, None)
        return interpolate(low, (0, 0, 0), low.shape, self.scale, box, self.settings.skip, offset)

    def _codes(self, patches, atoms):
        """Return sparse codes of coarse patches without their means, over atoms of unit length."""
        from sklearn.decomposition import sparse_encode

        s = self.settings
        options = (
            {"n_nonzero_coefs": min(s.nonzero, len(atoms))}
            if s.code == "omp"
            else {"alpha": s.sparsity * np.sqrt(atoms.shape[1])}
        )
        return sparse_encode(
            patches, atoms, gram=atoms @ atoms.T, algorithm=s.code, check_input=False, **options
        )

    def use(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take a dictionary.

        Raises
        ------
        AcuityError
            If its atoms have another size than the settings' patches.
        """
        s, factor = self.settings, self.scale[0]
        self._size, mode = self._patch()
        fine = arrays["dictionary"]
        if fine.shape[1:] != (s.patch,) * 3:
            raise AcuityError(
                f"the model of {self.name()} has atoms of {fine.shape[1:]} voxels; its settings say "
                f"{s.patch}"
            )
        self.low = {key: float(arrays[key][0]) for key in ("mean", "std")}
        coarse = coarser(fine, factor, mode, axis=1) if s.skip == "none" else arrays["coarse"]
        coarse = coarse.reshape(len(fine), -1).astype(np.float64)
        centre = coarse.mean(axis=1, keepdims=True)
        coarse = coarse - centre
        norm = np.linalg.norm(coarse, axis=1)
        seen = norm > 1e-6 * max(float(norm.max()), 1e-30)  # the others leave no coarse trace
        # Codes are found for atoms of unit length without a mean; their fine versions follow.
        self._coarse = coarse[seen] / norm[seen, None]
        fine = fine.reshape(len(fine), -1)[seen]
        if s.skip == "none":
            fine = (fine - centre[seen]) / norm[seen, None]
        self._fine = fine.astype(np.float32)
        self.stride = tuple(int(step) for step in s.step)
        # Patches that reach a core start at most this far from it; where a patch is no multiple of
        # the step, the last one of a tile lies off the raster and must not reach the core either.
        z, y, x = (
            p - n if p % n == 0 else -(-p // n) * n
            for p, n in zip(self._size, self.stride, strict=True)
        )
        needed = {"none": 0, "linear": 1, "cubic": 2}[s.skip]  # slices, by the interpolation
        self.halo = (max(z, -(-needed // self.stride[0]) * self.stride[0]), y, x)

    def restore(self, tile: np.ndarray) -> np.ndarray:
        """Restore one tile; see `acuity.methods.base.Method.restore`."""
        size, side = self._size, self.settings.patch
        if any(n < p for n, p in zip(tile.shape, size, strict=True)):
            raise AcuityError(
                f"volume of {tile.shape} voxels (z, y, x): method {self.name()} codes patches of "
                f"{size} and needs as many or more"
            )
        mean, std = (np.float32(self.low[key]) for key in ("mean", "std"))
        tile = (tile - mean) / std
        places = [
            np.unique(np.append(np.arange(0, n - p + 1, step), n - p))
            for n, p, step in zip(tile.shape, size, self.stride, strict=True)
        ]
        corners = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 3)
        windows = np.lib.stride_tricks.sliding_window_view(tile, size)
        skip = self.settings.skip != "none"
        shape = (tile.shape[0] * self.scale[0], *tile.shape[1:])
        sums, counts = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for first in range(0, len(corners), CHUNK):
            part = corners[first : first + CHUNK]
            patches = windows[tuple(part.T)].reshape(len(part), -1).astype(np.float64)
            means = patches.mean(axis=1, keepdims=True)
            fine = self._codes(patches - means, self._coarse).astype(np.float32) @ self._fine
            if not skip:
                fine += means.astype(np.float32)
            fine = fine.reshape(-1, side, side, side)
            for corner, patch in zip(part * self.scale, fine, strict=True):
                box = tuple(slice(at, at + side) for at in corner)
                sums[box] += patch
                counts[box] += 1
        sums /= counts
        if skip:
            sums += self._interpolated(tile)
        return sums * std + mean


METHOD = SparseCoding

"""Train a learned method on pairs of volumes: one plain loop for all methods."""

import copy
import hashlib
import json
import logging
import math
import platform
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as save_arrays
from safetensors.torch import save
from tqdm import tqdm

from acuity.degrade.images import check_strengths, degrade_image, full_scale, image_rng
from acuity.errors import AcuityError
from acuity.methods.base import Task, check_settings, load
from acuity.methods.shared.planes import degradation as axial_mode
from acuity.predict.execution import choose_device, timed
from acuity.predict.source import Source, factors_before, finer_grid, input_phase, statistics
from acuity.seals import sealing, write_sealed
from acuity.threads import allowed
from acuity.train.budget import Budget, TimeUp
from acuity.train.checkpoint import Checkpoints, load_checkpoint, save_checkpoint
from acuity.train.distributed import Ranks, launch
from acuity.train.planes import PlaneSampler, load_planes
from acuity.train.sampling import (
    TRAIN,
    VALIDATE,
    DegradingSampler,
    Pair,
    Sampler,
    held_images,
)
from acuity.train.tune import tune
from acuity.volume import Volume, open_volume
from acuity.writing import write_bytes

logger = logging.getLogger("acuity.train")

SKIPS = 5  # updates in a row whose loss is not finite, before going back to a checkpoint
ROLLBACKS = 2  # times of going back before giving up
CUTTERS = {"cuda": 4}  # threads that cut batches while the network learns; one elsewhere
QUIET = 10.0  # seconds between two lines of progress in a log
COLUMNS = "step\tsplit\tloss\tpsnr\tseconds"


def train(
    method_name,
    settings,
    pairs,
    *,
    level,
    scale=(1, 1, 1),
    phase=None,
    seed,
    output,
    card,
    history,
    checkpoints,
    fov_radius=None,
    study="",
    threads=None,
    masks=None,
    degradation=None,
    full=None,
    until=None,
    ranks=None,
):
    """Train a method and write its weights, card and history.

    Killed at any moment and started again with the same arguments, it goes on from its last
    checkpoint; on a CPU the weights then equal those of an undisturbed run bit for bit.

    Parameters
    ----------
    method_name : str
        A learned method of ``acuity.methods``.
    settings : dict
        Its settings.
    pairs : list of (path, path)
        Low-resolution volume and target of each training sample. A method that learns from planes
        reads one of them alone; the other may be None. With `degradation` the low one is not read.
    level : float
        Strength of the degradation: standard deviation of the blur in voxels of the target's grid.
    scale : tuple of int
        Whole factors (z, y, x) between the low-resolution grid and the target's.
    phase : tuple of float, optional
        Where the low-resolution volume's first voxel lies on the target's grid, in its voxels
        (z, y, x); the middle of a block, (factor - 1) / 2, by default.
    seed : int
        Seed of weights and patches.
    output, card, history : path
        Files to write: weights (safetensors), card (JSON, written last) and the table
        ``step split loss psnr seconds`` (tab-separated), then the method's further losses.
    checkpoints : path
        Folder for checkpoints; emptied of this training's when it is finished.
    fov_radius : float, optional
        Radius of the circular field of view in voxels of the target's grid: only voxels inside
        count in the loss. None: the whole plane.
    study : str
        Name of the study, for the card.
    threads : int, optional
        Threads of torch; as they are where it is not given.
    masks : list of path, optional
        For each pair a volume on the target's grid, not 0 where voxels may be learned from: others
        count neither in the loss nor in statistics over pairs, and patches keep out of them as far
        as they can. Statistics of one image alone (``normalisation`` own) are of all its voxels, as
        they are at prediction.
    degradation : dict, optional
        Learn from targets alone: low-resolution patches are made from them at random, with these
        strengths (see `acuity.degrade.images.degrade_images`), anew in every step.
    full : float, optional
        With `degradation`: intensity that counts as 255; by default the largest value of uint8 or
        uint16 targets.
    until : float, optional
        When it must have ended, in seconds since the epoch: it stops in time, with a checkpoint.
    ranks : acuity.train.distributed.Ranks, optional
        Of several processes (``train.processes``), which this one is: it starts them by itself.

    Raises
    ------
    TimeUp
        If it stopped because of `until`, or of Ctrl-C: it goes on when it is called again.
    AcuityError
        If the volumes or masks do not belong together, are constant or hold values that are not
        finite; if a patch does not fit; if a GPU is demanded that is not there; if the loss stays non-finite.
    """
    arguments = dict(locals())
    method_class = load(method_name)
    if not method_class.learned:
        raise AcuityError(f"method {method_name} is not learned: there is nothing to train")
    settings = check_settings(method_class, settings)
    method = method_class(settings, Task(float(level), tuple(scale), phase))
    if threads:
        processes = getattr(settings.train, "processes", 1)
        torch.set_num_threads(max(1, allowed(threads) // processes))
    if method.learns == "fit":
        loaded = read_pairs(pairs, method, masks, degradation, full, seed)
        _fit(
            method,
            *loaded,
            seed,
            output=output,
            card=card,
            history=history,
            study=study,
            degradation=degradation,
        )
        return
    options = settings.train
    device = torch.device(choose_device(options.device))
    if options.processes > 1 and ranks is None:
        arguments.pop("ranks")
        launch(train, arguments, options.processes, device.type)
        return
    ranks = ranks or Ranks()
    planes = method.learns == "planes"
    if planes and (masks is not None or degradation is not None):
        raise AcuityError(
            f"method {method_name} learns from planes of volumes; masks and random degradation are "
            "for methods that learn from patches"
        )
    if planes:
        data, volumes = load_planes(pairs, method)
    else:
        data, volumes = read_pairs(pairs, method, masks, degradation, full, seed)
    digest = _digest(method, seed, fov_radius, data, degradation)
    held = {"validation_fraction": options.validation_fraction, "fov_radius": fov_radius}
    if planes:
        sampler = PlaneSampler(
            volumes,
            side=method.side,
            factor=method.scale[0],
            mode=axial_mode(method.task, method_name),
            seed=seed,
            **held,
        )
    else:
        kind = Sampler
        if degradation is not None:
            kind = partial(
                DegradingSampler,
                degradation=degradation,
                before=factors_before(method),
                kernel=method.interpolation,
            )
        sampler = kind(
            volumes,
            # The slices of a stack are the method's; the setting counts along y and x.
            patch=(method.stack or options.patch[0], *options.patch[1:]),
            scale=method.scale,
            symmetries=method.symmetries,
            stacked=bool(method.stack),
            spacing=method.spacing,
            seed=seed,
            **held,
        )
        if sampler.patch != tuple(options.patch):
            logger.info(
                "%s: patches of %s instead of %s voxels (z, y, x): cut to the volume, and square "
                "where they are turned",
                method_name,
                sampler.patch,
                tuple(options.patch),
            )
    trainer = Trainer(
        method, sampler, device, seed, Checkpoints(checkpoints, digest), history, ranks
    )
    if until is not None:
        minutes = (until - time.time()) / 60
        logger.info("training stops at the latest in %.0f min, before the job ends", minutes)
    trainer.run(Budget(until))
    if not ranks.first:
        return
    network = trainer.best_network()
    scores = trainer.scores(network)
    mask = sampler.masks[0]
    execution = tune(
        method,
        network,
        trainer.normalisation_of(volumes[0]),
        volumes[0],
        trainer.data_range,
        str(device),
        mask=mask if mask.ndim == 2 else mask.min(axis=0),
        planes=sampler.trial() if planes else None,
    )
    weights = save(
        {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    )
    content = {
        **_card(method, seed, fov_radius, data, weights, study, degradation),
        "normalisation": trainer.normalisation,
        "data_range": trainer.data_range,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "scores": scores,
        "training": trainer.record(),
        "execution": execution,
    }
    write_bytes(output, weights)
    trainer.write_history()
    write_sealed(card, content)
    trainer.checkpoints.remove()
    logger.info(
        "%s at level %g: %d steps in %.0f s; validation PSNR %s",
        method_name,
        level,
        options.steps,
        trainer.state["seconds"],
        f"{scores['psnr']:.2f} dB"
        + (f", input {scores['psnr_input']:.2f} dB" if scores["psnr_input"] is not None else "")
        if scores["psnr"] is not None
        else "not measured (nothing held out)",
    )
    if scores["psnr_input"] is not None and not scores["psnr"] >= scores["psnr_input"]:
        logger.warning(
            "%s at level %g: what it restores is further from the target than its input is; it has "
            "diverged, or learned too little: see %s",
            method_name,
            level,
            history,
        )


def _card(method, seed, fov_radius, data, weights, study, degradation=None):
    """What a card says of any model."""
    return {
        **({} if degradation is None else {"degradation": check_strengths(degradation)}),
        "study": study,
        "method": method.name(),
        "settings": method.settings.for_training(),
        "level": method.task.level,
        "scale": list(method.task.scale),
        "phase": list(method.task.phase),
        "seed": int(seed),
        "fov_radius": fov_radius,
        "data": data,
        "weights": hashlib.sha256(weights).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            **{name: _version(name) for name in ("acuity", "numpy", "safetensors", "zarr")},
        },
    }


def _fit(method, data, volumes, seed, *, output, card, history, study, degradation=None):
    """Train a method that learns at once; the last slices judge it where it holds some out."""
    fraction, factor = method.settings.train.validation_fraction, method.scale[0]
    if all(len(pair.target) == 1 for pair in volumes):  # images are held out whole
        held = set(held_images(len(volumes), fraction).tolist())
        learned = [pair for n, pair in enumerate(volumes) if n not in held]
        judged = [(volumes[n].low, volumes[n].target) for n in sorted(held)]
    else:
        # What is held out must hold what the method restores at least.
        split = [
            len(pair.low) - max(round(fraction * len(pair.low)), method.thinnest if fraction else 0)
            for pair in volumes
        ]
        learned = [
            replace(
                pair,
                low=pair.low[:n],
                target=pair.target[: n * factor],
                mask=None if pair.mask is None else pair.mask[: n * factor],
            )
            for pair, n in zip(volumes, split, strict=True)
        ]
        middle = tuple(slice(max(0, n // 2 - 32), n // 2 + 32) for n in volumes[0].low.shape[1:])
        low, target = volumes[0].low[split[0] :], volumes[0].target[split[0] * factor :]
        judged = [(low[:, *middle], target[:, *middle])] if len(low) else []
    started = time.perf_counter()
    arrays = method.fit(learned, seed)
    seconds = time.perf_counter() - started
    method.use(arrays)
    scores = {"loss": None, "psnr": None, "psnr_input": None, "step": 1}
    rows = ""
    values = volumes[0].target[::4, ::2, ::4]
    data_range = float(np.subtract(*np.percentile(values, [99.9, 0.1])))
    if judged:
        errors = [
            float(((method.restore(np.ascontiguousarray(low)) - target) ** 2).mean())
            for low, target in judged
        ]
        mse = float(np.mean(errors))
        scores |= {"loss": mse, "psnr": psnr(mse, data_range)}
        rows = _row([1, "validate", mse, scores["psnr"], seconds])
    weights = save_arrays({key: np.ascontiguousarray(array) for key, array in arrays.items()})
    content = {
        **_card(method, seed, None, data, weights, study, degradation),
        "normalisation": None,
        "data_range": data_range,
        "parameters": sum(array.size for array in arrays.values()),
        "scores": scores,
        "training": {"seconds": round(seconds, 1)},
        "execution": {"halo": list(method.halo), "stride": list(method.stride)},
    }
    content["versions"]["scikit-learn"] = _version("scikit-learn")
    write_bytes(output, weights)
    with sealing(history) as part:
        part.write_text(f"{COLUMNS}\n{rows}", encoding="utf-8")
    write_sealed(card, content)
    logger.info("%s at level %g: learned in %.0f s", method.name(), method.task.level, seconds)


def _version(name):
    try:
        return version(name)
    except ModuleNotFoundError:
        return "not installed"


def read_pairs(pairs, method, masks=None, degradation=None, full=None, seed=0):
    """Read all pairs into memory; the low volumes on the method's input grid.

    Parameters
    ----------
    pairs, masks, degradation, full, seed
        As for `train`.
    method : acuity.methods.base.Method
        The method that learns.

    Returns
    -------
    data : list of dict
        Digests of the files of each pair.
    volumes : list of acuity.train.sampling.Pair
        Their voxels, float32.

    Raises
    ------
    AcuityError
        If there is no pair, or shapes do not fit.
    """
    if not pairs:
        raise AcuityError("no pair of volumes to train on; at least one is needed")
    if masks is not None and len(masks) != len(pairs):
        raise AcuityError(f"masks: found {len(masks)} for {len(pairs)} pairs; each pair needs one")
    scale = method.task.scale
    if degradation is not None and (scale[0] != 1 or scale[1] != scale[2]):
        raise AcuityError(
            f"random degradation makes images coarser by (1, f, f); found the scale {scale}"
        )
    data, volumes = [], []
    for number, (low_path, target_path) in enumerate(pairs):
        target = open_volume(target_path)
        digests, pair = {}, Pair(None, None, name=str(low_path))
        if degradation is None:
            low = open_volume(low_path)
            digests["low"] = low.digest
        else:
            low_path, pair.name = target_path, str(target_path)
            pair.full, whole = full_scale(target.dtype, full, str(target_path))
            low = _degraded(target, scale[1], pair.full, whole, degradation, seed, number)
        digests["target"] = target.digest
        wanted = tuple(n * f for n, f in zip(low.grid.shape, scale, strict=True))
        # Fewer voxels than a block may be left over at an end of the target.
        if not all(
            w <= n < w + f for n, w, f in zip(target.grid.shape, wanted, scale, strict=True)
        ):
            raise AcuityError(
                f"{target_path}: found the shape {target.grid.shape}; with {low_path} and scale "
                f"{scale} it must be {wanted}"
            )
        grid = finer_grid(low.grid, scale, method.task.phase)
        target = target.within(grid, str(target_path))
        phase = input_phase(method.task, method.scale)
        arrays = []
        for volume, path, f in (
            (low, low_path, factors_before(method)),
            (target, target_path, (1, 1, 1)),
        ):
            source = Source(volume, f, method.interpolation, path, phase)
            array = np.empty(source.shape, np.float32)
            for z in range(0, source.shape[0], 32):  # no second copy of the whole
                box = [
                    slice(z, min(z + 32, source.shape[0])),
                    *(slice(0, n) for n in source.shape[1:]),
                ]
                array[box[0]] = source.read(box)
            if array.min() == array.max():
                raise AcuityError(f"{path}: the volume is constant; nothing can be learned from it")
            arrays.append(array)
            if volume is low and method.normalisation == "own":
                pair.own = source.own_statistics()
        pair.low, pair.target = arrays
        if masks is not None:
            mask = open_volume(masks[number])
            digests["mask"] = mask.digest
            pair.mask = mask.within(grid, str(masks[number])).read() != 0
        data.append(digests)
        volumes.append(pair)
    return data, volumes


def _degraded(target, factor, full, whole, degradation, seed, number):
    """A target degraded in memory, each slice by a draw of its own."""
    made = check_strengths(degradation)
    grid = target.grid.downsample((1, factor, factor))
    low = np.empty(grid.shape, np.float32)
    for z in range(grid.shape[0]):
        rng = image_rng(seed, number * 2**32 + z)
        low[z], _ = degrade_image(
            target.read(slice(z, z + 1))[0],
            rng,
            factor=factor,
            full=full,
            round_to_whole=whole,
            **made,
        )
    return Volume(low, grid, target.intensity)


def _digest(method, seed, fov_radius, data, degradation=None):
    settings = method.settings.for_training()
    # Where and how often a checkpoint is written does not change what is learned.
    settings["train"].pop("checkpoint_seconds")
    content = {
        "method": method.name(),
        "settings": settings,
        "level": method.task.level,
        "scale": method.task.scale,
        "phase": method.task.phase,
        "seed": int(seed),
        "fov_radius": fov_radius,
        "data": data,
        "torch": torch.__version__,
    }
    if degradation is not None:
        content["degradation"] = check_strengths(degradation)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def learning_rate(options, step):
    """Learning rate of an update.

    Parameters
    ----------
    options : acuity.methods.base.TrainSettings
        The schedule.
    step : int
        Update, from 0.

    Returns
    -------
    float
    """
    rate = options.learning_rate
    if options.warm_up:
        rate *= min(1.0, (step + 1) / options.warm_up)
    if options.schedule == "cosine":
        rate *= 0.5 * (1.0 + math.cos(math.pi * step / options.steps))
    elif options.schedule == "step":
        rate *= 0.5 ** (step // options.halve_every)
    elif options.schedule == "inverse_sqrt":
        rate *= (1 + step // options.epoch // options.decay_every) ** -0.5
    return rate


def psnr(mse, data_range):
    """Peak signal-to-noise ratio in dB of a mean squared error."""
    return 10.0 * math.log10(data_range**2 / max(mse, 1e-30))


def move_average(average, network, decay, step):
    """Move the average of a network's weights towards them, quickly at the start.

    Parameters
    ----------
    average, network : torch.nn.Module
        Of the same architecture; the first is changed.
    decay : float
        Share of the average that stays, at most.
    step : int
        Number of the training step, from 0.
    """
    share = 1.0 - min(decay, (step + 1) / (step + 10))
    kept = average.state_dict()
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                kept[key].lerp_(value, share)
            else:
                kept[key].copy_(value)


class Trainer:
    """One training: its networks, optimizers and place in the sequence of steps.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        Builds the networks and gives the losses.
    sampler : acuity.train.sampling.Sampler
        Cuts the batches.
    device : torch.device
        Where to train.
    seed : int
        Seed of the weights.
    checkpoints : acuity.train.checkpoint.Checkpoints
        Where to save, and to resume from.
    history : path
        Table that grows as the network learns.
    ranks : acuity.train.distributed.Ranks, optional
        The processes that train together.
    """

    def __init__(self, method, sampler, device, seed, checkpoints, history, ranks=None):
        self.ranks = ranks or Ranks()
        self.method, self.sampler, self.device = method, sampler, device
        self.options = method.settings.train
        self.checkpoints, self.history = checkpoints, Path(history)
        # The target's mask fits the low volume where both have one grid.
        masks = sampler.masks if method.scale == (1, 1, 1) else None
        self.normalisation = {
            "low": statistics([pair.low for pair in sampler.pairs], masks),
            "target": statistics([pair.target for pair in sampler.pairs], sampler.masks),
        }
        if method.normalisation == "shared":
            self.normalisation["low"] = dict(self.normalisation["target"])
        elif method.normalisation == "range":
            arrays = [array for pair in sampler.pairs for array in (pair.low, pair.target)]
            least = min(float(array.min()) for array in arrays)
            span = max(float(array.max()) for array in arrays) - least
            self.normalisation = {key: {"mean": least, "std": span} for key in ("low", "target")}
        elif method.normalisation == "own":
            # Each volume by its own; these are for reading.
            self.normalisation = {"own": True, **self.normalisation}
        for key in ("low", "target"):
            if self.normalisation[key]["std"] == 0:
                raise AcuityError(
                    f"{sampler.pairs[0].name}: the {key} volumes are constant inside the field of "
                    "view; nothing can be learned from them"
                )
        # The central 99.8 % of the target's values, on every eighth voxel of every fourth slice.
        values = np.concatenate([pair.target[::4, ::2, ::4].ravel() for pair in sampler.pairs])
        low, high = np.percentile(values, [0.1, 99.9])
        self.data_range = float(max(high - low, 1e-6 * self.normalisation["target"]["std"]))
        torch.manual_seed(seed)
        self.networks = {name: net.to(device) for name, net in method.build().items()}
        flat = method.stack or method.learns == "planes"
        self.format = torch.channels_last if flat else torch.contiguous_format
        if method.layout == "channels_last" and not method.stack:
            self.format = torch.channels_last_3d
        self.networks = {
            name: net.to(memory_format=self.format) for name, net in self.networks.items()
        }
        self.optimizers = method.optimizers(self.networks)
        self.decay = getattr(self.options, "ema", 0.0)
        # What a checkpoint holds; the average is one more network, which no optimizer touches.
        self.saved = dict(self.networks)
        if self.decay:
            average = copy.deepcopy(self.networks[method.restorer])
            self.saved["average"] = average.requires_grad_(False)
        self.state = {
            "step": 0,
            "seconds": 0.0,
            "history": [],
            "sums": {},
            "best": None,
            "skipped": 0,
            "in_a_row": 0,
            "rollbacks": 0,
            "precision": None,
        }

    def normalisation_of(self, pair):
        """Normalisation of one pair of volumes, ``low`` and ``target``."""
        if not self.normalisation.get("own"):
            return self.normalisation
        own = pair.own or statistics([pair.low])
        return {"low": own, "target": own}

    # ------------------------------------------------------------------------------ one step

    def _cut(self, number, size, part=slice(None)):
        return self._pinned(self.sampler.batch(TRAIN, number, size, self.normalisation, part))

    def _pinned(self, arrays):
        """Tensors of arrays, from which a GPU copies while it computes."""
        batch = {key: torch.from_numpy(np.ascontiguousarray(a)) for key, a in arrays.items()}
        if self.device.type == "cuda":
            batch = {key: tensor.pin_memory() for key, tensor in batch.items()}
        return batch

    def _to_device(self, batch):
        ahead = self.device.type == "cuda"
        batch = {key: t.to(self.device, non_blocking=ahead) for key, t in batch.items()}
        batch["low"] = batch["low"].contiguous(memory_format=self.format)
        return batch

    def _autocast(self, precision):
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"
        )

    def _losses(self, phase, networks, batch, precision):
        with self._autocast(precision):
            return self.method.losses(phase, networks, batch)

    def _update(self, step, batch):
        """One step; gives the losses, or None where one is not finite and nothing was changed."""
        rate = learning_rate(self.options, step)
        recorded = {}
        for phase in self.method.phases(step):
            optimizer = self.optimizers[phase]
            for group in optimizer.param_groups:
                group["lr"] = self.method.rate(phase, step, rate)
            losses = self._losses(phase, self.wrapped, batch, self.state["precision"])
            loss, value = self.ranks.combine(losses["loss"], batch["mask"])
            if not math.isfinite(value):
                optimizer.zero_grad(set_to_none=True)
                return None
            # Before the gradients: a GPU is waited for once in a phase, and then works on alone.
            others = {key: v.item() for key, v in losses.items() if key != "loss"}
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if phase == self.method.restorer:
                if self.decay:
                    move_average(self.restorer, self.networks[phase], self.decay, step)
                name = "loss"
            else:
                name = phase
            recorded |= {name: value} | others
        return recorded

    @property
    def restorer(self):
        """The network that is judged and kept: the average, where there is one."""
        return self.saved.get("average", self.networks[self.method.restorer])

    def _choose_precision(self):
        """Precision of training: bfloat16 where it is faster and gives the same loss."""
        wanted = self.options.precision
        if wanted != "auto":
            return wanted
        if self.device.type == "mps":
            return "float32"
        # Two: batch normalisation needs more than one value.
        count = min(2, self.options.batch)
        batch = self._to_device(self._cut(0, count))
        phase = self.method.phases(0)[-1]
        seconds, losses = {}, {}
        random_state = torch.get_rng_state()
        for precision in ("float32", "bfloat16"):
            networks = copy.deepcopy(self.networks)

            def once(precision=precision, networks=networks):
                loss = self._losses(phase, networks, batch, precision)["loss"]
                loss.backward()
                return loss.item()

            losses[precision], seconds[precision] = timed(once, self.device.type)
        torch.set_rng_state(random_state)
        agree = abs(losses["bfloat16"] - losses["float32"]) <= 0.02 * losses["float32"]
        chosen = "bfloat16" if agree and seconds["bfloat16"] < seconds["float32"] else "float32"
        logger.info(
            "training in %s: a patch takes %.3f s in float32, %.3f s in bfloat16",
            chosen,
            seconds["float32"] / count,
            seconds["bfloat16"] / count,
        )
        return chosen

    # ------------------------------------------------------------------------------ the loop

    def run(self, budget=None):
        """Train to the last step, from the newest checkpoint if there is one.

        Parameters
        ----------
        budget : acuity.train.budget.Budget, optional
            When to stop before.

        Raises
        ------
        TimeUp
            If the budget is over before the last step, or at Ctrl-C: with a checkpoint.
        """
        budget = budget or Budget()
        with budget.until_interrupted():
            self._run(budget)

    def _run(self, budget):
        found = self.checkpoints.resume(self.saved, self.optimizers)
        step = None if found is None else found["step"]
        # Nothing is written before all processes have read.
        if self.ranks.shared(step) != step:
            raise AcuityError(
                f"{self.checkpoints.folder}: a process read another checkpoint than that of step "
                f"{step}; run it again"
            )
        if found is not None:
            self.state = found
            logger.info("resumed at step %d of %d", step, self.options.steps)
        else:
            chosen = self._choose_precision() if self.ranks.first else None
            self.state["precision"] = self.ranks.shared(chosen)
            self._save()
        self.wrapped = self.ranks.wrap(self.networks)
        self.write_history()
        for network in self.networks.values():
            network.train()
        started = time.perf_counter() - self.state["seconds"]
        saved = time.perf_counter()
        progress = Progress(self.state["step"], self.options.steps, self.method, self.ranks.first)
        batches = self._batches(self.state["step"])
        recorded_every = max(1, self.options.validate_every // 5)
        while self.state["step"] < self.options.steps:
            step = self.state["step"]
            losses = self._update(step, self._to_device(next(batches)))
            if losses is None:
                self._not_finite(step)
                # Going on behind the batch in question: the step counts, the weights do not change.
            else:
                self.state["in_a_row"] = 0
                for key, value in losses.items():
                    total, count = self.state["sums"].get(key, (0.0, 0))
                    self.state["sums"][key] = [total + value, count + 1]
                progress.show(step + 1, losses["loss"])
            self.state["step"] = step + 1
            self.state["seconds"] = time.perf_counter() - started
            last = step + 1 == self.options.steps
            if (step + 1) % recorded_every == 0 or last:
                means = {key: total / n for key, (total, n) in self.state["sums"].items()}
                self._record("train", means.pop("loss", 0.0), None, means)
                self.state["sums"] = {}
            if (step + 1) % self.options.validate_every == 0 or last:
                self._validate()
            over = self.ranks.agreed(budget.is_over(), self.device) and not last
            if last or over or time.perf_counter() - saved >= self.options.checkpoint_seconds:
                self._save()
                saved = time.perf_counter()
            if over:
                break
        progress.close()
        if self.state["step"] < self.options.steps:
            self.ranks.shared(None)  # no process ends the others while the checkpoint is written
            at = f"training of {self.method.name()}: %s at step {self.state['step']} of {self.options.steps}"
            if budget.interrupted:
                raise TimeUp(f"{at % 'interrupted'} and saved there; run it again to go on")
            raise TimeUp(
                f"{at % 'stopped'}, before the job's time ends, with a checkpoint; it goes on from "
                "there when the job is run again"
            )

    def _save(self):
        if self.ranks.first:
            self.checkpoints.save(self.saved, self.optimizers, self.state)

    def _batches(self, step):
        count, part = self.options.batch, self.ranks.part(self.options.batch)
        cutters = CUTTERS.get(self.device.type, 1)
        with ThreadPoolExecutor(cutters, "cut") as pool:
            pending = deque()
            for n in range(step, self.options.steps):
                pending.append(pool.submit(self._cut, n, count, part))
                if len(pending) > cutters + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _not_finite(self, step):
        self.state["skipped"] += 1
        self.state["in_a_row"] += 1
        logger.warning("step %d: the loss is not finite; the step is skipped", step + 1)
        if self.state["in_a_row"] < SKIPS:
            return
        if self.state["rollbacks"] >= ROLLBACKS:
            raise AcuityError(
                f"training of {self.method.name()} diverged: the loss is not finite at step "
                f"{step + 1}, also after going back {ROLLBACKS} times; use a lower learning_rate "
                f"than {self.options.learning_rate:g} or precision float32"
            )
        kept = self.state
        found = self.checkpoints.resume(self.saved, self.optimizers)
        logger.warning("going back to the weights of step %d", found["step"])
        self.state = {**kept, "rollbacks": kept["rollbacks"] + 1, "in_a_row": 0}

    # ------------------------------------------------------------------------------ judging

    def _judge(self, network, batches):
        """Loss and mean squared errors (restored, input; target's intensities) of held-out patches."""
        losses, errors, inputs = [], [], []
        own = self.normalisation.get("own", False)
        std = 1.0 if own else self.normalisation["target"]["std"]
        training = network.training
        network.eval()
        networks = {**self.networks, self.method.restorer: network}
        with torch.no_grad(), self._autocast(self.state["precision"]):
            for n in range(batches):
                arrays = self.sampler.batch(VALIDATE, n, self.options.batch, self.normalisation)
                batch = self._to_device(self._pinned(arrays))
                out = network(batch["low"]).float()
                mask = batch["mask"].expand_as(out)
                error = ((out - batch["target"]) ** 2 * mask).sum() / mask.sum()
                if own:  # in the intensities of each image
                    error = ((out - batch["target"]) * batch["std"]) ** 2
                    error = (error * mask).sum() / mask.sum()
                errors.append(error.item() * std * std)
                losses.append(
                    self.method.losses(self.method.restorer, networks, batch)["loss"].item()
                )
                if self.method.scale == (1, 1, 1):
                    raw = [
                        arrays[k] * arrays["std"]
                        if own
                        else arrays[k] * self.normalisation[k]["std"]
                        + self.normalisation[k]["mean"]
                        for k in ("low", "target")
                    ]
                    weight = np.broadcast_to(arrays["mask"], raw[0].shape)
                    inputs.append(float(((raw[0] - raw[1]) ** 2 * weight).sum() / weight.sum()))
        network.train(training)
        mean_input = float(np.mean(inputs)) if inputs else None
        return float(np.mean(losses)), float(np.mean(errors)), mean_input

    def _validation_batches(self):
        return math.ceil(self.options.validation_patches / self.options.batch)

    def _validate(self):
        if not (self.sampler.validates and self.ranks.first):
            return
        network = self.restorer
        loss, mse, _ = self._judge(network, self._validation_batches())
        self._record("validate", loss, psnr(mse, self.data_range))
        if math.isfinite(loss) and (self.state["best"] is None or loss < self.state["best"][1]):
            self.state["best"] = [self.state["step"], loss]
            save_checkpoint(
                self.checkpoints.best,
                {self.method.restorer: network},
                {},
                {"step": self.state["step"]},
            )

    def best_network(self):
        """The network to keep."""
        network = self.restorer
        if self.options.keep == "best" and self.state["best"] is not None:
            load_checkpoint(self.checkpoints.best, {self.method.restorer: network}, {})
        network.eval()
        return network

    def scores(self, network):
        """Scores on the held-out slices, of the network and of its unrestored input."""
        if not self.sampler.validates:
            return {"loss": None, "psnr": None, "psnr_input": None, "step": self.state["step"]}
        loss, mse, mse_input = self._judge(network, self._validation_batches())
        best = self.options.keep == "best" and self.state["best"] is not None
        return {
            "loss": loss,
            "psnr": psnr(mse, self.data_range),
            "psnr_input": None if mse_input is None else psnr(mse_input, self.data_range),
            "step": self.state["best"][0] if best else self.state["step"],
        }

    def record(self):
        """How the training went, for the card."""
        return {
            "seconds": round(self.state["seconds"], 1),
            "device": str(self.device),
            "precision": self.state["precision"],
            "threads": torch.get_num_threads(),
            "processes": self.ranks.count,
            "skipped_steps": self.state["skipped"],
            "rollbacks": self.state["rollbacks"],
            "patch": list(self.sampler.patch),
        }

    # ------------------------------------------------------------------------------ history

    def _record(self, split, loss, decibels, others=None):
        row = [self.state["step"], split, loss, decibels, round(self.state["seconds"], 1)]
        row += [(others or {}).get(name) for name in self.method.recorded]
        self.state["history"].append(row)
        if not self.ranks.first:
            return
        with self.history.open("a", encoding="utf-8") as file:
            file.write(_row(row))

    def write_history(self):
        """Write the table anew: rows after the last checkpoint belong to steps that come again."""
        if not self.ranks.first:
            return
        rows = "".join(_row(row) for row in self.state["history"])
        columns = "\t".join([COLUMNS, *self.method.recorded])
        with sealing(self.history) as part:
            part.write_text(f"{columns}\n{rows}", encoding="utf-8")


def _row(row):
    step, split, loss, decibels, seconds, *others = row
    shown = "" if decibels is None else f"{decibels:.4f}"
    further = "".join("\t" if value is None else f"\t{value:.6g}" for value in others)
    return f"{step}\t{split}\t{loss:.6g}\t{shown}\t{seconds:.1f}{further}\n"


class Progress:
    """A bar on a terminal, a line every few seconds in a log."""

    def __init__(self, step, steps, method, shown=True):
        self.steps, self.first = steps, step
        self.name = f"{method.name()} level {method.task.level:g}"
        self.started = self.shown = time.perf_counter()
        self.bar = None
        if shown and sys.stderr.isatty():
            self.bar = tqdm(total=steps, initial=step, desc=self.name, unit="step")

    def show(self, step, loss):
        """Note a step and its loss."""
        if self.bar is not None:
            self.bar.n = step
            self.bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            self.bar.update(0)
            return
        now = time.perf_counter()
        if now - self.shown >= QUIET:
            self.shown = now
            left = (now - self.started) / (step - self.first) * (self.steps - step)
            logger.info(
                "%s: step %d of %d, loss %.4g, about %.0f s left",
                self.name,
                step,
                self.steps,
                loss,
                left,
            )

    def close(self):
        """End the bar."""
        if self.bar is not None:
            self.bar.close()

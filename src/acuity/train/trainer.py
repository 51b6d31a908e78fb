"""One training of networks: its steps, its place in their sequence, and how it is judged."""

import copy
import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from acuity.engine.execution import timed
from acuity.engine.readers import ahead, statistics
from acuity.engine.sampling import TRAIN, VALIDATE, BatchSampler
from acuity.errors import AcuityError
from acuity.methods.base import LearnedMethod, TrainingPair, TrainSettings
from acuity.train.checkpoint import Checkpoints, load_checkpoint, save_checkpoint
from acuity.train.deadline import Deadline, TimeUp
from acuity.train.distributed import ProcessGroup
from acuity.train.history import NOT_JUDGED, Progress, history_row, psnr, write_history

logger = logging.getLogger("acuity.train")

SKIPS = 5  # updates in a row whose loss is not finite, before going back to a checkpoint
ROLLBACKS = 2  # times of going back before giving up
CUTTERS = {"cuda": 4}  # threads that cut batches while the network learns; one elsewhere


def learning_rate(options: TrainSettings, step: int) -> float:
    """Return the learning rate of an update.

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
    course = {
        "constant": 1.0,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * step / options.steps)),
        "step": 0.5 ** (step // options.halve_every),
        "inverse_sqrt": (1 + step // options.epoch // options.decay_every) ** -0.5,
    }
    return rate * course[options.schedule]


def move_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
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


def normalisation(method: LearnedMethod, sampler: BatchSampler) -> dict[str, Any]:
    """Return the statistics by which a method's volumes are normalised.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        Says by its ``normalisation`` which they are.
    sampler : acuity.engine.sampling.BatchSampler
        Has the volumes and their masks.

    Returns
    -------
    dict
        ``low`` and ``target``, each with ``mean`` and ``std``; ``own`` is true where each volume is
        normalised by its own.

    Raises
    ------
    AcuityError
        If the volumes are constant inside the field of view.
    """
    # The target's mask fits the low volume where both have one grid.
    masks = sampler.masks if method.scale == (1, 1, 1) else None
    found: dict[str, Any] = {
        "low": statistics([pair.low for pair in sampler.pairs], masks),
        "target": statistics([pair.target for pair in sampler.pairs], sampler.masks),
    }
    if method.normalisation == "shared":
        found["low"] = dict(found["target"])
    elif method.normalisation == "range":
        arrays = [array for pair in sampler.pairs for array in (pair.low, pair.target)]
        least = min(float(array.min()) for array in arrays)
        span = max(float(array.max()) for array in arrays) - least
        found = {key: {"mean": least, "std": span} for key in ("low", "target")}
    elif method.normalisation == "own":
        # Each volume by its own; these are for reading.
        found = {"own": True, **found}
    for key in ("low", "target"):
        if found[key]["std"] == 0:
            raise AcuityError(
                f"{sampler.pairs[0].name}: the {key} volumes are constant inside the field of "
                "view; nothing can be learned from them"
            )
    return found


def data_range(pairs: Sequence[TrainingPair], std: float) -> float:
    """Return the data range of targets: their central 99.8 %, but no less than a millionth of `std`."""
    # On every eighth voxel of every fourth slice.
    values = np.concatenate([pair.target[::4, ::2, ::4].ravel() for pair in pairs])
    low, high = np.percentile(values, [0.1, 99.9])
    return float(max(high - low, 1e-6 * std))


def _memory_format(method):
    if len(method.axes) == 2:
        return torch.channels_last
    return torch.channels_last_3d if method.layout == "channels_last" else torch.contiguous_format


class Trainer:
    """One training: its networks, optimizers and place in the sequence of steps.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        Builds the networks and has the losses.
    sampler : acuity.engine.sampling.BatchSampler
        Cuts the batches.
    device : torch.device
        Where to train.
    seed : int
        Seed of the weights.
    checkpoints : acuity.train.checkpoint.Checkpoints
        Where to save, and to resume from.
    history : path
        Table that grows as the network learns.
    group : acuity.train.distributed.ProcessGroup, optional
        The processes that train together.
    """

    def __init__(
        self,
        method: LearnedMethod,
        sampler: BatchSampler,
        device: torch.device,
        seed: int,
        checkpoints: Checkpoints,
        history: str | PathLike,
        group: ProcessGroup | None = None,
    ) -> None:
        self.group = group or ProcessGroup()
        self.method, self.sampler, self.device = method, sampler, device
        self.options = method.settings.train
        self.checkpoints, self.history = checkpoints, Path(history)
        self.normalisation = normalisation(method, sampler)
        self.data_range = data_range(sampler.pairs, self.normalisation["target"]["std"])
        torch.manual_seed(seed)
        self.format = _memory_format(method)
        place: Any = {"device": device, "memory_format": self.format}
        self.networks = {name: net.to(**place) for name, net in method.build().items()}
        self.optimizers = method.optimizers(self.networks)
        self.decay = getattr(self.options, "ema", 0.0)
        # What a checkpoint holds; the average is one more network, which no optimizer touches.
        self.saved = dict(self.networks)
        if self.decay:
            average = copy.deepcopy(self.networks[method.restorer])
            self.saved["average"] = average.requires_grad_(False)
        self.state: dict[str, Any] = {
            "step": 0,
            "seconds": 0.0,
            "history": [],
            "sums": {},
            "best": None,
            **dict.fromkeys(("skipped", "in_a_row", "rollbacks"), 0),
            "precision": None,
        }

    def normalisation_of(self, pair: TrainingPair) -> dict[str, Any]:
        """Return the normalisation of one pair of volumes, ``low`` and ``target``."""
        if not self.normalisation.get("own"):
            return self.normalisation
        return dict.fromkeys(("low", "target"), pair.own or statistics([pair.low]))

    # ------------------------------------------------------------------------------ one step

    def _cut(self, number, size, part=slice(None)):
        return self._pinned(self.sampler.batch(TRAIN, number, size, self.normalisation, part))

    def _pinned(self, arrays):
        """Return tensors of arrays, from which a GPU copies while it computes."""
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
        half = precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half)

    def _update(self, step, batch):
        """Take one step.

        Returns
        -------
        dict or None
            The losses by their names in the history; None where one is not finite and nothing was
            changed.
        """
        rate = learning_rate(self.options, step)
        logged = {}
        for name in self.method.networks_to_update(step):
            optimizer = self.optimizers[name]
            for group in optimizer.param_groups:
                group["lr"] = self.method.rate(name, step, rate)
            with self._autocast(self.state["precision"]):
                losses = self.method.losses(name, self.wrapped, batch)
            loss, value = self.group.combine(losses["loss"], batch["mask"])
            if not math.isfinite(value):
                optimizer.zero_grad(set_to_none=True)
                return None
            # Before the gradients: a GPU is waited for once, and then works on alone.
            others = {key: v.item() for key, v in losses.items() if key != "loss"}
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            restores = name == self.method.restorer
            if restores and self.decay:
                move_average(self.restorer, self.networks[name], self.decay, step)
            logged |= {"loss" if restores else name: value} | others
        return logged

    @property
    def restorer(self) -> nn.Module:
        """The network that is judged and kept: the average, where there is one."""
        return self.saved.get("average", self.networks[self.method.restorer])

    def _choose_precision(self):
        """Return the precision of training: bfloat16 where it is faster and the loss is the same."""
        wanted = self.options.precision
        if wanted != "auto":
            return wanted
        if self.device.type == "mps":
            return "float32"
        # Two: batch normalisation needs more than one value.
        count = min(2, self.options.batch)
        batch = self._to_device(self._cut(0, count))
        name = self.method.networks_to_update(0)[-1]
        seconds, losses = {}, {}
        random_state = torch.get_rng_state()
        for precision in ("float32", "bfloat16"):
            networks = copy.deepcopy(self.networks)

            def once(precision=precision, networks=networks):
                with self._autocast(precision):
                    loss = self.method.losses(name, networks, batch)["loss"]
                loss.backward()
                return loss.item()

            losses[precision], seconds[precision] = timed(once, self.device.type)
        torch.set_rng_state(random_state)
        agree = abs(losses["bfloat16"] - losses["float32"]) <= 0.02 * losses["float32"]
        chosen = "bfloat16" if agree and seconds["bfloat16"] < seconds["float32"] else "float32"
        said = "training in %s: a patch takes %.3f s in float32, %.3f s in bfloat16"
        logger.info(said, chosen, seconds["float32"] / count, seconds["bfloat16"] / count)
        return chosen

    # ------------------------------------------------------------------------------ the loop

    def run(self, deadline: Deadline | None = None) -> None:
        """Train to the last step, from the newest checkpoint if there is one.

        Parameters
        ----------
        deadline : acuity.train.deadline.Deadline, optional
            When to stop before.

        Raises
        ------
        TimeUp
            If the time is up before the last step, or at Ctrl-C: with a checkpoint.
        """
        deadline = deadline or Deadline()
        with deadline.until_interrupted():
            self._begin()
            self._go_on(deadline)
            if self.state["step"] < self.options.steps:
                self._give_up(deadline)

    def _begin(self):
        """Go back to the newest checkpoint, or write the first one."""
        found = self.checkpoints.resume(self.saved, self.optimizers)
        step = None if found is None else found["step"]
        # Nothing is written before all processes have read.
        if self.group.shared(step) != step:
            raise AcuityError(
                f"{self.checkpoints.folder}: a process read another checkpoint than that of step "
                f"{step}; run it again"
            )
        if found is not None:
            self.state = found
            logger.info("resumed at step %d of %d", step, self.options.steps)
        else:
            chosen = self._choose_precision() if self.group.first else None
            self.state["precision"] = self.group.shared(chosen)
            self._save()
        self.wrapped = self.group.wrap(self.networks)
        self.write_history()

    def _go_on(self, deadline):
        """Take steps to the last one, or until the time is up; save and validate on the way."""
        for network in self.networks.values():
            network.train()
        started = time.perf_counter() - self.state["seconds"]
        saved = time.perf_counter()
        progress = Progress(self.state["step"], self.options.steps, self.method, self.group.first)
        batches = self._batches(self.state["step"])
        log_every = max(1, self.options.validate_every // 5)
        while self.state["step"] < self.options.steps:
            step = self.state["step"]
            losses = self._update(step, self._to_device(next(batches)))
            if losses is None:
                self._not_finite(step)
                # Going on behind the batch in question: the step counts, the weights do not change.
            else:
                self._add(losses)
                progress.show(step + 1, losses["loss"])
            self.state["step"] = step + 1
            self.state["seconds"] = time.perf_counter() - started
            last = step + 1 == self.options.steps
            if (step + 1) % log_every == 0 or last:
                self._log_means()
            if (step + 1) % self.options.validate_every == 0 or last:
                self._validate()
            over = self.group.agreed(deadline.is_over(), self.device) and not last
            if last or over or time.perf_counter() - saved >= self.options.checkpoint_seconds:
                self._save()
                saved = time.perf_counter()
            if over:
                break
        progress.close()

    def _add(self, losses):
        """Add the losses of a step to those that are logged next."""
        self.state["in_a_row"] = 0
        for key, value in losses.items():
            total, count = self.state["sums"].get(key, (0.0, 0))
            self.state["sums"][key] = [total + value, count + 1]

    def _log_means(self):
        """Log the mean losses since the last time."""
        means = {key: total / n for key, (total, n) in self.state["sums"].items()}
        self._log("train", means.pop("loss", 0.0), None, means)
        self.state["sums"] = {}

    def _give_up(self, deadline):
        """End a training that has been saved and is not finished."""
        self.group.shared(None)  # no process ends the others while the checkpoint is written
        place = f"at step {self.state['step']} of {self.options.steps}"
        said = (
            f"stopped {place}, before the job's time ends, with a checkpoint; it goes on from there "
            "when the job is run again"
        )
        if deadline.interrupted:
            said = f"interrupted {place} and saved there; run it again to go on"
        raise TimeUp(f"training of {self.method.name()}: {said}")

    def _save(self):
        if self.group.first:
            self.checkpoints.save(self.saved, self.optimizers, self.state)

    def _batches(self, step):
        size, cutters = self.options.batch, CUTTERS.get(self.device.type, 1)
        cut = partial(self._cut, size=size, part=self.group.part(size))
        with ThreadPoolExecutor(cutters, "cut") as pool:
            yield from ahead(pool, cut, range(step, self.options.steps), cutters + 1)

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

    def _judge(self, network):
        """Return loss and mean squared errors (restored, input; in intensities) of held-out patches."""
        losses, errors, inputs = [], [], []
        own = self.normalisation.get("own", False)
        unit = 1.0 if own else self.normalisation["target"]["std"]
        training = network.training
        network.eval()
        networks = {**self.networks, self.method.restorer: network}
        with torch.no_grad(), self._autocast(self.state["precision"]):
            for n in range(math.ceil(self.options.validation_patches / self.options.batch)):
                arrays = self.sampler.batch(VALIDATE, n, self.options.batch, self.normalisation)
                batch = self._to_device(self._pinned(arrays))
                out = network(batch["low"]).float()
                mask = batch["mask"].expand_as(out)
                std = batch["std"] if own else 1.0
                error = (((out - batch["target"]) * std) ** 2 * mask).sum() / mask.sum()
                errors.append(error.item() * unit * unit)  # in intensities
                loss = self.method.losses(self.method.restorer, networks, batch)["loss"]
                losses.append(loss.item())
                if self.method.scale == (1, 1, 1):
                    low, target = (self._raw(arrays, key) for key in ("low", "target"))
                    weight = np.broadcast_to(arrays["mask"], low.shape)
                    inputs.append(float(((low - target) ** 2 * weight).sum() / weight.sum()))
        network.train(training)
        mean_input = float(np.mean(inputs)) if inputs else None
        return float(np.mean(losses)), float(np.mean(errors)), mean_input

    def _raw(self, arrays, key):
        """Return images in intensities; where each is normalised by itself, less its mean."""
        if self.normalisation.get("own"):
            return arrays[key] * arrays["std"]
        return arrays[key] * self.normalisation[key]["std"] + self.normalisation[key]["mean"]

    def _validate(self):
        if not (self.sampler.validates and self.group.first):
            return
        network = self.restorer
        loss, mse, _ = self._judge(network)
        self._log("validate", loss, psnr(mse, self.data_range))
        if math.isfinite(loss) and (self.state["best"] is None or loss < self.state["best"][1]):
            self.state["best"] = [self.state["step"], loss]
            kept, state = {self.method.restorer: network}, {"step": self.state["step"]}
            save_checkpoint(self.checkpoints.best, kept, {}, state)

    def best_network(self) -> nn.Module:
        """Return the network to keep."""
        network = self.restorer
        if self.options.keep == "best" and self.state["best"] is not None:
            load_checkpoint(self.checkpoints.best, {self.method.restorer: network}, {})
        network.eval()
        return network

    def scores(self, network: nn.Module) -> dict[str, Any]:
        """Return scores on the held-out slices, of the network and of its unrestored input."""
        if not self.sampler.validates:
            return {**NOT_JUDGED, "step": self.state["step"]}
        loss, mse, mse_input = self._judge(network)
        best = self.options.keep == "best" and self.state["best"] is not None
        return {
            "loss": loss,
            "psnr": psnr(mse, self.data_range),
            "psnr_input": None if mse_input is None else psnr(mse_input, self.data_range),
            "step": self.state["best"][0] if best else self.state["step"],
        }

    def record(self) -> dict[str, Any]:
        """Return how the training went, for the card."""
        return {
            "seconds": round(self.state["seconds"], 1),
            "device": str(self.device),
            "precision": self.state["precision"],
            "threads": torch.get_num_threads(),
            "processes": self.group.count,
            "skipped_steps": self.state["skipped"],
            "rollbacks": self.state["rollbacks"],
            "patch": list(self.sampler.patch),
        }

    # ------------------------------------------------------------------------------ history

    def _log(self, split, loss, decibels, others=None):
        row = [self.state["step"], split, loss, decibels, round(self.state["seconds"], 1)]
        row += [(others or {}).get(name) for name in self.method.logged_losses]
        self.state["history"].append(row)
        if self.group.first:
            with self.history.open("a", encoding="utf-8") as file:
                file.write(history_row(row))

    def write_history(self) -> None:
        """Write the table anew: rows after the last checkpoint belong to steps that come again."""
        if self.group.first:
            write_history(self.history, self.state["history"], self.method.logged_losses)

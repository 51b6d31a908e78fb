"""Train a learned method on pairs of volumes: one plain loop for all methods."""

import logging
import time
from functools import partial
from typing import Any

import torch
from safetensors.torch import save

from acuity.engine.execution import choose_device
from acuity.engine.plane_sampling import PlaneSampler
from acuity.engine.readers import upsampling_factors
from acuity.engine.sampling import BatchSampler, DegradingSampler, Sampler
from acuity.methods.base import FittedMethod, LearnedMethod, PlanesMethod, TrainingPair
from acuity.methods.networks.planes import degradation as axial_mode
from acuity.seals import write_sealed
from acuity.threads import allowed
from acuity.train.autotune import autotune
from acuity.train.cards import model_card, training_digest
from acuity.train.checkpoint import Checkpoints
from acuity.train.deadline import Deadline
from acuity.train.distributed import ProcessGroup, launch
from acuity.train.fit import fit
from acuity.train.job import TrainingFiles, TrainingJob
from acuity.train.trainer import Trainer
from acuity.train.volumes import read_volumes
from acuity.writing import write_bytes

logger = logging.getLogger("acuity.train")


def train(
    job: TrainingJob,
    files: TrainingFiles,
    *,
    threads: int | None = None,
    until: float | None = None,
    group: ProcessGroup | None = None,
) -> None:
    """Train a method and write its weights, card and history.

    Killed at any moment and started again with the same arguments, it goes on from its last
    checkpoint; on a CPU the weights then equal those of an undisturbed run bit for bit.

    Parameters
    ----------
    job : acuity.train.job.TrainingJob
        The method, what it is to undo, and its seed.
    files : acuity.train.job.TrainingFiles
        What is read and written.
    threads : int, optional
        Threads of torch; as they are where it is not given.
    until : float, optional
        When it must have ended, in seconds since the epoch: it stops in time, with a checkpoint.
    group : acuity.train.distributed.ProcessGroup, optional
        Of several processes (``train.processes``), which this one is: it starts them by itself.

    Raises
    ------
    TimeUp
        If it stopped because of `until`, or of Ctrl-C: it goes on when it is called again.
    AcuityError
        If the volumes or masks do not belong together, are constant or hold values that are not
        finite; if a patch does not fit; if a GPU is demanded that is not there; if the loss stays non-finite.
    """
    method = job.build()
    options = method.settings.train
    processes = getattr(options, "processes", 1)
    if threads:
        torch.set_num_threads(max(1, allowed(threads) // processes))
    if isinstance(method, FittedMethod):
        fit(job, files, method)
        return
    device = torch.device(choose_device(options.device))
    if processes > 1 and group is None:
        arguments = {"job": job, "files": files, "threads": threads, "until": until}
        launch(train, arguments, processes, device.type)
        return
    group = group or ProcessGroup()
    data, volumes = read_volumes(job, files, method)
    sampler = make_sampler(job, method, volumes)
    checkpoints = Checkpoints(files.checkpoints, training_digest(job, method, data))
    trainer = Trainer(method, sampler, device, job.seed, checkpoints, files.history, group)
    if until is not None:
        minutes = (until - time.time()) / 60
        logger.info("training stops at the latest in %.0f min, before the job ends", minutes)
    trainer.run(Deadline(until))
    if group.first:
        _keep(job, files, data, trainer)


def make_sampler(
    job: TrainingJob, method: LearnedMethod, volumes: list[TrainingPair]
) -> BatchSampler:
    """Return what cuts the batches that a method learns from.

    Parameters
    ----------
    job : acuity.train.job.TrainingJob
        The training.
    method : acuity.methods.base.LearnedMethod
        The method that learns.
    volumes : list of acuity.engine.sampling.TrainingPair
        What it learns from.

    Returns
    -------
    acuity.engine.sampling.BatchSampler
    """
    options = method.settings.train
    common = {
        "validation_fraction": options.validation_fraction,
        "fov_radius": job.fov_radius,
        "seed": job.seed,
    }
    if isinstance(method, PlanesMethod):
        mode = axial_mode(method.task, job.method_name)
        return PlaneSampler(volumes, side=method.side, factor=method.scale[0], mode=mode, **common)
    kind: Any = Sampler
    if job.degradation is not None:
        before, kernel = upsampling_factors(method), method.interpolation
        kind = partial(DegradingSampler, degradation=job.degradation, before=before, kernel=kernel)
    sampler = kind(
        volumes,
        # The slices of a stack are the method's; the setting counts along y and x.
        patch=(method.slices_per_stack or options.patch[0], *options.patch[1:]),
        scale=method.scale,
        symmetries=method.symmetries,
        spacing=method.spacing if method.slices_per_stack else None,
        **common,
    )
    if sampler.patch != options.patch:
        said = (
            "%s: patches of %s instead of %s voxels (z, y, x): cut to the volume, and square where "
            "they are turned"
        )
        logger.info(said, job.method_name, sampler.patch, options.patch)
    return sampler


def _keep(job, files, data, trainer):
    """Write the best network and its card, then drop the checkpoints."""
    method, network = trainer.method, trainer.best_network()
    scores = trainer.scores(network)
    volume, device = trainer.sampler.pairs[0], str(trainer.device)
    statistics, data_range = trainer.normalisation_of(volume), trainer.data_range
    execution = autotune(method, network, statistics, trainer.sampler, data_range, device)
    state = network.state_dict()
    weights = save({key: value.detach().cpu().contiguous() for key, value in state.items()})
    content = {
        **model_card(job, files, method, data, weights),
        "normalisation": trainer.normalisation,
        "data_range": data_range,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "scores": scores,
        "training": trainer.record(),
        "execution": execution,
    }
    write_bytes(files.output, weights)
    trainer.write_history()
    write_sealed(files.card, content)
    trainer.checkpoints.remove()
    _say(job, files, trainer, scores)


def _say(job, files, trainer, scores):
    """Log how the training went, and warn where it has made things worse."""
    reached, before = scores["psnr"], scores["psnr_input"]
    said = "not measured (nothing held out)"
    if reached is not None:
        said = f"{reached:.2f} dB" + ("" if before is None else f", input {before:.2f} dB")
    what = f"{job.method_name} at level {job.level:g}"
    steps, seconds = trainer.options.steps, trainer.state["seconds"]
    logger.info("%s: %d steps in %.0f s; validation PSNR %s", what, steps, seconds, said)
    if before is not None and not reached >= before:
        worse = (
            "%s: what it restores is further from the target than its input is; it has diverged, or "
            "learned too little: see %s"
        )
        logger.warning(worse, what, files.history)

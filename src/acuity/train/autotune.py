"""Choose once for a model how it is run: precision and memory layout, tried on one real tile."""

import itertools
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from acuity.engine.execution import timed
from acuity.engine.planes import make_runner
from acuity.engine.receptive import method_reach
from acuity.engine.sampling import BatchSampler
from acuity.methods.base import LearnedMethod
from acuity.train.history import psnr

logger = logging.getLogger("acuity.train")

COST = 0.05  # dB that another precision may cost against the target
DIFFERENCE = 0.02  # root mean square difference from float32, in standard deviations of the result
GAIN = 0.9  # a choice must need less than this share of the time of one that comes before it


def autotune(
    method: LearnedMethod,
    network: nn.Module,
    normalisation: Mapping[str, Mapping[str, float]],
    sampler: BatchSampler,
    data_range: float,
    device: str,
) -> dict[str, Any]:
    """Try precisions and layouts on one tile and record the fastest that holds up.

    Plain float32 comes first; another choice replaces it only if it is clearly faster, so that
    small noise in the timing does not decide.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        The method.
    network : torch.nn.Module
        Its trained network.
    normalisation : dict
        ``low`` and ``target``, each with ``mean`` and ``std``.
    sampler : acuity.engine.sampling.BatchSampler
        Has the tile, and says which of its voxels count in a comparison.
    data_range : float
        Data range of the target, for the PSNR.
    device : str
        Where it will run.

    Returns
    -------
    dict
        ``device``, ``precision``, ``layout``, ``threads``, ``halo``, ``stride`` and ``trials``.
    """
    halo, stride = method_reach(method, network)
    tile, wanted, mask = sampler.trial(method, stride)
    inside = torch.from_numpy(mask)
    target = torch.from_numpy(wanted.copy())[:, inside]
    trials, outputs = [], []
    for precision, layout in itertools.product(
        ("float32", "bfloat16"), ("contiguous", "channels_last")
    ):
        trial: dict[str, Any] = {"precision": precision, "layout": layout}
        try:
            run = make_runner(method, network, normalisation, {"device": device, **trial})
            batch = run.prepare(tile)

            def once(run=run, batch=batch):
                return run.forward(batch).cpu()

            out, trial["seconds"] = timed(once, device)
        except RuntimeError as error:  # not every device knows every layout and precision
            logger.info("%s %s cannot be used: %s", precision, layout, str(error)[:120])
            continue
        outputs.append(out[:, inside])
        spread = max(float(outputs[0].std()), 1e-30)
        mse = float(((outputs[-1] - target) ** 2).mean())
        trial["psnr"] = psnr(mse, data_range)
        trial["difference"] = float(((outputs[-1] - outputs[0]) ** 2).mean().sqrt()) / spread
        trials.append(trial)
    first, chosen = trials[0], trials[0]
    for trial in trials[1:]:
        holds = trial["difference"] <= DIFFERENCE and trial["psnr"] >= first["psnr"] - COST
        if holds and trial["seconds"] < GAIN * chosen["seconds"]:
            chosen = trial
    gain = first["seconds"] / chosen["seconds"]
    precision, layout = chosen["precision"], chosen["layout"]
    logger.info("prediction in %s, %s: %.1f times plain float32", precision, layout, gain)
    return {
        "device": device.split(":")[0],
        "precision": precision,
        "layout": layout,
        "threads": torch.get_num_threads(),
        "halo": list(halo),
        "stride": list(stride),
        "tile": list(tile.shape),
        "trials": [
            {k: round(v, 6) if isinstance(v, float) else v for k, v in trial.items()}
            for trial in trials
        ],
    }

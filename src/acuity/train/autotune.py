"""Choose once for a model how it is run: precision and memory layout, tried on one real tile."""

import logging
import math
from functools import partial

import numpy as np
import torch

from acuity.engine.execution import Runner, timed
from acuity.engine.planes import PlanesRunner, plane_reach
from acuity.engine.receptive import receptive_field

logger = logging.getLogger("acuity.train")

COST = 0.05  # dB that another precision may cost against the target
DIFFERENCE = 0.02  # root mean square difference from float32, in standard deviations of the result
GAIN = 0.9  # a choice must need less than this share of the time of one that comes before it


def autotune(method, network, normalisation, pair, data_range, device, mask=None, planes=None):
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
    pair : acuity.engine.sampling.TrainingPair
        Volumes to take the tile from.
    data_range : float
        Data range of the target, for the PSNR.
    device : str
        Where it will run.
    mask : numpy.ndarray, optional
        1 inside the field of view (y, x; target's grid): voxels outside, which nothing was
        learned from, do not count in a comparison.
    planes : tuple of numpy.ndarray, optional
        For a method that restores planes: low and target planes (n, z, x) instead of a tile.

    Returns
    -------
    dict
        ``device``, ``precision``, ``layout``, ``threads``, ``halo``, ``stride`` and ``trials``.
    """
    if planes is not None:
        halo, stride = plane_reach(network), (1, 1, 1)
        tile, target = planes
        inside = torch.ones(target.shape[1:], dtype=torch.bool)
        chosen, trials = _try(
            PlanesRunner, network, normalisation, tile, target, inside, data_range, device
        )
        return _record(chosen, trials, device, halo, stride, tile)
    stacked = bool(method.slices_per_stack)
    halo, stride = receptive_field(network, 2 if stacked else 3, method.slices_per_stack or 1)
    if stacked:
        halo, stride = (0, *halo), (1, *stride)
    box = _middle(method, pair.low.shape, stride)
    tile = pair.low[box]
    fine = tuple(
        slice(b.start * f, b.stop * f, b.step) for b, f in zip(box, method.scale, strict=True)
    )
    target = pair.target[fine]
    inside = np.ones(pair.target.shape[1:], bool) if mask is None else mask > 0
    inside = torch.from_numpy(inside[fine[1:]].copy())
    if not inside.any():
        inside[:] = True
    kind = partial(Runner, stacked=stacked)
    chosen, trials = _try(kind, network, normalisation, tile, target, inside, data_range, device)
    return _record(chosen, trials, device, halo, stride, tile)


def _middle(method, shape, stride):
    """Return the box of a tile in the middle of a volume, on the network's raster."""
    box = []
    for axis, count in enumerate(shape):
        if method.slices_per_stack and axis == 0:
            start = (count - method.depth) // 2
            box.append(slice(start, start + method.depth, method.spacing))
            continue
        # A trial costs as much for a method that makes its tile finer.
        size = min(count, method.settings.predict.tile[axis], 256 // max(method.scale))
        size = max(size // stride[axis] * stride[axis], min(count, stride[axis]))
        start = (count - size) // 2 // stride[axis] * stride[axis]
        box.append(slice(start, start + size))
    return tuple(box)


def _try(kind, network, normalisation, tile, target, inside, data_range, device):
    """Run every precision and layout; return the choice and all trials."""
    target = torch.from_numpy(np.array(target))
    trials, outputs = [], []
    for precision in ("float32", "bfloat16"):
        for layout in ("contiguous", "channels_last"):
            trial = {"precision": precision, "layout": layout}
            try:
                run = kind(network, normalisation, {"device": device, **trial})
                batch = run.prepare(tile)

                def once(run=run, batch=batch):
                    return run.forward(batch).cpu()

                out, trial["seconds"] = timed(once, device)
            except RuntimeError as error:  # not every device knows every layout and precision
                logger.info("%s %s cannot be used: %s", precision, layout, str(error)[:120])
                continue
            out = out[:, inside]
            outputs.append(out)
            mse = float(((out - target[:, inside]) ** 2).mean())
            trial["psnr"] = 10 * math.log10(data_range**2 / max(mse, 1e-30))
            spread = max(float(outputs[0].std()), 1e-30)
            trial["difference"] = float(((out - outputs[0]) ** 2).mean().sqrt()) / spread
            trials.append(trial)
    chosen = trials[0]
    for trial in trials[1:]:
        holds = trial["difference"] <= DIFFERENCE and trial["psnr"] >= trials[0]["psnr"] - COST
        if holds and trial["seconds"] < GAIN * chosen["seconds"]:
            chosen = trial
    logger.info(
        "prediction in %s, %s: %.1f times plain float32",
        chosen["precision"],
        chosen["layout"],
        trials[0]["seconds"] / chosen["seconds"],
    )
    return chosen, trials


def _record(chosen, trials, device, halo, stride, tile):
    return {
        "device": device.split(":")[0],
        "precision": chosen["precision"],
        "layout": chosen["layout"],
        "threads": torch.get_num_threads(),
        "halo": list(halo),
        "stride": list(stride),
        "tile": list(tile.shape),
        "trials": [
            {k: round(v, 6) if isinstance(v, float) else v for k, v in trial.items()}
            for trial in trials
        ],
    }

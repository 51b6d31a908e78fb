"""Checkpoints: all that a training needs to go on exactly, without pickles.

A checkpoint is one safetensors file: the tensors of networks and optimizers, torch's random state,
and a JSON header with everything else. It is written beside its place, flushed to disk and
renamed, so that a kill leaves the one before.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from acuity.methods.networks.aliases import Networks
from acuity.writing import remove_leftovers, write_bytes

logger = logging.getLogger("acuity.train")

KEPT = 2

Optimizers = Mapping[str, torch.optim.Optimizer]


def _flat(networks, optimizers):
    tensors = {
        f"network/{name}/{key}": value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    plain: dict[str, dict] = {}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        for index, values in state["state"].items():
            for key, value in values.items():
                if torch.is_tensor(value):
                    tensors[f"optimizer/{name}/{index}/{key}"] = value
                else:
                    plain.setdefault(name, {}).setdefault(str(index), {})[key] = value
    return tensors, plain


def save_checkpoint(
    path: Path, networks: Networks, optimizers: Optimizers, state: Mapping[str, Any]
) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : path
        File.
    networks, optimizers : dict
        By name.
    state : dict
        JSON values: step, history and the like.
    """
    tensors, plain = _flat(networks, optimizers)
    tensors["random"] = torch.get_rng_state()
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    header = {"state": json.dumps(state), "optimizers": json.dumps(plain)}
    write_bytes(path, save(tensors, header))


def load_checkpoint(path: Path, networks: Networks, optimizers: Optimizers) -> dict[str, Any]:
    """Read a checkpoint into networks and optimizers.

    Parameters
    ----------
    path : path
        File.
    networks, optimizers : dict
        By name, as they were saved.

    Returns
    -------
    dict
        The state.
    """
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    plain = json.loads(header["optimizers"])
    for name, network in networks.items():
        prefix = f"network/{name}/"
        own = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        network.load_state_dict(own)
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        values = {int(i): dict(v) for i, v in plain.get(name, {}).items()}
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        prefix = f"optimizer/{name}/"
        for key, tensor in tensors.items():
            if key.startswith(prefix):
                index, field = key[len(prefix) :].split("/")
                like = weights[int(index)]
                if tensor.shape == like.shape:  # lies in memory as its weights do, or it is slow
                    tensor = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
                values.setdefault(int(index), {})[field] = tensor
        state["state"] = values
        optimizer.load_state_dict(state)
    torch.set_rng_state(tensors["random"])
    return json.loads(header["state"])


class Checkpoints:
    """The checkpoints of one training, in a folder of their own.

    Parameters
    ----------
    folder : path
        Folder of all trainings of a model.
    key : str
        Digest of configuration and data: another training never resumes from these.
    """

    def __init__(self, folder: str | PathLike, key: str) -> None:
        self.folder = Path(folder) / key

    @property
    def best(self) -> Path:
        """File of the best network."""
        return self.folder / "best.safetensors"

    def save(self, networks: Networks, optimizers: Optimizers, state: Mapping[str, Any]) -> None:
        """Write the checkpoint of a step and drop all but the newest two."""
        path = self.folder / f"step{state['step']:09d}.safetensors"
        save_checkpoint(path, networks, optimizers, state)
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)

    def _files(self):
        return sorted(self.folder.glob("step*.safetensors"))

    def resume(self, networks: Networks, optimizers: Optimizers) -> dict[str, Any] | None:
        """Go back to the newest checkpoint that can be read.

        Returns
        -------
        dict or None
            Its state; None where there is none.
        """
        remove_leftovers(self.folder)  # a killed training left a step that need not come again
        for path in reversed(self._files()):
            try:
                return load_checkpoint(path, networks, optimizers)
            except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
                said = "checkpoint %s cannot be read (%s): the one before is used"
                logger.warning(said, path, error)
        return None

    def remove(self) -> None:
        """Remove them all; the training is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

"""What a network costs: multiply-adds, activations and reach, counted from the network itself.

It is built on torch's meta device, where nothing is computed. Torch takes seconds to load, and neither a
start of Snakemake nor a plan may wait for that. What the studies of config/ train was counted beforehand:
networks.json, written by benchmarks/networks.py. Of other settings a process of its own counts, once for a
method's code and settings, and what it found is kept in the user's folder of caches.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from math import prod
from pathlib import Path

from acuity.digest import closure
from acuity.errors import AcuityError
from acuity.methods.base import LearnedMethod, Method, Task, load
from acuity.writing import write_text

SHAPE = (64, 256, 256)  # of the image that passes: whole at every coarser grid of a network
RESTORER, JUDGE = "restorer", "judge"
SHIPPED = Path(__file__).with_name("networks.json")
# What this process knows, by `words_of`.
_FOUND = {}


@dataclass(frozen=True)
class Network:
    """The cost of a forward pass through a network, or through one layer of it.

    Attributes
    ----------
    multiply_adds : float
        Multiply-adds for a voxel of the input.
    activations : float
        Outputs of all convolutions for a voxel of the input: what a training step keeps.
    widest : float
        Outputs of the largest convolution for a voxel of the input: what a forward pass holds.
    halo : tuple of float
        Voxels (z, y, x) of the input that reach into an output voxel from one side.
    """

    multiply_adds: float
    activations: float
    widest: float
    halo: tuple[float, float, float]

    @classmethod
    def of(cls, layers: "Sequence[Network]") -> "Network":
        """Sum up layers."""
        return cls(
            sum(layer.multiply_adds for layer in layers),
            sum(layer.activations for layer in layers),
            max(layer.widest for layer in layers),
            tuple(map(sum, zip(*(layer.halo for layer in layers), strict=True))),
        )


def network(method: Method) -> Network | None:
    """Return the cost of a method's restoring network.

    Parameters
    ----------
    method : acuity.methods.base.Method
        With its settings and its task.

    Returns
    -------
    Network or None
        For a voxel of its input; None where it has no network, or one that cannot be built.
    """
    return _counted(method).get(RESTORER)


def judge(method: LearnedMethod) -> Network | None:
    """Return the cost of a method's discriminator.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        With its settings and its task.

    Returns
    -------
    Network or None
        For a voxel of the target's grid; None where the method learns without one.
    """
    return _counted(method).get(JUDGE)


def count(method: LearnedMethod) -> dict[str, Network]:
    """Build a method's networks and count them; this loads torch.

    Parameters
    ----------
    method : acuity.methods.base.LearnedMethod
        With its settings and its task.

    Returns
    -------
    dict of str to Network
        ``restorer`` and, where there is one, ``judge``.
    """
    import torch

    axes = method.axes
    patch = method.settings.train.patch
    side = getattr(method, "side", patch[-1] * method.scale[-1])
    with torch.device("meta"), torch.no_grad():
        built = method.build()
        image = torch.zeros(1, method.slices_per_stack or 1, *(SHAPE[axis] for axis in axes))
        found = {RESTORER: Network.of(_layers(built[method.restorer], image, axes))}
        if "discriminator" in built:
            image = torch.zeros(1, 1, side, side)
            found[JUDGE] = Network.of(_layers(built["discriminator"], image, (1, 2)))
    return found


def _layers(module, image, axes):
    """The convolutions that an image passes, whose axes are some of (z, y, x); dense layers too."""
    from torch import nn

    layers, shape = [], image.shape[2:]

    def note(layer, _, output):
        taps, pitch, grouped = (1,) * len(shape), shape, 1
        if isinstance(layer, nn.Linear):  # sees all of its input at once
            before, after = layer.in_features, layer.out_features
        else:
            before, after, grouped = layer.in_channels, layer.out_channels, layer.groups
            # Fewer taps than the kernel's side where a fractionally strided one meets zeros.
            strides = layer.stride if layer.transposed else taps
            taps = [side / stride for side, stride in zip(layer.kernel_size, strides, strict=True)]
            # The distance of its output's voxels, in voxels of the network's input.
            pitch = [n / m for n, m in zip(shape, output.shape[2:], strict=True)]
        outputs = after / prod(pitch)
        reach = dict(zip(axes, zip(taps, pitch, strict=True), strict=True))
        halo = (reach.get(axis, (1, 1)) for axis in range(3))
        halo = tuple(max(0.0, side - 1) / 2 * step for side, step in halo)
        layers.append(Network(before // grouped * prod(taps) * outputs, outputs, outputs, halo))

    for part in module.modules():
        if isinstance(part, nn.Linear | nn.modules.conv._ConvNd):
            part.register_forward_hook(note)
    module.eval()(image)
    return layers


def prepare(methods: Iterable[Method]) -> None:
    """Count the networks of several methods, in one process for all that were never counted.

    Parameters
    ----------
    methods : iterable of acuity.methods.base.Method
        With their settings and their tasks.
    """
    missing = {}
    for method in methods:
        if method.has_network and (words := words_of(method)) not in _FOUND:
            found = _shipped().get(key_of(words))
            if found is None:
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    found = json.loads(_kept(method, words).read_text(encoding="utf-8"))
            try:
                _FOUND[words] = _networks(found)
            except (TypeError, KeyError, AttributeError):  # never counted, or damaged since
                missing[words] = method
    counted = _count_apart(list(missing)) if missing else []
    for (words, method), found in zip(missing.items(), counted, strict=False):
        _FOUND[words] = _networks(found)
        with contextlib.suppress(OSError, AcuityError, AttributeError):
            file = _kept(method, words)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(found))


def _networks(found):
    return {
        name: Network(**values | {"halo": tuple(values["halo"])}) for name, values in found.items()
    }


def _counted(method):
    if not method.has_network:
        return {}
    prepare([method])
    # none on a machine where torch cannot be loaded
    return _FOUND.setdefault(words_of(method), {})


@lru_cache(1024)
def words_of(method: LearnedMethod) -> str:
    """Return what decides a method's networks, as JSON: its settings, of training the patch alone, and its task."""
    settings = method.settings.for_training()
    settings["train"] = {"patch": settings["train"]["patch"]}
    words = {"name": method.name(), "settings": settings, "task": asdict(method.task)}
    return json.dumps(words, sort_keys=True)


def key_of(words: str) -> str:
    """Return the key that a count is kept by."""
    return hashlib.sha256(words.encode()).hexdigest()[:32]


@cache
def _shipped():
    """The counts of the methods as the studies of config/ use them, by the digests of their words."""
    return json.loads(SHIPPED.read_text(encoding="utf-8"))


@cache
def _code(name):
    """Digest of what a method's networks are made by."""
    modules = closure(__file__, method=name)
    files = [path for name, path in modules.items() if name.startswith("acuity.methods.")]
    content = b"".join(path.read_bytes() for path in sorted([Path(__file__), *files]))
    return hashlib.sha256(content).hexdigest()


def _kept(method, words):
    """The file that keeps a count; None where there is no place for it."""
    with contextlib.suppress(RuntimeError):  # nobody's home
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        key = key_of(f"{_code(method.name())} {words}")
        return folder / "acuity" / "networks" / f"{key}.json"


def _count_apart(words):
    """Count networks; by another process where torch is not loaded."""
    if "torch" in sys.modules:
        return count_all(words)
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-m", "acuity.plan.networks"],
        input=json.dumps(words),
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else []


def count_all(words: Iterable[str]) -> list[dict[str, dict]]:
    """Count networks by what decides them (`words_of`); this loads torch.

    Parameters
    ----------
    words : iterable of str

    Returns
    -------
    list of dict
        As of `count`, each network as a dict; nothing for one that cannot be built, of which the job
        that trains says why.
    """
    counted = []
    for told in map(json.loads, words):
        try:
            found = count(load(told["name"])(told["settings"], Task(**told["task"])))
        except AcuityError:
            found = {}
        counted.append({name: asdict(network) for name, network in found.items()})
    return counted


if __name__ == "__main__":
    json.dump(count_all(json.load(sys.stdin)), sys.stdout)

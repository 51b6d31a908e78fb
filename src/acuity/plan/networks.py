"""What a network costs: multiply-adds, activations and reach, counted from the network itself.

It is built on torch's meta device, where nothing is computed. Torch takes seconds to load, and neither a
start of Snakemake nor a plan may wait for that each time: a process of its own counts, once for a
method's code and settings, and what it found is kept in the user's folder of caches.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from math import prod
from pathlib import Path

from acuity.digest import closure
from acuity.errors import AcuityError
from acuity.methods.base import Task, load
from acuity.writing import write_text

FULL = (1.0, 1.0, 1.0)
SHAPE = (64, 256, 256)  # of the image that passes: whole at every coarser grid of a network
RESTORER, JUDGE = "restorer", "judge"
# What this process knows: key -> networks.
_FOUND = {}


@dataclass(frozen=True)
class Layer:
    """A convolution.

    Attributes
    ----------
    before, after : int
        Channels.
    kernel : tuple of float
        Taps that an output voxel has (z, y, x); less than the kernel's side where a fractionally
        strided convolution meets zeros.
    pitch : tuple of float
        Distance of its output's voxels (z, y, x), in voxels of the network's input.
    """

    before: int
    after: int
    kernel: tuple[float, float, float]
    pitch: tuple[float, float, float] = FULL


@dataclass(frozen=True)
class Network:
    """The cost of a forward pass.

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
    def of(cls, layers):
        """Sum up layers."""
        outputs = [layer.after / prod(layer.pitch) for layer in layers]
        work = [
            layer.before * prod(layer.kernel) * count
            for layer, count in zip(layers, outputs, strict=True)
        ]
        halo = tuple(
            sum(max(0.0, layer.kernel[axis] - 1) / 2 * layer.pitch[axis] for layer in layers)
            for axis in range(3)
        )
        return cls(sum(work), sum(outputs), max(outputs), halo)


def network(method):
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


def judge(method):
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


def count(method):
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

    def in_space(numbers):
        places = dict(zip(axes, numbers, strict=True))
        return tuple(float(places.get(axis, 1)) for axis in range(3))

    def note(layer, _, output):
        if isinstance(layer, nn.Linear):  # sees all of its input at once
            layers.append(Layer(layer.in_features, layer.out_features, FULL, in_space(shape)))
            return
        strides = layer.stride if layer.transposed else [1] * len(shape)
        taps = [side / stride for side, stride in zip(layer.kernel_size, strides, strict=True)]
        pitch = [n / m for n, m in zip(shape, output.shape[2:], strict=True)]
        before = layer.in_channels // layer.groups
        layers.append(Layer(before, layer.out_channels, in_space(taps), in_space(pitch)))

    for part in module.modules():
        if isinstance(part, nn.Linear | nn.modules.conv._ConvNd):
            part.register_forward_hook(note)
    module.eval()(image)
    return layers


def prepare(methods):
    """Count the networks of several methods, in one process for all that were never counted.

    Parameters
    ----------
    methods : iterable of acuity.methods.base.Method
        With their settings and their tasks.
    """
    missing = {}
    for method in methods:
        if method.has_network and (key := _key(method)) not in _FOUND:
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
                _FOUND[key] = _read(_kept(key).read_text(encoding="utf-8"))
                continue
            missing[key] = _words(method)
    if not missing:
        return
    for key, text in zip(missing, _count_apart(list(missing.values())), strict=False):
        _FOUND[key] = _read(text)
        with contextlib.suppress(OSError, AcuityError, AttributeError):
            file = _kept(key)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, text)


def _counted(method):
    if not method.has_network:
        return {}
    prepare([method])
    # none on a machine where torch cannot be loaded
    return _FOUND.setdefault(_key(method), {})


def _words(method):
    """What decides a method's networks: its settings, of training the patch alone, and its task."""
    settings = method.settings.model_dump(mode="json", exclude={"predict", "nlm_before_threshold"})
    settings["train"] = {"patch": settings["train"]["patch"]}
    return {"name": method.name(), "settings": settings, "task": asdict(method.task)}


@lru_cache(1024)
def _key(method):
    words = json.dumps(_words(method), sort_keys=True)
    return hashlib.sha256(f"{_code(method.name())} {words}".encode()).hexdigest()[:32]


@cache
def _code(name):
    """Digest of what a method's networks are made by."""
    modules = closure(__file__, method=name)
    files = [path for name, path in modules.items() if name.startswith("acuity.methods.")]
    content = b"".join(path.read_bytes() for path in sorted([Path(__file__), *files]))
    return hashlib.sha256(content).hexdigest()


def _count_apart(words):
    """Count networks, each as a text; by another process where torch is not loaded."""
    if "torch" in sys.modules:
        return _count(words)
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


def _kept(key):
    """The file that keeps a count; None where there is no place for it."""
    with contextlib.suppress(RuntimeError):  # nobody's home
        folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(folder) / "acuity" / "networks" / f"{key}.json"


def _read(text):
    return {
        name: Network(**values | {"halo": tuple(values["halo"])})
        for name, values in json.loads(text).items()
    }


def _count(words):
    texts = []
    for one in words:
        try:
            found = count(load(one["name"])(one["settings"], Task(**one["task"])))
        except AcuityError:  # cannot be built: the job that trains says why
            found = {}
        texts.append(json.dumps({key: asdict(value) for key, value in found.items()}))
    return texts


if __name__ == "__main__":
    json.dump(_count(json.load(sys.stdin)), sys.stdout)

"""What a network costs: multiply-adds, activations and reach, from its settings alone.

Counted from the layers without building them, since torch takes seconds to load and a plan of
thousands of jobs must not. A test compares each network with torch's own count.
"""

from dataclasses import dataclass
from math import prod

FULL = (1.0, 1.0, 1.0)


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


def network(name, settings, factor=1):
    """Give the cost of a method's restoring network.

    Parameters
    ----------
    name : str
        A method with a network.
    settings : acuity.methods.base.Settings
        Its settings.
    factor : int
        How much finer its output is, for methods that refine the grid themselves.

    Returns
    -------
    Network or None
        None for a method that is not known here.
    """
    layers = _LAYERS.get(name)
    return None if layers is None else Network.of(layers(settings, factor))


def judge(name, settings, side):
    """Give the cost of a method's discriminator.

    Parameters
    ----------
    name : str
        A method.
    settings : acuity.methods.base.Settings
        Its settings.
    side : int
        Side of the images that are judged, in voxels of the target's grid.

    Returns
    -------
    Network or None
        For a voxel of the target's grid; None where the method learns without one.
    """
    layers = _JUDGES.get(name)
    if layers is None or not settings.adversarial:
        return None
    return Network.of(layers(settings, side))


def _square(side):
    return (1, side, side)


def _deepnet(s, factor):
    widths = [min(s.features * 2**n, s.widest) for n in range(s.pools + 1)]
    layers, before = [], s.slices + -s.slices % 8
    for n, width in enumerate(widths):
        pitch = _square(2**n)
        for m in range(s.convolutions):
            layers.append(Layer(before if m == 0 else width, width, _square(3), pitch))
        before = width
    for n in reversed(range(s.pools)):
        pitch = _square(2**n)
        layers.append(Layer(widths[n + 1], widths[n], FULL, pitch))
        for m in range(s.convolutions):
            layers.append(Layer((2 if m == 0 else 1) * widths[n], widths[n], _square(3), pitch))
    layers += [Layer(s.features, s.features, _square(3))] * s.extra
    return [*layers, Layer(s.features, s.slices, _square(3))]


def _sem_gan(s, factor):
    widths = [s.features * 2**n for n in range(s.pools + 1)]
    layers = [Layer(8, s.features, _square(3))]
    for n, width in enumerate(widths):
        before, pitch = widths[max(n - 1, 0)], _square(2**n)
        layers += [
            Layer(before, before, _square(3), pitch),
            Layer(before, width, _square(3), pitch),
        ]
    for n in reversed(range(s.pools)):
        both, pitch = 2 * widths[n], _square(2**n)
        layers += [
            Layer(widths[n + 1], widths[n], FULL, pitch),
            Layer(both, both, _square(3), pitch),
            Layer(both, widths[n], _square(3), pitch),
        ]
    return [*layers, Layer(s.features, 1, _square(3))]


def _srcnn3d(s, factor):
    (a, b, c), (m, n) = s.kernels, s.features
    return [Layer(1, m, (a,) * 3), Layer(m, n, (b,) * 3), Layer(n, 1, (c,) * 3)]


def _fsrcnn3d(s, factor):
    extraction, mapping, last = s.kernels
    fine = (1 / factor, 1, 1)
    return [
        Layer(1, s.filters, extraction),
        Layer(s.filters, s.shrink, FULL),
        *[Layer(s.shrink, s.shrink, mapping)] * s.mappings,
        Layer(s.shrink, s.filters, FULL),
        Layer(s.filters, 1, (last[0] / factor, *last[1:]), fine),
    ]


def _srunet3d(s, factor):
    ratios = [int(max(1, factor / 2**n)) for n in range(s.height)]
    widths = [s.width * 2**n for n in range(s.height)]
    sides = [s.kernels[min(n, len(s.kernels) - 1)] for n in range(s.height)]
    layers, before, deep = [], 1, 1
    # On the way down z is halved only where slices already lie as close as pixels.
    for n, (width, side, ratio) in enumerate(zip(widths, sides, ratios, strict=True)):
        pitch = (deep, 2**n, 2**n)
        layers += [
            Layer(before if m == 0 else width, width, (3, side, side), pitch)
            for m in range(s.depth)
        ]
        if n < s.height - 1 and ratio > 1:
            taps = max(side, ratio) / ratio
            layers.append(Layer(width, width, (taps, side, side), (deep / ratio, 2**n, 2**n)))
        before, deep = width, deep * (1 if ratio > 1 else 2)
    for n in reversed(range(s.height - 1)):
        pitch = (2**n / factor, 2**n, 2**n)
        layers.append(Layer(widths[n + 1], widths[n], (1.5, 1.5, 1.5), pitch))
        layers += [
            Layer((2 if m == 0 else 1) * widths[n], widths[n], (3, 3, 3), pitch)
            for m in range(s.depth)
        ]
    return [*layers, Layer(s.width, 1, (3, 3, 3), (1 / factor, 1, 1))]


def _srgan(s, factor):
    # Planes: the first axis becomes finer; here it stands for z.
    first, last = s.kernels
    layers = [Layer(8, s.features, (first, 1, first))]
    layers += [Layer(s.features, s.features, (3, 1, 3))] * (2 * s.blocks + 1)
    rising = [2] * (factor.bit_length() - 1) if factor & (factor - 1) == 0 else [factor]
    pitch = 1.0
    for step in rising:
        layers.append(Layer(s.features, s.features * step, (3, 1, 3), (pitch, 1, 1)))
        pitch /= step
    return [*layers, Layer(s.features, 1, (last, 1, last), (pitch, 1, 1))]


def _semnet(s, factor):
    fine, dense = (1, 1 / factor, 1 / factor), []
    for n in range(5):
        after = s.growth if n < 4 else s.features
        dense.append(Layer(s.features + n * s.growth, after, _square(3)))
    return [
        Layer(8, s.features, _square(3)),
        *dense * (3 * s.blocks),
        Layer(s.features, s.features, _square(3)),
        Layer(s.features, s.features, _square(3), fine),
        Layer(s.features, 1, _square(3), fine),
    ]


def _srgan_judge(s, side):
    layers, before, pitch = [], 1, 1
    for n in range(8):
        pitch *= 1 + n % 2
        after = s.discriminator * 2 ** (n // 2)
        layers.append(Layer(before, after, _square(3), _square(pitch)))
        before = after
    last = -(-side // pitch)  # a dense layer sees all of its input at once
    whole = (1, side, side)
    return [
        *layers,
        Layer(before * last**2, s.dense, FULL, whole),
        Layer(s.dense, 1, FULL, whole),
    ]


def _sem_gan_judge(s, side):
    layers = [Layer(1, s.discriminator, _square(3))]
    for n in range(s.discriminator_blocks):
        width, pitch = s.discriminator * 2**n, _square(2**n)
        layers += [
            Layer(width, width, _square(3), pitch),
            Layer(width, 2 * width, _square(3), pitch),
        ]
    width, whole = s.discriminator * 2**s.discriminator_blocks, (1, side, side)
    return [*layers, Layer(width, s.dense, FULL, whole), Layer(s.dense, 1, FULL, whole)]


_JUDGES = {"sem_gan": _sem_gan_judge, "srgan": _srgan_judge}
_LAYERS = {
    "deepnet": _deepnet,
    "fsrcnn3d": _fsrcnn3d,
    "sem_gan": _sem_gan,
    "semnet": _semnet,
    "srcnn3d": _srcnn3d,
    "srgan": _srgan,
    "srunet3d": _srunet3d,
}

"""Names, colours and markers that every figure and page of a report shares."""

import zlib
from dataclasses import dataclass

# Stand-ins that the pages turn into colours of the light or the dark scheme.
INK = "#1b1e23"
MUTED = "#6a7078"
GRID = "#dfe2e7"
SHADE = "#c3c8cf"

# Okabe and Ito's palette, distinguishable with any colour vision (without its yellow, too pale for
# lines on white, and its black, which is the truth's).
_ORANGE, _SKY, _GREEN = "#e69f00", "#56b4e9", "#009e73"
_BLUE, _VERMILLION, _PURPLE = "#0072b2", "#d55e00", "#cc79a7"

# Methods that appear together differ in colour; where a colour comes back, the marker differs.
_METHODS = {
    "truth": ("Truth", "Truth", INK, "*"),
    "input": ("Input", "Input", MUTED, "X"),
    "nearest": ("Nearest neighbour", "Nearest", _ORANGE, "P"),
    "linear": ("Linear interpolation", "Linear", _SKY, "v"),
    "cubic": ("Cubic interpolation", "Cubic", _PURPLE, "D"),
    "richardson_lucy": ("Richardson-Lucy", "R.-Lucy", _GREEN, "^"),
    "srcnn3d": ("SRCNN 3D", "SRCNN", _VERMILLION, "s"),
    "deepnet": ("DeepNet", "DeepNet", _BLUE, "o"),
    "bilinear_planes": ("Bilinear, plane by plane", "Bilinear", _SKY, "<"),
    "bicubic_planes": ("Bicubic, plane by plane", "Bicubic", _PURPLE, ">"),
    "lanczos": ("Lanczos", "Lanczos", _SKY, "h"),
    "bicubic_gaussian": ("Bicubic and Gaussian", "Bic.+Gauss", _GREEN, "p"),
    "sparse_coding": ("Sparse coding", "Sparse", _GREEN, "d"),
    "fsrcnn3d": ("FSRCNN 3D", "FSRCNN", _VERMILLION, "p"),
    "srunet3d": ("SR-UNet 3D", "SR-UNet", _BLUE, "8"),
    "srgan": ("SRGAN", "SRGAN", _BLUE, "H"),
    "sem_gan": ("SEM-GAN", "SEM-GAN", _VERMILLION, "s"),
    "semnet": ("SEMNet", "SEMNet", _BLUE, "d"),
}
_ORDER = {name: rank for rank, name in enumerate(_METHODS)}
_COLOURS = (_ORANGE, _SKY, _GREEN, _BLUE, _VERMILLION, _PURPLE)
_MARKERS = ("o", "s", "^", "D", "v", "P", "<", ">", "h", "p", "d", "8")


@dataclass(frozen=True)
class Look:
    """How one method is named and drawn, the same in all figures.

    Parameters
    ----------
    name : str
        Full name, for tables and legends.
    short : str
        At most about ten letters, for axes.
    colour : str
        ``#rrggbb``.
    marker : str
        Matplotlib marker.
    variant : bool
        Whether it is a variant of a method, drawn dashed.
    """

    name: str
    short: str
    colour: str
    marker: str
    variant: bool = False


def look(method):
    """Look up how a method is named and drawn.

    Parameters
    ----------
    method : str
        A method's name, or ``name@variant``.

    Returns
    -------
    Look
        For an unknown name, a colour and marker that depend on the name alone.
    """
    base, _, variant = method.partition("@")
    if base in _METHODS:
        name, short, colour, marker = _METHODS[base]
    else:
        code = zlib.crc32(base.encode())
        name, short = base.replace("_", " "), base[:10]
        colour, marker = _COLOURS[code % 6], _MARKERS[code // 6 % len(_MARKERS)]
    if variant:
        # The marker tells variants of one method apart.
        marker = _MARKERS[(zlib.crc32(variant.encode()) + _MARKERS.index("s")) % len(_MARKERS)]
        return Look(f"{name} ({variant})", f"{short}@{variant[:6]}", colour, marker, True)
    return Look(name, short, colour, marker)


def ordered(methods):
    """Sort methods: truth, input, then classical before learned ones, unknown names last.

    Parameters
    ----------
    methods : iterable of str
        Names, repeats allowed.

    Returns
    -------
    list of str
    """
    return sorted(set(methods), key=lambda m: (_ORDER.get(m.partition("@")[0], 99), m))

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
ORANGE, SKY, GREEN = "#e69f00", "#56b4e9", "#009e73"
BLUE, VERMILLION, PURPLE = "#0072b2", "#d55e00", "#cc79a7"
YELLOW = "#f0e442"  # for areas alone
PAPER, NOTHING, WARNING = "#ffffff", "#eeeeee", "#a33b00"

# What became of the true objects, in words and colours; the last are no part of the truth.
FATES = {
    "found": ("found", SKY),
    "split": ("split", GREEN),
    "merged": ("merged", PURPLE),
    "missed": ("missed", VERMILLION),
    "false": ("invented", YELLOW),
}

# Methods that appear together differ in colour; where a colour comes back, the marker differs.
_METHODS = {
    "truth": ("Truth", "Truth", INK, "*"),
    "input": ("Input", "Input", MUTED, "X"),
    "nearest": ("Nearest neighbour", "Nearest", ORANGE, "P"),
    "linear": ("Linear interpolation", "Linear", SKY, "v"),
    "cubic": ("Cubic interpolation", "Cubic", PURPLE, "D"),
    "richardson_lucy": ("Richardson-Lucy", "R.-Lucy", GREEN, "^"),
    "linear_patch": ("Linear regression of patches", "Lin. patch", GREEN, "v"),
    "srcnn3d": ("SRCNN 3D", "SRCNN", VERMILLION, "s"),
    "deepnet": ("DeepNet", "DeepNet", BLUE, "o"),
    "edsr3d": ("EDSR 3D", "EDSR", ORANGE, "s"),
    "bilinear_planes": ("Bilinear, plane by plane", "Bilinear", SKY, "<"),
    "bicubic_planes": ("Bicubic, plane by plane", "Bicubic", PURPLE, ">"),
    "lanczos": ("Lanczos", "Lanczos", SKY, "h"),
    "bicubic_gaussian": ("Bicubic and Gaussian", "Bic.+Gauss", GREEN, "p"),
    "sparse_coding": ("Sparse coding", "Sparse", GREEN, "d"),
    "fsrcnn3d": ("FSRCNN 3D", "FSRCNN", VERMILLION, "p"),
    "srunet3d": ("SR-UNet 3D", "SR-UNet", BLUE, "8"),
    "srgan": ("SRGAN", "SRGAN", BLUE, "H"),
    "sem_gan": ("SEM-GAN", "SEM-GAN", VERMILLION, "s"),
    "semnet": ("SEMNet", "SEMNet", BLUE, "d"),
}
_ORDER = {name: rank for rank, name in enumerate(_METHODS)}
_COLOURS = (ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE)
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

    @property
    def line(self):
        """Matplotlib's properties of its line."""
        return {"color": self.colour, "ls": "--" if self.variant else "-"}


@dataclass(frozen=True, kw_only=True)
class Words:
    """How levels, lengths and objects are written.

    Parameters
    ----------
    level_format : str
        How a level is written (`str.format`).
    level_title : str
        What levels are: title of their axis.
    unit : str, optional
        Unit of length of sizes and blur; by default that of the metrics.
    noun : str
        What the objects are called, in the singular.
    """

    level_format: str = "{:g}:1"
    level_title: str = "Resolution ratio (input : target)"
    unit: str | None = None
    noun: str = "pore"

    def level(self, level):
        """Write a level."""
        return self.level_format.format(level)


PLAIN = Words()


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


def in_order(keys):
    """Sort methods with their levels: the truth, then level by level as `ordered` does.

    Parameters
    ----------
    keys : iterable of (str, float or None)

    Returns
    -------
    list of (str, float or None)
    """
    keys = list(keys)
    rank = {method: n for n, method in enumerate(ordered(method for method, _ in keys))}
    return sorted(keys, key=lambda key: (key[1] is not None, key[1] or 0, rank[key[0]]))


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

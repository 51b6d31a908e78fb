"""What a kind of simulated specimen declares, and how two scans of it are made.

Adding a kind is adding one module to this package that ends in ``SPECIMEN = ItsClass``, whose title
and default image a study's keys, their help and the planner read. Every start of Snakemake imports
it: what computes is imported by the functions that need it.
"""

import importlib
from dataclasses import asdict, dataclass
from typing import ClassVar

from acuity.errors import AcuityError, require
from acuity.plugins import modules
from acuity.simulate import specimens


@dataclass(frozen=True)
class Specimen:
    """A kind of specimen, with settings of its own; what it leaves as it is here holds for it too.

    Attributes
    ----------
    title : str
        What it is, in a few words.
    shape : (int, int)
        Pixels of the high image along y, x, where a study states none.
    pixel_size : float
        Of the high image, nm, likewise.
    spot, dwell, detected : float
        As in `Scanning`, likewise.
    """

    title: ClassVar[str]
    shape: ClassVar[tuple[int, int]]
    pixel_size: ClassVar[float]
    spot: ClassVar[float]
    dwell: ClassVar[float]
    detected: ClassVar[float]

    @classmethod
    def name(cls):
        """Return the name by which a study asks for it, that of its module."""
        return cls.__module__.rpartition(".")[2]

    def moved(self, field, *, pixel, seed):
        """Return how it has moved between the two scans.

        Parameters
        ----------
        field : (float, float, float, float)
            y0, x0, y1, x1 of the high image, nm.
        pixel : float
            Pixel of the high image, nm.
        seed : int
            Seed of what is drawn.

        Returns
        -------
        object or None
            With ``displace``, ``origin`` and ``weight`` as `acuity.simulate.hydrogel.Damage`; None
            where it stays as it is.
        """
        return None

    def draw(self, *, origin, end, shape, step, seed):
        """Return the electrons that each point of it gives off.

        Parameters
        ----------
        origin, end : (float, float)
            y, x of the first and of the last point, nm.
        shape : (int, int)
            Points along y, x.
        step : float
            Distance of two points, nm.
        seed : int
            Seed of what is drawn.

        Returns
        -------
        (numpy.ndarray, pandas.DataFrame or None)
            (y, x), float32, 1 on flat gold; and its particles, as
            `acuity.simulate.particles.layout` has them, where it has any.
        """
        raise NotImplementedError

    def settings(self):
        """Return what the provenance says of its settings: layout, surface and damage."""
        own = {key: _plain(value) for key, value in asdict(self).items()}
        return {key: own.get(key, {}) for key in ("layout", "surface", "damage")}


def check(condition, message):
    """Raise an `AcuityError` about a specimen where a condition does not hold."""
    require(condition, f"specimen: {message}")


def _plain(settings):
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}


@dataclass(frozen=True)
class Scanning:
    """How a specimen is scanned twice, and how far the two scans are from each other.

    Attributes
    ----------
    shape : (int, int), optional
        Pixels of the high image along y, x; the kind's by default.
    pixel_size : float, optional
        Of the high image; the kind's by default, which is in nm.
    unit : str
        Unit of `pixel_size`.
    factor : int
        Pixel size of the low image over that of the high one.
    margin : float
        How far the low field reaches beyond the high one on each side, as a share of it; 0.5 is
        the same number of pixels at half the magnification.
    supersample : int
        Points of the fine grid on a high pixel's side.
    spot : float, optional
        Full width at half maximum of the beam's spot, nm; the kind's by default.
    dwell : float, optional
        us a pixel; the kind's by default.
    current : float
        Beam current, nA.
    detected : float, optional
        Electrons counted for each one of the beam on flat gold; the kind's by default. Counts stand
        for the detective efficiency of the whole chain, so that their Poisson noise is the image's.
    noise : bool
        Whether electrons are counted, or their expected number taken.
    streaks : float
        How much of the running mean of the signal before a pixel is lost there: dark trails along
        the fast axis behind bright particles.
    streak_length : float
        Decay length of the trail, pixels.
    shading : float
        Greatest relative change of brightness across the field, smooth.
    charging : float
        Greatest relative change of brightness from row to row, slow.
    rotation : float
        Greatest rotation of the low scan against the high one, degrees.
    scale : float
        Greatest relative error of the low scan's magnification.
    shift : float
        Greatest shift of the low scan along y and x, high pixels.
    elastic : float
        Greatest relative distortion of the two scans, high pixels: each has half.
    elastic_wavelength : float
        Shortest wavelength of the distortion, high pixels.
    drift : float
        Greatest path of the specimen during each scan, high pixels.
    """

    shape: tuple[int, int] | None = None
    pixel_size: float | None = None
    unit: str = "nm"
    factor: int = 2
    margin: float = 0.1
    supersample: int = 3
    spot: float | None = None
    dwell: float | None = None
    current: float = 0.54
    detected: float | None = None
    noise: bool = True
    streaks: float = 0.06
    streak_length: float = 25.0
    shading: float = 0.06
    charging: float = 0.04
    rotation: float = 0.6
    scale: float = 0.005
    shift: float = 6.0
    elastic: float = 3.0
    elastic_wavelength: float = 400.0
    drift: float = 1.0


def known():
    """Return the kinds that there are, by name.

    Returns
    -------
    dict of str to type
    """
    return {name: load(name) for name in modules(specimens.__name__)}


def load(name):
    """Return a kind by its name.

    Parameters
    ----------
    name : str
        Name of a module of this package.

    Returns
    -------
    type

    Raises
    ------
    AcuityError
        If there is none, or its module cannot be used; the sentence names the file.
    """
    names = modules(specimens.__name__)
    require(name in names, f"specimen: kind is {name!r}; allowed are {', '.join(names)}")
    try:
        return importlib.import_module(f"{specimens.__name__}.{name}").SPECIMEN
    except Exception as error:
        raise AcuityError(
            f"{names[name]}: cannot be used as a kind of specimen ({type(error).__name__}: {error})"
        ) from error

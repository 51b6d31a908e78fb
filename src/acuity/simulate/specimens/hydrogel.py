"""A hydrogel under a thin coat of gold, which the beam damages."""

from dataclasses import asdict, dataclass

from acuity.simulate.specimens.base import Specimen


@dataclass(frozen=True)
class Network:
    """The porous network of fibres; lengths in nm.

    Attributes
    ----------
    pore : float
        Typical distance of two pores.
    thickness : float
        Typical thickness of a fibre.
    coat : float
        Standard deviation of the yield of the coat's grains.
    coat_size : float
        Standard deviation of the Gaussian that makes the grains.
    """

    pore: float = 700.0
    thickness: float = 150.0
    coat: float = 0.08
    coat_size: float = 18.0


@dataclass(frozen=True)
class Zones:
    """Where the network shrinks between the scans, as `acuity.simulate.hydrogel.damage`.

    Attributes
    ----------
    zones : int
        Number of zones.
    radius, greatest, fine, wavelength : float
        Lengths in high pixels.
    """

    zones: int = 3
    radius: float = 60.0
    greatest: float = 6.0
    fine: float = 8.0
    wavelength: float = 25.0


@dataclass(frozen=True)
class Hydrogel(Specimen):
    """Fibres that have moved when they are scanned for the second time."""

    title = "a porous network that the beam damages"
    shape = (418, 492)
    pixel_size = 28.4
    spot = 25.0
    dwell = 10.0
    detected = 0.006

    surface: Network = Network()
    damage: Zones = Zones()

    def moved(self, field, *, pixel, seed):
        """Return the damage that the first scan has done."""
        from acuity.simulate.hydrogel import damage

        lengths = {k: v if k == "zones" else v * pixel for k, v in asdict(self.damage).items()}
        return damage(field, seed=seed, **lengths)

    def draw(self, *, origin, end, shape, step, seed):
        """Return electrons; there are no particles."""
        from acuity.simulate.hydrogel import render

        return render(shape=shape, step=step, seed=seed, **asdict(self.surface)), None


SPECIMEN = Hydrogel
